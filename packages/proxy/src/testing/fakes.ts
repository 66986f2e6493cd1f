/** Fakes of what the data path needs: policies, discovery, endpoints, identity, metrics that can be read back. */
import type {
  Authorization,
  Backend,
  Endpoint,
  EndpointSet,
  InboundPolicy,
  OutboundPolicy,
  OutboundRefused,
  ResourceRef,
  Watched,
} from '@mesh/model';
import { NO_TIMEOUTS } from '@mesh/model';
import type { Address, Driver, TlsContext, TlsMaterial } from '@mesh/net';
import type {
  AuthzFamily,
  BackendKind,
  BalancerCells,
  CounterCell,
  DetectCells,
  Endpoints,
  ErrorFamily,
  HistogramCell,
  HttpCells,
  InboundRouteCells,
  Identity,
  Labels,
  OutboundDiscovery,
  PolicyPorts,
  ProxyMetrics,
  RouteBackendCells,
  RouteCells,
  RouteProtocol,
  RouteRetryCells,
  StackCells,
  StackLabels,
  StackPollCells,
  TcpCells,
  TcpRouteCells,
} from '../ports.ts';

/** A watched value that the test sets. */
export class FakeWatched<T> implements Watched<T> {
  current: T | undefined;
  releases = 0;
  readonly #listeners = new Set<() => void>();

  constructor(current?: T) {
    this.current = current;
  }

