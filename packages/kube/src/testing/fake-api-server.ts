/** `FakeApi` over HTTP or HTTPS on a loopback port, for tests of clients and of whole processes. */
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { isKubeError } from '../errors.ts';
import type { KubeErrorCode } from '../errors.ts';
import type { ResourceKind } from '../kinds.ts';
import type { KubeObject } from '../object.ts';
import type { FakeApi } from './fake-api.ts';

export interface FakeApiServerOptions {
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Requests without this bearer token get 401; any is fine when absent. */
  readonly token?: () => string;
}

const REASONS: Partial<Record<KubeErrorCode, readonly [number, string]>> = {
  not_found: [404, 'NotFound'],
  already_exists: [409, 'AlreadyExists'],
  conflict: [409, 'Conflict'],
  gone: [410, 'Expired'],
  invalid: [422, 'Invalid'],
  forbidden: [403, 'Forbidden'],
  unauthorized: [401, 'Unauthorized'],
  too_many_requests: [429, 'TooManyRequests'],
};

export class FakeApiServer implements AsyncDisposable {
  readonly api: FakeApi;
  readonly #options: FakeApiServerOptions;
  readonly #server: http.Server;

  constructor(api: FakeApi, options: FakeApiServerOptions = {}) {
    this.api = api;
    this.#options = options;
    const listener = (request: http.IncomingMessage, response: http.ServerResponse): void =>
      void this.#answer(request, response);
    this.#server = options.tls === undefined ? http.createServer(listener) : https.createServer(options.tls, listener);
  }

