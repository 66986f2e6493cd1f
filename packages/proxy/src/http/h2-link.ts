/**
 * One HTTP/2 connection to an endpoint, shared by the requests of all clients.
 *
 *   dialling ──► open ──GOAWAY, retired, drained──► leaving ──last stream──► over
 *                 │ silence: PING ──no answer──► over, its streams lost         ▲
 *                 └── idle for long ────────────────────────────────────────────┘
 */
import type { Closed, ConnectTarget, Conn, Handlers, PeerInfo } from '@mesh/net';
import { H2_ERROR, H2Connection } from '@mesh/wire';
import type { H2Handlers, H2Reason, H2Settings, H2Stream } from '@mesh/wire';
import { isExpectedPeer } from '../connect/connect-plan.ts';
import type { HttpEngine } from './engine.ts';
import type { H2Pool } from './h2-pool.ts';
import { H2Socket } from './h2-socket.ts';
import { KeepAlive } from './keep-alive.ts';
import { ResetGuard } from './reset-guard.ts';
import type { H2Upstream } from './h2-upstream.ts';

/** A server that does not end its half is not waited for. */
const CLOSE_TIMEOUT_MS = 1000;

export class H2Link implements H2Handlers<H2Upstream> {
  readonly pool: H2Pool;
  readonly h2: H2Connection<H2Upstream>;
  readonly socket: H2Socket<H2Upstream>;
  /** It carried a request: the server may have gone meanwhile. */
  used: boolean;
  readonly #engine: HttpEngine;
  #opened: boolean;
  #leaving: boolean;
  #over: boolean;
  #settings: boolean;
  #idleSinceMs: number;
  readonly #keepAlive: KeepAlive;
  readonly #pingsIdle: boolean;
  #heldBytes: number;
  readonly #heldBytesMax: number;
  #resets: ResetGuard | undefined;

  /** Dials at once. */
  constructor(pool: H2Pool, engine: HttpEngine, target: ConnectTarget) {
    this.pool = pool;
    this.used = false;
    this.#engine = engine;
    this.#opened = false;
    this.#leaving = false;
    this.#over = false;
    this.#settings = false;
    this.#idleSinceMs = 0;
    const { client } = engine.options.http2;
    const wanted = pool.slot.endpoint.http2;
    const keepAlive = wanted?.keepAlive ?? client.keepAlive;
    this.#pingsIdle = keepAlive.whileIdle;
    this.#heldBytes = 0;
    this.#heldBytesMax = (wanted?.connectionWindowBytes ?? client.connectionWindowBytes) / 2;
    this.#resets = undefined;
    this.#keepAlive = new KeepAlive(keepAlive, 0);
    this.h2 = new H2Connection<H2Upstream>(
      {
        role: 'client',
        streamWindowBytes: wanted?.streamWindowBytes ?? client.streamWindowBytes,
        connectionWindowBytes: wanted?.connectionWindowBytes ?? client.connectionWindowBytes,
        limits: { frameTimeoutMs: engine.options.headTimeoutMs },
      },
      this,
    );
    this.socket = new H2Socket(engine.driver.connect(target, LINK_HANDLERS, this), this.h2, pool.slot.cells.tcp, true);
  }

  /** The socket is up, and nothing is known to be wrong with it. */
  get open(): boolean {
    return this.#opened && !this.#over;
  }

  get opened(): boolean {
    return this.#opened;
  }

  /** The server has not said yet how many streams it takes. */
  get unsettled(): boolean {
    return this.open && !this.#leaving && !this.#settings;
  }

  /** No new requests: it ends with its last stream. */
  get leaving(): boolean {
    return this.#leaving || this.#over;
  }

