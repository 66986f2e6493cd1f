/**
 * One client connection that speaks HTTP/2: its streams are requests, all at the same time.
 *
 *   open ──drain──► announced ──PING answered, or time──► closing ──last stream──► over
 *     │  (GOAWAY: go elsewhere soon)      (GOAWAY: nothing above the last id)        ▲
 *     └── protocol error, client's end ──────────────────────────────────────────────┘
 */
import type { Closed, Conn, Handlers } from '@mesh/net';
import type { Timer } from '@mesh/runtime';
import { H2_ERROR, H2Connection } from '@mesh/wire';
import type { H2Handlers, H2Reason, H2Stream } from '@mesh/wire';
import type { TcpCells } from '../ports.ts';
import type { EngineSession, HttpEngine } from './engine.ts';
import { H2ClientStream } from './h2-client-stream.ts';
import { H2Socket } from './h2-socket.ts';
import { KeepAlive } from './keep-alive.ts';
import type { HttpConnection, HttpService } from './service.ts';

/** After its last stream the client may still be sending: reading on for this long lets it see the responses. */
const LINGER_MS = 2000;
/** A client that reads slowly has the end of its responses before it yet. */
const SLOW_READER_MS = 30_000;
/** RFC 9113 §6.5.3: who does not acknowledge our settings in a reasonable time is no HTTP/2 client. */
const SETTINGS_TIMEOUT_MS = 10_000;
/** A client that does not answer a PING within this hears the end without having agreed to it. */
const ANNOUNCED_MS = 1000;
export class H2Session implements HttpConnection, EngineSession, H2Handlers<H2ClientStream> {
  readonly service: HttpService;
  readonly engine: HttpEngine;
  readonly h2: H2Connection<H2ClientStream>;
  readonly socket: H2Socket<H2ClientStream>;
  onOver: ((why: Closed) => void) | undefined;
  readonly #tcp: TcpCells;
  #announced: Timer | undefined;
  #closing: boolean;
  readonly #keepAlive: KeepAlive | undefined;
  readonly #startedMs: number;
  #linger: NodeJS.Timeout | undefined;

  constructor(conn: Conn<unknown>, service: HttpService, engine: HttpEngine, tcp: TcpCells) {
    this.service = service;
    this.engine = engine;
    this.onOver = undefined;
    this.#tcp = tcp;
    this.#announced = undefined;
    this.#closing = false;
    this.#linger = undefined;
    const { server } = engine.options.http2;
    this.#startedMs = engine.clock.monotonic();
    this.#keepAlive = server.keepAlive === undefined ? undefined : new KeepAlive(server.keepAlive, this.#startedMs);
    this.h2 = new H2Connection<H2ClientStream>(
      {
        role: 'server',
        streamWindowBytes: server.streamWindowBytes,
        connectionWindowBytes: server.connectionWindowBytes,
        concurrentStreamsMax: server.streamsMax,
        limits: { frameTimeoutMs: engine.options.headTimeoutMs },
        initStream: () => new H2ClientStream(this),
      },
      this,
    );
    this.socket = new H2Socket(conn.handOver(SESSION_HANDLERS, this), this.h2, tcp, false);
    engine.sessions.add(this);
    engine.watched.add(this);
  }

  /** Starts with bytes that were read before; @param ended the client sent FIN after them. */
  begin(first: Uint8Array, ended: boolean): void {
    this.h2.start();
    if (first.length > 0) this.onBytes(first);
    if (ended) this.onEnd();
    else this.socket.conn.resume();
    if (this.engine.draining) this.drain();
  }

  // ---- Called by the engine -------------------------------------------------------------------------------------

