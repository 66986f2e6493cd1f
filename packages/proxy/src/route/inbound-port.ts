/** One port of the workload as the inbound side sees it: its policy of the moment, the local program, its metric cells. */
import type { Authorization, Endpoint, InboundPolicy, InboundRoute, Watched } from '@mesh/model';
import { NO_TIMEOUTS } from '@mesh/model';
import type { Address } from '@mesh/net';
import type { AccessLog } from '../access-log/access-log.ts';
import type { Dispatcher, SlotOwner, Waiter } from '../balance/endpoint-slot.ts';
import { EndpointSlot } from '../balance/endpoint-slot.ts';
import { planConnect } from '../connect/connect-plan.ts';
import type { HttpEngine } from '../http/engine.ts';
import type { RequestFacts } from '../http/facts.ts';
import type {
  CounterCell,
  DetectCells,
  HttpCells,
  InboundRouteCells,
  Labels,
  PolicyPorts,
  ProxyMetrics,
  StackCells,
  TcpCells,
} from '../ports.ts';
import { refLabels } from './authorize.ts';
import type { RouteRules } from './route-rules.ts';
import type { Client } from './authorize.ts';

export interface InboundPortDeps {
  readonly engine: HttpEngine;
  readonly metrics: ProxyMetrics;
  readonly policies: PolicyPorts;
  /** The program is an ingress. */
  readonly ingress: boolean;
  /** Requests are counted by their authorities too. */
  readonly authorityLabels: boolean;
  /** Undefined: there is none. */
  readonly accessLog: AccessLog | undefined;
}

const NO_IPS: ReadonlySet<string> = new Set();
const LOCAL_EWMA = { defaultRttMs: 30, decayMs: 10_000 };
/** Requests are always counted with cells that name their client; these stand where an endpoint must have some. */
const UNCOUNTED: HttpCells = { requestTotal: { add: () => undefined }, response: () => undefined };
/** The route of a server that has none. */
export const DEFAULT_ROUTE: InboundRoute = {
  ref: { group: '', kind: 'default', namespace: '', name: 'default', port: 0, section: '' },
  hosts: [],
  matches: [],
  authorizations: [],
};

/** Authorities of one port that are told apart. Clients choose them, so there may be any number; further ones count without a name. */
export const AUTHORITIES_MAX = 100;
/** A name (RFC 1035 §2.3.4), a colon and a port. */
const AUTHORITY_LENGTH_MAX = 253 + 6;

export interface InboundRules extends RouteRules {
  readonly cells: InboundRouteCells;
}

export class InboundPort implements Dispatcher, SlotOwner {
  readonly retriesConnects = false;
  readonly target: Address;
  readonly policy: Watched<InboundPolicy>;
  readonly ingress: boolean;
  readonly accessLog: AccessLog | undefined;
  readonly #slot: EndpointSlot;
  readonly #metrics: ProxyMetrics;
  readonly #targetLabels: Labels;
  readonly #stack: StackCells;
  /** Undefined: they are not counted. */
  readonly #authorities: Set<string> | undefined;
  #detect: { readonly policy: InboundPolicy; readonly cells: DetectCells } | undefined;
  /** Connections that use it. */
  uses = 0;

  constructor(target: Address, deps: InboundPortDeps) {
    const { engine, metrics, policies } = deps;
    this.target = target;
    this.ingress = deps.ingress;
    this.accessLog = deps.accessLog;
    this.#metrics = metrics;
    this.policy = policies.get(target.port);
    this.#targetLabels = targetLabels(target);
    this.#authorities = deps.authorityLabels ? new Set() : undefined;
    const endpoint: Endpoint = {
      address: target,
      weight: 1,
      tls: undefined,
      protocolHint: 'unknown',
      transportPort: undefined,
      authorityOverride: undefined,
      labels: {},
    };
    // The connection to the local program; what requests cost is counted with their client's labels instead.
    const labels = {
      direction: 'inbound',
      peer: 'dst',
      ...this.#targetLabels,
      tls: 'no_identity',
      no_tls_reason: 'loopback',
    };
    const tcpFor = (of: Labels): TcpCells => metrics.tcp({ ...labels, ...of });
    const cells = { http: UNCOUNTED, tcp: tcpFor({}), tcpFor };
    this.#slot = new EndpointSlot(endpoint, planConnect(endpoint, NO_IPS), this, engine, cells, LOCAL_EWMA);
    this.#stack = metrics.stack({ direction: 'inbound', protocol: 'tcp', name: 'server' });
    this.#stack.created.add(1);
  }

  hasReady(): boolean {
    return true;
  }

