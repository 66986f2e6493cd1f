/**
 * The receiving half of an HTTP/2 connection: the peer's frames, checked in order (RFC 9113 §4 to §6), become events of the owner. What
 * they ask of the sending half goes through {@link InboundOwner} and the shared tables.
 */
import { HpackDecoder } from '../hpack/decoder.ts';
import type { HpackEncoder } from '../hpack/encoder.ts';
import {
  FLAG_ACK,
  FLAG_END_HEADERS,
  FLAG_END_STREAM,
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
  WINDOW_MAX,
} from './codes.ts';
import type { H2Connection } from './connection.ts';
import { fieldValue, isWellFormed } from './fields.ts';
import { FrameReader, pingFrame, readUint32, rstStreamFrame, settingsAckFrame } from './frame.ts';
import type { H2Handlers } from './handlers.ts';
import { HeaderBlock } from './header-block.ts';
import type { Outbound } from './outbound.ts';
import { contentLength, isBodyLengthPossible, unpad } from './payload.ts';
import type { ReceiveWindow } from './receive-window.ts';
import { applySettings } from './settings.ts';
import type { StreamTable } from './stream-table.ts';
import type { H2Stream } from './stream.ts';

/** Control frames in a row without any progress on a stream; above it the peer is told to calm down. */
const IDLE_FRAMES_MAX = 1000;

/** What received frames ask of the connection. */
export interface InboundOwner<S> {
  isFailed(): boolean;
  fail(code: number): void;
  /** The stream's window opened. */
  pump(stream: H2Stream<S>): void;
  /** The connection's window opened. */
  pumpAll(): void;
  consume(stream: H2Stream<S>, bytes: number): void;
  /** Gives bytes back to the connection's window alone. */
  giveBack(bytes: number): void;
}

/** What the halves of a connection share, and limits. */
export interface InboundLink<S> {
  readonly streams: StreamTable<S>;
  readonly out: Outbound<S>;
  readonly encoder: HpackEncoder;
  readonly window: ReceiveWindow;
  readonly handlers: H2Handlers<S>;
  readonly headerListBytesMax: number;
  /** Streams that the peer may have open. */
  readonly streamsMax: number;
  readonly initStream: (() => S) | undefined;
}

export class Inbound<S> {
  readonly #connection: H2Connection<S>;
  readonly #owner: InboundOwner<S>;
  readonly #streams: StreamTable<S>;
  readonly #out: Outbound<S>;
  readonly #encoder: HpackEncoder;
  readonly #window: ReceiveWindow;
  readonly #handlers: H2Handlers<S>;
  readonly #streamsMax: number;
  readonly #initStream: (() => S) | undefined;
  readonly #reader: FrameReader;
  readonly #decoder: HpackDecoder;
  readonly #block: HeaderBlock;
  /** Bytes of the client's preface that a server has seen. */
  #prefaceAt: number;
  #settingsSeen = false;
  #idleFrames = 0;

