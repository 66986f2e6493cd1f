/** A client of the fake API: every call is admitted first, and gets and gives copies. */
import type {
  ApplyOptions,
  DeleteOptions,
  KubeClient,
  ListOptions,
  ListResult,
  Patch,
  RawRequest,
  RawResponse,
  WatchEvent,
  WatchOptions,
  WriteOptions,
} from '../client.ts';
import type { ResourceKind } from '../kinds.ts';
import { keyOf } from '../object.ts';
import type { KubeObject, ObjectRef } from '../object.ts';
import type { FakeApi } from './fake-api.ts';

export class FakeClient implements KubeClient {
  readonly server = 'https://fake.invalid';
  readonly #api: FakeApi;
  readonly #closed = new AbortController();

  constructor(api: FakeApi) {
    this.#api = api;
  }

  [Symbol.dispose](): void {
    this.#closed.abort();
  }

  async get<T extends KubeObject>(kind: ResourceKind<T>, ref: ObjectRef, signal?: AbortSignal): Promise<T | undefined> {
    await this.#api.admit('get', kind, keyOf(ref), signal);
    return this.#api.peek(kind, keyOf(ref));
  }

  async list<T extends KubeObject>(kind: ResourceKind<T>, options: ListOptions = {}): Promise<ListResult<T>> {
    await this.#api.admit('list', kind, options.namespace ?? '', options.signal);
    return this.#api.list(kind, options);
  }

  async *watch<T extends KubeObject>(kind: ResourceKind<T>, options: WatchOptions): AsyncGenerator<WatchEvent<T>> {
    await this.#api.admit('watch', kind, options.namespace ?? '', options.signal);
    const subscription = this.#api.watch(kind, options);
    const stop = (): void => subscription.fail(options.signal?.reason ?? new Error('client closed'));
    options.signal?.addEventListener('abort', stop, { once: true });
    this.#closed.signal.addEventListener('abort', stop, { once: true });
    try {
      yield* subscription;
    } finally {
      options.signal?.removeEventListener('abort', stop);
      this.#closed.signal.removeEventListener('abort', stop);
      subscription.end();
    }
  }

  async create<T extends KubeObject>(kind: ResourceKind<T>, object: T, options: WriteOptions = {}): Promise<T> {
    await this.#api.admit('create', kind, keyOf(object.metadata), options.signal);
    return this.#api.create(kind, structuredClone(object));
  }

  async replace<T extends KubeObject>(kind: ResourceKind<T>, object: T, options: WriteOptions = {}): Promise<T> {
    await this.#api.admit('replace', kind, keyOf(object.metadata), options.signal);
    return this.#api.replace(kind, structuredClone(object), undefined);
  }

  async replaceStatus<T extends KubeObject>(kind: ResourceKind<T>, object: T, options: WriteOptions = {}): Promise<T> {
    await this.#api.admit('replace', kind, keyOf(object.metadata), options.signal);
    return this.#api.replace(kind, structuredClone(object), 'status');
  }

  async apply<T extends KubeObject>(kind: ResourceKind<T>, object: T, options: ApplyOptions): Promise<T> {
    await this.#api.admit('apply', kind, keyOf(object.metadata), options.signal);
    return this.#api.apply(kind, structuredClone(object), options, undefined);
  }

  async applyStatus<T extends KubeObject>(kind: ResourceKind<T>, object: T, options: ApplyOptions): Promise<T> {
    await this.#api.admit('apply', kind, keyOf(object.metadata), options.signal);
    return this.#api.apply(kind, structuredClone(object), options, 'status');
  }

  async patch<T extends KubeObject>(
    kind: ResourceKind<T>,
    ref: ObjectRef,
    patch: Patch,
    options: WriteOptions = {},
  ): Promise<T> {
    await this.#api.admit('patch', kind, keyOf(ref), options.signal);
    return this.#api.patch(kind, keyOf(ref), structuredClone(patch));
  }

  async delete(kind: ResourceKind, ref: ObjectRef, options: DeleteOptions = {}): Promise<boolean> {
    await this.#api.admit('delete', kind, keyOf(ref), options.signal);
    if (this.#api.peek(kind, keyOf(ref)) === undefined) return false;
    this.#api.delete(kind, keyOf(ref), options);
    return true;
  }

  async raw(path: string, request: RawRequest = {}): Promise<RawResponse> {
    await this.#api.admit('raw', undefined, path, request.signal);
    return this.#api.raw(path, request);
  }
}
