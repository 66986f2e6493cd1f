/**
 * A live, in-memory copy of one kind of objects: list, then watch, for as long as the process runs.
 *
 *            list ok                      watch ends normally
 *   LIST ─────────────▶ WATCH ◀──────────────────────────┐
 *    ▲ ▲                  │ ├────────────────────────────┘
 *    │ └── gone (410) ────┘ │
 *    └── any other failure ─┘  (after a backoff; the last known state stays readable)
 *
 * After a lost connection it lists again rather than resuming: an API server that came back with
 * restored or empty data would otherwise never contradict our copy.
 */
import { Backoff, messageOf, sleep } from '@mesh/runtime';
import type { BackoffOptions, Clock, Component, Logger } from '@mesh/runtime';
import type { KubeClient, ListOptions } from './client.ts';
import { isKubeError, KubeError } from './errors.ts';
import { resourceName } from './kinds.ts';
import type { ResourceKind } from './kinds.ts';
import { keyOf } from './object.ts';
import type { KubeObject } from './object.ts';

export type Change<T> =
  | { readonly type: 'added'; readonly object: T; readonly previous?: undefined }
  | { readonly type: 'updated'; readonly object: T; readonly previous: T }
  /** `object` is the last state that we knew. */
  | { readonly type: 'deleted'; readonly object: T; readonly previous?: undefined };

export type ChangeHandler<T> = (change: Change<T>) => void;

/** What readers of the cache need; implemented by `Informer` and by test fakes. */
export interface Store<T> {
  get(key: string): T | undefined;
  list(namespace?: string): readonly T[];
  byIndex(index: string, value: string): readonly T[];
}

export interface InformerOptions<T extends KubeObject> extends Omit<ListOptions, 'signal'> {
  readonly kind: ResourceKind<T>;
  /** What is kept of an object. Default: everything but `managedFields`. */
  readonly transform?: (object: T) => T;
  /** Named indexes: each object is filed under every value that the function returns. */
  readonly indexes?: Readonly<Record<string, (object: T) => readonly string[]>>;
  readonly backoff?: BackoffOptions;
}

export interface InformerDeps {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Quick first retries heal a restarted API server within a second; 5 s bounds the load of many informers on one that struggles. */
const DEFAULT_BACKOFF: BackoffOptions = { minMs: 100, maxMs: 5_000, jitterRatio: 0.25 };

/** A server that ends watches sooner than this is in trouble, and must not be asked in a busy loop. */
const SHORT_WATCH_MS = 1_000;

export class Informer<T extends KubeObject> implements Component, Store<T> {
  readonly name: string;
  readonly #options: InformerOptions<T>;
  readonly #deps: InformerDeps;
  readonly #objects = new Map<string, T>();
  readonly #indexes = new Map<string, Map<string, Set<string>>>();
  readonly #handlers = new Set<ChangeHandler<T>>();
  readonly #syncListeners = new Set<() => void>();
  readonly #statusListeners = new Set<() => void>();
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;
  #synced = false;
  #connected = false;
  #lastContactMs = 0;
  #lastError: KubeError | undefined;

  constructor(options: InformerOptions<T>, deps: InformerDeps) {
    this.name = `informer ${resourceName(options.kind)}`;
    this.#options = options;
    this.#deps = deps;
    for (const index of Object.keys(options.indexes ?? {})) this.#indexes.set(index, new Map());
  }

  /** Resolves after the first complete list; until then retries for ever, or until `signal` aborts. */
  async start(signal: AbortSignal): Promise<void> {
    this.run();
    await this.whenSynced(signal);
  }

