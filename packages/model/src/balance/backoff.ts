/** Exponential backoff with jitter, as a function of the attempt. */

export interface BackoffOptions {
  readonly minMs: number;
  readonly maxMs: number;
  /** 0..1: up to this share is added at random, also at the maximum, so that many clients do not come back at once. */
  readonly jitterRatio: number;
}

/** @param attempt 0 for the first wait; @param random uniform in [0, 1). */
export function backoffMs(options: BackoffOptions, attempt: number, random: () => number): number {
  const base = Math.min(options.maxMs, options.minMs * 2 ** Math.min(attempt, 30));
  return base * (1 + options.jitterRatio * random());
}
