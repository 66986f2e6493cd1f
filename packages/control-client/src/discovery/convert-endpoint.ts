/** `destination.WeightedAddr` to an endpoint. */
import type { destination } from '@mesh/proxy-api';
import { ipText } from '../proto/addresses.ts';
import type { Endpoint, EndpointHttp2, TlsIdentity } from '@mesh/model';

const PORT_MAX = 65_535;
/** RFC 9113 §6.9.1. */
const WINDOW_MAX = 0x7fff_ffff;

/** `undefined` when the message names no address to send to. */
export function toEndpoint(
  message: destination.WeightedAddr,
  setLabels: Readonly<Record<string, string>> = {},
): Endpoint | undefined {
  const ip = ipText(message.addr?.ip);
  const port = message.addr?.port ?? 0;
  if (ip === undefined || port < 1 || port > PORT_MAX) return undefined;
  const override = message.authorityOverride?.authorityOverride ?? '';
  const transportPort = message.protocolHint?.opaqueTransport?.inboundPort ?? 0;
  return {
    address: { ip, port },
    weight: message.weight,
    tls: toTlsIdentity(message.tlsIdentity),
    protocolHint: message.protocolHint?.protocol?.$case ?? 'unknown',
    transportPort: transportPort > 0 && transportPort < PORT_MAX ? transportPort : undefined,
    authorityOverride: override === '' ? undefined : override,
    ...(message.http2 === undefined ? {} : { http2: toHttp2(message.http2) }),
    labels: { ...setLabels, ...message.metricLabels },
  };
}

/** Fixed windows need both sizes, and keep-alive both times; adaptive flow control is none of ours. */
function toHttp2({ flowControl, keepAlive }: destination.Http2ClientParams): EndpointHttp2 {
  const stream = flowControl?.initialStreamWindowSize ?? 0;
  const connection = flowControl?.initialConnectionWindowSize ?? 0;
  const isFixed = stream > 0 && stream <= WINDOW_MAX && connection > 0 && connection <= WINDOW_MAX;
  const intervalMs = millisecondsOf(keepAlive?.interval);
  const timeoutMs = millisecondsOf(keepAlive?.timeout);
  const whileIdle = keepAlive?.whileIdle ?? false;
  return {
    streamWindowBytes: isFixed ? stream : undefined,
    connectionWindowBytes: isFixed ? connection : undefined,
    keepAlive: intervalMs > 0 && timeoutMs > 0 ? { intervalMs, timeoutMs, whileIdle } : undefined,
  };
}

/** 0 when there is none: an odd time is no reason to lose the endpoint. */
function millisecondsOf(time: destination.Http2ClientParams_KeepAlive['interval']): number {
  return time === undefined ? 0 : Number(time.seconds) * 1000 + time.nanos / 1_000_000;
}

/** A URI identity needs a server name to dial with; a DNS-like one is its own. */
function toTlsIdentity(identity: destination.TlsIdentity | undefined): TlsIdentity | undefined {
  const strategy = identity?.strategy;
  const given = identity?.serverName?.name ?? '';
  if (strategy === undefined) return undefined;
  const name = strategy.$case === 'dnsLikeIdentity' ? strategy.value.name : strategy.value.uri;
  const serverName = given === '' && strategy.$case === 'dnsLikeIdentity' ? name : given;
  return name === '' || serverName === '' ? undefined : { name, serverName };
}

/** "ip:port", the key of endpoint sets. */
export function endpointKey(address: { readonly ip: string; readonly port: number }): string {
  return `${address.ip}:${address.port}`;
}

export function addressKey(address: destination.AddrSet['addrs'][number]): string | undefined {
  const ip = ipText(address.ip);
  return ip === undefined ? undefined : `${ip}:${address.port}`;
}
