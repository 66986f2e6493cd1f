/** Pods as workload controllers see them: made from a template, owned, counted. */
import { createHash } from 'node:crypto';
import { hasReason } from '../api/status-error.ts';
import type { KubeObject, OwnerReference } from '../api/types.ts';
import type { Controller } from './controller.ts';
import type { Informer } from './informer.ts';
import type { ControllerDeps } from './informers.ts';
import { findCondition, isPodReady, keyOf, type Pod, type PodTemplate, RESOURCES } from './kinds.ts';

export function ownerOf(object: KubeObject): OwnerReference | undefined {
  return object.metadata.ownerReferences?.find((reference) => reference.controller === true);
}

export function ownerReference(owner: KubeObject): OwnerReference {
  return {
    apiVersion: owner.apiVersion,
    kind: owner.kind,
    name: owner.metadata.name ?? '',
    uid: owner.metadata.uid ?? '',
    controller: true,
    blockOwnerDeletion: true,
  };
}

export function ownedBy<T extends KubeObject>(informer: Informer<T>, owner: KubeObject): T[] {
  const uid = owner.metadata.uid;
  const owned: T[] = [];
  for (const object of informer.values()) if (ownerOf(object)?.uid === uid) owned.push(object);
  return owned;
}

/** Enqueues the owner of each object of `informer` that changes. */
export function enqueueOwners<T extends KubeObject>(informer: Informer<T>, kind: string, controller: Controller): void {
  const enqueue = (object: T | undefined): void => {
    const owner = object === undefined ? undefined : ownerOf(object);
    if (owner?.kind === kind) controller.enqueue(`${object?.metadata.namespace}/${owner.name}`);
  };
  informer.onChange((object, before) => {
    enqueue(object);
    if (object === undefined || (before !== undefined && ownerOf(before)?.uid !== ownerOf(object)?.uid))
      enqueue(before);
  });
}

export interface PodShape {
  readonly name?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly spec?: Readonly<Record<string, unknown>>;
}

/** Creates a pod of `owner` from `template`; its name is generated unless `shape` gives one. */
export async function createPod(
  deps: ControllerDeps,
  owner: KubeObject,
  template: PodTemplate,
  shape: PodShape = {},
): Promise<void> {
  const { namespace } = owner.metadata;
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      ...(shape.name === undefined ? { generateName: `${owner.metadata.name}-` } : { name: shape.name }),
      ...(namespace === undefined ? {} : { namespace }),
      labels: { ...template.metadata?.labels, ...shape.labels },
      ...(template.metadata?.annotations === undefined && shape.annotations === undefined
        ? {}
        : { annotations: { ...template.metadata?.annotations, ...shape.annotations } }),
      ownerReferences: [ownerReference(owner)],
    },
    spec: { ...structuredClone(template.spec), ...shape.spec },
  };
  deps.informers.pods.observe(await deps.client.create(RESOURCES.pods, pod));
}

export async function deletePod(deps: ControllerDeps, pod: Pod): Promise<void> {
  const { namespace, name, uid } = pod.metadata;
  const preconditions = uid === undefined ? undefined : { uid };
  try {
    const left = await deps.client.delete(RESOURCES.pods, namespace, name, { preconditions });
    if (left.kind === 'Pod' && left.metadata['deletionTimestamp'] !== undefined) deps.informers.pods.observe(left);
  } catch (error) {
    if (!hasReason(error, 'NotFound') && !hasReason(error, 'Conflict')) throw error;
  }
}

/** @returns ms until the pod counts as available, 0 when it does, undefined when it is not ready */
export function availableInMs(pod: Pod, minReadySeconds: number): number | undefined {
  if (!isPodReady(pod)) return undefined;
  if (minReadySeconds === 0) return 0;
  const since = Date.parse(findCondition(pod.status?.conditions, 'Ready')?.lastTransitionTime ?? '');
  return Math.max(0, since + minReadySeconds * 1000 - Date.now());
}

/** The order in which surplus pods go: not scheduled, pending, not ready, then the youngest. */
export function byExpendability(a: Pod, b: Pod): number {
  const rank = (pod: Pod): number =>
    !pod.spec.nodeName ? 0 : pod.status?.phase !== 'Running' ? 1 : isPodReady(pod) ? 3 : 2;
  const created = (pod: Pod): number => Date.parse(pod.metadata.creationTimestamp ?? '') || 0;
  return rank(a) - rank(b) || created(b) - created(a) || (keyOf(a) < keyOf(b) ? 1 : -1);
}

const SAFE = 'bcdfghjklmnpqrstvwxz2456789';

/** A short name for a template, in the alphabet that Kubernetes uses for generated names. */
export function templateHash(template: unknown): string {
  const digest = createHash('sha256').update(stableJson(template)).digest();
  return [...digest.subarray(0, 10)].map((byte) => SAFE[byte % SAFE.length]).join('');
}

export function stableJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    inner !== null && typeof inner === 'object' && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

/** Writes `status` when it differs from what the object has. */
export async function writeStatus(
  deps: ControllerDeps,
  resource: (typeof RESOURCES)[keyof typeof RESOURCES],
  object: KubeObject,
  status: Record<string, unknown>,
  informer: { observe(object: KubeObject): void },
): Promise<void> {
  const merged = { ...(object['status'] as Record<string, unknown> | undefined), ...status };
  const wanted = JSON.parse(JSON.stringify(merged)) as Record<string, unknown>;
  if (stableJson(wanted) === stableJson(object['status'] ?? {})) return;
  const { namespace, name = '' } = object.metadata;
  informer.observe(
    await deps.client.patch(resource, namespace, name, {
      type: 'merge',
      body: { status: wanted },
      subresource: 'status',
    }),
  );
}
