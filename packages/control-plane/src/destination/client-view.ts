/** Fits a Service's endpoints to one client (topology, locality) and says what changed since the last time. */
import type { destination, net } from '@mesh/proxy-api';

import { OWN_CLUSTER } from './service-endpoints.ts';
import type { EndpointEntry, ServiceEndpoints } from './service-endpoints.ts';

export interface ClientPlace {
  readonly nodeName: string;
  /** "" when it is not known. */
  readonly zone: string;
}

export interface ViewedEndpoint {
  readonly address: destination.WeightedAddr;
  readonly signature: string;
}

/** What one client shall know, by `ip:port`. */
export type ClientView = ReadonlyMap<string, ViewedEndpoint>;

/**
 * Keeps what the client may use: of this cluster, with internalTrafficPolicy Local, its own node's endpoints. With zone hints on all
 * endpoints of one origin (KEP-2433) its own zone's of them, or all when none is meant for it: the zones of one cluster's gateways
 * decide among these, and never take another cluster out of a union.
 */
export function viewFor(endpoints: ServiceEndpoints & { readonly kind: 'endpoints' }, client: ClientPlace): ClientView {
  // Thousands of clients see a Service from a few places: each view is made once per state.
  const place = endpoints.nodeLocal ? `${client.zone} ${client.nodeName}` : client.zone;
  const known = VIEWS.get(endpoints) ?? new Map<string, ClientView>();
  VIEWS.set(endpoints, known);
  const view = known.get(place) ?? makeView(endpoints, client);
  known.set(place, view);
  return view;
}

const VIEWS = new WeakMap<ServiceEndpoints, Map<string, ClientView>>();

function makeView(endpoints: ServiceEndpoints & { readonly kind: 'endpoints' }, client: ClientPlace): ClientView {
  const kept = new Set<string>();
  for (const [origin, group] of Map.groupBy(endpoints.entries, ([, entry]) => entry.origin)) {
    const isNodeLocal = endpoints.nodeLocal && origin === OWN_CLUSTER;
    const usable = isNodeLocal ? group.filter(([, entry]) => entry.nodeName === client.nodeName) : group;
    for (const [key] of inZone(usable, client.zone)) kept.add(key);
  }
  const view = new Map<string, ViewedEndpoint>();
  for (const [key, entry] of endpoints.entries) {
    if (!kept.has(key)) continue;
    const locality = localityOf(entry.zone, client.zone);
    view.set(key, {
      address: { ...entry.address, metricLabels: { ...entry.address.metricLabels, zone_locality: locality } },
      signature: `${locality} ${entry.signature}`,
    });
  }
  return view;
}

/** What turns `before` into `after`, as the messages to send. */
export function differences(
  before: ClientView,
  after: ClientView,
): { readonly add: readonly destination.WeightedAddr[]; readonly remove: readonly net.TcpAddress[] } {
  const add: destination.WeightedAddr[] = [];
  const remove: net.TcpAddress[] = [];
  for (const [key, endpoint] of after) {
    if (before.get(key)?.signature !== endpoint.signature) add.push(endpoint.address);
  }
  for (const [key, endpoint] of before) {
    if (!after.has(key) && endpoint.address.addr !== undefined) remove.push(endpoint.address.addr);
  }
  return { add, remove };
}

function inZone(
  entries: readonly (readonly [string, EndpointEntry])[],
  zone: string,
): readonly (readonly [string, EndpointEntry])[] {
  if (zone === '' || entries.some(([, entry]) => entry.forZones === undefined)) return entries;
  const near = entries.filter(([, entry]) => entry.forZones?.includes(zone) === true);
  return near.length === 0 ? entries : near;
}

function localityOf(endpointZone: string, clientZone: string): string {
  if (endpointZone === '' || clientZone === '') return 'unknown';
  return endpointZone === clientZone ? 'local' : 'remote';
}
