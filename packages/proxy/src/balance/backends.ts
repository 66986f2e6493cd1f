/**
 * The backends in use, shared by all routes that name them: one balancer per backend key, kept while anything
 * refers to it.
 */
import type { Backend, BackoffOptions, Distribution as DistributionPolicy, Endpoint, ResourceRef } from '@mesh/model';
import type { HttpEngine } from '../http/engine.ts';
import type {
  BackendKind,
  Endpoints,
  Labels,
  ProxyMetrics,
  RouteBackendCells,
  RouteProtocol,
  StackLabels,
  TcpCells,
} from '../ports.ts';
import { fullRefLabels, routeLabels } from '../route/authorize.ts';
import { targetLabels } from '../route/inbound-port.ts';
import { TwoCounters } from '../metrics/wrapped-cells.ts';
import { Balancer, ForwardTarget } from './balancer.ts';
import type { Selectable } from './balancer.ts';
import { Distribution } from './distribution.ts';
import type { DistributionMember } from './distribution.ts';
import type { SlotCells } from './endpoint-slot.ts';

export interface BackendsDeps {
  readonly engine: HttpEngine;
  readonly metrics: ProxyMetrics;
  readonly endpoints: Endpoints;
  /** Addresses of this workload: reached without TLS. */
  readonly ownIps: ReadonlySet<string>;
  readonly connectBackoff: BackoffOptions;
  readonly random: () => number;
}

interface Kept {
  readonly target: Selectable & { dispose(): void };
  readonly stack: StackLabels;
  uses: number;
}

export interface CountedRoute {
  readonly protocol: RouteProtocol;
  readonly ref: ResourceRef;
}

/** What a route keeps; dispose once. */
export interface LeasedDistribution extends Disposable {
  readonly distribution: Distribution;
}

const QUEUE_DEFAULT = { capacity: 100, failfastTimeoutMs: 3000 };

export class Backends {
  readonly #deps: BackendsDeps;
  readonly #kept = new Map<string, Kept>();
  /** Uniform in [0, 1): for choices and jitter, of routes as well. */
  readonly random: () => number;

  constructor(deps: BackendsDeps) {
    this.#deps = deps;
    this.random = deps.random;
  }

  /** @param kind Which balancer metrics it counts into. @param route Whose use of each backend is counted; undefined: nobody's. */
  lease(policy: DistributionPolicy, parent: ResourceRef, kind: BackendKind, route?: CountedRoute): LeasedDistribution {
    const listed = listBackends(policy).filter(({ backend }) => backend.target.kind !== 'invalid');
    const keys: string[] = [];
    const members: DistributionMember[] = [];
    for (const { backend, weight } of listed) {
      const target = this.#take(backend, parent, kind, keys);
      if (target === undefined) continue;
      members.push({ target, weight, cells: this.#cells(parent, route, backend.ref) });
    }
    const [first] = listed;
    const { engine, metrics, random } = this.#deps;
    const labels = stackLabels(kind, 'logical');
    const cells = {
      balancer: metrics.balancer(kind, balancerLabels(kind, parent, first?.backend)),
      polls: metrics.stackPolls(labels),
    };
    const stack = metrics.stack(labels);
    const queue = first?.backend.queue ?? QUEUE_DEFAULT;
    const distribution = new Distribution(policy.kind, members, queue, engine.clock, random, cells);
    stack.created.add(1);
    let leased = true;
    return {
      distribution,
      [Symbol.dispose]: () => {
        if (!leased) return;
        leased = false;
        distribution.dispose();
        stack.dropped.add(1);
        for (const key of keys) this.#giveBack(key);
      },
    };
  }

  #cells(parent: ResourceRef, route: CountedRoute | undefined, backend: ResourceRef): RouteBackendCells | undefined {
    if (route === undefined) return undefined;
    const labels = {
      ...fullRefLabels('parent', parent),
      ...routeLabels(route.ref),
      ...fullRefLabels('backend', backend),
    };
    return this.#deps.metrics.routeBackend(route.protocol, labels);
  }

  #take(backend: Backend, parent: ResourceRef, kind: BackendKind, keys: string[]): Selectable | undefined {
    // Load, pools and queue metrics of requests and of connections say different things: one balancer each.
    const key = `${kind} ${backend.key}`;
    let kept = this.#kept.get(key);
    if (kept === undefined) {
      const target = this.#create(backend, parent, kind);
      if (target === undefined) return undefined;
      kept = { target, stack: stackLabels(kind, target.balanced ? 'balance' : 'forward'), uses: 0 };
      this.#kept.set(key, kept);
      this.#deps.metrics.stack(kept.stack).created.add(1);
    }
    kept.uses += 1;
    keys.push(key);
    return kept.target;
  }