  /** Begins without waiting. Idempotent. */
  run(): void {
    this.#running ??= this.#loop(this.#stop.signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  /** True after the first complete list, also while the API is away later. */
  get synced(): boolean {
    return this.#synced;
  }

  /** True while the copy is known to be current. */
  get connected(): boolean {
    return this.#connected;
  }

  /** Unix ms of the last sign of life from the API; 0 before the first. */
  get lastContactMs(): number {
    return this.#connected ? this.#deps.clock.now() : this.#lastContactMs;
  }

  /** How old the copy may be: 0 while connected. */
  get stalenessMs(): number {
    return this.#connected ? 0 : this.#deps.clock.now() - this.#lastContactMs;
  }

  /** Why the API does not answer; `undefined` while connected. */
  get lastError(): KubeError | undefined {
    return this.#connected ? undefined : this.#lastError;
  }

  get size(): number {
    return this.#objects.size;
  }

  /** @param key `namespace/name`, or `name` for cluster-scoped kinds. */
  get(key: string): T | undefined {
    return this.#objects.get(key);
  }

  list(namespace?: string): readonly T[] {
    const all = [...this.#objects.values()];
    return namespace === undefined ? all : all.filter((object) => object.metadata.namespace === namespace);
  }

  /** @throws Error when there is no such index: a bug. */
  byIndex(index: string, value: string): readonly T[] {
    const entries = this.#indexes.get(index);
    if (entries === undefined) throw new Error(`${this.name} has no index "${index}"`);
    const found: T[] = [];
    for (const key of entries.get(value) ?? []) {
      const object = this.#objects.get(key);
      if (object !== undefined) found.push(object);
    }
    return found;
  }

  /** Calls `handler` for each known object at once (as added), then for every change. Returns the unsubscribe. */
  onChange(handler: ChangeHandler<T>): () => void {
    this.#handlers.add(handler);
    for (const object of this.#objects.values()) handler({ type: 'added', object });
    return () => this.#handlers.delete(handler);
  }

  /** Calls `listener` whenever `synced`, `connected` or `lastError` may have changed. */
  onStatus(listener: () => void): () => void {
    this.#statusListeners.add(listener);
    return () => this.#statusListeners.delete(listener);
  }

  whenSynced(signal?: AbortSignal): Promise<void> {
    if (this.#synced) return Promise.resolve();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const onAbort = (): void => reject(signal?.reason as Error);
    if (signal?.aborted === true) onAbort();
    signal?.addEventListener('abort', onAbort, { once: true });
    this.#syncListeners.add(() => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    return promise;
  }

  async #loop(signal: AbortSignal): Promise<void> {
    const backoff = new Backoff(this.#options.backoff ?? DEFAULT_BACKOFF);
    let version: string | undefined;
    while (!signal.aborted) {
      try {
        version ??= await this.#list(signal);
        const openedMs = this.#deps.clock.monotonic();
        try {
          version = await this.#watch(version, signal);
        } finally {
          if (this.#deps.clock.monotonic() - openedMs > SHORT_WATCH_MS) backoff.reset();
        }
        await this.#pause(backoff.next(), signal);
      } catch (error) {
        if (signal.aborted) return;
        version = undefined;
        if (isKubeError(error, 'gone')) {
          // A server that answers every list with an expired version must not be asked in a busy loop.
          await this.#pause(backoff.next(), signal);
          continue;
        }
        this.#disconnected(error);
        const retryAfterMs = isKubeError(error) ? (error.info.retryAfterMs ?? 0) : 0;
        await this.#pause(Math.max(backoff.next(), retryAfterMs), signal);
      }
    }
  }

  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    await sleep(this.#deps.clock, ms, signal).catch(() => undefined);
  }

  async #list(signal: AbortSignal): Promise<string> {
    const { namespace, labelSelector, fieldSelector } = this.#options;
    const { items, resourceVersion } = await this.#deps.client.list(this.#options.kind, {
      namespace,
      labelSelector,
      fieldSelector,
      signal,
    });
    const gone = new Set(this.#objects.keys());
    for (const item of items) {
      gone.delete(keyOf(item.metadata));
      this.#put(item);
    }
    for (const key of gone) this.#remove(key);
    this.#isConnected();
    if (!this.#synced) {
      this.#synced = true;
      for (const listener of this.#syncListeners) listener();
      this.#syncListeners.clear();
      this.#notifyStatus();
    }
    return resourceVersion;
  }

  /** Follows until the server ends the watch; returns the version to continue from. */
  async #watch(from: string, signal: AbortSignal): Promise<string> {
    const { namespace, labelSelector, fieldSelector } = this.#options;
    let version = from;
    for await (const event of this.#deps.client.watch(this.#options.kind, {
      namespace,
      labelSelector,
      fieldSelector,
      resourceVersion: from,
      signal,
    })) {
      this.#isConnected();
      if (event.type === 'bookmark') {
        version = event.resourceVersion;
        continue;
      }
      version = event.object.metadata.resourceVersion ?? version;
      if (event.type === 'deleted') this.#remove(keyOf(event.object.metadata));
      else this.#put(event.object);
    }
    return version;
  }

  #put(received: T): void {
    const key = keyOf(received.metadata);
    const previous = this.#objects.get(key);
    if (previous !== undefined && previous.metadata.resourceVersion === received.metadata.resourceVersion) return;
    const object = (this.#options.transform ?? withoutManagedFields)(received);
    if (previous !== undefined) this.#unindex(key, previous);
    this.#objects.set(key, object);
    this.#index(key, object);
    // The same name with another uid is another object: handlers see the old one go first.
    if (previous !== undefined && previous.metadata.uid !== object.metadata.uid) {
      this.#notify({ type: 'deleted', object: previous });
      this.#notify({ type: 'added', object });
    } else if (previous === undefined) this.#notify({ type: 'added', object });
    else this.#notify({ type: 'updated', object, previous });
  }

  #remove(key: string): void {
    const object = this.#objects.get(key);
    if (object === undefined) return;
    this.#objects.delete(key);
    this.#unindex(key, object);
    this.#notify({ type: 'deleted', object });
  }

