/**
 * One client connection that speaks HTTP/1.1: reads requests, has them routed, copies bytes to an upstream
 * connection and back. One exchange at a time; what a client sends ahead waits.
 *
 *   idle ──head──► waiting ──upstream──► active ──response done──► idle
 *    │                │ refused             │ 101, CONNECT            │ close
 *    │                ▼                     ▼                         ▼
 *    └──────────► response made here      tunnel                   closing
 */
import type { Closed, Conn, Handlers } from '@mesh/net';
import { FRAMING, headerBit, HEADER, MessageReader, METHOD, unchanged, writeHead } from '@mesh/wire';
import type { HeadEdits, Http1Error, Http1Head } from '@mesh/wire';
import type { Dispatcher, EndpointSlot, Waiter } from '../balance/endpoint-slot.ts';
import type { HttpCells, TcpCells } from '../ports.ts';
import { joinTunnel } from '../tcp/tunnel.ts';
import type { HttpEngine } from './engine.ts';
import { neverDelivered, rescue } from './rescue.ts';
import type { FailureCode } from './rescue.ts';
import type { Upstream } from './upstream-pool.ts';

const IDLE = 0;
const WAITING = 1;
const ACTIVE = 2;
const CLOSING = 3;
const TUNNEL = 4;

/** Connect failures and stale connections together; each try asks the balancer anew. */
const ATTEMPTS_MAX = 5;
/** Endpoints that said that their program is down; each of them is asked once. */
const TRIED_MAX = 16;
/** How often a request leaves an endpoint whose connection takes long: where all are far away, moving on gains nothing. */
const MOVES_MAX = 2;
const INTERIM_MAX = 16;
/** After a last response the client may still be sending: reading on for this long lets it see the response. */
const LINGER_MS = 2000;

const NOTHING: Uint8Array = new Uint8Array(0);
const CONNECTION_CLOSE = Buffer.from('connection: close\r\n');
const IDEMPOTENT: ReadonlySet<number> = new Set([METHOD.get, METHOD.head, METHOD.options, METHOD.put, METHOD.delete]);

/** What decides about requests of a session. */
export interface HttpService {
  /** Looks at `session.head` and calls `session.dispatch` or `session.reject`, at once. */
  route(session: HttpSession): void;
  /** Fields to drop from requests (bits of kinds), and whole lines to add. */
  readonly requestDrop: number;
  readonly requestAdd: Uint8Array;
  readonly responseDrop: number;
  /** Responses made here tell the client why. */
  readonly details: boolean;
  /** The client is a proxy that authenticated itself: it may send elsewhere what did not get through here. */
  readonly servesProxies: boolean;
  /** A response was made here: for the error counters. */
  failed?(code: FailureCode): void;
  /** The connection is over. */
  closed(session: HttpSession, why: Closed): void;
}

/** Response fields from one proxy to the next: they go no further, and no program can make one up. */
export const HOP_FIELDS: number = headerBit(HEADER.proxyConnectionL5d) | headerBit(HEADER.undelivered);

export class HttpSession implements Waiter {
  readonly conn: Conn<HttpSession>;
  readonly service: HttpService;
  readonly engine: HttpEngine;
  readonly reader: MessageReader;
  readonly tcp: TcpCells;
  /** Cells of this request: from the service, or else of the endpoint. */
  cells: HttpCells | undefined;
  /** For services that many sessions share: called when this one's connection is over. */
  onOver: ((why: Closed) => void) | undefined;
  #phase: number;
  #dispatcher: Dispatcher | undefined;
  #slot: EndpointSlot | undefined;
  #up: Upstream | undefined;
  #pooled: boolean;
  /** What of the request's body came with its head. */
  #firstBody: Uint8Array;
  /** The request was complete when its head was: it can be sent again as it is. */
  #wholeAtOnce: boolean;
  #requestDone: boolean;
  #responseStarted: boolean;
  #interim: number;
  #clientEnded: boolean;
  #closeAfter: boolean;
  #attempts: number;
  /** Tries of this request of which a program may have seen something. */
  #deliveries: number;
  #tried: Set<string> | undefined;
  #moves: number;
  #startedAtMs: number;
  #sentAtMs: number;
  #latencyMs: number;
  #status: number;
  #headSinceMs: number;
  #pumping: boolean;
  #timer: NodeJS.Timeout | undefined;

