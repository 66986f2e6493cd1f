/** What creation and updates do to an object of a kind before it is validated: status is the status subresource's, and so on. */
import { prepareForCreate, prepareForStatusUpdate, prepareForUpdate } from '../schema/index.ts';
import { cloneJson } from './json.ts';
import type { Resource } from './resources.ts';
import type { KubeObject } from './types.ts';

/** Kinds whose status update also takes labels and annotations. */
const STATUS_UPDATES_META = new Set([
  '/pods',
  '/nodes',
  '/namespaces',
  '/services',
  '/persistentvolumeclaims',
  '/persistentvolumes',
]);

export function hasStatusSubresource(resource: Resource): boolean {
  return resource.subresources.some((subresource) => subresource.name === 'status');
}

/** Lists that Kubernetes writes as null when they are empty, since their members are always written. */
const NULL_WHEN_EMPTY: Readonly<Record<string, readonly string[]>> = {
  'discovery.k8s.io/endpointslices': ['endpoints', 'ports'],
  'rbac.authorization.k8s.io/roles': ['rules'],
  'rbac.authorization.k8s.io/clusterroles': ['rules'],
};

function nullEmptyLists(resource: Resource, object: KubeObject): void {
  for (const field of NULL_WHEN_EMPTY[resource.bucket] ?? []) {
    const value = object[field];
    if (value === undefined || (Array.isArray(value) && value.length === 0)) object[field] = null;
  }
}

export function prepareCreate(resource: Resource, object: KubeObject): void {
  nullEmptyLists(resource, object);
  if (resource.custom === undefined) prepareForCreate(resource, object, { uid: object.metadata.uid ?? '' });
  else if (hasStatusSubresource(resource)) delete object['status'];
}

export function prepareUpdate(
  resource: Resource,
  object: KubeObject,
  live: KubeObject,
  subresource: string | undefined,
): void {
  if (subresource === 'status') {
    const { metadata } = object;
    prepareForStatusUpdate(object, live);
    if (STATUS_UPDATES_META.has(resource.bucket)) object.metadata = metadata;
    return;
  }
  if (subresource !== undefined) return;
  nullEmptyLists(resource, object);
  if (resource.custom === undefined) prepareForUpdate(resource, object, live);
  else if (hasStatusSubresource(resource)) {
    if (live['status'] === undefined) delete object['status'];
    else object['status'] = cloneJson(live['status']);
  }
}
