/** HAProxy as the rival: the same TLS 1.3 in and out, a certificate asked for on both sides, names checked; and as the server behind both. */
import type { Address } from '../proxy/haproxy-config.ts';
import type { GatewayProtocol, Identity } from './site.ts';

type Files = Pick<Identity, 'keyAndChain' | 'trust'>;

/** HAProxy reckons with two descriptors for each connection, and some more. */
export const connectionsMax = (descriptors: number): number => Math.min(25_000, Math.floor(descriptors / 2) - 100);

const common = (threads: number, descriptors: number): string => `global
  nbthread ${threads}
  maxconn ${connectionsMax(descriptors)}
  ssl-default-bind-options ssl-min-ver TLSv1.3
  ssl-default-server-options ssl-min-ver TLSv1.3
defaults
  mode http
  timeout connect 5s
  timeout client 10m
  timeout server 10m
  timeout http-keep-alive 10m
  http-reuse always
`;

/** The gateway. @param threads As ours has workers. @param descriptors That it may have. */
export function haproxyGateway(
  listen: Address,
  server: Address & { readonly name: string },
  own: Files,
  protocol: GatewayProtocol,
  threads: number,
  descriptors: number,
): string {
  const alpn = protocol === 'http2' ? ' alpn h2' : '';
  return `${common(threads, descriptors)}
frontend in
  bind ${listen.host}:${listen.port} ssl crt ${own.keyAndChain} ca-file ${own.trust} verify required${alpn}
  default_backend out
backend out
  server s ${server.host}:${server.port} ssl crt ${own.keyAndChain} ca-file ${own.trust} verify required sni str(${server.name}) verifyhost ${server.name}${alpn}
`;
}

/** What stands behind the gateways, in place of a meshed pod. HTTP/2 by ALPN, or by prior knowledge. */
export function haproxyServer(listen: Address, backend: Address, own: Files, descriptors: number): string {
  return `${common(1, descriptors)}
frontend in
  bind ${listen.host}:${listen.port} ssl crt ${own.keyAndChain} ca-file ${own.trust} verify required alpn h2,http/1.1
  default_backend out
backend out
  server s ${backend.host}:${backend.port}
`;
}
