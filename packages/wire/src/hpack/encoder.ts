/** HPACK encoding, RFC 7541: fields in, one header block out. */
import { HPACK_TABLE_BYTES_DEFAULT } from './decoder.ts';
import { EncoderTable, POLICY } from './encoder-table.ts';
import { huffmanEncode, huffmanLength } from './huffman.ts';

export interface HpackEncoderOptions {
  /** How much of the peer's table we are willing to use, bytes. */
  readonly tableBytesMax?: number;
  /**
   * Huffman-code strings where that is shorter. Off by default: between proxies a fifth fewer header bytes does not pay for
   * coding and decoding each of them, several ns per character on both sides.
   */
  readonly huffman?: boolean;
}

export class HpackEncoder {
  readonly #table: EncoderTable;
  readonly #ownBytesMax: number;
  readonly #huffman: boolean;
  #sizeUpdates: number[];
  #out: Uint8Array;
  #at: number;

  constructor(options: HpackEncoderOptions = {}) {
    this.#ownBytesMax = options.tableBytesMax ?? HPACK_TABLE_BYTES_DEFAULT;
    this.#huffman = options.huffman ?? false;
    this.#table = new EncoderTable(HPACK_TABLE_BYTES_DEFAULT);
    this.#sizeUpdates = [];
    this.#out = NOTHING;
    this.#at = 0;
    if (this.#ownBytesMax < HPACK_TABLE_BYTES_DEFAULT) this.setPeerTableSize(HPACK_TABLE_BYTES_DEFAULT);
  }

  /** Applies the peer's SETTINGS_HEADER_TABLE_SIZE; the change is announced at the start of the next block (RFC 7541 §4.2). */
  setPeerTableSize(bytes: number): void {
    const size = Math.min(bytes, this.#ownBytesMax);
    if (size === this.#table.bytesMax && this.#sizeUpdates.length === 0) return;
    this.#table.resize(size);
    // Only the smallest and the last size matter between two blocks.
    const smallest = Math.min(size, ...this.#sizeUpdates);
    this.#sizeUpdates = smallest < size ? [smallest, size] : [size];
  }

  /** A new block of `fields`, name and value alternating (names in lower case, Latin-1). The caller owns the bytes. */
  encode(fields: readonly string[]): Uint8Array {
    const out = new Uint8Array(this.bytesMax(fields));
    return out.subarray(0, this.encodeInto(fields, out, 0));
  }

  /** Bytes that a block of these fields cannot exceed. */
  bytesMax(fields: readonly string[]): number {
    let bytes = SIZE_UPDATE_BYTES_MAX;
    for (let at = 0; at < fields.length; at += 1) bytes += (fields[at] as string).length + INTEGER_BYTES_MAX;
    return bytes;
  }

  /** Writes a block into `out` from `at`, which has room for {@link bytesMax}; returns the position after it. */
  encodeInto(fields: readonly string[], out: Uint8Array, at: number): number {
    this.#out = out;
    this.#at = at;
    if (this.#sizeUpdates.length > 0) {
      for (const size of this.#sizeUpdates) this.#integer(0x20, 5, size);
      this.#sizeUpdates = [];
    }
    for (let index = 0; index + 1 < fields.length; index += 2)
      this.#field(fields[index] as string, fields[index + 1] as string);
    this.#out = NOTHING;
    return this.#at;
  }

  #field(name: string, value: string): void {
    const entry = this.#table.entry(name);
    if (entry.policy === POLICY.never) {
      this.#integer(0x10, 4, this.#table.nameIndex(entry));
      return this.#literal(entry.staticIndex > 0, name, value);
    }
    const pair = entry.staticPair(value) || this.#table.indexOf(entry.find(value));
    if (pair > 0) return this.#integer(0x80, 7, pair);
    const nameIndex = this.#table.nameIndex(entry);
    const indexed = entry.wants(value);
    if (indexed) this.#integer(0x40, 6, nameIndex);
    else this.#integer(0, 4, nameIndex);
    this.#literal(nameIndex > 0, name, value);
    if (indexed) this.#table.add(entry, value);
  }

  #literal(named: boolean, name: string, value: string): void {
    if (!named) this.#string(name);
    this.#string(value);
  }

  #string(text: string): void {
    const plain = text.length;
    if (this.#huffman) {
      const huffman = huffmanLength(text);
      if (huffman < plain) {
        this.#integer(0x80, 7, huffman);
        this.#at = huffmanEncode(text, this.#out, this.#at);
        return;
      }
    }
    this.#integer(0, 7, plain);
    const out = this.#out;
    const at = this.#at;
    for (let index = 0; index < plain; index += 1) out[at + index] = text.charCodeAt(index);
    this.#at = at + plain;
  }

  #integer(head: number, prefixBits: number, value: number): void {
    const mask = (1 << prefixBits) - 1;
    if (value < mask) {
      this.#out[this.#at] = head | value;
      this.#at += 1;
      return;
    }
    this.#out[this.#at] = head | mask;
    this.#at += 1;
    let rest = value - mask;
    while (rest >= 128) {
      this.#out[this.#at] = (rest & 0x7f) | 0x80;
      this.#at += 1;
      rest = Math.floor(rest / 128);
    }
    this.#out[this.#at] = rest;
    this.#at += 1;
  }
}

const NOTHING = new Uint8Array(0);
/** An index or a length on the wire, and two of them per field. */
const INTEGER_BYTES_MAX = 6;
const SIZE_UPDATE_BYTES_MAX = 12;
