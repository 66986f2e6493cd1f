/**
 * Computations over tables that stay up to date: each runs once, again after something that it
 * read has changed, and tells its listeners when its value differs. Listeners with the same key share one computation.
 *
 *   table change ──▶ topic ──▶ queries marked dirty ──(one turn of the event loop)──▶ recompute ──▶ listeners
 *
 * A burst of changes costs one computation per query.
 */
import type { ChangeSink, Reads } from './table.ts';

export interface LiveValue<T> {
  readonly current: T;
  /** Ends this listener's interest. Idempotent. */
  stop(): void;
}

export interface QueryOptions<T> {
  /** Same key, same computation. */
  readonly key: string;
  /** Pure over what it reads through `reads`. */
  readonly compute: (reads: Reads) => T;
  /** Keeps listeners quiet (and the old value in place) when it returns true. */
  readonly same: (before: T, after: T) => boolean;
}

interface Query {
  readonly options: QueryOptions<unknown>;
  readonly listeners: Set<() => void>;
  topics: Set<string>;
  value: unknown;
}

export class LiveQueries {
  readonly #queries = new Map<string, Query>();
  readonly #byTopic = new Map<string, Set<Query>>();
  readonly #onError: (key: string, error: unknown) => void;
  #dirty = new Set<Query>();
  #scheduled = false;

  /** @param onError Told when a computation threw after a change; its last value stays. */
  constructor(onError: (key: string, error: unknown) => void) {
    this.#onError = onError;
  }

  /** Give this to the tables. */
  readonly changed: ChangeSink = (topic) => {
    const queries = this.#byTopic.get(topic);
    if (queries === undefined) return;
    for (const query of queries) this.#dirty.add(query);
    this.#schedule();
  };

  /**
   * @param listener Called after each change of the value, never for the first one.
   * @throws whatever the first computation throws.
   */
  watch<T>(options: QueryOptions<T>, listener: () => void): LiveValue<T> {
    let query = this.#queries.get(options.key);
    if (query === undefined) {
      query = { options: options as QueryOptions<unknown>, listeners: new Set(), topics: new Set(), value: undefined };
      try {
        query.value = this.#compute(query);
      } catch (error) {
        this.#drop(query);
        throw error;
      }
      this.#queries.set(options.key, query);
    } else if (this.#dirty.has(query)) {
      // A newcomer must not start from a value that is already known to be old.
      this.#refresh(query);
    }
    const shared = query;
    // Wrapped, so that one function may listen twice.
    const own = (): void => listener();
    shared.listeners.add(own);
    return {
      get current() {
        return shared.value as T;
      },
      stop: () => {
        if (shared.listeners.delete(own) && shared.listeners.size === 0) this.#drop(shared);
      },
    };
  }

  /** Queries that somebody watches. */
  get size(): number {
    return this.#queries.size;
  }

  /** Recomputes what is dirty now instead of in the next turn. */
  flush(): void {
    const dirty = this.#dirty;
    this.#dirty = new Set();
    for (const query of dirty) {
      if (query.listeners.size > 0) this.#refresh(query);
    }
  }

  #refresh(query: Query): void {
    this.#dirty.delete(query);
    const before = query.value;
    let after: unknown;
    try {
      after = this.#compute(query);
    } catch (error) {
      // One object that we misread must not stop the answers about all others.
      this.#onError(query.options.key, error);
      return;
    }
    if (query.options.same(before, after)) return;
    query.value = after;
    for (const listener of query.listeners) listener();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.flush();
    });
  }

  #compute(query: Query): unknown {
    const topics = new Set<string>();
    let value: unknown;
    try {
      value = query.options.compute(topics);
    } finally {
      // Also after a failure: a change of what was read is what may heal it.
      this.#subscribe(query, topics);
    }
    return value;
  }

  #subscribe(query: Query, topics: Set<string>): void {
    for (const topic of query.topics) if (!topics.has(topic)) this.#unsubscribe(topic, query);
    for (const topic of topics) {
      const queries = this.#byTopic.get(topic);
      if (queries === undefined) this.#byTopic.set(topic, new Set([query]));
      else queries.add(query);
    }
    query.topics = topics;
  }

  #drop(query: Query): void {
    for (const topic of query.topics) this.#unsubscribe(topic, query);
    this.#dirty.delete(query);
    if (this.#queries.get(query.options.key) === query) this.#queries.delete(query.options.key);
  }

  #unsubscribe(topic: string, query: Query): void {
    const queries = this.#byTopic.get(topic);
    queries?.delete(query);
    if (queries?.size === 0) this.#byTopic.delete(topic);
  }
}
