/** Deletion: preconditions, grace, finalizers and what happens to dependents. */
import { asNumber, asObject, asString, cloneJson } from './json.ts';
import { timestamp, type Machinery, type RequestContext } from './machinery.ts';
import type { Resource } from './resources.ts';
import { conflict, failure, notFound } from './status-error.ts';
import { idOf } from './store.ts';
import type { DeleteOptions, KubeObject, Status } from './types.ts';
import { toRequested, toStored } from './versions.ts';
import { optionsObject, type Target } from './write.ts';

export const FOREGROUND_FINALIZER = 'foregroundDeletion';
export const ORPHAN_FINALIZER = 'orphan';
export const CUSTOM_CLEANUP_FINALIZER = 'customresourcecleanup.apiextensions.k8s.io';
/** `terminationGracePeriodSeconds` when a pod says nothing. */
const POD_GRACE_SECONDS = 30;

export interface DeleteResult {
  /** What the answer's body is. */
  readonly body: KubeObject | Status;
  /** False while the object is still there. */
  readonly gone: boolean;
}

export async function deleteObject(
  machinery: Machinery,
  context: RequestContext,
  target: Target,
  options: DeleteOptions,
): Promise<DeleteResult> {
  const { store, admission } = machinery;
  const { resource, namespace, name } = target;
  checkOptions(options);
  const id = idOf(namespace, name);
  const found = store.get(resource.bucket, id);
  if (found === undefined) throw notFound(resource, name);
  const attributes = {
    operation: 'DELETE',
    resource,
    subresource: undefined,
    namespace: resource.bucket === '/namespaces' ? name : namespace,
    name,
    context,
    object: undefined,
    oldObject: toRequested(resource, found),
    options: { ...optionsObject('DeleteOptions', context), ...options },
  } as const;
  await admission.mutate(attributes);
  await admission.validate(attributes);
  // What follows is synchronous: it decides on the newest state.
  const live = store.get(resource.bucket, id);
  if (live === undefined) throw notFound(resource, name);
  checkPreconditions(resource, live, options);
  const marked = markDeleted(machinery, resource, live, options);
  if (marked === undefined) {
    const last = context.dryRun ? live : store.commit(resource.bucket, id, undefined);
    const body = resource.returnsDeleted ? lastState(machinery, resource, last) : deletedStatus(resource, last);
    return { body, gone: true };
  }
  const pending =
    marked === live || context.dryRun ? marked : store.commit(resource.bucket, id, toStored(resource, marked));
  return { body: toRequested(resource, pending), gone: false };
}

function checkOptions(options: DeleteOptions): void {
  const { propagationPolicy, orphanDependents } = options;
  if (propagationPolicy !== undefined && orphanDependents !== undefined) {
    throw invalidOptions(
      'propagationPolicy',
      JSON.stringify(propagationPolicy),
      'orphanDependents and deletionPropagation cannot be both set',
    );
  }
  if (propagationPolicy !== undefined && !['Orphan', 'Background', 'Foreground'].includes(propagationPolicy)) {
    throw invalidOptions(
      'propagationPolicy',
      JSON.stringify(propagationPolicy),
      'supported values: "Foreground", "Background", "Orphan", "nil"',
      'FieldValueNotSupported',
    );
  }
  if (options.gracePeriodSeconds !== undefined && options.gracePeriodSeconds < 0) options.gracePeriodSeconds = 1;
}

function invalidOptions(field: string, value: string, detail: string, reason = 'FieldValueInvalid'): Error {
  const message = `${reason === 'FieldValueInvalid' ? 'Invalid' : 'Unsupported'} value: ${value}: ${detail}`;
  return failure(422, 'Invalid', `DeleteOptions.meta.k8s.io "" is invalid: ${field}: ${message}`, {
    group: 'meta.k8s.io',
    kind: 'DeleteOptions',
    causes: [{ reason, message, field }],
  });
}

function checkPreconditions(resource: Resource, live: KubeObject, options: DeleteOptions): void {
  const { uid, resourceVersion } = options.preconditions ?? {};
  const { metadata } = live;
  const named = { group: resource.group, plural: resource.kind };
  if (uid !== undefined && uid !== metadata.uid) {
    const why = `the UID in the precondition (${uid}) does not match the UID in record (${metadata.uid}). The object might have been deleted and then recreated`;
    throw conflict(named, metadata.name ?? '', why);
  }
  if (resourceVersion !== undefined && resourceVersion !== metadata.resourceVersion) {
    const why = `the ResourceVersion in the precondition (${resourceVersion}) does not match the ResourceVersion in record (${metadata.resourceVersion}). The object might have been modified`;
    throw conflict(named, metadata.name ?? '', why);
  }
}

