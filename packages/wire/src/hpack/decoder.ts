/** HPACK decoding, RFC 7541: one complete header block in, fields out. */
import { DynamicTable } from './dynamic-table.ts';
import { huffmanDecode } from './huffman.ts';
import { STATIC_ENTRIES, STATIC_TABLE } from './static-table.ts';

/**
 * Why a block ended. `too_large` leaves the decoder usable (the block was read to its end, its fields are incomplete); every
 * other failure means that both tables may differ, so the connection must end with COMPRESSION_ERROR (RFC 9113 §4.3).
 */
export type HpackResult =
  | 'ok'
  | 'too_large'
  | 'truncated'
  | 'bad_index'
  | 'bad_integer'
  | 'bad_huffman'
  | 'bad_table_size';

export interface HpackDecoderOptions {
  /** What we announced as SETTINGS_HEADER_TABLE_SIZE, bytes. */
  readonly tableBytesMax?: number;
  /** Limit of a decoded list: names, values and 32 bytes per field (RFC 9113 §6.5.2). */
  readonly listBytesMax?: number;
}

/** The protocol's initial table size, RFC 9113 §6.5.2. */
export const HPACK_TABLE_BYTES_DEFAULT = 4096;
/** Header list limit, bytes; linkerd2-proxy announces the same. */
export const HPACK_LIST_BYTES_DEFAULT = 16_384;

const INTEGER_MAX = 0x0fff_ffff;

export class HpackDecoder {
  readonly #table: DynamicTable;
  readonly #tableBytesMax: number;
  readonly #listBytesMax: number;
  #block = new Uint8Array(0);
  #at = 0;
  #failure: HpackResult = 'ok';
  #scratch: Uint8Array = new Uint8Array(0);

  constructor(options: HpackDecoderOptions = {}) {
    this.#tableBytesMax = options.tableBytesMax ?? HPACK_TABLE_BYTES_DEFAULT;
    this.#listBytesMax = options.listBytesMax ?? HPACK_LIST_BYTES_DEFAULT;
    this.#table = new DynamicTable(this.#tableBytesMax);
  }

  /**
   * Appends the fields of `block` to `fields`, name and value alternating, as Latin-1 strings.
   * The block must be complete: HEADERS and its CONTINUATION frames joined.
   */
  decode(block: Uint8Array, fields: string[]): HpackResult {
    this.#block = block as Uint8Array<ArrayBuffer>;
    this.#at = 0;
    this.#failure = 'ok';
    let listBytes = 0;
    let seenField = false;
    while (this.#at < block.length) {
      const head = block[this.#at] ?? 0;
      if ((head & 0xe0) === 0x20) {
        // Size updates stand only at the start of a block, RFC 7541 §4.2.
        const size = this.#integer(5);
        if (size > this.#tableBytesMax || seenField) return this.#fail('bad_table_size');
        if (size >= 0) this.#table.resize(size);
        if (this.#failure !== 'ok') return this.#failure;
        continue;
      }
      seenField = true;
      const name = this.#readField(head);
      if (name === undefined) return this.#failure;
      const value = this.#value;
      listBytes += name.length + value.length + 32;
      if (listBytes <= this.#listBytesMax) fields.push(name, value);
    }
    this.#block = EMPTY;
    return listBytes > this.#listBytesMax ? 'too_large' : 'ok';
  }

  /** Value of the field that {@link #readField} read last. */
  #value = '';

  #readField(head: number): string | undefined {
    if ((head & 0x80) !== 0) return this.#indexed();
    const incremental = (head & 0xc0) === 0x40;
    const index = this.#integer(incremental ? 6 : 4);
    if (index < 0) return undefined;
    const name = index === 0 ? this.#string() : this.#nameAt(index);
    if (name === undefined) return undefined;
    const value = this.#string();
    if (value === undefined) return undefined;
    if (incremental) this.#table.add(name, value);
    this.#value = value;
    return name;
  }

  #indexed(): string | undefined {
    const index = this.#integer(7);
    if (index < 0) return undefined;
    const name = this.#nameAt(index);
    if (name === undefined) return undefined;
    this.#value =
      (index <= STATIC_ENTRIES ? STATIC_TABLE[2 * index - 1] : this.#table.value(index - STATIC_ENTRIES - 1)) ?? '';
    return name;
  }

  #nameAt(index: number): string | undefined {
    const name = index > STATIC_ENTRIES ? this.#table.name(index - STATIC_ENTRIES - 1) : STATIC_TABLE[2 * index - 2];
    if (name === undefined) this.#fail('bad_index');
    return name;
  }

  /** RFC 7541 §5.1; -1 after a failure. */
  #integer(prefixBits: number): number {
    const mask = (1 << prefixBits) - 1;
    let value = (this.#block[this.#at] ?? 0) & mask;
    this.#at += 1;
    if (value < mask) return value;
    for (let shift = 0; ; shift += 7) {
      const byte = this.#block[this.#at];
      if (byte === undefined) return this.#failInteger('truncated');
      this.#at += 1;
      value += (byte & 0x7f) * 2 ** shift;
      if (value > INTEGER_MAX || shift > 28) return this.#failInteger('bad_integer');
      if ((byte & 0x80) === 0) return value;
    }
  }

  /** RFC 7541 §5.2; `undefined` after a failure. */
  #string(): string | undefined {
    if (this.#at >= this.#block.length) return this.#failString('truncated');
    const huffman = ((this.#block[this.#at] ?? 0) & 0x80) !== 0;
    const length = this.#integer(7);
    if (length < 0) return undefined;
    const from = this.#at;
    const to = from + length;
    if (to > this.#block.length) return this.#failString('truncated');
    this.#at = to;
    if (!huffman) return latin1(this.#block, from, to);
    // The shortest code has 5 bits, so decoding grows a string by at most 8/5.
    const room = ((length * 8) / 5 + 1) | 0;
    if (this.#scratch.length < room) this.#scratch = new Uint8Array(Math.max(256, room));
    const written = huffmanDecode(this.#block, from, to, this.#scratch);
    if (written < 0) return this.#failString('bad_huffman');
    return latin1(this.#scratch, 0, written);
  }

  #fail(result: HpackResult): HpackResult {
    if (this.#failure === 'ok') this.#failure = result;
    return this.#failure;
  }

  #failInteger(result: HpackResult): number {
    this.#fail(result);
    return -1;
  }

  #failString(result: HpackResult): undefined {
    this.#fail(result);
  }
}

const EMPTY = new Uint8Array(0);

function latin1(bytes: Uint8Array, from: number, to: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from).toString('latin1');
}
