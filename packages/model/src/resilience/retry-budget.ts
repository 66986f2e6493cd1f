/**
 * How many retries a route may add to its traffic: each request pays in a share of a retry, each retry takes one out, and some
 * are free each second. What was paid in expires after `ttlMs`, so that a quiet night buys no storm.
 */

export interface RetryBudgetPolicy {
  /** Retries per request, in addition to the free ones. */
  readonly ratio: number;
  readonly minPerSecond: number;
  readonly ttlMs: number;
}

const SLOTS = 10;

export class RetryBudget {
  readonly #policy: RetryBudgetPolicy;
  readonly #slotMs: number;
  readonly #reserve: number;
  /** Payments minus withdrawals, by time slot. */
  readonly #slots = new Float64Array(SLOTS);
  #newest = 0;

  constructor(policy: RetryBudgetPolicy) {
    this.#policy = policy;
    this.#slotMs = Math.max(1, policy.ttlMs / SLOTS);
    this.#reserve = (policy.minPerSecond * policy.ttlMs) / 1000;
  }

  /** A request was sent for the first time. */
  deposit(nowMs: number): void {
    this.#advance(nowMs);
    this.#slots[this.#newest % SLOTS]! += this.#policy.ratio;
  }

  /** Takes one retry out; false: there is none left. */
  withdraw(nowMs: number): boolean {
    this.#advance(nowMs);
    if (this.balance(nowMs) < 1) return false;
    this.#slots[this.#newest % SLOTS]! -= 1;
    return true;
  }

  /** Retries that are left. */
  balance(nowMs: number): number {
    this.#advance(nowMs);
    let sum = this.#reserve;
    for (let at = 0; at < SLOTS; at += 1) sum += this.#slots[at] ?? 0;
    return sum;
  }

  #advance(nowMs: number): void {
    const newest = Math.max(this.#newest, Math.floor(nowMs / this.#slotMs));
    const steps = Math.min(SLOTS, newest - this.#newest);
    for (let step = 1; step <= steps; step += 1) this.#slots[(newest - steps + step) % SLOTS] = 0;
    this.#newest = newest;
  }
}
