/** `destination.WeightedAddr` to an endpoint. */
import type { destination } from '@mesh/proxy-api';
import { ipText } from '../proto/addresses.ts';
import type { Endpoint, TlsIdentity } from '@mesh/model';

const PORT_MAX = 65_535;

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
    labels: { ...setLabels, ...message.metricLabels },
  };
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
