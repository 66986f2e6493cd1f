/**
 * The addresses behind an exported Service, as peers may see them: from its EndpointSlices, with each pod's identity and the ports at
 * which its sidecar wants to be met. Addresses with the same ports form a group. Pure.
 */
import { keyOf } from '@mesh/kube';
import type { Endpoint, EndpointSlice, ExportedEndpoint, ExportedEndpoints, Pod } from '@mesh/kube';
import {
  controlPlaneOf,
  identityOf,
  OPAQUE_PORTS,
  opaquePortsOf,
  PortSet,
  proxyInboundPort,
  skippedInboundPorts,
} from '@mesh/model';
import { shortHash } from './names.ts';

type GroupPort = ExportedEndpoints['spec']['ports'][number];

export interface EndpointGroup {
  /** Stable, and usable in names: `v4-1a2b3c4d`. */
  readonly id: string;
  readonly addressType: 'IPv4' | 'IPv6';
  readonly ports: readonly GroupPort[];
  /** By address, each once. */
  readonly endpoints: readonly ExportedEndpoint[];
}

/** Where the facts about addresses come from. */
export interface EndpointSources {
  readonly slices: readonly EndpointSlice[];
  /** `undefined`: not known, or not any more. */
  readonly pod: (key: string) => Pod | undefined;
  readonly zone: (node: string) => string | undefined;
  /** Of this cluster's mesh: identities of other control planes are no use to peers. */
  readonly controlPlaneNamespace: string;
  readonly trustDomain: string;
}

/** Absent conditions count as ready (KEP-752). */
export function hasReady(slices: readonly EndpointSlice[]): boolean {
  return slices.some(({ endpoints }) => (endpoints ?? []).some(isReady));
}

/** @param isAllowed Which of the Service's ports peers may use, by name; an export without ports has none to ask about. */
export function endpointGroups(
  sources: EndpointSources,
  isAllowed: (port: string) => boolean,
): readonly EndpointGroup[] {
  const groups = new Map<
    string,
    { readonly group: EndpointGroup; readonly byAddress: Map<string, ExportedEndpoint> }
  >();
  // Nearly all endpoints of a slice share one list of ports.
  const ids = new Map<readonly GroupPort[], string>();
  const add = (addressType: 'IPv4' | 'IPv6', ports: readonly GroupPort[], endpoint: ExportedEndpoint): void => {
    const id = ids.get(ports) ?? groupId(addressType, ports);
    ids.set(ports, id);
    let known = groups.get(id);
    if (known === undefined) {
      known = { group: { id, addressType, ports, endpoints: [] }, byAddress: new Map() };
      groups.set(id, known);
    }
    const key = endpointKey(endpoint);
    // While a pod moves between slices it may be in two of them: ready in one is ready.
    if (known.byAddress.get(key)?.ready !== true) known.byAddress.set(key, endpoint);
  };
  for (const slice of sources.slices) {
    if (slice.addressType === 'FQDN') continue;
    const all = portsOf(slice);
    const ports = all.filter(({ name }) => isAllowed(name));
    if (ports.length === 0 && all.length > 0) continue;
    for (const endpoint of slice.endpoints ?? []) {
      for (const part of partsOf(endpoint, ports, sources)) add(slice.addressType, part.ports, part.endpoint);
    }
  }
  return [...groups.values()]
    .map(({ group, byAddress }) => ({ ...group, endpoints: [...byAddress.values()].toSorted(byKey) }))
    .toSorted((a, b) => (a.id < b.id ? -1 : 1));
}

/** What tells endpoints of one group apart. */
export function endpointKey(endpoint: ExportedEndpoint): string {
  return endpoint.addresses.join(',');
}

function byKey(a: ExportedEndpoint, b: ExportedEndpoint): number {
  return endpointKey(a) < endpointKey(b) ? -1 : 1;
}

function groupId(addressType: 'IPv4' | 'IPv6', ports: readonly GroupPort[]): string {
  return `${addressType === 'IPv4' ? 'v4' : 'v6'}-${shortHash(JSON.stringify(ports.map(Object.entries)), 8)}`;
}

function portsOf(slice: EndpointSlice): readonly GroupPort[] {
  const ports = (slice.ports ?? []).flatMap(({ name = '', port, protocol = 'TCP', appProtocol }) =>
    port === undefined ? [] : [{ name, port, protocol, ...(appProtocol === undefined ? {} : { appProtocol }) }],
  );
  return ports.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** One part normally; two when the pod's sidecar is not in the way of some of the ports. */
function partsOf(
  endpoint: Endpoint,
  ports: readonly GroupPort[],
  sources: EndpointSources,
): readonly { readonly ports: readonly GroupPort[]; readonly endpoint: ExportedEndpoint }[] {
  const plain = plainEndpoint(endpoint, sources);
  const { targetRef } = endpoint;
  if (targetRef?.kind !== 'Pod' || targetRef.name === undefined) return [{ ports, endpoint: plain }];
  const pod = sources.pod(keyOf({ namespace: targetRef.namespace, name: targetRef.name }));
  // Slices and pods are watched apart. Whoever is not known yet stays out, rather than in and reached in plain text.
  if (pod === undefined || (targetRef.uid !== undefined && targetRef.uid !== pod.metadata.uid)) return [];
  const named = { ...plain, podName: targetRef.name };
  if (controlPlaneOf(pod) !== sources.controlPlaneNamespace) return [{ ports, endpoint: named }];
  const meshed: ExportedEndpoint = {
    ...named,
    identity: identityOf(pod, sources.trustDomain),
    inboundPort: proxyInboundPort(pod),
    ...(pod.metadata.annotations?.[OPAQUE_PORTS] === undefined
      ? {}
      : { opaquePorts: opaquePortsOf(pod, PortSet.EMPTY).toString() }),
  };
  const skipped = skippedInboundPorts(pod);
  if (skipped.isEmpty) return [{ ports, endpoint: meshed }];
  const beside = ports.filter(({ port }) => skipped.has(port));
  const through = ports.filter(({ port }) => !skipped.has(port));
  return [
    ...(beside.length === 0 ? [] : [{ ports: beside, endpoint: named }]),
    ...(through.length === 0 && beside.length > 0 ? [] : [{ ports: through, endpoint: meshed }]),
  ];
}

function plainEndpoint(endpoint: Endpoint, sources: EndpointSources): ExportedEndpoint {
  const { addresses, hostname, nodeName } = endpoint;
  const zone = endpoint.zone ?? (nodeName === undefined ? undefined : sources.zone(nodeName));
  return {
    addresses,
    ready: isReady(endpoint),
    ...(hostname === undefined || hostname === '' ? {} : { hostname }),
    ...(zone === undefined || zone === '' ? {} : { zone }),
  };
}

function isReady(endpoint: Endpoint): boolean {
  return endpoint.conditions?.ready !== false;
}
