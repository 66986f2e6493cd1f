/**
 * What the data path needs from the rest of the proxy, as narrow interfaces: policy per inbound
 * port, discovery for outbound destinations, the workload's identity, metric cells. Types only.
 *
 * Everything that comes from the control plane is an immutable snapshot; a change is a new snapshot, put in place by one
 * assignment, seen by the next connection or request.
 */
import type { Address, TlsContext } from '@mesh/net';

// ---------------------------------------------------------------------------------------------------------------
// Snapshots

/** A value that changes as a whole. `current` is undefined until the first answer. */
export interface Watched<T> {
  readonly current: T | undefined;
  /** Calls `listener` after each swap, never for the value that is already there. Returns the unsubscribe function. */
  onChange(listener: () => void): () => void;
  /** The holder has no more use for it; the owner may drop it after its idle timeout. Idempotent. */
  release(): void;
}

/** A Kubernetes-like reference; `default` kinds have group "" (inbound) as in the proxy API's metadata. */
export interface ResourceRef {
  readonly group: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  /** 0 when the reference names no port. */
  readonly port: number;
  readonly section: string;
}

// ---------------------------------------------------------------------------------------------------------------
// Inbound policy

/** A set of client addresses: a CIDR minus its exceptions. */
export interface ClientNetwork {
  /** @param ip A literal, IPv4-mapped addresses already reduced to IPv4. */
  contains(ip: string): boolean;
}

export type Authentication =
  | { readonly kind: 'unauthenticated' }
  /** TLS, with or without a client identity. */
  | { readonly kind: 'tls_unauthenticated' }
  | {
      readonly kind: 'mesh_tls';
      /** Exact identities: DNS-like names or SPIFFE URIs. */
      readonly identities: readonly string[];
      /** DNS-like suffixes without leading dot ("ns.serviceaccount…"); "" matches every identity. Never matches URIs. */
      readonly suffixes: readonly string[];
    };

export interface Authorization {
  readonly ref: ResourceRef;
  readonly networks: readonly ClientNetwork[];
  readonly authentication: Authentication;
}

export const INBOUND_PROTOCOL_KINDS = ['detect', 'opaque', 'tls', 'http1', 'http2', 'grpc'] as const;
export type InboundProtocolKind = (typeof INBOUND_PROTOCOL_KINDS)[number];

export interface InboundRoute {
  readonly ref: ResourceRef;
  readonly hosts: readonly HostMatch[];
  readonly matches: readonly HttpMatch[];
  /** In addition to the server's: either allows. */
  readonly authorizations: readonly Authorization[];
}

/** What rules one inbound port. An empty `authorizations` list denies everyone. */
export interface InboundPolicy {
  readonly server: ResourceRef;
  readonly protocol: InboundProtocolKind;
  readonly detectTimeoutMs: number;
  readonly authorizations: readonly Authorization[];
  /** Empty: one default route that matches everything. */
  readonly routes: readonly InboundRoute[];
}

export interface PolicyPorts {
  /** `current` is set at once (default policy of the environment until the first message). */
  get(port: number): Watched<InboundPolicy>;
}

// ---------------------------------------------------------------------------------------------------------------
// Route matching (shared by both directions)

export type HostMatch =
  | { readonly kind: 'exact'; readonly host: string }
  /** Labels after the leading "*.", for example "example.com". */
  | { readonly kind: 'suffix'; readonly suffix: string };

export type TextMatch =
  | { readonly kind: 'exact'; readonly value: string }
  | { readonly kind: 'regex'; readonly value: RegExp };

export interface HttpMatch {
  readonly path:
    | { readonly kind: 'exact' | 'prefix'; readonly value: string }
    | { readonly kind: 'regex'; readonly value: RegExp }
    | undefined;
  readonly method: string | undefined;
  /** Names lower case. */
  readonly headers: readonly { readonly name: string; readonly match: TextMatch }[];
  readonly query: readonly { readonly name: string; readonly match: TextMatch }[];
}

// ---------------------------------------------------------------------------------------------------------------
// Outbound discovery

export type ProtocolHint = 'unknown' | 'h2' | 'opaque';

export interface TlsIdentity {
  /** The name that one of the server's SANs must equal. */
  readonly name: string;
  /** SNI. Equals `name` when discovery gave none. */
  readonly serverName: string;
}

