/** nginx as the rival: one worker, keep-alive on both sides, no access log. */
import type { Address } from './haproxy-config.ts';

export interface NginxTls {
  readonly key: string;
  readonly chain: string;
  readonly trust: string;
}

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
const forward = 'proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;';

/** Plain in, plain out. */
export function nginxPlainHop(folder: string, listen: Address, upstream: Address): string {
  return config(
    folder,
    `${upstreamBlock(upstream)} server { listen ${listen.host}:${listen.port}; location / { ${forward} proxy_pass http://out; } }`,
  );
}

/** Client side of the pair. */
export function nginxTlsClient(
  folder: string,
  listen: Address,
  upstream: Address,
  tls: NginxTls,
  serverName: string,
): string {
  const out = `proxy_ssl_certificate ${tls.chain}; proxy_ssl_certificate_key ${tls.key}; proxy_ssl_trusted_certificate ${tls.trust}; proxy_ssl_verify on; proxy_ssl_verify_depth 4;
    proxy_ssl_protocols TLSv1.3; proxy_ssl_server_name on; proxy_ssl_name ${serverName};`;
  return config(
    folder,
    `${upstreamBlock(upstream)} server { listen ${listen.host}:${listen.port}; location / { ${forward} ${out} proxy_pass https://out; } }`,
  );
}

/** Server side of the pair. */
export function nginxTlsServer(folder: string, listen: Address, upstream: Address, tls: NginxTls): string {
  const bind = `listen ${listen.host}:${listen.port} ssl; ssl_certificate ${tls.chain}; ssl_certificate_key ${tls.key}; ssl_client_certificate ${tls.trust};
    ssl_verify_client on; ssl_verify_depth 4; ssl_protocols TLSv1.3;`;
  return config(
    folder,
    `${upstreamBlock(upstream)} server { ${bind} location / { ${forward} proxy_pass http://out; } }`,
  );
}
