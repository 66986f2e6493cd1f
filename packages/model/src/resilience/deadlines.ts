/**
 * The time limits of one exchange, for a single timer: what the next moment to look is, and which limit has passed then.
 *
 * request: from `begin` to the end. response: from the request's end to the response's. idle: between two frames.
 * try: from `beginTry` to the response's head.
 */
import type { RouteTimeouts } from './policy.ts';

export type Overdue = 'request' | 'response' | 'idle' | 'try';

const NEVER = Number.POSITIVE_INFINITY;

/** One per exchange, used again for each: no allocation after that. */
export class Deadlines {
  #request = NEVER;
  #response = NEVER;
  #idle = NEVER;
  #try = NEVER;
  #responseMs = NEVER;
  #idleMs = NEVER;

  begin(timeouts: RouteTimeouts, nowMs: number): void {
    this.#request = nowMs + (timeouts.requestMs ?? NEVER);
    this.#responseMs = timeouts.responseMs ?? NEVER;
    this.#idleMs = timeouts.idleMs ?? NEVER;
    this.#response = NEVER;
    this.#try = NEVER;
    this.#idle = nowMs + this.#idleMs;
  }

  /** The request is sent, for the first time or again. */
  beginTry(tryTimeoutMs: number | undefined, nowMs: number): void {
    this.#try = nowMs + (tryTimeoutMs ?? NEVER);
    this.#idle = nowMs + this.#idleMs;
  }

  /** The request's last byte went out; what counts is the first time. */
  requestSent(nowMs: number): void {
    if (this.#response === NEVER) this.#response = nowMs + this.#responseMs;
  }

  /** The response's final head is there. */
  responded(): void {
    this.#try = NEVER;
  }

  /** A frame passed, whichever way. */
  progressed(nowMs: number): void {
    this.#idle = nowMs + this.#idleMs;
  }

  /** When to look next; infinite: no limit is set. */
  get nextMs(): number {
    return Math.min(this.#request, this.#response, this.#idle, this.#try);
  }

  /** The limit that has passed; the one for all tries first, as no retry can help then. */
  overdue(nowMs: number): Overdue | undefined {
    if (nowMs >= this.#request) return 'request';
    if (nowMs >= this.#response) return 'response';
    if (nowMs >= this.#idle) return 'idle';
    return nowMs >= this.#try ? 'try' : undefined;
  }
}