  /** A request can be sent at once. */
  get canTake(): boolean {
    if (!this.#opened || this.#leaving || this.#over || !this.h2.canRequest) return false;
    // Clients that do not read hold much of the window that all share: who comes now would wait for them.
    if (this.#heldBytes > this.#heldBytesMax) return false;
    return this.#settings || this.h2.streamCount < this.pool.streamsUntilSettings;
  }

  /** Response bytes were received that no client has taken yet; negative: they were taken. */
  holds(bytes: number): void {
    this.#heldBytes += bytes;
    if (bytes < 0 && this.pool.queue.waiting > 0) this.pool.serve();
  }

  request(fields: readonly string[], up: H2Upstream, end: boolean): H2Stream<H2Upstream> | undefined {
    this.used = true;
    return this.socket.out.request(fields, up, end);
  }

  streamOver(): void {
    if (this.h2.streamCount === 0) this.#idleSinceMs = this.#engine.clock.monotonic();
    this.pool.serve();
    this.#closeWhenDone();
  }

  /** Ends a stream that nobody wants any more. */
  giveUp(stream: H2Stream<H2Upstream>): void {
    this.socket.out.reset(stream, H2_ERROR.cancel);
    // Proxies give streams up themselves, and know why others do.
    if (this.pool.slot.plan.tls !== undefined) return;
    const now = this.#engine.clock.monotonic();
    this.#resets ??= new ResetGuard(now);
    if (!this.#resets.count(now)) this.retire();
  }

  /** No new requests; it ends with its last stream. */
  retire(): void {
    this.#leaving = true;
    this.#closeWhenDone();
  }

  /** Nothing new comes from clients; what is under way may still need streams. */
  engineDrains(): void {
    this.#closeWhenDone();
  }

  /** Ends the connection and its streams now. */
  destroy(): void {
    if (this.#over) return;
    this.#over = true;
    this.h2.abort(H2_ERROR.cancel);
    this.socket.conn.reset();
  }

  /** Called every second or so. */
  tick(nowMs: number): void {
    if (!this.open) return;
    this.h2.checkProgress(nowMs);
    if (!this.open) return;
    const { idleTimeoutMs } = this.#engine.options.http2.client;
    if (this.h2.streamCount === 0 && nowMs - this.#idleSinceMs >= idleTimeoutMs) {
      this.retire();
      return;
    }
    if (this.h2.streamCount === 0 && !this.#pingsIdle) {
      // Silence counts from when there is somebody to be silent to.
      this.#keepAlive.heard(nowMs);
      return;
    }
    const due = this.#keepAlive.due(nowMs);
    if (due === 'ping') this.h2.ping();
    else if (due === 'give_up') this.destroy();
  }

  // ---- Called by the connection's handlers ----------------------------------------------------------------------

  onOpen(): void {
    const now = this.#engine.clock.monotonic();
    this.#opened = true;
    this.#keepAlive.heard(now);
    this.#idleSinceMs = now;
    const preface = this.pool.slot.plan.http2Preface;
    if (preface.length > 0) this.socket.write([preface]);
    this.socket.out.start();
    this.pool.onOpen(this);
  }

  onBytes(bytes: Uint8Array): void {
    const now = this.#engine.clock.monotonic();
    this.#keepAlive.heard(now);
    this.pool.slot.cells.tcp.readBytes.add(bytes.length);
    if (this.#over) return;
    this.h2.receive(bytes, now);
    this.#closeWhenDone();
  }

  onEnd(): void {
    if (this.#over) return;
    this.#over = true;
    this.h2.abort(H2_ERROR.cancel);
    this.socket.end();
  }

  onClose(why: Closed): void {
    this.#over = true;
    this.h2.abort(H2_ERROR.cancel);
    this.pool.onClose(this, why);
  }

  // ---- Called by the HTTP/2 connection --------------------------------------------------------------------------

  write(_connection: unknown, parts: readonly Uint8Array[]): void {
    this.socket.write(parts);
  }

  headers(
    stream: H2Stream<H2Upstream>,
    fields: readonly string[],
    kind: 'informational' | 'head' | 'trailers',
    end: boolean,
  ): void {
    stream.state.onHeaders(fields, kind, end);
  }

  data(stream: H2Stream<H2Upstream>, bytes: Uint8Array, end: boolean): void {
    stream.state.onData(bytes, end);
  }

  reset(stream: H2Stream<H2Upstream>, code: number, byPeer: boolean): void {
    stream.state.onReset(code, byPeer);
  }

  writable(stream: H2Stream<H2Upstream>): void {
    stream.state.onWritable();
  }

  /** Streams that the server did not process were reset before this: their requests are on their way elsewhere. */
  goaway(): void {
    this.#leaving = true;
    this.pool.serve();
  }

  pong(): void {}

  settings(_connection: unknown, { concurrentStreamsMax }: H2Settings): void {
    this.#settings = true;
    this.pool.learnStreams(concurrentStreamsMax);
    this.pool.serve();
  }

  /** The server broke the protocol: every stream was reset, and GOAWAY written. */
  failed(_connection: unknown, code: number, reason: H2Reason): void {
    this.#engine.logger.debug('server broke HTTP/2', { code, reason, endpoint: this.pool.slot.endpoint.address });
    this.#over = true;
    this.#end();
  }

  // ---------------------------------------------------------------------------------------------------------------

  #closeWhenDone(): void {
    if (this.#over || !this.#opened || this.h2.streamCount > 0) return;
    if (!this.#leaving && !this.#engine.draining) return;
    this.#over = true;
    this.socket.out.goaway(H2_ERROR.noError);
    this.#end();
  }

  #end(): void {
    const { conn } = this.socket;
    this.socket.end();
    conn.resume();
    this.#engine.clock.after(CLOSE_TIMEOUT_MS, () => conn.reset());
  }
}

/** The pool hears how it went: `onOpen`, or `onClose`. */
export function dialLink(pool: H2Pool, engine: HttpEngine, target: ConnectTarget): H2Link {
  return new H2Link(pool, engine, target);
}

const LINK_HANDLERS: Handlers<H2Link> = {
  secure(conn: Conn<H2Link>, peer: PeerInfo): void {
    if (!isExpectedPeer(conn.state.pool.slot.plan, peer)) conn.reset();
  },
  open: (conn) => conn.state.onOpen(),
  data: (conn, bytes) => conn.state.onBytes(bytes),
  end: (conn) => conn.state.onEnd(),
  drain: (conn) => conn.state.socket.drained(),
  close: (conn, why) => conn.state.onClose(why),
};
