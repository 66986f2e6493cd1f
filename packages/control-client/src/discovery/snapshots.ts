/**
 * What discovery gives to a data path: immutable snapshots, checked and reduced from the proxy API's messages. A change is a
 * new snapshot, put in place by one assignment.
 */

/** A value that changes as a whole, held by somebody. */
export interface Watched<T> {
  /** `undefined` until the first answer. */
  readonly current: T | undefined;
  /** Calls `listener` after each swap, never for the value that is already there. Returns the unsubscribe function. */
  onChange(listener: () => void): () => void;
  /** The holder has no more use for it; after the idle timeout the watch behind it ends. Idempotent. */
  release(): void;
}

/** A Kubernetes-like reference; built-in behaviours have group "" and kind "default". */
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

/** A set of client addresses: a CIDR minus its exceptions. */
export interface ClientNetwork {
  contains(ip: string): boolean;
}

export type Authentication =
  | { readonly kind: 'unauthenticated' }
  | { readonly kind: 'tls_unauthenticated' }
  | {
      readonly kind: 'mesh_tls';
      readonly identities: readonly string[];
      /** Without leading dot; "" matches every identity; never matches URIs. */
      readonly suffixes: readonly string[];
    };

export interface Authorization {
  readonly ref: ResourceRef;
  readonly networks: readonly ClientNetwork[];
  readonly authentication: Authentication;
}

export type InboundProtocolKind = 'detect' | 'opaque' | 'tls' | 'http1' | 'http2' | 'grpc';

export interface InboundRoute {
  readonly ref: ResourceRef;
  readonly hosts: readonly HostMatch[];
  readonly matches: readonly HttpMatch[];
  readonly authorizations: readonly Authorization[];
}

export interface InboundPolicy {
  readonly server: ResourceRef;
  readonly protocol: InboundProtocolKind;
  readonly detectTimeoutMs: number;
  /** Empty denies everyone but the workload's own loopback, which whoever evaluates the list always lets in. */
  readonly authorizations: readonly Authorization[];
  /** Empty: one default route that matches everything. */
  readonly routes: readonly InboundRoute[];
}

export type HostMatch =
  | { readonly kind: 'exact'; readonly host: string }
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
  readonly headers: readonly { readonly name: string; readonly match: TextMatch }[];
  readonly query: readonly { readonly name: string; readonly match: TextMatch }[];
}

export interface TlsIdentity {
  /** One of the server's alternative names must equal it. */
  readonly name: string;
  readonly serverName: string;
}

export interface Endpoint {
  readonly address: IpPort;
  readonly weight: number;
  readonly tls: TlsIdentity | undefined;
  readonly protocolHint: 'unknown' | 'h2' | 'opaque';
  /** The peer's inbound proxy port: dial it and send a transport header. */
  readonly transportPort: number | undefined;
  /** "host:port" of a service behind a gateway. */
  readonly authorityOverride: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
}

/** Keyed by "ip:port". Endpoint objects are kept across snapshots while nothing about them changed. */
export type EndpointSet = ReadonlyMap<string, Endpoint>;

export interface Backend {
  /** The same for the same target and parameters, across snapshots. */
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
    | { readonly kind: 'invalid' };
}

export type Distribution =
  | { readonly kind: 'empty' }
  | { readonly kind: 'first_available'; readonly backends: readonly Backend[] }
  | {
      readonly kind: 'random_available';
      readonly backends: readonly { readonly backend: Backend; readonly weight: number }[];
    };

export type RouteFilter =
  | { readonly kind: 'failure'; readonly status: number; readonly message: string }
  | { readonly kind: 'forbidden' };

export interface HttpRule {
  readonly matches: readonly HttpMatch[];
  readonly filters: readonly RouteFilter[];
  readonly backends: Distribution;
  readonly requestTimeoutMs: number | undefined;
}

export interface HttpRoute {
  readonly ref: ResourceRef;
  readonly hosts: readonly HostMatch[];
  readonly rules: readonly HttpRule[];
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
  | { readonly kind: 'tls'; readonly opaque: TcpRoute }
  | { readonly kind: 'http1'; readonly http1: readonly HttpRoute[] }
  | { readonly kind: 'http2' | 'grpc'; readonly http2: readonly HttpRoute[] };

export interface OutboundPolicy {
  readonly parent: ResourceRef;
  readonly protocol: OutboundProtocol;
}

/** The control plane refused the destination, or said something unusable about it: connections to it fail. */
export interface OutboundRefused {
  readonly refused: string;
}
