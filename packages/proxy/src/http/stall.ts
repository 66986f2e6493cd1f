/** Notices what does not move: asked now and then, so that what moves costs nothing. */

export class Stall {
  #mark: number;
  /** When it was seen first as it is now; -1: nothing is due. */
  #sinceMs: number;

  constructor() {
    this.#mark = 0;
    this.#sinceMs = -1;
  }

  /** @param due Something is expected to move. @param mark A number that changes when it does. @returns for how long it has not, milliseconds. */
  forMs(due: boolean, mark: number, nowMs: number): number {
    if (!due) {
      this.#sinceMs = -1;
      return 0;
    }
    if (this.#sinceMs < 0 || this.#mark !== mark) {
      this.#mark = mark;
      this.#sinceMs = nowMs;
    }
    return nowMs - this.#sinceMs;
  }
}
