/** Runs a level-triggered `reconcile` for keys: coalesced, never twice at once per key, with backoff after failures. */
import { Backoff, isAbort } from '@mesh/runtime';
import type { BackoffOptions, Clock, Component, Logger } from '@mesh/runtime';
import { isKubeError } from './errors.ts';
import { WorkQueue } from './work-queue.ts';
import type { Priority } from './work-queue.ts';

/** What to do with the key next: nothing until it is enqueued again, or another run after a while. */
export type ReconcileResult = undefined | void | { readonly requeueAfterMs: number };

/** Thrown by `reconcile` when trying again cannot help before something changes. */
export class TerminalError extends Error {
  override readonly name = 'TerminalError';
}

export interface ControllerOptions {
  readonly name: string;
  /** Reads the state that belongs to `key` and makes it so. A rejection means: try again later. */
  readonly reconcile: (key: string, signal: AbortSignal) => Promise<ReconcileResult>;
  /** Keys at the same time; default 4. */
  readonly concurrency?: number;
  readonly backoff?: BackoffOptions;
  /** Called after each run, for metrics. */
  readonly onRun?: (run: { readonly key: string; readonly ms: number; readonly error: unknown }) => void;
}

export interface ControllerDeps {
  readonly clock: Clock;
  readonly logger: Logger;
}

const DEFAULT_CONCURRENCY = 4;
/** 1 min at most: a cause outside our view (RBAC, quota) heals without an event of ours. */
const DEFAULT_BACKOFF: BackoffOptions = { minMs: 50, maxMs: 60_000, jitterRatio: 0.1 };

export class Controller implements Component {
  readonly name: string;
  readonly #options: ControllerOptions;
  readonly #deps: ControllerDeps;
  readonly #queue: WorkQueue;
  readonly #failures = new Map<string, Backoff>();
  readonly #stop = new AbortController();
  #workers: Promise<unknown> | undefined;

  constructor(options: ControllerOptions, deps: ControllerDeps) {
    this.name = options.name;
    this.#options = options;
    this.#deps = deps;
    this.#queue = new WorkQueue(deps.clock);
  }

  start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#workers === undefined) {
      const count = this.#options.concurrency ?? DEFAULT_CONCURRENCY;
      this.#workers = Promise.all(Array.from({ length: count }, () => this.#work()));
    }
    return Promise.resolve();
  }

  /** Aborts running reconciles and waits for them. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#queue.close();
    await this.#workers;
  }

  enqueue(key: string, priority?: Priority): void {
    this.#queue.add(key, priority);
  }

  enqueueAfter(key: string, delayMs: number, priority?: Priority): void {
    this.#queue.addAfter(key, delayMs, priority);
  }

  /** Keys that wait or run. */
  get depth(): number {
    return this.#queue.depth;
  }

  /** True when nothing waits, runs or is scheduled. */
  get idle(): boolean {
    return this.#queue.idle;
  }

  async #work(): Promise<void> {
    for (;;) {
      const key = await this.#queue.take();
      if (key === undefined) return;
      await this.#run(key);
      this.#queue.done(key);
    }
  }

  async #run(key: string): Promise<void> {
    const startedMs = this.#deps.clock.monotonic();
    let failure: unknown;
    try {
      const result = await this.#options.reconcile(key, this.#stop.signal);
      this.#failures.delete(key);
      if (result !== undefined) this.#queue.addAfter(key, result.requeueAfterMs, 'low');
    } catch (error) {
      if (this.#stop.signal.aborted && isAbort(error)) return;
      failure = error;
      this.#failed(key, error);
    }
    this.#options.onRun?.({ key, ms: this.#deps.clock.monotonic() - startedMs, error: failure });
  }

  #failed(key: string, error: unknown): void {
    const { logger } = this.#deps;
    if (error instanceof TerminalError) {
      this.#failures.delete(key);
      logger.warn('reconcile gave up until something changes', { controller: this.name, key, error });
      return;
    }
    const backoff = this.#failures.get(key) ?? new Backoff(this.#options.backoff ?? DEFAULT_BACKOFF);
    this.#failures.set(key, backoff);
    const retryAfterMs = isKubeError(error) ? (error.info.retryAfterMs ?? 0) : 0;
    const delayMs = Math.max(backoff.next(), retryAfterMs);
    const { failures } = backoff;
    this.#queue.addAfter(key, delayMs);
    // A write conflict is the normal way to learn that our copy was old.
    const level = failures > 3 && !isKubeError(error, 'conflict') ? 'warn' : 'debug';
    logger[level]('reconcile failed', { controller: this.name, key, failures, retryInMs: delayMs, error });
  }
}
