/** `KubeClient` over the REST API: paths and queries out, objects and typed errors back. */
import type {
  ApplyOptions,
  DeleteOptions,
  KubeClient,
  ListOptions,
  ListResult,
  Patch,
  PatchType,
  RawRequest,
  RawResponse,
  WatchEvent,
  WatchOptions,
  WriteOptions,
} from './client.ts';
import { KubeError, isKubeError } from './errors.ts';
import { apiVersionOf, resourceName } from './kinds.ts';
import type { ResourceKind } from './kinds.ts';
import type { ClusterAccess } from './kubeconfig.ts';
import { keyOf } from './object.ts';
import type { KubeObject, ObjectRef } from './object.ts';
import { statusError } from './status-error.ts';
import { DEFAULT_TRANSPORT_OPTIONS, Transport } from './transport.ts';
import type { HttpRequest, TransportOptions } from './transport.ts';
import { readWatchStream } from './watch-stream.ts';

/** Objects per list page; kubectl and client-go use 500. */
const LIST_CHUNK = 500;
/** A watch is renewed about as often as client-go does (5 to 10 minutes), a bit sooner, since silence hides a lost server. */
const WATCH_TIMEOUT_S = 290;
/** How long after the server should have ended a watch we end it ourselves. */
const WATCH_GRACE_MS = 10_000;

const PATCH_CONTENT_TYPES: Readonly<Record<PatchType | 'apply', string>> = {
  json: 'application/json-patch+json',
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  apply: 'application/apply-patch+yaml',
};

/** Does no I/O until the first call. Dispose to close its connections. */
export function createKubeClient(access: ClusterAccess, options: Partial<TransportOptions> = {}): KubeClient {
  return new RestClient(access, { ...DEFAULT_TRANSPORT_OPTIONS, ...options });
}

class RestClient implements KubeClient {
  readonly server: string;
  readonly #transport: Transport;

  constructor(access: ClusterAccess, options: TransportOptions) {
    this.server = access.server;
    this.#transport = new Transport(access, options);
  }

  [Symbol.dispose](): void {
    this.#transport[Symbol.dispose]();
  }

