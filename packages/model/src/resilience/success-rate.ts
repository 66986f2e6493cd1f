/** The share of successes in a sliding window of ten buckets. */

const BUCKETS = 10;

export class SuccessRate {
  readonly #bucketMs: number;
  readonly #minRequests: number;
  readonly #successes = new Uint32Array(BUCKETS);
  readonly #requests = new Uint32Array(BUCKETS);
  /** Number of the newest bucket since time zero. */
  #newest = 0;

  /** @param minRequests Fewer in the window give no rate. */
  constructor(windowMs: number, minRequests: number) {
    this.#bucketMs = Math.max(1, windowMs / BUCKETS);
    this.#minRequests = Math.max(1, minRequests);
  }

  add(success: boolean, nowMs: number): void {
    this.#advance(nowMs);
    const at = this.#newest % BUCKETS;
    this.#requests[at]! += 1;
    if (success) this.#successes[at]! += 1;
  }

  /** 0..1; undefined when there were too few requests. */
  value(nowMs: number): number | undefined {
    this.#advance(nowMs);
    let requests = 0;
    let successes = 0;
    for (let at = 0; at < BUCKETS; at += 1) {
      requests += this.#requests[at] ?? 0;
      successes += this.#successes[at] ?? 0;
    }
    return requests < this.#minRequests ? undefined : successes / requests;
  }

  clear(): void {
    this.#requests.fill(0);
    this.#successes.fill(0);
  }

  #advance(nowMs: number): void {
    const newest = Math.max(this.#newest, Math.floor(nowMs / this.#bucketMs));
    const steps = Math.min(BUCKETS, newest - this.#newest);
    for (let step = 1; step <= steps; step += 1) {
      const at = (newest - steps + step) % BUCKETS;
      this.#requests[at] = 0;
      this.#successes[at] = 0;
    }
    this.#newest = newest;
  }
}
