/**
 * One request and its response: gets an endpoint and a connection, copies bytes there and back, and tries elsewhere while that is safe.
 * A session has one exchange, used again for each request.
 *
 *   idle ──begin──► waiting ──connection──► active ──response done──► idle
 *                     │  ▲                    │
 *                     │  └──── sent again ────┤ broken
 *                     └───────► response made here ──► idle
 */
import type { Conn } from '@mesh/net';
import { FRAMING, HEADER, METHOD, writeHead } from '@mesh/wire';
import type { HeadEdits, Http1Head } from '@mesh/wire';
import type { Dispatcher, EndpointSlot } from '../balance/endpoint-slot.ts';
import type { HttpEngine } from './engine.ts';
import { NOTHING, passOn, wholeOrPart } from './pass-on.ts';
import { Placement } from './placement.ts';
import { neverDelivered, rescue } from './rescue.ts';
import type { FailureCode } from './rescue.ts';
import type { HttpSession } from './session.ts';
import type { Upstream } from './upstream-pool.ts';

const IDLE = 0;
const WAITING = 1;
const ACTIVE = 2;

const INTERIM_MAX = 16;
const CONNECTION_CLOSE = Buffer.from('connection: close\r\n');

export class Exchange {
  readonly #session: HttpSession;
  readonly #engine: HttpEngine;
  readonly #placement: Placement;
  #phase: number;
  #up: Upstream | undefined;
  /** What of the request's body came with its head. */
  #firstBody: Uint8Array;
  /** The request was complete when its head was: it can be sent again as it is. */
  #wholeAtOnce: boolean;
  #requestDone: boolean;
  #responseStarted: boolean;
  #interim: number;
  #startedAtMs: number;
  #sentAtMs: number;
  #latencyMs: number;
  #status: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(session: HttpSession) {
    this.#session = session;
    this.#engine = session.engine;
    this.#placement = new Placement(this);
    this.#phase = IDLE;
    this.#up = undefined;
    this.#firstBody = NOTHING;
    this.#wholeAtOnce = false;
    this.#requestDone = true;
    this.#responseStarted = false;
    this.#interim = 0;
    this.#startedAtMs = 0;
    this.#sentAtMs = 0;
    this.#latencyMs = 0;
    this.#status = 0;
    this.#timer = undefined;
  }

  get idle(): boolean {
    return this.#phase === IDLE;
  }

  /** All of the request was read. */
  get requestDone(): boolean {
    return this.#requestDone;
  }

  // ---- Called by the session ------------------------------------------------------------------------------------

  /** A request's head was read. */
  begin(): void {
    const session = this.#session;
    const { reader, conn } = session;
    const engine = this.#engine;
    this.#start();
    this.#placement.attempts.reset();
    this.#interim = 0;
    this.#responseStarted = false;
    this.#status = 0;
    const from = reader.at;
    const end = reader.readBody();
    this.#requestDone = reader.body.done;
    this.#wholeAtOnce = this.#requestDone;
    if (end < 0) {
      this.reject('bad_request');
      return;
    }
    this.#firstBody = end > from ? reader.bytes.subarray(from, end) : NOTHING;
    if (!this.#requestDone || reader.unread > 0) conn.pause();
    if (engine.inFlight > engine.options.inFlightMax) this.reject('overloaded');
    else session.service.route(session);
  }

  /** What was read is no request. */
  beginBad(code: FailureCode): void {
    this.#start();
    this.#placement.attempts.reset();
    this.#requestDone = false;
    this.reject(code);
  }

  /** @param timeoutMs Whole exchange; undefined: no limit. */
  dispatch(dispatcher: Dispatcher, timeoutMs: number | undefined): void {
    if (timeoutMs !== undefined && this.#timer === undefined) {
      this.#timer = setTimeout(() => this.#abandon('request_timeout'), timeoutMs);
    }
    this.#placement.dispatch(dispatcher);
  }

  /** Answers the request here. @param status Instead of the code's own. */
  reject(code: FailureCode, status?: number): void {
    const session = this.#session;
    if (!session.open) return;
    const { details, servesProxies } = session.service;
    const undelivered = servesProxies && this.#placement.attempts.deliveries === 0 && neverDelivered(code);
    const answered = rescue(code, details, !this.#requestDone || session.closeAfter, status, undelivered);
    session.cells?.response(answered.status, answered.status < 500, this.#elapsed(), code);
    session.service.failed?.(code);
    session.write(answered.bytes);
    this.#end();
    if (answered.close) session.closeAfter = true;
    session.next();
  }

  /** More of the request's body, while it is being sent. */
  onBodyBytes(): void {
    const { reader, conn } = this.#session;
    const up = this.#up;
    const from = reader.at;
    const end = reader.readBody();
    if (end < 0 || up?.conn === undefined) {
      this.#abandon('bad_request');
      return;
    }
    this.#requestDone = reader.body.done;
    this.#placement.slot?.cells.tcp.writeBytes.add(end - from);
    const more = up.conn.write(wholeOrPart(reader.bytes, from, end));
    if ((!more && !this.#requestDone) || reader.unread > 0) conn.pause();
  }

  /** The client takes bytes again. */
  onClientDrained(): void {
    this.#up?.conn?.resume();
  }

  /** The client is gone. */
  cancel(): void {
    if (this.#phase === IDLE) return;
    const up = this.#up;
    this.#detach();
    this.#end();
    if (up !== undefined) up.pool.discard(up);
  }

  // ---- Called by the placement ----------------------------------------------------------------------------------

  onEndpoint(slot: EndpointSlot): void {
    this.#session.cells ??= slot.cells.http;
  }

  reroute(): void {
    const session = this.#session;
    // The next endpoint counts with its own cells.
    session.cells = undefined;
    session.service.route(session);
  }

  /** The connection for this exchange. */
  attach(up: Upstream, conn: Conn<Upstream>, slot: EndpointSlot): void {
    const session = this.#session;
    const { head, service } = session;
    this.#up = up;
    up.exchange = this;
    session.cells?.requestTotal.add(1);
    up.reader.expectResponse(head.method);
    this.#sentAtMs =
      this.#placement.attempts.count === 1 && up.reused ? this.#startedAtMs : this.#engine.clock.monotonic();
    this.#phase = ACTIVE;
    const edits: HeadEdits = {
      drop: service.requestDrop,
      add: service.requestAdd.lines,
      authority: slot.plan.authority,
    };
    const bytes = passOn(head, edits, this.#firstBody);
    const more = conn.write(bytes);
    slot.cells.tcp.writeBytes.add(bytes.length);
    if (!this.#requestDone && more) session.conn.resume();
  }

  // ---- Called by the pool's connections -------------------------------------------------------------------------

  upstreamDrained(): void {
    if (!this.#requestDone) this.#session.conn.resume();
  }

  /** FIN from the server in the middle of an exchange: the end of a body that ends so, else a loss. */
  upstreamEnded(up: Upstream): void {
    if (this.#responseStarted && up.reader.body.endsWithConnection) this.#finishResponse(up);
    else this.upstreamLost(up);
  }

  upstreamLost(up: Upstream): void {
    if (this.#up !== up) return;
    this.#up = undefined;
    // With the response's head its sample was taken and the request no longer counted as pending.
    if (!this.#responseStarted) this.#placement.slot?.ewma.finish(undefined, 0);
    this.#placement.leave();
    up.pool.discard(up);
    if (this.#responseStarted) {
      this.#breakOff('io');
      return;
    }
    const whole = this.#wholeAtOnce && this.#interim === 0;
    const { attempts } = this.#placement;
    if (attempts.mayRepeat(this.#session.head.method, whole, up.reused)) {
      // What may be repeated here may be repeated elsewhere (RFC 9110 §9.2.2).
      attempts.deliveries -= 1;
      this.#phase = WAITING;
      this.reroute();
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
        if (end > from) this.#toClient(up, wholeOrPart(reader.bytes, from, end));
      }
      if (reader.body.done) {
        this.#finishResponse(up);
        return;
      }
    } while (reader.unread > 0);
  }

  // ---------------------------------------------------------------------------------------------------------------

  /** True when a final head went to the client; false after an interim one, or when the exchange left this path. */
  #onResponseHead(up: Upstream): boolean {
    const session = this.#session;
    const { head } = up.reader;
    const request = session.head;
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
      else if (request.minor === 1) this.#passHead(head);
      return false;
    }
    if (head.has(HEADER.undelivered) && this.#sendElsewhere(up)) return false;
    if (head.framing === FRAMING.chunked && request.minor === 0) {
      this.#badResponse(up);
      return false;
    }
    this.#status = status;
    this.#responseStarted = true;
    const now = this.#engine.clock.monotonic();
    this.#latencyMs = now - this.#startedAtMs;
    const { slot } = this.#placement;
    if (slot !== undefined) {
      slot.ewma.finish(now - this.#sentAtMs, now);
      if (!head.has(HEADER.undelivered)) slot.rests = 0;
    }
    up.keepAlive = head.keepAlive && head.framing !== FRAMING.close;
    if (head.framing === FRAMING.close || head.minor === 0) session.closeAfter = true;
    this.#writeResponseHead(up, head);
    return true;
  }

  /**
   * The peer's proxy says that the program behind it saw nothing of the request: the endpoint rests for a moment, and the
   * request goes to another if it can be sent again. False: the answer stands.
   */
  #sendElsewhere(up: Upstream): boolean {
    const { slot } = this.#placement;
    // Only a proxy whose certificate was checked is believed: any other server could make clients repeat requests.
    if (slot?.plan.tls === undefined || this.#up !== up) return false;
    if (!this.#placement.undelivered(slot, this.#wholeAtOnce)) return false;
    this.#detach();
    up.pool.discard(up);
    this.#phase = WAITING;
    this.reroute();
    return true;
  }

  #writeResponseHead(up: Upstream, head: Http1Head): void {
    const session = this.#session;
    const { reader } = up;
    const from = reader.at;
    const end = reader.readBody();
    if (end < 0) {
      this.upstreamLost(up);
      return;
    }
    const body = end > from ? reader.bytes.subarray(from, end) : NOTHING;
    const closing = session.closeAfter || (reader.body.done && !this.#requestDone);
    const edits: HeadEdits = {
      drop: session.service.responseDrop,
      add: closing ? CONNECTION_CLOSE : NOTHING,
      authority: undefined,
    };
    this.#toClient(up, passOn(head, edits, body));
  }

  /** A head without a body: informational, or the last before a tunnel. */
  #passHead(head: Http1Head): void {
    const drop = this.#session.service.responseDrop;
    this.#session.write(writeHead(head, { drop, add: NOTHING, authority: undefined }, NOTHING));
  }

  #toClient(up: Upstream, bytes: Uint8Array): void {
    if (!this.#session.write(bytes) && !up.reader.body.done) up.conn?.pause();
  }

  #finishResponse(up: Upstream): void {
    if (this.#up !== up) return;
    const session = this.#session;
    session.cells?.response(this.#status, this.#status < 500, this.#latencyMs, '');
    const reusable = up.keepAlive && this.#requestDone && up.reader.unread === 0 && session.head.minor === 1;
    this.#up = undefined;
    this.#placement.leave();
    if (!this.#requestDone) session.closeAfter = true;
    this.#end();
    up.pool.release(up, reusable);
    session.next();
  }

  #badResponse(up: Upstream): void {
    this.#detach();
    up.pool.discard(up);
    this.reject('bad_response');
  }

  /** Gives the exchange up; the client is told if that is still possible. */
  #abandon(code: FailureCode): void {
    const up = this.#up;
    this.#detach();
    if (up !== undefined) up.pool.discard(up);
    if (this.#responseStarted) this.#breakOff(code);
    else this.reject(code);
  }

  /** The response cannot be completed: only the end of the connection can say so. */
  #breakOff(code: FailureCode): void {
    this.#session.cells?.response(this.#status, false, this.#latencyMs, code);
    this.#end();
    this.#session.breakOff();
  }

  /** 101 or a CONNECT that succeeded: the head goes on, then bytes both ways. */
  #startTunnel(up: Upstream): void {
    const { head } = up.reader;
    const { slot } = this.#placement;
    if (up.conn === undefined || slot === undefined) return;
    this.#session.cells?.response(head.status, true, this.#elapsed(), '');
    slot.ewma.finish(undefined, 0);
    this.#passHead(head);
    this.#end();
    this.#up = undefined;
    this.#placement.leave();
    up.exchange = undefined;
    this.#session.becomeTunnel({
      conn: up.conn,
      cells: slot.cells.tcp,
      rest: up.reader.takeRest(),
      onClose: (why) => up.pool.onClose(up, why),
    });
  }

  /** Lets go of queue, endpoint and connection. */
  #detach(): void {
    this.#placement.cancel(this.#responseStarted);
    if (this.#up !== undefined) this.#up.exchange = undefined;
    this.#up = undefined;
  }

  #start(): void {
    this.#phase = WAITING;
    this.#startedAtMs = this.#engine.clock.monotonic();
    this.#session.cells = undefined;
    this.#engine.inFlight += 1;
  }

  #end(): void {
    if (this.#phase !== IDLE) this.#engine.inFlight -= 1;
    this.#phase = IDLE;
    this.#firstBody = NOTHING;
    this.#placement.end();
    if (this.#timer !== undefined) {
      clearTimeout(this.#timer);
      this.#timer = undefined;
    }
  }

  #elapsed(): number {
    return this.#engine.clock.monotonic() - this.#startedAtMs;
  }
}
