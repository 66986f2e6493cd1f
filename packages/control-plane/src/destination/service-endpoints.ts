/** From the cluster's tables to the set of addresses behind a Service's port. Pure over what it reads. */
import { keyOf } from '@mesh/kube';
import type { Endpoint, EndpointSlice, Service, ServicePort } from '@mesh/kube';
import type { destination } from '@mesh/proxy-api';
import { formatTcpAddress } from '@mesh/proxy-api';

import {
  LOCAL_DISCOVERY,
  MIRROR_CLUSTER_NAME,
  REMOTE_DISCOVERY,
  REMOTE_FQ_NAME,
  REMOTE_SERVICE,
  ZONE_LABEL,
} from '../annotations.ts';
import type { ClusterTables } from '../live/cluster-tables.ts';
import type { Reads } from '../live/table.ts';
import { gatewayAddress, gatewayRouteOf, isReady, plainAddress, podAddress, targetLabels } from './endpoint.ts';
import type { EndpointConfig } from './endpoint.ts';
import type { RemoteClusters } from './remote-clusters.ts';

/** One address, before it is fitted to a client. */
export interface EndpointEntry {
  readonly address: destination.WeightedAddr;
  /** Equal signatures: nothing about the endpoint changed. */
  readonly signature: string;
  readonly nodeName: string;
  readonly zone: string;
  /** Zones that the endpoint is meant for; undefined when it has no such hint. */
  readonly forZones: readonly string[] | undefined;
  /** In another cluster: no filter of this cluster's topology applies. */
  readonly remote: boolean;
}

export type ServiceEndpoints =
  | { readonly kind: 'not_found'; readonly message: string }
  | { readonly kind: 'invalid'; readonly message: string }
  | {
      readonly kind: 'endpoints';
      /** Labels that hold for the whole set. */
      readonly labels: Readonly<Record<string, string>>;
      /** By `ip:port`. */
      readonly entries: ReadonlyMap<string, EndpointEntry>;
      /** internalTrafficPolicy: Local. */
      readonly nodeLocal: boolean;
    };

export interface ServiceQuery {
  readonly namespace: string;
  readonly service: string;
  readonly port: number;
  readonly hostname: string | undefined;
}

export interface EndpointSources {
  readonly tables: ClusterTables;
  readonly remoteClusters: RemoteClusters;
  readonly config: EndpointConfig;
}

export function serviceEndpoints(query: ServiceQuery, sources: EndpointSources, reads: Reads): ServiceEndpoints {
  const { namespace, service: name } = query;
  const service = sources.tables.services.get(keyOf({ namespace, name }), reads);
  if (service === undefined) return { kind: 'not_found', message: `Service ${namespace}/${name} does not exist` };
  if (service.spec?.type === 'ExternalName') {
    return { kind: 'invalid', message: `Service ${namespace}/${name} is of type ExternalName and has no endpoints` };
  }
  const entries = new Map<string, EndpointEntry>();
  const flatCluster = service.metadata.labels?.[REMOTE_DISCOVERY];
  if (flatCluster !== undefined) {
    const remoteName = service.metadata.labels?.[REMOTE_SERVICE] ?? name;
    const found = sources.remoteClusters.endpoints(flatCluster, namespace, remoteName, query.port, reads);
    if (found === undefined)
      return { kind: 'not_found', message: `Cluster ${flatCluster} of Service ${namespace}/${name} is not known here` };
    addAll(entries, found);
  }
  addAll(entries, entriesOf(service, query, sources, reads));
  addFederationMembers(entries, service, query, sources, reads);
  return {
    kind: 'endpoints',
    labels: { namespace, service: name, ...mirrorLabels(service) },
    entries,
    nodeLocal: service.spec?.internalTrafficPolicy === 'Local',
  };
}

/** True when a client could not tell the two apart. */
export function sameEndpoints(before: ServiceEndpoints, after: ServiceEndpoints): boolean {
  if (before.kind !== 'endpoints' || after.kind !== 'endpoints') {
    return (
      before.kind === after.kind &&
      before.kind !== 'endpoints' &&
      after.kind !== 'endpoints' &&
      before.message === after.message
    );
  }
  if (before.entries.size !== after.entries.size || before.nodeLocal !== after.nodeLocal) return false;
  if (JSON.stringify(before.labels) !== JSON.stringify(after.labels)) return false;
  for (const [key, entry] of after.entries) if (before.entries.get(key)?.signature !== entry.signature) return false;
  return true;
}

