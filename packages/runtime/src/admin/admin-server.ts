/** The admin port of a controller: /live, /ping, /ready, /metrics, /log-level. Plain HTTP, for probes, Prometheus and people. */
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Component, Readiness } from '../lifecycle.ts';
import { LOG_LEVELS } from '../logger.ts';
import type { LogControl, Logger } from '../logger.ts';
import { METRICS_CONTENT_TYPE } from '../metrics/registry.ts';
import type { MetricRegistry } from '../metrics/registry.ts';
import { NodeMetrics } from './node-metrics.ts';

export interface AdminServerDeps {
  readonly readiness: Readiness;
  readonly metrics: Pick<MetricRegistry, 'expose'>;
  readonly logControl: LogControl;
  readonly logger: Logger;
}

/** A log level is a word. */
const BODY_BYTES_MAX = 64;

export class AdminServer implements Component {
  readonly name = 'admin server';
  readonly #at: { readonly host: string; readonly port: number };
  readonly #deps: AdminServerDeps;
  #nodeMetrics: NodeMetrics | undefined;
  #server: Server | undefined;

  constructor(at: { readonly host: string; readonly port: number }, deps: AdminServerDeps) {
    this.#at = at;
    this.#deps = deps;
  }

  /** The bound port; 0 before `start`. */
  get port(): number {
    return (this.#server?.address() as AddressInfo | null | undefined)?.port ?? 0;
  }

  async start(): Promise<void> {
    const server = createServer((request, response) => {
      this.#answer(request, response).catch((error: unknown) => {
        this.#deps.logger.warn('admin request failed', { path: request.url, error });
        send(response, 500, 'internal error\n');
      });
    });
    this.#server = server;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once('error', reject);
    server.listen({ host: this.#at.host, port: this.#at.port }, resolve);
    await promise;
    server.off('error', reject);
    this.#nodeMetrics = new NodeMetrics();
    this.#deps.logger.info('admin listening', { address: this.#at.host, port: this.port });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const server = this.#server;
    if (server?.listening !== true) return;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeAllConnections();
    await closed;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? '/').split('?')[0];
    const { readiness, metrics } = this.#deps;
    if (path === '/log-level') return this.#logLevel(request, response);
    if (request.method !== 'GET' && request.method !== 'HEAD') return send(response, 405, 'only GET\n');
    switch (path) {
      case '/live':
      case '/ping':
        return send(response, 200, 'live\n');
      case '/ready':
        return readiness.ready
          ? send(response, 200, 'ready\n')
          : send(response, 503, `waiting for ${readiness.waitingFor.join(', ')}\n`);
      case '/metrics': {
        const text = (await this.#nodeMetrics?.expose(metrics)) ?? metrics.expose();
        response.setHeader('content-type', METRICS_CONTENT_TYPE);
        return send(response, 200, text);
      }
      default:
        return send(response, 404, 'try /live, /ready, /metrics, /log-level\n');
    }
  }

  #logLevel(request: IncomingMessage, response: ServerResponse): void {
    const { logControl } = this.#deps;
    if (request.method === 'GET') return send(response, 200, `${logControl.level}\n`);
    if (request.method !== 'PUT') return send(response, 405, 'only GET and PUT\n');
    let body = '';
    request.setEncoding('utf8');
    request.on('data', (chunk: string) => {
      body += chunk;
      if (body.length > BODY_BYTES_MAX) request.destroy();
    });
    request.on('end', () => {
      const level = LOG_LEVELS.find((one) => one === body.trim());
      if (level === undefined) return send(response, 400, `send one of ${LOG_LEVELS.join(', ')}\n`);
      logControl.level = level;
      return send(response, 204, '');
    });
  }
}

function send(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, { 'content-length': Buffer.byteLength(body) }).end(body);
}
