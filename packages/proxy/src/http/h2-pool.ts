/**
 * HTTP/2 connections to one endpoint: one for everybody, and more only while all have as many streams as the server allows.
 *
 *   request ──► a link that can take it? ──► stream
 *                 │ none
 *                 └──► wait; one link is opened at a time, and serves all it can
 */
import type { Closed } from '@mesh/net';
import type { EndpointSlot } from '../balance/endpoint-slot.ts';
import { connectTarget } from '../connect/connect-plan.ts';
import { ConnectQueue } from './connect-queue.ts';
import type { HttpEngine } from './engine.ts';
import { dialLink } from './h2-link.ts';
import type { H2Link } from './h2-link.ts';
import { H2Upstream } from './h2-upstream.ts';
import type { Placement } from './placement.ts';

/** Servers that allow a hundred streams serve 800 requests at the same time so; what is beyond waits. */
export const LINKS_MAX_PER_ENDPOINT = 8;

/** Before the server says how many streams it takes: no server should allow fewer (RFC 9113 §6.5.2). */
const STREAMS_UNTIL_SETTINGS = 100;

export class H2Pool {
  readonly slot: EndpointSlot;
  readonly queue: ConnectQueue;
  /** Streams that a new connection may begin with, before its server has said how many it takes. */
  streamsUntilSettings: number;
  readonly #engine: HttpEngine;
  readonly #links: H2Link[] = [];
  #closed = false;

  constructor(slot: EndpointSlot, engine: HttpEngine) {
    this.slot = slot;
    this.#engine = engine;
    this.streamsUntilSettings = STREAMS_UNTIL_SETTINGS;
    this.queue = new ConnectQueue(slot, engine, () => this.#links.length > 0);
  }

  /** Serves the request now, or as soon as a stream can be had; `placement.connectFailed` when none can. */
  request(placement: Placement): void {
    const link = this.#takeLink();
    if (link === undefined) {
      this.queue.add(placement);
      this.#connectIfNeeded();
    } else placement.attach(new H2Upstream(link));
  }

  /** What the server said on one connection it will say on the next. @param most undefined: no limit. */
  learnStreams(most: number | undefined): void {
    this.streamsUntilSettings = Math.min(STREAMS_UNTIL_SETTINGS, most ?? STREAMS_UNTIL_SETTINGS);
  }

  /** Gives streams to those who wait. */
  serve(): void {
    while (this.queue.waiting > 0) {
      const link = this.#takeLink();
      if (link === undefined) break;
      this.queue.take()?.attach(new H2Upstream(link));
    }
    this.#connectIfNeeded();
  }

  /** Opens a connection on trial, for an endpoint that failed before: `owner.connected` or `owner.connectFailed` follows. */
  probe(): void {
    if (this.queue.connecting === 0 && !this.#closed) this.#connect();
  }

  close(): void {
    this.#closed = true;
    for (const link of this.#links) link.retire();
  }

  onOpen(link: H2Link): void {
    this.queue.ended();
    this.#links.push(link);
    this.#engine.links.add(link);
    this.#engine.watched.add(link);
    this.slot.cells.tcp.openTotal.add(1);
    this.slot.cells.tcp.openConnections.add(1);
    this.slot.owner.connected(this.slot);
    this.serve();
    if (this.#closed) link.retire();
  }

  onClose(link: H2Link, why: Closed): void {
    if (!link.opened) {
      this.queue.ended();
      this.queue.failAll(why);
      return;
    }
    const { tcp } = this.slot.cells;
    this.#links.splice(this.#links.indexOf(link), 1);
    this.#engine.links.delete(link);
    this.#engine.watched.delete(link);
    tcp.openConnections.add(-1);
    tcp.closeTotal(why.kind === 'clean' || why.kind === 'aborted' ? '' : why.code.toUpperCase()).add(1);
    this.#connectIfNeeded();
  }

  #takeLink(): H2Link | undefined {
    for (const link of this.#links) if (link.canTake) return link;
    return undefined;
  }

  #connectIfNeeded(): void {
    if (this.queue.waiting === 0 || this.queue.connecting > 0) return;
    // How many streams it takes is about to be known.
    if (this.#links.some((link) => link.unsettled)) return;
    // Those that only finish what they have are not in the way of others.
    const taking = this.#links.reduce((count, link) => (link.leaving ? count : count + 1), 0);
    if (taking < LINKS_MAX_PER_ENDPOINT) this.#connect();
  }

  #connect(): void {
    const { options, identity } = this.#engine;
    const target = connectTarget(this.slot.plan, identity, options.connectTimeoutMs, options.connectKeepAliveMs);
    if (target === undefined) {
      this.queue.failAll({ kind: 'failed', code: 'identity_not_ready' });
      return;
    }
    this.queue.began();
    dialLink(this, this.#engine, target);
  }
}
