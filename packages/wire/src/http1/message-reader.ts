/**
 * Reads messages from a stream of byte chunks: heads are parsed where they lie when they came in one piece, and
 * collected only when they did not; bodies pass through.
 *
 * The owner feeds chunks and asks; the reader never holds a chunk longer than the call, except for the
 * part of a head that is incomplete.
 */
import { BodyCursor } from './body.ts';
import { HEAD_BYTES_MAX } from './codes.ts';
import { fail, Http1Head } from './head.ts';
import { INCOMPLETE, parseRequestHead, parseResponseHead } from './parse-head.ts';

const LF = 0x0a;
const CR = 0x0d;

export class MessageReader {
  readonly head: Http1Head;
  readonly body: BodyCursor;
  /** The chunk in work, and where its unread part begins. */
  bytes: Uint8Array;
  at: number;
  /** Method of the request whose response is read next; -1: requests are read. */
  #requestMethod: number;
  /** An incomplete head: filled part of a growing buffer. */
  #held: Buffer | undefined;
  #heldBytes: number;
  /** The empty line before a request: its CR was read, and both of it. */
  #blankCr: boolean;
  #blankSeen: boolean;

  /** @param head A head that several readers share, when each uses it up before another one reads. */
  constructor(head: Http1Head = new Http1Head()) {
    this.head = head;
    this.body = new BodyCursor();
    this.bytes = EMPTY;
    this.at = 0;
    this.#requestMethod = -1;
    this.#held = undefined;
    this.#heldBytes = 0;
    this.#blankCr = false;
    this.#blankSeen = false;
  }

  /** Responses are read from now on; the next one answers a request of this method. */
  expectResponse(requestMethod: number): void {
    this.#requestMethod = requestMethod;
  }

  /** Takes a chunk. What was fed before must have been consumed (`unread` is 0), or be an incomplete head. */
  feed(bytes: Uint8Array): void {
    this.bytes = bytes;
    this.at = 0;
  }

  /** Bytes of the current chunk that were not read yet. */
  get unread(): number {
    return this.bytes.length - this.at;
  }

  /** True while part of a head is held. */
  get midHead(): boolean {
    return this.#heldBytes > 0;
  }

  /** The unread rest, given away: the reader starts afresh. For tunnels. */
  takeRest(): Uint8Array {
    const rest = this.bytes.subarray(this.at);
    this.bytes = EMPTY;
    this.at = 0;
    return rest;
  }

  /**
   * Reads a head. @returns true when `head` is complete and `body` set up for what follows; false when more bytes are needed, or when
   * `head.error` is set.
   */
  readHead(): boolean {
    if (this.#heldBytes === 0 && this.#requestMethod < 0 && !this.#skipBlankLine()) return false;
    if (this.#heldBytes > 0) return this.#readHeldHead();
    if (this.at === this.bytes.length) {
      this.head.error = undefined;
      return false;
    }
    const end = this.#parse(this.bytes, this.at, this.bytes.length);
    if (end > 0) return this.#accept(end);
    if (end === INCOMPLETE) this.#hold(this.bytes.subarray(this.at));
    this.at = this.bytes.length;
    return false;
  }

  /**
   * Reads on in the body. @returns the position up to which the chunk belongs to it (from the old `at`), with `at` moved there; -1
   * with `body.error` set.
   */
  readBody(): number {
    const end = this.body.advance(this.bytes, this.at, this.bytes.length);
    if (end >= 0) this.at = end;
    return end;
  }

  #parse(bytes: Uint8Array, from: number, to: number): number {
    return this.#requestMethod < 0
      ? parseRequestHead(this.head, bytes, from, to)
      : parseResponseHead(this.head, bytes, from, to, this.#requestMethod);
  }

  #accept(end: number): boolean {
    this.at = end;
    this.#blankSeen = false;
    this.body.reset(this.head.framing, this.head.contentLength);
    return true;
  }

  #readHeldHead(): boolean {
    const before = this.#heldBytes;
    const fresh = this.bytes.subarray(this.at);
    this.head.error = undefined;
    if (fresh.length === 0) return false;
    this.#hold(fresh);
    // Without a line end in it, a new piece cannot complete a head: not looking saves quadratic work. Very long heads are looked at, to be refused.
    if (!fresh.includes(LF) && this.#heldBytes <= HEAD_BYTES_MAX) {
      this.at = this.bytes.length;
      return false;
    }
    const held = this.#held as Buffer;
    const end = this.#parse(held, 0, this.#heldBytes);
    if (end === INCOMPLETE || end < 0) {
      this.at = this.bytes.length;
      return false;
    }
    // The head points into the held bytes; a later head gets a new buffer.
    const consumed = end - before;
    this.#held = undefined;
    this.#heldBytes = 0;
    return this.#accept(this.at + consumed);
  }

  #hold(part: Uint8Array): void {
    const needed = this.#heldBytes + part.length;
    if (this.#held === undefined || this.#held.length < needed) {
      const grown = Buffer.allocUnsafe(Math.max(1024, needed, (this.#held?.length ?? 0) * 2));
      this.#held?.copy(grown, 0, 0, this.#heldBytes);
      this.#held = grown;
    }
    this.#held.set(part, this.#heldBytes);
    this.#heldBytes = needed;
  }

  /** RFC 9112 §2.2: one empty line before a request line is ignored. False: there is no telling yet, or the line is broken. */
  #skipBlankLine(): boolean {
    if (this.#blankSeen || this.at === this.bytes.length) return true;
    if (!this.#blankCr) {
      if (this.bytes[this.at] !== CR) return true;
      if (this.at + 1 < this.bytes.length && this.bytes[this.at + 1] !== LF) return true;
      this.#blankCr = true;
      this.at += 1;
      this.head.error = undefined;
      if (this.at === this.bytes.length) return false;
    }
    this.#blankCr = false;
    if (this.bytes[this.at] !== LF) {
      fail(this.head, 'bad_request_line');
      return false;
    }
    this.at += 1;
    this.#blankSeen = true;
    return true;
  }
}

const EMPTY = new Uint8Array(0);