  async get<T extends KubeObject>(kind: ResourceKind<T>, ref: ObjectRef, signal?: AbortSignal): Promise<T | undefined> {
    try {
      return await this.#object<T>('GET', kind, pathOf(kind, ref.namespace, ref.name), {
        object: describe(kind, ref),
        signal,
      });
    } catch (error) {
      if (isKubeError(error, 'not_found')) return undefined;
      throw error;
    }
  }

  async list<T extends KubeObject>(kind: ResourceKind<T>, options: ListOptions = {}): Promise<ListResult<T>> {
    try {
      return await this.#listChunked(kind, options, LIST_CHUNK);
    } catch (error) {
      // The continue token outlived the server's history: take the list in one piece.
      if (!isKubeError(error, 'gone')) throw error;
      return this.#listChunked(kind, options, undefined);
    }
  }

  async *watch<T extends KubeObject>(kind: ResourceKind<T>, options: WatchOptions): AsyncGenerator<WatchEvent<T>> {
    const timeoutSeconds = options.timeoutSeconds ?? WATCH_TIMEOUT_S;
    const deadline = AbortSignal.timeout(timeoutSeconds * 1000 + WATCH_GRACE_MS);
    const query = selectorQuery(options);
    query.set('watch', 'true');
    query.set('allowWatchBookmarks', 'true');
    query.set('resourceVersion', options.resourceVersion);
    query.set('timeoutSeconds', String(timeoutSeconds));
    const request: HttpRequest = {
      method: 'GET',
      path: `${pathOf(kind, options.namespace)}?${query.toString()}`,
      accept: 'application/json',
      object: describe(kind, { namespace: options.namespace, name: '' }),
      signal: options.signal === undefined ? deadline : AbortSignal.any([options.signal, deadline]),
    };
    try {
      const response = await this.#transport.stream(request);
      try {
        if (response.statusCode !== 200) {
          throw statusError(response.statusCode ?? 0, response.headers, await readText(response), request.object);
        }
        yield* readWatchStream<T>(response, request.object);
      } finally {
        response.destroy();
      }
    } catch (error) {
      options.signal?.throwIfAborted();
      if (deadline.aborted) return;
      throw this.#transport.failure(request, error);
    }
  }

  create<T extends KubeObject>(kind: ResourceKind<T>, object: T, options: WriteOptions = {}): Promise<T> {
    return this.#object('POST', kind, pathOf(kind, object.metadata.namespace) + writeQuery(options), {
      object: describe(kind, object.metadata),
      body: withType(kind, object),
      signal: options.signal,
    });
  }

  replace<T extends KubeObject>(kind: ResourceKind<T>, object: T, options: WriteOptions = {}): Promise<T> {
    return this.#put(kind, object, '', options);
  }

  replaceStatus<T extends KubeObject>(kind: ResourceKind<T>, object: T, options: WriteOptions = {}): Promise<T> {
    return this.#put(kind, object, '/status', options);
  }

  apply<T extends KubeObject>(kind: ResourceKind<T>, object: T, options: ApplyOptions): Promise<T> {
    return this.#apply(kind, object, '', options);
  }

  applyStatus<T extends KubeObject>(kind: ResourceKind<T>, object: T, options: ApplyOptions): Promise<T> {
    return this.#apply(kind, object, '/status', options);
  }

  patch<T extends KubeObject>(
    kind: ResourceKind<T>,
    ref: ObjectRef,
    patch: Patch,
    options: WriteOptions = {},
  ): Promise<T> {
    const subresource = patch.subresource === undefined ? '' : `/${patch.subresource}`;
    return this.#object('PATCH', kind, pathOf(kind, ref.namespace, ref.name) + subresource + writeQuery(options), {
      object: describe(kind, ref),
      body: patch.body,
      contentType: PATCH_CONTENT_TYPES[patch.type],
      signal: options.signal,
    });
  }

  async delete(kind: ResourceKind, ref: ObjectRef, options: DeleteOptions = {}): Promise<boolean> {
    const body = {
      apiVersion: 'v1',
      kind: 'DeleteOptions',
      propagationPolicy: options.propagationPolicy ?? 'Background',
      ...(options.preconditions === undefined ? {} : { preconditions: options.preconditions }),
      ...(options.gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds: options.gracePeriodSeconds }),
    };
    try {
      await this.#json('DELETE', pathOf(kind, ref.namespace, ref.name), {
        object: describe(kind, ref),
        body,
        signal: options.signal,
      });
      return true;
    } catch (error) {
      if (isKubeError(error, 'not_found')) return false;
      throw error;
    }
  }

  async raw(path: string, request: RawRequest = {}): Promise<RawResponse> {
    const { status, text } = await this.#transport.request({
      method: request.method ?? 'GET',
      path,
      accept: request.accept ?? 'application/json',
      contentType: request.contentType ?? (request.body === undefined ? undefined : 'application/json'),
      body:
        typeof request.body === 'string' || request.body === undefined ? request.body : JSON.stringify(request.body),
      signal: request.signal,
      object: path,
    });
    return { status, text };
  }

  async #listChunked<T extends KubeObject>(
    kind: ResourceKind<T>,
    options: ListOptions,
    chunk: number | undefined,
  ): Promise<ListResult<T>> {
    const items: T[] = [];
    let resourceVersion = '';
    let token = '';
    do {
      const query = selectorQuery(options);
      if (chunk !== undefined) query.set('limit', String(chunk));
      if (token !== '') query.set('continue', token);
      const search = query.size === 0 ? '' : `?${query.toString()}`;
      const page = (await this.#json('GET', pathOf(kind, options.namespace) + search, {
        object: describe(kind, { namespace: options.namespace, name: '' }),
        signal: options.signal,
      })) as { items?: T[] | null; metadata?: { resourceVersion?: string; continue?: string } };
      for (const item of page.items ?? []) items.push(withType(kind, item));
      resourceVersion = page.metadata?.resourceVersion ?? '';
      token = page.metadata?.continue ?? '';
    } while (token !== '');
    return { items, resourceVersion };
  }

  #put<T extends KubeObject>(kind: ResourceKind<T>, object: T, subresource: string, options: WriteOptions): Promise<T> {
    const path = pathOf(kind, object.metadata.namespace, object.metadata.name) + subresource;
    return this.#object('PUT', kind, path + writeQuery(options), {
      object: describe(kind, object.metadata),
      body: withType(kind, object),
      signal: options.signal,
    });
  }

  #apply<T extends KubeObject>(
    kind: ResourceKind<T>,
    object: T,
    subresource: string,
    options: ApplyOptions,
  ): Promise<T> {
    const path = pathOf(kind, object.metadata.namespace, object.metadata.name) + subresource;
    const force = options.force === true ? '&force=true' : '';
    return this.#object('PATCH', kind, path + writeQuery(options) + force, {
      object: describe(kind, object.metadata),
      body: withType(kind, object),
      contentType: PATCH_CONTENT_TYPES.apply,
      signal: options.signal,
    });
  }

  async #object<T extends KubeObject>(method: string, kind: ResourceKind<T>, path: string, call: Call): Promise<T> {
    return withType(kind, (await this.#json(method, path, call)) as T);
  }

  async #json(method: string, path: string, call: Call): Promise<unknown> {
    const response = await this.#transport.request({
      method,
      path,
      accept: 'application/json',
      contentType: call.body === undefined ? undefined : (call.contentType ?? 'application/json'),
      body: call.body === undefined ? undefined : JSON.stringify(call.body),
      signal: call.signal,
      object: call.object,
    });
    if (response.status < 200 || response.status > 299) {
      throw statusError(response.status, response.headers, response.text, call.object);
    }
    try {
      return JSON.parse(response.text) as unknown;
    } catch (error) {
      throw new KubeError(
        { code: 'protocol', object: call.object, status: response.status },
        `${call.object}: ${this.server} answered with something that is not JSON; is it a Kubernetes API server?`,
        { cause: error },
      );
    }
  }
}

