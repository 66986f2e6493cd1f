/**
 * How loaded an endpoint is: the peak-sensitive moving average of its response times, times the requests in flight.
 *
 * A sample above the average replaces it at once; a lower one pulls it down with weight 1 - e^(-elapsed/decay). So an
 * endpoint that turns slow is avoided after one response, and trusted again only with time.
 */

/** Below this a response time says more about the clock than about the endpoint. */
const RTT_FLOOR_MS = 0.001;

export class PeakEwma {
  /** Requests in flight. */
  pending: number;
  #rttMs: number;
  #updatedAtMs: number;
  readonly #decayMs: number;

  /** @param defaultRttMs Assumed until the first sample; @param decayMs time constant; @param nowMs monotonic. */
  constructor(defaultRttMs: number, decayMs: number, nowMs: number) {
    this.pending = 0;
    this.#rttMs = Math.max(defaultRttMs, RTT_FLOOR_MS);
    this.#updatedAtMs = nowMs;
    this.#decayMs = Math.max(decayMs, 1);
  }

  /** The lower, the better. An average that nobody updates fades towards zero, so that a slow endpoint is tried again. */
  load(nowMs: number): number {
    const elapsed = nowMs - this.#updatedAtMs;
    const faded = elapsed > 0 ? this.#rttMs * Math.exp(-elapsed / this.#decayMs) : this.#rttMs;
    return Math.max(faded, RTT_FLOOR_MS) * (this.pending + 1);
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
