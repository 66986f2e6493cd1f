/** The rules of `metadata` that hold for every kind. */
import { randomBytes, randomUUID } from 'node:crypto';
import type { Clock } from '@mesh/runtime';
import { equalJson } from './json.ts';
import { timestamp } from './machinery.ts';
import { groupVersion, splitGroupVersion, type Resource, type ResourceTable } from './resources.ts';
import { badRequest } from './status-error.ts';
import type { KubeObject } from './types.ts';

/** No vowels and no look-alikes, as Kubernetes' generated suffixes. */
const SUFFIX_ALPHABET = 'bcdfghjklmnpqrstvwxz2456789';
const SUFFIX_LENGTH = 5;
/** Longest generateName that leaves room for the suffix in 63 characters. */
const GENERATED_BASE_MAX = 58;

export function generatedName(base: string): string {
  let suffix = '';
  for (const byte of randomBytes(SUFFIX_LENGTH)) suffix += SUFFIX_ALPHABET[byte % SUFFIX_ALPHABET.length];
  return base.slice(0, GENERATED_BASE_MAX) + suffix;
}

/** Checks that a body is of the kind that its path says, and fills in what a client may leave out. */
export function checkTypeMeta(resource: Resource, object: KubeObject, table: ResourceTable): void {
  const wanted = groupVersion(resource.group, resource.version);
  object.apiVersion ??= wanted;
  object.kind ??= resource.kind;
  const { apiVersion, kind } = object;
  if (kind === resource.kind && apiVersion === wanted) return;
  const given = splitGroupVersion(apiVersion);
  const title = `${kind} in version ${JSON.stringify(given.version)} cannot be handled as a ${resource.kind}`;
  if (resource.custom === undefined && table.findKind(apiVersion, kind) === undefined) {
    throw badRequest(
      `${title}: no kind ${JSON.stringify(kind)} is registered for version ${JSON.stringify(apiVersion)} in scheme "pkg/runtime/scheme.go:110"`,
    );
  }
  if (kind !== resource.kind && resource.custom === undefined) {
    const target = resource.group === '' ? 'core' : (resource.group.split('.')[0] ?? resource.group);
    throw badRequest(
      `${title}: converting (${given.version}.${kind}) to (${target}.${resource.kind}): unknown conversion`,
    );
  }
  throw badRequest(`the API version in the data (${apiVersion}) does not match the expected API version (${wanted})`);
}

/** Puts the path's namespace and name into the object, or refuses a different one. */
export function checkAddress(
  resource: Resource,
  object: KubeObject,
  namespace: string | undefined,
  name?: string,
): void {
  object.metadata ??= {};
  if (resource.namespaced) {
    if ((object.metadata.namespace ?? '') === '') object.metadata.namespace = namespace ?? 'default';
    else if (object.metadata.namespace !== namespace) {
      throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
    }
  } else if ((object.metadata.namespace ?? '') === '') delete object.metadata.namespace;
  else throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  if (name === undefined) return;
  if ((object.metadata.name ?? '') === '') {
    throw badRequest(`the name of the object (${name} based on URL) was undeterminable: name must be provided`);
  }
  if (object.metadata.name !== name) {
    throw badRequest(`the name of the object (${object.metadata.name}) does not match the name on the URL (${name})`);
  }
}

/** Fills in what only the server sets on a new object. */
export function beginMeta(resource: Resource, object: KubeObject, clock: Clock): void {
  const { metadata } = object;
  metadata.uid = randomUUID();
  metadata.creationTimestamp = timestamp(clock);
  delete metadata.deletionTimestamp;
  delete metadata.deletionGracePeriodSeconds;
  delete metadata.selfLink;
  delete metadata.resourceVersion;
  if (resource.hasGeneration) metadata.generation = 1;
  else if (resource.custom === undefined) delete metadata.generation;
  dropEmpty(metadata);
}

/** Carries over what only the server may change. */
export function keepMeta(object: KubeObject, live: KubeObject): void {
  const { metadata } = object;
  const old = live.metadata;
  for (const field of [
    'uid',
    'creationTimestamp',
    'deletionTimestamp',
    'deletionGracePeriodSeconds',
    'generation',
  ] as const) {
    if (old[field] === undefined) delete metadata[field];
    else (metadata as Record<string, unknown>)[field] = old[field];
  }
  if (old.generateName !== undefined && metadata.generateName === undefined) metadata.generateName = old.generateName;
  delete metadata.selfLink;
  dropEmpty(metadata);
}

/** Empty maps and lists of metadata are not stored. */
function dropEmpty(metadata: KubeObject['metadata']): void {
  for (const field of ['labels', 'annotations', 'finalizers', 'ownerReferences'] as const) {
    const value = metadata[field];
    if (value === null || (value !== undefined && Object.keys(value).length === 0)) delete metadata[field];
  }
  if (metadata.generateName === '') delete metadata.generateName;
}

/** True when the desired state differs, which is what `generation` counts. */
export function desiredStateChanged(resource: Resource, object: KubeObject, live: KubeObject): boolean {
  const hasStatus = resource.subresources.some((subresource) => subresource.name === 'status');
  for (const field of new Set([...Object.keys(object), ...Object.keys(live)])) {
    if (field === 'metadata' || field === 'apiVersion' || (field === 'status' && hasStatus)) continue;
    if (!equalJson(object[field], live[field])) return true;
  }
  // Deployments count annotations in; EndpointSlices labels.
  if (resource.bucket === 'apps/deployments') return !equalJson(object.metadata.annotations, live.metadata.annotations);
  if (resource.bucket === 'discovery.k8s.io/endpointslices')
    return !equalJson(object.metadata.labels, live.metadata.labels);
  return false;
}
