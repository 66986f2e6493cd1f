/** Exponential backoff with jitter: each failure doubles the wait up to a limit. */

export interface BackoffOptions {
  readonly minMs: number;
  readonly maxMs: number;
  /** Up to this share is added at random, so that many clients do not come back at once. */
  readonly jitterRatio: number;
}

/** Linkerd's outbound connect backoff begins and jitters so; its end, 60 s, would delay recovery after long outages. */
export const BACKOFF_DEFAULT: BackoffOptions = { minMs: 100, maxMs: 10_000, jitterRatio: 0.1 };

export class Backoff {
  readonly #options: BackoffOptions;
  readonly #random: () => number;
  #failures = 0;

  constructor(options: BackoffOptions, random: () => number = Math.random) {
    this.#options = options;
    this.#random = random;
  }

  /** How long to wait after one more failure, milliseconds. */
  next(): number {
    const { minMs, maxMs, jitterRatio } = this.#options;
    const base = Math.min(maxMs, minMs * 2 ** Math.min(this.#failures, 30));
    this.#failures += 1;
    return base * (1 + jitterRatio * this.#random());
  }

  reset(): void {
    this.#failures = 0;
  }
}
