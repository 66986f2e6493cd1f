/** One opaque connection: waits for an endpoint, dials it, then becomes a tunnel. */
import type { Closed, Conn, Handlers } from '@mesh/net';
import type { Timer } from '@mesh/runtime';
import type { Dispatcher, EndpointSlot, Waiter } from '../balance/endpoint-slot.ts';
import { connectTarget, isExpectedPeer, prefaceFor } from '../connect/connect-plan.ts';
import type { Conveyed } from '../connect/connect-plan.ts';
import type { HttpEngine } from '../http/engine.ts';
import type { FailureCode } from '../http/rescue.ts';
import { CONNECT_SLOW_MS } from '../http/upstream-pool.ts';
import type { Labels, TcpCells, TcpRouteCells } from '../ports.ts';
import { joinTunnel } from './tunnel.ts';

const ATTEMPTS_MAX = 5;
/** As long as other endpoints are ready nothing is lost by asking them. */
const ENDPOINTS_MAX = 16;
/** How often an endpoint is left because its connection takes long. */
const MOVES_MAX = 2;
const SLOW: Closed = { kind: 'timeout', code: 'connect_slow' };

export interface TcpForwardOptions {
  readonly conn: Conn<unknown>;
  /** What the client sent already. */
  readonly first: Uint8Array;
  /** The client sent FIN already. */
  readonly ended: boolean;
  /** Asked anew for each attempt; undefined: there is no route. */
  readonly dispatcher: () => Dispatcher | undefined;
  readonly engine: HttpEngine;
  readonly cells: TcpCells;
  /** Gateways: whom the connection is for, told to the sidecars of endpoints. */
  readonly conveyed?: Conveyed | undefined;
  /** Labels of the client, for the series of the connection to the endpoint. Undefined: it counts into the endpoint's own. */
  readonly clientLabels?: Labels | undefined;
  /** Counts why the connection failed; the connection was reset. */
  failed(code: FailureCode): void;
  /** The client's connection is over. */
  readonly closed: (why: Closed) => void;
}

export class TcpForward implements Waiter {
  readonly tried = undefined;
  readonly #options: TcpForwardOptions;
  readonly #client: Conn<TcpForward>;
  /** Until it is sent: connections that stay for days must not keep what detection had collected. */
  #first: Uint8Array;
  #upstream: Conn<TcpForward> | undefined;
  #slot: EndpointSlot | undefined;
  #dispatcher: Dispatcher | undefined;
  #attempts = 0;
  #moves = 0;
  #slowTimer: Timer | undefined;
  #waiting = false;
  #over = false;
  #startedAtMs = 0;
  #route: TcpRouteCells | undefined;

  constructor(options: TcpForwardOptions) {
    this.#first = options.first;
    this.#options = { ...options, first: NOTHING };
    this.#client = options.conn.handOver(CLIENT_HANDLERS, this);
    options.engine.forwards.add(this);
  }

  /** The proxy ends: so does this connection. */
  abort(): void {
    this.#client.reset();
  }

  start(): void {
    this.#client.pause();
    this.#options.cells.readBytes.add(this.#first.length);
    this.#route = this.#options.dispatcher()?.tcpRoute;
    this.#route?.open.add(1);
    this.#acquire();
  }

  assigned(slot: EndpointSlot): void {
    this.#waiting = false;
    const { engine } = this.#options;
    const { options, identity, driver, clock } = engine;
    this.#attempts += 1;
    const target = connectTarget(slot.plan, identity, options.connectTimeoutMs, options.connectKeepAliveMs);
    if (target === undefined) {
      this.refused('connect');
      return;
    }
    this.#slot = slot;
    this.#startedAtMs = clock.monotonic();
    slot.ewma.start();
    this.#upstream = driver.connect(target, SERVER_HANDLERS, this);
    this.#armSlowTimer(slot);
  }

  refused(code: FailureCode): void {
    this.#waiting = false;
    this.#over = true;
    this.#options.failed(code);
    this.#countClose(code);
    this.#client.reset();
  }

  rerouted(): void {
    this.#acquire();
  }

  onSecure(conn: Conn<TcpForward>): void {
    const plan = this.#slot?.plan;
    if (plan === undefined || conn.peer === undefined || !isExpectedPeer(plan, conn.peer)) conn.reset();
  }

