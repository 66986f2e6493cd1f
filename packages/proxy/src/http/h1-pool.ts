/**
 * HTTP/1.1 connections to one endpoint: taken for one exchange at a time, given back, dropped when idle too long.
 *
 *   request ──► idle connection? ──► exchange ──► back to idle, or to the next waiter
 *                 │ none
 *                 └──► wait; connections are opened while more wait than are being opened
 */
import type { Closed, Conn, Handlers, PeerInfo } from '@mesh/net';
import type { EndpointSlot } from '../balance/endpoint-slot.ts';
import { connectTarget, isExpectedPeer } from '../connect/connect-plan.ts';
import { ConnectQueue } from './connect-queue.ts';
import { CONNECTING_MAX_PER_ENDPOINT } from './engine.ts';
import type { HttpEngine } from './engine.ts';
import { H1Upstream } from './h1-upstream.ts';
import type { Placement } from './placement.ts';
import { BROKEN } from './upstream-stream.ts';

export class H1Pool {
  readonly slot: EndpointSlot;
  readonly queue: ConnectQueue;
  readonly #engine: HttpEngine;
  readonly #idle: H1Upstream[] = [];
  /** Open connections, idle and busy. */
  #open = 0;
  #closed = false;

  constructor(slot: EndpointSlot, engine: HttpEngine) {
    this.slot = slot;
    this.#engine = engine;
    this.queue = new ConnectQueue(slot, engine, () => this.#open > 0);
  }

  /** Serves the request now, or as soon as a connection is there; `placement.connectFailed` when none can be had. */
  request(placement: Placement): void {
    const up = this.#takeIdle();
    if (up !== undefined) {
      placement.attach(up);
      return;
    }
    this.queue.add(placement);
    this.connectForWaiters();
  }

  /** An exchange is over. */
  release(up: H1Upstream, reusable: boolean): void {
    up.exchange = undefined;
    up.reused = true;
    if (reusable && !up.ended) this.#handOut(up);
    else this.discard(up);
  }

  /** Drops a connection on which an exchange broke. */
  discard(up: H1Upstream): void {
    up.exchange = undefined;
    if (up.conn === undefined || up.conn.closed) return;
    // Whatever else the peer sends has no reader: RST, not a polite end, unless it is done already.
    if (up.ended) up.conn.end();
    else up.conn.reset();
  }

  /** Opens a connection on trial, for an endpoint that failed before: `owner.connected` or `owner.connectFailed` follows. */
  probe(): void {
    if (this.queue.connecting === 0 && !this.#closed) this.#connect();
  }

  /** Closes what was idle before `nowMs - timeout`. */
  closeIdle(nowMs: number): void {
    const limit = nowMs - this.#engine.options.poolIdleTimeoutMs;
    // Oldest first: connections are taken from the end.
    while (this.#idle.length > 0 && (this.#idle[0] as H1Upstream).idleSinceMs <= limit) {
      this.#idle.shift()?.conn?.end();
    }
    if (this.#idle.length === 0) this.#engine.idlePools.delete(this);
  }

  close(): void {
    this.#closed = true;
    this.closeIdle(Number.POSITIVE_INFINITY);
  }

  /** More may be opened now that one is done. */
  connectForWaiters(): void {
    while (this.queue.connecting < Math.min(this.queue.waiting, CONNECTING_MAX_PER_ENDPOINT)) {
      if (!this.#connect()) return;
    }
  }

  onOpen(up: H1Upstream): void {
    this.queue.ended();
    this.#open += 1;
    up.opened = true;
    const preface = this.slot.plan.http1Preface;
    if (preface.length > 0) up.conn?.write(preface);
    this.slot.cells.tcp.openTotal.add(1);
    this.slot.cells.tcp.openConnections.add(1);
    this.slot.owner.connected(this.slot);
    this.#handOut(up);
  }

  onClose(up: H1Upstream, why: Closed): void {
    if (!up.opened) {
      this.queue.ended();
      this.queue.failAll(why);
      return;
    }
    this.#open -= 1;
    this.slot.cells.tcp.openConnections.add(-1);
    this.slot.cells.tcp.closeTotal(why.kind === 'clean' || why.kind === 'aborted' ? '' : why.code.toUpperCase()).add(1);
    this.#forget(up);
    up.exchange?.upstreamLost(up, BROKEN);
  }

  /** The peer ended an idle connection, or sent something nobody asked for. */
  dropIdle(up: H1Upstream): void {
    this.#forget(up);
    if (up.ended) up.conn?.end();
    else up.conn?.reset();
  }

  /** To whoever waits longest, else to the idle list. */
  #handOut(up: H1Upstream): void {
    const next = this.queue.take();
    if (next === undefined) this.#toIdle(up);
    else next.attach(up);
  }

  #forget(up: H1Upstream): void {
    const at = this.#idle.lastIndexOf(up);
    if (at >= 0) this.#idle.splice(at, 1);
  }

  #takeIdle(): H1Upstream | undefined {
    for (;;) {
      const up = this.#idle.pop();
      if (up === undefined) return undefined;
      if (!up.ended && up.conn?.closed === false) return up;
    }
  }

  #toIdle(up: H1Upstream): void {
    const engine = this.#engine;
    if (this.#closed || engine.draining || this.#idle.length >= engine.options.poolIdleMax) {
      up.conn?.end();
      return;
    }
    up.idleSinceMs = engine.clock.monotonic();
    if (this.#idle.push(up) === 1) engine.idlePools.add(this);
  }

  #connect(): boolean {
    const { options, driver, identity } = this.#engine;
    const target = connectTarget(this.slot.plan, identity, options.connectTimeoutMs, options.connectKeepAliveMs);
    if (target === undefined) {
      this.queue.failAll({ kind: 'failed', code: 'identity_not_ready' });
      return false;
    }
    const up = new H1Upstream(this, this.#engine);
    this.queue.began();
    up.conn = driver.connect(target, UPSTREAM_HANDLERS, up);
    return true;
  }
}

const UPSTREAM_HANDLERS: Handlers<H1Upstream> = {
  secure(conn: Conn<H1Upstream>, peer: PeerInfo): void {
    if (!isExpectedPeer(conn.state.pool.slot.plan, peer)) conn.reset();
  },
  open(conn) {
    conn.state.conn = conn;
    conn.state.pool.onOpen(conn.state);
    conn.state.pool.connectForWaiters();
  },
  data(conn, bytes) {
    const up = conn.state;
    up.pool.slot.cells.tcp.readBytes.add(bytes.length);
    if (up.exchange === undefined) up.pool.dropIdle(up);
    else up.onBytes(bytes);
  },
  end(conn) {
    const up = conn.state;
    up.ended = true;
    if (up.exchange === undefined) up.pool.dropIdle(up);
    else up.onEnd();
  },
  drain(conn) {
    conn.state.exchange?.upstreamDrained();
  },
  close(conn, why) {
    conn.state.pool.onClose(conn.state, why);
  },
};