  hasQuick(): boolean {
    return true;
  }

  acquire(waiter: Waiter): void {
    waiter.assigned(this.#slot);
  }

  /** Nobody ever waits here. */
  cancel(): void {}

  connectFailed(): void {}

  connected(): void {}

  stalled(): void {}

  undelivered(): void {}

  /** By what authority requests are counted: empty where it is one too many; undefined where nobody asked for it. */
  authorityLabel(facts: RequestFacts): string | undefined {
    const known = this.#authorities;
    if (known === undefined) return undefined;
    const authority = facts.authority().toLowerCase();
    if (known.has(authority)) return authority;
    if (known.size >= AUTHORITIES_MAX || authority.length > AUTHORITY_LENGTH_MAX) return '';
    known.add(authority);
    return authority;
  }

  /** @param authority Undefined: without that label. */
  httpCells(
    client: Client,
    policy: InboundPolicy,
    route: InboundRoute,
    authorization: Authorization,
    authority: string | undefined,
  ): HttpCells {
    return this.#metrics.http({
      direction: 'inbound',
      ...(authority === undefined ? {} : { authority }),
      ...this.#targetLabels,
      ...client.labels,
      ...serverLabels(policy, this.target),
      ...refLabels('route', route.ref),
      ...refLabels('authz', authorization.ref),
    });
  }

  /** What a route of this port asks of exchanges: to be counted. */
  rules(policy: InboundPolicy, route: InboundRoute): InboundRules {
    const { server } = policy;
    const cells = this.#metrics.inboundRoute(policy.protocol === 'grpc' ? 'grpc' : 'http', {
      ...refLabels('parent', server),
      parent_port: String(this.target.port),
      ...refLabels('route', route.ref),
    });
    return { timeouts: NO_TIMEOUTS, retry: undefined, cells };
  }

  /** What detection found; bound once per policy, not per connection. */
  detectCells(policy: InboundPolicy): DetectCells {
    if (this.#detect?.policy !== policy)
      this.#detect = { policy, cells: this.#metrics.detect('inbound', serverLabels(policy, this.target)) };
    return this.#detect.cells;
  }

  tcpCells(client: Client): TcpCells {
    const policy = this.policy.current;
    return this.#metrics.tcp({
      direction: 'inbound',
      peer: 'src',
      ...this.#targetLabels,
      ...client.labels,
      ...(policy === undefined ? {} : serverLabels(policy, this.target)),
    });
  }

  /** The counter of a decision, bound once and counted per request. */
  authzCell(
    family: 'inbound_http_authz' | 'inbound_tcp_authz',
    client: Client,
    policy: InboundPolicy,
    route: InboundRoute | undefined,
    authorization: Authorization | undefined,
  ): CounterCell {
    return this.#metrics.authz(authorization === undefined ? `${family}_deny_total` : `${family}_allow_total`, {
      ...this.#targetLabels,
      ...serverLabels(policy, this.target),
      ...(route === undefined ? {} : refLabels('route', route.ref)),
      ...(authorization === undefined ? {} : refLabels('authz', authorization.ref)),
      ...client.labels,
    });
  }

  countTerminated(client: Client, policy: InboundPolicy): void {
    this.#metrics
      .authz('inbound_tcp_authz_terminate_total', {
        ...this.#targetLabels,
        ...serverLabels(policy, this.target),
        ...client.labels,
      })
      .add(1);
  }

  countNoRoute(client: Client, policy: InboundPolicy): void {
    const labels = { ...this.#targetLabels, ...serverLabels(policy, this.target), ...client.labels };
    this.#metrics.authz('inbound_http_route_not_found_total', labels).add(1);
  }

  countError(family: 'inbound_http_errors_total' | 'inbound_tcp_errors_total', error: string): void {
    const policy = this.policy.current;
    const server =
      family === 'inbound_http_errors_total' && policy !== undefined ? serverLabels(policy, this.target) : {};
    this.#metrics.errors(family, { error, ...this.#targetLabels, ...server }).add(1);
  }

  dispose(): void {
    this.policy.release();
    this.#slot.retire();
    this.#stack.dropped.add(1);
  }
}

export function targetLabels(target: Address): Labels {
  const ip = target.ip.includes(':') ? `[${target.ip}]` : target.ip;
  return { target_addr: `${ip}:${target.port}`, target_ip: target.ip, target_port: String(target.port) };
}

/** @param target The port that the server rules: servers may select several. */
export function serverLabels(policy: InboundPolicy, target: Address): Labels {
  return { ...refLabels('srv', policy.server), srv_port: String(target.port) };
}
