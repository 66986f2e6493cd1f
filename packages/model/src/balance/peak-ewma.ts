/**
 * How loaded an endpoint is: the peak-sensitive moving average of its response times, times the requests in flight.
 *
 * A sample above the average replaces it at once; a lower one pulls it down with weight 1 - e^(-elapsed/decay). So an
 * endpoint that turns slow is avoided after one response, and trusted again only with time. Where the policy has a penalty,
 * failures count as time too, since an endpoint that fails fast would otherwise look like the best one.
 */
import type { EwmaPolicy, PenaltyPolicy } from '../resilience/policy.ts';

/** Below this a response time says more about the clock than about the endpoint. */
const RTT_FLOOR_MS = 0.001;
/** A lower first guess would send everything to whoever has not answered yet. */
const SEED_FLOOR_MS = 1;

export class PeakEwma {
  /** Requests in flight. */
  pending: number;
  #rttMs: number;
  #updatedAtMs: number;
  #penaltyMs: number;
  #penalizedAtMs: number;
  readonly #decayMs: number;
  readonly #penalty: PenaltyPolicy | undefined;

  /** @param policy `defaultRttMs` is assumed until the first sample; @param nowMs monotonic. */
  constructor(policy: EwmaPolicy, nowMs: number) {
    this.pending = 0;
    this.#rttMs = Math.max(policy.defaultRttMs, SEED_FLOOR_MS);
    this.#updatedAtMs = nowMs;
    this.#penaltyMs = 0;
    this.#penalizedAtMs = nowMs;
    this.#decayMs = Math.max(policy.decayMs, 1);
    this.#penalty = policy.penalty;
  }

  /** Failures count as load: `penalize` does something. */
  get penalizes(): boolean {
    return this.#penalty !== undefined;
  }

  /** The lower, the better. An average that nobody updates fades towards zero, so that a slow endpoint is tried again. */
  load(nowMs: number): number {
    const elapsed = nowMs - this.#updatedAtMs;
    const faded = elapsed > 0 ? this.#rttMs * Math.exp(-elapsed / this.#decayMs) : this.#rttMs;
    const rtt = this.#penaltyMs === 0 ? faded : faded + this.#penaltyAt(nowMs);
    return Math.max(rtt, RTT_FLOOR_MS) * (this.pending + 1);
  }

  /** A request begins. */
  start(): void {
    this.pending += 1;
  }

  /** A request ends; @param rttMs undefined when it says nothing about the endpoint's speed (cancelled, never sent). */
  finish(rttMs: number | undefined, nowMs: number): void {
    this.pending = Math.max(0, this.pending - 1);
    if (rttMs === undefined) return;
    const sample = Math.max(rttMs, RTT_FLOOR_MS);
    const elapsed = Math.max(0, nowMs - this.#updatedAtMs);
    if (sample > this.#rttMs) this.#rttMs = sample;
    else {
      const keep = Math.exp(-elapsed / this.#decayMs);
      this.#rttMs = this.#rttMs * keep + sample * (1 - keep);
    }
    this.#updatedAtMs = nowMs;
  }

  /** The endpoint failed, or asked for a pause. Nothing without a penalty policy. @param retryAfterMs What it asked for. */
  penalize(retryAfterMs: number | undefined, nowMs: number): void {
    const policy = this.#penalty;
    if (policy === undefined) return;
    const wanted = retryAfterMs === undefined ? policy.penaltyMs : Math.min(retryAfterMs, policy.maxRetryAfterMs);
    this.#penaltyMs = Math.max(this.#penaltyAt(nowMs), wanted);
    this.#penalizedAtMs = nowMs;
  }

  #penaltyAt(nowMs: number): number {
    const decayMs = Math.max(this.#penalty?.decayMs ?? 1, 1);
    return this.#penaltyMs * Math.exp(-Math.max(0, nowMs - this.#penalizedAtMs) / decayMs);
  }
}

/** What the choice needs to know of an endpoint. */
export interface Loaded {
  load(nowMs: number): number;
}

/**
 * Power of two choices: two distinct members at random, the less loaded wins, a tie keeps the first.
 * @param random Uniform in [0, 1).
 */
export function pickTwoChoices<T extends Loaded>(
  members: readonly T[],
  nowMs: number,
  random: () => number,
): T | undefined {
  const count = members.length;
  if (count < 2) return members[0];
  const first = Math.floor(random() * count);
  let second = Math.floor(random() * (count - 1));
  if (second >= first) second += 1;
  const a = members[first] as T;
  const b = members[second] as T;
  return b.load(nowMs) < a.load(nowMs) ? b : a;
}

/** A member drawn by weight; zero weights are never drawn. Undefined when all weights are zero. */
export function pickWeighted<T extends { readonly weight: number }>(
  members: readonly T[],
  random: () => number,
): T | undefined {
  let total = 0;
  for (const member of members) total += member.weight;
  let at = random() * total;
  for (const member of members) {
    if (member.weight <= 0) continue;
    at -= member.weight;
    if (at < 0) return member;
  }
  return undefined;
}
