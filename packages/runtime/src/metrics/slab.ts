/** Numbers of many metric series in few typed arrays: slots of a fixed width, given out and taken back. */

/** A slot: `width` numbers of `values` from `at`. */
export interface Slot {
  readonly values: Float64Array;
  readonly at: number;
}

/** Chunks double from one slot up to this: most families have a few series, some have hundreds. */
const SLOTS_PER_CHUNK_MAX = 64;

export class Slab {
  readonly #width: number;
  readonly #free: Slot[] = [];
  #nextChunk = 1;

  constructor(width: number) {
    this.#width = width;
  }

  /** A slot of zeros. */
  take(): Slot {
    const slot = this.#free.pop();
    if (slot === undefined) {
      this.#grow();
      return this.take();
    }
    slot.values.fill(0, slot.at, slot.at + this.#width);
    return slot;
  }

  /** The caller must hold no reference to the slot any more. */
  give(slot: Slot): void {
    this.#free.push(slot);
  }

  #grow(): void {
    const slots = this.#nextChunk;
    this.#nextChunk = Math.min(SLOTS_PER_CHUNK_MAX, slots * 2);
    const values = new Float64Array(slots * this.#width);
    for (let index = slots - 1; index >= 0; index -= 1) this.#free.push({ values, at: index * this.#width });
  }
}
