/** The waits of one thing that is tried again and again: each failure doubles the wait, a success starts over. */
import { backoffMs } from '@mesh/model';
import type { BackoffOptions } from '@mesh/model';

export class Backoff {
  readonly #options: BackoffOptions;
  readonly #random: () => number;
  #failures = 0;

  constructor(options: BackoffOptions, random: () => number = Math.random) {
    this.#options = options;
    this.#random = random;
  }

  /** Failures since the last success. */
  get failures(): number {
    return this.#failures;
  }

  /** How long to wait after one more failure, milliseconds. */
  next(): number {
    const delayMs = backoffMs(this.#options, this.#failures, this.#random);
    this.#failures += 1;
    return delayMs;
  }

  reset(): void {
    this.#failures = 0;
  }
}
