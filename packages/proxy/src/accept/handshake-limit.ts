/**
 * Bounds the TLS handshakes that run at the same time. Each blocks the loop for about a millisecond: when many clients arrive
 * at once, finishing those that began serves all sooner than beginning with everybody.
 */

/** Handshakes under way. */
export const HANDSHAKES_MAX = 16;
/** Who waits beyond these is refused: a peer will come again, with backoff. */
export const HANDSHAKES_WAITING_MAX = 4096;

export class HandshakeLimit {
  readonly #max: number;
  readonly #waitingMax: number;
  readonly #waiting = new Set<() => void>();
  #running = 0;

  constructor(max: number = HANDSHAKES_MAX, waitingMax: number = HANDSHAKES_WAITING_MAX) {
    this.#max = max;
    this.#waitingMax = waitingMax;
  }

  get running(): number {
    return this.#running;
  }

  /**
   * Calls `begin` now or when it is its turn. @returns undefined: too many wait; else the function to call once when the handshake
   * is over, or given up, also before its turn.
   */
  enter(begin: () => void): (() => void) | undefined {
    if (this.#running >= this.#max && this.#waiting.size >= this.#waitingMax) return undefined;
    let state: 'waiting' | 'running' | 'over' = 'waiting';
    const run = (): void => {
      state = 'running';
      this.#running += 1;
      begin();
    };
    const leave = (): void => {
      if (state === 'running') this.#next();
      else this.#waiting.delete(run);
      state = 'over';
    };
    if (this.#running < this.#max) run();
    else this.#waiting.add(run);
    return leave;
  }

  #next(): void {
    this.#running -= 1;
    const [first] = this.#waiting;
    if (first === undefined) return;
    this.#waiting.delete(first);
    first();
  }
}