/** The object as it waits for its end; the same object when nothing changes; undefined when it can go at once. */
function markDeleted(
  machinery: Machinery,
  resource: Resource,
  live: KubeObject,
  options: DeleteOptions,
): KubeObject | undefined {
  const graceSeconds = graceFor(resource, live, options);
  const finalizers = withPropagation(withCleanup(resource, live), options);
  const namespaceHeld = resource.bucket === '/namespaces' && heldByNamespaceFinalizers(live);
  const waits = finalizers.length > 0 || graceSeconds > 0 || namespaceHeld;
  if (!waits) return undefined;
  const already = live.metadata.deletionTimestamp !== undefined;
  const shorter = already && graceSeconds < (live.metadata.deletionGracePeriodSeconds ?? 0);
  if (already && !shorter && finalizers.length === (live.metadata.finalizers ?? []).length) return live;
  const marked = cloneJson(live);
  const { metadata } = marked;
  if (finalizers.length > 0) metadata.finalizers = [...finalizers];
  else delete metadata.finalizers;
  if (!already || shorter) {
    metadata.deletionTimestamp = timestamp(machinery.clock, graceSeconds);
    if (resource.bucket !== '/namespaces') metadata.deletionGracePeriodSeconds = graceSeconds;
    if (!already && (metadata.generation ?? 0) > 0) metadata.generation = (metadata.generation ?? 0) + 1;
  }
  if (resource.bucket === '/namespaces') marked['status'] = { ...asObject(marked['status']), phase: 'Terminating' };
  return marked;
}

/** What DELETE answers with: pods, which go gracefully, show that no grace was left. */
function lastState(machinery: Machinery, resource: Resource, live: KubeObject): KubeObject {
  const last = toRequested(resource, live);
  if (resource.bucket !== '/pods') return last;
  const { metadata } = last;
  const generation = metadata.deletionTimestamp === undefined ? { generation: (metadata.generation ?? 0) + 1 } : {};
  const deletionTimestamp = metadata.deletionTimestamp ?? timestamp(machinery.clock);
  return { ...last, metadata: { ...metadata, ...generation, deletionTimestamp, deletionGracePeriodSeconds: 0 } };
}

function heldByNamespaceFinalizers(namespace: KubeObject): boolean {
  const finalizers = asObject(namespace['spec'])?.['finalizers'];
  return Array.isArray(finalizers) && finalizers.length > 0;
}

/** Only pods go gracefully, and only once they run somewhere. */
function graceFor(resource: Resource, live: KubeObject, options: DeleteOptions): number {
  if (resource.bucket !== '/pods') return 0;
  const spec = asObject(live['spec']);
  const phase = asString(asObject(live['status'])?.['phase']);
  if ((asString(spec?.['nodeName']) ?? '') === '' || phase === 'Succeeded' || phase === 'Failed') return 0;
  return options.gracePeriodSeconds ?? asNumber(spec?.['terminationGracePeriodSeconds']) ?? POD_GRACE_SECONDS;
}

/** A definition goes only after its objects are gone. */
function withCleanup(resource: Resource, live: KubeObject): readonly string[] {
  const finalizers = live.metadata.finalizers ?? [];
  const isDefinition = resource.bucket === 'apiextensions.k8s.io/customresourcedefinitions';
  if (!isDefinition || live.metadata.deletionTimestamp !== undefined) return finalizers;
  return finalizers.includes(CUSTOM_CLEANUP_FINALIZER) ? finalizers : [...finalizers, CUSTOM_CLEANUP_FINALIZER];
}

/** Propagation is a finalizer that the garbage collector takes away when it has done its part. */
function withPropagation(finalizers: readonly string[], options: DeleteOptions): readonly string[] {
  const { propagationPolicy, orphanDependents } = options;
  if (propagationPolicy === undefined && orphanDependents === undefined) return finalizers;
  const others = finalizers.filter((finalizer) => finalizer !== FOREGROUND_FINALIZER && finalizer !== ORPHAN_FINALIZER);
  if (propagationPolicy === 'Orphan' || orphanDependents === true) return [...others, ORPHAN_FINALIZER];
  if (propagationPolicy === 'Foreground') return [...others, FOREGROUND_FINALIZER];
  return others;
}

function deletedStatus(resource: Resource, last: KubeObject): Status {
  const { name, uid } = last.metadata;
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Success',
    details: {
      ...(name === undefined ? {} : { name }),
      ...(resource.group === '' ? {} : { group: resource.group }),
      kind: resource.plural,
      ...(uid === undefined ? {} : { uid }),
    },
  };
}
