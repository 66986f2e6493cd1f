/** From the cluster's tables to the set of addresses behind a Service's port. Pure over what it reads. */
import { keyOf } from '@mesh/kube';
import type { Endpoint, EndpointSlice, Service, ServicePort } from '@mesh/kube';
import { ZONE_LABEL } from '@mesh/model';
import type { destination } from '@mesh/proxy-api';
import { formatTcpAddress } from '@mesh/proxy-api';

import { FEDERATION_SERVICE_IMPORT, LOCAL_DISCOVERY, REMOTE_FQ_NAME } from '../annotations.ts';
import type { ClusterTables } from '../live/cluster-tables.ts';
import type { Reads } from '../live/table.ts';
import { isReady, plainAddress, podAddress } from './endpoint.ts';
import type { EndpointConfig } from './endpoint.ts';
import {
  flatAddress,
  gatewayAddress,
  isOpaqueService,
  mirroredBy,
  remoteRouteOf,
  targetLabels,
} from './remote-route.ts';
import type { RemoteRoute } from './remote-route.ts';

/** One address, before it is fitted to a client. */
export interface EndpointEntry {
  readonly address: destination.WeightedAddr;
  /** Equal signatures: nothing about the endpoint changed. */
  readonly signature: string;
  readonly nodeName: string;
  readonly zone: string;
  /** Zones that the endpoint is meant for; undefined when it has no such hint. */
  readonly forZones: readonly string[] | undefined;
  /** {@link OWN_CLUSTER}, or by which way of which other cluster: topology chooses among endpoints of one origin. */
  readonly origin: string;
}

/** Origin of this cluster's own endpoints. */
export const OWN_CLUSTER = '';

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
  // The first to name an address keeps it: the local member before all that the mirror wrote.
  addAll(entries, localMember(service, query, sources, reads));
  addAll(entries, entriesOf(service, query, sources, reads));
  return {
    kind: 'endpoints',
    labels: { namespace, service: name, ...standsFor(service) },
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

/** Endpoints of the member in this cluster that a federated Service's annotation names; the others are slices of the Service itself. */
function localMember(
  service: Service,
  query: ServiceQuery,
  sources: EndpointSources,
  reads: Reads,
): readonly EndpointEntry[] {
  const local = service.metadata.annotations?.[LOCAL_DISCOVERY] ?? '';
  if (local === '' || local === query.service) return [];
  const member = sources.tables.services.get(keyOf({ namespace: query.namespace, name: local }), reads);
  // A member that lacks the port contributes nothing.
  if (member === undefined || portOf(member, query.port) === undefined) return [];
  return entriesOf(member, { ...query, service: local }, sources, reads);
}

function entriesOf(service: Service, query: ServiceQuery, sources: EndpointSources, reads: Reads): EndpointEntry[] {
  const key = keyOf({ namespace: query.namespace, name: query.service });
  const slices = sources.tables.slices.byIndex('service', key, reads);
  const found: EndpointEntry[] = [];
  const routed = slices.map((slice) => ({ slice, route: routeOf(slice, service) })).toSorted(ownFirst);
  for (const { slice, route } of routed) {
    if (slice.addressType === 'FQDN') continue;
    const port = targetPort(service, slice, query.port);
    if (port === undefined) continue;
    for (const endpoint of slice.endpoints ?? []) {
      if (!isReady(endpoint)) continue;
      if (query.hostname !== undefined && endpoint.hostname !== query.hostname) continue;
      found.push(
        ...(route === undefined
          ? ownEntries(endpoint, port, query, sources, reads)
          : remoteEntries(endpoint, port, route, isOpaqueService(service, query.port), query, sources.config)),
      );
    }
  }
  return found;
}

/** A slice with what it says about another cluster. */
export interface RoutedSlice {
  readonly slice: EndpointSlice;
  readonly route: RemoteRoute | undefined;
}

/**
 * A fixed order: what is said to a proxy names an endpoint by its address alone, so an address that several clusters have (their
 * networks may overlap) must always belong to the same of them, to this one if it is among them.
 */
export function ownFirst(a: RoutedSlice, b: RoutedSlice): number {
  return order(a.route?.cluster ?? '', b.route?.cluster ?? '') || order(a.slice.metadata.name, b.slice.metadata.name);
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function routeOf(slice: EndpointSlice, service: Service): RemoteRoute | undefined {
  const route = remoteRouteOf(slice);
  if (route === undefined || route.fqName !== '') return route;
  return { ...route, fqName: service.metadata.annotations?.[REMOTE_FQ_NAME] ?? '' };
}

function ownEntries(
  endpoint: Endpoint,
  port: number,
  query: ServiceQuery,
  sources: EndpointSources,
  reads: Reads,
): EndpointEntry[] {
  const { tables, config } = sources;
  const reference = endpoint.targetRef;
  const pod =
    reference?.kind === 'Pod'
      ? tables.pods.get(keyOf({ namespace: reference.namespace ?? query.namespace, name: reference.name ?? '' }), reads)
      : undefined;
  const nodeName = endpoint.nodeName ?? pod?.spec.nodeName ?? '';
  const zone = endpoint.zone ?? zoneOf(nodeName, tables, reads);
  return endpoint.addresses.flatMap((ip) => {
    const address = pod === undefined ? plainAddress(ip, port) : podAddress(pod, ip, port, config);
    return address === undefined ? [] : [entry(address, endpoint, nodeName, zone, OWN_CLUSTER)];
  });
}

/** Nothing of this cluster's is looked up for them: a pod or node of the same name is another. */
function remoteEntries(
  endpoint: Endpoint,
  port: number,
  route: RemoteRoute,
  opaque: boolean,
  query: ServiceQuery,
  config: EndpointConfig,
): EndpointEntry[] {
  return endpoint.addresses.flatMap((ip) => {
    const address =
      route.kind === 'gateway'
        ? gatewayAddress(route, ip, port, query.port, config)
        : flatAddress(route, ip, port, opaque, config);
    return address === undefined
      ? []
      : [entry(address, endpoint, '', endpoint.zone ?? '', `${route.kind} ${route.cluster}`)];
  });
}

function entry(
  plain: destination.WeightedAddr,
  endpoint: Endpoint,
  nodeName: string,
  zone: string,
  origin: string,
): EndpointEntry {
  const forZones = endpoint.hints?.forZones?.map((one) => one.name);
  const address = { ...plain, metricLabels: { ...plain.metricLabels, zone } };
  return {
    address,
    nodeName,
    zone,
    forZones,
    origin,
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

/** For what a Service stands that the mirror made: a Service of another cluster, or a ServiceImport. */
function standsFor(service: Service): Record<string, string> {
  const mirrored = mirroredBy(service);
  if (mirrored !== undefined) return targetLabels(mirrored);
  const name = service.metadata.labels?.[FEDERATION_SERVICE_IMPORT];
  return name === undefined ? {} : { service_import: name };
}

function addAll(entries: Map<string, EndpointEntry>, more: readonly EndpointEntry[]): void {
  for (const one of more) {
    const key = formatTcpAddress(one.address.addr);
    // Several members may stand behind one gateway address: the first one keeps it.
    if (key !== undefined && !entries.has(key)) entries.set(key, one);
  }
}
