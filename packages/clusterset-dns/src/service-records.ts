/**
 * The records of one imported Service, ready to be put into answers (KEP-1645, "Kubernetes DNS-Based Multicluster Service Discovery",
 * §2.3 and §2.4). Pure; made anew when the Service changes, not per query.
 */
import { formatIp, parseIp } from '@mesh/model';
import type { EndpointSlice, ServiceImport } from '@mesh/kube';
import { TYPE } from './message.ts';
import type { ResourceRecord } from './message.ts';

/** Seconds. As CoreDNS has it for Kubernetes: endpoints come and go. */
export const RECORD_TTL = 5;
/** Labels with their length octets and the root's, less the first octet and the root: RFC 1035 §2.3.4 as text. */
const NAME_LENGTH_MAX = 253;
const LABEL = /^[a-z0-9_]([-a-z0-9_]{0,61}[a-z0-9_])?$/;
/** Of a group; with several targets each gets its share. */
const WEIGHT_TOTAL = 100;

/** A and AAAA records of one name. */
export interface AddressRecords {
  readonly v4: readonly ResourceRecord[];
  readonly v6: readonly ResourceRecord[];
}

/** SRV records of one name, and the addresses of their targets. */
export interface PortRecords {
  readonly records: readonly ResourceRecord[];
  readonly targets: readonly ResourceRecord[];
}

export interface ServiceRecords {
  /** Of the Service's own name. */
  readonly addresses: AddressRecords;
  /** False for a headless Service without a ready endpoint: its name does not exist. */
  readonly exists: boolean;
  /** Of all named ports, for who asks for SRV by the Service's own name. */
  readonly allPorts: PortRecords;
  /** By `_port._protocol`. */
  readonly ports: ReadonlyMap<string, PortRecords>;
  /** Of single endpoints, by `hostname.cluster`; headless Services only. */
  readonly hosts: ReadonlyMap<string, AddressRecords>;
  /** Names between: `_protocol`, and clusters with hosts. They exist, and have no record. */
  readonly parents: ReadonlySet<string>;
}

/** What is read of a slice. */
export type ClustersetSlice = Pick<EndpointSlice, 'metadata' | 'endpoints' | 'ports'>;

export const SOURCE_CLUSTER_LABEL = 'multicluster.kubernetes.io/source-cluster';
/** `mesh` slices hold gateways that speak mutual TLS: nothing for who asks a name server. */
export const PATH_LABEL = 'federation.mesh.dev/path';

/** @param name of the Service in the zone, lower case */
export function serviceRecords(
  name: string,
  spec: ServiceImport['spec'],
  slices: readonly ClustersetSlice[],
): ServiceRecords {
  return spec.type === 'Headless' ? headlessRecords(name, slices) : addressedRecords(name, spec);
}

/** A Service with a virtual address: every port is there, by name. */
function addressedRecords(name: string, spec: ServiceImport['spec']): ServiceRecords {
  const addresses = addressRecords(name, (spec.ips ?? []).map(parseIp));
  const found = spec.ports.flatMap((port) => {
    const key = portKey(port);
    return key === undefined ? [] : [{ key, port: port.port, target: name }];
  });
  return {
    addresses,
    exists: true,
    ...portRecords(name, found, new Map([[name, addresses]])),
    hosts: new Map(),
    parents: protocolsOf(found),
  };
}

interface Host {
  /** `hostname.cluster` */
  readonly key: string;
  readonly address: Uint8Array;
}

