/**
 * A short memory of streams that are over (RFC 9113 §5.1, "closed"): on those that we reset, frames that were on their way are ignored; on
 * others they are an error, whose kind depends on whether the id was ever used.
 */

/** Up to 8 KiB, once a connection has reset that many streams. A gateway may give up that many in a round trip, when many clients go at once. */
const RESET_IDS = 1024;
const ENDED_IDS = 32;
/** Frames that each reset lets come late: a window of 1 MiB in frames of 16 KiB. */
const LATE_FRAMES_PER_RESET = 64;
const LATE_FRAMES_MAX = 1_000_000;

export class ClosedStreams {
  #reset: IdRing | undefined = undefined;
  #ended: IdRing | undefined = undefined;
  #lateFrames = 0;

  /** We sent RST_STREAM. */
  addReset(id: number): void {
    this.#reset ??= new IdRing(RESET_IDS);
    this.#reset.add(id);
    this.#lateFrames = Math.min(LATE_FRAMES_MAX, this.#lateFrames + LATE_FRAMES_PER_RESET);
  }

  /** Both sides ended it, or the peer reset it. */
  addEnded(id: number): void {
    this.#ended ??= new IdRing(ENDED_IDS);
    this.#ended.add(id);
  }

  /** We reset it, or may have: of ids that were forgotten nobody knows, and to end a connection for nothing is worse than to ignore a frame. */
  wasReset(id: number): boolean {
    return this.#reset !== undefined && (this.#reset.has(id) || (id <= this.#reset.forgottenMax && !this.hasEnded(id)));
  }

  hasEnded(id: number): boolean {
    return this.#ended !== undefined && this.#ended.has(id);
  }

  /** A frame came on a stream that we reset. False: more than could be on their way. */
  takeLate(): boolean {
    this.#lateFrames -= 1;
    return this.#lateFrames >= 0;
  }
}

class IdRing {
  /** The highest id that was overwritten. */
  forgottenMax = 0;
  /** Grows to `size`: short connections have few. */
  readonly #ids: number[] = [];
  readonly #size: number;
  #next = 0;

  constructor(size: number) {
    this.#size = size;
  }

  add(id: number): void {
    this.forgottenMax = Math.max(this.forgottenMax, this.#ids[this.#next] ?? 0);
    this.#ids[this.#next] = id;
    this.#next = (this.#next + 1) % this.#size;
  }

  has(id: number): boolean {
    return this.#ids.includes(id);
  }
}