/** The members that a federated Service's annotations name, besides the slices attached to it. */
function addFederationMembers(
  entries: Map<string, EndpointEntry>,
  service: Service,
  query: ServiceQuery,
  sources: EndpointSources,
  reads: Reads,
): void {
  const { annotations = {} } = service.metadata;
  const local = annotations[LOCAL_DISCOVERY] ?? '';
  if (local !== '' && local !== query.service) {
    const member = sources.tables.services.get(keyOf({ namespace: query.namespace, name: local }), reads);
    // A member that lacks the port contributes nothing.
    if (member !== undefined && portOf(member, query.port) !== undefined) {
      addAll(entries, entriesOf(member, { ...query, service: local }, sources, reads));
    }
  }
  for (const item of (annotations[REMOTE_DISCOVERY] ?? '').split(',')) {
    const [remote = '', cluster = ''] = item.trim().split('@');
    if (remote === '' || cluster === '') continue;
    addAll(entries, sources.remoteClusters.endpoints(cluster, query.namespace, remote, query.port, reads) ?? []);
  }
}

function entriesOf(service: Service, query: ServiceQuery, sources: EndpointSources, reads: Reads): EndpointEntry[] {
  const key = keyOf({ namespace: query.namespace, name: query.service });
  const slices = sources.tables.slices.byIndex('service', key, reads);
  const ready = slices.filter((slice) => slice.addressType !== 'FQDN');
  const found: EndpointEntry[] = [];
  for (const slice of ready) {
    const port = targetPort(service, slice, query.port);
    if (port === undefined) continue;
    for (const endpoint of slice.endpoints ?? []) {
      if (!isReady(endpoint)) continue;
      if (query.hostname !== undefined && endpoint.hostname !== query.hostname) continue;
      found.push(...endpointEntries(endpoint, slice, port, service, query, sources, reads));
    }
  }
  return found;
}

function endpointEntries(
  endpoint: Endpoint,
  slice: EndpointSlice,
  port: number,
  service: Service,
  query: ServiceQuery,
  sources: EndpointSources,
  reads: Reads,
): EndpointEntry[] {
  const { tables, config } = sources;
  const reference = endpoint.targetRef;
  const found = gatewayRouteOf(slice);
  const route =
    found === undefined || found.fqName !== ''
      ? found
      : { ...found, fqName: service.metadata.annotations?.[REMOTE_FQ_NAME] ?? '' };
  const pod =
    reference?.kind === 'Pod'
      ? tables.pods.get(keyOf({ namespace: reference.namespace ?? query.namespace, name: reference.name ?? '' }), reads)
      : undefined;
  const nodeName = endpoint.nodeName ?? pod?.spec.nodeName ?? '';
  const zone = endpoint.zone ?? zoneOf(nodeName, tables, reads);
  return endpoint.addresses.flatMap((ip) => {
    const address =
      route !== undefined && pod === undefined
        ? gatewayAddress(route, ip, port, query.port, config)
        : pod === undefined
          ? plainAddress(ip, port)
          : podAddress(pod, ip, port, config);
    if (address === undefined) return [];
    return [
      entry(
        { ...address, metricLabels: { ...address.metricLabels, zone } },
        endpoint,
        nodeName,
        zone,
        route !== undefined,
      ),
    ];
  });
}

function entry(
  address: destination.WeightedAddr,
  endpoint: Endpoint,
  nodeName: string,
  zone: string,
  remote: boolean,
): EndpointEntry {
  const forZones = endpoint.hints?.forZones?.map((one) => one.name);
  return {
    address,
    nodeName,
    zone,
    forZones,
    remote,
    signature: JSON.stringify([address, nodeName, forZones], bigintAsText),
  };
}

function bigintAsText(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value;
}

/** The zone of a node; "" when it is not known. */
export function zoneOf(nodeName: string, tables: ClusterTables, reads: Reads): string {
  if (nodeName === '') return '';
  return tables.nodes.get(nodeName, reads)?.metadata.labels?.[ZONE_LABEL] ?? '';
}

function portOf(service: Service, port: number): ServicePort | undefined {
  return service.spec?.ports?.find((one) => one.port === port && (one.protocol ?? 'TCP') === 'TCP');
}

/**
 * The port to dial at a slice's addresses: the slice's port of the Service port's name; else the Service's numeric target;
 * a port that the Service does not define is taken as it is.
 */
function targetPort(service: Service, slice: EndpointSlice, port: number): number | undefined {
  const defined = portOf(service, port);
  if (defined === undefined) return port;
  const named = slice.ports?.find((one) => (one.name ?? '') === (defined.name ?? ''));
  if (named?.port !== undefined) return named.port;
  const numeric = defined.targetPort ?? port;
  return typeof numeric === 'number' && (slice.ports ?? []).length === 0 ? numeric : undefined;
}

function mirrorLabels(service: Service): Record<string, string> {
  const cluster = service.metadata.labels?.[MIRROR_CLUSTER_NAME];
  const fqName = service.metadata.annotations?.[REMOTE_FQ_NAME];
  if (cluster === undefined || fqName === undefined) return {};
  return targetLabels({ identity: '', cluster, fqName });
}

function addAll(entries: Map<string, EndpointEntry>, more: readonly EndpointEntry[]): void {
  for (const one of more) {
    const key = formatTcpAddress(one.address.addr);
    // Several members may stand behind one gateway address: the first one keeps it.
    if (key !== undefined && !entries.has(key)) entries.set(key, one);
  }
}
