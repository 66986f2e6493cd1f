/**
 * Create, update and patch: decode, apply, admit, validate, store.
 *
 * Webhooks make these asynchronous, so an update reads, computes and then commits only if nobody wrote in between;
 * otherwise it starts again with the newer object, as a patch without a resourceVersion must never fail by a race.
 */
import { asObject, asString, cloneJson, equalJson } from './json.ts';
import { decodeObject } from './decode.ts';
import { timestamp, type AdmissionAttributes, type Machinery, type RequestContext } from './machinery.ts';
import { beginMeta, checkAddress, checkTypeMeta, desiredStateChanged, generatedName, keepMeta } from './object-meta.ts';
import type { Resource } from './resources.ts';
import { alreadyExists, conflict, failure, invalid, notFound, OBJECT_MODIFIED } from './status-error.ts';
import { idOf } from './store.ts';
import { prepareCreate, prepareUpdate } from './strategy.ts';
import type { KubeObject } from './types.ts';
import { toRequested, toStored } from './versions.ts';

/** Attempts of one update against concurrent writers before it gives up with a Conflict. */
const UPDATE_ATTEMPTS_MAX = 20;
/** New names that a generateName tries, as Kubernetes does since 1.32. */
const GENERATE_ATTEMPTS_MAX = 8;

export interface Target {
  readonly resource: Resource;
  readonly namespace: string | undefined;
  readonly name: string;
  readonly subresource?: string | undefined;
}

/** Decodes and stores a new object; the result is in the requested version and must not be changed. */
export async function createObject(
  machinery: Machinery,
  context: RequestContext,
  resource: Resource,
  namespace: string | undefined,
  given: KubeObject,
): Promise<KubeObject> {
  const copy = cloneJson(given);
  checkTypeMeta(resource, copy, machinery.resources);
  const object = decodeObject(machinery, context, resource, copy);
  checkAddress(resource, object, namespace);
  if ((object.metadata.resourceVersion ?? '') !== '') {
    throw failure(500, undefined, 'resourceVersion should not be set on objects to be created');
  }
  return storeNew(machinery, context, resource, object, undefined);
}

/** The second half of a creation; apply and PUT on a missing name come here too. */
export async function storeNew(
  machinery: Machinery,
  context: RequestContext,
  resource: Resource,
  object: KubeObject,
  applied: 'applied' | undefined,
): Promise<KubeObject> {
  const { kinds, store, admission } = machinery;
  const name = object.metadata.name ?? '';
  delete object.metadata.deletionTimestamp;
  if (applied === undefined) delete object.metadata.managedFields;
  kinds.applyDefaults(resource, object);
  // Ownership is what the client sent: nobody owns what admission and the server add.
  if (resource.bucket === 'apps/daemonsets') prepareCreate(resource, object);
  if (applied === undefined) {
    const now = timestamp(machinery.clock);
    kinds.recordManager({
      resource,
      subresource: undefined,
      before: undefined,
      after: object,
      manager: context.manager,
      now,
    });
  }
  const managed = object.metadata.managedFields;
  const attributes: AdmissionAttributes = {
    operation: 'CREATE',
    resource,
    subresource: undefined,
    namespace: resource.bucket === '/namespaces' ? name : object.metadata.namespace,
    name,
    context,
    object,
    oldObject: undefined,
    options: optionsObject('CreateOptions', context),
  };
  await admission.mutate(attributes);
  setManagedFields(object, managed);
  generateName(machinery, resource, object);
  beginMeta(resource, object, machinery.clock);
  prepareCreate(resource, object);
  kinds.applyDefaults(resource, object);
  throwProblems(resource, object, kinds.validateCreate(resource, object));
  machinery.allocate(resource, object, undefined);
  const finalName = object.metadata.name ?? '';
  await admission.validate({ ...attributes, name: finalName });
  const id = idOf(object.metadata.namespace, finalName);
  const taken = store.get(resource.bucket, id);
  if (taken !== undefined) throw alreadyExists(resource, finalName, taken.metadata.deletionTimestamp !== undefined);
  const stored = storedForm(machinery, resource, object);
  return toRequested(resource, context.dryRun ? stored : store.commit(resource.bucket, id, stored));
}

