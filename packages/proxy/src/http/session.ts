/**
 * One client connection that speaks HTTP/1.1: reads requests, one exchange at a time; what a client sends ahead waits.
 *
 *   open ──last response──► closing ──client's end, or after a while──► over
 *    │                                                                   ▲
 *    └──101, CONNECT──► tunnel ──────────────────────────────────────────┘
 */
import type { Closed, Conn, Handlers } from '@mesh/net';
import { MessageReader } from '@mesh/wire';
import type { Http1Error } from '@mesh/wire';
import type { TcpCells } from '../ports.ts';
import { joinTunnel } from '../tcp/tunnel.ts';
import type { EngineSession, HttpEngine } from './engine.ts';
import { H1ClientStream } from './h1-client-stream.ts';
import { HeldHead } from './held-head.ts';
import type { FailureCode } from './rescue.ts';
import type { HttpConnection, HttpService } from './service.ts';
import { Stall } from './stall.ts';
import type { TunnelServer } from './upstream-stream.ts';

const OPEN = 0;
const CLOSING = 1;
const TUNNEL = 2;

/** After a last response the client may still be sending: reading on for this long lets it see the response. */
export const LINGER_MS = 2000;
/**
 * A client that reads slowly has the end of the response before it yet, in the buffers of the kernel, and a reset would take it away. nginx
 * lingers for as long.
 */
const SLOW_READER_MS = 30_000;

export class HttpSession implements HttpConnection, EngineSession {
  readonly conn: Conn<HttpSession>;
  readonly service: HttpService;
  readonly engine: HttpEngine;
  readonly reader: MessageReader;
  readonly tcp: TcpCells;
  /** For services that many sessions share: called when this one's connection is over. */
  onOver: ((why: Closed) => void) | undefined;
  /** The connection ends with the current exchange. */
  closeAfter: boolean;
  readonly #stream: H1ClientStream;
  #state: number;
  #clientEnded: boolean;
  #headSinceMs: number;
  #pumping: boolean;
  #linger: NodeJS.Timeout | undefined;
  #held: HeldHead | undefined;
  /** The client's buffers are full, until `drain`. */
  #blocked: boolean;
  /** How often it did again. */
  #drains: number;
  #stall: Stall | undefined;

  constructor(conn: Conn<unknown>, service: HttpService, engine: HttpEngine, tcp: TcpCells) {
    this.service = service;
    this.engine = engine;
    this.reader = new MessageReader();
    this.tcp = tcp;
    this.onOver = undefined;
    this.closeAfter = false;
    this.#state = OPEN;
    this.#clientEnded = false;
    this.#headSinceMs = 0;
    this.#pumping = false;
    this.#linger = undefined;
    this.#held = undefined;
    this.#blocked = false;
    this.#drains = 0;
    this.#stall = undefined;
    this.#stream = new H1ClientStream(this);
    this.conn = conn.handOver(SESSION_HANDLERS, this);
    engine.sessions.add(this);
  }