/** A Service whose name stands for its ready endpoints, which have names of their own. */
function headlessRecords(name: string, slices: readonly ClustersetSlice[]): ServiceRecords {
  const all: Host[] = [];
  const found: FoundPort[] = [];
  for (const slice of slices) {
    const hosts = readyHosts(slice);
    all.push(...hosts);
    for (const port of slice.ports ?? []) {
      const key = portKey(port);
      if (key === undefined || port.port === undefined) continue;
      for (const host of hosts) found.push({ key, port: port.port, target: `${host.key}.${name}` });
    }
  }
  const hosts = new Map<string, AddressRecords>();
  const byTarget = new Map<string, AddressRecords>();
  for (const [key, group] of Map.groupBy(all, (host) => host.key)) {
    const target = `${key}.${name}`;
    if (target.length > NAME_LENGTH_MAX) continue;
    const records = addressRecords(
      target,
      group.map((host) => host.address),
    );
    hosts.set(key, records);
    byTarget.set(target, records);
  }
  const reachable = found.filter(({ target }) => byTarget.has(target));
  const clusters = [...hosts.keys()].map((key) => key.slice(key.indexOf('.') + 1));
  return {
    addresses: addressRecords(
      name,
      all.map((host) => host.address),
    ),
    exists: all.length > 0,
    ...portRecords(name, reachable, byTarget),
    hosts,
    parents: new Set([...protocolsOf(reachable), ...clusters]),
  };
}

/** Without a cluster there is no name to give; a name that is no label could not be asked for. */
function readyHosts({ metadata, endpoints }: ClustersetSlice): readonly Host[] {
  const cluster = metadata.labels?.[SOURCE_CLUSTER_LABEL]?.toLowerCase() ?? '';
  if (!LABEL.test(cluster) || metadata.labels?.[PATH_LABEL] === 'mesh') return [];
  return endpoints
    .filter((endpoint) => endpoint.conditions?.ready !== false)
    .flatMap(({ addresses, hostname }) =>
      addresses.flatMap((text) => {
        const address = parseIp(text);
        if (address === undefined) return [];
        const label = hostname?.toLowerCase() ?? formatIp(address).replaceAll(/[.:]/g, '-');
        return [{ key: `${label}.${cluster}`, address }];
      }),
    )
    .filter((host) => !host.key.startsWith('.'));
}

interface FoundPort {
  readonly key: string;
  readonly port: number;
  readonly target: string;
}

/** Two ports may have one number for two protocols: by the Service's own name such records would be twins. */
function portRecords(
  name: string,
  found: readonly FoundPort[],
  addressesOf: ReadonlyMap<string, AddressRecords>,
): { readonly allPorts: PortRecords; readonly ports: ReadonlyMap<string, PortRecords> } {
  const records = (owner: string, group: readonly FoundPort[]): PortRecords => {
    const distinct = [...new Map(group.map((each) => [`${each.port} ${each.target}`, each])).values()];
    const targets = [...new Set(distinct.map(({ target }) => target))];
    const weight = Math.max(1, Math.floor(WEIGHT_TOTAL / distinct.length));
    return {
      records: distinct.map(({ port, target }) => ({
        type: TYPE.SRV,
        name: owner,
        ttl: RECORD_TTL,
        priority: 0,
        weight,
        port,
        target,
      })),
      targets: targets.flatMap((target) => {
        const { v4 = [], v6 = [] } = addressesOf.get(target) ?? {};
        return [...v4, ...v6];
      }),
    };
  };
  const ports = new Map<string, PortRecords>();
  for (const [key, group] of Map.groupBy(found, (each) => each.key)) ports.set(key, records(`${key}.${name}`, group));
  return { allPorts: records(name, found), ports };
}

/** `_name._protocol`; nothing for a port without name (KEP-1645, DNS specification §2.3.2). */
function portKey(port: { readonly name?: string; readonly protocol?: string }): string | undefined {
  const label = (port.name ?? '').toLowerCase();
  return label === '' ? undefined : `_${label}._${(port.protocol ?? 'TCP').toLowerCase()}`;
}

function protocolsOf(found: readonly FoundPort[]): Set<string> {
  return new Set(found.map(({ key }) => key.slice(key.lastIndexOf('.') + 1)));
}

function addressRecords(name: string, addresses: readonly (Uint8Array | undefined)[]): AddressRecords {
  const distinct = new Map(
    addresses.flatMap((address) => (address === undefined ? [] : [[address.join('.'), address] as const])),
  );
  const of = (type: typeof TYPE.A | typeof TYPE.AAAA, bytes: number): readonly ResourceRecord[] =>
    [...distinct.values()]
      .filter((address) => address.length === bytes)
      .map((address) => ({ type, name, ttl: RECORD_TTL, address }));
  return { v4: of(TYPE.A, 4), v6: of(TYPE.AAAA, 16) };
}
