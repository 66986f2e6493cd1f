/**
 * The socket interface that the data path is written against: connections as objects with shared
 * handlers, TLS started in place, backpressure as a returned boolean.
 *
 * One driver implements it on the public `node:net` and `node:tls` API; the compliance suite in
 * `testing/` says what any driver must do.
 */

/** A socket address. `ip` is a literal, IPv4-mapped IPv6 addresses already reduced to IPv4. */
export interface Address {
  readonly ip: string;
  readonly port: number;
}

/**
 * PEM texts of one identity: PKCS#8 key, leaf plus intermediates (leaf first), trust anchors. Empty key and chain: anchors
 * alone, for a client that has no certificate yet.
 */
export interface TlsMaterial {
  readonly key: string;
  readonly chain: string;
  readonly trust: string;
}

/** Parsed key, chain and anchors: immutable. Rotation makes a new context and swaps one reference. */
export interface TlsContext {
  /** Grows by one with each context that this process makes. */
  readonly generation: number;
}

/** What a finished and verified handshake says about the other side. */
export interface PeerInfo {
  /** DER of the leaf; empty when an optional client certificate was not presented. */
  readonly leafDer: Uint8Array;
  /** DNS names of the leaf's subjectAltName, lower case, in order. */
  readonly dns: readonly string[];
  /** URIs of the leaf's subjectAltName, in order. */
  readonly uri: readonly string[];
  readonly alpn: string | undefined;
  readonly sni: string | undefined;
}

/** Why a connection ended; `code` is stable, lower_snake, and doubles as a metric label. */
export type ClosedKind = 'clean' | 'reset' | 'refused' | 'timeout' | 'tls' | 'aborted' | 'failed';
export interface Closed {
  readonly kind: ClosedKind;
  readonly code: string;
}

/**
 * Callbacks of a connection, one shared object per listener or pool; what belongs to one connection
 * is in its state. A callback must not throw.
 */
export interface Handlers<S> {
  /** TCP is up (and TLS too, for a connect target with TLS); no data yet. */
  open(conn: Conn<S>): void;
  /** TLS is up and the peer's chain verified; the owner checks the identity before it takes data. */
  secure?(conn: Conn<S>, peer: PeerInfo): void;
  /** The receiver owns `bytes`. Never called while paused. */
  data(conn: Conn<S>, bytes: Uint8Array): void;
  /** The peer sent FIN: at most once, before close. */
  end(conn: Conn<S>): void;
  /** After a write that returned false: everything was handed to the kernel. */
  drain(conn: Conn<S>): void;
  /** Exactly once, last. */
  close(conn: Conn<S>, why: Closed): void;
}

export interface ServerTls {
  readonly context: TlsContext;
  /** `required`: without a trusted certificate the handshake fails. `optional`: none is fine, a bad one fails. */
  readonly clientCertificate: 'required' | 'optional';
  /** The one protocol to agree on; another offer fails the handshake. Absent: offers are ignored. */
  readonly alpn?: string;
  /** The handshake must finish within this, else close with kind `timeout`. */
  readonly timeoutMs: number;
}

export interface ClientTls {
  readonly context: TlsContext;
  readonly serverName: string;
  readonly alpn?: string;
}

export interface Conn<S> {
  state: S;
  /** Bytes written and not yet handed to the kernel. */
  readonly buffered: number;
  readonly local: Address;
  readonly remote: Address;
  /** Set once TLS is up. */
  readonly peer: PeerInfo | undefined;
  /** True from the first callback `close`, or `reset`, on: writes go nowhere. */
  readonly closed: boolean;
  /** False: wait for drain. Never throws. The caller must not change `bytes` afterwards. */
  write(bytes: Uint8Array): boolean;
  /** Like write, in one system call where that is possible. */
  writev(parts: readonly Uint8Array[]): boolean;
  pause(): void;
  resume(): void;
  /** FIN after what was written; reading goes on. */
  end(): void;
  /** RST, also below TLS; what is buffered is lost. */
  reset(): void;
  /**
   * Turns this accepted connection into a TLS server in place, once. `already` holds the bytes that
   * were read and belong to the handshake. `secure` follows, or `close` with kind `tls`.
   */
  startTls(options: ServerTls, already: Uint8Array): void;
  /** Where the client meant to go, before redirection. */
  originalDst(): Address | undefined;
  /** Gives the connection to other handlers with another state; callbacks after this go there. */
  handOver<T>(handlers: Handlers<T>, state: T): Conn<T>;
}

export interface ListenAddress {
  readonly ip: string;
  /** 0: any free port. */
  readonly port: number;
  /** Let several processes or workers accept on the same port. */
  readonly reusePort?: boolean;
  /** Length of the kernel's accept queue. Default {@link LISTEN_BACKLOG}. */
  readonly backlog?: number;
  /** Idle time before TCP keep-alive probes, milliseconds; 0: none. */
  readonly keepAliveMs?: number;
}

export interface Listener {
  readonly address: Address;
  /** Connections accepted and not closed yet. */
  readonly open: number;
  /** Stop accepting; open connections go on. Resolves when the port is free. */
  close(): Promise<void>;
}

export interface ConnectTarget {
  readonly address: Address;
  readonly timeoutMs: number;
  readonly tls?: ClientTls;
  readonly keepAliveMs?: number;
  /** Source address to bind, for tests and multi-homed hosts. */
  readonly localIp?: string;
}

export interface Driver {
  /** Throws when the PEM texts are unusable or the key does not match the leaf. */
  context(material: TlsMaterial): TlsContext;
  listen<S>(at: ListenAddress, handlers: Handlers<S>, init: () => S): Promise<Listener>;
  /** Returns at once; `open` or `close` follows. */
  connect<S>(to: ConnectTarget, handlers: Handlers<S>, state: S): Conn<S>;
}

/** Same order as nginx (511) and Bun's fixed 512. */
export const LISTEN_BACKLOG = 511;
