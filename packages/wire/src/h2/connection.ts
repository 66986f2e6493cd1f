/**
 * An HTTP/2 connection without I/O, RFC 9113: bytes in, events out; either role.
 *
 * The owner feeds {@link H2Connection.receive} and gets events through one shared {@link H2Handlers}; whatever is to be sent
 * leaves through `handlers.write` in the order of the calls, gathered per call into one list of parts. Nothing here waits:
 * timeouts, keep-alive and graceful shutdown are the owner's, made of `ping`, `goaway` and `reset`.
 */
import { HPACK_LIST_BYTES_DEFAULT } from '../hpack/decoder.ts';
import { HpackEncoder } from '../hpack/encoder.ts';
import { H2_ERROR, H2_PREFACE, WINDOW_DEFAULT } from './codes.ts';
import { goawayFrame, pingFrame, rstStreamFrame, windowUpdateFrame } from './frame.ts';
import type { H2Handlers, H2Options } from './handlers.ts';
import { Inbound } from './inbound.ts';
import { Outbound } from './outbound.ts';
import { ReceiveWindow } from './receive-window.ts';
import { H2_SETTINGS_INITIAL, settingsFrame } from './settings.ts';
import type { H2Settings } from './settings.ts';
import { StreamTable } from './stream-table.ts';
import type { H2Stream } from './stream.ts';

const CONNECTION_WINDOW_DEFAULT = 1_048_576;
const STREAMS_MAX_DEFAULT = 100;

export class H2Connection<S> {
  readonly #handlers: H2Handlers<S>;
  readonly #client: boolean;
  readonly #encoder = new HpackEncoder();
  readonly #streams: StreamTable<S>;
  readonly #window: ReceiveWindow;
  readonly #out: Outbound<S>;
  readonly #in: Inbound<S>;
  readonly #streamWindow: number;
  readonly #listBytesMax: number;
  readonly #streamsMax: number;
  #failed = false;

  constructor(options: H2Options<S>, handlers: H2Handlers<S>) {
    this.#handlers = handlers;
    this.#client = options.role === 'client';
    this.#streamWindow = options.streamWindowBytes ?? WINDOW_DEFAULT;
    this.#listBytesMax = options.headerListBytesMax ?? HPACK_LIST_BYTES_DEFAULT;
    this.#streamsMax = options.concurrentStreamsMax ?? STREAMS_MAX_DEFAULT;
    this.#streams = new StreamTable(this.#client, this.#streamWindow);
    this.#window = new ReceiveWindow(
      Math.max(WINDOW_DEFAULT, options.connectionWindowBytes ?? CONNECTION_WINDOW_DEFAULT),
    );
    this.#out = new Outbound(this.#encoder, (parts) => handlers.write(this, parts));
    this.#in = this.#createInbound(options);
  }

  /** Sends the preface and our settings. Once, before anything else. */
  start(): void {
    if (this.#client) this.#out.put(H2_PREFACE.slice());
    this.#out.put(
      settingsFrame({
        ...H2_SETTINGS_INITIAL,
        enablePush: !this.#client,
        concurrentStreamsMax: this.#client ? undefined : this.#streamsMax,
        initialWindowBytes: this.#streamWindow,
        headerListBytesMax: this.#listBytesMax,
      }),
    );
    const extra = this.#window.bytes - WINDOW_DEFAULT;
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
    return this.#streams.peer;
  }

  /** True while {@link request} can open a stream. */
  get canRequest(): boolean {
    return !this.#failed && this.#streams.canOpen;
  }

  /** Opens a stream, or gives `undefined` when {@link canRequest} is false. Fields must be well formed. */
  request(fields: readonly string[], state: S, end: boolean): H2Stream<S> | undefined {
    if (!this.#client || !this.canRequest) return undefined;
    const stream = this.#streams.openOwn(state);
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
    this.#streams.forget(stream);
    this.#out.flush();
  }

  /** Gives `bytes` of received data back to the peer's windows; also due for streams that ended meanwhile. */
  consume(stream: H2Stream<S>, bytes: number): void {
    this.#giveBack(bytes);
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
    if (this.#streams.closing || this.#failed) return;
    this.#streams.closing = true;
    this.#out.put(goawayFrame(this.#streams.lastPeerId, code));
    this.#out.flush();
  }

  /** Takes bytes from the peer, in any pieces. After `failed` they are ignored. */
  receive(chunk: Uint8Array): void {
    if (this.#failed) return;
    this.#in.receive(chunk);
  }

  /** The socket is gone: every stream is reset with `code`, without a word to the peer. */
  abort(code: number = H2_ERROR.cancel): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#resetAll(code);
  }

  #createInbound(options: H2Options<S>): Inbound<S> {
    return new Inbound(
      this,
      {
        isFailed: () => this.#failed,
        fail: (code) => this.#fail(code),
        pump: (stream) => this.#pump(stream),
        pumpAll: () => this.#pumpAll(),
        consume: (stream, bytes) => this.consume(stream, bytes),
        giveBack: (bytes) => this.#giveBack(bytes),
      },
      {
        streams: this.#streams,
        out: this.#out,
        encoder: this.#encoder,
        window: this.#window,
        handlers: this.#handlers,
        headerListBytesMax: this.#listBytesMax,
        streamsMax: this.#streamsMax,
        initStream: options.initStream,
      },
    );
  }

  #pumpAll(): void {
    for (const stream of this.#streams.all()) {
      if (this.#out.window <= 0) return;
      this.#pump(stream);
    }
  }

  /** Sends what waits and fits; tells the owner when nothing waits any more. */
  #pump(stream: H2Stream<S>): void {
    if (stream.localClosed) return;
    const waited = stream.pendingBytes > 0;
    if (this.#out.body(stream)) this.#streams.closeLocal(stream);
    if (waited && stream.pendingBytes === 0 && !stream.closed && !stream.localClosed) this.#handlers.writable(stream);
  }

  #giveBack(bytes: number): void {
    const increment = this.#window.give(bytes);
    if (increment > 0 && !this.#failed) this.#out.put(windowUpdateFrame(0, increment));
  }

  #fail(code: number): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#out.put(goawayFrame(this.#streams.lastPeerId, code));
    this.#out.flush();
    this.#resetAll(code);
    this.#handlers.failed(this, code);
  }

  #resetAll(code: number): void {
    for (const stream of this.#streams.all()) {
      this.#streams.forget(stream);
      this.#handlers.reset(stream, code, false);
    }
  }
}

const PING_PAYLOAD = new TextEncoder().encode('meshping');
