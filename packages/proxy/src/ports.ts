/**
 * What the data path needs from the rest of the proxy, as narrow interfaces: policy per inbound
 * port, discovery for outbound destinations, the workload's identity, metric cells. Types only.
 *
 * Everything that comes from the control plane is an immutable snapshot; a change is a new snapshot, put in place by one
 * assignment, seen by the next connection or request.
 */
import type { EndpointSet, InboundPolicy, OutboundPolicy, OutboundRefused, Watched } from '@mesh/model';
import type { Address, TlsContext } from '@mesh/net';

export interface PolicyPorts {
  /** `current` is set at once (default policy of the environment until the first message). */
  get(port: number): Watched<InboundPolicy>;
}

export interface Endpoints {
  /**
   * @param path "name.ns.svc.cluster.local:port".
   * `current` is undefined until the first answer, and an empty map when there is nothing to send to.
   */
  watch(path: string): Watched<EndpointSet>;
}

export interface OutboundDiscovery {
  /** `current` is undefined until both lookups answered. */
  resolve(originalDst: Address): Watched<OutboundPolicy | OutboundRefused>;
  /** @param authority "name.ns.svc.cluster.local:port": where the proxy of an ingress is told to go. */
  resolveAuthority(authority: string): Watched<OutboundPolicy | OutboundRefused>;
}

// ---------------------------------------------------------------------------------------------------------------
// Identity

export interface Identity {
  /** "<sa>.<ns>.serviceaccount.identity.<control-plane-ns>.<trust-domain>". */
  readonly name: string;
  /** SNI at which this workload terminates TLS; `name` unless configured otherwise. */
  readonly serverName: string;
  /** The newest installed certificate; undefined before the first. One property read, done per handshake. */
  readonly tls: TlsContext | undefined;
  /** Calls `listener` after each install. Returns the unsubscribe function. */
  onChange(listener: () => void): () => void;
}

// ---------------------------------------------------------------------------------------------------------------
// Metrics: cells are bound when a connection, endpoint or route is set up, never per request

export type Labels = Readonly<Record<string, string>>;

export interface CounterCell {
  add(n: number): void;
}

export interface GaugeCell {
  add(n: number): void;
  set(value: number): void;
}

export interface HistogramCell {
  observe(value: number): void;
}

/** tcp_open_total, tcp_open_connections, tcp_read_bytes_total, tcp_write_bytes_total, tcp_close_total. */
export interface TcpCells {
  readonly openTotal: CounterCell;
  readonly openConnections: GaugeCell;
  readonly readBytes: CounterCell;
  readonly writeBytes: CounterCell;
  /** @param errno "" for a clean end, else an errno name such as "ECONNRESET". */
  closeTotal(errno: string): CounterCell;
}

/** request_total, response_total, response_latency_ms. */
export interface HttpCells {
  readonly requestTotal: CounterCell;
  /**
   * Counts one response, synthesized ones included.
   * @param status HTTP status.
   * @param success False for 500-599 and for a response that broke off.
   * @param error "" or the code of the failure ("io", "reset", …).
   * @param grpcStatus Of a gRPC response, from its head or its trailers; undefined: there was none.
   */
  response(status: number, success: boolean, latencyMs: number, error: string, grpcStatus?: number): void;
}

/** outbound_{http,grpc}_route_request_* or inbound_{http,grpc}_*: one route. */
export interface RouteCells {
  /**
   * Counts one request of the client, retries included, when it is over.
   * @param grpcStatus undefined: there was none. @param error "" or the code of the failure. @param seconds From its head to the response's
   * end. @param responseSeconds From its own end to the response's.
   */
  finished(
    httpStatus: number,
    grpcStatus: number | undefined,
    error: string,
    seconds: number,
    responseSeconds: number,
  ): void;
  /** Pieces of request bodies, as they are passed on. */
  readonly requestFrameBytes: HistogramCell;
  /** Where it is not counted per backend. */
  readonly responseFrameBytes: HistogramCell | undefined;
}

/** inbound_{http,grpc}_*: one route of one port. */
export interface InboundRouteCells extends RouteCells {
  readonly requests: CounterCell;
}

/** outbound_{http,grpc}_route_retry_*. */
export interface RouteRetryCells {
  readonly requests: CounterCell;
  readonly successes: CounterCell;
  readonly limitExceeded: CounterCell;
  readonly overflow: CounterCell;
}

/** outbound_{http,grpc}_route_backend_*: one backend of one route. */
export interface RouteBackendCells {
  /** Counted by the distribution that chooses the backend. */
  readonly requests: CounterCell;
  /** One try that was answered, or failed after it was sent. @param seconds From sending to the response's end. */
  finished(httpStatus: number, grpcStatus: number | undefined, error: string, seconds: number): void;
  readonly responseFrameBytes: HistogramCell;
}