  #giveBack(key: string): void {
    const kept = this.#kept.get(key);
    if (kept === undefined) return;
    kept.uses -= 1;
    if (kept.uses > 0) return;
    this.#kept.delete(key);
    kept.target.dispose();
    this.#deps.metrics.stack(kept.stack).dropped.add(1);
  }

  #create(backend: Backend, parent: ResourceRef, kind: BackendKind): (Selectable & { dispose(): void }) | undefined {
    const { engine, metrics, endpoints, ownIps, connectBackoff, random } = this.#deps;
    const { target } = backend;
    switch (target.kind) {
      case 'balancer':
        return new Balancer(backend, endpoints.watch(target.path), {
          kind,
          engine,
          ownIps,
          connectBackoff,
          random,
          slotCells: (of, endpoint, tlsLabels) => slotCells(metrics, authorityOf(of), endpoint, tlsLabels),
          balancerCells: metrics.balancer(kind, balancerLabels(kind, parent, backend)),
          stackCells: metrics.stack(stackLabels(kind, 'endpoint')),
        });
      case 'forward':
        return new ForwardTarget(target.endpoint, ownIps, engine, (tlsLabels) =>
          slotCells(metrics, undefined, target.endpoint, tlsLabels),
        );
      case 'invalid':
        return undefined;
    }
  }
}

function listBackends(policy: DistributionPolicy): readonly { readonly backend: Backend; readonly weight: number }[] {
  switch (policy.kind) {
    case 'empty':
      return [];
    case 'first_available':
      return policy.backends.map((backend) => ({ backend, weight: 1 }));
    case 'random_available':
      return policy.backends;
  }
}

function authorityOf(backend: Backend): string | undefined {
  return backend.target.kind === 'balancer' ? backend.target.path : undefined;
}

function balancerLabels(kind: BackendKind, parent: ResourceRef, backend: Backend | undefined): Labels {
  const labels = { ...fullRefLabels('parent', parent), ...fullRefLabels('backend', backend?.ref ?? parent) };
  if (kind === 'http') return labels;
  const concrete = backend === undefined ? '' : (authorityOf(backend) ?? '');
  return { ...labels, logical: logicalName(parent, concrete), concrete };
}

/** The Service that was called, by its full name: in the same cluster domain as the backend's. */
function logicalName({ kind, name, namespace, port }: ResourceRef, concrete: string): string {
  const svc = concrete.indexOf('.svc.');
  const colon = concrete.lastIndexOf(':');
  if (kind !== 'Service' || svc < 0 || colon < svc) return concrete;
  return `${name}.${namespace}${concrete.slice(svc, colon)}:${port}`;
}

function stackLabels(kind: BackendKind, name: StackLabels['name']): StackLabels {
  return { direction: 'outbound', protocol: kind === 'tcp' ? 'opaq' : kind, name };
}

function slotCells(
  metrics: ProxyMetrics,
  authority: string | undefined,
  endpoint: Endpoint,
  tlsLabels: Labels,
): SlotCells {
  const labels: Record<string, string> = { direction: 'outbound' };
  if (authority !== undefined) labels['authority'] = authority;
  Object.assign(labels, targetLabels(endpoint.address), tlsLabels);
  for (const [name, value] of Object.entries(endpoint.labels)) labels[`dst_${name}`] = value;
  const cost = metrics.transferCost(endpoint.labels['zone_locality'] ?? 'unknown');
  const tcpFor = (client: Labels): TcpCells => {
    const tcp = metrics.tcp({ ...labels, peer: 'dst', ...client });
    return {
      openTotal: tcp.openTotal,
      openConnections: tcp.openConnections,
      closeTotal: (errno) => tcp.closeTotal(errno),
      readBytes: new TwoCounters(tcp.readBytes, cost.received),
      writeBytes: new TwoCounters(tcp.writeBytes, cost.sent),
    };
  };
  return { http: metrics.http(labels), tcp: tcpFor({}), tcpFor };
}
