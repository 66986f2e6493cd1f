/** A live copy of one resource: list, watch, and start over when the watch ends or expires. */
import type { Component, Logger } from '@mesh/runtime';
import { sleep, systemClock } from '@mesh/runtime';
import type { ClusterClient, KubeObject, ResourceRef, WatchEvent } from '../api/types.ts';
import { keyOf } from './kinds.ts';

const RETRY_MS = 100;
const DELETED_MAX = 2_000;

/** `object` is undefined after a deletion, `before` when it is new. */
export type ChangeListener<T> = (object: T | undefined, before: T | undefined, key: string) => void;

export class Informer<T extends KubeObject> implements Component {
  readonly name: string;
  readonly #client: ClusterClient;
  readonly #resource: ResourceRef;
  readonly #log: Logger;
  readonly #objects = new Map<string, T>();
  readonly #listeners = new Set<ChangeListener<T>>();
  /** The newest deleted uids: a late answer to a write must not bring an object back. */
  readonly #deleted = new Set<string>();
  readonly #stopping = new AbortController();
  #running: Promise<void> = Promise.resolve();

  constructor(client: ClusterClient, resource: ResourceRef, log: Logger) {
    this.name = `informer ${resource.plural}`;
    this.#client = client;
    this.#resource = resource;
    this.#log = log;
  }

  get(key: string): T | undefined {
    return this.#objects.get(key);
  }

  values(): IterableIterator<T> {
    return this.#objects.values();
  }

  /** Listeners are called for existing objects at once. */
  onChange(listener: ChangeListener<T>): void {
    this.#listeners.add(listener);
    for (const [key, object] of this.#objects) listener(object, undefined, key);
  }

  /** Takes the result of one's own write, so that a controller does not act on what it just replaced. */
  observe(object: KubeObject): void {
    const key = keyOf(object);
    const held = this.#objects.get(key);
    if (this.#deleted.has(object.metadata.uid ?? '')) return;
    if (held === undefined || version(object) > version(held)) this.#set(key, object as T);
  }

  async start(signal: AbortSignal): Promise<void> {
    const since = await this.#list();
    this.#running = this.#follow(since, AbortSignal.any([this.#stopping.signal, signal]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #follow(first: string | undefined, signal: AbortSignal): Promise<void> {
    let since = first;
    while (!signal.aborted) {
      try {
        await this.#watch(since ?? (await this.#list()) ?? '0', signal);
      } catch (error) {
        if (signal.aborted) return;
        this.#log.debug('watch failed', { resource: this.#resource.plural, error });
      }
      since = undefined;
      if (!signal.aborted) await sleep(systemClock, RETRY_MS, signal).catch(() => undefined);
    }
  }

  async #list(): Promise<string | undefined> {
    const list = await this.#client.list(this.#resource);
    const seen = new Set<string>();
    for (const object of list.items) {
      const key = keyOf(object);
      seen.add(key);
      const held = this.#objects.get(key);
      if (held?.metadata.resourceVersion !== object.metadata.resourceVersion) this.#set(key, object as T);
    }
    for (const key of this.#objects.keys()) if (!seen.has(key)) this.#delete(key);
    return list.metadata.resourceVersion;
  }

  #watch(resourceVersion: string, signal: AbortSignal): Promise<void> {
    const local = new AbortController();
    const onEvent = ({ type, object }: WatchEvent): void => {
      if (type === 'ERROR') return local.abort();
      if (type === 'BOOKMARK') return undefined;
      const key = keyOf(object);
      if (type === 'DELETED') this.#delete(key);
      else this.#set(key, object as T);
      return undefined;
    };
    return this.#client.watch(this.#resource, { resourceVersion }, onEvent, AbortSignal.any([signal, local.signal]));
  }

  #set(key: string, object: T): void {
    const before = this.#objects.get(key);
    if (before !== undefined && before.metadata.uid === object.metadata.uid && version(before) > version(object))
      return;
    this.#objects.set(key, object);
    for (const listener of this.#listeners) listener(object, before, key);
  }

  #delete(key: string): void {
    const before = this.#objects.get(key);
    if (before === undefined || !this.#objects.delete(key)) return;
    this.#deleted.add(before.metadata.uid ?? '');
    if (this.#deleted.size > DELETED_MAX)
      for (const uid of [...this.#deleted].slice(0, DELETED_MAX / 2)) this.#deleted.delete(uid);
    for (const listener of this.#listeners) listener(undefined, before, key);
  }
}

function version(object: KubeObject): number {
  return Number(object.metadata.resourceVersion ?? 0);
}
