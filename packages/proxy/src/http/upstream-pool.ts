/**
 * HTTP/1.1 connections to one endpoint: taken for one exchange at a time, given back, dropped when idle too long.
 *
 *   request ──► idle connection? ──► exchange ──► back to idle, or to the next waiter
 *                 │ none
 *                 └──► wait; connections are opened while more wait than are being opened
 */
import type { Closed, Conn, Handlers, PeerInfo } from '@mesh/net';
import type { Timer } from '@mesh/runtime';
import { MessageReader } from '@mesh/wire';
import type { EndpointSlot } from '../balance/endpoint-slot.ts';
import { connectTarget, isExpectedPeer } from '../connect/connect-plan.ts';
import { CONNECTING_MAX_PER_ENDPOINT } from './engine.ts';
import type { HttpEngine } from './engine.ts';
import type { Exchange } from './exchange.ts';
import type { Placement } from './placement.ts';

/**
 * Opening a connection takes a few milliseconds within a cluster and two or three round trips between clusters. After this, those who
 * wait look for another endpoint: an address without a machine behind it says nothing until the connect timeout.
 */
export const CONNECT_SLOW_MS = 250;

export class Upstream {
  conn: Conn<Upstream> | undefined;
  readonly pool: HttpPool;
  readonly reader: MessageReader;
  exchange: Exchange | undefined;
  /** It served at least one exchange: the peer may have closed it meanwhile. */
  reused: boolean;
  /** The last response lets the connection live. */
  keepAlive: boolean;
  opened: boolean;
  ended: boolean;
  idleSinceMs: number;

  constructor(pool: HttpPool, engine: HttpEngine) {
    this.conn = undefined;
    this.pool = pool;
    this.reader = new MessageReader(engine.responseHead);
    this.exchange = undefined;
    this.reused = false;
    this.keepAlive = true;
    this.opened = false;
    this.ended = false;
    this.idleSinceMs = 0;
  }
}

export class HttpPool {
  readonly slot: EndpointSlot;
  readonly #engine: HttpEngine;
  readonly #idle: Upstream[] = [];
  readonly #waiters = new Set<Placement>();
  #connecting = 0;
  /** Open connections, idle and busy. */
  #open = 0;
  #slowTimer: Timer | undefined;
  #closed = false;

  constructor(slot: EndpointSlot, engine: HttpEngine) {
    this.slot = slot;
    this.#engine = engine;
  }

  /** Serves the request now, or as soon as a connection is there; `placement.connectFailed` when none can be had. */
  request(placement: Placement): void {
    const up = this.#takeIdle();
    if (up !== undefined) {
      placement.attach(up);
      return;
    }
    this.#waiters.add(placement);
    this.#connectForWaiters();
  }

  /** The request waits no longer. */
  cancel(placement: Placement): void {
    this.#waiters.delete(placement);
  }

  /** An exchange is over. */
  release(up: Upstream, reusable: boolean): void {
    up.exchange = undefined;
    up.reused = true;
    if (reusable && !up.ended) this.#handOut(up);
    else this.discard(up);
  }

