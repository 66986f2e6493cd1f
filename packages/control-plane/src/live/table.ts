/**
 * In-memory tables of cluster objects that remember what each computation read, so that a change
 * wakes exactly the computations that depend on it. No I/O: informers feed them from outside.
 */

/** Collects what a computation read. A topic is an object, an index value, or a whole table. */
export interface Reads {
  add(topic: string): void;
}

/** Told which topic changed. */
export type ChangeSink = (topic: string) => void;

/** Told of each object that came or changed, and of each that left (undefined). */
export type ObjectListener<T> = (key: string, object: T | undefined) => void;

export interface TableOptions<T> {
  /** Unique among the tables that share a sink. */
  readonly name: string;
  readonly key: (object: T) => string;
  /** Objects are found under every value that an index function returns. */
  readonly indexes?: Readonly<Record<string, (object: T) => readonly string[]>>;
  readonly onChange: ChangeSink;
}

export class Table<T> {
  readonly #options: TableOptions<T>;
  readonly #objects = new Map<string, T>();
  readonly #indexes = new Map<string, Map<string, Set<string>>>();
  readonly #listeners = new Set<ObjectListener<T>>();

  constructor(options: TableOptions<T>) {
    this.#options = options;
    for (const index of Object.keys(options.indexes ?? {})) this.#indexes.set(index, new Map());
  }

  /** Adds or replaces. */
  apply(object: T): void {
    const key = this.#options.key(object);
    const previous = this.#objects.get(key);
    this.#objects.set(key, object);
    this.#reindex(key, previous, object);
    this.#changed(key);
  }

  remove(object: T): void {
    const key = this.#options.key(object);
    const previous = this.#objects.get(key);
    if (previous === undefined) return;
    this.#objects.delete(key);
    this.#reindex(key, previous, undefined);
    this.#changed(key);
  }

  /** Calls `listener` from now on, and at once for what is there. Returns the unsubscribe function. */
  onApply(listener: ObjectListener<T>): () => void {
    this.#listeners.add(listener);
    for (const [key, object] of this.#objects) listener(key, object);
    return () => this.#listeners.delete(listener);
  }

  get size(): number {
    return this.#objects.size;
  }

  get(key: string, reads: Reads): T | undefined {
    reads.add(`${this.#options.name}/${key}`);
    return this.#objects.get(key);
  }

  /** In no particular order. */
  byIndex(index: string, value: string, reads: Reads): readonly T[] {
    reads.add(`${this.#options.name}#${index}=${value}`);
    const found: T[] = [];
    for (const key of this.#indexes.get(index)?.get(value) ?? []) {
      const object = this.#objects.get(key);
      if (object !== undefined) found.push(object);
    }
    return found;
  }

  #reindex(key: string, previous: T | undefined, next: T | undefined): void {
    const { name, indexes = {}, onChange } = this.#options;
    for (const [index, valuesOf] of Object.entries(indexes)) {
      const before = new Set(previous === undefined ? [] : valuesOf(previous));
      const after = new Set(next === undefined ? [] : valuesOf(next));
      const entries = this.#indexes.get(index);
      if (entries === undefined) continue;
      for (const value of before) {
        if (after.has(value)) continue;
        const keys = entries.get(value);
        keys?.delete(key);
        if (keys?.size === 0) entries.delete(value);
      }
      for (const value of after) {
        const keys = entries.get(value);
        if (keys === undefined) entries.set(value, new Set([key]));
        else keys.add(key);
      }
      // A changed object also changes what a reader of its index values saw.
      for (const value of before.union(after)) onChange(`${name}#${index}=${value}`);
    }
  }

  #changed(key: string): void {
    this.#options.onChange(`${this.#options.name}/${key}`);
    for (const listener of this.#listeners) listener(key, this.#objects.get(key));
  }
}
