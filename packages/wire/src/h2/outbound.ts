/** The sending half of an HTTP/2 connection: frames in the order of the calls, gathered, and body bytes as the windows allow. */
import type { HpackEncoder } from '../hpack/encoder.ts';
import {
  FLAG_END_HEADERS,
  FLAG_END_STREAM,
  FRAME_BYTES_DEFAULT,
  FRAME_CONTINUATION,
  FRAME_DATA,
  FRAME_HEADERS,
  WINDOW_DEFAULT,
} from './codes.ts';
import { frameHead } from './frame.ts';
import type { H2Stream } from './stream.ts';

export class Outbound<S> {
  /** What the connection may still send. */
  window = WINDOW_DEFAULT;
  /** The peer's SETTINGS_MAX_FRAME_SIZE. */
  frameBytesMax = FRAME_BYTES_DEFAULT;
  readonly #encoder: HpackEncoder;
  readonly #write: (parts: readonly Uint8Array[]) => void;
  #parts: Uint8Array[] = [];
  #holds = 0;

  constructor(encoder: HpackEncoder, write: (parts: readonly Uint8Array[]) => void) {
    this.#encoder = encoder;
    this.#write = write;
  }

  put(frame: Uint8Array): void {
    this.#parts.push(frame);
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
    if (this.#holds > 0 || this.#parts.length === 0) return;
    const parts = this.#parts;
    this.#parts = [];
    this.#write(parts);
  }

  /** A header list as HEADERS and, when it is long, CONTINUATION frames. */
  headers(stream: H2Stream<S>, fields: readonly string[], end: boolean): void {
    const block = this.#encoder.encode(fields);
    let type = FRAME_HEADERS;
    let flags = end ? FLAG_END_STREAM : 0;
    let at = 0;
    do {
      const part = block.subarray(at, at + this.frameBytesMax);
      at += part.length;
      if (at === block.length) flags |= FLAG_END_HEADERS;
      this.put(frameHead(part.length, type, flags, stream.id));
      if (part.length > 0) this.put(part);
      type = FRAME_CONTINUATION;
      flags = 0;
    } while (at < block.length);
  }

  /** Sends what waits in the stream as far as both windows allow. True when our half has ended with it. */
  body(stream: H2Stream<S>): boolean {
    let sent = 0;
    while (sent < stream.pending.length) {
      const chunk = stream.pending[sent] ?? EMPTY;
      const room = Math.min(this.window, stream.sendWindow, this.frameBytesMax);
      if (room <= 0) break;
      const part = chunk.length <= room ? chunk : chunk.subarray(0, room);
      if (part.length === chunk.length) sent += 1;
      else stream.pending[sent] = chunk.subarray(room);
      this.#data(stream, part, sent === stream.pending.length);
    }
    if (sent > 0) stream.pending.splice(0, sent);
    if (stream.pending.length > 0 || !stream.endPending) return false;
    if (stream.trailersPending !== undefined) {
      this.headers(stream, stream.trailersPending, true);
      stream.trailersPending = undefined;
    } else if (sent === 0) this.put(frameHead(0, FRAME_DATA, FLAG_END_STREAM, stream.id));
    return true;
  }

  #data(stream: H2Stream<S>, part: Uint8Array, last: boolean): void {
    const end = last && stream.endPending && stream.trailersPending === undefined;
    this.window -= part.length;
    stream.sendWindow -= part.length;
    stream.pendingBytes -= part.length;
    this.put(frameHead(part.length, FRAME_DATA, end ? FLAG_END_STREAM : 0, stream.id));
    this.put(part);
  }
}

const EMPTY = new Uint8Array(0);
