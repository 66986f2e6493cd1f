/**
 * One destination as the outbound side sees it: its policy of the moment, compiled into routes with their backends. Shared by all
 * connections to that address; one that was named by a request, by all requests with that name.
 */
import type {
  HostMatch,
  HttpMatch,
  HttpRoute,
  HttpRule,
  OutboundPolicy,
  OutboundRefused,
  RouteFilter,
  TcpRoute,
  Watched,
} from '@mesh/model';
import { RetryBudget } from '@mesh/model';
import type { Address, Closed } from '@mesh/net';
import { HEADER, headerBit } from '@mesh/wire';
import type { H2Reason } from '@mesh/wire';
import type { Backends, LeasedDistribution } from '../balance/backends.ts';
import type { Dispatcher, Waiter } from '../balance/endpoint-slot.ts';
import type { FailureCode } from '../http/rescue.ts';
import { HOP_FIELDS, NO_ADDED_FIELDS } from '../http/service.ts';
import type { HttpConnection, HttpService, RoutedRequest } from '../http/service.ts';
import type { OutboundDiscovery, ProxyMetrics } from '../ports.ts';
import { fullRefLabels, routeLabels } from './authorize.ts';
import { targetLabels } from './inbound-port.ts';
import { HostnameRules } from './hostname-rules.ts';
import { matchesAll, selectRoute } from './match.ts';
import { RouteRetry } from './route-rules.ts';
import type { RouteRules } from './route-rules.ts';

/** A rule ready for use. */
interface CompiledRule {
  readonly hosts: readonly HostMatch[];
  readonly matches: readonly HttpMatch[];
  readonly filters: readonly RouteFilter[];
  readonly dispatcher: Dispatcher;
  readonly rules: RouteRules;
  /** Set where requests are counted by their hosts. */
  readonly byHost: HostnameRules | undefined;
}

interface CompiledTcp {
  readonly filters: readonly RouteFilter[];
  readonly dispatcher: Dispatcher;
}

interface RuleSet {
  readonly rules: readonly CompiledRule[];
  /** The rule that all requests take, where there is only that. */
  readonly only: CompiledRule | undefined;
}

interface Compiled {
  readonly policy: OutboundPolicy;
  /** Undefined: the policy says that nothing here is HTTP. */
  readonly http: { readonly http1: RuleSet; readonly http2: RuleSet } | undefined;
  readonly opaque: CompiledTcp | undefined;
  readonly leases: readonly LeasedDistribution[];
}

/**
 * Retries in all never more than first tries, beyond a few per second: a limit of each request alone would let an outage multiply
 * the traffic by it.
 */
const RETRY_BUDGET = { ratio: 1, minPerSecond: 10, ttlMs: 10_000 };

export interface OutboundTargetDeps {
  readonly backends: Backends;
  readonly discovery: OutboundDiscovery;
  readonly metrics: ProxyMetrics;
  /** Responses made here tell the program why. */
  readonly details: boolean;
  /** Requests are counted by their hosts too. */
  readonly hostnameLabels: boolean;
}

/** Names are only ever those of HTTP requests: what is opaque has no place for one. */
const NO_ADDRESS: Address = { ip: '', port: 0 };

const FROM_PROGRAM: number =
  headerBit(HEADER.requireId) |
  headerBit(HEADER.proxyConnectionL5d) |
  headerBit(HEADER.clientId) |
  headerBit(HEADER.clientIdentity) |
  headerBit(HEADER.clientCluster) |
  headerBit(HEADER.origProto);

export class OutboundTarget implements HttpService {
  readonly requestDrop = FROM_PROGRAM;
  readonly requestAdd = NO_ADDED_FIELDS;
  readonly responseDrop = HOP_FIELDS;
  readonly details: boolean;
  readonly servesProxies = false;
  readonly address: Address;
  /** Connections, or requests with its name, that use it. */
  uses = 0;
  readonly #deps: OutboundTargetDeps;
  readonly #named: boolean;
  readonly #watched: Watched<OutboundPolicy | OutboundRefused>;
  readonly #unsubscribe: () => void;
  readonly #waiters = new Set<() => void>();
  #compiled: Compiled | undefined;
  /** Set while the policy says opaque: connections of before that speak HTTP go on with what ruled them. */
  #lastHttp: Compiled | undefined;