  set(value: T): void {
    this.current = value;
    for (const listener of this.#listeners) listener();
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  release(): void {
    this.releases += 1;
  }

  get watchers(): number {
    return this.#listeners.size;
  }
}

/** Watched values by key, made on first use, with a default. */
export class FakeWatches<K, T> {
  readonly #values = new Map<string, FakeWatched<T>>();
  readonly #initial: (key: K) => T | undefined;

  constructor(initial: (key: K) => T | undefined = () => undefined) {
    this.#initial = initial;
  }

  at(key: K): FakeWatched<T> {
    const id = JSON.stringify(key);
    let value = this.#values.get(id);
    if (value === undefined) {
      value = new FakeWatched<T>(this.#initial(key));
      this.#values.set(id, value);
    }
    return value;
  }
}

export class FakePolicies extends FakeWatches<number, InboundPolicy> implements PolicyPorts {
  get(port: number): FakeWatched<InboundPolicy> {
    return this.at(port);
  }
}

export class FakeDiscovery extends FakeWatches<Address, OutboundPolicy | OutboundRefused> implements OutboundDiscovery {
  readonly names = new FakeWatches<string, OutboundPolicy | OutboundRefused>();

  resolve(address: Address): FakeWatched<OutboundPolicy | OutboundRefused> {
    return this.at({ ip: address.ip, port: address.port });
  }

  resolveAuthority(authority: string): FakeWatched<OutboundPolicy | OutboundRefused> {
    return this.names.at(authority);
  }
}

export class FakeEndpoints extends FakeWatches<string, EndpointSet> implements Endpoints {
  watch(path: string): FakeWatched<EndpointSet> {
    return this.at(path);
  }
}

export class FakeIdentity implements Identity {
  readonly name: string;
  readonly serverName: string;
  tls: TlsContext | undefined;
  readonly #driver: Driver;
  readonly #listeners = new Set<() => void>();

  constructor(driver: Driver, name: string) {
    this.#driver = driver;
    this.name = name;
    this.serverName = name;
    this.tls = undefined;
  }

  install(material: TlsMaterial): void {
    this.tls = this.#driver.context(material);
    for (const listener of this.#listeners) listener();
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

// ---------------------------------------------------------------------------------------------------------------

export const ref = (kind: string, name: string, port = 0): ResourceRef => ({
  group: kind === 'default' ? '' : 'core',
  kind,
  namespace: 'ns',
  name,
  port,
  section: '',
});

export const ALL_NETWORKS = [{ contains: () => true }];

export const allUnauthenticated: Authorization = {
  ref: ref('default', 'all-unauthenticated'),
  networks: ALL_NETWORKS,
  authentication: { kind: 'unauthenticated' },
};

export const meshTls = (identities: readonly string[], suffixes: readonly string[] = []): Authorization => ({
  ref: ref('default', 'mesh'),
  networks: ALL_NETWORKS,
  authentication: { kind: 'mesh_tls', identities, suffixes },
});

export const inboundPolicy = (changes: Partial<InboundPolicy> = {}): InboundPolicy => ({
  server: ref('default', 'all-unauthenticated'),
  protocol: 'detect',
  detectTimeoutMs: 1000,
  authorizations: [allUnauthenticated],
  routes: [],
  ...changes,
});

export const endpoint = (address: Address, changes: Partial<Endpoint> = {}): Endpoint => ({
  address,
  weight: 10_000,
  tls: undefined,
  protocolHint: 'unknown',
  transportPort: undefined,
  authorityOverride: undefined,
  labels: {},
  ...changes,
});

export const endpointSet = (...endpoints: readonly Endpoint[]): EndpointSet =>
  new Map(endpoints.map((one) => [`${one.address.ip}:${one.address.port}`, one]));

/** @param decayMs As short as 1: both of two endpoints are chosen soon, whatever their first answers took. */
export const balanced = (path: string, failfastTimeoutMs = 300, decayMs = 10_000): Backend => ({
  key: path,
  ref: ref('Service', path.split('.')[0] ?? path, Number(path.split(':')[1] ?? 0)),
  queue: { capacity: 100, failfastTimeoutMs },
  failureAccrual: undefined,
  target: { kind: 'balancer', path, ewma: { defaultRttMs: 30, decayMs } },
});

/** Everything that goes to the first available of these backends, with detection. */
export const outboundPolicy = (...backends: readonly Backend[]): OutboundPolicy => {
  const distribution = { kind: 'first_available' as const, backends };
  const rule = {
    matches: [],
    filters: [],
    backends: distribution,
    timeouts: NO_TIMEOUTS,
    retry: undefined,
    allowRequestHeaders: false,
  };
  const routes = [{ ref: ref('default', 'http'), hosts: [], rules: [rule] }];
  const opaque = { ref: ref('default', 'opaq'), filters: [], backends: distribution };
  return {
    parent: ref('Service', 'parent', 80),
    protocol: { kind: 'detect', timeoutMs: 1000, opaque, http1: routes, http2: routes },
  };
};

/** Bytes to one balancer, without detection. */
export const opaquePolicy = (path: string): OutboundPolicy => {
  const policy = outboundPolicy(balanced(path));
  if (policy.protocol.kind !== 'detect') throw new Error('the fake policy detects');
  return { ...policy, protocol: { kind: 'opaque', opaque: policy.protocol.opaque } };
};

// ---------------------------------------------------------------------------------------------------------------

/** Metrics as plain numbers by name and labels. */
export class FakeMetrics implements ProxyMetrics {
  readonly values = new Map<string, number>();

  /** Sum over all series of `name` whose labels include `labels`. */
  sum(name: string, labels: Labels = {}): number {
    let total = 0;
    for (const [key, value] of this.values) {
      const [series, own] = JSON.parse(key) as [string, Labels];
      if (series === name && Object.entries(labels).every(([label, want]) => own[label] === want)) total += value;
    }
    return total;
  }

  tcp(labels: Labels): TcpCells {
    const open = this.#counter('tcp_open_connections', labels);
    return {
      openTotal: this.#counter('tcp_open_total', labels),
      openConnections: { add: (n) => open.add(n), set: () => undefined },
      readBytes: this.#counter('tcp_read_bytes_total', labels),
      writeBytes: this.#counter('tcp_write_bytes_total', labels),
      closeTotal: (errno) => this.#counter('tcp_close_total', { ...labels, errno }),
    };
  }

  http(labels: Labels): HttpCells {
    return {
      requestTotal: this.#counter('request_total', labels),
      response: (status, success, _latencyMs, error, grpcStatus) => {
        const classification = success ? 'success' : 'failure';
        const grpc_status = grpcStatus === undefined ? '' : String(grpcStatus);
        const all = { ...labels, status_code: String(status), classification, grpc_status, error };
        this.#counter('response_total', all).add(1);
      },
    };
  }

  balancer(kind: BackendKind, labels: Labels): BalancerCells {
    const name = (rest: string): string => `outbound_${kind}_balancer_${rest}`;
    const gauge = (rest: string, extra: Labels = {}): { add(n: number): void; set(value: number): void } => ({
      add: (n) => this.#counter(name(rest), { ...labels, ...extra }).add(n),
      set: (value) => void this.values.set(JSON.stringify([name(rest), { ...labels, ...extra }]), value),
    });
    return {
      endpointsReady: gauge('endpoints', { endpoint_state: 'ready' }),
      endpointsPending: gauge('endpoints', { endpoint_state: 'pending' }),
      updatesAdd: this.#counter(name('p2c_updates_total'), { ...labels, op: 'Add' }),
      updatesRemove: this.#counter(name('p2c_updates_total'), { ...labels, op: 'Remove' }),
      queueLength: gauge('queue_length'),
      queueRequests: this.#counter(name('queue_requests_total'), labels),
      queueLatencySeconds: this.#histogram(name('queue_latency_seconds'), labels),
      gateOpen: this.#counter(name('queue_gate_open_total'), labels),
      gateShut: this.#counter(name('queue_gate_shut_total'), labels),
      gateTimeoutSeconds: gauge('queue_gate_timeout_seconds'),
    };
  }

  route(protocol: RouteProtocol, labels: Labels): RouteCells {
    const name = `outbound_${protocol}_route_request`;
    return {
      requestFrameBytes: this.#histogram(`${name}_frame_size_bytes`, labels),
      responseFrameBytes: undefined,
      finished: (http, grpc, error) => this.#finished(`${name}_statuses_total`, labels, http, grpc, error),
    };
  }

  inboundRoute(protocol: RouteProtocol, labels: Labels): InboundRouteCells {
    const name = `inbound_${protocol}`;
    return {
      requests: this.#counter(`${name}_requests_total`, labels),
      requestFrameBytes: this.#histogram(`${name}_request_frame_size_bytes`, labels),
      responseFrameBytes: this.#histogram(`${name}_response_frame_size_bytes`, labels),
      finished: (http, grpc, error) => this.#finished(`${name}_statuses_total`, labels, http, grpc, error),
    };
  }

  tcpRoute(kind: 'tcp' | 'tls', labels: Labels): TcpRouteCells {
    return {
      open: this.#counter(`outbound_${kind}_route_open_total`, labels),
      close: (error) => this.#counter(`outbound_${kind}_route_close_total`, { ...labels, error }),
    };
  }

  stack(labels: StackLabels): StackCells {
    return {
      created: this.#counter('stack_create_total', { ...labels }),
      dropped: this.#counter('stack_drop_total', { ...labels }),
    };
  }

  stackPolls(labels: StackLabels): StackPollCells {
    const polls = (ready: string): CounterCell => this.#counter('stack_poll_total', { ...labels, ready });
    return {
      ready: polls('true'),
      pending: polls('false'),
      error: polls('error'),
      waitedMs: this.#counter('stack_poll_total_ms', { ...labels }),
    };
  }

  routeRetry(protocol: RouteProtocol, labels: Labels): RouteRetryCells {
    const name = `outbound_${protocol}_route_retry`;
    return {
      requests: this.#counter(`${name}_requests_total`, labels),
      successes: this.#counter(`${name}_successes_total`, labels),
      limitExceeded: this.#counter(`${name}_limit_exceeded_total`, labels),
      overflow: this.#counter(`${name}_overflow_total`, labels),
    };
  }

  routeBackend(protocol: RouteProtocol, labels: Labels): RouteBackendCells {
    const name = `outbound_${protocol}_route_backend`;
    return {
      requests: this.#counter(`${name}_requests_total`, labels),
      responseFrameBytes: this.#histogram(`${name}_response_frame_size_bytes`, labels),
      finished: (http, grpc, error) => this.#finished(`${name}_response_statuses_total`, labels, http, grpc, error),
    };
  }

  #finished(name: string, labels: Labels, httpStatus: number, grpcStatus: number | undefined, error: string): void {
    const outcome = {
      http_status: String(httpStatus),
      grpc_status: grpcStatus === undefined ? '' : String(grpcStatus),
    };
    this.#counter(name, { ...labels, ...outcome, error }).add(1);
  }

  transferCost(zone_locality: string): { readonly sent: CounterCell; readonly received: CounterCell } {
    const name = 'outbound_tcp_transfer_cost_bytes_total';
    return {
      sent: this.#counter(name, { op: 'Send', zone_locality }),
      received: this.#counter(name, { op: 'Recv', zone_locality }),
    };
  }

  protocolConnections(labels: Labels): CounterCell {
    return this.#counter('outbound_tcp_protocol_connections_total', labels);
  }

  detect(direction: 'inbound' | 'outbound', labels: Labels): DetectCells {
    return {
      result: (result) => this.#counter(`${direction}_tcp_detect_http_results_total`, { ...labels, result }),
      durationSeconds: this.#histogram(`${direction}_tcp_detect_http_duration_seconds`, labels),
    };
  }

  authz(family: AuthzFamily, labels: Labels): CounterCell {
    return this.#counter(family, labels);
  }

  errors(family: ErrorFamily, labels: Labels): CounterCell {
    return this.#counter(family, labels);
  }

  transportHeader(labels: Labels): CounterCell {
    return this.#counter('inbound_tcp_transport_header_connections_total', labels);
  }

  #counter(name: string, labels: Labels): CounterCell {
    const key = JSON.stringify([name, labels]);
    return { add: (n) => void this.values.set(key, (this.values.get(key) ?? 0) + n) };
  }

  #histogram(name: string, labels: Labels): HistogramCell {
    const count = this.#counter(`${name}_count`, labels);
    return { observe: () => count.add(1) };
  }
}
