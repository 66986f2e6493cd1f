/**
 * An HTTP/2 connection without I/O, RFC 9113: bytes in, events out; either role.
 *
 * The owner feeds {@link H2Connection.receive} and gets events through one shared {@link H2Handlers}; whatever is to be sent
 * leaves through `handlers.write` in the order of the calls, gathered per call into one list of parts. Nothing here waits:
 * timeouts and keep-alive are the owner's, made of `ping`, `drain`, `goaway` and `reset`.
 *
 *      owner ── request, respond, send ──► queue of streams ──► frames ──► handlers.write ──► socket
 *                                              ▲  windows, block                              │ full: block
 *      owner ◄── headers, data, reset ── rules ◄── frames ◄── receive ◄─────────────────────── ┘ drained: unblock
 */
import { HpackEncoder } from '../hpack/encoder.ts';
import { H2_ERROR, H2_PREFACE, STREAM_ID_MAX, WINDOW_DEFAULT } from './codes.ts';
import type { H2Handlers, H2Options } from './handlers.ts';
import { Inbound } from './inbound.ts';
import { H2_LIMITS_DEFAULT } from './limits.ts';
import type { H2Limits } from './limits.ts';
import { Outbound } from './outbound.ts';
import type { H2Reason } from './reasons.ts';
import { ReceiveWindow } from './receive-window.ts';
import { H2_SETTINGS_INITIAL, settingsFrame } from './settings.ts';
import type { H2Settings } from './settings.ts';
import { StreamTable } from './stream-table.ts';
import type { H2Stream } from './stream.ts';

const CONNECTION_WINDOW_DEFAULT = 1_048_576;

export class H2Connection<S> {
  readonly #handlers: H2Handlers<S>;
  readonly #client: boolean;
  readonly #encoder = new HpackEncoder();
  readonly #streams: StreamTable<S>;
  readonly #window: ReceiveWindow;
  readonly #out: Outbound<S>;
  readonly #in: Inbound<S>;
  readonly #streamWindow: number;
  readonly #limits: H2Limits;
  readonly #connectProtocol: boolean;
  #failed = false;

