/**
 * What discovery gives to a data path: immutable snapshots of policies, routes and endpoints, checked and reduced from the
 * control plane's messages. A change is a new snapshot, seen by the next connection or request.
 */
import type { EwmaPolicy, FailureAccrualPolicy, RetryPolicy, RouteTimeouts } from './resilience/policy.ts';

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

/** An IP literal and a port. */
export interface IpPort {
  readonly ip: string;
  readonly port: number;
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

/** How an endpoint's server wants HTTP/2 spoken to it; what is undefined is the proxy's own choice. */
export interface EndpointHttp2 {
  readonly streamWindowBytes: number | undefined;
  readonly connectionWindowBytes: number | undefined;
  /** A PING after so much silence, and how long its answer may take. */
  readonly keepAlive:
    | { readonly intervalMs: number; readonly timeoutMs: number; readonly whileIdle: boolean }
    | undefined;
}

/** One address of a backend. Objects are kept across snapshots while nothing about them changed. */
export interface Endpoint {
  readonly address: IpPort;
  readonly weight: number;
  readonly tls: TlsIdentity | undefined;
  readonly protocolHint: ProtocolHint;
  /** The peer's inbound proxy port: dial it and send a transport header. */
  readonly transportPort: number | undefined;
  /** "host:port" of a service behind a gateway: goes into the transport header and the request's authority. */
  readonly authorityOverride: string | undefined;
  /** Absent: discovery said nothing about it. */
  readonly http2?: EndpointHttp2;
  /** Set-level and address-level metric labels, merged; `zone_locality` included. */
  readonly labels: Readonly<Record<string, string>>;
}

/** Keyed by "ip:port". */
export type EndpointSet = ReadonlyMap<string, Endpoint>;

export interface Backend {
  /** Stable across snapshots for the same target and parameters: the key under which its balancer is kept. */
  readonly key: string;
  readonly ref: ResourceRef;
  readonly queue: { readonly capacity: number; readonly failfastTimeoutMs: number };
  /** When HTTP endpoints are left alone; undefined: never. */
  readonly failureAccrual: FailureAccrualPolicy | undefined;
  readonly target:
    | {
        readonly kind: 'balancer';
        readonly path: string;
        readonly ewma: EwmaPolicy;
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
  readonly timeouts: RouteTimeouts;
  readonly retry: RetryPolicy | undefined;
  /** Clients may set retries and timeouts by `l5d-…` fields of their requests. */
  readonly allowRequestHeaders: boolean;
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
