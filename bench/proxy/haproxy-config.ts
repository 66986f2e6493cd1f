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

/** What passes between the ends: requests of a version of HTTP, or bytes. */
export type Mode = 'http' | 'http2' | 'tcp';

const common = (mode: Mode): string => `global
  nbthread 1
  maxconn 4000
  ssl-default-bind-options ssl-min-ver TLSv1.3
  ssl-default-server-options ssl-min-ver TLSv1.3
defaults
  mode ${mode === 'tcp' ? 'tcp' : 'http'}
  timeout connect 5s
  timeout client 10m
  timeout server 10m
${mode === 'tcp' ? '' : '  timeout http-keep-alive 10m\n  http-reuse always\n'}`;

/** HTTP/2 by prior knowledge, and by ALPN. Towards a server ALPN alone is not enough, see `tlsClient`. */
const plain = (mode: Mode): string => (mode === 'http2' ? ' proto h2' : '');
const overTls = (mode: Mode): string => (mode === 'http2' ? ' alpn h2' : '');

/** Plain in, plain out. */
export function plainHop(listen: Address, upstream: Address, mode: Mode): string {
  return `${common(mode)}
frontend in
  bind ${listen.host}:${listen.port}${plain(mode)}
  default_backend out
backend out
  server s ${upstream.host}:${upstream.port}${plain(mode)}
`;
}

/**
 * Client side of the pair: plain in, TLS 1.3 with a client certificate out; the server's name is checked. HTTP/2 is named besides being
 * negotiated: else HAProxy does not know before the end of a handshake that requests can share its connection, and opens one for each that
 * waits. 2,560 handshakes at once are more than 256 connections' load leaves time for.
 */
export function tlsClient(listen: Address, upstream: Address, tls: TlsFiles, serverName: string, mode: Mode): string {
  return `${common(mode)}
frontend in
  bind ${listen.host}:${listen.port}${plain(mode)}
  default_backend out
backend out
  server s ${upstream.host}:${upstream.port} ssl crt ${tls.keyAndChain} ca-file ${tls.trust} verify required sni str(${serverName}) verifyhost ${serverName}${overTls(mode)}${plain(mode)}
`;
}

/** Server side of the pair: TLS 1.3 in, a client certificate required, plain out. */
export function tlsServer(listen: Address, upstream: Address, tls: TlsFiles, mode: Mode): string {
  return `${common(mode)}
frontend in
  bind ${listen.host}:${listen.port} ssl crt ${tls.keyAndChain} ca-file ${tls.trust} verify required${overTls(mode)}
  default_backend out
backend out
  server s ${upstream.host}:${upstream.port}${plain(mode)}
`;
}
