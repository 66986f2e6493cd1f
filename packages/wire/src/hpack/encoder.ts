/** HPACK encoding, RFC 7541: fields in, one header block out. */
import { HPACK_TABLE_BYTES_DEFAULT } from './decoder.ts';
import { DynamicTable } from './dynamic-table.ts';
import { huffmanEncode, huffmanLength } from './huffman.ts';
import { STATIC_ENTRIES, staticNameIndex, staticPairIndex } from './static-table.ts';

/** Credentials: written as "never indexed", so that no intermediary stores them (RFC 7541 §7.1.3). */
const NEVER_INDEXED: ReadonlySet<string> = new Set(['authorization', 'proxy-authorization', 'cookie', 'set-cookie']);
/** Values that seldom repeat: indexing them would only push useful entries out. */
const NOT_INDEXED: ReadonlySet<string> = new Set([
  ':path',
  'content-length',
  'date',
  'etag',
  'grpc-timeout',
  'traceparent',
]);

export interface HpackEncoderOptions {
  /** How much of the peer's table we are willing to use, bytes. */
  readonly tableBytesMax?: number;
}

export class HpackEncoder {
  readonly #table: DynamicTable;
  readonly #ownBytesMax: number;
  /** Numbers of table entries by `name NUL value`. */
  readonly #pairs = new Map<string, number>();
  /** Newest entry number per name. */
  readonly #names = new Map<string, number>();
  #sizeUpdates: number[] = [];
  #out = new Uint8Array(512);
  #at = 0;

  constructor(options: HpackEncoderOptions = {}) {
    this.#ownBytesMax = options.tableBytesMax ?? HPACK_TABLE_BYTES_DEFAULT;
    this.#table = new DynamicTable(HPACK_TABLE_BYTES_DEFAULT, (name, value, number) => {
      if (this.#pairs.get(`${name}\0${value}`) === number) this.#pairs.delete(`${name}\0${value}`);
      if (this.#names.get(name) === number) this.#names.delete(name);
    });
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
    this.#at = 0;
    for (const size of this.#sizeUpdates) this.#integer(0x20, 5, size);
    this.#sizeUpdates = [];
    for (let index = 0; index + 1 < fields.length; index += 2)
      this.#field(fields[index] ?? '', fields[index + 1] ?? '');
    return this.#out.slice(0, this.#at);
  }

  #field(name: string, value: string): void {
    const sensitive = NEVER_INDEXED.has(name);
    const key = `${name}\0${value}`;
    if (!sensitive) {
      const index = staticPairIndex(key) || this.#indexOf(this.#pairs.get(key));
      if (index > 0) {
        this.#integer(0x80, 7, index);
        return;
      }
    }
    const nameIndex = staticNameIndex(name) || this.#indexOf(this.#names.get(name));
    const indexed = !sensitive && !NOT_INDEXED.has(name);
    if (indexed) this.#integer(0x40, 6, nameIndex);
    else this.#integer(sensitive ? 0x10 : 0, 4, nameIndex);
    if (nameIndex === 0) this.#string(name);
    this.#string(value);
    if (indexed) this.#remember(name, value, key);
  }

  #remember(name: string, value: string, key: string): void {
    const before = this.#table.added;
    this.#table.add(name, value);
    if (this.#table.added === before) return;
    this.#pairs.set(key, this.#table.added);
    this.#names.set(name, this.#table.added);
  }

  #indexOf(number: number | undefined): number {
    return number === undefined ? 0 : STATIC_ENTRIES + 1 + this.#table.added - number;
  }

  #string(text: string): void {
    const huffman = huffmanLength(text);
    const plain = text.length;
    this.#reserve(plain + 8);
    if (huffman < plain) {
      this.#integer(0x80, 7, huffman);
      this.#at = huffmanEncode(text, this.#out, this.#at);
      return;
    }
    this.#integer(0, 7, plain);
    for (let index = 0; index < plain; index += 1) this.#out[this.#at + index] = text.charCodeAt(index);
    this.#at += plain;
  }

  #integer(head: number, prefixBits: number, value: number): void {
    this.#reserve(8);
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

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#out.length) return;
    const larger = new Uint8Array(Math.max(this.#out.length * 2, this.#at + bytes));
    larger.set(this.#out.subarray(0, this.#at));
    this.#out = larger;
  }
}