/** Names come after mutating webhooks, which see `generateName` only. */
function generateName({ store }: Machinery, resource: Resource, object: KubeObject): void {
  const { metadata } = object;
  const base = metadata.generateName ?? '';
  if ((metadata.name ?? '') !== '' || base === '') return;
  for (let attempt = 1; attempt <= GENERATE_ATTEMPTS_MAX; attempt += 1) {
    metadata.name = generatedName(base);
    if (store.get(resource.bucket, idOf(metadata.namespace, metadata.name)) === undefined) return;
  }
}

function setManagedFields(object: KubeObject, managed: KubeObject['metadata']['managedFields']): void {
  if (managed === undefined) delete object.metadata.managedFields;
  else object.metadata.managedFields = managed;
}

/** What is stored: custom resources take the shape of the storage version, as reading them back would give. */
function storedForm(machinery: Machinery, resource: Resource, object: KubeObject): KubeObject {
  const stored = toStored(resource, object);
  if (resource.custom === undefined || resource.version === resource.storageVersion) return stored;
  const storage = machinery.resources.find({ ...resource, version: resource.storageVersion });
  if (storage === undefined) return stored;
  const { object: shaped } = machinery.kinds.decode(storage, stored);
  machinery.kinds.applyDefaults(storage, shaped);
  return shaped;
}

/** `PUT`: replaces all that the path covers. */
export async function updateObject(
  machinery: Machinery,
  context: RequestContext,
  target: Target,
  given: KubeObject,
): Promise<KubeObject> {
  const { resource } = target;
  const copy = cloneJson(given);
  checkTypeMeta(resource, copy, machinery.resources);
  const object = decodeObject(machinery, context, resource, copy);
  checkAddress(resource, object, target.namespace, target.name);
  const live = machinery.store.get(resource.bucket, idOf(target.namespace, target.name));
  if (live === undefined && resource.createOnUpdate && target.subresource === undefined) {
    delete object.metadata.resourceVersion;
    return storeNew(machinery, context, resource, object, undefined);
  }
  return replaceObject(machinery, context, target, 'UpdateOptions', () => ({
    object: cloneJson(object),
    managed: false,
  }));
}

export interface Replacement {
  readonly object: KubeObject;
  /** True when the replacement carries its managed fields already (server-side apply). */
  readonly managed: boolean;
}

/** Computes the new state from the live one and stores it, again and again until nobody was faster. */
export async function replaceObject(
  machinery: Machinery,
  context: RequestContext,
  target: Target,
  optionsKind: string,
  compute: (live: KubeObject) => Replacement,
): Promise<KubeObject> {
  const { store } = machinery;
  const { resource } = target;
  const id = idOf(target.namespace, target.name);
  for (let attempt = 1; ; attempt += 1) {
    const stored = store.get(resource.bucket, id);
    if (stored === undefined) throw notFound(resource, target.name);
    const live = toRequested(resource, stored);
    const { object, managed } = compute(live);
    checkPreconditions(resource, target.name, object, live);
    const outcome = await admitUpdate(machinery, context, target, optionsKind, { object, live, managed });
    if (outcome === 'unchanged') return live;
    if (store.get(resource.bucket, id) !== stored) {
      if (attempt < UPDATE_ATTEMPTS_MAX) continue;
      throw conflict(resource, target.name, OBJECT_MODIFIED);
    }
    const next = storedForm(machinery, resource, object);
    if (context.dryRun) return toRequested(resource, next);
    if (!isFinished(resource, next)) return toRequested(resource, store.commit(resource.bucket, id, next));
    // The change that lets an object go is never stored, so its version stays in the answer.
    store.commit(resource.bucket, id, undefined);
    return toRequested(resource, next);
  }
}

/** Fails when the request names a version or identity that isn't the live one. */
function checkPreconditions(resource: Resource, name: string, object: KubeObject, live: KubeObject): void {
  const { uid, resourceVersion } = object.metadata;
  if (uid !== undefined && uid !== '' && uid !== live.metadata.uid) {
    throw conflict(
      resource,
      name,
      `StorageError: invalid object, Code: 4, Key: ${storageKey(resource, live)}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: ${uid}, UID in object meta: ${live.metadata.uid}`,
    );
  }
  if (resourceVersion === undefined || resourceVersion === '' || resourceVersion === '0') {
    if (resource.unconditionalUpdate) return;
    throw invalid({ group: resource.group, kind: resource.plural }, name, [
      {
        reason: 'FieldValueInvalid',
        field: 'metadata.resourceVersion',
        message: 'Invalid value: 0: must be specified for an update',
      },
    ]);
  }
  if (resourceVersion !== live.metadata.resourceVersion) throw conflict(resource, name, OBJECT_MODIFIED);
}

