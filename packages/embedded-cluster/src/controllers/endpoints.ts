/**
 * Endpoints and EndpointSlices: of Services with a selector from their pods; of Services without one the
 * hand-made Endpoints are mirrored into slices.
 */
import { hasReason } from '../api/status-error.ts';
import { Controller, type Reconciled } from './controller.ts';
import { groupEndpoints, mirrorGroups, type SliceGroup, toSubsets } from './endpoint-groups.ts';
import type { ControllerDeps } from './informers.ts';
import { type EndpointSlice, keyOf, matchesSelector, type Pod, RESOURCES, type Service, splitKey } from './kinds.ts';
import { ownerReference, stableJson } from './pods.ts';

const SERVICE_LABEL = 'kubernetes.io/service-name';
const MANAGED_BY = 'endpointslice.kubernetes.io/managed-by';
const SLICE_CONTROLLER = 'endpointslice-controller.k8s.io';
const MIRROR_CONTROLLER = 'endpointslicemirroring-controller.k8s.io';
const SKIP_MIRROR = 'endpointslice.kubernetes.io/skip-mirror';
const HEADLESS = 'service.kubernetes.io/headless';

export function createEndpointsController(deps: ControllerDeps): Controller {
  const { informers, log } = deps;
  const byNamespace = new Map<string, Map<string, Service>>();
  const slices = new Map<string, Map<string, EndpointSlice>>();
  const reconcile = (key: string): Promise<Reconciled> => sync(deps, key, [...(slices.get(key)?.values() ?? [])]);
  const controller = new Controller('endpoints', reconcile, log);

  informers.services.onChange((service, _before, key) => {
    const { namespace = '' } = splitKey(key);
    const services = byNamespace.get(namespace) ?? new Map<string, Service>();
    byNamespace.set(namespace, services);
    if (service === undefined) services.delete(key);
    else services.set(key, service);
    controller.enqueue(key);
  });
  informers.endpointSlices.onChange((slice, before, key) => {
    const service = serviceOf(slice ?? before);
    if (service === undefined) return;
    const held = slices.get(service) ?? new Map<string, EndpointSlice>();
    slices.set(service, held);
    if (slice === undefined) held.delete(key);
    else held.set(key, slice);
    if (held.size === 0) slices.delete(service);
    if (isOurs(slice ?? before)) controller.enqueue(service);
  });
  informers.endpoints.onChange((_object, _before, key) => controller.enqueue(key));
  informers.pods.onChange((pod, before) => {
    const services = byNamespace.get((pod ?? before)?.metadata.namespace ?? '');
    for (const [key, service] of services ?? []) {
      if (selects(service, pod) || selects(service, before)) controller.enqueue(key);
    }
  });
  informers.nodes.onChange((node, before) => {
    const zone = (each: typeof node): string | undefined => each?.metadata.labels?.['topology.kubernetes.io/zone'];
    if (zone(node) !== zone(before))
      for (const service of informers.services.values()) controller.enqueue(keyOf(service));
  });
  return controller;
}

function selects(service: Service, pod: Pod | undefined): boolean {
  const { selector } = service.spec;
  if (pod === undefined || selector === undefined || Object.keys(selector).length === 0) return false;
  return matchesSelector({ matchLabels: selector }, pod.metadata.labels);
}

function serviceOf(slice: EndpointSlice | undefined): string | undefined {
  const name = slice?.metadata.labels?.[SERVICE_LABEL];
  return name === undefined ? undefined : `${slice?.metadata.namespace}/${name}`;
}

function isOurs(slice: EndpointSlice | undefined): boolean {
  const manager = slice?.metadata.labels?.[MANAGED_BY];
  return manager === SLICE_CONTROLLER || manager === MIRROR_CONTROLLER;
}

async function sync(deps: ControllerDeps, key: string, held: readonly EndpointSlice[]): Promise<Reconciled> {
  const { informers } = deps;
  const service = informers.services.get(key);
  const own = held.filter(isOurs);
  if (
    service === undefined ||
    service.metadata.deletionTimestamp !== undefined ||
    service.spec.type === 'ExternalName'
  ) {
    // Slices have an owner reference; Endpoints have none and go here, unless someone made them by hand.
    for (const slice of service === undefined ? own : []) await remove(deps, slice);
    return undefined;
  }
  if (Object.keys(service.spec.selector ?? {}).length > 0) {
    const pods = podsOf(deps, service);
    const zone = (nodeName: string): string | undefined =>
      informers.nodes.get(nodeName)?.metadata.labels?.['topology.kubernetes.io/zone'];
    const groups = groupEndpoints(service, pods, zone);
    // Slices first: proxies follow them, and nobody should wait for the older form.
    await syncSlices(deps, service, own, groups, SLICE_CONTROLLER);
    await syncEndpoints(deps, service, groups);
    return undefined;
  }
  const endpoints = informers.endpoints.get(key);
  const mirrored = endpoints !== undefined && endpoints.metadata.labels?.[SKIP_MIRROR] !== 'true';
  await syncSlices(deps, service, own, mirrored ? mirrorGroups(endpoints) : [], MIRROR_CONTROLLER);
  return undefined;
}