  async start(port = 0): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(port, '127.0.0.1', resolve));
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `${this.#options.tls === undefined ? 'http' : 'https'}://127.0.0.1:${this.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#server.listening) return;
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  async #answer(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    try {
      const token = this.#options.token?.();
      if (token !== undefined && request.headers.authorization !== `Bearer ${token}`) {
        send(response, 401, statusOf(401, 'Unauthorized', 'Unauthorized'));
        return;
      }
      let body = '';
      for await (const chunk of request) body += String(chunk);
      await this.#route(request, response, body);
    } catch (error) {
      const known = isKubeError(error) ? REASONS[error.code] : undefined;
      const [code, reason] = known ?? [500, 'InternalError'];
      if (isKubeError(error, 'unreachable')) request.socket.destroy();
      else if (!response.headersSent)
        send(response, code, statusOf(code, reason, error instanceof Error ? error.message : String(error)));
      else response.destroy();
    }
  }

  async #route(request: http.IncomingMessage, response: http.ServerResponse, body: string): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://fake.invalid');
    const target = parsePath(url.pathname);
    const client = this.api.client();
    if (target === undefined) {
      const { status, text } = await client.raw(url.pathname);
      response.writeHead(status, { 'content-type': 'application/json' }).end(text);
      return;
    }
    const { kind, namespace, name, subresource } = target;
    const object = (): KubeObject => JSON.parse(body) as KubeObject;
    const fieldManager = url.searchParams.get('fieldManager') ?? 'unknown';
    if (request.method === 'GET' && name !== undefined) {
      const found = await client.get(kind, { namespace, name });
      if (found === undefined) send(response, 404, statusOf(404, 'NotFound', `${kind.plural} "${name}" not found`));
      else send(response, 200, found);
    } else if (request.method === 'GET' && url.searchParams.get('watch') === 'true') {
      await this.#watch(request, response, kind, namespace, url);
    } else if (request.method === 'GET') {
      const labelSelector = url.searchParams.get('labelSelector') ?? undefined;
      const list = await client.list(kind, { namespace, labelSelector });
      const offset = Number(url.searchParams.get('continue') ?? 0);
      const limit = Number(url.searchParams.get('limit') ?? list.items.length);
      const next = offset + limit < list.items.length ? { continue: String(offset + limit) } : {};
      send(response, 200, {
        kind: 'List',
        metadata: { resourceVersion: list.resourceVersion, ...next },
        items: list.items.slice(offset, offset + limit),
      });
    } else if (request.method === 'POST') send(response, 201, await client.create(kind, object()));
    else if (request.method === 'PUT') {
      send(
        response,
        200,
        await (subresource === 'status' ? client.replaceStatus(kind, object()) : client.replace(kind, object())),
      );
    } else if (request.method === 'PATCH' && request.headers['content-type'] === 'application/apply-patch+yaml') {
      const options = { fieldManager, force: url.searchParams.get('force') === 'true' };
      send(
        response,
        200,
        await (subresource === 'status'
          ? client.applyStatus(kind, object(), options)
          : client.apply(kind, object(), options)),
      );
    } else if (request.method === 'PATCH') {
      const type = request.headers['content-type'] === 'application/json-patch+json' ? 'json' : 'merge';
      const status = subresource === 'status' ? { subresource: 'status' as const } : {};
      send(
        response,
        200,
        await client.patch(kind, { namespace, name: name ?? '' }, { type, body: JSON.parse(body), ...status }),
      );
    } else if (request.method === 'DELETE') {
      const options = body === '' ? {} : (JSON.parse(body) as object);
      const deleted = await client.delete(kind, { namespace, name: name ?? '' }, options);
      if (deleted) send(response, 200, { kind: 'Status', apiVersion: 'v1', status: 'Success' });
      else send(response, 404, statusOf(404, 'NotFound', `${kind.plural} "${name}" not found`));
    } else send(response, 405, statusOf(405, 'MethodNotAllowed', 'method not allowed'));
  }

  async #watch(
    request: http.IncomingMessage,
    response: http.ServerResponse,
    kind: ResourceKind,
    namespace: string | undefined,
    url: URL,
  ): Promise<void> {
    const stop = new AbortController();
    request.socket.once('close', () => stop.abort());
    const labelSelector = url.searchParams.get('labelSelector') ?? undefined;
    const resourceVersion = url.searchParams.get('resourceVersion') ?? '0';
    await this.api.admit('watch', kind, namespace ?? '', undefined);
    const subscription = this.api.watch(kind, { namespace, labelSelector, resourceVersion });
    stop.signal.addEventListener('abort', () => subscription.end(), { once: true });
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    for await (const event of subscription) {
      const object =
        event.type === 'bookmark'
          ? { kind: kind.kind, metadata: { resourceVersion: event.resourceVersion } }
          : event.object;
      response.write(`${JSON.stringify({ type: event.type.toUpperCase(), object })}\n`);
    }
    response.end();
  }
}

interface Target {
  readonly kind: ResourceKind;
  readonly namespace: string | undefined;
  readonly name: string | undefined;
  readonly subresource: string | undefined;
}

function parsePath(pathname: string): Target | undefined {
  const parts = pathname
    .split('/')
    .filter((part) => part !== '')
    .map(decodeURIComponent);
  const root = parts.shift();
  if (root !== 'api' && root !== 'apis') return undefined;
  const group = root === 'api' ? '' : (parts.shift() ?? '');
  const version = parts.shift() ?? '';
  const namespaced = parts[0] === 'namespaces' && parts.length > 2;
  const namespace = namespaced ? parts[1] : undefined;
  const [plural, name, subresource] = namespaced ? parts.slice(2) : parts;
  if (plural === undefined) return undefined;
  return { kind: { group, version, plural, kind: kindName(plural), namespaced }, namespace, name, subresource };
}

/** Only for the `kind` field of what the fake stores; clients fill in their own. */
function kindName(plural: string): string {
  const known: Readonly<Record<string, string>> = {
    endpointslices: 'EndpointSlice',
    configmaps: 'ConfigMap',
    serviceaccounts: 'ServiceAccount',
  };
  const singular = plural.endsWith('ies') ? `${plural.slice(0, -3)}y` : plural.replace(/s$/, '');
  return known[plural] ?? singular.charAt(0).toUpperCase() + singular.slice(1);
}

function statusOf(code: number, reason: string, message: string): object {
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason, code };
}

function send(response: http.ServerResponse, status: number, body: unknown): void {
  const text = JSON.stringify(body);
  response
    .writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) })
    .end(text);
}