  /** To whoever waits longest, else to the idle list. */
  #handOut(up: Upstream): void {
    if (this.#waiters.size === 0) {
      this.#toIdle(up);
      return;
    }
    const [next] = this.#waiters;
    if (next === undefined) return;
    this.#waiters.delete(next);
    next.attach(up);
  }

  /** Drops a connection on which an exchange broke. */
  discard(up: Upstream): void {
    up.exchange = undefined;
    if (up.conn === undefined || up.conn.closed) return;
    // Whatever else the peer sends has no reader: RST, not a polite end, unless it is done already.
    if (up.ended) up.conn.end();
    else up.conn.reset();
  }

  /** Opens a connection on trial, for an endpoint that failed before: `owner.connected` or `owner.connectFailed` follows. */
  probe(): void {
    if (this.#connecting === 0 && !this.#closed) this.#connect();
  }

  /** Closes what was idle before `nowMs - timeout`. */
  closeIdle(nowMs: number): void {
    const limit = nowMs - this.#engine.options.poolIdleTimeoutMs;
    // Oldest first: connections are taken from the end.
    while (this.#idle.length > 0 && (this.#idle[0] as Upstream).idleSinceMs <= limit) {
      this.#idle.shift()?.conn?.end();
    }
    if (this.#idle.length === 0) this.#engine.idlePools.delete(this);
  }

  close(): void {
    this.#closed = true;
    this.closeIdle(Number.POSITIVE_INFINITY);
  }

  /** The endpoint is no more: whoever waits for a connection to it asks for another one. */
  sendAway(): void {
    const waiting = [...this.#waiters];
    for (const placement of waiting) placement.endpointGone();
  }

  onOpen(up: Upstream): void {
    this.#connectEnded();
    this.#open += 1;
    up.opened = true;
    const preface = this.slot.plan.http1Preface;
    if (preface.length > 0) up.conn?.write(preface);
    this.slot.cells.tcp.openTotal.add(1);
    this.slot.cells.tcp.openConnections.add(1);
    this.slot.owner.connected(this.slot);
    this.#handOut(up);
  }

  onClose(up: Upstream, why: Closed): void {
    if (!up.opened) {
      this.#connectEnded();
      this.#failWaiters(why);
      return;
    }
    this.#open -= 1;
    this.slot.cells.tcp.openConnections.add(-1);
    this.slot.cells.tcp.closeTotal(why.kind === 'clean' || why.kind === 'aborted' ? '' : why.code.toUpperCase()).add(1);
    this.#forget(up);
    up.exchange?.upstreamLost(up);
  }

  /** The peer ended an idle connection, or sent something nobody asked for. */
  dropIdle(up: Upstream): void {
    this.#forget(up);
    if (up.ended) up.conn?.end();
    else up.conn?.reset();
  }

  #forget(up: Upstream): void {
    const at = this.#idle.lastIndexOf(up);
    if (at >= 0) this.#idle.splice(at, 1);
  }

  #takeIdle(): Upstream | undefined {
    for (;;) {
      const up = this.#idle.pop();
      if (up === undefined) return undefined;
      if (!up.ended && up.conn?.closed === false) return up;
    }
  }

  #toIdle(up: Upstream): void {
    const engine = this.#engine;
    if (this.#closed || engine.draining || this.#idle.length >= engine.options.poolIdleMax) {
      up.conn?.end();
      return;
    }
    up.idleSinceMs = engine.clock.monotonic();
    if (this.#idle.push(up) === 1) engine.idlePools.add(this);
  }

  #connectForWaiters(): void {
    while (this.#connecting < Math.min(this.#waiters.size, CONNECTING_MAX_PER_ENDPOINT)) {
      if (!this.#connect()) return;
    }
  }

  #connect(): boolean {
    const { options, driver, identity } = this.#engine;
    const target = connectTarget(this.slot.plan, identity, options.connectTimeoutMs, options.connectKeepAliveMs);
    if (target === undefined) {
      this.#failWaiters({ kind: 'failed', code: 'identity_not_ready' });
      return false;
    }
    const up = new Upstream(this, this.#engine);
    this.#connecting += 1;
    this.#armSlowTimer();
    up.conn = driver.connect(target, UPSTREAM_HANDLERS, up);
    return true;
  }

  /** With whatever result: the endpoint gives signs of life, or is about to be left. */
  #connectEnded(): void {
    this.#connecting -= 1;
    this.#slowTimer?.cancel();
    this.#slowTimer = undefined;
  }

  #armSlowTimer(): void {
    this.#slowTimer ??= this.#engine.clock.after(CONNECT_SLOW_MS, () => this.#onSlow());
  }

  #onSlow(): void {
    this.#slowTimer = undefined;
    if (this.#open === 0) this.slot.owner.stalled(this.slot);
    // A copy: who moves may come back to this very pool.
    const waiting = [...this.#waiters];
    for (const placement of waiting) placement.connectSlow();
    // Whoever had nowhere to go looks again.
    if (this.#waiters.size > 0) this.#armSlowTimer();
  }

  #failWaiters(why: Closed): void {
    const waiting = [...this.#waiters];
    this.#waiters.clear();
    this.slot.owner.connectFailed(this.slot, why);
    for (const placement of waiting) placement.connectFailed(why);
  }

  /** More may be opened now that one is done. */
  continueConnecting(): void {
    this.#connectForWaiters();
  }
}

const UPSTREAM_HANDLERS: Handlers<Upstream> = {
  secure(conn: Conn<Upstream>, peer: PeerInfo): void {
    if (!isExpectedPeer(conn.state.pool.slot.plan, peer)) conn.reset();
  },
  open(conn) {
    conn.state.conn = conn;
    conn.state.pool.onOpen(conn.state);
    conn.state.pool.continueConnecting();
  },
  data(conn, bytes) {
    const up = conn.state;
    up.pool.slot.cells.tcp.readBytes.add(bytes.length);
    if (up.exchange === undefined) {
      up.pool.dropIdle(up);
      return;
    }
    up.reader.feed(bytes);
    up.exchange.onResponseBytes(up);
  },
  end(conn) {
    const up = conn.state;
    up.ended = true;
    if (up.exchange === undefined) up.pool.dropIdle(up);
    else up.exchange.upstreamEnded(up);
  },
  drain(conn) {
    conn.state.exchange?.upstreamDrained();
  },
  close(conn, why) {
    conn.state.pool.onClose(conn.state, why);
  },
};
