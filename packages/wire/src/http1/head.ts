/**
 * A parsed HTTP/1 head: positions instead of strings, in an object that is reused for message after message and points into the bytes
 * it was parsed from.
 *
 *   slots, five per field:  name start | name end | value start | value end | kind
 *   a field's line spans from its name start to the next field's name start
 */
import { HEADERS_MAX } from './codes.ts';
import type { Http1Error } from './codes.ts';

export const FRAMING = { none: 0, length: 1, chunked: 2, close: 3 } as const;

export const SLOT = 5;
/** Room for fields at first; an idle connection keeps a head. */
const FIELDS_FIRST = 16;

export const METHOD = {
  other: 0,
  get: 1,
  head: 2,
  post: 3,
  put: 4,
  delete: 5,
  options: 6,
  connect: 7,
  patch: 8,
} as const;
export class Http1Head {
  bytes: Uint8Array;
  /** First byte of the start line. */
  start: number;
  /** Position after the empty line. */
  end: number;
  /** Position after the start line's CRLF. */
  fieldsStart: number;
  count: number;
  /** Grows with the longest message seen: most have a dozen fields. */
  slots: Int32Array;
  /** 0 or 1. */
  minor: number;
  /** One of {@link METHOD}; requests only. */
  method: number;
  methodEnd: number;
  targetStart: number;
  targetEnd: number;
  /** Responses only. */
  status: number;
  /** One of {@link FRAMING}. */
  framing: number;
  contentLength: number;
  /** The sender lets the connection live after this message. */
  keepAlive: boolean;
  /** Connection says upgrade and Upgrade names a protocol other than h2c. */
  upgrade: boolean;
  /** Index of the Host field, or -1. */
  host: number;
  /** Bits of the kinds that occur. */
  kinds: number;
  error: Http1Error | undefined;

  constructor() {
    this.bytes = new Uint8Array(0);
    this.start = 0;
    this.end = 0;
    this.fieldsStart = 0;
    this.count = 0;
    this.slots = new Int32Array(FIELDS_FIRST * SLOT);
    this.minor = 1;
    this.method = METHOD.other;
    this.methodEnd = 0;
    this.targetStart = 0;
    this.targetEnd = 0;
    this.status = 0;
    this.framing = FRAMING.none;
    this.contentLength = 0;
    this.keepAlive = true;
    this.upgrade = false;
    this.host = -1;
    this.kinds = 0;
    this.error = undefined;
  }

  nameStart(index: number): number {
    return this.slots[index * SLOT] as number;
  }
  nameEnd(index: number): number {
    return this.slots[index * SLOT + 1] as number;
  }
  valueStart(index: number): number {
    return this.slots[index * SLOT + 2] as number;
  }
  valueEnd(index: number): number {
    return this.slots[index * SLOT + 3] as number;
  }
  kind(index: number): number {
    return this.slots[index * SLOT + 4] as number;
  }
  /** Where the field's line ends: the next line's start. */
  lineEnd(index: number): number {
    return index + 1 < this.count ? this.nameStart(index + 1) : this.end - 2;
  }

  has(kind: number): boolean {
    return (this.kinds & (1 << kind)) !== 0;
  }

  /** Index of the first field of this kind, or -1. */
  find(kind: number): number {
    if (!this.has(kind)) return -1;
    for (let index = 0; index < this.count; index += 1) if (this.kind(index) === kind) return index;
    return -1;
  }

  /** Text of a value; makes a string. */
  value(index: number): string {
    return text(this.bytes, this.valueStart(index), this.valueEnd(index));
  }
  name(index: number): string {
    return text(this.bytes, this.nameStart(index), this.nameEnd(index)).toLowerCase();
  }
  methodText(): string {
    return text(this.bytes, this.start, this.methodEnd);
  }
  target(): string {
    return text(this.bytes, this.targetStart, this.targetEnd);
  }
}

/** Twice the room for fields; the parser limits how often. */
export function growSlots(head: Http1Head): Int32Array {
  const grown = new Int32Array(Math.min(head.slots.length * 2, HEADERS_MAX * SLOT));
  grown.set(head.slots);
  head.slots = grown;
  return grown;
}

/** Why the head is refused. @returns -1, what parsers return then. */
export function fail(head: Http1Head, error: Http1Error): number {
  head.error = error;
  return -1;
}

export function text(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1');
}