/** Where Kubernetes keeps an object, which its messages name. */
function storageKey(resource: Resource, object: KubeObject): string {
  const folder = resource.custom === undefined ? resource.plural : `${resource.group}/${resource.plural}`;
  return `/registry/${folder}/${idOf(object.metadata.namespace, object.metadata.name ?? '')}`;
}

async function admitUpdate(
  machinery: Machinery,
  context: RequestContext,
  target: Target,
  optionsKind: string,
  states: { readonly object: KubeObject; readonly live: KubeObject; readonly managed: boolean },
): Promise<'changed' | 'unchanged'> {
  const { kinds, admission } = machinery;
  const { object, live, managed } = states;
  const { resource, subresource } = target;
  kinds.applyDefaults(resource, object);
  if (!managed) {
    const now = timestamp(machinery.clock);
    kinds.recordManager({ resource, subresource, before: live, after: object, manager: context.manager, now });
  }
  const { managedFields } = object.metadata;
  const attributes: AdmissionAttributes = {
    operation: 'UPDATE',
    resource,
    subresource,
    namespace: resource.bucket === '/namespaces' ? target.name : target.namespace,
    name: target.name,
    context,
    object,
    oldObject: live,
    options: optionsObject(optionsKind, context),
  };
  await admission.mutate(attributes);
  setManagedFields(object, managedFields);
  keepMeta(object, live);
  prepareUpdate(resource, object, live, subresource);
  kinds.applyDefaults(resource, object);
  object.metadata.resourceVersion = live.metadata.resourceVersion ?? '';
  if (resource.hasGeneration || resource.custom !== undefined) {
    const raise =
      subresource !== 'status' && subresource !== 'binding' && desiredStateChanged(resource, object, live) ? 1 : 0;
    const generation = (live.metadata.generation ?? 0) + raise;
    if (generation > 0) object.metadata.generation = generation;
  }
  throwProblems(resource, object, kinds.validateUpdate(resource, object, live, subresource));
  if (subresource === undefined) machinery.allocate(resource, object, live);
  await admission.validate(attributes);
  return equalJson(object, live) ||
    (equalJson(withoutOwnership(object), withoutOwnership(live)) && sameOwnership(object, live))
    ? 'unchanged'
    : 'changed';
}

function withoutOwnership(object: KubeObject): KubeObject {
  return { ...object, metadata: { ...object.metadata, managedFields: [] } };
}

/** Managed fields that differ in nothing but their times. */
function sameOwnership(a: KubeObject, b: KubeObject): boolean {
  const strip = (object: KubeObject): unknown =>
    object.metadata.managedFields?.map((entry) => ({ ...entry, time: undefined }));
  return equalJson(strip(a), strip(b));
}

/** True when a deletion was only waiting for finalizers and they are gone. */
export function isFinished(resource: Resource, object: KubeObject): boolean {
  const { metadata } = object;
  if (metadata.deletionTimestamp === undefined || (metadata.finalizers?.length ?? 0) > 0) return false;
  if (resource.bucket === '/namespaces') {
    const finalizers = asObject(object['spec'])?.['finalizers'];
    return !Array.isArray(finalizers) || finalizers.length === 0;
  }
  return (metadata.deletionGracePeriodSeconds ?? 0) === 0;
}

export function throwProblems(resource: Resource, object: KubeObject, problems: Parameters<typeof invalid>[2]): void {
  if (problems.length > 0) throw invalid(resource, asString(object.metadata.name) ?? '', problems);
}

export function optionsObject(kind: string, context: RequestContext): Record<string, unknown> {
  return {
    kind,
    apiVersion: 'meta.k8s.io/v1',
    ...(context.dryRun ? { dryRun: ['All'] } : {}),
    ...(kind === 'DeleteOptions' ? {} : context.statedOptions),
  };
}
