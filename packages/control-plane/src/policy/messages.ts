/** Messages that several policies share. */
import type { Cidr } from '@mesh/model';
import { formatIp } from '@mesh/model';
import { ipAddress } from '@mesh/proxy-api';
import type { meta, net } from '@mesh/proxy-api';

export function networkMessage(network: Cidr): net.IPNetwork {
  return { ip: ipAddress(formatIp(network.bytes)), prefixLen: network.prefixLength };
}

export function defaultMetadata(name: string): meta.Metadata {
  return { kind: { $case: 'default', value: name } };
}

export function serviceMetadata(namespace: string, name: string, port: number): meta.Metadata {
  return { kind: { $case: 'resource', value: { group: 'core', kind: 'Service', name, namespace, section: '', port } } };
}
