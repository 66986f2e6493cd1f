/** What all HTTP sessions and pools of one proxy share: limits, scratch parser, in-flight count, the idle tick. */
import type { Clock, Drain, Logger } from '@mesh/runtime';
import type { Driver } from '@mesh/net';
import { Http1Head } from '@mesh/wire';
import type { Identity } from '../ports.ts';
import { HTTP2_DEFAULTS } from './http2-options.ts';
import type { Http2Options } from './http2-options.ts';
import type { H2Link } from './h2-link.ts';
import type { H1Pool } from './h1-pool.ts';

export interface HttpEngineOptions {
  /** Requests in flight in this direction; beyond it 503. Linkerd's default. */
  readonly inFlightMax: number;
  /** A head of HTTP/1, or a frame or header block of HTTP/2, of a client or a server, must arrive whole within this from its first byte. */
  readonly headTimeoutMs: number;
  /**
   * A client that has said how long its request's body is, or a chunk of it, sends on within this (408). Bodies without a declared length may be
   * silent for ever: gRPC streams, uploads of what is only being made.
   */
  readonly bodyTimeoutMs: number;
  /** A client for whom response bytes wait takes some of them within this, or loses the response. */
  readonly unreadTimeoutMs: number;
  readonly connectTimeoutMs: number;
  readonly connectKeepAliveMs: number;
  /** Idle upstream connections live this long. */
  readonly poolIdleTimeoutMs: number;
  readonly poolIdleMax: number;
  readonly http2: Http2Options;
}

export const HTTP_ENGINE_DEFAULTS: HttpEngineOptions = {
  inFlightMax: 100_000,
  headTimeoutMs: 30_000,
  // Envoy's for idle streams, of whatever kind; nginx takes 60 s between two reads. ADR 0017.
  bodyTimeoutMs: 300_000,
  // A reader may have its reasons to pause, and what it holds is bounded by its windows: only what is forgotten goes. ADR 0017.
  unreadTimeoutMs: 3_600_000,
  connectTimeoutMs: 1000,
  connectKeepAliveMs: 10_000,
  poolIdleTimeoutMs: 3000,
  poolIdleMax: 10_000,
  http2: HTTP2_DEFAULTS,
};

/** Handshakes block the loop for about a millisecond each: more at once only make each other late. */
export const CONNECTING_MAX_PER_ENDPOINT = 8;

const TICK_MS = 1000;
/** How exact the limits are that sessions look after themselves: a part of the shortest, but not more than the looking is worth. */
const PROGRESS_PART = 8;
const PROGRESS_MS_MAX = 15_000;

/** A client's connection, as the engine ends it. */
export interface EngineSession {
  /** Ends it in good order: what is under way is finished. */
  drain(): void;
  abort(): void;
  /** Ends what does not move, and should. */
  checkProgress(nowMs: number): void;
}

/** An HTTP/1 connection of which a head has begun to arrive: it leaves `HttpEngine.midHead` with the rest, or with its end. */
export interface HalfHead {
  /** Ends what does not go on. */
  checkHeadTimeout(nowMs: number): void;
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
  /** HTTP/1 connections of both sides that are in the middle of a head. */
  readonly midHead: Set<HalfHead>;
  /** Opaque connections, tunnels included: what ends with the engine. */
  readonly forwards: Set<{ abort(): void }>;
  /** Pools with idle connections. */
  readonly idlePools: Set<H1Pool>;
  /** Open HTTP/2 connections to endpoints. */
  readonly links: Set<H2Link>;
  /** HTTP/2 connections of both sides whose peers are watched. */
  readonly watched: Set<{ tick(nowMs: number): void }>;
  inFlight: number;
  draining: boolean;
  #tick: NodeJS.Timeout | undefined;
  #progressDueMs: number;

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
    this.watched = new Set();
    this.inFlight = 0;
    this.draining = false;
    this.#tick = undefined;
    this.#progressDueMs = 0;
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
    for (const connection of this.midHead) connection.checkHeadTimeout(now);
    for (const pool of this.idlePools) pool.closeIdle(now);
    for (const connection of this.watched) connection.tick(now);
    if (now < this.#progressDueMs) return;
    const { bodyTimeoutMs, unreadTimeoutMs } = this.options;
    this.#progressDueMs =
      now + Math.min(PROGRESS_MS_MAX, bodyTimeoutMs / PROGRESS_PART, unreadTimeoutMs / PROGRESS_PART);
    for (const session of this.sessions) session.checkProgress(now);
  }

  /** Idle clients are told goodbye at once; busy ones with their response. */
  #onDrain(): void {
    this.draining = true;
    for (const session of this.sessions) session.drain();
    for (const pool of this.idlePools) pool.closeIdle(Number.POSITIVE_INFINITY);
    for (const link of this.links) link.engineDrains();
  }
}
