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

export function prepareCreate(resource: Resource, object: KubeObject): void {
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
  if (resource.custom === undefined) prepareForUpdate(resource, object, live);
  else if (hasStatusSubresource(resource)) {
    if (live['status'] === undefined) delete object['status'];
    else object['status'] = cloneJson(live['status']);
  }
}