/** outbound_{tcp,tls}_route_open_total, outbound_{tcp,tls}_route_close_total. */
export interface TcpRouteCells {
  readonly open: CounterCell;
  /** @param error "" for a clean end, else why. */
  close(error: string): CounterCell;
}

export type RouteProtocol = 'http' | 'grpc';

/** What a backend carries: requests, bytes, or TLS of the programs' own. Load and readiness mean something else for each. */
export type BackendKind = 'http' | 'tcp' | 'tls';

/** A layer that connections or requests pass through: stack_create_total, stack_drop_total. */
export interface StackLabels {
  readonly direction: 'inbound' | 'outbound';
  readonly protocol: 'http' | 'opaq' | 'tls' | 'tcp';
  readonly name: 'server' | 'logical' | 'balance' | 'forward' | 'endpoint';
}

export interface StackCells {
  readonly created: CounterCell;
  readonly dropped: CounterCell;
}

/** stack_poll_total by what came of it, and stack_poll_total_ms: of a layer that may keep its callers waiting. */
export interface StackPollCells {
  readonly ready: CounterCell;
  readonly pending: CounterCell;
  readonly error: CounterCell;
  readonly waitedMs: CounterCell;
}

/** outbound_{http,tcp,tls}_balancer_*. */
export interface BalancerCells {
  readonly endpointsReady: GaugeCell;
  readonly endpointsPending: GaugeCell;
  readonly updatesAdd: CounterCell;
  readonly updatesRemove: CounterCell;
  readonly queueLength: GaugeCell;
  readonly queueRequests: CounterCell;
  readonly queueLatencySeconds: HistogramCell;
  readonly gateOpen: CounterCell;
  readonly gateShut: CounterCell;
  /** The fail-fast timeout. */
  readonly gateTimeoutSeconds: GaugeCell;
}

/**
 * Binds cells by label set. Binding the same labels again gives the same cells; `Labels` hold exactly what the
 * exposition shows (direction and peer included).
 */
export interface ProxyMetrics {
  tcp(labels: Labels): TcpCells;
  http(labels: Labels): HttpCells;
  balancer(kind: BackendKind, labels: Labels): BalancerCells;
  route(protocol: RouteProtocol, labels: Labels): RouteCells;
  inboundRoute(protocol: RouteProtocol, labels: Labels): InboundRouteCells;
  tcpRoute(kind: 'tcp' | 'tls', labels: Labels): TcpRouteCells;
  stack(labels: StackLabels): StackCells;
  stackPolls(labels: StackLabels): StackPollCells;
  routeRetry(protocol: RouteProtocol, labels: Labels): RouteRetryCells;
  routeBackend(protocol: RouteProtocol, labels: Labels): RouteBackendCells;
  /** outbound_tcp_transfer_cost_bytes_total: bytes that crossed to or from endpoints by whether they stayed in the zone. */
  transferCost(zoneLocality: string): { readonly sent: CounterCell; readonly received: CounterCell };
  /** outbound_tcp_protocol_connections_total{protocol}. */
  protocolConnections(labels: Labels): CounterCell;
  /** {inbound,outbound}_tcp_detect_http_results_total{result} and _duration_seconds. */
  detect(direction: 'inbound' | 'outbound', labels: Labels): DetectCells;
  /** inbound_http_authz_allow_total, inbound_http_authz_deny_total, inbound_tcp_authz_…: `family` is the metric's full name. */
  authz(family: AuthzFamily, labels: Labels): CounterCell;
  /** inbound_http_errors_total, inbound_tcp_errors_total, outbound_http_errors_total, outbound_tcp_errors_total. */
  errors(family: ErrorFamily, labels: Labels): CounterCell;
  /** inbound_tcp_transport_header_connections_total. */
  transportHeader(labels: Labels): CounterCell;
}

export const DETECT_RESULTS = ['http/1', 'http/2', 'not_http', 'read_timeout', 'error'] as const;
export type DetectResult = (typeof DETECT_RESULTS)[number];

export interface DetectCells {
  result(result: DetectResult): CounterCell;
  readonly durationSeconds: HistogramCell;
}

export type AuthzFamily =
  | 'inbound_http_authz_allow_total'
  | 'inbound_http_authz_deny_total'
  | 'inbound_http_route_not_found_total'
  | 'inbound_tcp_authz_allow_total'
  | 'inbound_tcp_authz_deny_total'
  | 'inbound_tcp_authz_terminate_total';

export type ErrorFamily =
  | 'inbound_http_errors_total'
  | 'inbound_tcp_errors_total'
  | 'outbound_http_errors_total'
  | 'outbound_tcp_errors_total';
