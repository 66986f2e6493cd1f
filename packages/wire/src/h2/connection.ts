/**
 * An HTTP/2 connection without I/O, RFC 9113: bytes in, events out; either role.
 *
 * The owner feeds {@link H2Connection.receive} and gets events through one shared {@link H2Handlers}; whatever is to be sent
 * leaves through `handlers.write` in the order of the calls, gathered per call into one list of parts. Nothing here waits:
 * timeouts, keep-alive and graceful shutdown are the owner's, made of `ping`, `goaway` and `reset`.
 */
import { HPACK_LIST_BYTES_DEFAULT, HpackDecoder } from '../hpack/decoder.ts';
import { HpackEncoder } from '../hpack/encoder.ts';
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
  WINDOW_DEFAULT,
  WINDOW_MAX,
} from './codes.ts';
import { fieldValue, isWellFormed } from './fields.ts';
import {
  FrameReader,
  goawayFrame,
  pingFrame,
  readUint32,
  rstStreamFrame,
  settingsAckFrame,
  windowUpdateFrame,
} from './frame.ts';
import type { H2Handlers, H2Options } from './handlers.ts';
import { HeaderBlock } from './header-block.ts';
import { Outbound } from './outbound.ts';
import { contentLength, isBodyLengthPossible, unpad } from './payload.ts';
import { applySettings, H2_SETTINGS_INITIAL, settingsFrame } from './settings.ts';
import type { H2Settings } from './settings.ts';
import { H2Stream } from './stream.ts';

/** Control frames in a row without any progress on a stream; above it the peer is told to calm down. */
const IDLE_FRAMES_MAX = 1000;
const CONNECTION_WINDOW_DEFAULT = 1_048_576;
const STREAMS_MAX_DEFAULT = 100;

export class H2Connection<S> {
  readonly #handlers: H2Handlers<S>;
  readonly #options: H2Options<S>;
  readonly #client: boolean;
  readonly #reader: FrameReader;
  readonly #decoder: HpackDecoder;
  readonly #encoder = new HpackEncoder();
  readonly #streams = new Map<number, H2Stream<S>>();
  readonly #out: Outbound<S>;
  readonly #streamWindow: number;
  readonly #listBytesMax: number;
  #peer: H2Settings = H2_SETTINGS_INITIAL;
  #nextId: number;
  #lastPeerId = 0;
  #receiveWindow: number;
  readonly #connectionWindow: number;
  #unannounced = 0;
  /** Bytes of the client's preface that a server still expects. */
  #prefaceAt: number;
  #settingsSeen = false;
  #settingsAcked = false;
  #idleFrames = 0;
  #goawayReceived = false;
  #goawaySent = false;
  #failed = false;
  readonly #block: HeaderBlock;

