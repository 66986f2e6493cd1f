/**
 * Counts the streams that we give up on one connection. Servers take many of them for an attack (CVE-2023-44487) and end the connection with
 * everything on it: nghttp2 (curl's, node's, Apache's) after a burst of 1000 and then 33 a second, Envoy when half of the
 * first 500 streams ended so. Who stays below both moves on to another connection before that.
 */

/** Well below half of Envoy's 500. */
const BURST = 200;
/** Below nghttp2's 33. */
const PER_SECOND = 30;

export class ResetGuard {
  #left: number;
  #atMs: number;

  constructor(nowMs: number) {
    this.#left = BURST;
    this.#atMs = nowMs;
  }

  /** One more stream was given up. False: the server may not bear more of it. */
  count(nowMs: number): boolean {
    this.#left = Math.min(BURST, this.#left + ((nowMs - this.#atMs) / 1000) * PER_SECOND) - 1;
    this.#atMs = nowMs;
    return this.#left > 0;
  }
}