  onConnected(upstream: Conn<TcpForward>): void {
    const slot = this.#slot;
    this.#cancelSlowTimer();
    if (slot === undefined || this.#over || upstream !== this.#upstream) {
      upstream.reset();
      return;
    }
    const { engine, cells, ended, closed, conveyed, clientLabels } = this.#options;
    const first = this.#first;
    this.#first = NOTHING;
    const now = engine.clock.monotonic();
    slot.owner.connected(slot);
    const upstreamCells = clientLabels === undefined ? slot.cells.tcp : slot.cells.tcpFor(clientLabels);
    upstreamCells.openTotal.add(1);
    upstreamCells.openConnections.add(1);
    const { plan } = slot;
    const preface = conveyed === undefined ? plan.opaquePreface : prefaceFor(plan, conveyed);
    if (preface.length > 0) upstream.write(preface);
    this.#over = true;
    const connectMs = now - this.#startedAtMs;
    joinTunnel(
      {
        conn: this.#client,
        cells,
        ended,
        onClose: (why) => {
          engine.forwards.delete(this);
          this.#countClose(errnoOf(why));
          closed(why);
        },
      },
      {
        conn: upstream,
        cells: upstreamCells,
        onClose(why) {
          // For connections the time to connect is the sample, taken at their end so that open ones count as load.
          slot.ewma.finish(connectMs, engine.clock.monotonic());
          upstreamCells.openConnections.add(-1);
          upstreamCells.closeTotal(errnoOf(why)).add(1);
        },
      },
      first,
      NOTHING,
    );
  }

  onConnectFailed(upstream: Conn<TcpForward>, why: Closed): void {
    // One that was left.
    if (upstream !== this.#upstream) return;
    this.#cancelSlowTimer();
    const slot = this.#slot;
    this.#slot = undefined;
    this.#upstream = undefined;
    if (slot === undefined || this.#over) return;
    slot.ewma.finish(undefined, 0);
    slot.owner.connectFailed(slot, why);
    const most = this.#dispatcher?.hasReady(undefined) === true ? ENDPOINTS_MAX : ATTEMPTS_MAX;
    if (this.#dispatcher?.retriesConnects === true && this.#attempts < most) this.#acquire();
    else this.refused(why.kind === 'timeout' ? 'connect_timeout' : 'connect');
  }

  onClientClosed(why: Closed): void {
    this.#cancelSlowTimer();
    if (this.#waiting) this.#dispatcher?.cancel(this);
    const slot = this.#slot;
    this.#slot = undefined;
    this.#over = true;
    slot?.ewma.finish(undefined, 0);
    this.#upstream?.reset();
    this.#options.engine.forwards.delete(this);
    this.#countClose(errnoOf(why));
    this.#options.closed(why);
  }

  /** Once: the first reason is the one. */
  #countClose(error: string): void {
    this.#route?.close(error).add(1);
    this.#route = undefined;
  }

  #cancelSlowTimer(): void {
    this.#slowTimer?.cancel();
    this.#slowTimer = undefined;
  }

  #armSlowTimer(slot: EndpointSlot): void {
    if (this.#moves >= MOVES_MAX) return;
    this.#slowTimer = this.#options.engine.clock.after(CONNECT_SLOW_MS, () => this.#onSlow(slot));
  }

  /** Another endpoint, if one is ready, may answer sooner; this one comes back when a probe gets through. */
  #onSlow(slot: EndpointSlot): void {
    const dispatcher = this.#dispatcher;
    if (this.#over || this.#slot !== slot || dispatcher?.retriesConnects !== true) return;
    if (!dispatcher.hasQuick(new Set([slot.program]))) {
      this.#armSlowTimer(slot);
      return;
    }
    this.#moves += 1;
    const left = this.#upstream;
    this.#slot = undefined;
    this.#upstream = undefined;
    slot.ewma.finish(undefined, 0);
    slot.owner.connectFailed(slot, SLOW);
    left?.reset();
    this.#acquire();
  }

  #acquire(): void {
    this.#dispatcher = this.#options.dispatcher();
    if (this.#dispatcher === undefined) {
      this.refused('no_route');
      return;
    }
    this.#waiting = true;
    this.#dispatcher.acquire(this);
  }
}

/** As the close counters spell it: empty for an end without error. */
export function errnoOf(why: Closed): string {
  return why.kind === 'clean' || why.kind === 'aborted' ? '' : why.code.toUpperCase();
}

const NOTHING = new Uint8Array(0);

const CLIENT_HANDLERS: Handlers<TcpForward> = {
  open() {},
  // Paused until the tunnel takes over: neither of these can come.
  data: (conn) => conn.reset(),
  end() {},
  drain() {},
  close: (conn, why) => conn.state.onClientClosed(why),
};

const SERVER_HANDLERS: Handlers<TcpForward> = {
  secure: (conn) => conn.state.onSecure(conn),
  open: (conn) => conn.state.onConnected(conn),
  data: (conn) => conn.reset(),
  end() {},
  drain() {},
  close: (conn, why) => conn.state.onConnectFailed(conn, why),
};
