/**
 * Keys that wait for work. A key is in the queue at most once, and is handed out to one worker at a
 * time: additions while it is being worked on are remembered and handed out again after `done`.
 */
import type { Clock, Timer } from '@mesh/runtime';

export type Priority = 'high' | 'low';

export class WorkQueue {
  readonly #clock: Clock;
  /** Insertion-ordered; edits before resyncs. */
  readonly #high = new Set<string>();
  readonly #low = new Set<string>();
  readonly #working = new Set<string>();
  /** Added again while being worked on. */
  readonly #dirty = new Map<string, Priority>();
  readonly #timers = new Map<string, { readonly timer: Timer; readonly dueMs: number }>();
  readonly #waiters: ((key: string | undefined) => void)[] = [];
  #closed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Keys that wait or are being worked on; delayed ones not counted. */
  get depth(): number {
    return this.#high.size + this.#low.size + this.#working.size;
  }

  /** True when nothing waits, runs or is scheduled. */
  get idle(): boolean {
    return this.depth === 0 && this.#timers.size === 0;
  }

  add(key: string, priority: Priority = 'high'): void {
    if (this.#closed) return;
    if (this.#working.has(key)) {
      if (this.#dirty.get(key) !== 'high') this.#dirty.set(key, priority);
      return;
    }
    const waiter = this.#high.has(key) || this.#low.has(key) ? undefined : this.#waiters.shift();
    if (waiter !== undefined) {
      this.#working.add(key);
      waiter(key);
    } else if (priority === 'high') {
      this.#low.delete(key);
      this.#high.add(key);
    } else if (!this.#high.has(key)) this.#low.add(key);
  }

  /** The earliest of several delays wins. */
  addAfter(key: string, delayMs: number, priority: Priority = 'high'): void {
    if (this.#closed) return;
    const dueMs = this.#clock.monotonic() + delayMs;
    const waiting = this.#timers.get(key);
    if (waiting !== undefined && waiting.dueMs <= dueMs) return;
    waiting?.timer.cancel();
    const timer = this.#clock.after(delayMs, () => {
      this.#timers.delete(key);
      this.add(key, priority);
    });
    this.#timers.set(key, { timer, dueMs });
  }

  /** The next key, which the caller must give back by `done`; `undefined` once closed. */
  take(): Promise<string | undefined> {
    if (this.#closed) return Promise.resolve(undefined);
    const from = this.#high.size > 0 ? this.#high : this.#low;
    for (const key of from) {
      from.delete(key);
      this.#working.add(key);
      return Promise.resolve(key);
    }
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  done(key: string): void {
    this.#working.delete(key);
    const priority = this.#dirty.get(key);
    if (priority === undefined) return;
    this.#dirty.delete(key);
    this.add(key, priority);
  }

  /** Forgets everything that waits and wakes the waiters. */
  close(): void {
    this.#closed = true;
    for (const { timer } of this.#timers.values()) timer.cancel();
    this.#timers.clear();
    this.#high.clear();
    this.#low.clear();
    this.#dirty.clear();
    for (const waiter of this.#waiters.splice(0)) waiter(undefined);
  }
}
