/**
 * Cuts a byte stream into frames, RFC 9113 §4.1. A frame inside one chunk is passed on where it lies, and body bytes are passed on as they
 * come, without waiting for the frame's end; only the other frames are copied together when they are split.
 */
import { FLAG_PADDED, FRAME_DATA } from './codes.ts';
import { FRAME_HEAD_BYTES, readUint32 } from './frame-writer.ts';

export interface FrameSink {
  /** A whole frame: its payload is `bytes[from, to)`, valid during the call. False stops the reading. */
  frame(type: number, flags: number, streamId: number, bytes: Buffer, from: number, to: number): boolean;
  /** The head of a DATA frame without padding; its payload follows in pieces. False stops the reading. */
  dataHead(flags: number, streamId: number, length: number): boolean;
  /** A piece of that payload, the last one when `last`; empty frames have one empty piece. False stops the reading. */
  dataPiece(bytes: Buffer, from: number, to: number, last: boolean): boolean;
}

export class FrameReader {
  readonly #sink: FrameSink;
  readonly #payloadBytesMax: number;
  /** A frame that is being collected: its head, then head and payload. Empty between frames. */
  #partial: Buffer;
  #have: number;
  /** Payload of a DATA frame still to come. */
  #dataLeft: number;

  /** @param payloadBytesMax What we announced as SETTINGS_MAX_FRAME_SIZE. */
  constructor(payloadBytesMax: number, sink: FrameSink) {
    this.#payloadBytesMax = payloadBytesMax;
    this.#sink = sink;
    this.#partial = EMPTY;
    this.#have = 0;
    this.#dataLeft = 0;
  }

  /** A frame was begun and is not whole. */
  get midFrame(): boolean {
    return this.#have > 0 || this.#dataLeft > 0;
  }

  /** False when a frame was larger than announced (FRAME_SIZE_ERROR); true otherwise, also when the sink stopped. */
  read(chunk: Buffer): boolean {
    let at = 0;
    while (at < chunk.length) {
      if (this.#dataLeft > 0) {
        const end = Math.min(chunk.length, at + this.#dataLeft);
        this.#dataLeft -= end - at;
        if (!this.#sink.dataPiece(chunk, at, end, this.#dataLeft === 0)) return true;
        at = end;
        continue;
      }
      if (this.#have > 0) {
        at = this.#collect(chunk, at);
        if (at < 0) return at !== TOO_LARGE;
        continue;
      }
      if (chunk.length - at < FRAME_HEAD_BYTES) {
        this.#keep(chunk, at, FRAME_HEAD_BYTES);
        return true;
      }
      const length = payloadLength(chunk, at);
      if (length > this.#payloadBytesMax) return false;
      const start = at + FRAME_HEAD_BYTES;
      const type = chunk[at + 3] as number;
      const flags = chunk[at + 4] as number;
      const id = readUint32(chunk, at + 5) & 0x7fff_ffff;
      if (type === FRAME_DATA && (flags & FLAG_PADDED) === 0) {
        if (!this.#beginData(flags, id, length)) return true;
        at = start;
      } else if (start + length > chunk.length) {
        this.#keep(chunk, at, FRAME_HEAD_BYTES + length);
        return true;
      } else {
        if (!this.#sink.frame(type, flags, id, chunk, start, start + length)) return true;
        at = start + length;
      }
    }
    return true;
  }

  #beginData(flags: number, id: number, length: number): boolean {
    if (!this.#sink.dataHead(flags, id, length)) return false;
    this.#dataLeft = length;
    return length > 0 || this.#sink.dataPiece(EMPTY, 0, 0, true);
  }

  #keep(chunk: Buffer, at: number, size: number): void {
    this.#partial = Buffer.allocUnsafe(size);
    this.#have = chunk.copy(this.#partial, 0, at);
  }

  /** Adds to the collected frame; returns the new position, {@link TOO_LARGE} or {@link STOPPED}. */
  #collect(chunk: Buffer, at: number): number {
    const copied = chunk.copy(this.#partial, this.#have, at);
    this.#have += copied;
    if (this.#have < this.#partial.length) return at + copied;
    const frame = this.#partial;
    const length = payloadLength(frame, 0);
    if (length > this.#payloadBytesMax) return TOO_LARGE;
    const type = frame[3] as number;
    const flags = frame[4] as number;
    const id = readUint32(frame, 5) & 0x7fff_ffff;
    const isData = type === FRAME_DATA && (flags & FLAG_PADDED) === 0;
    if (!isData && frame.length < FRAME_HEAD_BYTES + length) {
      this.#partial = Buffer.allocUnsafe(FRAME_HEAD_BYTES + length);
      frame.copy(this.#partial);
      return at + copied;
    }
    this.#partial = EMPTY;
    this.#have = 0;
    const more = isData
      ? this.#beginData(flags, id, length)
      : this.#sink.frame(type, flags, id, frame, FRAME_HEAD_BYTES, frame.length);
    return more ? at + copied : STOPPED;
  }
}

const EMPTY = Buffer.alloc(0);
const TOO_LARGE = -1;
const STOPPED = -2;

function payloadLength(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number);
}
