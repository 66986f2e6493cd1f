/** HAProxy as the rival: one thread, keep-alive on both sides, nothing switched on that a row does not need. */

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** PEM files of one side of an mTLS pair; HAProxy wants key and chain in one file. */
export interface TlsFiles {
  readonly keyAndChain: string;
  readonly trust: string;
}

/** What passes between the ends: requests, or bytes. */
export type Mode = 'http' | 'tcp';

const common = (mode: Mode): string => `global
  nbthread 1
  maxconn 4000
  ssl-default-bind-options ssl-min-ver TLSv1.3
  ssl-default-server-options ssl-min-ver TLSv1.3
defaults
  mode ${mode}
  timeout connect 5s
  timeout client 10m
  timeout server 10m
${mode === 'http' ? '  timeout http-keep-alive 10m\n  http-reuse always\n' : ''}`;

/** Plain in, plain out. */
export function plainHop(listen: Address, upstream: Address): string {
  return `${common('http')}
frontend in
  bind ${listen.host}:${listen.port}
  default_backend out
backend out
  server s ${upstream.host}:${upstream.port}
`;
}

/** Client side of the pair: plain in, TLS 1.3 with a client certificate out; the server's name is checked. */
export function tlsClient(listen: Address, upstream: Address, tls: TlsFiles, serverName: string, mode: Mode): string {
  return `${common(mode)}
frontend in
  bind ${listen.host}:${listen.port}
  default_backend out
backend out
  server s ${upstream.host}:${upstream.port} ssl crt ${tls.keyAndChain} ca-file ${tls.trust} verify required sni str(${serverName}) verifyhost ${serverName}
`;
}

/** Server side of the pair: TLS 1.3 in, a client certificate required, plain out. */
export function tlsServer(listen: Address, upstream: Address, tls: TlsFiles, mode: Mode): string {
  return `${common(mode)}
frontend in
  bind ${listen.host}:${listen.port} ssl crt ${tls.keyAndChain} ca-file ${tls.trust} verify required
  default_backend out
backend out
  server s ${upstream.host}:${upstream.port}
`;
}
