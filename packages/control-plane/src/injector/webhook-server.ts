/** The HTTPS shell of the webhook: body in, body out. New connections see a new certificate, open ones go on. */
import { createServer } from 'node:https';
import type { Server } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

import type { Component, Logger } from '@mesh/runtime';
import { messageOf } from '@mesh/runtime';

import type { CertificateSource } from './webhook-certificate.ts';

export interface WebhookServerOptions {
  readonly host: string;
  readonly port: number;
}

/** The API server sends whole objects: etcd takes 1.5 MiB, requests may be twice that. */
const BODY_BYTES_MAX = 4 * 1024 * 1024;
const REQUEST_TIMEOUT_MS = 10_000;

export class WebhookServer implements Component {
  readonly name = 'webhook server';
  readonly #options: WebhookServerOptions;
  readonly #certificate: CertificateSource;
  readonly #answer: (review: unknown) => Promise<object>;
  readonly #logger: Logger;
  #server: Server | undefined;
  #unsubscribe: (() => void) | undefined;

  /** @param deps.answer Rejects for bodies that are no review: answered with 400. */
  constructor(
    options: WebhookServerOptions,
    deps: {
      readonly certificate: CertificateSource;
      readonly answer: (review: unknown) => Promise<object>;
      readonly logger: Logger;
    },
  ) {
    this.#options = options;
    this.#certificate = deps.certificate;
    this.#answer = deps.answer;
    this.#logger = deps.logger;
  }

  get port(): number {
    return (this.#server?.address() as AddressInfo | null | undefined)?.port ?? 0;
  }

  async start(): Promise<void> {
    const server = createServer(
      { ...this.#certificate.current, minVersion: 'TLSv1.2', requestTimeout: REQUEST_TIMEOUT_MS },
      (request, response) => void this.#serve(request, response),
    );
    this.#server = server;
    this.#unsubscribe = this.#certificate.onChange(() =>
      server.setSecureContext({ ...this.#certificate.current, minVersion: 'TLSv1.2' }),
    );
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once('error', reject);
    server.listen({ host: this.#options.host, port: this.#options.port }, resolve);
    await promise;
    server.off('error', reject);
    server.on('tlsClientError', (error) => this.#logger.debug('tls handshake failed', { error }));
    this.#logger.info('webhook listening', { address: this.#options.host, port: this.port });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#unsubscribe?.();
    const server = this.#server;
    if (server === undefined) return;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeIdleConnections();
    const cut = setTimeout(() => server.closeAllConnections(), REQUEST_TIMEOUT_MS / 10);
    await closed;
    clearTimeout(cut);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      if (request.method !== 'POST') return send(response, 405, 'only POST of an AdmissionReview\n');
      const body = await readBody(request);
      if (body === undefined) return send(response, 413, `the body is larger than ${BODY_BYTES_MAX} bytes\n`);
      let answer: object;
      try {
        answer = await this.#answer(JSON.parse(body));
      } catch (error) {
        this.#logger.warn('admission review refused', { error: messageOf(error) });
        return send(response, 400, `${messageOf(error)}\n`);
      }
      response.setHeader('content-type', 'application/json');
      return send(response, 200, JSON.stringify(answer));
    } catch (error) {
      this.#logger.debug('admission request broke off', { error });
      response.destroy();
    }
  }
}

async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > BODY_BYTES_MAX) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function send(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status).end(body);
}
