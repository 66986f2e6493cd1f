/** HPACK decoding, RFC 7541: one complete header block in, fields out. */
import { HEADERS_MAX } from '../http1/codes.ts';
import { DynamicTable } from './dynamic-table.ts';
import { huffmanDecode } from './huffman.ts';
import { nameKind } from './name-kind.ts';
import { STATIC_CLASSES, STATIC_ENTRIES, STATIC_KINDS, STATIC_TABLE } from './static-table.ts';
import { lastStringClass, readString } from './string-reader.ts';

/**
 * Why a block ended. `too_large` and `too_many` leave the decoder usable (the block was read to its end, its fields are incomplete);
 * every other failure means that both tables may differ, so the connection must end with COMPRESSION_ERROR (RFC 9113 §4.3).
 */
export type HpackResult =
  | 'ok'
  | 'too_large'
  | 'too_many'
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
  /** Most fields of a list. */
  readonly fieldsMax?: number;
}

/** The protocol's initial table size, RFC 9113 §6.5.2. */
export const HPACK_TABLE_BYTES_DEFAULT = 4096;
/** Header list limit, bytes: the longest head that HTTP/1 may bring (64 KiB, 128 fields), counted as HTTP/2 counts. linkerd2-proxy 16 KiB. */
export const HPACK_LIST_BYTES_DEFAULT = 64 * 1024 + 32 * HEADERS_MAX;

const INTEGER_MAX = 0x0fff_ffff;
/** A size update may come twice, RFC 7541 §4.2. */
const SIZE_UPDATES_MAX = 2;

export class HpackDecoder {
  /** Fields of the last list; their kinds and classes are in {@link fieldKindsOf} and {@link fieldClassesOf} until any decoder runs again. */
  count: number;
  readonly #table: DynamicTable;
  readonly #tableBytesMax: number;
  readonly #listBytesMax: number;
  readonly #fieldsMax: number;
  #block: Buffer;
  #at: number;
  #end: number;
  #failure: HpackResult;
  /** Of the field that was read last. */
  #value: string;
  #kind: number;
  #class: number;

  constructor(options: HpackDecoderOptions = {}) {
    this.#tableBytesMax = options.tableBytesMax ?? HPACK_TABLE_BYTES_DEFAULT;
    this.#listBytesMax = options.listBytesMax ?? HPACK_LIST_BYTES_DEFAULT;
    this.#fieldsMax = options.fieldsMax ?? HEADERS_MAX;
    this.count = 0;
    this.#table = new DynamicTable(this.#tableBytesMax);
    this.#block = EMPTY;
    this.#at = 0;
    this.#end = 0;
    this.#failure = 'ok';
    this.#value = '';
    this.#kind = 0;
    this.#class = 0;
  }

  /**
   * Appends the fields of `block[from, to)` to `fields`, name and value alternating, as Latin-1 strings.
   * The block must be complete: HEADERS and its CONTINUATION frames joined.
   */
  decode(block: Buffer, from: number, to: number, fields: string[]): HpackResult {
    this.#block = block;
    this.#at = from;
    this.#end = to;
    this.#failure = 'ok';
    this.count = 0;
    let listBytes = 0;
    let updates = 0;
    let read = 0;
    while (this.#at < to) {
      const head = block[this.#at] as number;
      if ((head & 0xe0) === 0x20) {
        updates += 1;
        if (!this.#resize(read > 0 || updates > SIZE_UPDATES_MAX)) return this.#failure;
        continue;
      }
      const name = this.#readField(head);
      if (name === undefined) return this.#failure;
      read += 1;
      listBytes += name.length + this.#value.length + 32;
      if (listBytes <= this.#listBytesMax && this.count < this.#fieldsMax) this.#keep(name, fields);
    }
    this.#block = EMPTY;
    if (listBytes > this.#listBytesMax) return 'too_large';
    return read > this.#fieldsMax ? 'too_many' : 'ok';
  }

  #keep(name: string, fields: string[]): void {
    if (this.count === lastKinds.length) growMarks();
    lastKinds[this.count] = this.#kind;
    lastClasses[this.count] = this.#class;
    this.count += 1;
    fields.push(name, this.#value);
  }

  /** Size updates stand only at the start of a block, RFC 7541 §4.2. */
  #resize(misplaced: boolean): boolean {
    const size = this.#integer(5);
    if (size < 0) return false;
    if (size > this.#tableBytesMax || misplaced) {
      this.#failure = 'bad_table_size';
      return false;
    }
    this.#table.resize(size);
    return true;
  }

  #readField(head: number): string | undefined {
    if ((head & 0x80) !== 0) return this.#indexed(head);
    const incremental = (head & 0x40) !== 0;
    const cached = (head & 0x10) === 0 || incremental;
    const index = this.#integer(incremental ? 6 : 4);
    if (index < 0) return undefined;
    let name: string | undefined;
    if (index === 0) {
      name = this.#string(true);
      if (name === undefined) return undefined;
      this.#kind = nameKind(name);
    } else {
      name = this.#nameAt(index);
      if (name === undefined) return undefined;
    }
    const kind = this.#kind;
    const value = this.#string(cached);
    if (value === undefined) return undefined;
    this.#value = value;
    this.#class = lastStringClass();
    if (incremental) this.#table.add(name, value, (kind << 8) | this.#class);
    return name;
  }

  #indexed(head: number): string | undefined {
    const small = head & 0x7f;
    let index = small;
    if (small === 0x7f) {
      index = this.#integer(7);
      if (index < 0) return undefined;
    } else this.#at += 1;
    if (index > STATIC_ENTRIES) {
      const slot = this.#table.slot(index - STATIC_ENTRIES - 1);
      if (slot < 0) return this.#failString('bad_index');
      this.#value = this.#table.values[slot] as string;
      const mark = this.#table.marks[slot] as number;
      this.#kind = mark >> 8;
      this.#class = mark & 0xff;
      return this.#table.names[slot];
    }
    if (index === 0) return this.#failString('bad_index');
    this.#value = STATIC_TABLE[2 * index - 1] as string;
    this.#kind = STATIC_KINDS[index - 1] as number;
    this.#class = STATIC_CLASSES[index - 1] as number;
    return STATIC_TABLE[2 * index - 2];
  }

  #nameAt(index: number): string | undefined {
    if (index <= STATIC_ENTRIES) {
      this.#kind = STATIC_KINDS[index - 1] as number;
      return STATIC_TABLE[2 * index - 2];
    }
    const slot = this.#table.slot(index - STATIC_ENTRIES - 1);
    if (slot < 0) return this.#failString('bad_index');
    this.#kind = (this.#table.marks[slot] as number) >> 8;
    return this.#table.names[slot];
  }

