/** Keys to work on, each at most once at a time, retried with a growing pause when work fails. */
import { isAbort, type Clock, type Logger, type Timer } from '@mesh/runtime';

const RETRY_MS_MIN = 20;
const RETRY_MS_MAX = 10_000;

export class WorkQueue {
  readonly #work: (key: string) => Promise<void>;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #pending = new Set<string>();
  readonly #failures = new Map<string, number>();
  readonly #timers = new Set<Timer>();
  #running = false;
  #stopped = false;
  #idle: Promise<void> = Promise.resolve();

  constructor(options: { readonly work: (key: string) => Promise<void>; readonly clock: Clock; readonly log: Logger }) {
    this.#work = options.work;
    this.#clock = options.clock;
    this.#log = options.log;
  }

  add(key: string): void {
    if (this.#stopped) return;
    this.#pending.add(key);
    if (this.#running) return;
    this.#running = true;
    this.#idle = this.#run();
  }

  /** Stops after the present key. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#pending.clear();
    for (const timer of this.#timers) timer.cancel();
    await this.#idle;
  }

  async #run(): Promise<void> {
    // Let the write that caused this finish first.
    await Promise.resolve();
    for (;;) {
      const [key] = this.#pending;
      if (key === undefined || this.#stopped) break;
      this.#pending.delete(key);
      try {
        await this.#work(key);
        this.#failures.delete(key);
      } catch (error) {
        this.#retry(key, error);
      }
    }
    this.#running = false;
  }

  #retry(key: string, error: unknown): void {
    if (this.#stopped || isAbort(error)) return;
    const failures = (this.#failures.get(key) ?? 0) + 1;
    this.#failures.set(key, failures);
    this.#log.debug('work failed, will retry', { key, failures, error });
    const delayMs = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** Math.min(failures, 16));
    const timer = this.#clock.after(delayMs, () => {
      this.#timers.delete(timer);
      this.add(key);
    });
    this.#timers.add(timer);
  }
}
