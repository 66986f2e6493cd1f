/** Subresources with a meaning of their own: scale, binding, eviction, namespace finalization. */
import { formatLabelSelector, labelSelectorFrom } from '../schema/index.ts';
import { asNumber, asObject, asString, cloneJson, memberAt } from './json.ts';
import { deleteObject } from './delete.ts';
import { timestamp, type Machinery } from './machinery.ts';
import { checkBodyKind, type RequestInfo } from './operations.ts';
import { patchDocument } from './patch.ts';
import type { Resource, ScalePaths } from './resources.ts';
import { labelSelectorTest } from './selectors.ts';
import type { SpecialTable } from './special.ts';
import { badRequest, conflict, invalid, notFound, pathNotFound, tooManyRequests } from './status-error.ts';
import { idOf } from './store.ts';
import type { DeleteOptions, KubeObject, Status } from './types.ts';
import { replaceObject } from './write.ts';

export function registerSubresources(table: SpecialTable, machinery: Machinery): void {
  table.set('*:scale', {
    get: async (request, resource) => scaleOf(resource, liveObject(machinery, request, resource)),
    update: async (request, resource, given) => {
      checkBodyKind(machinery.resources, resource, 'scale', given);
      return setScale(machinery, request, resource, () => given);
    },
    patch: async (request, resource, patch) =>
      setScale(machinery, request, resource, (scale) => {
        if (patch.type === 'apply') return asScale(patch.body);
        return patchDocument(
          machinery,
          { ...resource, custom: undefined, group: 'autoscaling', version: 'v1', kind: 'Scale' },
          patch,
          scale,
        );
      }),
  });
  table.set('/pods:binding', {
    create: async (request, resource, given) => bindPod(machinery, request, resource, given),
  });
  table.set('/pods:eviction', {
    create: async (request, resource, given) => evictPod(machinery, request, resource, given),
  });
}

function asScale(value: unknown): KubeObject {
  if (asObject(value) === undefined) throw badRequest('the scale must be an object');
  return value as KubeObject;
}

function liveObject(machinery: Machinery, request: RequestInfo, resource: Resource): KubeObject {
  const stored = machinery.store.get(resource.bucket, idOf(request.namespace, request.name));
  if (stored === undefined) throw notFound(resource, request.name);
  return stored;
}

function scalePaths(resource: Resource): ScalePaths {
  if (resource.scale === undefined) throw pathNotFound();
  return resource.scale;
}

function scaleOf(resource: Resource, object: KubeObject): KubeObject {
  const paths = scalePaths(resource);
  const replicas = asNumber(memberAt(object, ...paths.specReplicas)) ?? 0;
  const selector = paths.labelSelector === undefined ? undefined : memberAt(object, ...paths.labelSelector);
  const text = typeof selector === 'string' ? selector : formatLabelSelector(labelSelectorFrom(selector) ?? []);
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: JSON.parse(
      JSON.stringify({ name, namespace, uid, resourceVersion, creationTimestamp }),
    ) as KubeObject['metadata'],
    spec: replicas === 0 ? {} : { replicas },
    status: {
      replicas: asNumber(memberAt(object, ...paths.statusReplicas)) ?? 0,
      ...(text === '' ? {} : { selector: text }),
    },
  };
}

async function setScale(
  machinery: Machinery,
  request: RequestInfo,
  resource: Resource,
  change: (scale: KubeObject) => KubeObject,
): Promise<KubeObject> {
  const paths = scalePaths(resource);
  const target = { resource, namespace: request.namespace, name: request.name, subresource: 'scale' };
  const updated = await replaceObject(machinery, request.context, target, 'UpdateOptions', (live) => {
    const scale = change(scaleOf(resource, live));
    const replicas = asNumber(memberAt(scale, 'spec', 'replicas')) ?? 0;
    if (!Number.isInteger(replicas) || replicas < 0) throw negativeScale(resource, request.name, replicas);
    const object = cloneJson(live);
    setMember(object, paths.specReplicas, replicas);
    object.metadata.resourceVersion =
      asString(memberAt(scale, 'metadata', 'resourceVersion')) ?? live.metadata.resourceVersion ?? '';
    return { object, managed: false };
  });
  return scaleOf(resource, updated);
}

