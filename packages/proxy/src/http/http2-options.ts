/** Windows, limits and keep-alive of HTTP/2 connections, in both roles. */

export interface KeepAliveOptions {
  /** A peer that was silent for this long gets a PING. */
  readonly intervalMs: number;
  /** Without a sign of life for this long after it the connection is lost; looked at once a second. */
  readonly timeoutMs: number;
  /** Also while no stream is open. */
  readonly whileIdle: boolean;
}

export interface Http2Windows {
  /** Of each stream: what a peer may send that nobody has taken yet. */
  readonly streamWindowBytes: number;
  /** Of a connection as a whole: bounds what all its streams hold. */
  readonly connectionWindowBytes: number;
}

export interface Http2ServerOptions extends Http2Windows {
  /** Streams that a client may have open on one connection. */
  readonly streamsMax: number;
  /** Undefined: silent clients are left alone. */
  readonly keepAlive: KeepAliveOptions | undefined;
}

export interface Http2ClientOptions extends Http2Windows {
  readonly keepAlive: KeepAliveOptions;
  /** A connection without any stream for this long ends. */
  readonly idleTimeoutMs: number;
}

export interface Http2Options {
  readonly server: Http2ServerOptions;
  readonly client: Http2ClientOptions;
}

/** As linkerd2-proxy has them. */
export const HTTP2_WINDOWS: Http2Windows = { streamWindowBytes: 65_535, connectionWindowBytes: 1_048_576 };
/** Envoy's default; linkerd2-proxy has no limit. Proxies put all their clients on one connection, and its window bounds the memory. */
const STREAMS_MAX = 1024;

export const HTTP2_DEFAULTS: Http2Options = {
  server: { ...HTTP2_WINDOWS, streamsMax: STREAMS_MAX, keepAlive: undefined },
  client: {
    ...HTTP2_WINDOWS,
    // Linkerd's chart gives these to proxies.
    keepAlive: { intervalMs: 10_000, timeoutMs: 3000, whileIdle: true },
    // A handshake costs both ends about a millisecond of their loops; an open connection some tens of kilobytes.
    idleTimeoutMs: 60_000,
  },
};
