/** Counts what a peer's frames cost against the limits, and ends the connection with the reason of the one that is passed. */
import { H2_ERROR } from './codes.ts';
import { FrameRates, RATE_REASONS } from './limits.ts';
import type { H2Limits } from './limits.ts';
import type { H2Reason } from './reasons.ts';

export class FrameGuard {
  /** Set before frames are read; any monotonic clock. */
  nowMs = 0;
  readonly #limits: H2Limits;
  readonly #rates: FrameRates;
  readonly #fail: (code: number, reason: H2Reason) => void;
  #idleFrames = 0;
  #backlogBytes = 0;

  constructor(limits: H2Limits, fail: (code: number, reason: H2Reason) => void) {
    this.#limits = limits;
    this.#rates = new FrameRates(limits);
    this.#fail = fail;
  }

  /** Something moved: body or a head came, or body went. */
  progress(): void {
    this.#idleFrames = 0;
  }

  /** One more frame that costs work and moves nothing; holds also without a clock. False: too many in a row. */
  idle(): boolean {
    this.#idleFrames += 1;
    if (this.#idleFrames <= this.#limits.idleFrames) return true;
    this.#fail(H2_ERROR.enhanceYourCalm, 'no_progress');
    return false;
  }

  /** One more of a kind, see RATE. False: more in a second than its limit. */
  rate(kind: number): boolean {
    if (this.#rates.count(kind, this.nowMs)) return true;
    this.#fail(H2_ERROR.enhanceYourCalm, RATE_REASONS[kind] as H2Reason);
    return false;
  }

  /** An answer of so many bytes was written. @param blocked The socket takes nothing, so that answers pile up. */
  answered(bytes: number, blocked: boolean): void {
    this.#backlogBytes = blocked ? this.#backlogBytes + bytes : 0;
    if (this.#backlogBytes > this.#limits.controlBacklogBytes) this.#fail(H2_ERROR.enhanceYourCalm, 'control_backlog');
  }
}