  #index(key: string, object: T): void {
    for (const [index, valuesOf] of Object.entries(this.#options.indexes ?? {})) {
      const entries = this.#indexes.get(index);
      for (const value of valuesOf(object)) {
        const keys = entries?.get(value);
        if (keys === undefined) entries?.set(value, new Set([key]));
        else keys.add(key);
      }
    }
  }

  #unindex(key: string, object: T): void {
    for (const [index, valuesOf] of Object.entries(this.#options.indexes ?? {})) {
      const entries = this.#indexes.get(index);
      for (const value of valuesOf(object)) {
        const keys = entries?.get(value);
        keys?.delete(key);
        if (keys?.size === 0) entries?.delete(value);
      }
    }
  }

  #notify(change: Change<T>): void {
    for (const handler of this.#handlers) handler(change);
  }

  #isConnected(): void {
    if (this.#connected) return;
    this.#connected = true;
    if (this.#lastError !== undefined)
      this.#deps.logger.info('watch restored', { resource: resourceName(this.#options.kind) });
    this.#lastError = undefined;
    this.#notifyStatus();
  }

  #disconnected(error: unknown): void {
    const resource = resourceName(this.#options.kind);
    const failure = isKubeError(error)
      ? error
      : new KubeError({ code: 'protocol', object: resource, status: 0 }, messageOf(error), { cause: error });
    const repeated = !this.#connected && this.#lastError?.code === failure.code;
    if (this.#connected) this.#lastContactMs = this.#deps.clock.now();
    this.#connected = false;
    this.#lastError = failure;
    if (!repeated) this.#deps.logger.warn('watch lost; serving the last known state', { resource, error: failure });
    if (!repeated) this.#notifyStatus();
  }

  #notifyStatus(): void {
    for (const listener of this.#statusListeners) listener();
  }
}

/** `managedFields` often outweigh the object; nothing of ours reads them from a cache. */
export function withoutManagedFields<T extends KubeObject>(object: T): T {
  if (object.metadata.managedFields === undefined) return object;
  const { managedFields: _dropped, ...metadata } = object.metadata;
  return { ...object, metadata: metadata };
}
