/** `PATCH` in its four kinds, on objects and on their `status`. */
import { asObject, cloneJson } from './json.ts';
import { decodeObject } from './decode.ts';
import { timestamp, type Machinery, type RequestContext } from './machinery.ts';
import { checkAddress, checkTypeMeta } from './object-meta.ts';
import type { Resource } from './resources.ts';
import { badRequest, notFound } from './status-error.ts';
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
  const object = await replaceObject(machinery, context, target, 'PatchOptions', (live) => {
    const patched = patchDocument(machinery, target.resource, patch, cloneJson(live));
    if (asObject(patched) === undefined) throw badRequest('the patch does not yield an object');
    checkTypeMeta(target.resource, patched);
    const object = decodeObject(machinery, context, target.resource, patched);
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

/** Types and unknown fields are checked as for any body, but what is applied stays as it was written: no zero values are added. */
function checkApplied(machinery: Machinery, context: RequestContext, resource: Resource, config: KubeObject): void {
  decodeObject(machinery, context, resource, cloneJson(config));
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
  if (given === undefined) throw badRequest('error decoding YAML: the apply configuration must be an object');
  const config = cloneJson(given) as KubeObject;
  config.metadata ??= {};
  if (
    config.metadata.managedFields !== undefined &&
    config.metadata.managedFields !== null &&
    config.metadata.managedFields.length > 0
  ) {
    throw badRequest('metadata.managedFields must be nil');
  }
  checkTypeMeta(resource, config);
  checkApplied(machinery, context, resource, config);
  checkAddress(
    resource,
    { ...config, metadata: { ...config.metadata, name: config.metadata.name ?? name } },
    namespace,
    name,
  );
  config.metadata.name ??= name;
  if (resource.namespaced && namespace !== undefined) config.metadata.namespace ??= namespace;
  const common = { resource, subresource, manager: context.manager, force: patch.force };
  if (store.get(resource.bucket, idOf(namespace, name)) === undefined) {
    if (subresource !== undefined) throw notFound(resource, name);
    if ((config.metadata.uid ?? '') !== '') throw notFound(resource, name);
    const object = kinds.apply({ ...common, live: undefined, config, now: timestamp(clock) });
    return { object: await storeNew(machinery, context, resource, object, 'applied'), created: true };
  }
  const object = await replaceObject(machinery, context, target, 'PatchOptions', (live) => {
    const applied = kinds.apply({ ...common, live, config: cloneJson(config), now: timestamp(clock) });
    applied.metadata.resourceVersion = config.metadata.resourceVersion ?? live.metadata.resourceVersion ?? '';
    return { object: applied, managed: true };
  });
  return { object, created: false };
}
