/** Numbers of many metric series in few typed arrays: slots of a fixed width, given out and taken back. */

/** A slot: `width` numbers of `values` from `at`. */
export interface Slot {
  readonly values: Float64Array;
  readonly at: number;
}

const SLOTS_PER_CHUNK = 64;

export class Slab {
  readonly #width: number;
  readonly #free: Slot[] = [];

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
    const values = new Float64Array(SLOTS_PER_CHUNK * this.#width);
    for (let index = SLOTS_PER_CHUNK - 1; index >= 0; index -= 1) this.#free.push({ values, at: index * this.#width });
  }
}
