/** `PATCH` in its four kinds, on objects and on their `status`. */
import { asObject, cloneJson } from './json.ts';
import { decodeObject } from './decode.ts';
import { timestamp, type Machinery, type RequestContext } from './machinery.ts';
import { checkAddress, checkTypeMeta } from './object-meta.ts';
import { groupVersion, splitGroupVersion, type Resource } from './resources.ts';
import { badRequest, conflict, hasReason, invalid, notFound } from './status-error.ts';
import { idOf } from './store.ts';
import type { KubeObject, PatchType } from './types.ts';
import { replaceObject, storeNew, type Target } from './write.ts';

export interface PatchInput {
  readonly type: PatchType;
  readonly body: unknown;
  readonly force: boolean;
}

export interface PatchResult {
  readonly object: KubeObject;
  /** Server-side apply on a missing name creates. */
  readonly created: boolean;
}

export async function patchObject(
  machinery: Machinery,
  context: RequestContext,
  target: Target,
  patch: PatchInput,
): Promise<PatchResult> {
  if (patch.type === 'apply') return applyObject(machinery, context, target, patch);
  const object = await replaceObject(machinery, context, target, 'UpdateOptions', (live) => {
    const patched = patchDocument(machinery, target.resource, patch, cloneJson(live));
    if (asObject(patched) === undefined) throw badRequest('the patch does not yield an object');
    checkTypeMeta(target.resource, patched, machinery.resources);
    const object = decodePatched(machinery, context, target.resource, patched);
    checkPatched(target, object, live);
    return { object, managed: false };
  });
  return { object, created: false };
}

/** The document after a patch that isn't an apply; `scale` patches use it too. */
export function patchDocument(
  machinery: Machinery,
  resource: Resource,
  patch: PatchInput,
  document: KubeObject,
): KubeObject {
  const { kinds } = machinery;
  switch (patch.type) {
    case 'json':
      return kinds.applyJsonPatch(document, patch.body);
    case 'merge':
      return kinds.applyMergePatch(document, patch.body);
    case 'strategic':
      return kinds.applyStrategicPatch(resource, document, patch.body);
    case 'apply':
      throw badRequest('apply patches have no document form');
  }
}

function checkPatched(target: Target, patched: KubeObject, live: KubeObject): void {
  checkAddress(target.resource, patched, target.namespace, target.name);
  // A patch that doesn't speak of the version applies to whatever is there.
  patched.metadata.resourceVersion ??= live.metadata.resourceVersion ?? '';
}

/** What doesn't fit after a patch is the patch's fault: 422 with the whole object instead of a 400. */
function decodePatched(
  machinery: Machinery,
  context: RequestContext,
  resource: Resource,
  patched: KubeObject,
): KubeObject {
  const whole = JSON.stringify(patched);
  try {
    return decodeObject(machinery, context, resource, patched);
  } catch (error) {
    if (!hasReason(error, 'BadRequest')) throw error;
    const why = error.message.replace(/^.*? cannot be handled as an? [^:]*: /s, '');
    throw invalid({ group: '', kind: '' }, '', [
      { reason: 'FieldValueInvalid', field: 'patch', message: `Invalid value: ${JSON.stringify(whole)}: ${why}` },
    ]);
  }
}

/** What an apply made of the object, with the types of its kind. */
function checkApplied(
  machinery: Machinery,
  context: RequestContext,
  resource: Resource,
  applied: KubeObject,
): KubeObject {
  return decodeObject(machinery, context, resource, applied);
}

async function applyObject(
  machinery: Machinery,
  context: RequestContext,
  target: Target,
  patch: PatchInput,
): Promise<PatchResult> {
  const { kinds, store, clock } = machinery;
  const { resource, namespace, name, subresource } = target;
  const given = asObject(patch.body);
  if (given === undefined) {
    const kind = Array.isArray(patch.body) ? 'array' : typeof patch.body;
    throw badRequest(
      `error decoding YAML: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal ${kind} into Go value of type map[string]interface {}`,
    );
  }
  const config = cloneJson(given) as KubeObject;
  config.metadata ??= {};
  if (
    config.metadata.managedFields !== undefined &&
    config.metadata.managedFields !== null &&
    config.metadata.managedFields.length > 0
  ) {
    throw badRequest('metadata.managedFields must be nil');
  }
  const wanted = groupVersion(resource.group, resource.version);
  if (config.kind !== resource.kind || config.apiVersion !== wanted) {
    const { group, version } = splitGroupVersion(config.apiVersion ?? '');
    throw badRequest(`invalid object type: ${group}/${version}, Kind=${config.kind ?? ''}`);
  }
  checkAddress(
    resource,
    { ...config, metadata: { ...config.metadata, name: config.metadata.name ?? name } },
    namespace,
    name,
  );
  config.metadata.name ??= name;
  const common = { resource, subresource, manager: context.manager, force: patch.force };
  if (store.get(resource.bucket, idOf(namespace, name)) === undefined) {
    if (subresource !== undefined) throw notFound(resource, name);
    const { uid = '' } = config.metadata;
    if (uid !== '') {
      throw conflict(
        resource,
        name,
        `uid mismatch: the provided object specified uid ${uid}, and no existing object was found`,
      );
    }
    const object = checkApplied(
      machinery,
      context,
      resource,
      kinds.apply({ ...common, live: undefined, config, now: timestamp(clock) }),
    );
    if (resource.namespaced && namespace !== undefined) object.metadata.namespace = namespace;
    return { object: await storeNew(machinery, context, resource, object, 'applied'), created: true };
  }
  const object = await replaceObject(machinery, context, target, 'UpdateOptions', (live) => {
    const applied = checkApplied(
      machinery,
      context,
      resource,
      kinds.apply({ ...common, live, config: cloneJson(config), now: timestamp(clock) }),
    );
    applied.metadata ??= {};
    applied.metadata.name = name;
    if (namespace !== undefined) applied.metadata.namespace = namespace;
    applied.metadata.resourceVersion = config.metadata.resourceVersion ?? live.metadata.resourceVersion ?? '';
    return { object: applied, managed: true };
  });
  return { object, created: false };
}
