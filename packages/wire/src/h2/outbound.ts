/**
 * The sending half of an HTTP/2 connection: frames in the order of the calls, gathered, and body bytes as the windows and the socket
 * allow. Streams that could send but for the connection's window or the socket stand in a queue and take turns, a frame each.
 */
import type { HpackEncoder } from '../hpack/encoder.ts';
import { FLAG_END_STREAM, FRAME_BYTES_DEFAULT, FRAME_DATA, WINDOW_DEFAULT } from './codes.ts';
import { FrameWriter } from './frame-writer.ts';
import type { StreamTable } from './stream-table.ts';
import type { H2Stream } from './stream.ts';

/** After so many bytes the owner gets what there is, and may say that its socket is full. */
const ROUND_BYTES = 262_144;
/** Larger frames would let one stream keep the others waiting, whatever the peer takes. Also about a TLS record. */
const DATA_FRAME_BYTES_MAX = 16_384;

/** WINDOW_UPDATE below this could make us send crumbs. */
export const SMALL_UPDATE_BYTES = 1024;
const UPDATES_DUE_MAX = 1_000_000;

export interface OutboundOwner<S> {
  write(parts: readonly Uint8Array[]): void;
  /** Nothing of the stream waits any more, and it is not at its end. */
  writable(stream: H2Stream<S>): void;
  /** Our half of the stream has ended. */
  ended(stream: H2Stream<S>): void;
}

export class Outbound<S> {
  readonly frames = new FrameWriter();
  /** What the connection may still send. */
  window = WINDOW_DEFAULT;
  /** The peer's SETTINGS_MAX_FRAME_SIZE. */
  frameBytesMax = FRAME_BYTES_DEFAULT;
  /** Body bytes went out since the last look: progress. */
  moved = false;
  /** WINDOW_UPDATE frames that answer what was sent: at most two per DATA frame, one for the stream, one for the connection. */
  #updatesDue = 0;
  readonly #encoder: HpackEncoder;
  readonly #streams: StreamTable<S>;
  readonly #owner: OutboundOwner<S>;
  #holds = 0;
  #blocked = false;
  #pumping = false;
  #first: H2Stream<S> | undefined = undefined;
  #last: H2Stream<S> | undefined = undefined;

  constructor(encoder: HpackEncoder, streams: StreamTable<S>, owner: OutboundOwner<S>) {
    this.#encoder = encoder;
    this.#streams = streams;
    this.#owner = owner;
  }

  get blocked(): boolean {
    return this.#blocked;
  }

