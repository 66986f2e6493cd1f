/**
 * The receiving half of an HTTP/2 connection: the peer's frames, checked in order (RFC 9113 §4 to §6), become events of the owner. Header
 * blocks are `inbound-heads.ts`', frames about the connection `inbound-control.ts`'; what frames ask of the sending half goes through the shared tables and {@link InboundOwner}.
 */
import type { HpackEncoder } from '../hpack/encoder.ts';
import {
  FLAG_ACK,
  FLAG_END_HEADERS,
  FLAG_END_STREAM,
  FLAG_PADDED,
  FLAG_PRIORITY,
  FRAME_BYTES_DEFAULT,
  FRAME_CONTINUATION,
  FRAME_DATA,
  FRAME_GOAWAY,
  FRAME_HEADERS,
  FRAME_PING,
  FRAME_PRIORITY,
  FRAME_PUSH_PROMISE,
  FRAME_RST_STREAM,
  FRAME_SETTINGS,
  FRAME_WINDOW_UPDATE,
  H2_ERROR,
  H2_PREFACE,
  STREAM_ID_MAX,
} from './codes.ts';
import type { H2Connection } from './connection.ts';
import { FrameGuard } from './frame-guard.ts';
import { FrameReader } from './frame-reader.ts';
import type { FrameSink } from './frame-reader.ts';
import { readUint32 } from './frame-writer.ts';
import type { H2Handlers } from './handlers.ts';
import { HeaderBlock } from './header-block.ts';
import { InboundHeads } from './inbound-heads.ts';
import { InboundControl } from './inbound-control.ts';
import { RATE } from './limits.ts';
import type { H2Limits } from './limits.ts';
import type { Outbound } from './outbound.ts';
import type { H2Reason } from './reasons.ts';
import type { ReceiveWindow } from './receive-window.ts';
import type { StreamTable } from './stream-table.ts';
import type { H2Stream } from './stream.ts';

/** What received frames ask of the connection. */
export interface InboundOwner<S> {
  isFailed(): boolean;
  fail(code: number, reason: H2Reason): void;
  consume(stream: H2Stream<S>, bytes: number): void;
  /** Gives bytes back to the connection's window alone. */
  giveBack(bytes: number): void;
  /** A PING of ours was answered; true when its payload is one of ours. */
  pinged(bytes: Uint8Array, from: number): boolean;
}

/** What the halves of a connection share, and limits. */
export interface InboundLink<S> {
  readonly connection: H2Connection<S>;
  readonly owner: InboundOwner<S>;
  readonly streams: StreamTable<S>;
  readonly out: Outbound<S>;
  readonly encoder: HpackEncoder;
  readonly window: ReceiveWindow;
  readonly handlers: H2Handlers<S>;
  readonly limits: H2Limits;
  readonly connectProtocol: boolean;
  readonly initStream: (() => S) | undefined;
}

export class Inbound<S> implements FrameSink {
  readonly #owner: InboundOwner<S>;
  readonly #streams: StreamTable<S>;
  readonly #out: Outbound<S>;
  readonly #window: ReceiveWindow;
  readonly #handlers: H2Handlers<S>;
  readonly #reader: FrameReader;
  readonly #heads: InboundHeads<S>;
  readonly #block: HeaderBlock;
  readonly #guard: FrameGuard;
  readonly #control: InboundControl<S>;
  /** Bytes of the client's preface that a server has seen. */
  #prefaceAt: number;
  /** The DATA frame that comes in pieces: its stream, unless that is gone, and whether it ends it. */
  #dataStream: H2Stream<S> | undefined = undefined;
  #dataEnds = false;
  /** Frames (a header block counts as one) and pieces of bodies that came whole: so that what is under way now can be told from what was. */
  #arrived = 0;
  /** Since when the frame or header block under way is; -1: there is none. */
  #partSinceMs = -1;