function negativeScale(resource: Resource, name: string, replicas: number): Error {
  if (resource.custom !== undefined) {
    return invalid(resource, name, [
      {
        reason: 'FieldValueInvalid',
        field: '.spec.replicas',
        message: `Invalid value: ${replicas}: should be a non-negative integer`,
      },
    ]);
  }
  return invalid({ group: 'autoscaling', kind: 'Scale' }, name, [
    {
      reason: 'FieldValueInvalid',
      field: 'spec.replicas',
      message: `Invalid value: ${replicas}: must be greater than or equal to 0`,
    },
  ]);
}

function setMember(object: KubeObject, path: readonly string[], value: unknown): void {
  let current: Record<string, unknown> = object;
  for (const name of path.slice(0, -1)) current = current[name] = asObject(current[name]) ?? {};
  const last = path.at(-1);
  if (last !== undefined) current[last] = value;
}

function success(): KubeObject {
  const status: Status = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 };
  return status as unknown as KubeObject;
}

async function bindPod(
  machinery: Machinery,
  request: RequestInfo,
  resource: Resource,
  given: KubeObject,
): Promise<KubeObject> {
  checkBodyKind(machinery.resources, resource, 'binding', given);
  const nodeName = asString(memberAt(given, 'target', 'name')) ?? '';
  if (nodeName === '') throw badRequest('target.name: the node to bind to is required');
  await replaceObject(
    machinery,
    request.context,
    { ...request, resource, subresource: 'binding' },
    'CreateOptions',
    (live) => {
      const object = cloneJson(live);
      const spec = asObject(object['spec']) ?? {};
      const present = asString(spec['nodeName']) ?? '';
      if (object.metadata.deletionTimestamp !== undefined) {
        throw conflict(
          { group: '', plural: 'pods/binding' },
          request.name,
          `pod ${request.name} is being deleted, cannot be assigned to a host`,
        );
      }
      if (present !== '') {
        throw conflict(
          { group: '', plural: 'pods/binding' },
          request.name,
          `pod ${request.name} is already assigned to node ${JSON.stringify(present)}`,
        );
      }
      object['spec'] = { ...spec, nodeName };
      const status = asObject(object['status']) ?? {};
      const others = Array.isArray(status['conditions'])
        ? (status['conditions'] as KubeObject[]).filter((one) => one['type'] !== 'PodScheduled')
        : [];
      const scheduled = {
        type: 'PodScheduled',
        status: 'True',
        lastProbeTime: null,
        lastTransitionTime: timestamp(machinery.clock),
      };
      object['status'] = { ...status, conditions: [...others, scheduled] };
      return { object, managed: false };
    },
  );
  return success();
}

/** Deletes a pod unless a PodDisruptionBudget says that too few would be left (KEP-85). */
async function evictPod(
  machinery: Machinery,
  request: RequestInfo,
  resource: Resource,
  given: KubeObject,
): Promise<KubeObject> {
  const pod = liveObject(machinery, request, resource);
  for (const [, budget] of machinery.store.iterate('policy/poddisruptionbudgets', request.namespace)) {
    if (!labelSelectorTest(memberAt(budget, 'spec', 'selector'))(pod.metadata.labels ?? {})) continue;
    if ((asNumber(memberAt(budget, 'status', 'disruptionsAllowed')) ?? 0) > 0) continue;
    const name = budget.metadata.name ?? '';
    const healthy = asNumber(memberAt(budget, 'status', 'currentHealthy')) ?? 0;
    const desired = asNumber(memberAt(budget, 'status', 'desiredHealthy')) ?? 0;
    throw tooManyRequests("Cannot evict pod as it would violate the pod's disruption budget.", [
      {
        reason: 'DisruptionBudget',
        message: `The disruption budget ${name} needs ${desired} healthy pods and has ${healthy} currently`,
      },
    ]);
  }
  const options = (asObject(given['deleteOptions']) ?? {}) as DeleteOptions;
  await deleteObject(
    machinery,
    request.context,
    { resource, namespace: request.namespace, name: request.name },
    options,
  );
  return success();
}
