/** One endpoint in use: its load, its readiness, its connections, its metric cells. */
import type { Closed } from '@mesh/net';
import type { Endpoint, EwmaPolicy, Loaded, ResponseClass } from '@mesh/model';
import { PeakEwma } from '@mesh/model';
import type { Clock } from '@mesh/runtime';
import type { ConnectPlan } from '../connect/connect-plan.ts';
import type { HttpEngine } from '../http/engine.ts';
import { HttpPool } from '../http/upstream-pool.ts';
import type { FailureCode } from '../http/rescue.ts';
import type { HttpCells, Labels, RouteBackendCells, TcpCells, TcpRouteCells } from '../ports.ts';
import type { AccrualGate } from './accrual-gate.ts';

/** Who waits for an endpoint: an HTTP request, or a TCP connection. One of the three is called, once per `acquire`. */
export interface Waiter {
  /** `EndpointSlot.program` of those that this request found down: it does not want them again. Undefined: none. */
  readonly tried: ReadonlySet<string> | undefined;
  /** @param cells What the route's use of the slot's backend is counted with; undefined: it is not. */
  assigned(slot: EndpointSlot, cells?: RouteBackendCells): void;
  refused(code: FailureCode): void;
  /** The route changed meanwhile: ask again, by the new one. */
  rerouted(): void;
}

/** Where waiters get endpoints from. */
export interface Dispatcher {
  /** False: a failed connect is the client's answer; true: another endpoint may be asked for. */
  readonly retriesConnects: boolean;
  /** Whose connections are counted, where they are: opaque routes of the outbound side. */
  readonly tcpRoute?: TcpRouteCells | undefined;
  /** Whoever asks now is served now, by an endpoint that is not among `tried`. */
  hasReady(tried: ReadonlySet<string> | undefined): boolean;
  /** As `hasReady`, by an endpoint whose connections do not take long. */
  hasQuick(tried: ReadonlySet<string> | undefined): boolean;
  acquire(waiter: Waiter): void;
  /** The waiter is gone; no call follows. */
  cancel(waiter: Waiter): void;
}

export interface SlotOwner {
  connectFailed(slot: EndpointSlot, why: Closed): void;
  connected(slot: EndpointSlot): void;
  /** No connection is open, and the one that is being opened takes longer than it should: `connected` or `connectFailed` follows. */
  stalled(slot: EndpointSlot): void;
  /** The endpoint's proxy answered that the program behind it saw nothing of a request. */
  undelivered(slot: EndpointSlot): void;
}

export interface SlotCells {
  readonly http: HttpCells;
  readonly tcp: TcpCells;
  /** As `tcp`, with labels of the one client that a connection is opened for. Bound anew by each call. */
  tcpFor(client: Labels): TcpCells;
}

export class EndpointSlot implements Loaded {
  readonly endpoint: Endpoint;
  readonly plan: ConnectPlan;
  readonly owner: SlotOwner;
  readonly pool: HttpPool;
  readonly ewma: PeakEwma;
  readonly cells: SlotCells;
  /** Failure accrual; undefined: none. Set by the balancer. */
  gate: AccrualGate | undefined;
  /** Position in the balancer's ready list, -1: not ready. */
  readyIndex: number;
  failures: number;
  /** Rests in a row without an answer of the program. */
  rests: number;
  retired: boolean;
  readonly #clock: Clock;

  constructor(
    endpoint: Endpoint,
    plan: ConnectPlan,
    owner: SlotOwner,
    engine: HttpEngine,
    cells: SlotCells,
    ewma: EwmaPolicy,
  ) {
    this.endpoint = endpoint;
    this.plan = plan;
    this.owner = owner;
    this.cells = cells;
    this.ewma = new PeakEwma(ewma, engine.clock.monotonic());
    this.gate = undefined;
    this.readyIndex = -1;
    this.failures = 0;
    this.rests = 0;
    this.retired = false;
    this.#clock = engine.clock;
    this.pool = new HttpPool(this, engine);
  }

  /** What the endpoint leads to, the same in every balancer: a gateway's address leads to one service per authority. */
  get program(): string {
    const { address, authorityOverride } = this.endpoint;
    return `${address.ip} ${address.port} ${authorityOverride ?? ''}`;
  }

  load(nowMs: number): number {
    return this.ewma.load(nowMs);
  }

  /**
   * What became of a request that was assigned to this endpoint: once per assignment, when it is known. HTTP: `classifyHttp` at the end
   * of the response, or at its head when that is a failure already; gRPC: `classifyGrpc` of the trailers or the head. `failure` when the
   * connection or the stream broke, or a time limit passed before the head; `none` when nothing was learned.
   *
   * @param retryAfterMs Of a response's `Retry-After`.
   */
  responded(responseClass: ResponseClass, retryAfterMs?: number): void {
    if (responseClass === 'failure' || responseClass === 'rate_limited')
      this.ewma.penalize(retryAfterMs, this.#clock.monotonic());
    this.gate?.responded(responseClass);
  }

  /** Discovery took the endpoint away: idle connections go, busy ones finish. */
  retire(): void {
    this.retired = true;
    this.gate?.dispose();
    this.pool.close();
  }
}
