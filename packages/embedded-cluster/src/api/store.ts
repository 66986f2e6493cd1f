/**
 * All objects of one API server in memory: buckets (one per resource) of objects by `namespace/name`, one rising
 * resource version for everything, and a bounded history per bucket that serves watches and consistent paging.
 *
 * Stored objects are never changed in place: a write replaces the object, so readers may hold what they got.
 * A journal, when there is one, sees each write before any watcher does.
 */
import type { KubeObject } from './types.ts';

export interface StoredEvent {
  readonly version: number;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  /** For DELETED the last state, with the deletion's resource version. */
  readonly object: KubeObject;
  readonly previous: KubeObject | undefined;
}

/** Where writes are kept beyond the life of the process. */
export interface JournalSink {
  append(bucket: string, id: string, object: KubeObject | undefined, version: number): void;
}

/** How many events of one resource are kept for watches that resume; a real API server keeps about 100 to 100,000. */
export const HISTORY_LENGTH_MAX = 8192;

interface Bucket {
  readonly objects: Map<string, KubeObject>;
  /** The keys of `objects` in byte order, which is the order of lists. */
  readonly sortedIds: string[];
  history: StoredEvent[];
  /** A watch from a version below this would miss events. */
  historyFloor: number;
  readonly subscribers: Set<(event: StoredEvent) => void>;
}

export class Store {
  readonly #buckets = new Map<string, Bucket>();
  readonly #historyLengthMax: number;
  readonly #allSubscribers = new Set<(bucket: string, event: StoredEvent) => void>();
  #version = 1;
  #floor = 0;
  #journal: JournalSink | undefined;

  constructor(options: { readonly historyLengthMax?: number } = {}) {
    this.#historyLengthMax = options.historyLengthMax ?? HISTORY_LENGTH_MAX;
  }

  /** The version of the latest write. */
  get version(): number {
    return this.#version;
  }

