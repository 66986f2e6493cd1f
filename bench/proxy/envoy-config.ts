/** Envoy as the rival: one worker thread, no access log, no admin listener, limits high enough for the load. */
import type { Address } from './haproxy-config.ts';

export interface EnvoyTls {
  readonly key: string;
  readonly chain: string;
  readonly trust: string;
}

/** What passes between the ends. */
export type EnvoyMode = 'http1' | 'http2' | 'tcp';

export interface EnvoyConfig {
  readonly listen: Address;
  readonly upstream: Address;
  readonly mode: EnvoyMode;
  /** Mutual TLS 1.3 towards clients. */
  readonly accept?: EnvoyTls;
  /** Mutual TLS 1.3 towards the upstream, whose name is checked. */
  readonly connect?: EnvoyTls & { readonly serverName: string };
}

const API = 'type.googleapis.com/envoy';
const PROTOCOL_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
const MANAGER = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
/** Its defaults of 1024 would refuse 256 connections with ten requests each. */
const LIMIT = 100_000;

const socketAddress = ({ host, port }: Address) => ({ socket_address: { address: host, port_value: port } });

/** The text of its configuration file, in JSON. */
export function envoyConfig(options: EnvoyConfig): string {
  const { listen, accept } = options;
  const bootstrap = {
    static_resources: {
      listeners: [
        {
          name: 'in',
          address: socketAddress(listen),
          filter_chains: [
            {
              filters: [options.mode === 'tcp' ? tcpFilter() : httpFilter(options.mode)],
              ...(accept === undefined ? {} : { transport_socket: acceptTls(accept, options.mode) }),
            },
          ],
        },
      ],
      clusters: [cluster(options)],
    },
  };
  return JSON.stringify(bootstrap, undefined, 2);
}

function tcpFilter() {
  return {
    name: 'tcp',
    typed_config: {
      '@type': `${API}.extensions.filters.network.tcp_proxy.v3.TcpProxy`,
      stat_prefix: 'in',
      cluster: 'out',
    },
  };
}

function httpFilter(mode: 'http1' | 'http2') {
  return {
    name: 'http',
    typed_config: {
      '@type': `${API}.${MANAGER.slice('envoy.'.length)}`,
      codec_type: mode === 'http2' ? 'HTTP2' : 'HTTP1',
      stat_prefix: 'in',
      generate_request_id: false,
      route_config: {
        name: 'all',
        virtual_hosts: [
          {
            name: 'all',
            domains: ['*'],
            routes: [{ match: { prefix: '/' }, route: { cluster: 'out', timeout: '0s' } }],
          },
        ],
      },
      http_filters: [{ name: 'router', typed_config: { '@type': `${API}.extensions.filters.http.router.v3.Router` } }],
    },
  };
}

function cluster({ upstream, mode, connect }: EnvoyConfig) {
  const explicit = mode === 'http2' ? { http2_protocol_options: {} } : { http_protocol_options: {} };
  const limits = { max_connections: LIMIT, max_pending_requests: LIMIT, max_requests: LIMIT };
  return {
    name: 'out',
    type: 'STATIC',
    connect_timeout: '5s',
    circuit_breakers: { thresholds: [limits] },
    load_assignment: {
      cluster_name: 'out',
      endpoints: [{ lb_endpoints: [{ endpoint: { address: socketAddress(upstream) } }] }],
    },
    ...(mode === 'tcp'
      ? {}
      : {
          typed_extension_protocol_options: {
            [PROTOCOL_OPTIONS]: {
              '@type': `${API}.${PROTOCOL_OPTIONS.slice('envoy.'.length)}`,
              explicit_http_config: explicit,
            },
          },
        }),
    ...(connect === undefined ? {} : { transport_socket: connectTls(connect, mode) }),
  };
}

function acceptTls(tls: EnvoyTls, mode: EnvoyMode) {
  return {
    name: 'tls',
    typed_config: {
      '@type': `${API}.extensions.transport_sockets.tls.v3.DownstreamTlsContext`,
      require_client_certificate: true,
      common_tls_context: tlsContext(tls, mode),
    },
  };
}

function connectTls(tls: EnvoyTls & { readonly serverName: string }, mode: EnvoyMode) {
  return {
    name: 'tls',
    typed_config: {
      '@type': `${API}.extensions.transport_sockets.tls.v3.UpstreamTlsContext`,
      sni: tls.serverName,
      common_tls_context: tlsContext(tls, mode, tls.serverName),
    },
  };
}

function tlsContext({ key, chain, trust }: EnvoyTls, mode: EnvoyMode, peerName?: string) {
  const matcher = { match_typed_subject_alt_names: [{ san_type: 'DNS', matcher: { exact: peerName } }] };
  return {
    tls_params: { tls_minimum_protocol_version: 'TLSv1_3', tls_maximum_protocol_version: 'TLSv1_3' },
    tls_certificates: [{ certificate_chain: { filename: chain }, private_key: { filename: key } }],
    validation_context: { trusted_ca: { filename: trust }, ...(peerName === undefined ? {} : matcher) },
    ...(mode === 'tcp' ? {} : { alpn_protocols: [mode === 'http2' ? 'h2' : 'http/1.1'] }),
  };
}