function podsOf(deps: ControllerDeps, service: Service): Pod[] {
  const pods: Pod[] = [];
  for (const pod of deps.informers.pods.values()) {
    if (pod.metadata.namespace === service.metadata.namespace && selects(service, pod)) pods.push(pod);
  }
  return pods.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
}

async function syncSlices(
  deps: ControllerDeps,
  service: Service,
  own: readonly EndpointSlice[],
  groups: readonly SliceGroup[],
  manager: string,
): Promise<void> {
  const left = own.filter((slice) => slice.metadata.labels?.[MANAGED_BY] === manager);
  for (const slice of own) if (!left.includes(slice)) await remove(deps, slice);
  const labels = sliceLabels(service, manager);
  for (const group of groups) {
    const same = left.findIndex(
      (slice) => slice.addressType === group.addressType && stableJson(slice.ports ?? []) === stableJson(group.ports),
    );
    const [slice] = same === -1 ? [] : left.splice(same, 1);
    if (slice === undefined) await create(deps, service, group, labels);
    else await update(deps, slice, group, labels);
  }
  for (const slice of left) await remove(deps, slice);
}

function sliceLabels(service: Service, manager: string): Record<string, string> {
  return {
    ...service.metadata.labels,
    [SERVICE_LABEL]: service.metadata.name,
    [MANAGED_BY]: manager,
    ...(service.spec.clusterIP === 'None' ? { [HEADLESS]: '' } : {}),
  };
}

async function create(
  deps: ControllerDeps,
  service: Service,
  group: SliceGroup,
  labels: Record<string, string>,
): Promise<void> {
  const { namespace, name } = service.metadata;
  const slice = {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      generateName: `${name}-`,
      ...(namespace === undefined ? {} : { namespace }),
      labels,
      ownerReferences: [ownerReference(service)],
    },
    addressType: group.addressType,
    endpoints: group.endpoints,
    ports: group.ports,
  };
  deps.informers.endpointSlices.observe(await deps.client.create(RESOURCES.endpointSlices, slice));
}

async function update(
  deps: ControllerDeps,
  slice: EndpointSlice,
  group: SliceGroup,
  labels: Record<string, string>,
): Promise<void> {
  const sameLabels = stableJson(slice.metadata.labels) === stableJson(labels);
  if (sameLabels && stableJson(slice.endpoints ?? []) === stableJson(group.endpoints)) return;
  const wanted = { ...slice, metadata: { ...slice.metadata, labels }, endpoints: group.endpoints, ports: group.ports };
  deps.informers.endpointSlices.observe(await deps.client.update(RESOURCES.endpointSlices, wanted));
}

async function remove(deps: ControllerDeps, slice: EndpointSlice): Promise<void> {
  try {
    await deps.client.delete(RESOURCES.endpointSlices, slice.metadata.namespace, slice.metadata.name);
  } catch (error) {
    if (!hasReason(error, 'NotFound')) throw error;
  }
}

async function syncEndpoints(deps: ControllerDeps, service: Service, groups: readonly SliceGroup[]): Promise<void> {
  const { client, informers } = deps;
  const { namespace, name } = service.metadata;
  const held = informers.endpoints.get(`${namespace}/${name}`);
  const subsets = toSubsets(groups);
  const labels = {
    ...service.metadata.labels,
    'endpoints.kubernetes.io/managed-by': 'endpoint-controller',
    ...(service.spec.clusterIP === 'None' ? { [HEADLESS]: '' } : {}),
  };
  if (held === undefined) {
    const object = {
      apiVersion: 'v1',
      kind: 'Endpoints',
      metadata: { name, ...(namespace === undefined ? {} : { namespace }), labels },
      subsets,
    };
    informers.endpoints.observe(await client.create(RESOURCES.endpoints, object));
    return;
  }
  const same =
    stableJson(held.subsets ?? []) === stableJson(subsets) && stableJson(held.metadata.labels) === stableJson(labels);
  if (same) return;
  informers.endpoints.observe(
    await client.update(RESOURCES.endpoints, { ...held, metadata: { ...held.metadata, labels }, subsets }),
  );
}