  constructor(link: InboundLink<S>) {
    this.#owner = link.owner;
    this.#streams = link.streams;
    this.#out = link.out;
    this.#window = link.window;
    this.#handlers = link.handlers;
    this.#guard = new FrameGuard(link.limits, (code, reason) => this.#owner.fail(code, reason));
    this.#control = new InboundControl(link, this.#guard, (id, code, reason) => this.streamError(id, code, reason));
    this.#heads = new InboundHeads(link, (id, code, reason) => this.streamError(id, code, reason));
    // Huffman and tables only shrink, so a block above its decoded limit by more than a frame is no accident.
    this.#block = new HeaderBlock(link.limits.headerListBytes + FRAME_BYTES_DEFAULT, link.limits.headerBlockFrames);
    this.#prefaceAt = link.streams.client ? H2_PREFACE.length : 0;
    this.#reader = new FrameReader(FRAME_BYTES_DEFAULT, this);
  }

  /** Takes bytes from the peer, in any pieces. */
  receive(chunk: Uint8Array, nowMs: number): void {
    this.#guard.nowMs = nowMs;
    let bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
    if (this.#prefaceAt < H2_PREFACE.length) {
      const start = this.#prefaceAt;
      const length = Math.min(bytes.length, H2_PREFACE.length - start);
      for (let at = 0; at < length; at += 1)
        if (bytes[at] !== H2_PREFACE[start + at]) return this.#owner.fail(H2_ERROR.protocol, 'bad_preface');
      this.#prefaceAt += length;
      bytes = bytes.subarray(length);
    }
    this.#out.hold();
    const arrived = this.#arrived;
    if (!this.#reader.read(bytes)) this.#owner.fail(H2_ERROR.frameSize, 'frame_too_large');
    if (this.#out.moved) {
      this.#out.moved = false;
      this.#guard.progress();
    }
    if (!this.#reader.midFrame && this.#block.streamId === 0) this.#partSinceMs = -1;
    else if (this.#partSinceMs < 0 || this.#arrived !== arrived) this.#partSinceMs = nowMs;
    this.#out.release();
  }

  /** What was begun and did not arrive in time ends the connection: whoever sends it blocks everybody on it. */
  checkProgress(nowMs: number, timeoutMs: number): void {
    if (this.#partSinceMs < 0 || nowMs - this.#partSinceMs < timeoutMs) return;
    this.#owner.fail(H2_ERROR.enhanceYourCalm, 'frame_timeout');
  }

  frame(type: number, flags: number, id: number, bytes: Buffer, from: number, to: number): boolean {
    if (!this.#isInOrder(type, flags, id)) return false;
    this.#dispatch(type, flags, id, bytes, from, to);
    if (this.#block.streamId === 0) this.#arrived += 1;
    return !this.#owner.isFailed();
  }

  dataHead(flags: number, id: number, length: number): boolean {
    if (!this.#isInOrder(FRAME_DATA, flags, id)) return false;
    this.#beginData(flags, id, length, length);
    return !this.#owner.isFailed();
  }

  dataPiece(bytes: Buffer, from: number, to: number, last: boolean): boolean {
    const stream = this.#dataStream;
    this.#arrived += 1;
    if (stream === undefined) return true;
    if (stream.closed) {
      // The owner gave the stream up inside the frame.
      this.#owner.giveBack(to - from);
      return true;
    }
    if (last) this.#dataStream = undefined;
    this.#deliver(stream, bytes.subarray(from, to), last && this.#dataEnds);
    return !this.#owner.isFailed();
  }

  #isInOrder(type: number, flags: number, id: number): boolean {
    if (!this.#control.settingsSeen && (type !== FRAME_SETTINGS || (flags & FLAG_ACK) !== 0)) {
      this.#owner.fail(H2_ERROR.protocol, 'settings_missing');
      return false;
    }
    if (this.#block.streamId === 0 || (type === FRAME_CONTINUATION && id === this.#block.streamId)) return true;
    this.#owner.fail(H2_ERROR.protocol, 'header_block_interrupted');
    return false;
  }

  #dispatch(type: number, flags: number, id: number, bytes: Buffer, from: number, to: number): void {
    switch (type) {
      case FRAME_DATA:
        return this.#onPaddedData(flags, id, bytes, from, to);
      case FRAME_HEADERS:
        return this.#onHeaders(flags, id, bytes, from, to);
      case FRAME_CONTINUATION:
        return this.#onContinuation(flags, id, bytes, from, to);
      case FRAME_RST_STREAM:
        return this.#onReset(id, bytes, from, to);
      case FRAME_SETTINGS:
        return this.#control.settings(flags, id, bytes, from, to);
      case FRAME_PING:
        return this.#control.ping(flags, id, bytes, from, to);
      case FRAME_GOAWAY:
        return this.#control.goaway(id, bytes, from, to);
      case FRAME_WINDOW_UPDATE:
        return this.#control.windowUpdate(id, bytes, from, to);
      case FRAME_PRIORITY:
        return this.#onPriority(id, bytes, from, to);
      case FRAME_PUSH_PROMISE: // We announce push 0, and servers never get one.
        return this.#owner.fail(H2_ERROR.protocol, 'push');
      default: // Unknown types are ignored, RFC 9113 §4.1.
        if (this.#guard.rate(RATE.unknown)) this.#guard.idle();
    }
  }

  /**
   * Everything about a DATA frame but its bytes: true when they belong to {@link #dataStream}.
   * @param payload All of the frame's payload counts for the windows; @param body is what is left without padding.
   */
  #beginData(flags: number, id: number, payload: number, body: number): boolean {
    this.#dataStream = undefined;
    if (this.#streams.isIdle(id)) {
      this.#owner.fail(H2_ERROR.protocol, 'bad_stream_id');
      return false;
    }
    if (!this.#window.take(payload)) {
      this.#owner.fail(H2_ERROR.flowControl, 'window_exceeded');
      return false;
    }
    const stream = this.#streams.get(id);
    if (stream === undefined || stream.remoteClosed || !stream.headersSeen) {
      this.#owner.giveBack(payload);
      if (stream !== undefined && !stream.headersSeen) this.streamError(id, H2_ERROR.protocol, 'out_of_order');
      else this.#onClosed(id);
      return false;
    }
    stream.receiveWindow -= payload;
    const end = (flags & FLAG_END_STREAM) !== 0;
    if (body > 0) this.#guard.progress();
    else if (!end && (!this.#guard.rate(RATE.emptyData) || !this.#guard.idle())) return false;
    stream.bodyBytesSeen += body;
    const overrun = stream.receiveWindow < 0;
    if (overrun || !isLengthPossible(stream, end)) {
      this.#owner.giveBack(payload);
      if (overrun) this.streamError(id, H2_ERROR.flowControl, 'window_exceeded');
      else this.streamError(id, H2_ERROR.protocol, 'body_length');
      return false;
    }
    this.#dataStream = stream;
    this.#dataEnds = end;
    return true;
  }

  #onPaddedData(flags: number, id: number, bytes: Buffer, from: number, to: number): void {
    const length = to - from;
    const end = to - (bytes[from] ?? 0);
    if (length === 0) return this.#owner.fail(H2_ERROR.frameSize, 'frame_size');
    if (id !== 0 && end <= from) return this.#owner.fail(H2_ERROR.protocol, 'bad_padding');
    if (!this.#beginData(flags, id, length, end - from - 1)) return;
    const stream = this.#dataStream as H2Stream<S>;
    this.#dataStream = undefined;
    this.#owner.consume(stream, length - (end - from - 1));
    this.#deliver(stream, bytes.subarray(from + 1, end), this.#dataEnds);
  }

  #deliver(stream: H2Stream<S>, body: Uint8Array, end: boolean): void {
    if (end) this.#streams.closeRemote(stream);
    this.#handlers.data(stream, body, end);
  }

  #onHeaders(flags: number, id: number, bytes: Buffer, from: number, to: number): void {
    if (id === 0) return this.#owner.fail(H2_ERROR.protocol, 'bad_stream_id');
    let start = from;
    let end = to;
    if ((flags & FLAG_PADDED) !== 0) {
      end -= bytes[start] ?? 0;
      start += 1;
    }
    const priorityAt = start;
    if ((flags & FLAG_PRIORITY) !== 0) start += 5;
    if (start > to) return this.#owner.fail(H2_ERROR.frameSize, 'frame_size');
    if (end < start) return this.#owner.fail(H2_ERROR.protocol, 'bad_padding');
    if ((flags & FLAG_PRIORITY) !== 0 && (readUint32(bytes, priorityAt) & STREAM_ID_MAX) === id)
      return this.#owner.fail(H2_ERROR.protocol, 'self_dependency');
    if ((flags & FLAG_END_HEADERS) === 0) return this.#block.begin(id, flags, bytes, start, end);
    this.#onBlock(id, flags, bytes, start, end);
  }

  #onContinuation(flags: number, id: number, bytes: Buffer, from: number, to: number): void {
    if (this.#block.streamId === 0) return this.#owner.fail(H2_ERROR.protocol, 'header_block_interrupted');
    if (!this.#block.append(bytes, from, to)) return this.#owner.fail(H2_ERROR.enhanceYourCalm, 'header_block_frames');
    if ((flags & FLAG_END_HEADERS) === 0) return;
    const block = this.#block.take();
    this.#onBlock(id, this.#block.flags, block, 0, block.length);
  }

  #onBlock(id: number, flags: number, bytes: Buffer, from: number, to: number): void {
    const outcome = this.#heads.block(id, (flags & FLAG_END_STREAM) !== 0, bytes, from, to);
    if (outcome === 'event') this.#guard.progress();
    else if (outcome === 'closed') this.#onClosedHead(id);
    else if (outcome === 'refused') this.#guard.rate(RATE.streamErrors);
  }

  #onReset(id: number, bytes: Buffer, from: number, to: number): void {
    if (to - from !== 4) return this.#owner.fail(H2_ERROR.frameSize, 'frame_size');
    if (this.#streams.isIdle(id)) return this.#owner.fail(H2_ERROR.protocol, 'bad_stream_id');
    // Of a server they are bounded by our own requests, and a common way to refuse the rest of a body.
    if (!this.#streams.client && !this.#guard.rate(RATE.resets)) return;
    const stream = this.#streams.get(id);
    if (stream === undefined) {
      this.#guard.idle();
      return;
    }
    this.#streams.over.addEnded(id);
    this.#streams.forget(stream);
    this.#handlers.reset(stream, readUint32(bytes, from), true, undefined);
  }

  /** Deprecated and without effect, but its form is still checked (RFC 9113 §6.3). */
  #onPriority(id: number, bytes: Buffer, from: number, to: number): void {
    if (id === 0) return this.#owner.fail(H2_ERROR.protocol, 'bad_stream_id');
    if (to - from !== 5) return this.streamError(id, H2_ERROR.frameSize, 'frame_size');
    if ((readUint32(bytes, from) & STREAM_ID_MAX) === id)
      return this.streamError(id, H2_ERROR.protocol, 'self_dependency');
    if (this.#guard.rate(RATE.priorities)) this.#guard.idle();
  }

  /** DATA on a stream that is over, or whose sender had ended it (RFC 9113 §5.1). */
  #onClosed(id: number): void {
    const { over } = this.#streams;
    if (over.wasReset(id)) {
      if (!over.takeLate()) this.#guard.idle();
    } else if (over.hasEnded(id)) this.#owner.fail(H2_ERROR.streamClosed, 'stream_closed');
    else this.streamError(id, H2_ERROR.streamClosed, 'stream_closed');
  }

  /** A header block there, however long ago the end was, cannot have crossed anything on its way. */
  #onClosedHead(id: number): void {
    if (this.#streams.get(id) !== undefined || this.#streams.over.wasReset(id)) this.#onClosed(id);
    else this.#owner.fail(H2_ERROR.streamClosed, 'stream_closed');
  }

  /** Ends the stream with RST_STREAM, also one that is not open; on an idle one that is an error of the connection (RFC 9113 §5.4.2). */
  streamError(id: number, code: number, reason: H2Reason): void {
    if (this.#streams.isIdle(id)) return this.#owner.fail(code, reason);
    this.#out.frames.rstStream(id, code);
    this.#guard.answered(13, this.#out.blocked);
    this.#streams.over.addReset(id);
    const stream = this.#streams.get(id);
    if (stream !== undefined) {
      this.#streams.forget(stream);
      this.#handlers.reset(stream, code, false, reason);
    }
    if (!this.#owner.isFailed()) this.#guard.rate(RATE.streamErrors);
  }
}

function isLengthPossible<S>(stream: H2Stream<S>, end: boolean): boolean {
  if (stream.bodyBytesExpected < 0) return true;
  return end ? stream.bodyBytesSeen === stream.bodyBytesExpected : stream.bodyBytesSeen <= stream.bodyBytesExpected;
}
