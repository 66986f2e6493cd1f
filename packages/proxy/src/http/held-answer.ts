/**
 * The beginning of a gRPC answer that is held back until it is known whether the call failed: the status comes in trailers, and once something
 * was passed on the call cannot be sent again.
 *
 *   head ──► held ──trailers──► judged by their status: sent again, or all of it goes on
 *             ├── body: what came in the same read is held with it, then goes on
 *             └── after a while it goes on
 */
import type { Clock, Timer } from '@mesh/runtime';

/**
 * A server that fails at once sends head and trailers at once, in two writes at worst; with Nagle's algorithm and a delayed
 * acknowledgement up to 200 ms lie between them. Heads that wait longer are those of streams whose first message takes its time.
 */
export const HOLD_MS = 250;

export class HeldAnswer {
  readonly fields: readonly string[];
  readonly status: number;
  /** The head is not a proxy's word about its program. */
  readonly ofProgram: boolean;
  /** Body so far: no more than one read of the socket, nor than the stream's window. */
  readonly data: Uint8Array[];
  readonly #timer: Timer;

  /** @param release Called when it was held for long enough. */
  constructor(fields: readonly string[], status: number, ofProgram: boolean, clock: Clock, release: () => void) {
    this.fields = fields;
    this.status = status;
    this.ofProgram = ofProgram;
    this.data = [];
    this.#timer = clock.after(HOLD_MS, release);
  }

  /** It is held no longer. */
  done(): void {
    this.#timer.cancel();
  }
}
