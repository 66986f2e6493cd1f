/**
 * nginx as the rival: one worker, keep-alive on both sides, no access log. It takes HTTP/2 from clients, but speaks HTTP/1.1 to what is
 * behind it; only `grpc_pass` speaks HTTP/2 there, one request at a time on a connection.
 */
import type { Address } from './haproxy-config.ts';

export interface NginxTls {
  readonly key: string;
  readonly chain: string;
  readonly trust: string;
}

/** Of the client side of each hop. */
export type NginxProtocol = 'http1' | 'http2' | 'grpc';

function config(folder: string, server: string): string {
  return `daemon off;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log ${folder}/error.log warn;
events { worker_connections 8192; }
http {
  access_log off;
  client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/f; uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
  keepalive_requests 1000000000;
  ${server}
}
`;
}

const upstreamBlock = (upstream: Address): string =>
  `upstream out { server ${upstream.host}:${upstream.port}; keepalive 256; keepalive_requests 1000000000; }`;

/** @param directives For `proxy_…`, which `grpc_…` has too. */
function location(protocol: NginxProtocol, tls: boolean, directives = ''): string {
  if (protocol === 'grpc')
    return `location / { ${directives.replaceAll('proxy_ssl', 'grpc_ssl')} grpc_pass grpc${tls ? 's' : ''}://out; }`;
  const forward = 'proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;';
  return `location / { ${forward} ${directives} proxy_pass http${tls ? 's' : ''}://out; }`;
}

const listenAt = ({ host, port }: Address, http2: boolean, ssl = ''): string =>
  `listen ${host}:${port}${ssl}${http2 ? ' http2' : ''};`;

/** Plain in, plain out. */
export function nginxPlainHop(folder: string, listen: Address, upstream: Address, protocol: NginxProtocol): string {
  return config(
    folder,
    `${upstreamBlock(upstream)} server { ${listenAt(listen, protocol !== 'http1')} ${location(protocol, false)} }`,
  );
}

/** Client side of the pair. */
export function nginxTlsClient(
  folder: string,
  listen: Address,
  upstream: Address,
  tls: NginxTls,
  serverName: string,
  protocol: NginxProtocol,
): string {
  const out = `proxy_ssl_certificate ${tls.chain}; proxy_ssl_certificate_key ${tls.key}; proxy_ssl_trusted_certificate ${tls.trust}; proxy_ssl_verify on; proxy_ssl_verify_depth 4;
    proxy_ssl_protocols TLSv1.3; proxy_ssl_server_name on; proxy_ssl_name ${serverName};`;
  return config(
    folder,
    `${upstreamBlock(upstream)} server { ${listenAt(listen, protocol !== 'http1')} ${location(protocol, true, out)} }`,
  );
}

/** Server side of the pair. Its peer speaks HTTP/1.1, or HTTP/2 for gRPC. */
export function nginxTlsServer(
  folder: string,
  listen: Address,
  upstream: Address,
  tls: NginxTls,
  protocol: NginxProtocol,
): string {
  const bind = `${listenAt(listen, protocol === 'grpc', ' ssl')} ssl_certificate ${tls.chain}; ssl_certificate_key ${tls.key}; ssl_client_certificate ${tls.trust};
    ssl_verify_client on; ssl_verify_depth 4; ssl_protocols TLSv1.3;`;
  return config(folder, `${upstreamBlock(upstream)} server { ${bind} ${location(protocol, false)} }`);
}
