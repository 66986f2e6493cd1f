/**
 * How parts of a process start and stop: in order, and back in reverse, also after a start that
 * failed half way. Binaries compose their parts in one list per role.
 */

/** Constructors do no I/O. `start` resolves once ready; disposing stops it, idempotently. */
export interface Component extends AsyncDisposable {
  readonly name: string;
  start(signal: AbortSignal): Promise<void>;
}

/** Starts in order; the returned stack stops them in reverse, even after a failed start. */
export async function startAll(components: readonly Component[], signal: AbortSignal): Promise<AsyncDisposableStack> {
  await using started = new AsyncDisposableStack();
  for (const component of components) {
    signal.throwIfAborted();
    started.use(component);
    await component.start(signal);
  }
  return started.move();
}

/**
 * Readiness as tokens: whoever must be ready first takes a block and disposes it when it is.
 * The process is ready when no block is held.
 */
export class Readiness {
  readonly #blocks = new Map<symbol, string>();
  readonly #waiters = new Set<() => void>();

  /** Holds readiness back until the returned token is disposed. */
  block(name: string): Disposable {
    const key = Symbol(name);
    this.#blocks.set(key, name);
    return {
      [Symbol.dispose]: () => {
        if (!this.#blocks.delete(key) || this.#blocks.size > 0) return;
        for (const wake of this.#waiters) wake();
        this.#waiters.clear();
      },
    };
  }

  get ready(): boolean {
    return this.#blocks.size === 0;
  }

  /** The names that still hold readiness back, for `/ready` and the log. */
  get waitingFor(): readonly string[] {
    return [...this.#blocks.values()];
  }

  whenReady(): Promise<void> {
    if (this.ready) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.add(resolve));
  }
}

/**
 * Drain as tokens: whoever has work in flight holds one; `drain` tells all to finish and waits
 * until the last hold is gone or the deadline passes.
 */
export class Drain {
  readonly #controller = new AbortController();
  #holds = 0;
  #wake: (() => void) | undefined;

  /** Aborted as soon as draining begins: stop accepting, say goodbye on idle connections. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  hold(): Disposable {
    this.#holds += 1;
    let held = true;
    return {
      [Symbol.dispose]: () => {
        if (!held) return;
        held = false;
        this.#holds -= 1;
        if (this.#holds === 0) this.#wake?.();
      },
    };
  }

  get holds(): number {
    return this.#holds;
  }

  /** Resolves to true when everything finished, false when `deadlineMs` passed first. */
  async drain(deadlineMs: number): Promise<boolean> {
    this.#controller.abort();
    if (this.#holds === 0) return true;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => resolve(false), deadlineMs);
    this.#wake = () => resolve(true);
    const finished = await promise;
    clearTimeout(timer);
    return finished;
  }
}
