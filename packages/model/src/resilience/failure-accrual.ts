/**
 * Whether an endpoint should be asked, by what it answered lately.
 *
 *   open ──too many failures──► shut ──back-off──► probation ──one request──► probing
 *    ▲                           ▲                     ▲                        │
 *    │                           │                     └──nothing learned───────┤
 *    │                           └──failure, a longer back-off──────────────────┤
 *    └──success─────────────────────────────────────────────────────────────────┘
 *
 * A probe that has no answer after another back-off is followed by the next one, so that one endless stream cannot keep an
 * endpoint out for good.
 */
import { backoffMs } from '../balance/backoff.ts';
import type { FailureAccrualPolicy } from './policy.ts';
import type { ResponseClass } from './response-class.ts';
import { SuccessRate } from './success-rate.ts';

export type AccrualState = 'open' | 'shut' | 'probation' | 'probing';

export class FailureAccrual {
  readonly #policy: FailureAccrualPolicy;
  readonly #random: () => number;
  readonly #consecutiveMax: number;
  readonly #rate: SuccessRate | undefined;
  #state: AccrualState;
  #failuresInARow: number;
  /** Back-offs since it was open. */
  #backoffs: number;
  /** When the current wait ends: the back-off while shut, the patience while probing. */
  #untilMs: number;

  /** @param random Uniform in [0, 1). */
  constructor(policy: FailureAccrualPolicy, random: () => number) {
    this.#policy = policy;
    this.#random = random;
    this.#consecutiveMax = policy.kind === 'consecutive' ? policy.maxFailures : policy.maxConsecutiveFailures;
    this.#rate =
      policy.kind === 'unified' && policy.successRateThreshold > 0
        ? new SuccessRate(policy.windowMs, policy.minRequests)
        : undefined;
    this.#state = 'open';
    this.#failuresInARow = 0;
    this.#backoffs = 0;
    this.#untilMs = 0;
  }

  get state(): AccrualState {
    return this.#state;
  }

  /** Requests may go there now. */
  get admits(): boolean {
    return this.#state === 'open' || this.#state === 'probation';
  }

  /** When {@link elapsed} is to be called; undefined: nothing waits for time. Monotonic milliseconds. */
  get dueMs(): number | undefined {
    return this.#state === 'shut' || this.#state === 'probing' ? this.#untilMs : undefined;
  }

  /** Time has passed. Returns true when requests may go there again. */
  elapsed(nowMs: number): boolean {
    const due = this.dueMs;
    if (due === undefined || nowMs < due) return false;
    this.#state = 'probation';
    return true;
  }

  /** A request is sent there. Returns true when no other may be, from now on. */
  sent(nowMs: number): boolean {
    if (this.#state !== 'probation') return false;
    this.#state = 'probing';
    this.#untilMs = nowMs + this.#nextBackoffMs();
    return true;
  }

  /** A request was answered. Returns true when `admits` changed. */
  responded(responseClass: ResponseClass, nowMs: number): boolean {
    switch (this.#state) {
      case 'open':
        if (!this.#isTooMuch(responseClass, nowMs)) return false;
        this.#shut(nowMs);
        return true;
      case 'probing':
        return this.#probed(responseClass, nowMs);
      // Answers to requests of before say nothing new.
      case 'shut':
      case 'probation':
        return false;
    }
  }

  #isTooMuch(responseClass: ResponseClass, nowMs: number): boolean {
    if (responseClass === 'none') return false;
    this.#failuresInARow = responseClass === 'failure' ? this.#failuresInARow + 1 : 0;
    this.#rate?.add(responseClass === 'success', nowMs);
    if (this.#consecutiveMax > 0 && this.#failuresInARow >= this.#consecutiveMax) return true;
    const rate = this.#rate?.value(nowMs);
    return rate !== undefined && this.#policy.kind === 'unified' && rate < this.#policy.successRateThreshold;
  }

  #probed(responseClass: ResponseClass, nowMs: number): boolean {
    if (responseClass === 'none') {
      this.#state = 'probation';
      return true;
    }
    if (responseClass === 'failure') {
      this.#shut(nowMs);
      return false;
    }
    this.#state = 'open';
    this.#backoffs = 0;
    this.#failuresInARow = 0;
    this.#rate?.clear();
    return true;
  }

  #shut(nowMs: number): void {
    this.#state = 'shut';
    this.#untilMs = nowMs + this.#nextBackoffMs();
    this.#backoffs += 1;
  }

  #nextBackoffMs(): number {
    return backoffMs(this.#policy.backoff, this.#backoffs, this.#random);
  }
}
