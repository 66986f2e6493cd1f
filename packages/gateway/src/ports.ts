/** The two ports that the gateway answers itself: probes of peers and nodes, and administration. */
import type { Address, Driver, Listener, TlsContext } from '@mesh/net';
import { listenHttp } from '@mesh/proxy';
import type { AdminResponse } from '@mesh/proxy';
import { METRICS_CONTENT_TYPE } from '@mesh/runtime';

export interface PortsOptions {
  readonly probe: Address & { readonly path: string };
  readonly admin: Address;
}

export interface PortsDeps {
  readonly driver: Driver;
  /** Probes of peers come over TLS. */
  readonly tls: () => TlsContext | undefined;
  readonly isServing: () => boolean;
  /** What serving waits for. */
  readonly waitingFor: () => readonly string[];
  readonly exposeMetrics: () => AdminResponse['body'] | Promise<AdminResponse['body']>;
}

export class Ports implements AsyncDisposable {
  readonly #options: PortsOptions;
  readonly #deps: PortsDeps;
  readonly #stack = new AsyncDisposableStack();
  #listeners: { readonly probe: Listener; readonly admin: Listener } | undefined;

  constructor(options: PortsOptions, deps: PortsDeps) {
    this.#options = options;
    this.#deps = deps;
  }

  async start(): Promise<void> {
    const { driver, tls } = this.#deps;
    const admin = await listenHttp(this.#options.admin, {
      driver,
      tls: () => undefined,
      handler: ({ path }) => this.#answerAdmin(path),
    });
    this.#stack.defer(() => admin.close());
    const probe = await listenHttp(this.#options.probe, {
      driver,
      tls,
      handler: ({ path }) => this.#answerProbe(path),
    });
    this.#stack.defer(() => probe.close());
    this.#listeners = { probe, admin };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }

  /** Undefined before the start. */
  get addresses(): { readonly probe: Address; readonly admin: Address } | undefined {
    const { probe, admin } = this.#listeners ?? {};
    return probe === undefined || admin === undefined ? undefined : { probe: probe.address, admin: admin.address };
  }

  #answerProbe(path: string): AdminResponse {
    if (path !== this.#options.probe.path && path !== '/ready') return text(404, 'not found\n');
    return this.#deps.isServing() ? text(200, 'ready\n') : text(503, 'not ready\n');
  }

  async #answerAdmin(path: string): Promise<AdminResponse> {
    const { isServing, waitingFor, exposeMetrics } = this.#deps;
    switch (path) {
      case '/live':
      case '/ping':
        return text(200, 'live\n');
      case '/ready':
        return isServing() ? text(200, 'ready\n') : text(503, `waiting for ${waitingFor().join(', ')}\n`);
      case '/metrics':
        return { status: 200, contentType: METRICS_CONTENT_TYPE, body: await exposeMetrics() };
      default:
        return text(404, 'try /live, /ready, /metrics\n');
    }
  }
}

function text(status: number, body: string): AdminResponse {
  return { status, contentType: 'text/plain; charset=utf-8', body };
}
