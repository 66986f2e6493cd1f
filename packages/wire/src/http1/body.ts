/**
 * Follows a message body through bytes without copying it: where it ends, and whether its chunked framing
 * is well formed (RFC 9112 §6-7). The bytes themselves go on as they came.
 *
 *   size ─► extension ─► size LF ─► data ─► data CR ─► data LF ─┐
 *    ▲                      │ (size 0)                          │
 *    └──────────────────────┼───────────────────────────────────┘
 *                           ▼
 *                        trailer start ─► trailer name ─► trailer value ─► trailer LF ─► end LF
 */
import { BYTE_CLASS, CLASS_TOKEN, CLASS_VALUE } from './codes.ts';
import type { Http1Error } from './codes.ts';
import { FRAMING, text } from './head.ts';
import { isTrailerName } from './trailer-names.ts';

/** 2^53 has 14 hexadecimal digits; 12 are 256 TB per chunk. Leading zeros count, so they cannot go on for ever. */
const SIZE_DIGITS_MAX = 12;
/** Hardly anybody sends any; the limit keeps a peer from feeding bytes that are no data. */
const EXTENSION_BYTES_MAX = 256;
const TRAILER_BYTES_MAX = 8 * 1024;

const CR = 0x0d;
const LF = 0x0a;

const STATE = {
  size: 0,
  extension: 1,
  sizeLf: 2,
  data: 3,
  dataCr: 4,
  dataLf: 5,
  trailerStart: 6,
  trailerName: 7,
  trailerValue: 8,
  trailerLf: 9,
  endLf: 10,
} as const;

export class BodyCursor {
  /** True once the last byte of the body was seen; never for a body that ends with its connection. */
  done: boolean;
  error: Http1Error | undefined;
  /** Payload bytes seen so far, framing excluded. */
  payloadBytes: number;
  #framing: number;
  #remaining: number;
  #state: number;
  #digits: number;
  #extra: number;
  /** Bytes of the trailer name or value in work. */
  #part: number[];
  #segmented: boolean;
  /** The trailer fields read so far, name in lower case and value alternating. */
  trailers: string[];
  /** After {@link segment}: where the payload is that it passed. */
  dataStart: number;
  dataEnd: number;

  constructor() {
    this.done = true;
    this.error = undefined;
    this.payloadBytes = 0;
    this.#framing = FRAMING.none;
    this.#remaining = 0;
    this.#state = STATE.size;
    this.#digits = 0;
    this.#extra = 0;
    this.#part = NO_BYTES;
    this.#segmented = false;
    this.trailers = NO_TRAILERS;
    this.dataStart = 0;
    this.dataEnd = 0;
  }

  /** Begins a new body. @param framing One of FRAMING; @param length bytes for FRAMING.length. */
  reset(framing: number, length: number): void {
    this.#framing = framing;
    this.#remaining = framing === FRAMING.length ? length : 0;
    this.done = framing === FRAMING.none || (framing === FRAMING.length && length === 0);
    this.error = undefined;
    this.payloadBytes = 0;
    this.#state = STATE.size;
    this.#digits = 0;
    this.#extra = 0;
    this.#part = NO_BYTES;
    this.trailers = NO_TRAILERS;
  }