  /** RFC 7541 §5.1; -1 after a failure. */
  #integer(prefixBits: number): number {
    const mask = (1 << prefixBits) - 1;
    let value = (this.#block[this.#at] as number) & mask;
    this.#at += 1;
    if (value < mask) return value;
    for (let shift = 0; ; shift += 7) {
      if (this.#at >= this.#end) return this.#failInteger('truncated');
      const byte = this.#block[this.#at] as number;
      this.#at += 1;
      value += (byte & 0x7f) * 2 ** shift;
      if (value > INTEGER_MAX || shift > 28) return this.#failInteger('bad_integer');
      if ((byte & 0x80) === 0) return value;
    }
  }

  /** RFC 7541 §5.2; `undefined` after a failure. */
  #string(cached: boolean): string | undefined {
    if (this.#at >= this.#end) return this.#failString('truncated');
    const huffman = ((this.#block[this.#at] as number) & 0x80) !== 0;
    const length = this.#integer(7);
    if (length < 0) return undefined;
    const from = this.#at;
    const to = from + length;
    if (to > this.#end) return this.#failString('truncated');
    this.#at = to;
    if (!huffman) return readString(this.#block, from, to, cached);
    const decoded = huffmanScratch(length);
    const written = huffmanDecode(this.#block, from, to, decoded);
    if (written < 0) return this.#failString('bad_huffman');
    return readString(decoded, 0, written, cached);
  }

  #failInteger(result: HpackResult): number {
    this.#failure = result;
    return -1;
  }

  #failString(result: HpackResult): undefined {
    this.#failure = result;
  }
}

/** Of the list that was decoded last, by whichever decoder: an idle connection keeps none. */
let lastKinds = new Uint8Array(HEADERS_MAX);
let lastClasses = new Uint8Array(HEADERS_MAX);

/** Per field of the list that was decoded last: its kind, see `name-kind.ts`. */
export function fieldKindsOf(): Uint8Array {
  return lastKinds;
}

/** The byte classes (see `BYTE_CLASS`) that all bytes of its value have. */
export function fieldClassesOf(): Uint8Array {
  return lastClasses;
}

function growMarks(): void {
  const kinds = new Uint8Array(lastKinds.length * 2);
  kinds.set(lastKinds);
  const classes = new Uint8Array(kinds.length);
  classes.set(lastClasses);
  lastKinds = kinds;
  lastClasses = classes;
}

const EMPTY = Buffer.alloc(0);

/** Shared by all decoders of the thread: what is in it is used before anything else runs. */
let scratch = Buffer.allocUnsafeSlow(1024);

/** Room for `length` bytes of Huffman code: the shortest code has 5 bits, so decoding grows a string by at most 8/5. */
function huffmanScratch(length: number): Buffer {
  const room = ((length * 8) / 5 + 1) | 0;
  if (room <= scratch.length) return scratch;
  if (room > SCRATCH_KEPT_BYTES) return Buffer.allocUnsafeSlow(room);
  scratch = Buffer.allocUnsafeSlow(Math.min(SCRATCH_KEPT_BYTES, Math.max(room, scratch.length * 2)));
  return scratch;
}
const SCRATCH_KEPT_BYTES = 16_384;
