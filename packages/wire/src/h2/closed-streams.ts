/**
 * A short memory of streams that are over (RFC 9113 §5.1, "closed"): on those that we reset, frames that were on their way are ignored for
 * a while; on others they are an error, whose kind depends on whether the id was ever used.
 */

/** As many resets may be younger than a round trip. */
const RESET_IDS = 256;
const ENDED_IDS = 32;

export class ClosedStreams {
  #reset: IdRing | undefined = undefined;
  #ended: IdRing | undefined = undefined;

  /** We sent RST_STREAM. */
  addReset(id: number): void {
    this.#reset ??= new IdRing(RESET_IDS);
    this.#reset.add(id);
  }

  /** Both sides ended it, or the peer reset it. */
  addEnded(id: number): void {
    this.#ended ??= new IdRing(ENDED_IDS);
    this.#ended.add(id);
  }

  wasReset(id: number): boolean {
    return this.#reset !== undefined && this.#reset.has(id);
  }

  hasEnded(id: number): boolean {
    return this.#ended !== undefined && this.#ended.has(id);
  }
}

class IdRing {
  readonly #ids: Int32Array;
  #next = 0;

  constructor(size: number) {
    this.#ids = new Int32Array(size);
  }

  add(id: number): void {
    this.#ids[this.#next] = id;
    this.#next = (this.#next + 1) % this.#ids.length;
  }

  has(id: number): boolean {
    return this.#ids.includes(id);
  }
}
