/** Things kept by key while somebody uses them, and for a while after. */
import type { Clock, Timer } from '@mesh/runtime';

/** A hold on a kept thing, until `done` is called. */
export interface Use<T> {
  readonly value: T;
  readonly done: () => void;
}

export class Kept<K, T extends { uses: number; dispose(): void }> {
  readonly #clock: Clock;
  readonly #idleMs: number;
  readonly #keyOf: (key: K) => string;
  readonly #create: (key: K) => T;
  readonly #values = new Map<string, T>();
  readonly #timers = new Map<string, Timer>();

  constructor(clock: Clock, idleMs: number, keyOf: (key: K) => string, create: (key: K) => T) {
    this.#clock = clock;
    this.#idleMs = idleMs;
    this.#keyOf = keyOf;
    this.#create = create;
  }

  has(of: K): boolean {
    return this.#values.has(this.#keyOf(of));
  }

  get size(): number {
    return this.#values.size;
  }

  use(of: K): Use<T> {
    const key = this.#keyOf(of);
    let value = this.#values.get(key);
    if (value === undefined) {
      value = this.#create(of);
      this.#values.set(key, value);
    }
    this.#timers.get(key)?.cancel();
    this.#timers.delete(key);
    value.uses += 1;
    const used = value;
    let held = true;
    return {
      value: used,
      done: () => {
        if (!held) return;
        held = false;
        used.uses -= 1;
        if (used.uses === 0 && this.#values.get(key) === used) this.#expireLater(key, used);
      },
    };
  }

  clear(): void {
    for (const timer of this.#timers.values()) timer.cancel();
    this.#timers.clear();
    for (const value of this.#values.values()) value.dispose();
    this.#values.clear();
  }

  #expireLater(key: string, value: T): void {
    const timer = this.#clock.after(this.#idleMs, () => {
      this.#timers.delete(key);
      if (value.uses > 0 || this.#values.get(key) !== value) return;
      this.#values.delete(key);
      value.dispose();
    });
    this.#timers.set(key, timer);
  }
}
