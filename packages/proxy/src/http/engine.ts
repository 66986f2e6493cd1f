/** What all HTTP sessions and pools of one proxy share: limits, scratch parser, in-flight count, the idle tick. */
import type { Clock, Drain, Logger } from '@mesh/runtime';
import type { Driver } from '@mesh/net';
import { Http1Head } from '@mesh/wire';
import type { Identity } from '../ports.ts';
import type { HttpSession } from './session.ts';
import type { H2Link } from './h2-link.ts';
import type { H1Pool } from './h1-pool.ts';

export interface HttpEngineOptions {
  /** Requests in flight in this direction; beyond it 503. Linkerd's default. */
  readonly inFlightMax: number;
  /** A request head must arrive whole within this from its first byte. */
  readonly headTimeoutMs: number;
  readonly connectTimeoutMs: number;
  readonly connectKeepAliveMs: number;
  /** Idle upstream connections live this long. */
  readonly poolIdleTimeoutMs: number;
  readonly poolIdleMax: number;
  readonly http2: Http2Options;
}

export interface Http2Options {
  /** Of each stream: what a peer may send that nobody has taken yet. */
  readonly streamWindowBytes: number;
  /** Of a connection as a whole: bounds what all its streams hold. */
  readonly connectionWindowBytes: number;
  /** Streams that a client may have open on one connection. */
  readonly streamsMax: number;
  /** A connection to an endpoint that was silent for this long gets a PING. */
  readonly keepAliveIntervalMs: number;
  /** Without an answer to it for this long the connection is lost, checked once a second. */
  readonly keepAliveTimeoutMs: number;
  /** A connection to an endpoint without any stream for this long ends. */
  readonly idleTimeoutMs: number;
}

export const HTTP2_DEFAULTS: Http2Options = {
  // Both as linkerd2-proxy has them.
  streamWindowBytes: 65_535,
  connectionWindowBytes: 1_048_576,
  // Envoy's default; linkerd2-proxy has no limit. Proxies put all their clients on one connection, and its window bounds the memory.
  streamsMax: 1024,
  // Linkerd's chart gives these to proxies.
  keepAliveIntervalMs: 10_000,
  keepAliveTimeoutMs: 3000,
  // A handshake costs both ends about a millisecond of their loops; an open connection some tens of kilobytes.
  idleTimeoutMs: 60_000,
};

export const HTTP_ENGINE_DEFAULTS: HttpEngineOptions = {
  inFlightMax: 100_000,
  headTimeoutMs: 30_000,
  connectTimeoutMs: 1000,
  connectKeepAliveMs: 10_000,
  poolIdleTimeoutMs: 3000,
  poolIdleMax: 10_000,
  http2: HTTP2_DEFAULTS,
};

/** Handshakes block the loop for about a millisecond each: more at once only make each other late. */
export const CONNECTING_MAX_PER_ENDPOINT = 8;

const TICK_MS = 1000;

/** A client's connection, as the engine ends it. */
export interface EngineSession {
  /** Ends it in good order: what is under way is finished. */
  drain(): void;
  abort(): void;
}

export interface HttpEngineDeps {
  readonly driver: Driver;
  readonly identity: Identity;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly drain: Drain;
}

export class HttpEngine {
  readonly options: HttpEngineOptions;
  readonly driver: Driver;
  readonly identity: Identity;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly drain: Drain;
  /** Response heads are used up in the call that parses them: one object serves all upstream connections. */
  readonly responseHead: Http1Head;
  readonly sessions: Set<EngineSession>;
  /** Sessions with half a request head. */
  readonly midHead: Set<HttpSession>;
  /** Opaque connections, tunnels included: what ends with the engine. */
  readonly forwards: Set<{ abort(): void }>;
  /** Pools with idle connections. */
  readonly idlePools: Set<H1Pool>;
  /** Open HTTP/2 connections to endpoints. */
  readonly links: Set<H2Link>;
  inFlight: number;
  draining: boolean;
  #tick: NodeJS.Timeout | undefined;

  constructor(options: HttpEngineOptions, deps: HttpEngineDeps) {
    this.options = options;
    this.driver = deps.driver;
    this.identity = deps.identity;
    this.clock = deps.clock;
    this.logger = deps.logger;
    this.drain = deps.drain;
    this.responseHead = new Http1Head();
    this.sessions = new Set();
    this.midHead = new Set();
    this.forwards = new Set();
    this.idlePools = new Set();
    this.links = new Set();
    this.inFlight = 0;
    this.draining = false;
    this.#tick = undefined;
  }

  start(): void {
    this.#tick ??= setInterval(() => this.#onTick(), TICK_MS).unref();
    this.drain.signal.addEventListener('abort', () => this.#onDrain(), { once: true });
  }

  stop(): void {
    clearInterval(this.#tick);
    this.#tick = undefined;
    for (const session of this.sessions) session.abort();
    for (const link of this.links) link.destroy();
    for (const forward of this.forwards) forward.abort();
    for (const pool of this.idlePools) pool.closeIdle(Number.POSITIVE_INFINITY);
  }

  #onTick(): void {
    const now = this.clock.monotonic();
    for (const session of this.midHead) session.checkHeadTimeout(now);
    for (const pool of this.idlePools) pool.closeIdle(now);
    for (const link of this.links) link.tick(now);
  }

  /** Idle clients are told goodbye at once; busy ones with their response. */
  #onDrain(): void {
    this.draining = true;
    for (const session of this.sessions) session.drain();
    for (const pool of this.idlePools) pool.closeIdle(Number.POSITIVE_INFINITY);
    for (const link of this.links) link.engineDrains();
  }
}
