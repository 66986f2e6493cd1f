/**
 * The dynamic table of a decoder, RFC 7541 §2.3.2 and §4: a ring of entries, newest first, bounded by the sum of name, value and
 * 32 octets each. Beside name and value stands what field rules want to know, so that it is found out once per entry.
 */

export const ENTRY_OVERHEAD_BYTES = 32; // RFC 7541 §4.1

export class DynamicTable {
  /** Parallel; by slot. */
  names: string[];
  values: string[];
  /** Kind of the name in the upper, classes of the value in the lower eight bits. */
  marks: number[];
  /** Slot of the oldest entry. */
  #oldest: number;
  #count: number;
  #bytes: number;
  #bytesMax: number;

  constructor(bytesMax: number) {
    this.names = [];
    this.values = [];
    this.marks = [];
    this.#oldest = 0;
    this.#count = 0;
    this.#bytes = 0;
    this.#bytesMax = bytesMax;
  }

  resize(bytesMax: number): void {
    this.#bytesMax = bytesMax;
    this.#shrinkTo(bytesMax);
  }

  /** Adds an entry; one that is larger than the table empties it (RFC 7541 §4.4). */
  add(name: string, value: string, mark: number): void {
    const size = name.length + value.length + ENTRY_OVERHEAD_BYTES;
    this.#shrinkTo(this.#bytesMax - size);
    if (size > this.#bytesMax) return;
    if (this.#count === this.names.length) this.#grow();
    const at = (this.#oldest + this.#count) & (this.names.length - 1);
    this.names[at] = name;
    this.values[at] = value;
    this.marks[at] = mark;
    this.#count += 1;
    this.#bytes += size;
  }

  /** Where the entry at `position` (0 is the newest) is; -1 beyond the end. */
  slot(position: number): number {
    if (position >= this.#count) return -1;
    return (this.#oldest + this.#count - 1 - position) & (this.names.length - 1);
  }

  #shrinkTo(bytes: number): void {
    while (this.#count > 0 && this.#bytes > bytes) {
      const at = this.#oldest;
      this.#bytes -= (this.names[at] as string).length + (this.values[at] as string).length + ENTRY_OVERHEAD_BYTES;
      this.names[at] = '';
      this.values[at] = '';
      this.#oldest = (at + 1) & (this.names.length - 1);
      this.#count -= 1;
    }
  }

  /** Sizes are powers of two. */
  #grow(): void {
    const size = Math.max(8, this.names.length * 2);
    const names = Array.from<string>({ length: size }).fill('');
    const values = Array.from<string>({ length: size }).fill('');
    const marks = Array.from<number>({ length: size }).fill(0);
    for (let position = 0; position < this.#count; position += 1) {
      const from = this.slot(position);
      const to = this.#count - 1 - position;
      names[to] = this.names[from] as string;
      values[to] = this.values[from] as string;
      marks[to] = this.marks[from] as number;
    }
    this.names = names;
    this.values = values;
    this.marks = marks;
    this.#oldest = 0;
  }
}