  /** The sender has said that more comes, and how much: of its declared length, or of a chunk that it began. Between chunks it may take its time. */
  get owed(): boolean {
    if (this.done) return false;
    if (this.#framing === FRAMING.length) return true;
    return this.#framing === FRAMING.chunked && (this.#state !== STATE.size || this.#digits > 0);
  }

  get endsWithConnection(): boolean {
    return this.#framing === FRAMING.close;
  }

  /** The body is chunked: what is left of it must be finished, or the connection be cut. */
  get chunked(): boolean {
    return this.#framing === FRAMING.chunked;
  }

  /** @returns the position after the last byte of `bytes` that belongs to the body, or -1 with `error` set. */
  advance(bytes: Uint8Array, from: number, to: number): number {
    if (this.done) return from;
    if (this.#framing === FRAMING.close) {
      this.payloadBytes += to - from;
      return to;
    }
    if (this.#framing === FRAMING.chunked) return this.#chunked(bytes, from, to);
    const take = Math.min(this.#remaining, to - from);
    this.#remaining -= take;
    this.payloadBytes += take;
    if (this.#remaining === 0) this.done = true;
    return from + take;
  }

  /**
   * As {@link advance}, but stops after a run of payload: `dataStart` to `dataEnd` of `bytes`, empty when only framing was passed. For
   * owners that send the payload on in another framing.
   */
  segment(bytes: Uint8Array, from: number, to: number): number {
    this.dataStart = from;
    this.dataEnd = from;
    if (this.#framing !== FRAMING.chunked) {
      const end = this.advance(bytes, from, to);
      this.dataEnd = end;
      return end;
    }
    this.#segmented = true;
    const end = this.advance(bytes, from, to);
    this.#segmented = false;
    return end;
  }

  #chunked(bytes: Uint8Array, from: number, to: number): number {
    let at = from;
    while (at < to) {
      if (this.#state === STATE.data) {
        const take = Math.min(this.#remaining, to - at);
        at += take;
        this.#remaining -= take;
        this.payloadBytes += take;
        if (this.#remaining === 0) this.#state = STATE.dataCr;
        if (!this.#segmented) continue;
        this.dataStart = at - take;
        this.dataEnd = at;
        return at;
      }
      const error =
        this.#state < STATE.trailerStart ? this.#frame(bytes[at] as number) : this.#trailer(bytes[at] as number);
      if (error !== undefined) {
        this.error = error;
        return -1;
      }
      at += 1;
      if (this.done) return at;
    }
    return at;
  }

  #frame(byte: number): Http1Error | undefined {
    switch (this.#state) {
      case STATE.size: {
        const digit = hexDigit(byte);
        if (digit >= 0) {
          this.#digits += 1;
          this.#remaining = this.#remaining * 16 + digit;
          return this.#digits > SIZE_DIGITS_MAX ? 'bad_chunk_size' : undefined;
        }
        if (this.#digits === 0) return 'bad_chunk_size';
        if (byte === CR) this.#state = STATE.sizeLf;
        else if (byte === 0x3b) this.#state = STATE.extension;
        else return 'bad_chunk_size';
        return undefined;
      }
      case STATE.extension:
        this.#extra += 1;
        if (byte === CR) this.#state = STATE.sizeLf;
        else if ((BYTE_CLASS[byte]! & CLASS_VALUE) === 0 || this.#extra > EXTENSION_BYTES_MAX)
          return 'bad_chunk_extension';
        return undefined;
      case STATE.sizeLf:
        if (byte !== LF) return 'bad_chunk_size';
        this.#digits = 0;
        this.#extra = 0;
        this.#state = this.#remaining === 0 ? STATE.trailerStart : STATE.data;
        return undefined;
      case STATE.dataCr:
        this.#state = STATE.dataLf;
        return byte === CR ? undefined : 'bad_chunk_end';
      default:
        this.#state = STATE.size;
        return byte === LF ? undefined : 'bad_chunk_end';
    }
  }

  #trailerName(): Http1Error | undefined {
    const name = latin1(this.#part).toLowerCase();
    if (!isTrailerName(name)) return 'bad_trailer';
    if (this.trailers === NO_TRAILERS) this.trailers = [];
    this.trailers.push(name);
    this.#part = [];
    this.#state = STATE.trailerValue;
    return undefined;
  }

  #trailer(byte: number): Http1Error | undefined {
    this.#extra += 1;
    if (this.#extra > TRAILER_BYTES_MAX) return 'bad_trailer';
    switch (this.#state) {
      case STATE.trailerStart:
        if (byte === CR) this.#state = STATE.endLf;
        else if ((BYTE_CLASS[byte]! & CLASS_TOKEN) === 0) return 'bad_trailer';
        else {
          this.#state = STATE.trailerName;
          this.#part = [byte];
        }
        return undefined;
      case STATE.trailerName:
        if (byte !== 0x3a) {
          this.#part.push(byte);
          return (BYTE_CLASS[byte]! & CLASS_TOKEN) === 0 ? 'bad_trailer' : undefined;
        }
        return this.#trailerName();
      case STATE.trailerValue:
        if (byte === CR) {
          this.trailers.push(latin1(this.#part).replaceAll(BLANK_AROUND, ''));
          this.#state = STATE.trailerLf;
        } else if ((BYTE_CLASS[byte]! & CLASS_VALUE) === 0) return 'bad_trailer';
        else this.#part.push(byte);
        return undefined;
      case STATE.trailerLf:
        this.#state = STATE.trailerStart;
        return byte === LF ? undefined : 'bad_trailer';
      default:
        if (byte !== LF) return 'bad_trailer';
        this.done = true;
        return undefined;
    }
  }
}

const NO_BYTES: number[] = [];
const NO_TRAILERS: string[] = [];
const BLANK_AROUND = /^[ \t]+|[ \t]+$/g;

function latin1(bytes: readonly number[]): string {
  return text(Uint8Array.from(bytes), 0, bytes.length);
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}
