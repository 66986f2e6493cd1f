/** Exponential waits with jitter. */

export interface BackoffOptions {
  readonly minMs: number;
  readonly maxMs: number;
}

/** Grows from `minMs` to `maxMs` by doubling; each wait is 75-100 % of the step, so that peers do not march together. */
export class Backoff {
  readonly #options: BackoffOptions;
  #nextMs: number;

  constructor(options: BackoffOptions) {
    this.#options = options;
    this.#nextMs = options.minMs;
  }

  next(): number {
    const step = this.#nextMs;
    this.#nextMs = Math.min(step * 2, this.#options.maxMs);
    return step * (0.75 + Math.random() * 0.25);
  }

  reset(): void {
    this.#nextMs = this.#options.minMs;
  }
}
