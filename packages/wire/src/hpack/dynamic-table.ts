/**
 * The dynamic table of HPACK, RFC 7541 §2.3.2 and §4: a ring of entries, newest first, bounded by the sum of name, value and
 * 32 octets each.
 */

const ENTRY_OVERHEAD_BYTES = 32; // RFC 7541 §4.1

export class DynamicTable {
  #names: string[] = [];
  #values: string[] = [];
  /** Ring position of the oldest entry. */
  #oldest = 0;
  #count = 0;
  #bytes = 0;
  #bytesMax: number;
  /** Entries ever added; the newest has this number. */
  added = 0;
  readonly #evicted: (name: string, value: string, number: number) => void;

  /** @param evicted told of each entry that leaves, with its number. */
  constructor(bytesMax: number, evicted: (name: string, value: string, number: number) => void = ignore) {
    this.#bytesMax = bytesMax;
    this.#evicted = evicted;
  }

  get count(): number {
    return this.#count;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get bytesMax(): number {
    return this.#bytesMax;
  }

  resize(bytesMax: number): void {
    this.#bytesMax = bytesMax;
    this.#shrinkTo(bytesMax);
  }

  /** Adds an entry; one that is larger than the table empties it (RFC 7541 §4.4). */
  add(name: string, value: string): void {
    const size = name.length + value.length + ENTRY_OVERHEAD_BYTES;
    this.#shrinkTo(this.#bytesMax - size);
    if (size > this.#bytesMax) return;
    if (this.#count === this.#names.length) this.#grow();
    const at = (this.#oldest + this.#count) % this.#names.length;
    this.#names[at] = name;
    this.#values[at] = value;
    this.#count += 1;
    this.#bytes += size;
    this.added += 1;
  }

  /** `position` 0 is the newest. `undefined` beyond the end. */
  name(position: number): string | undefined {
    return position < this.#count ? this.#names[this.#ringAt(position)] : undefined;
  }

  value(position: number): string | undefined {
    return position < this.#count ? this.#values[this.#ringAt(position)] : undefined;
  }

  #ringAt(position: number): number {
    return (this.#oldest + this.#count - 1 - position) % this.#names.length;
  }

  #shrinkTo(bytes: number): void {
    while (this.#count > 0 && this.#bytes > bytes) {
      const at = this.#oldest;
      const name = this.#names[at] ?? '';
      const value = this.#values[at] ?? '';
      this.#names[at] = '';
      this.#values[at] = '';
      this.#oldest = (at + 1) % this.#names.length;
      this.#count -= 1;
      this.#bytes -= name.length + value.length + ENTRY_OVERHEAD_BYTES;
      this.#evicted(name, value, this.added - this.#count);
    }
  }

  #grow(): void {
    const size = Math.max(8, this.#names.length * 2);
    const names = Array.from<string>({ length: size }).fill('');
    const values = Array.from<string>({ length: size }).fill('');
    for (let position = 0; position < this.#count; position += 1) {
      names[this.#count - 1 - position] = this.name(position) ?? '';
      values[this.#count - 1 - position] = this.value(position) ?? '';
    }
    this.#names = names;
    this.#values = values;
    this.#oldest = 0;
  }
}

function ignore(): void {}
