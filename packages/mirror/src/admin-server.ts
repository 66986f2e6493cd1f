/** The mirror's admin port: `/live`, `/ping`, `/ready`, `/metrics`. */
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { METRICS_CONTENT_TYPE } from '@mesh/runtime';
import type { Component, Readiness } from '@mesh/runtime';

export class AdminServer implements Component {
  readonly name = 'admin server';
  readonly #at: { readonly host: string; readonly port: number };
  readonly #deps: { readonly readiness: Readiness; readonly metrics: () => string };
  #server: Server | undefined;

  constructor(
    at: { readonly host: string; readonly port: number },
    deps: { readonly readiness: Readiness; readonly metrics: () => string },
  ) {
    this.#at = at;
    this.#deps = deps;
  }

  get port(): number {
    return (this.#server?.address() as AddressInfo | null | undefined)?.port ?? 0;
  }

  async start(): Promise<void> {
    const server = createServer((request, response) => {
      const { status, body, type } = this.#answer((request.url ?? '/').split('?')[0] ?? '/');
      response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) }).end(body);
    });
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host: this.#at.host, port: this.#at.port }, resolve);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const server = this.#server;
    if (server?.listening !== true) return;
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  }

  #answer(path: string): { readonly status: number; readonly body: string; readonly type: string } {
    const type = 'text/plain; charset=utf-8';
    const { readiness, metrics } = this.#deps;
    switch (path) {
      case '/live':
      case '/ping':
        return { status: 200, body: 'live\n', type };
      case '/ready':
        return readiness.ready
          ? { status: 200, body: 'ready\n', type }
          : { status: 503, body: `waiting for ${readiness.waitingFor.join(', ')}\n`, type };
      case '/metrics':
        return { status: 200, body: metrics(), type: METRICS_CONTENT_TYPE };
      default:
        return { status: 404, body: 'try /live, /ready, /metrics\n', type };
    }
  }
}