  constructor(options: H2Options<S>, handlers: H2Handlers<S>) {
    this.#options = options;
    this.#handlers = handlers;
    this.#client = options.role === 'client';
    this.#nextId = this.#client ? 1 : 2;
    this.#prefaceAt = this.#client ? H2_PREFACE.length : 0;
    this.#streamWindow = options.streamWindowBytes ?? WINDOW_DEFAULT;
    this.#connectionWindow = Math.max(WINDOW_DEFAULT, options.connectionWindowBytes ?? CONNECTION_WINDOW_DEFAULT);
    this.#receiveWindow = this.#connectionWindow;
    this.#listBytesMax = options.headerListBytesMax ?? HPACK_LIST_BYTES_DEFAULT;
    // Huffman and tables only shrink, so a block above its decoded limit by more than a frame is no accident.
    this.#block = new HeaderBlock(this.#listBytesMax + FRAME_BYTES_DEFAULT);
    this.#decoder = new HpackDecoder({ listBytesMax: this.#listBytesMax });
    this.#reader = new FrameReader(FRAME_BYTES_DEFAULT, (type, flags, id, payload) =>
      this.#frame(type, flags, id, payload),
    );
    this.#out = new Outbound(this.#encoder, (parts) => handlers.write(this, parts));
  }

  /** Sends the preface and our settings. Once, before anything else. */
  start(): void {
    if (this.#client) this.#out.put(H2_PREFACE.slice());
    this.#out.put(
      settingsFrame({
        ...H2_SETTINGS_INITIAL,
        enablePush: !this.#client,
        concurrentStreamsMax: this.#client ? undefined : (this.#options.concurrentStreamsMax ?? STREAMS_MAX_DEFAULT),
        initialWindowBytes: this.#streamWindow,
        headerListBytesMax: this.#listBytesMax,
      }),
    );
    const extra = this.#connectionWindow - WINDOW_DEFAULT;
    if (extra > 0) this.#out.put(windowUpdateFrame(0, extra));
    this.#out.flush();
  }

  get streamCount(): number {
    return this.#streams.size;
  }

  get failed(): boolean {
    return this.#failed;
  }

  /** The peer's settings as last received. */
  get peerSettings(): H2Settings {
    return this.#peer;
  }

  /** True while {@link request} can open a stream. */
  get canRequest(): boolean {
    return (
      !this.#failed &&
      !this.#goawayReceived &&
      !this.#goawaySent &&
      this.#nextId <= STREAM_ID_MAX &&
      this.#streams.size < (this.#peer.concurrentStreamsMax ?? Number.POSITIVE_INFINITY)
    );
  }

  /** Opens a stream, or gives `undefined` when {@link canRequest} is false. Fields must be well formed. */
  request(fields: readonly string[], state: S, end: boolean): H2Stream<S> | undefined {
    if (!this.#client || !this.canRequest) return undefined;
    const stream = this.#open(this.#nextId, state);
    this.#nextId += 2;
    this.#out.headers(stream, fields, end);
    if (end) this.#closeLocal(stream);
    this.#out.flush();
    return stream;
  }

  /** Sends a response head (server), informational ones with `end` false and more heads after. */
  respond(stream: H2Stream<S>, fields: readonly string[], end: boolean): void {
    if (stream.closed || stream.localClosed) return;
    this.#out.headers(stream, fields, end);
    if (end) this.#closeLocal(stream);
    this.#out.flush();
  }

  /**
   * Sends body bytes; what the windows do not allow waits in the stream.
   * @returns false while bytes wait: the owner should hold back until `writable`.
   */
  send(stream: H2Stream<S>, bytes: Uint8Array, end: boolean): boolean {
    if (stream.closed || stream.localClosed || stream.endPending) return true;
    if (bytes.length > 0) {
      stream.pending.push(bytes);
      stream.pendingBytes += bytes.length;
    }
    stream.endPending = end;
    this.#pump(stream);
    this.#out.flush();
    return stream.pendingBytes === 0;
  }

  /** Ends our half with trailers, after what still waits. */
  sendTrailers(stream: H2Stream<S>, fields: readonly string[]): void {
    if (stream.closed || stream.localClosed || stream.endPending) return;
    stream.trailersPending = fields;
    stream.endPending = true;
    this.#pump(stream);
    this.#out.flush();
  }

  /** Ends the stream at once in both directions; no event follows for it. */
  reset(stream: H2Stream<S>, code: number): void {
    if (stream.closed) return;
    this.#out.put(rstStreamFrame(stream.id, code));
    this.#forget(stream);
    this.#out.flush();
  }

  /** Gives `bytes` of received data back to the peer's windows; also due for streams that ended meanwhile. */
  consume(stream: H2Stream<S>, bytes: number): void {
    this.#consumeConnection(bytes);
    stream.unannounced += bytes;
    if (!stream.closed && !stream.remoteClosed && stream.unannounced * 2 >= this.#streamWindow) {
      this.#out.put(windowUpdateFrame(stream.id, stream.unannounced));
      stream.receiveWindow += stream.unannounced;
      stream.unannounced = 0;
    }
    this.#out.flush();
  }

  /** `pong` follows when the peer answers. */
  ping(): void {
    if (this.#failed) return;
    this.#out.put(pingFrame(PING_PAYLOAD, false));
    this.#out.flush();
  }

  /** Tells the peer that no further streams are taken; open ones go on. */
  goaway(code: number = H2_ERROR.noError): void {
    if (this.#goawaySent || this.#failed) return;
    this.#goawaySent = true;
    this.#out.put(goawayFrame(this.#lastPeerId, code));
    this.#out.flush();
  }

  /** Takes bytes from the peer, in any pieces. After `failed` they are ignored. */
  receive(chunk: Uint8Array): void {
    if (this.#failed) return;
    let bytes = chunk;
    while (this.#prefaceAt < H2_PREFACE.length && bytes.length > 0) {
      if (bytes[0] !== H2_PREFACE[this.#prefaceAt]) return this.#fail(H2_ERROR.protocol);
      this.#prefaceAt += 1;
      bytes = bytes.subarray(1);
    }
    this.#out.hold();
    if (!this.#reader.read(bytes)) this.#fail(H2_ERROR.frameSize);
    this.#out.release();
  }

  /** The socket is gone: every stream is reset with `code`, without a word to the peer. */
  abort(code: number = H2_ERROR.cancel): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#resetAll(code);
  }

  #frame(type: number, flags: number, id: number, payload: Uint8Array): boolean {
    if (!this.#settingsSeen && (type !== FRAME_SETTINGS || (flags & FLAG_ACK) !== 0)) this.#fail(H2_ERROR.protocol);
    else if (this.#block.streamId !== 0 && (type !== FRAME_CONTINUATION || id !== this.#block.streamId))
      this.#fail(H2_ERROR.protocol);
    else this.#dispatch(type, flags, id, payload);
    return !this.#failed;
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
        if (id === 0) return this.#fail(H2_ERROR.protocol);
        if (payload.length !== 5) return this.#streamError(id, H2_ERROR.frameSize);
        return this.#countIdle();
      case FRAME_PUSH_PROMISE: // We announce push 0, and servers never get one.
        return this.#fail(H2_ERROR.protocol);
      default: // Unknown types are ignored, RFC 9113 §4.1.
        return this.#countIdle();
    }
  }

  #onData(flags: number, id: number, payload: Uint8Array): void {
    if (this.#isIdle(id)) return this.#fail(H2_ERROR.protocol);
    this.#receiveWindow -= payload.length;
    if (this.#receiveWindow < 0) return this.#fail(H2_ERROR.flowControl);
    const body = unpad(flags, payload, 0);
    if (body === undefined) return this.#fail(H2_ERROR.protocol);
    const stream = this.#streams.get(id);
    if (stream === undefined || stream.remoteClosed || !stream.headersSeen) {
      this.#consumeConnection(payload.length);
      if (stream !== undefined) this.#streamError(id, stream.headersSeen ? H2_ERROR.streamClosed : H2_ERROR.protocol);
      else this.#countIdle();
      return;
    }
    stream.receiveWindow -= payload.length;
    if (stream.receiveWindow < 0) return this.#streamError(id, H2_ERROR.flowControl);
    const end = (flags & FLAG_END_STREAM) !== 0;
    if (body.length > 0) this.#idleFrames = 0;
    else if (!end) this.#countIdle();
    if (this.#failed) return;
    if (payload.length > body.length) this.consume(stream, payload.length - body.length);
    stream.bodyBytesSeen += body.length;
    if (!isBodyLengthPossible(stream, end)) {
      this.#consumeConnection(body.length);
      return this.#streamError(id, H2_ERROR.protocol);
    }
    if (end) stream.remoteClosed = true;
    this.#handlers.data(stream, body, end);
    if (end) this.#closeIfDone(stream);
  }

  #onHeaders(flags: number, id: number, payload: Uint8Array): void {
    if (id === 0) return this.#fail(H2_ERROR.protocol);
    const block = unpad(flags, payload, (flags & FLAG_PRIORITY) === 0 ? 0 : 5);
    if (block === undefined) return this.#fail(H2_ERROR.protocol);
    if ((flags & FLAG_END_HEADERS) !== 0) this.#onBlock(id, flags, block);
    else this.#block.begin(id, flags, block);
  }

  #onContinuation(flags: number, id: number, payload: Uint8Array): void {
    if (this.#block.streamId === 0) return this.#fail(H2_ERROR.protocol);
    if (!this.#block.append(payload)) return this.#fail(H2_ERROR.enhanceYourCalm);
    if ((flags & FLAG_END_HEADERS) !== 0) this.#onBlock(id, this.#block.flags, this.#block.take());
  }

  /** A complete header block. It is always decoded, as the compression state belongs to the connection. */
  #onBlock(id: number, flags: number, block: Uint8Array): void {
    const fields: string[] = [];
    const result = this.#decoder.decode(block, fields);
    if (result !== 'ok' && result !== 'too_large') return this.#fail(H2_ERROR.compression);
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
      if (this.#client) stream.bodyBytesExpected = contentLength(fields, end);
      else stream.bodyBytesExpected = contentLength(fields, false);
    }
    if (kind !== 'informational' && !isBodyLengthPossible(stream, end)) return this.#streamError(id, H2_ERROR.protocol);
    if (end) stream.remoteClosed = true;
    this.#handlers.headers(stream, fields, kind, end);
    if (end) this.#closeIfDone(stream);
  }

  /** What a block is at its place, or `undefined` when it is malformed there. */
  #kindOf(
    stream: H2Stream<S>,
    fields: readonly string[],
    end: boolean,
  ): 'informational' | 'head' | 'trailers' | undefined {
    if (stream.headersSeen) return end && isWellFormed(fields, 'trailers') ? 'trailers' : undefined;
    if (!this.#client) return isWellFormed(fields, 'request') ? 'head' : undefined;
    if (!isWellFormed(fields, 'response')) return undefined;
    if (!(fieldValue(fields, ':status') ?? '').startsWith('1')) return 'head';
    return end ? undefined : 'informational';
  }

  /** A block for a stream that is not open: a new one (server), or the rest of one that was reset. */
  #accept(id: number): H2Stream<S> | undefined {
    if (this.#client || id % 2 === 0) {
      if (this.#isIdle(id)) this.#fail(H2_ERROR.protocol);
      else this.#countIdle();
      return undefined;
    }
    if (id <= this.#lastPeerId) {
      this.#countIdle();
      return undefined;
    }
    this.#lastPeerId = id;
    const init = this.#options.initStream;
    if (init === undefined) {
      this.#fail(H2_ERROR.internal);
      return undefined;
    }
    if (this.#goawaySent || this.#streams.size >= (this.#options.concurrentStreamsMax ?? STREAMS_MAX_DEFAULT)) {
      this.#out.put(rstStreamFrame(id, H2_ERROR.refusedStream));
      this.#countIdle();
      return undefined;
    }
    return this.#open(id, init());
  }

  #onReset(id: number, payload: Uint8Array): void {
    if (payload.length !== 4) return this.#fail(H2_ERROR.frameSize);
    if (id === 0 || this.#isIdle(id)) return this.#fail(H2_ERROR.protocol);
    this.#countIdle();
    const stream = this.#streams.get(id);
    if (stream === undefined || this.#failed) return;
    this.#forget(stream);
    this.#handlers.reset(stream, readUint32(payload, 0), true);
  }

  #onSettings(flags: number, id: number, payload: Uint8Array): void {
    if (id !== 0) return this.#fail(H2_ERROR.protocol);
    if ((flags & FLAG_ACK) !== 0) {
      this.#settingsAcked = true;
      return payload.length === 0 ? undefined : this.#fail(H2_ERROR.frameSize);
    }
    if (payload.length % 6 !== 0) return this.#fail(H2_ERROR.frameSize);
    const next = applySettings(this.#peer, payload);
    if (typeof next === 'number') return this.#fail(next);
    const growth = next.initialWindowBytes - this.#peer.initialWindowBytes;
    this.#peer = next;
    this.#settingsSeen = true;
    this.#encoder.setPeerTableSize(next.headerTableBytes);
    this.#out.frameBytesMax = next.frameBytesMax;
    this.#out.put(settingsAckFrame());
    this.#countIdle();
    if (growth !== 0) this.#shiftWindows(growth);
    if (!this.#failed) this.#handlers.settings(this, next);
  }

  #shiftWindows(growth: number): void {
    for (const stream of this.#streams.values()) {
      stream.sendWindow += growth;
      if (stream.sendWindow > WINDOW_MAX) return this.#fail(H2_ERROR.flowControl);
    }
    if (growth > 0) this.#pumpAll();
  }

  #onPing(flags: number, id: number, payload: Uint8Array): void {
    if (payload.length !== 8) return this.#fail(H2_ERROR.frameSize);
    if (id !== 0) return this.#fail(H2_ERROR.protocol);
    if ((flags & FLAG_ACK) !== 0) return this.#handlers.pong(this);
    this.#out.put(pingFrame(payload, true));
    this.#countIdle();
  }

  #onGoaway(id: number, payload: Uint8Array): void {
    if (payload.length < 8) return this.#fail(H2_ERROR.frameSize);
    if (id !== 0) return this.#fail(H2_ERROR.protocol);
    const last = readUint32(payload, 0) & STREAM_ID_MAX;
    this.#goawayReceived = true;
    this.#countIdle();
    if (this.#client)
      for (const stream of this.#streams.values()) {
        if (stream.id <= last) continue;
        this.#forget(stream);
        this.#handlers.reset(stream, H2_ERROR.refusedStream, true);
      }
    this.#handlers.goaway(this, last, readUint32(payload, 4));
  }

  #onWindowUpdate(id: number, payload: Uint8Array): void {
    if (payload.length !== 4) return this.#fail(H2_ERROR.frameSize);
    const increment = readUint32(payload, 0) & WINDOW_MAX;
    if (id === 0) {
      if (increment === 0) return this.#fail(H2_ERROR.protocol);
      this.#out.window += increment;
      if (this.#out.window > WINDOW_MAX) return this.#fail(H2_ERROR.flowControl);
      return this.#pumpAll();
    }
    if (this.#isIdle(id)) return this.#fail(H2_ERROR.protocol);
    const stream = this.#streams.get(id);
    if (stream === undefined) return this.#countIdle();
    if (increment === 0) return this.#streamError(id, H2_ERROR.protocol);
    stream.sendWindow += increment;
    if (stream.sendWindow > WINDOW_MAX) return this.#streamError(id, H2_ERROR.flowControl);
    this.#pump(stream);
  }

  #pumpAll(): void {
    for (const stream of this.#streams.values()) {
      if (this.#out.window <= 0) return;
      this.#pump(stream);
    }
  }

  /** Sends what waits and fits; tells the owner when nothing waits any more. */
  #pump(stream: H2Stream<S>): void {
    if (stream.localClosed) return;
    const waited = stream.pendingBytes > 0;
    if (this.#out.body(stream)) this.#closeLocal(stream);
    if (waited && stream.pendingBytes === 0 && !stream.closed && !stream.localClosed) this.#handlers.writable(stream);
  }

  #open(id: number, state: S): H2Stream<S> {
    // Until the peer acknowledged our settings, it may still count with the protocol's default window.
    const window = this.#settingsAcked ? this.#streamWindow : Math.max(this.#streamWindow, WINDOW_DEFAULT);
    const stream = new H2Stream(id, state, this.#peer.initialWindowBytes, window);
    this.#streams.set(id, stream);
    return stream;
  }

  #isIdle(id: number): boolean {
    if (id === 0) return true;
    const ours = (id % 2 === 1) === this.#client;
    return ours ? id >= this.#nextId : id > this.#lastPeerId;
  }

  #closeLocal(stream: H2Stream<S>): void {
    stream.localClosed = true;
    this.#closeIfDone(stream);
  }

  #closeIfDone(stream: H2Stream<S>): void {
    if (stream.localClosed && stream.remoteClosed) this.#forget(stream);
  }

  #forget(stream: H2Stream<S>): void {
    stream.closed = true;
    stream.pending = [];
    stream.pendingBytes = 0;
    this.#streams.delete(stream.id);
  }

  #consumeConnection(bytes: number): void {
    this.#unannounced += bytes;
    if (this.#failed || this.#unannounced * 2 < this.#connectionWindow) return;
    this.#out.put(windowUpdateFrame(0, this.#unannounced));
    this.#receiveWindow += this.#unannounced;
    this.#unannounced = 0;
  }

  /** Guards against floods of frames that cost us work and move nothing. */
  #countIdle(): void {
    this.#idleFrames += 1;
    if (this.#idleFrames > IDLE_FRAMES_MAX) this.#fail(H2_ERROR.enhanceYourCalm);
  }

  #streamError(id: number, code: number): void {
    this.#out.put(rstStreamFrame(id, code));
    this.#countIdle();
    const stream = this.#streams.get(id);
    if (stream === undefined) return;
    this.#forget(stream);
    this.#handlers.reset(stream, code, false);
  }

  #fail(code: number): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#out.put(goawayFrame(this.#lastPeerId, code));
    this.#out.flush();
    this.#resetAll(code);
    this.#handlers.failed(this, code);
  }

  #resetAll(code: number): void {
    for (const stream of this.#streams.values()) {
      this.#forget(stream);
      this.#handlers.reset(stream, code, false);
    }
  }
}

const PING_PAYLOAD = new TextEncoder().encode('meshping');
