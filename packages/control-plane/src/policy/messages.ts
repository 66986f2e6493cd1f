/** Messages that several policies share. */
import type { Cidr } from '@mesh/model';
import { formatIp, parseCidr } from '@mesh/model';
import { ipAddress } from '@mesh/proxy-api';
import type { meta, net } from '@mesh/proxy-api';

/** "Everyone" takes two networks. */
export const ALL_NETWORKS: readonly Cidr[] = ['0.0.0.0/0', '::/0'].flatMap((text) => parseCidr(text) ?? []);

export function networkMessage(network: Cidr): net.IPNetwork {
  return { ip: ipAddress(formatIp(network.bytes)), prefixLen: network.prefixLength };
}

export function defaultMetadata(name: string): meta.Metadata {
  return { kind: { $case: 'default', value: name } };
}

export function serviceMetadata(namespace: string, name: string, port: number): meta.Metadata {
  return { kind: { $case: 'resource', value: { group: 'core', kind: 'Service', name, namespace, section: '', port } } };
}