  /** @param destination An original destination, or the name and port that requests are for. */
  constructor(destination: Address | string, deps: OutboundTargetDeps) {
    const named = typeof destination === 'string';
    this.address = named ? NO_ADDRESS : destination;
    this.details = deps.details;
    this.#deps = deps;
    this.#named = named;
    this.#watched = named ? deps.discovery.resolveAuthority(destination) : deps.discovery.resolve(destination);
    this.#compiled = undefined;
    this.#lastHttp = undefined;
    this.#unsubscribe = this.#watched.onChange(() => this.#update());
    if (this.#watched.current !== undefined) this.#update();
  }

  /** The control plane has answered, one way or the other. */
  get resolved(): boolean {
    return this.#watched.current !== undefined;
  }

  get policy(): OutboundPolicy | undefined {
    return this.#compiled?.policy;
  }

  /** Calls back once, when `resolved` turns true. Returns the function that takes the wish back. */
  whenResolved(callback: () => void): () => void {
    this.#waiters.add(callback);
    return () => this.#waiters.delete(callback);
  }

  /** How opaque bytes go on; undefined: not at all. */
  tcp(): Dispatcher | undefined {
    const route = this.#compiled?.opaque;
    return route === undefined || route.filters.length > 0 ? undefined : route.dispatcher;
  }

  route(request: RoutedRequest): void {
    const http = (this.#lastHttp ?? this.#compiled)?.http;
    if (http === undefined) {
      request.reject(this.#named ? 'unknown_destination' : 'unexpected');
      return;
    }
    const { rules, only } = request.facts.version === 2 ? http.http2 : http.http1;
    const rule = only ?? selectRoute(rules, request.facts);
    if (rule === undefined) {
      request.reject('no_route');
      return;
    }
    for (const filter of rule.filters) {
      if (filter.kind === 'failure') request.reject('route_failure', filter.status);
      else request.reject('unauthorized');
      return;
    }
    const required = request.facts.known(HEADER.requireId);
    const dispatcher = required === undefined ? rule.dispatcher : new RequireIdentity(rule.dispatcher, required);
    request.dispatch(dispatcher, rule.byHost?.of(request.facts) ?? rule.rules);
  }

  failed(code: FailureCode | H2Reason): void {
    this.#deps.metrics.errors('outbound_http_errors_total', { ...targetLabels(this.address), error: code }).add(1);
  }

  closed(connection: HttpConnection, why: Closed): void {
    connection.onOver?.(why);
  }

  dispose(): void {
    this.#unsubscribe();
    this.#watched.release();
    this.#dropLeases(this.#compiled);
    this.#dropLeases(this.#lastHttp);
    this.#compiled = undefined;
    this.#lastHttp = undefined;
  }

  #update(): void {
    const next = this.#watched.current;
    const before = this.#compiled;
    if (next === undefined) return;
    // A refusal after a good answer changes nothing: what is known goes on serving.
    if ('refused' in next) {
      if (before === undefined) this.#wake();
      return;
    }
    // The new leases come first, so that backends in both keep their balancers.
    const compiled = this.#compile(next);
    this.#compiled = compiled;
    if (compiled.http !== undefined) {
      this.#dropLeases(this.#lastHttp);
      this.#lastHttp = undefined;
    }
    if (compiled.http === undefined && before?.http !== undefined) this.#lastHttp = before;
    else this.#dropLeases(before);
    this.#wake();
  }

  #dropLeases(compiled: Compiled | undefined): void {
    for (const lease of compiled?.leases ?? []) lease[Symbol.dispose]();
  }

  #wake(): void {
    const waiting = [...this.#waiters];
    this.#waiters.clear();
    for (const wake of waiting) wake();
  }

  #compile(policy: OutboundPolicy): Compiled {
    const leases: LeasedDistribution[] = [];
    const ruleSet = (routes: readonly HttpRoute[]): RuleSet => {
      const rules = routes.flatMap((route) =>
        route.rules.map((rule) => this.#compileRule(policy, route, rule, leases)),
      );
      const [first] = rules;
      return { rules, only: first !== undefined && rules.length === 1 && matchesAll(first) ? first : undefined };
    };
    const tcp = (route: TcpRoute, kind: 'tcp' | 'tls'): CompiledTcp | undefined => {
      if (this.#named) return undefined;
      const lease = this.#deps.backends.lease(route.backends, policy.parent, kind);
      leases.push(lease);
      const { target_ip = '', target_port = '' } = targetLabels(this.address);
      // Which names programs put into their hellos is theirs to choose: no label.
      const own = kind === 'tls' ? { hostname: '' } : { target_ip, target_port };
      const labels = { ...fullRefLabels('parent', policy.parent), ...routeLabels(route.ref), ...own };
      lease.distribution.tcpRoute = this.#deps.metrics.tcpRoute(kind, labels);
      return { filters: route.filters, dispatcher: lease.distribution };
    };
    const { protocol } = policy;
    switch (protocol.kind) {
      case 'detect': {
        const http = { http1: ruleSet(protocol.http1), http2: ruleSet(protocol.http2) };
        return { policy, http, opaque: tcp(protocol.opaque, 'tcp'), leases };
      }
      case 'http1': {
        const http1 = ruleSet(protocol.http1);
        return { policy, http: { http1, http2: http1 }, opaque: undefined, leases };
      }
      case 'http2':
      case 'grpc': {
        const http2 = ruleSet(protocol.http2);
        return { policy, http: { http1: http2, http2 }, opaque: undefined, leases };
      }
      case 'opaque':
        return { policy, http: undefined, opaque: tcp(protocol.opaque, 'tcp'), leases };
      case 'tls':
        return { policy, http: undefined, opaque: tcp(protocol.opaque, 'tls'), leases };
    }
  }

  #compileRule(policy: OutboundPolicy, route: HttpRoute, rule: HttpRule, leases: LeasedDistribution[]): CompiledRule {
    const { backends, metrics, hostnameLabels } = this.#deps;
    const protocol = policy.protocol.kind === 'grpc' ? 'grpc' : 'http';
    const lease = backends.lease(rule.backends, policy.parent, 'http', { protocol, ref: route.ref });
    leases.push(lease);
    const labels = { ...fullRefLabels('parent', policy.parent), ...routeLabels(route.ref) };
    const retry =
      rule.retry === undefined
        ? undefined
        : new RouteRetry(
            rule.retry,
            new RetryBudget(RETRY_BUDGET),
            metrics.routeRetry(protocol, labels),
            backends.random,
          );
    const rules = { timeouts: rule.timeouts, retry, cells: metrics.route(protocol, labels) };
    return {
      hosts: route.hosts,
      matches: rule.matches,
      filters: rule.filters,
      dispatcher: lease.distribution,
      rules,
      byHost: hostnameLabels
        ? new HostnameRules(rules, (hostname) => metrics.route(protocol, { ...labels, hostname }))
        : undefined,
    };
  }
}

/** `l5d-require-id`: the request goes to an endpoint with that TLS identity, or nowhere. */
class RequireIdentity implements Dispatcher {
  readonly #inner: Dispatcher;
  readonly #identity: string;
  #waiter: Waiter | undefined;

  constructor(inner: Dispatcher, identity: string) {
    this.#inner = inner;
    this.#identity = identity;
  }

  get retriesConnects(): boolean {
    return this.#inner.retriesConnects;
  }

  hasReady(tried: ReadonlySet<string> | undefined): boolean {
    return this.#inner.hasReady(tried);
  }

  hasQuick(tried: ReadonlySet<string> | undefined): boolean {
    return this.#inner.hasQuick(tried);
  }

  acquire(waiter: Waiter): void {
    const checked: Waiter = {
      tried: waiter.tried,
      assigned: (slot, cells) => {
        if (slot.plan.tls?.name === this.#identity) waiter.assigned(slot, cells);
        else {
          slot.responded('none');
          waiter.refused('identity_mismatch');
        }
      },
      refused: (code) => waiter.refused(code),
      rerouted: () => waiter.rerouted(),
    };
    this.#waiter = checked;
    this.#inner.acquire(checked);
  }

  cancel(): void {
    if (this.#waiter !== undefined) this.#inner.cancel(this.#waiter);
  }
}