  drain(): void {
    if (this.#closing || this.h2.draining !== 'no') return;
    this.h2.drain();
    this.#announced = this.engine.clock.after(ANNOUNCED_MS, () => {
      this.h2.goaway(H2_ERROR.noError);
      this.#closeWhenDone();
    });
  }

  abort(): void {
    this.socket.conn.reset();
  }

  checkProgress(nowMs: number): void {
    for (const stream of this.h2.streams) stream.state.checkProgress(nowMs, this.h2.receiveWindow);
  }

  tick(nowMs: number): void {
    if (!this.h2.settingsAcked && nowMs - this.#startedMs >= SETTINGS_TIMEOUT_MS) {
      this.service.failed?.('settings_missing');
      this.h2.goaway(H2_ERROR.settingsTimeout);
      this.h2.abort(H2_ERROR.settingsTimeout);
      this.#close();
      return;
    }
    this.h2.checkProgress(nowMs);
    const due = this.#keepAlive?.due(nowMs);
    if (due === 'ping') this.h2.ping();
    else if (due === 'give_up') this.abort();
  }

  // ---- Called by the streams ------------------------------------------------------------------------------------

  streamOver(): void {
    this.#closeWhenDone();
  }

  // ---- Called by the connection's handlers ----------------------------------------------------------------------

  onBytes(bytes: Uint8Array): void {
    this.#tcp.readBytes.add(bytes.length);
    if (this.#closing) return;
    const now = this.engine.clock.monotonic();
    this.#keepAlive?.heard(now);
    this.h2.receive(bytes, now);
    this.#closeWhenDone();
  }

  /** A client that ends its half of an HTTP/2 connection has left. */
  onEnd(): void {
    this.h2.abort(H2_ERROR.cancel);
    this.#close();
  }

  onClose(why: Closed): void {
    this.#closing = true;
    this.h2.abort(H2_ERROR.cancel);
    this.#announced?.cancel();
    clearTimeout(this.#linger);
    this.engine.sessions.delete(this);
    this.engine.watched.delete(this);
    this.service.closed(this, why);
  }

  // ---- Called by the HTTP/2 connection --------------------------------------------------------------------------

  write(_connection: unknown, parts: readonly Uint8Array[]): void {
    this.socket.write(parts);
  }

  headers(
    stream: H2Stream<H2ClientStream>,
    fields: readonly string[],
    kind: 'informational' | 'head' | 'trailers',
    end: boolean,
  ): void {
    if (kind === 'trailers') stream.state.onTrailers(fields);
    else stream.state.onHead(stream, fields, end);
  }

  data(stream: H2Stream<H2ClientStream>, bytes: Uint8Array, end: boolean): void {
    stream.state.onData(bytes, end);
  }

  reset(stream: H2Stream<H2ClientStream>, _code: number, _byPeer: boolean, reason: H2Reason | undefined): void {
    if (reason !== undefined) this.service.failed?.(reason);
    stream.state.onReset();
  }

  writable(stream: H2Stream<H2ClientStream>): void {
    stream.state.onWritable();
  }

  /** What the client says about streams that we would open: none. */
  goaway(): void {}

  pong(): void {}

  settings(): void {}

  failed(_connection: unknown, code: number, reason: H2Reason): void {
    this.service.failed?.(reason);
    this.engine.logger.debug('client broke HTTP/2', { code, reason, peer: this.socket.conn.remote });
    this.#close();
  }

  refused(_connection: unknown, reason: H2Reason): void {
    this.service.failed?.(reason);
  }

  // ---------------------------------------------------------------------------------------------------------------

  #closeWhenDone(): void {
    if (this.h2.draining === 'last' && this.h2.streamCount === 0) this.#close();
  }

  #close(): void {
    if (this.#closing || this.socket.conn.closed) return;
    this.#closing = true;
    this.#announced?.cancel();
    this.socket.end();
    this.socket.conn.resume();
    this.#lingerFor(SLOW_READER_MS);
  }

  /** @param leftMs As long as bytes wait here, the client has so much more time to read them. */
  #lingerFor(leftMs: number): void {
    this.#linger = setTimeout(() => {
      if (this.socket.conn.buffered > 0 && leftMs > 0) this.#lingerFor(leftMs - LINGER_MS);
      else this.socket.conn.reset();
    }, LINGER_MS);
    this.#linger.unref();
  }
}

const SESSION_HANDLERS: Handlers<H2Session> = {
  open() {},
  data: (conn, bytes) => conn.state.onBytes(bytes),
  end: (conn) => conn.state.onEnd(),
  drain: (conn) => conn.state.socket.drained(),
  close: (conn, why) => conn.state.onClose(why),
};