interface Call {
  readonly object: string;
  readonly body?: unknown;
  readonly contentType?: string;
  readonly signal?: AbortSignal | undefined;
}

/** `/apis/GROUP/VERSION/namespaces/NS/PLURAL/NAME`. */
export function pathOf(kind: ResourceKind, namespace: string | undefined, name?: string): string {
  const root = kind.group === '' ? `/api/${kind.version}` : `/apis/${kind.group}/${kind.version}`;
  const scope =
    kind.namespaced && namespace !== undefined && namespace !== ''
      ? `/namespaces/${encodeURIComponent(namespace)}`
      : '';
  return `${root}${scope}/${kind.plural}${name === undefined ? '' : `/${encodeURIComponent(name)}`}`;
}

function describe(kind: ResourceKind, ref: ObjectRef): string {
  const key = keyOf(ref);
  return key === '' ? resourceName(kind) : `${resourceName(kind)} ${key}`;
}

function selectorQuery(options: ListOptions): URLSearchParams {
  const query = new URLSearchParams();
  if (options.labelSelector !== undefined && options.labelSelector !== '')
    query.set('labelSelector', options.labelSelector);
  if (options.fieldSelector !== undefined && options.fieldSelector !== '')
    query.set('fieldSelector', options.fieldSelector);
  return query;
}

function writeQuery(options: WriteOptions): string {
  const query = new URLSearchParams({ fieldManager: options.fieldManager ?? 'mesh' });
  if (options.dryRun === true) query.set('dryRun', 'All');
  return `?${query.toString()}`;
}

/** List items come without apiVersion and kind; writes need them. */
function withType<T extends KubeObject>(kind: ResourceKind<T>, object: T): T {
  if (object.kind !== undefined && object.apiVersion !== undefined) return object;
  return { apiVersion: apiVersionOf(kind), kind: kind.kind, ...object };
}

async function readText(stream: AsyncIterable<Buffer | string>): Promise<string> {
  let text = '';
  for await (const chunk of stream) text += chunk.toString();
  return text;
}
