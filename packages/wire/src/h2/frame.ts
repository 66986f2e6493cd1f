/**
 * HTTP/2 frames, RFC 9113 §4.1: bytes in any pieces in, whole frames out; and the writers of the frames that we send.
 *
 *      0        3      4       5                 9
 *      | length | type | flags | R | stream id   | payload …
 */
import { FLAG_ACK, FRAME_GOAWAY, FRAME_PING, FRAME_RST_STREAM, FRAME_SETTINGS, FRAME_WINDOW_UPDATE } from './codes.ts';

export const FRAME_HEAD_BYTES = 9;

/** Receives frames; `payload` is valid only during the call unless copied. Returns false to stop reading. */
export type FrameSink = (type: number, flags: number, streamId: number, payload: Uint8Array) => boolean;

/** Cuts a byte stream into frames. A frame inside one chunk is passed on as a view; only split frames are copied. */
export class FrameReader {
  readonly #sink: FrameSink;
  readonly #payloadBytesMax: number;
  /** The frame that is being collected: head and payload; empty between frames. */
  #partial: Uint8Array = EMPTY;
  #have = 0;

  /** @param payloadBytesMax what we announced as SETTINGS_MAX_FRAME_SIZE. */
  constructor(payloadBytesMax: number, sink: FrameSink) {
    this.#payloadBytesMax = payloadBytesMax;
    this.#sink = sink;
  }

  /** False when a frame was larger than announced (FRAME_SIZE_ERROR); true otherwise, also when the sink stopped. */
  read(chunk: Uint8Array): boolean {
    let at = 0;
    while (at < chunk.length) {
      if (this.#have > 0) {
        at = this.#collect(chunk, at);
        if (at < 0) return false;
        if (this.#stopped) return true;
        continue;
      }
      if (chunk.length - at < FRAME_HEAD_BYTES) return this.#keep(chunk, at, FRAME_HEAD_BYTES);
      const length = payloadLength(chunk, at);
      if (length > this.#payloadBytesMax) return false;
      const end = at + FRAME_HEAD_BYTES + length;
      if (end > chunk.length) return this.#keep(chunk, at, FRAME_HEAD_BYTES + length);
      if (!this.#deliver(chunk, at, end)) return true;
      at = end;
    }
    return true;
  }

  #stopped = false;

  #deliver(bytes: Uint8Array, at: number, end: number): boolean {
    const more = this.#sink(
      bytes[at + 3] ?? 0,
      bytes[at + 4] ?? 0,
      readUint32(bytes, at + 5) & 0x7fff_ffff,
      bytes.subarray(at + FRAME_HEAD_BYTES, end),
    );
    this.#stopped = !more;
    return more;
  }

  #keep(chunk: Uint8Array, at: number, size: number): true {
    this.#partial = new Uint8Array(size);
    this.#partial.set(chunk.subarray(at));
    this.#have = chunk.length - at;
    return true;
  }

  /** Adds to the collected frame; returns the new position, or -1 when the frame is too large. */
  #collect(chunk: Uint8Array, at: number): number {
    const wanted = Math.min(this.#partial.length - this.#have, chunk.length - at);
    this.#partial.set(chunk.subarray(at, at + wanted), this.#have);
    this.#have += wanted;
    if (this.#have < this.#partial.length) return at + wanted;
    const length = payloadLength(this.#partial, 0);
    if (length > this.#payloadBytesMax) return -1;
    const size = FRAME_HEAD_BYTES + length;
    if (size > this.#partial.length) {
      const larger = new Uint8Array(size);
      larger.set(this.#partial);
      this.#partial = larger;
      return at + wanted;
    }
    const frame = this.#partial;
    this.#partial = EMPTY;
    this.#have = 0;
    this.#deliver(frame, 0, size);
    return at + wanted;
  }
}

const EMPTY = new Uint8Array(0);

/** A frame's head alone; the payload follows as its own part. */
export function frameHead(length: number, type: number, flags: number, streamId: number): Uint8Array {
  const head = new Uint8Array(FRAME_HEAD_BYTES);
  writeHead(head, length, type, flags, streamId);
  return head;
}

export function rstStreamFrame(streamId: number, code: number): Uint8Array {
  return uint32Frame(FRAME_RST_STREAM, streamId, code);
}

export function windowUpdateFrame(streamId: number, increment: number): Uint8Array {
  return uint32Frame(FRAME_WINDOW_UPDATE, streamId, increment);
}

/** @param payload the 8 opaque bytes. */
export function pingFrame(payload: Uint8Array, ack: boolean): Uint8Array {
  const frame = new Uint8Array(FRAME_HEAD_BYTES + 8);
  writeHead(frame, 8, FRAME_PING, ack ? FLAG_ACK : 0, 0);
  frame.set(payload.subarray(0, 8), FRAME_HEAD_BYTES);
  return frame;
}

export function goawayFrame(lastStreamId: number, code: number): Uint8Array {
  const frame = new Uint8Array(FRAME_HEAD_BYTES + 8);
  writeHead(frame, 8, FRAME_GOAWAY, 0, 0);
  writeUint32(frame, FRAME_HEAD_BYTES, lastStreamId);
  writeUint32(frame, FRAME_HEAD_BYTES + 4, code);
  return frame;
}

export function settingsAckFrame(): Uint8Array {
  return frameHead(0, FRAME_SETTINGS, FLAG_ACK, 0);
}

export function readUint32(bytes: Uint8Array, at: number): number {
  return (
    (((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)) >>> 0
  );
}

export function writeUint32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

function uint32Frame(type: number, streamId: number, value: number): Uint8Array {
  const frame = new Uint8Array(FRAME_HEAD_BYTES + 4);
  writeHead(frame, 4, type, 0, streamId);
  writeUint32(frame, FRAME_HEAD_BYTES, value);
  return frame;
}

function writeHead(out: Uint8Array, length: number, type: number, flags: number, streamId: number): void {
  out[0] = length >>> 16;
  out[1] = length >>> 8;
  out[2] = length;
  out[3] = type;
  out[4] = flags;
  writeUint32(out, 5, streamId);
}

function payloadLength(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
}