  constructor(connection: H2Connection<S>, owner: InboundOwner<S>, link: InboundLink<S>) {
    this.#connection = connection;
    this.#owner = owner;
    this.#streams = link.streams;
    this.#out = link.out;
    this.#encoder = link.encoder;
    this.#window = link.window;
    this.#handlers = link.handlers;
    this.#streamsMax = link.streamsMax;
    this.#initStream = link.initStream;
    this.#decoder = new HpackDecoder({ listBytesMax: link.headerListBytesMax });
    // Huffman and tables only shrink, so a block above its decoded limit by more than a frame is no accident.
    this.#block = new HeaderBlock(link.headerListBytesMax + FRAME_BYTES_DEFAULT);
    this.#prefaceAt = link.streams.client ? H2_PREFACE.length : 0;
    this.#reader = new FrameReader(FRAME_BYTES_DEFAULT, (type, flags, id, payload) =>
      this.#frame(type, flags, id, payload),
    );
  }

  /** Takes bytes from the peer, in any pieces. */
  receive(chunk: Uint8Array): void {
    let bytes = chunk;
    while (this.#prefaceAt < H2_PREFACE.length && bytes.length > 0) {
      if (bytes[0] !== H2_PREFACE[this.#prefaceAt]) return this.#owner.fail(H2_ERROR.protocol);
      this.#prefaceAt += 1;
      bytes = bytes.subarray(1);
    }
    this.#out.hold();
    if (!this.#reader.read(bytes)) this.#owner.fail(H2_ERROR.frameSize);
    this.#out.release();
  }

  #frame(type: number, flags: number, id: number, payload: Uint8Array): boolean {
    if (!this.#settingsSeen && (type !== FRAME_SETTINGS || (flags & FLAG_ACK) !== 0))
      this.#owner.fail(H2_ERROR.protocol);
    else if (this.#block.streamId !== 0 && (type !== FRAME_CONTINUATION || id !== this.#block.streamId))
      this.#owner.fail(H2_ERROR.protocol);
    else this.#dispatch(type, flags, id, payload);
    return !this.#owner.isFailed();
  }

  #dispatch(type: number, flags: number, id: number, payload: Uint8Array): void {
    switch (type) {
      case FRAME_DATA:
        return this.#onData(flags, id, payload);
      case FRAME_HEADERS:
        return this.#onHeaders(flags, id, payload);
      case FRAME_CONTINUATION:
        return this.#onContinuation(flags, id, payload);
      case FRAME_RST_STREAM:
        return this.#onReset(id, payload);
      case FRAME_SETTINGS:
        return this.#onSettings(flags, id, payload);
      case FRAME_PING:
        return this.#onPing(flags, id, payload);
      case FRAME_GOAWAY:
        return this.#onGoaway(id, payload);
      case FRAME_WINDOW_UPDATE:
        return this.#onWindowUpdate(id, payload);
      case FRAME_PRIORITY:
        if (id === 0) return this.#owner.fail(H2_ERROR.protocol);
        if (payload.length !== 5) return this.#streamError(id, H2_ERROR.frameSize);
        return this.#countIdle();
      case FRAME_PUSH_PROMISE: // We announce push 0, and servers never get one.
        return this.#owner.fail(H2_ERROR.protocol);
      default: // Unknown types are ignored, RFC 9113 §4.1.
        return this.#countIdle();
    }
  }

  #onData(flags: number, id: number, payload: Uint8Array): void {
    if (this.#streams.isIdle(id)) return this.#owner.fail(H2_ERROR.protocol);
    if (!this.#window.take(payload.length)) return this.#owner.fail(H2_ERROR.flowControl);
    const body = unpad(flags, payload, 0);
    if (body === undefined) return this.#owner.fail(H2_ERROR.protocol);
    const stream = this.#streams.get(id);
    if (stream === undefined || stream.remoteClosed || !stream.headersSeen) {
      this.#owner.giveBack(payload.length);
      if (stream !== undefined) this.#streamError(id, stream.headersSeen ? H2_ERROR.streamClosed : H2_ERROR.protocol);
      else this.#countIdle();
      return;
    }
    stream.receiveWindow -= payload.length;
    if (stream.receiveWindow < 0) return this.#streamError(id, H2_ERROR.flowControl);
    const end = (flags & FLAG_END_STREAM) !== 0;
    if (body.length > 0) this.#idleFrames = 0;
    else if (!end) this.#countIdle();
    if (this.#owner.isFailed()) return;
    if (payload.length > body.length) this.#owner.consume(stream, payload.length - body.length);
    stream.bodyBytesSeen += body.length;
    if (!isBodyLengthPossible(stream, end)) {
      this.#owner.giveBack(body.length);
      return this.#streamError(id, H2_ERROR.protocol);
    }
    if (end) stream.remoteClosed = true;
    this.#handlers.data(stream, body, end);
    if (end) this.#streams.closeIfDone(stream);
  }

  #onHeaders(flags: number, id: number, payload: Uint8Array): void {
    if (id === 0) return this.#owner.fail(H2_ERROR.protocol);
    const block = unpad(flags, payload, (flags & FLAG_PRIORITY) === 0 ? 0 : 5);
    if (block === undefined) return this.#owner.fail(H2_ERROR.protocol);
    if ((flags & FLAG_END_HEADERS) !== 0) this.#onBlock(id, flags, block);
    else this.#block.begin(id, flags, block);
  }

  #onContinuation(flags: number, id: number, payload: Uint8Array): void {
    if (this.#block.streamId === 0) return this.#owner.fail(H2_ERROR.protocol);
    if (!this.#block.append(payload)) return this.#owner.fail(H2_ERROR.enhanceYourCalm);
    if ((flags & FLAG_END_HEADERS) !== 0) this.#onBlock(id, this.#block.flags, this.#block.take());
  }

  /** A complete header block. It is always decoded, as the compression state belongs to the connection. */
  #onBlock(id: number, flags: number, block: Uint8Array): void {
    const fields: string[] = [];
    const result = this.#decoder.decode(block, fields);
    if (result !== 'ok' && result !== 'too_large') return this.#owner.fail(H2_ERROR.compression);
    const stream = this.#streams.get(id) ?? this.#accept(id);
    if (stream === undefined) return;
    if (stream.remoteClosed) return this.#streamError(id, H2_ERROR.streamClosed);
    if (result === 'too_large') return this.#streamError(id, H2_ERROR.enhanceYourCalm);
    const end = (flags & FLAG_END_STREAM) !== 0;
    const kind = this.#kindOf(stream, fields, end);
    if (kind === undefined) return this.#streamError(id, H2_ERROR.protocol);
    this.#idleFrames = 0;
    if (kind === 'head') {
      stream.headersSeen = true;
      if (this.#streams.client) stream.bodyBytesExpected = contentLength(fields, end);
      else stream.bodyBytesExpected = contentLength(fields, false);
    }
    if (kind !== 'informational' && !isBodyLengthPossible(stream, end)) return this.#streamError(id, H2_ERROR.protocol);
    if (end) stream.remoteClosed = true;
    this.#handlers.headers(stream, fields, kind, end);
    if (end) this.#streams.closeIfDone(stream);
  }

  /** What a block is at its place, or `undefined` when it is malformed there. */
  #kindOf(
    stream: H2Stream<S>,
    fields: readonly string[],
    end: boolean,
  ): 'informational' | 'head' | 'trailers' | undefined {
    if (stream.headersSeen) return end && isWellFormed(fields, 'trailers') ? 'trailers' : undefined;
    if (!this.#streams.client) return isWellFormed(fields, 'request') ? 'head' : undefined;
    if (!isWellFormed(fields, 'response')) return undefined;
    if (!(fieldValue(fields, ':status') ?? '').startsWith('1')) return 'head';
    return end ? undefined : 'informational';
  }

  /** A block for a stream that is not open: a new one (server), or the rest of one that was reset. */
  #accept(id: number): H2Stream<S> | undefined {
    if (this.#streams.client || id % 2 === 0) {
      if (this.#streams.isIdle(id)) this.#owner.fail(H2_ERROR.protocol);
      else this.#countIdle();
      return undefined;
    }
    if (id <= this.#streams.lastPeerId) {
      this.#countIdle();
      return undefined;
    }
    this.#streams.lastPeerId = id;
    const init = this.#initStream;
    if (init === undefined) {
      this.#owner.fail(H2_ERROR.internal);
      return undefined;
    }
    if (this.#streams.closing || this.#streams.size >= this.#streamsMax) {
      this.#out.put(rstStreamFrame(id, H2_ERROR.refusedStream));
      this.#countIdle();
      return undefined;
    }
    return this.#streams.openPeers(id, init());
  }

  #onReset(id: number, payload: Uint8Array): void {
    if (payload.length !== 4) return this.#owner.fail(H2_ERROR.frameSize);
    if (id === 0 || this.#streams.isIdle(id)) return this.#owner.fail(H2_ERROR.protocol);
    this.#countIdle();
    const stream = this.#streams.get(id);
    if (stream === undefined || this.#owner.isFailed()) return;
    this.#streams.forget(stream);
    this.#handlers.reset(stream, readUint32(payload, 0), true);
  }

  #onSettings(flags: number, id: number, payload: Uint8Array): void {
    if (id !== 0) return this.#owner.fail(H2_ERROR.protocol);
    if ((flags & FLAG_ACK) !== 0) {
      this.#streams.settingsAcked = true;
      return payload.length === 0 ? undefined : this.#owner.fail(H2_ERROR.frameSize);
    }
    if (payload.length % 6 !== 0) return this.#owner.fail(H2_ERROR.frameSize);
    const next = applySettings(this.#streams.peer, payload);
    if (typeof next === 'number') return this.#owner.fail(next);
    const growth = next.initialWindowBytes - this.#streams.peer.initialWindowBytes;
    this.#streams.peer = next;
    this.#settingsSeen = true;
    this.#encoder.setPeerTableSize(next.headerTableBytes);
    this.#out.frameBytesMax = next.frameBytesMax;
    this.#out.put(settingsAckFrame());
    this.#countIdle();
    if (growth !== 0) this.#shiftWindows(growth);
    if (!this.#owner.isFailed()) this.#handlers.settings(this.#connection, next);
  }

  #shiftWindows(growth: number): void {
    for (const stream of this.#streams.all()) {
      stream.sendWindow += growth;
      if (stream.sendWindow > WINDOW_MAX) return this.#owner.fail(H2_ERROR.flowControl);
    }
    if (growth > 0) this.#owner.pumpAll();
  }

  #onPing(flags: number, id: number, payload: Uint8Array): void {
    if (payload.length !== 8) return this.#owner.fail(H2_ERROR.frameSize);
    if (id !== 0) return this.#owner.fail(H2_ERROR.protocol);
    if ((flags & FLAG_ACK) !== 0) return this.#handlers.pong(this.#connection);
    this.#out.put(pingFrame(payload, true));
    this.#countIdle();
  }

  #onGoaway(id: number, payload: Uint8Array): void {
    if (payload.length < 8) return this.#owner.fail(H2_ERROR.frameSize);
    if (id !== 0) return this.#owner.fail(H2_ERROR.protocol);
    const last = readUint32(payload, 0) & STREAM_ID_MAX;
    this.#streams.peerClosing = true;
    this.#countIdle();
    if (this.#streams.client)
      for (const stream of this.#streams.all()) {
        if (stream.id <= last) continue;
        this.#streams.forget(stream);
        this.#handlers.reset(stream, H2_ERROR.refusedStream, true);
      }
    this.#handlers.goaway(this.#connection, last, readUint32(payload, 4));
  }

  #onWindowUpdate(id: number, payload: Uint8Array): void {
    if (payload.length !== 4) return this.#owner.fail(H2_ERROR.frameSize);
    const increment = readUint32(payload, 0) & WINDOW_MAX;
    if (id === 0) {
      if (increment === 0) return this.#owner.fail(H2_ERROR.protocol);
      this.#out.window += increment;
      if (this.#out.window > WINDOW_MAX) return this.#owner.fail(H2_ERROR.flowControl);
      return this.#owner.pumpAll();
    }
    if (this.#streams.isIdle(id)) return this.#owner.fail(H2_ERROR.protocol);
    const stream = this.#streams.get(id);
    if (stream === undefined) return this.#countIdle();
    if (increment === 0) return this.#streamError(id, H2_ERROR.protocol);
    stream.sendWindow += increment;
    if (stream.sendWindow > WINDOW_MAX) return this.#streamError(id, H2_ERROR.flowControl);
    this.#owner.pump(stream);
  }

  /** Guards against floods of frames that cost us work and move nothing. */
  #countIdle(): void {
    this.#idleFrames += 1;
    if (this.#idleFrames > IDLE_FRAMES_MAX) this.#owner.fail(H2_ERROR.enhanceYourCalm);
  }

  #streamError(id: number, code: number): void {
    this.#out.put(rstStreamFrame(id, code));
    this.#countIdle();
    const stream = this.#streams.get(id);
    if (stream === undefined) return;
    this.#streams.forget(stream);
    this.#handlers.reset(stream, code, false);
  }
}
