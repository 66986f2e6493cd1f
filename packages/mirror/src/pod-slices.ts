/**
 * A peer's pods as endpoints here. Pods that are reached alike (ports, identity, opaque ports) share slices of at most 100; a pod keeps
 * its slice while it lives, so that one change rewrites one slice. What the peer says of names is checked first. Pure.
 */
import type { Endpoint, EndpointSlice, ExportedEndpoint } from '@mesh/kube';
import { isDnsName } from '@mesh/model';
import {
  ANNOTATION_IDENTITY,
  ANNOTATION_INBOUND_PORT,
  ANNOTATION_OPAQUE_PORTS,
  hashOf,
  LABEL_MANAGED_BY,
  SLICE_MANAGER,
} from './names.ts';
import type { RemoteEndpoints } from './remote-cluster.ts';

type Entries = Readonly<Record<string, string>>;

export interface PodSlicesInput {
  readonly endpoints: readonly RemoteEndpoints[];
  /** Names of the ports that are wanted; absent: all. */
  readonly portNames?: ReadonlySet<string>;
  /** Our slices of that Service as they are now. */
  readonly live: readonly EndpointSlice[];
  /** What slice names begin with. */
  readonly name: string;
  readonly namespace: string;
  readonly labels: Entries;
  readonly annotations: Entries;
  /** What a pod's own name becomes here; default: itself. */
  readonly hostname?: (name: string) => string;
}

/** As many as Kubernetes puts into a slice itself. */
export const SLICE_ENDPOINTS_MAX = 100;

interface Group {
  readonly addressType: 'IPv4' | 'IPv6';
  readonly ports: RemoteEndpoints['ports'];
  readonly annotations: Entries;
  /** By address. */
  readonly endpoints: Map<string, Endpoint>;
}

export function podSlices(input: PodSlicesInput): readonly EndpointSlice[] {
  const slices: EndpointSlice[] = [];
  for (const [key, group] of groupsOf(input)) {
    const prefix = `${input.name}-${hashOf(key)}-`;
    for (const [index, endpoints] of assign(group.endpoints, liveChunks(input.live, prefix))) {
      slices.push({
        apiVersion: 'discovery.k8s.io/v1',
        kind: 'EndpointSlice',
        metadata: {
          name: prefix + String(index),
          namespace: input.namespace,
          labels: { [LABEL_MANAGED_BY]: SLICE_MANAGER, ...input.labels },
          annotations: { ...input.annotations, ...group.annotations },
        },
        addressType: group.addressType,
        endpoints,
        ports: group.ports.map(({ name, port, protocol, appProtocol }) => ({
          name,
          port,
          protocol: protocol as 'TCP',
          ...(appProtocol === undefined ? {} : { appProtocol }),
        })),
      });
    }
  }
  return slices;
}

function groupsOf(input: PodSlicesInput): ReadonlyMap<string, Group> {
  const groups = new Map<string, Group>();
  for (const { addressType, ports: all, endpoints } of input.endpoints) {
    const ports = all.filter(({ name }) => input.portNames === undefined || input.portNames.has(name));
    if (ports.length === 0 && all.length > 0) continue;
    for (const endpoint of endpoints) {
      const [address] = endpoint.addresses;
      if (address === undefined) continue;
      const annotations = meshAnnotations(endpoint);
      const key = JSON.stringify([addressType, ports, annotations]);
      const group = groups.get(key) ?? { addressType, ports, annotations, endpoints: new Map<string, Endpoint>() };
      groups.set(key, group);
      group.endpoints.set(address, endpointOf(endpoint, address, input.hostname));
    }
  }
  return new Map([...groups].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function meshAnnotations({ identity, inboundPort, opaquePorts }: ExportedEndpoint): Entries {
  if (identity === undefined || !isIdentity(identity)) return {};
  return {
    [ANNOTATION_IDENTITY]: identity,
    ...(inboundPort === undefined ? {} : { [ANNOTATION_INBOUND_PORT]: String(inboundPort) }),
    ...(opaquePorts === undefined ? {} : { [ANNOTATION_OPAQUE_PORTS]: opaquePorts }),
  };
}

function isIdentity(text: string): boolean {
  return isDnsName(text) || /^spiffe:\/\/[^\s,]{1,2000}$/.test(text);
}

function endpointOf(
  { ready, hostname, zone }: ExportedEndpoint,
  address: string,
  rename: PodSlicesInput['hostname'] = (name) => name,
): Endpoint {
  return {
    addresses: [address],
    conditions: { ready, serving: ready, terminating: false },
    ...(hostname === undefined || !isHostname(hostname) ? {} : { hostname: rename(hostname) }),
    ...(zone === undefined ? {} : { zone }),
  };
}

/** A DNS label: what the API admits as a host name. */
export function isHostname(text: string): boolean {
  return !text.includes('.') && isDnsName(text);
}

/** The addresses of each live slice of a group, by the number at the end of its name. */
function liveChunks(live: readonly EndpointSlice[], prefix: string): ReadonlyMap<number, readonly string[]> {
  const chunks = new Map<number, readonly string[]>();
  for (const { metadata, endpoints } of live) {
    if (!metadata.name.startsWith(prefix)) continue;
    const index = Number(metadata.name.slice(prefix.length));
    if (Number.isInteger(index) && index >= 0)
      chunks.set(
        index,
        (endpoints ?? []).map(({ addresses }) => addresses[0] ?? ''),
      );
  }
  return chunks;
}

/** Endpoints stay in the chunk where they are; others fill the first that has room. In each, by address. */
function assign(
  endpoints: ReadonlyMap<string, Endpoint>,
  live: ReadonlyMap<number, readonly string[]>,
): readonly (readonly [number, readonly Endpoint[]])[] {
  const left = new Map([...endpoints].toSorted(([a], [b]) => (a < b ? -1 : 1)));
  const chunks = new Map<number, Endpoint[]>();
  for (const [index, addresses] of [...live].toSorted(([a], [b]) => a - b)) {
    const kept: Endpoint[] = [];
    for (const address of addresses.toSorted()) {
      const endpoint = left.get(address);
      if (endpoint === undefined || kept.length === SLICE_ENDPOINTS_MAX) continue;
      kept.push(endpoint);
      left.delete(address);
    }
    if (kept.length > 0) chunks.set(index, kept);
  }
  let index = 0;
  for (const endpoint of left.values()) {
    while ((chunks.get(index)?.length ?? 0) >= SLICE_ENDPOINTS_MAX) index += 1;
    const chunk = chunks.get(index);
    if (chunk === undefined) chunks.set(index, [endpoint]);
    else chunk.push(endpoint);
  }
  return [...chunks].map(([at, chunk]) => [at, chunk.toSorted(byAddress)] as const);
}

function byAddress(a: Endpoint, b: Endpoint): number {
  const [left = ''] = a.addresses;
  const [right = ''] = b.addresses;
  return left < right ? -1 : left > right ? 1 : 0;
}