  constructor(conn: Conn<unknown>, service: HttpService, engine: HttpEngine, tcp: TcpCells) {
    this.service = service;
    this.engine = engine;
    this.reader = new MessageReader();
    this.tcp = tcp;
    this.cells = undefined;
    this.onOver = undefined;
    this.#phase = IDLE;
    this.#dispatcher = undefined;
    this.#slot = undefined;
    this.#up = undefined;
    this.#pooled = false;
    this.#firstBody = NOTHING;
    this.#wholeAtOnce = false;
    this.#requestDone = true;
    this.#responseStarted = false;
    this.#interim = 0;
    this.#clientEnded = false;
    this.#closeAfter = false;
    this.#attempts = 0;
    this.#deliveries = 0;
    this.#tried = undefined;
    this.#moves = 0;
    this.#startedAtMs = 0;
    this.#sentAtMs = 0;
    this.#latencyMs = 0;
    this.#status = 0;
    this.#headSinceMs = 0;
    this.#pumping = false;
    this.#timer = undefined;
    this.conn = conn.handOver(SESSION_HANDLERS, this);
    engine.sessions.add(this);
  }

  /** Starts with bytes that were read before; @param ended the client sent FIN after them. */
  begin(first: Uint8Array, ended: boolean): void {
    this.#clientEnded = ended;
    if (first.length > 0) this.onData(first);
    if (ended && this.#phase === IDLE) this.#close();
    else if (this.reader.unread === 0 && this.#requestDone) this.conn.resume();
  }

  get head(): Http1Head {
    return this.reader.head;
  }

  // ---- For the service ------------------------------------------------------------------------------------------

  /** Sends the current request to an endpoint of `dispatcher`. @param timeoutMs Whole exchange; undefined: no limit. */
  dispatch(dispatcher: Dispatcher, timeoutMs: number | undefined): void {
    this.#dispatcher = dispatcher;
    if (timeoutMs !== undefined && this.#timer === undefined) {
      this.#timer = setTimeout(() => this.#abandon('request_timeout'), timeoutMs);
    }
    dispatcher.acquire(this);
  }

  /** Answers the current request here. @param status Instead of the code's own. */
  reject(code: FailureCode, status?: number): void {
    if (this.#phase !== WAITING && this.#phase !== ACTIVE && this.#phase !== IDLE) return;
    const { details, servesProxies } = this.service;
    const undelivered = servesProxies && this.#deliveries === 0 && neverDelivered(code);
    const answered = rescue(code, details, !this.#requestDone || this.#closeAfter, status, undelivered);
    this.cells?.response(answered.status, answered.status < 500, this.#elapsed(), code);
    this.service.failed?.(code);
    this.#write(answered.bytes);
    this.#endExchange();
    if (answered.close) this.#closeAfter = true;
    this.#next();
  }

  // ---- Waiter ---------------------------------------------------------------------------------------------------

  get tried(): ReadonlySet<string> | undefined {
    return this.#tried;
  }

  assigned(slot: EndpointSlot): void {
    this.#slot = slot;
    this.cells ??= slot.cells.http;
    this.#attempts += 1;
    slot.ewma.start();
    this.#pooled = true;
    slot.pool.request(this);
  }

  refused(code: FailureCode): void {
    this.reject(code);
  }

  rerouted(): void {
    // The next endpoint counts with its own cells.
    this.cells = undefined;
    this.service.route(this);
  }

  // ---- Called by the pool ---------------------------------------------------------------------------------------

  /** The connection for this exchange. */
  attach(up: Upstream): void {
    const conn = up.conn;
    if (conn === undefined || this.#slot === undefined) return;
    this.#pooled = false;
    this.#up = up;
    up.session = this;
    this.cells?.requestTotal.add(1);
    const { head } = this;
    up.reader.expectResponse(head.method);
    this.#sentAtMs = this.#attempts === 1 && up.reused ? this.#startedAtMs : this.engine.clock.monotonic();
    this.#phase = ACTIVE;
    this.#deliveries += 1;
    const more = this.#writeRequest(conn, head, this.#slot.plan.authority);
    if (!this.#requestDone && more) this.conn.resume();
  }

  connectFailed(why: Closed): void {
    this.#pooled = false;
    this.#slot?.ewma.finish(undefined, 0);
    this.#slot = undefined;
    const dispatcher = this.#dispatcher;
    // While others are ready nothing is lost by asking them: the request went nowhere yet.
    const most = dispatcher?.hasReady(undefined) === true ? TRIED_MAX : ATTEMPTS_MAX;
    if (dispatcher?.retriesConnects === true && this.#attempts < most) {
      this.rerouted();
      return;
    }
    this.reject(why.kind === 'timeout' ? 'connect_timeout' : 'connect');
  }

  /** The connection that it waits for takes long: it goes to another endpoint, if one is ready. */
  connectSlow(): void {
    const slot = this.#slot;
    const dispatcher = this.#dispatcher;
    if (slot === undefined || dispatcher?.retriesConnects !== true || this.#moves >= MOVES_MAX) return;
    if (!dispatcher.hasQuick(new Set(this.#tried).add(slot.program))) return;
    this.#moves += 1;
    this.#detach();
    this.rerouted();
  }

  /** Discovery took the endpoint away while a connection to it was being opened. */
  endpointGone(): void {
    if (this.#dispatcher?.retriesConnects !== true) return;
    this.#attempts -= 1;
    this.#detach();
    this.rerouted();
  }

  upstreamDrained(): void {
    if (!this.#requestDone) this.conn.resume();
  }

  /** FIN from the server in the middle of an exchange: the end of a body that ends so, else a loss. */
  upstreamEnded(up: Upstream): void {
    if (this.#responseStarted && up.reader.body.endsWithConnection) this.#finishResponse(up);
    else this.upstreamLost(up);
  }

  upstreamLost(up: Upstream): void {
    if (this.#up !== up) return;
    this.#up = undefined;
    const slot = this.#slot;
    // With the response's head its sample was taken and the request no longer counted as pending.
    if (!this.#responseStarted) slot?.ewma.finish(undefined, 0);
    this.#slot = undefined;
    up.pool.discard(up);
    if (this.#responseStarted) {
      this.cells?.response(this.#status, false, this.#latencyMs, 'io');
      this.engine.inFlight -= 1;
      this.#phase = CLOSING;
      this.conn.reset();
      return;
    }
    const again = up.reused && this.#wholeAtOnce && this.#interim === 0 && IDEMPOTENT.has(this.head.method);
    if (again && this.#attempts < ATTEMPTS_MAX) {
      // What may be repeated here may be repeated elsewhere (RFC 9110 §9.2.2).
      this.#deliveries -= 1;
      this.#phase = WAITING;
      this.rerouted();
      return;
    }
    this.reject('io');
  }

  /** The upstream's reader was fed. */
  onResponseBytes(up: Upstream): void {
    const { reader } = up;
    do {
      if (!this.#responseStarted) {
        if (!reader.readHead()) {
          if (reader.head.error !== undefined) this.#badResponse(up);
          return;
        }
        if (!this.#onResponseHead(up)) {
          if (this.#up !== up) return;
          continue;
        }
      } else {
        const from = reader.at;
        const end = reader.readBody();
        if (end < 0) {
          this.upstreamLost(up);
          return;
        }
        if (end > from)
          this.#toClient(
            up,
            from === 0 && end === reader.bytes.length ? reader.bytes : reader.bytes.subarray(from, end),
          );
      }
      if (reader.body.done) {
        this.#finishResponse(up);
        return;
      }
    } while (reader.unread > 0);
  }

  // ---- Called by the engine -------------------------------------------------------------------------------------

  checkHeadTimeout(nowMs: number): void {
    if (nowMs - this.#headSinceMs < this.engine.options.headTimeoutMs) return;
    this.engine.midHead.delete(this);
    this.#closeAfter = true;
    this.reject('head_timeout');
  }

  drain(): void {
    if (this.#phase === IDLE && !this.reader.midHead) this.#close();
    else this.#closeAfter = true;
  }

  // ---- Called by the connection's handlers ----------------------------------------------------------------------

  onData(bytes: Uint8Array): void {
    this.tcp.readBytes.add(bytes.length);
    if (this.#phase === CLOSING) return;
    this.reader.feed(bytes);
    if (this.#phase === IDLE) this.#pump();
    else if (this.#requestDone) this.conn.pause();
    else this.#onBodyBytes();
  }

  onEnd(): void {
    this.#clientEnded = true;
    if (this.#phase === IDLE || this.#phase === CLOSING) this.conn.end();
    else if (this.#requestDone) this.#closeAfter = true;
    else this.conn.reset();
  }

  onDrain(): void {
    this.#up?.conn?.resume();
  }

  onClose(why: Closed): void {
    const up = this.#up;
    const busy = this.#phase === WAITING || this.#phase === ACTIVE;
    if (busy) {
      this.#detach();
      this.#endExchange();
      if (up !== undefined) up.pool.discard(up);
    }
    this.#phase = CLOSING;
    clearTimeout(this.#timer);
    this.engine.sessions.delete(this);
    this.engine.midHead.delete(this);
    this.service.closed(this, why);
  }

  // ---------------------------------------------------------------------------------------------------------------

  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    const { reader } = this;
    while (this.#phase === IDLE) {
      if (!reader.readHead()) {
        if (reader.head.error !== undefined) this.#badRequest(reader.head.error);
        else if (reader.midHead && !this.engine.midHead.has(this)) {
          this.#headSinceMs = this.engine.clock.monotonic();
          this.engine.midHead.add(this);
        }
        break;
      }
      this.#begin();
    }
    this.#pumping = false;
  }

  /** A head is complete. */
  #begin(): void {
    const { reader, engine } = this;
    if (engine.midHead.size > 0) engine.midHead.delete(this);
    this.#phase = WAITING;
    this.cells = undefined;
    this.#attempts = 0;
    this.#deliveries = 0;
    this.#tried = undefined;
    this.#moves = 0;
    this.#interim = 0;
    this.#responseStarted = false;
    this.#status = 0;
    this.#startedAtMs = engine.clock.monotonic();
    if (!reader.head.keepAlive || reader.head.minor === 0 || engine.draining) this.#closeAfter = true;
    engine.inFlight += 1;
    const from = reader.at;
    const end = reader.readBody();
    this.#requestDone = reader.body.done;
    this.#wholeAtOnce = this.#requestDone;
    if (end < 0) {
      this.reject('bad_request');
      return;
    }
    this.#firstBody = end > from ? reader.bytes.subarray(from, end) : NOTHING;
    if (!this.#requestDone || reader.unread > 0) this.conn.pause();
    if (engine.inFlight > engine.options.inFlightMax) this.reject('overloaded');
    else this.service.route(this);
  }

  #writeRequest(conn: Conn<Upstream>, head: Http1Head, authority: Uint8Array | undefined): boolean {
    const edits: HeadEdits = { drop: this.service.requestDrop, add: this.service.requestAdd, authority };
    const body = this.#firstBody;
    let more: boolean;
    let length: number;
    if (unchanged(head, edits) && adjacent(head, body)) {
      const bytes = wholeOrPart(head.bytes, head.start, head.end + body.length);
      length = bytes.length;
      more = conn.write(bytes);
    } else {
      const bytes = writeHead(head, edits, body);
      length = bytes.length;
      more = conn.write(bytes);
    }
    this.#slot?.cells.tcp.writeBytes.add(length);
    return more;
  }

  /** More of the request's body, while it is being sent. */
  #onBodyBytes(): void {
    const { reader } = this;
    const up = this.#up;
    const from = reader.at;
    const end = reader.readBody();
    if (end < 0 || up?.conn === undefined) {
      this.#abandon('bad_request');
      return;
    }
    this.#requestDone = reader.body.done;
    this.#slot?.cells.tcp.writeBytes.add(end - from);
    const more = up.conn.write(wholeOrPart(reader.bytes, from, end));
    if ((!more && !this.#requestDone) || reader.unread > 0) this.conn.pause();
  }

  /** True when a final head went to the client; false after an interim one, or when the exchange left this path. */
  #onResponseHead(up: Upstream): boolean {
    const { head } = up.reader;
    const request = this.head;
    const { status } = head;
    const tunnel =
      status === 101
        ? request.upgrade && head.upgrade
        : request.method === METHOD.connect && status >= 200 && status < 300;
    if (tunnel) {
      this.#startTunnel(up);
      return false;
    }
    if (status < 200) {
      this.#interim += 1;
      if (status === 101 || this.#interim > INTERIM_MAX) this.#badResponse(up);
      else if (request.minor === 1)
        this.#write(writeHead(head, { drop: this.service.responseDrop, add: NOTHING, authority: undefined }, NOTHING));
      return false;
    }
    if (head.has(HEADER.undelivered) && this.#sendElsewhere(up)) return false;
    if (head.framing === FRAMING.chunked && request.minor === 0) {
      this.#badResponse(up);
      return false;
    }
    this.#status = status;
    this.#responseStarted = true;
    const now = this.engine.clock.monotonic();
    this.#latencyMs = now - this.#startedAtMs;
    if (this.#slot !== undefined) {
      this.#slot.ewma.finish(now - this.#sentAtMs, now);
      if (!head.has(HEADER.undelivered)) this.#slot.rests = 0;
    }
    up.keepAlive = head.keepAlive && head.framing !== FRAMING.close;
    if (head.framing === FRAMING.close || head.minor === 0) this.#closeAfter = true;
    this.#writeResponseHead(up, head);
    return true;
  }

  /**
   * The peer's proxy says that the program behind it saw nothing of the request: the endpoint rests for a moment, and the
   * request goes to another if it can be sent again. False: the answer stands.
   */
  #sendElsewhere(up: Upstream): boolean {
    const slot = this.#slot;
    // Only a proxy whose certificate was checked is believed: any other server could make clients repeat requests.
    if (slot?.plan.tls === undefined || this.#up !== up) return false;
    this.#deliveries -= 1;
    slot.owner.undelivered(slot);
    this.#tried ??= new Set();
    this.#tried.add(slot.program);
    const dispatcher = this.#dispatcher;
    if (dispatcher?.retriesConnects !== true || !dispatcher.hasReady(this.#tried)) return false;
    if (!this.#wholeAtOnce || this.#tried.size > TRIED_MAX) return false;
    this.#attempts -= 1;
    this.#detach();
    up.pool.discard(up);
    this.#phase = WAITING;
    this.rerouted();
    return true;
  }

  #writeResponseHead(up: Upstream, head: Http1Head): void {
    const { reader } = up;
    const from = reader.at;
    const end = reader.readBody();
    if (end < 0) {
      this.upstreamLost(up);
      return;
    }
    const body = end > from ? reader.bytes.subarray(from, end) : NOTHING;
    const closing = this.#closeAfter || (reader.body.done && !this.#requestDone);
    const edits: HeadEdits = {
      drop: this.service.responseDrop,
      add: closing ? CONNECTION_CLOSE : NOTHING,
      authority: undefined,
    };
    if (unchanged(head, edits) && adjacent(head, body))
      this.#toClient(up, wholeOrPart(head.bytes, head.start, head.end + body.length));
    else this.#toClient(up, writeHead(head, edits, body));
  }

  #toClient(up: Upstream, bytes: Uint8Array): void {
    this.tcp.writeBytes.add(bytes.length);
    if (!this.conn.write(bytes) && !up.reader.body.done) up.conn?.pause();
  }

  #write(bytes: Uint8Array): void {
    this.tcp.writeBytes.add(bytes.length);
    this.conn.write(bytes);
  }

  #finishResponse(up: Upstream): void {
    if (this.#up !== up) return;
    this.cells?.response(this.#status, this.#status < 500, this.#latencyMs, '');
    const reusable = up.keepAlive && this.#requestDone && up.reader.unread === 0 && this.head.minor === 1;
    this.#up = undefined;
    this.#slot = undefined;
    if (!this.#requestDone) this.#closeAfter = true;
    this.#endExchange();
    up.pool.release(up, reusable);
    this.#next();
  }

  #badResponse(up: Upstream): void {
    this.#detach();
    up.pool.discard(up);
    this.reject('bad_response');
  }

  #badRequest(error: Http1Error): void {
    this.#requestDone = false;
    this.#startedAtMs = this.engine.clock.monotonic();
    this.engine.inFlight += 1;
    this.#phase = WAITING;
    if (error === 'head_too_large' || error === 'too_many_headers') this.reject('head_too_large');
    else this.reject(error === 'bad_version' ? 'bad_version' : 'bad_request');
  }

  /** Gives the exchange up; the client is told if that is still possible. */
  #abandon(code: FailureCode): void {
    const up = this.#up;
    this.#detach();
    if (up !== undefined) up.pool.discard(up);
    if (!this.#responseStarted) {
      this.reject(code);
      return;
    }
    this.cells?.response(this.#status, false, this.#latencyMs, code);
    this.conn.reset();
  }

  /** Lets go of queue, slot and upstream. */
  #detach(): void {
    if (this.#pooled) this.#slot?.pool.cancel(this);
    else if (this.#slot === undefined) this.#dispatcher?.cancel(this);
    if (this.#slot !== undefined && !this.#responseStarted) this.#slot.ewma.finish(undefined, 0);
    if (this.#up !== undefined) this.#up.session = undefined;
    this.#pooled = false;
    this.#up = undefined;
    this.#slot = undefined;
  }

  #endExchange(): void {
    if (this.#phase === WAITING || this.#phase === ACTIVE) this.engine.inFlight -= 1;
    this.#phase = IDLE;
    this.#firstBody = NOTHING;
    this.#dispatcher = undefined;
    if (this.#timer !== undefined) {
      clearTimeout(this.#timer);
      this.#timer = undefined;
    }
  }

  /** After an exchange: close, or go on with what the client sent ahead. */
  #next(): void {
    if (this.#closeAfter || this.#clientEnded) {
      this.#close();
      return;
    }
    if (this.reader.unread > 0) this.#pump();
    if (this.#phase === IDLE) this.conn.resume();
  }

  #close(): void {
    if (this.#phase === CLOSING || this.conn.closed) return;
    this.#phase = CLOSING;
    this.conn.end();
    this.conn.resume();
    this.#timer = setTimeout(() => this.conn.reset(), LINGER_MS);
    this.#timer.unref();
  }

  /** 101 or a CONNECT that succeeded: the head goes on, then bytes both ways. */
  #startTunnel(up: Upstream): void {
    const { head } = up.reader;
    const slot = this.#slot;
    if (up.conn === undefined || slot === undefined) return;
    this.cells?.response(head.status, true, this.#elapsed(), '');
    slot.ewma.finish(undefined, 0);
    this.#write(writeHead(head, { drop: this.service.responseDrop, add: NOTHING, authority: undefined }, NOTHING));
    this.#endExchange();
    this.#phase = TUNNEL;
    this.#up = undefined;
    this.#slot = undefined;
    up.session = undefined;
    this.engine.sessions.delete(this);
    const fromServer = up.reader.takeRest();
    const fromClient = this.reader.takeRest();
    joinTunnel(
      { conn: this.conn, cells: this.tcp, onClose: (why) => this.service.closed(this, why) },
      { conn: up.conn, cells: slot.cells.tcp, onClose: (why) => up.pool.onClose(up, why) },
      fromClient,
      fromServer,
    );
  }

  #elapsed(): number {
    return this.engine.clock.monotonic() - this.#startedAtMs;
  }
}

/** The body follows its head in the same chunk (or there is none). */
function adjacent(head: Http1Head, body: Uint8Array): boolean {
  return (
    body.length === 0 || (body.buffer === head.bytes.buffer && body.byteOffset === head.bytes.byteOffset + head.end)
  );
}

function wholeOrPart(bytes: Uint8Array, from: number, to: number): Uint8Array {
  return from === 0 && to === bytes.length ? bytes : bytes.subarray(from, to);
}

const SESSION_HANDLERS: Handlers<HttpSession> = {
  open() {},
  data: (conn, bytes) => conn.state.onData(bytes),
  end: (conn) => conn.state.onEnd(),
  drain: (conn) => conn.state.onDrain(),
  close: (conn, why) => conn.state.onClose(why),
};
