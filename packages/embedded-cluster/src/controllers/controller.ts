/**
 * The loop of every controller: a queue of keys, changes coalesced, one key never twice at once,
 * failures tried again with backoff. Conflicts are tried again at once: they mean that the cache was old.
 */
import type { Component, Logger } from '@mesh/runtime';
import { hasReason } from '../api/status-error.ts';

const BACKOFF_FIRST_MS = 20;
/** Far below the real controllers' limit: the API is in this process, and people wait for the result. */
const BACKOFF_LAST_MS = 1_000;
const CONCURRENCY = 16;

/** `requeueAfterMs`: look again later, even when nothing changes. */
export type Reconciled = { readonly requeueAfterMs: number } | undefined;

export class Controller implements Component {
  readonly name: string;
  readonly #reconcile: (key: string, signal: AbortSignal) => Promise<Reconciled>;
  readonly #log: Logger;
  readonly #queued = new Set<string>();
  readonly #active = new Map<string, Promise<void>>();
  readonly #failures = new Map<string, number>();
  readonly #timers = new Map<string, NodeJS.Timeout>();
  readonly #stopping = new AbortController();
  #started = false;

  constructor(name: string, reconcile: (key: string, signal: AbortSignal) => Promise<Reconciled>, log: Logger) {
    this.name = name;
    this.#reconcile = reconcile;
    this.#log = log.child({ controller: name });
  }

  enqueue(key: string): void {
    if (this.#stopping.signal.aborted) return;
    this.#queued.add(key);
    this.#pump();
  }

  enqueueAfter(key: string, delayMs: number): void {
    clearTimeout(this.#timers.get(key));
    if (this.#stopping.signal.aborted) return;
    const timer = setTimeout(() => {
      this.#timers.delete(key);
      this.enqueue(key);
    }, delayMs);
    timer.unref();
    this.#timers.set(key, timer);
  }

  async start(): Promise<void> {
    this.#started = true;
    this.#pump();
    return Promise.resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    for (const timer of this.#timers.values()) clearTimeout(timer);
    await Promise.allSettled(this.#active.values());
  }

  #pump(): void {
    if (!this.#started) return;
    for (const key of this.#queued) {
      if (this.#active.size >= CONCURRENCY || this.#stopping.signal.aborted) return;
      if (this.#active.has(key)) continue;
      this.#queued.delete(key);
      this.#active.set(key, this.#run(key));
    }
  }

  async #run(key: string): Promise<void> {
    // Changes of one turn of the event loop are one change.
    await new Promise((resolve) => setImmediate(resolve));
    try {
      const result = await this.#reconcile(key, this.#stopping.signal);
      this.#failures.delete(key);
      if (result !== undefined) this.enqueueAfter(key, result.requeueAfterMs);
    } catch (error) {
      this.#failed(key, error);
    } finally {
      this.#active.delete(key);
      this.#pump();
    }
  }

  #failed(key: string, error: unknown): void {
    if (this.#stopping.signal.aborted) return;
    const failures = (this.#failures.get(key) ?? 0) + 1;
    this.#failures.set(key, failures);
    const delay = Math.min(BACKOFF_LAST_MS, BACKOFF_FIRST_MS * 2 ** (failures - 1));
    const expected = hasReason(error, 'Conflict') || hasReason(error, 'AlreadyExists') || hasReason(error, 'NotFound');
    if (expected) this.#log.debug('reconcile again', { key, error });
    else this.#log.warn('reconcile failed', { key, error, retryInMs: delay });
    this.enqueueAfter(key, delay);
  }
}
