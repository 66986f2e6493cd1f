/** The admin port: liveness, readiness, metrics, log level, shutdown, environment; paths and answers as Linkerd's proxy has them. */
import { isLoopback, parseIp } from '@mesh/model';
import type { Address, Driver, Listener, TlsContext } from '@mesh/net';
import { METRICS_CONTENT_TYPE } from '@mesh/runtime';
import type { Component, Env, MetricRegistry, Readiness } from '@mesh/runtime';
import { listenHttp } from './http-server.ts';
import type { AdminRequest, AdminResponse } from './http-server.ts';
import type { LogFilter } from './log-filter.ts';

export interface AdminOptions {
  readonly listen: Address;
  readonly shutdownEnabled: boolean;
  /** What `/config` shows: the effective configuration, without secrets. */
  readonly config: unknown;
}

export interface AdminDeps {
  readonly driver: Driver;
  readonly registry: MetricRegistry;
  readonly readiness: Readiness;
  readonly logFilter: LogFilter;
  readonly env: Env;
  readonly tls: () => TlsContext | undefined;
  readonly shutdown: () => void;
}

/** What `/env.json` may tell: the proxy's own variables, and not whatever else the container got. */
const ENV_SHOWN = /^(LINKERD2_PROXY_|_pod_|_l5d_|MESH_)/;

export class Admin implements Component {
  readonly name = 'admin';
  readonly #options: AdminOptions;
  readonly #deps: AdminDeps;
  #listener: Listener | undefined;

  constructor(options: AdminOptions, deps: AdminDeps) {
    this.#options = options;
    this.#deps = deps;
  }

  /** Where it listens, once started. */
  get address(): Address {
    return this.#listener?.address ?? this.#options.listen;
  }

  async start(): Promise<void> {
    this.#listener = await listenHttp(this.#options.listen, {
      driver: this.#deps.driver,
      handler: (request) => this.handle(request),
      tls: this.#deps.tls,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#listener?.close();
  }

  handle(request: AdminRequest): AdminResponse | Promise<AdminResponse> {
    switch (request.path) {
      case '/live':
        return text(200, 'live\n');
      case '/ready':
        return this.#deps.readiness.ready ? text(200, 'ready\n') : text(503, 'not ready\n');
      case '/metrics':
        return this.#metrics(request);
      case '/proxy-log-level':
        return this.#logLevel(request);
      case '/shutdown':
        return this.#shutdown(request);
      case '/env.json':
        return this.#env(request);
      case '/config':
        return isLocal(request) ? json(this.#options.config) : text(403, 'only from the pod itself\n');
      default:
        return text(404, 'not found\n');
    }
  }

  async #metrics(request: AdminRequest): Promise<AdminResponse> {
    const body = this.#deps.registry.expose();
    if (!request.acceptsGzip) return { status: 200, contentType: METRICS_CONTENT_TYPE, body };
    const { gzipSync } = await import('node:zlib');
    return { status: 200, contentType: METRICS_CONTENT_TYPE, body: gzipSync(body), gzipped: true };
  }

  #logLevel(request: AdminRequest): AdminResponse {
    if (!isLocal(request)) return text(403, 'only from the pod itself\n');
    if (request.method === 'GET') return text(200, `${this.#deps.logFilter.text}\n`);
    if (request.method !== 'PUT') return text(405, 'GET or PUT\n');
    const problem = this.#deps.logFilter.set(request.body.trim());
    return problem === undefined ? { status: 204, contentType: 'text/plain', body: '' } : text(400, `${problem}\n`);
  }

  #shutdown(request: AdminRequest): AdminResponse {
    if (request.method !== 'POST') return text(405, 'POST\n');
    if (!isLocal(request)) return text(403, 'only from the pod itself\n');
    if (!this.#options.shutdownEnabled) return text(404, 'shutdown endpoint is not enabled\n');
    this.#deps.shutdown();
    return text(200, 'shutdown\n');
  }

  #env(request: AdminRequest): AdminResponse {
    if (request.method !== 'GET') return text(405, 'GET\n');
    const shown = Object.keys(this.#deps.env).filter((name) => ENV_SHOWN.test(name));
    const wanted = request.query === '' ? shown : request.query.split('&');
    if (wanted.some((name) => name.includes('='))) return text(400, 'give names only: ?NAME&NAME2\n');
    return json(
      Object.fromEntries(wanted.map((name) => [name, ENV_SHOWN.test(name) ? (this.#deps.env[name] ?? null) : null])),
    );
  }
}

function isLocal(request: AdminRequest): boolean {
  const ip = parseIp(request.clientIp);
  return ip !== undefined && isLoopback(ip);
}

function text(status: number, body: string): AdminResponse {
  return { status, contentType: 'text/plain', body };
}

function json(value: unknown): AdminResponse {
  return { status: 200, contentType: 'application/json', body: `${JSON.stringify(value, null, 2)}\n` };
}