  constructor(options: H2Options<S>, handlers: H2Handlers<S>) {
    this.#handlers = handlers;
    this.#client = options.role === 'client';
    this.#streamWindow = options.streamWindowBytes ?? WINDOW_DEFAULT;
    this.#limits = limitsOf(options);
    this.#connectProtocol = options.connectProtocol ?? false;
    this.#streams = new StreamTable(this.#client, this.#streamWindow);
    this.#window = new ReceiveWindow(
      Math.max(WINDOW_DEFAULT, options.connectionWindowBytes ?? CONNECTION_WINDOW_DEFAULT),
    );
    this.#out = new Outbound(this.#encoder, this.#streams, {
      write: (parts) => handlers.write(this, parts),
      writable: (stream) => handlers.writable(stream),
      ended: (stream) => this.#streams.closeLocal(stream),
    });
    this.#in = this.#createInbound(options);
  }

  /** Sends the preface and our settings. Once, before anything else. */
  start(): void {
    const { frames } = this.#out;
    if (this.#client) frames.raw(H2_PREFACE);
    frames.raw(
      settingsFrame({
        ...H2_SETTINGS_INITIAL,
        enablePush: !this.#client,
        concurrentStreamsMax: this.#client ? undefined : this.#limits.concurrentStreams,
        initialWindowBytes: this.#streamWindow,
        headerListBytesMax: this.#limits.headerListBytes,
        connectProtocol: this.#connectProtocol && !this.#client,
      }),
    );
    const extra = this.#window.bytes - WINDOW_DEFAULT;
    if (extra > 0) frames.windowUpdate(0, extra);
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
    return this.#streams.peer;
  }

  /** The peer has acknowledged our settings. An owner gives it some seconds, then `goaway` with SETTINGS_TIMEOUT. */
  get settingsAcked(): boolean {
    return this.#streams.settingsAcked;
  }

  /** Body bytes of all streams that wait for windows or for the socket. */
  get pendingBytes(): number {
    return this.#streams.pendingBytes;
  }

  /** The streams that are open, or whose last bytes still wait. */
  get streams(): Iterable<H2Stream<S>> {
    return this.#streams.all();
  }

  /** Body bytes that the peer may send now, on all streams together. */
  get receiveWindow(): number {
    return this.#window.left;
  }

  /** True while {@link request} can open a stream. */
  get canRequest(): boolean {
    return !this.#failed && this.#streams.canOpen;
  }

  /** Opens a stream, or gives `undefined` when {@link canRequest} is false. Fields must be well formed. */
  request(fields: readonly string[], state: S, end: boolean): H2Stream<S> | undefined {
    if (!this.#client || !this.canRequest) return undefined;
    const stream = this.#streams.openOwn(state);
    const method = methodOf(fields);
    stream.headRequest = method === 'HEAD';
    stream.connectRequest = method === 'CONNECT';
    this.#out.headers(stream, fields, end);
    if (end) this.#streams.closeLocal(stream);
    this.#out.flush();
    return stream;
  }

  /** Sends a response head (server), informational ones with `end` false and more heads after. */
  respond(stream: H2Stream<S>, fields: readonly string[], end: boolean): void {
    if (stream.closed || stream.localClosed) return;
    this.#out.headers(stream, fields, end);
    if (end) this.#streams.closeLocal(stream);
    this.#out.flush();
  }

  /**
   * Sends body bytes; what the windows or the socket do not allow waits in the stream. The caller does not change them any more.
   * @returns false while bytes wait: the owner should hold back until `writable`.
   */
  send(stream: H2Stream<S>, bytes: Uint8Array, end: boolean): boolean {
    if (stream.closed || stream.localClosed || stream.endPending) return true;
    if (stream.pendingBytes + bytes.length > this.#limits.streamPendingBytes)
      return this.#giveUp(stream, 'stream_pending_bytes');
    if (this.#streams.pendingBytes + bytes.length > this.#limits.connectionPendingBytes)
      return this.#giveUp(stream, 'connection_pending_bytes');
    stream.endPending = end;
    this.#out.body(stream, bytes);
    this.#out.flush();
    return stream.pendingBytes === 0;
  }

  /** Ends our half with trailers, after what still waits. */
  sendTrailers(stream: H2Stream<S>, fields: readonly string[]): void {
    if (stream.closed || stream.localClosed || stream.endPending) return;
    stream.trailersPending = fields;
    stream.endPending = true;
    this.#out.body(stream, NOTHING);
    this.#out.flush();
  }

  /** Ends the stream at once in both directions; no event follows for it. */
  reset(stream: H2Stream<S>, code: number): void {
    if (stream.closed) return;
    this.#out.frames.rstStream(stream.id, code);
    this.#streams.over.addReset(stream.id);
    this.#streams.forget(stream);
    this.#out.flush();
  }

  /** Gives `bytes` of received data back to the peer's windows; also due for streams that ended meanwhile. */
  consume(stream: H2Stream<S>, bytes: number): void {
    this.#giveBack(bytes);
    stream.unannounced += bytes;
    if (!stream.closed && !stream.remoteClosed && stream.unannounced * 2 >= this.#streamWindow) {
      this.#out.frames.windowUpdate(stream.id, stream.unannounced);
      stream.receiveWindow += stream.unannounced;
      stream.unannounced = 0;
    }
    this.#out.flush();
  }

  /** `pong` follows when the peer answers. */
  ping(): void {
    if (this.#failed) return;
    this.#out.frames.ping(PING_PAYLOAD, 0, false);
    this.#out.flush();
  }

  /** The socket is full: until {@link unblock} body bytes wait here, where streams take turns, and not in the socket. */
  block(): void {
    this.#out.block();
  }

  /** The socket has room again. */
  unblock(): void {
    if (!this.#out.blocked) return;
    this.#out.unblock();
    this.#out.flush();
  }

  /**
   * Gathers what is sent until {@link uncork} into one write: for owners that turn many events of other connections into calls here. May be
   * nested.
   */
  cork(): void {
    this.#out.hold();
  }

  uncork(): void {
    this.#out.release();
  }

  /**
   * Begins to end the connection without losing a request (RFC 9113 §6.8): the peer is told to open no further streams; those that were
   * on their way are still taken, until it has answered a PING. Then {@link goaway} follows by itself. The owner closes the socket when
   * `streamCount` is 0 after that (`draining` is 'last').
   */
  drain(): void {
    if (this.#failed || this.#streams.closing || this.#draining) return;
    this.#draining = true;
    if (this.#client) return this.goaway();
    this.#out.frames.goaway(STREAM_ID_MAX, H2_ERROR.noError, '');
    this.#out.frames.ping(DRAIN_PAYLOAD, 0, false);
    this.#out.flush();
  }

  #draining = false;

  /** 'first': {@link drain} was called and streams are still taken. 'last': none is any more. */
  get draining(): 'no' | 'first' | 'last' {
    return this.#streams.closing ? 'last' : this.#draining ? 'first' : 'no';
  }

  /** Tells the peer that no further streams are taken; open ones go on. */
  goaway(code: number = H2_ERROR.noError): void {
    if (this.#streams.closing || this.#failed) return;
    this.#streams.closing = true;
    this.#out.frames.goaway(this.#streams.lastPeerId, code, '');
    this.#out.flush();
  }

  /**
   * Takes bytes from the peer, in any pieces. After `failed` they are ignored.
   * @param nowMs Monotonic time, for limits per second. A coarse one will do.
   */
  receive(chunk: Uint8Array, nowMs: number): void {
    if (this.#failed) return;
    this.#in.receive(chunk, nowMs);
  }

  /** For a tick of the owner's, each second or so: ends the connection when what its peer began does not arrive in time. */
  checkProgress(nowMs: number): void {
    if (!this.#failed) this.#in.checkProgress(nowMs, this.#limits.frameTimeoutMs);
  }

  /** The socket is gone: every stream is reset with `code`, without a word to the peer. */
  abort(code: number = H2_ERROR.cancel): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#resetAll(code, undefined);
  }

  #createInbound(options: H2Options<S>): Inbound<S> {
    return new Inbound({
      connection: this,
      owner: {
        isFailed: () => this.#failed,
        fail: (code, reason) => this.#fail(code, reason),
        consume: (stream, bytes) => this.consume(stream, bytes),
        giveBack: (bytes) => this.#giveBack(bytes),
        pinged: (bytes, from) => this.#pinged(bytes, from),
      },
      streams: this.#streams,
      out: this.#out,
      encoder: this.#encoder,
      window: this.#window,
      handlers: this.#handlers,
      limits: this.#limits,
      connectProtocol: this.#connectProtocol,
      initStream: options.initStream,
    });
  }

  #pinged(bytes: Uint8Array, from: number): boolean {
    if (isPayload(bytes, from, DRAIN_PAYLOAD)) {
      this.goaway();
      return false;
    }
    return isPayload(bytes, from, PING_PAYLOAD);
  }

  /** The owner did not heed back-pressure: the stream ends, so that memory does not. */
  #giveUp(stream: H2Stream<S>, reason: H2Reason): true {
    this.#out.frames.rstStream(stream.id, H2_ERROR.internal);
    this.#streams.over.addReset(stream.id);
    this.#streams.forget(stream);
    this.#out.flush();
    this.#handlers.reset(stream, H2_ERROR.internal, false, reason);
    return true;
  }

  #giveBack(bytes: number): void {
    const increment = this.#window.give(bytes);
    if (increment > 0 && !this.#failed) this.#out.frames.windowUpdate(0, increment);
  }

  #fail(code: number, reason: H2Reason): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#out.frames.goaway(this.#streams.lastPeerId, code, reason);
    this.#out.flushNow();
    this.#resetAll(code, reason);
    this.#handlers.failed(this, code, reason);
  }

  #resetAll(code: number, reason: H2Reason | undefined): void {
    for (const stream of this.#streams.all()) {
      this.#streams.forget(stream);
      this.#handlers.reset(stream, code, false, reason);
    }
  }
}

const NOTHING = new Uint8Array(0);
const PING_PAYLOAD = new TextEncoder().encode('meshping');
const DRAIN_PAYLOAD = new TextEncoder().encode('meshlast');

function isPayload(bytes: Uint8Array, from: number, payload: Uint8Array): boolean {
  for (let at = 0; at < 8; at += 1) if (bytes[from + at] !== payload[at]) return false;
  return true;
}

function methodOf(fields: readonly string[]): string {
  for (let at = 0; at < fields.length; at += 2) if (fields[at] === ':method') return fields[at + 1] as string;
  return '';
}

/** The limits computed last: connections of one owner have the same, and share the object. */
let lastLimits: H2Limits = H2_LIMITS_DEFAULT;

function limitsOf<S>(options: H2Options<S>): H2Limits {
  const limits = {
    ...H2_LIMITS_DEFAULT,
    ...(options.headerListBytesMax === undefined ? {} : { headerListBytes: options.headerListBytesMax }),
    ...(options.concurrentStreamsMax === undefined ? {} : { concurrentStreams: options.concurrentStreamsMax }),
    ...options.limits,
  };
  if (options.limits?.resetsPerSecond === undefined)
    limits.resetsPerSecond = Math.max(limits.resetsPerSecond, RESETS_PER_STREAM * limits.concurrentStreams);
  for (const key of LIMIT_KEYS) {
    if (limits[key] === lastLimits[key]) continue;
    lastLimits = limits;
    break;
  }
  return lastLimits;
}

const LIMIT_KEYS = Object.keys(H2_LIMITS_DEFAULT) as (keyof H2Limits)[];
/** A proxy whose client goes away gives all of its streams up at once, and the next client may go as well. */
const RESETS_PER_STREAM = 4;
