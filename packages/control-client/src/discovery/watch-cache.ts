/**
 * Watches that are shared by their holders: one per key, ended some time after the last holder let go, so that the next
 * connection to the same destination finds the answer there.
 */
import type { Clock, Timer } from '@mesh/runtime';
import type { Watched } from '@mesh/model';

/** What a source may do with its value. */
export interface Sink<T> {
  readonly current: T | undefined;
  /** Swaps the value and tells the holders; the same value tells nobody. */
  set(value: T): void;
}

/** Starts to feed the sink; returns how to stop. */
export type Source<K, T> = (key: K, sink: Sink<T>) => () => void;

class Entry<T> implements Sink<T> {
  current: T | undefined = undefined;
  readonly listeners = new Set<() => void>();
  holders = 0;
  idle: Timer | undefined = undefined;
  stop: () => void = () => undefined;

  set(value: T): void {
    if (value === this.current) return;
    this.current = value;
    for (const listener of this.listeners) listener();
  }
}

export class WatchCache<K, T> {
  readonly #entries = new Map<string, Entry<T>>();
  readonly #source: Source<K, T>;
  readonly #keyOf: (key: K) => string;
  readonly #idleMs: number;
  readonly #clock: Clock;

  constructor(options: {
    readonly source: Source<K, T>;
    readonly keyOf: (key: K) => string;
    readonly idleMs: number;
    readonly clock: Clock;
  }) {
    this.#source = options.source;
    this.#keyOf = options.keyOf;
    this.#idleMs = options.idleMs;
    this.#clock = options.clock;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Holds the value of `key`; the holder must release it. */
  hold(key: K): Watched<T> {
    const text = this.#keyOf(key);
    const entry = this.#entries.get(text) ?? this.#open(text, key);
    entry.idle?.cancel();
    entry.idle = undefined;
    entry.holders += 1;
    const own = new Set<() => void>();
    let held = true;
    return {
      get current() {
        return entry.current;
      },
      onChange: (listener) => {
        // Wrapped, so that one function may listen twice.
        const wrapped = (): void => listener();
        own.add(wrapped);
        entry.listeners.add(wrapped);
        return () => {
          own.delete(wrapped);
          entry.listeners.delete(wrapped);
        };
      },
      release: () => {
        if (!held) return;
        held = false;
        for (const listener of own) entry.listeners.delete(listener);
        entry.holders -= 1;
        if (entry.holders === 0) entry.idle = this.#clock.after(this.#idleMs, () => this.#close(text, entry));
      },
    };
  }

  /** Ends every watch; values stay with their holders. */
  close(): void {
    for (const [key, entry] of this.#entries) {
      entry.idle?.cancel();
      this.#close(key, entry);
    }
  }

  #open(text: string, key: K): Entry<T> {
    const entry = new Entry<T>();
    this.#entries.set(text, entry);
    entry.stop = this.#source(key, entry);
    return entry;
  }

  #close(text: string, entry: Entry<T>): void {
    this.#entries.delete(text);
    entry.stop();
  }
}