  /** A WINDOW_UPDATE came. True: it answers a DATA frame, as with peers that give back each as it comes (HAProxy). */
  takeUpdate(): boolean {
    if (this.#updatesDue === 0) return false;
    this.#updatesDue -= 1;
    return true;
  }

  /** The owner's socket is full: no body goes out until {@link unblock}. */
  block(): void {
    this.#blocked = true;
  }

  unblock(): void {
    this.#blocked = false;
    this.pump();
  }

  /** Until {@link release}, flushes wait: one write for everything that one chunk of input causes. */
  hold(): void {
    this.#holds += 1;
  }

  release(): void {
    this.#holds -= 1;
    this.flush();
  }

  flush(): void {
    if (this.#holds === 0) this.flushNow();
  }

  /** Also while held: nothing comes after this that could be gathered. */
  flushNow(): void {
    if (!this.frames.isEmpty) this.#owner.write(this.frames.take());
  }

  /** A header list as HEADERS and, when it is long, CONTINUATION frames. */
  headers(stream: H2Stream<S>, fields: readonly string[], end: boolean): void {
    this.frames.headers(end ? FLAG_END_STREAM : 0, stream.id, this.frameBytesMax, this.#encoder, fields);
  }

  /** Sends `bytes` and what waits in the stream as far as it is its turn; the rest waits. */
  body(stream: H2Stream<S>, bytes: Uint8Array): void {
    if (stream.pendingBytes > 0 || this.#first !== undefined || this.#blocked || this.#pumping) {
      this.#keep(stream, bytes);
    } else {
      const { length } = bytes;
      let at = 0;
      while (at < length) {
        const room = Math.min(length - at, this.window, stream.sendWindow, this.#frameBytes());
        if (room <= 0) break;
        const part = room === length ? bytes : bytes.subarray(at, at + room);
        at += room;
        this.#data(stream, part, at === length && stream.endPending && stream.trailersPending === undefined);
        this.#expectUpdates(room, length - at);
      }
      if (at < length) this.#keep(stream, at === 0 ? bytes : bytes.subarray(at));
    }
    if (stream.pendingBytes > 0) this.enqueue(stream);
    else if (stream.endPending) this.#finish(stream);
  }

  /** The stream may have become able to send. */
  enqueue(stream: H2Stream<S>): void {
    if (stream.queued || stream.pendingBytes === 0 || stream.sendWindow <= 0) return;
    stream.queued = true;
    if (this.#last === undefined) this.#first = stream;
    else this.#last.next = stream;
    this.#last = stream;
    this.pump();
  }

  /** Lets the waiting streams take turns until a window or the socket stops them. */
  pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    let sent = 0;
    while (this.window > 0 && !this.#blocked) {
      const stream = this.#shift();
      if (stream === undefined) break;
      if (stream.closed) continue;
      sent += this.#turn(stream);
      if (sent < ROUND_BYTES) continue;
      sent = 0;
      this.flushNow();
    }
    this.#pumping = false;
  }

  #shift(): H2Stream<S> | undefined {
    const stream = this.#first;
    if (stream === undefined) return undefined;
    this.#first = stream.next;
    if (this.#first === undefined) this.#last = undefined;
    stream.next = undefined;
    stream.queued = false;
    return stream;
  }

  /** One frame of the stream. Returns its bytes. */
  #turn(stream: H2Stream<S>): number {
    const chunk = stream.pending[stream.pendingAt];
    if (chunk === undefined) return 0;
    const room = Math.min(chunk.length, this.window, stream.sendWindow, this.#frameBytes());
    if (room <= 0) return 0;
    let part = chunk;
    if (room < chunk.length) {
      part = chunk.subarray(0, room);
      stream.pending[stream.pendingAt] = chunk.subarray(room);
    } else {
      stream.pending[stream.pendingAt] = NOTHING;
      stream.pendingAt += 1;
    }
    stream.pendingBytes -= room;
    this.#streams.pendingBytes -= room;
    const drained = stream.pendingBytes === 0;
    this.#data(stream, part, drained && stream.endPending && stream.trailersPending === undefined);
    this.#expectUpdates(room, stream.pendingBytes);
    if (!drained) {
      this.enqueue(stream);
      return room;
    }
    const trailers = stream.trailersPending;
    stream.clear();
    stream.trailersPending = trailers;
    if (stream.endPending) this.#finish(stream);
    else this.#owner.writable(stream);
    return room;
  }

  /** All bytes are out: END_STREAM has gone with the last of them, or goes now. */
  #finish(stream: H2Stream<S>): void {
    if (stream.localClosed) return;
    if (stream.trailersPending !== undefined) {
      const fields = stream.trailersPending;
      stream.trailersPending = undefined;
      this.headers(stream, fields, true);
    } else if (!stream.endSent) this.frames.head(0, FRAME_DATA, FLAG_END_STREAM, stream.id);
    this.#owner.ended(stream);
  }

  #data(stream: H2Stream<S>, part: Uint8Array, end: boolean): void {
    this.window -= part.length;
    stream.sendWindow -= part.length;
    stream.sentBytes += part.length;
    this.moved = true;
    if (end) stream.endSent = true;
    this.frames.frame(FRAME_DATA, end ? FLAG_END_STREAM : 0, stream.id, part);
  }

  /** Crumbs that a small window has cut off earn nothing: they are what the limit of small updates is about. */
  #expectUpdates(sent: number, left: number): void {
    if (sent < SMALL_UPDATE_BYTES && left > 0) return;
    this.#updatesDue = Math.min(UPDATES_DUE_MAX, this.#updatesDue + 2);
  }

  #keep(stream: H2Stream<S>, bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    stream.push(bytes);
    this.#streams.pendingBytes += bytes.length;
  }

  #frameBytes(): number {
    return Math.min(this.frameBytesMax, DATA_FRAME_BYTES_MAX);
  }
}

const NOTHING = new Uint8Array(0);