/** One address of a backend. Objects are kept across snapshots while nothing about them changed. */
export interface Endpoint {
  readonly address: Address;
  readonly weight: number;
  readonly tls: TlsIdentity | undefined;
  readonly protocolHint: ProtocolHint;
  /** The peer's inbound proxy port: dial it and send a transport header. */
  readonly transportPort: number | undefined;
  /** "host:port" of a service behind a gateway: goes into the transport header and the request's authority. */
  readonly authorityOverride: string | undefined;
  /** Set-level and address-level metric labels, merged; `zone_locality` included. */
  readonly labels: Readonly<Record<string, string>>;
}

/** Keyed by "ip:port". */
export type EndpointSet = ReadonlyMap<string, Endpoint>;

export interface Endpoints {
  /**
   * @param path "name.ns.svc.cluster.local:port".
   * `current` is undefined until the first answer, and an empty map when there is nothing to send to.
   */
  watch(path: string): Watched<EndpointSet>;
}

export interface Backend {
  /** Stable across snapshots for the same target and parameters: the key under which its balancer is kept. */
  readonly key: string;
  readonly ref: ResourceRef;
  readonly queue: { readonly capacity: number; readonly failfastTimeoutMs: number };
  readonly target:
    | {
        readonly kind: 'balancer';
        readonly path: string;
        readonly ewma: { readonly defaultRttMs: number; readonly decayMs: number };
      }
    | { readonly kind: 'forward'; readonly endpoint: Endpoint }
    /** A backend that always fails (unknown reference). */
    | { readonly kind: 'invalid' };
}

export type Distribution =
  | { readonly kind: 'empty' }
  /** The first backend that has a ready endpoint. */
  | { readonly kind: 'first_available'; readonly backends: readonly Backend[] }
  /** By weight, among the backends that have a ready endpoint. */
  | {
      readonly kind: 'random_available';
      readonly backends: readonly { readonly backend: Backend; readonly weight: number }[];
    };

export type RouteFilter =
  | { readonly kind: 'failure'; readonly status: number; readonly message: string }
  | { readonly kind: 'forbidden' };

export interface HttpRoute {
  readonly ref: ResourceRef;
  readonly hosts: readonly HostMatch[];
  readonly rules: readonly HttpRule[];
}

export interface HttpRule {
  /** Empty matches everything. */
  readonly matches: readonly HttpMatch[];
  readonly filters: readonly RouteFilter[];
  readonly backends: Distribution;
  /** Whole exchange, milliseconds; undefined: no limit. */
  readonly requestTimeoutMs: number | undefined;
}

export interface TcpRoute {
  readonly ref: ResourceRef;
  readonly filters: readonly RouteFilter[];
  readonly backends: Distribution;
}

export type OutboundProtocol =
  | {
      readonly kind: 'detect';
      readonly timeoutMs: number;
      readonly opaque: TcpRoute;
      readonly http1: readonly HttpRoute[];
      readonly http2: readonly HttpRoute[];
    }
  | { readonly kind: 'opaque'; readonly opaque: TcpRoute }
  /** Server Name Indication routing, never terminated; one route for all names until policies arrive. */
  | { readonly kind: 'tls'; readonly opaque: TcpRoute }
  | { readonly kind: 'http1'; readonly http1: readonly HttpRoute[] }
  | { readonly kind: 'http2' | 'grpc'; readonly http2: readonly HttpRoute[] };

export interface OutboundPolicy {
  /** The Service (or whatever) that the client's address stands for. */
  readonly parent: ResourceRef;
  readonly protocol: OutboundProtocol;
}

/** The control plane refused the destination for good: the application's connection fails. */
export interface OutboundRefused {
  readonly refused: string;
}

export interface OutboundDiscovery {
  /** `current` is undefined until both lookups answered. */
  resolve(originalDst: Address): Watched<OutboundPolicy | OutboundRefused>;
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
   */
  response(status: number, success: boolean, latencyMs: number, error: string): void;
}

/** outbound_{http,tcp}_balancer_*. */
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
}

/**
 * Binds cells by label set. Binding the same labels again gives the same cells; `Labels` hold exactly what the
 * exposition shows (direction and peer included).
 */
export interface ProxyMetrics {
  tcp(labels: Labels): TcpCells;
  http(labels: Labels): HttpCells;
  balancer(kind: 'http' | 'tcp', labels: Labels): BalancerCells;
  /** outbound_http_route_backend_requests_total. */
  routeBackendRequests(labels: Labels): CounterCell;
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