  /** Starts with bytes that were read before; @param ended the client sent FIN after them. */
  begin(first: Uint8Array, ended: boolean): void {
    this.#clientEnded = ended;
    if (first.length > 0) this.onData(first);
    if (ended && this.#idle) this.#close();
    else if (this.reader.unread === 0 && this.#stream.requestDone) this.conn.resume();
  }

  // ---- Called by the engine -------------------------------------------------------------------------------------

  checkHeadTimeout(nowMs: number): void {
    if (nowMs - this.#headSinceMs < this.engine.options.headTimeoutMs) return;
    this.engine.midHead.delete(this);
    this.closeAfter = true;
    // There is no request to count.
    this.#stream.cells = undefined;
    this.#stream.reject('head_timeout');
  }

  drain(): void {
    if (this.#idle && !this.reader.midHead) this.#close();
    else this.closeAfter = true;
  }

  abort(): void {
    this.conn.reset();
  }

  checkProgress(nowMs: number): void {
    this.#stream.checkProgress(nowMs);
    if (!this.#blocked && this.#stall === undefined) return;
    this.#stall ??= new Stall();
    const unreadMs = this.#stall.forMs(this.#blocked && this.#state === OPEN, this.#drains, nowMs);
    if (unreadMs < this.engine.options.unreadTimeoutMs) return;
    if (!this.#stream.exchange.idle) this.#stream.exchange.abandon('unread_timeout');
    else this.service.failed?.('unread_timeout');
    this.breakOff();
  }

  // ---- Called by the stream -------------------------------------------------------------------------------------

  /** Responses can still be written. */
  get open(): boolean {
    return this.#state === OPEN;
  }

  /** @returns false when the client should not be sent more for now. */
  write(bytes: Uint8Array): boolean {
    if (this.#held?.holds === true) return this.writev([bytes]);
    this.tcp.writeBytes.add(bytes.length);
    return this.#wrote(this.conn.write(bytes));
  }

  writev(parts: readonly Uint8Array[]): boolean {
    const head = this.#held?.take();
    const all = head === undefined ? parts : [head, ...parts];
    for (const part of all) this.tcp.writeBytes.add(part.length);
    return all.length === 0 || this.#wrote(this.conn.writev(all));
  }

  /** Writes a head to which `writev` may add in this very turn. */
  writeHead(head: Uint8Array): void {
    this.#held ??= new HeldHead((bytes) => this.write(bytes));
    this.#held.hold(head);
  }

  /** After an exchange: close, or go on with what the client sent ahead. */
  next(): void {
    if (this.closeAfter || this.#clientEnded) {
      this.#close(this.#stream.requestDone && !this.engine.draining ? SLOW_READER_MS : LINGER_MS);
      return;
    }
    // Who sends requests ahead and does not read the answers would fill the memory with them.
    if (this.#blocked) {
      this.conn.pause();
      return;
    }
    if (this.reader.unread > 0) this.#pump();
    if (this.#idle) this.conn.resume();
  }

  /** A response ends in its middle. */
  breakOff(): void {
    this.#state = CLOSING;
    this.conn.reset();
  }

  becomeTunnel(server: TunnelServer): void {
    this.#state = TUNNEL;
    this.engine.sessions.delete(this);
    joinTunnel(
      { conn: this.conn, cells: this.tcp, onClose: (why) => this.service.closed(this, why) },
      { conn: server.conn, cells: server.cells, onClose: (why) => server.onClose(why) },
      this.reader.takeRest(),
      server.rest,
    );
  }

  // ---- Called by the connection's handlers ----------------------------------------------------------------------

  onData(bytes: Uint8Array): void {
    this.tcp.readBytes.add(bytes.length);
    if (this.#state === CLOSING) return;
    this.reader.feed(bytes);
    const stream = this.#stream;
    if (stream.exchange.idle) this.#pump();
    else if (stream.requestDone) this.conn.pause();
    else stream.onBodyBytes();
  }

  onEnd(): void {
    this.#clientEnded = true;
    if (this.#state === CLOSING || this.#stream.exchange.idle) this.conn.end();
    else if (this.#stream.requestDone) this.closeAfter = true;
    else this.conn.reset();
  }

  onDrain(): void {
    this.#blocked = false;
    this.#drains += 1;
    if (this.#state === CLOSING) this.#lingerFor(SLOW_READER_MS);
    if (this.#idle) this.next();
    else this.#stream.exchange.clientDrained();
  }

  onClose(why: Closed): void {
    this.#stream.exchange.cancel();
    this.#state = CLOSING;
    clearTimeout(this.#linger);
    this.engine.sessions.delete(this);
    this.engine.midHead.delete(this);
    this.service.closed(this, why);
  }

  // ---------------------------------------------------------------------------------------------------------------

  get #idle(): boolean {
    return this.#state === OPEN && this.#stream.exchange.idle;
  }

  /** Reads heads as long as exchanges end at once. */
  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    const { reader, engine } = this;
    while (this.#idle && !this.#blocked) {
      if (!reader.readHead()) {
        if (reader.head.error !== undefined) this.#stream.beginBad(failureOf(reader.head.error));
        else if (reader.midHead && !engine.midHead.has(this)) {
          this.#headSinceMs = engine.clock.monotonic();
          engine.midHead.add(this);
        }
        break;
      }
      if (engine.midHead.size > 0) engine.midHead.delete(this);
      if (!reader.head.keepAlive || reader.head.minor === 0 || engine.draining) this.closeAfter = true;
      this.#stream.begin();
    }
    this.#pumping = false;
  }

  #wrote(more: boolean): boolean {
    if (!more) this.#blocked = true;
    return more;
  }

  #close(lingerMs: number = LINGER_MS): void {
    if (this.#state === CLOSING || this.conn.closed) return;
    this.#state = CLOSING;
    this.writev([]);
    this.conn.end();
    this.conn.resume();
    this.#lingerFor(lingerMs);
  }

  /** A client that does not end its half by then is reset; as long as bytes wait here, it has the time that readers have. */
  #lingerFor(ms: number, waitedMs = 0): void {
    clearTimeout(this.#linger);
    this.#linger = setTimeout(() => {
      const { options, draining } = this.engine;
      const mostMs = draining ? SLOW_READER_MS : options.unreadTimeoutMs;
      if (this.conn.buffered > 0 && waitedMs < mostMs) this.#lingerFor(SLOW_READER_MS, waitedMs + ms);
      else this.conn.reset();
    }, ms);
    this.#linger.unref();
  }
}

function failureOf(error: Http1Error): FailureCode {
  switch (error) {
    case 'head_too_large':
    case 'too_many_headers':
      return 'head_too_large';
    case 'bad_version':
      return 'bad_version';
    default:
      return 'bad_request';
  }
}

const SESSION_HANDLERS: Handlers<HttpSession> = {
  open() {},
  data: (conn, bytes) => conn.state.onData(bytes),
  end: (conn) => conn.state.onEnd(),
  drain: (conn) => conn.state.onDrain(),
  close: (conn, why) => conn.state.onClose(why),
};