  get bucketNames(): readonly string[] {
    return [...this.#buckets.keys()];
  }

  /** From now on each write goes to `journal` too. */
  attachJournal(journal: JournalSink | undefined): void {
    this.#journal = journal;
  }

  /** Puts a journal's object back without an event. */
  restore(bucketName: string, id: string, object: KubeObject | undefined): void {
    const bucket = this.#bucket(bucketName);
    if (object === undefined) this.#drop(bucket, id);
    else this.#put(bucket, id, object);
  }

  restoreVersion(version: number): void {
    this.#version = Math.max(this.#version, version);
  }

  /** Forgets all history: watches can start at the present version or later, as after a restart. */
  sealHistory(): void {
    this.#floor = this.#version;
    for (const bucket of this.#buckets.values()) {
      bucket.history = [];
      bucket.historyFloor = this.#version;
    }
  }

  get(bucketName: string, id: string): KubeObject | undefined {
    return this.#buckets.get(bucketName)?.objects.get(id);
  }

  count(bucketName: string): number {
    return this.#buckets.get(bucketName)?.objects.size ?? 0;
  }

  /** Objects in the order of their ids, with a namespace only those below it. Writes meanwhile are safe: ids are those of the start. */
  *iterate(bucketName: string, namespace?: string): Generator<readonly [id: string, object: KubeObject]> {
    const bucket = this.#buckets.get(bucketName);
    if (bucket === undefined) return;
    const prefix = namespace === undefined ? '' : `${namespace}/`;
    const start = prefix === '' ? 0 : lowerBound(bucket.sortedIds, prefix);
    for (const id of bucket.sortedIds.slice(start)) {
      if (!id.startsWith(prefix)) return;
      const object = bucket.objects.get(id);
      if (object !== undefined) yield [id, object];
    }
  }

  /** The bucket as it was at `version`, or undefined when history no longer reaches back so far. */
  snapshotAt(
    bucketName: string,
    version: number,
    namespace?: string,
  ): readonly (readonly [id: string, object: KubeObject])[] | undefined {
    const later = this.eventsAfter(bucketName, version);
    if (later === undefined) return undefined;
    const present = new Map(this.iterate(bucketName, namespace));
    if (later.length === 0) return [...present];
    const prefix = namespace === undefined ? '' : `${namespace}/`;
    for (const event of later.toReversed()) {
      const id = objectId(event.object);
      if (!id.startsWith(prefix)) continue;
      if (event.previous === undefined) present.delete(id);
      else present.set(id, event.previous);
    }
    return [...present].sort(([a], [b]) => compareIds(a, b));
  }

  /** Events newer than `version`, or undefined when some of them are forgotten. */
  eventsAfter(bucketName: string, version: number): readonly StoredEvent[] | undefined {
    const bucket = this.#buckets.get(bucketName);
    if (bucket === undefined) return version < this.#floor ? undefined : [];
    if (version < bucket.historyFloor) return undefined;
    let index = bucket.history.length;
    while (index > 0 && (bucket.history[index - 1]?.version ?? 0) > version) index -= 1;
    return bucket.history.slice(index);
  }

  /** Calls `onEvent` for each later write; the returned function ends it. */
  subscribe(bucketName: string, onEvent: (event: StoredEvent) => void): () => void {
    const { subscribers } = this.#bucket(bucketName);
    subscribers.add(onEvent);
    return () => subscribers.delete(onEvent);
  }

  /** As {@link Store.subscribe} for every bucket, present and future. */
  subscribeAll(onEvent: (bucket: string, event: StoredEvent) => void): () => void {
    this.#allSubscribers.add(onEvent);
    return () => this.#allSubscribers.delete(onEvent);
  }

  /**
   * Writes `object` (or deletes with undefined) and returns what is stored, with its new resource version.
   * The caller has checked preconditions; nothing can come between, as writes are synchronous.
   */
  commit(bucketName: string, id: string, object: KubeObject | undefined): KubeObject {
    const bucket = this.#bucket(bucketName);
    const previous = bucket.objects.get(id);
    const base = object ?? previous;
    if (base === undefined) throw new Error(`commit of ${bucketName} ${id}: nothing to delete`);
    const version = this.#version + 1;
    const stored: KubeObject = { ...base, metadata: { ...base.metadata, resourceVersion: String(version) } };
    this.#journal?.append(bucketName, id, object === undefined ? undefined : stored, version);
    this.#version = version;
    if (object === undefined) this.#drop(bucket, id);
    else this.#put(bucket, id, stored);
    const type = object === undefined ? 'DELETED' : previous === undefined ? 'ADDED' : 'MODIFIED';
    this.#record(bucketName, bucket, { version, type, object: stored, previous });
    return stored;
  }

  #record(bucketName: string, bucket: Bucket, event: StoredEvent): void {
    bucket.history.push(event);
    // Trim in blocks: one copy per quarter of the limit instead of one shift per write.
    if (bucket.history.length > this.#historyLengthMax * 1.25) {
      const dropped = bucket.history.length - this.#historyLengthMax;
      bucket.historyFloor = bucket.history[dropped - 1]?.version ?? bucket.historyFloor;
      bucket.history = bucket.history.slice(dropped);
    }
    for (const notify of bucket.subscribers) notify(event);
    for (const notify of this.#allSubscribers) notify(bucketName, event);
  }

  #bucket(name: string): Bucket {
    let bucket = this.#buckets.get(name);
    if (bucket === undefined) {
      bucket = { objects: new Map(), sortedIds: [], history: [], historyFloor: this.#floor, subscribers: new Set() };
      this.#buckets.set(name, bucket);
    }
    return bucket;
  }

  #put(bucket: Bucket, id: string, object: KubeObject): void {
    if (!bucket.objects.has(id)) bucket.sortedIds.splice(lowerBound(bucket.sortedIds, id), 0, id);
    bucket.objects.set(id, object);
  }

  #drop(bucket: Bucket, id: string): void {
    if (bucket.objects.delete(id)) bucket.sortedIds.splice(lowerBound(bucket.sortedIds, id), 1);
  }
}

/** The key of an object in its bucket: `namespace/name`, or `name` without a namespace. */
export function objectId(object: KubeObject): string {
  return idOf(object.metadata.namespace, object.metadata.name ?? '');
}

export function idOf(namespace: string | undefined, name: string): string {
  return namespace === undefined || namespace === '' ? name : `${namespace}/${name}`;
}

function compareIds(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The first index whose id is not below `id`. */
function lowerBound(ids: readonly string[], id: string): number {
  let low = 0;
  let high = ids.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ids[middle] ?? '') < id) low = middle + 1;
    else high = middle;
  }
  return low;
}
