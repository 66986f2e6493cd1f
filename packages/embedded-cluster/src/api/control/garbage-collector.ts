/**
 * Deletes what its owners left behind, and does the two propagation policies that wait: foreground (dependents first)
 * and orphan (dependents are let go).
 *
 * Two indexes over all objects: who exists by uid, and who names which owner. Every change that may matter puts an
 * object's key into a queue; working on a key looks only at the present state.
 */
import { deleteObject, FOREGROUND_FINALIZER, ORPHAN_FINALIZER } from '../delete.ts';
import { cloneJson } from '../json.ts';
import { timestamp, type Machinery, type RequestContext } from '../machinery.ts';
import type { Resource } from '../resources.ts';
import { hasReason } from '../status-error.ts';
import { objectId } from '../store.ts';
import type { KubeObject, PropagationPolicy } from '../types.ts';
import { isFinished } from '../write.ts';
import { WorkQueue } from './work-queue.ts';

interface Located {
  readonly bucket: string;
  readonly id: string;
}

/** The collector acts as its service account does in Kubernetes. */
const CONTEXT: RequestContext = {
  user: {
    username: 'system:serviceaccount:kube-system:generic-garbage-collector',
    groups: ['system:masters', 'system:serviceaccounts', 'system:authenticated'],
  },
  manager: 'kube-controller-manager',
  dryRun: false,
  fieldValidation: 'Ignore',
  warnings: [],
};

export class GarbageCollector {
  readonly #machinery: Machinery;
  readonly #queue: WorkQueue;
  readonly #byUid = new Map<string, Located>();
  readonly #dependents = new Map<string, Set<string>>();
  #unsubscribe: () => void = () => undefined;

  constructor(machinery: Machinery) {
    this.#machinery = machinery;
    this.#queue = new WorkQueue({ work: (key) => this.#collect(key), clock: machinery.clock, log: machinery.log });
  }

  start(): void {
    const { store } = this.#machinery;
    for (const bucket of store.bucketNames)
      for (const [, object] of store.iterate(bucket)) this.#index(bucket, object, undefined);
    this.#unsubscribe = store.subscribeAll((bucket, event) => {
      if (event.type === 'DELETED') this.#forget(bucket, event.object);
      else this.#index(bucket, event.object, event.previous);
    });
  }

  async stop(): Promise<void> {
    this.#unsubscribe();
    await this.#queue.stop();
  }

  #index(bucket: string, object: KubeObject, previous: KubeObject | undefined): void {
    const { uid, ownerReferences = [] } = object.metadata;
    if (uid === undefined) return;
    const key = keyOf(bucket, objectId(object));
    this.#byUid.set(uid, { bucket, id: objectId(object) });
    for (const owner of previous?.metadata.ownerReferences ?? []) this.#dependents.get(owner.uid)?.delete(key);
    for (const owner of ownerReferences) {
      const set = this.#dependents.get(owner.uid) ?? new Set();
      this.#dependents.set(owner.uid, set.add(key));
    }
    const waits = object.metadata.deletionTimestamp !== undefined && waitsForCollector(object);
    if (ownerReferences.length > 0 || waits) this.#queue.add(key);
  }

  #forget(bucket: string, object: KubeObject): void {
    const { uid, ownerReferences = [] } = object.metadata;
    const key = keyOf(bucket, objectId(object));
    for (const owner of ownerReferences) {
      const set = this.#dependents.get(owner.uid);
      set?.delete(key);
      if (set?.size === 0) this.#dependents.delete(owner.uid);
      // An owner that deletes in the foreground may have waited for this one.
      const located = this.#byUid.get(owner.uid);
      if (located !== undefined) this.#queue.add(keyOf(located.bucket, located.id));
    }
    if (uid === undefined) return;
    this.#byUid.delete(uid);
    for (const dependent of this.#dependents.get(uid) ?? []) this.#queue.add(dependent);
  }

  async #collect(key: string): Promise<void> {
    const { bucket, id } = splitKey(key);
    const object = this.#machinery.store.get(bucket, id);
    const resource = this.#machinery.resources.stored().find((one) => one.bucket === bucket);
    if (object === undefined || resource === undefined) return;
    if (object.metadata.deletionTimestamp !== undefined && waitsForCollector(object)) {
      if (object.metadata.finalizers?.includes(ORPHAN_FINALIZER) === true)
        return this.#orphanDependents(resource, object);
      return this.#deleteDependents(resource, object);
    }
    return this.#checkOwners(resource, object);
  }

  /** Deletes an object whose owners are all gone; drops references to the gone ones while others live. */
  async #checkOwners(resource: Resource, object: KubeObject): Promise<void> {
    const owners = object.metadata.ownerReferences ?? [];
    if (owners.length === 0 || object.metadata.deletionTimestamp !== undefined) return;
    const absent = owners.filter((owner) => !this.#exists(owner.uid, object.metadata.namespace));
    const waiting = owners.filter((owner) => owner.blockOwnerDeletion === true && this.#deletesInForeground(owner.uid));
    const solid = owners.length - absent.length - waiting.length;
    if (solid > 0) {
      if (absent.length === 0) return;
      const gone = new Set(absent.map((owner) => owner.uid));
      this.#rewrite(resource, object, (copy) => {
        copy.metadata.ownerReferences = owners.filter((owner) => !gone.has(owner.uid));
      });
      return;
    }
    if (absent.length + waiting.length === 0) return;
    const policy: PropagationPolicy =
      waiting.length > 0 && this.#hasDependents(object)
        ? 'Foreground'
        : object.metadata.finalizers?.includes(ORPHAN_FINALIZER) === true
          ? 'Orphan'
          : 'Background';
    await this.#delete(resource, object, policy);
  }

  async #deleteDependents(resource: Resource, owner: KubeObject): Promise<void> {
    const uid = owner.metadata.uid ?? '';
    let blocked = false;
    for (const key of this.#dependents.get(uid) ?? []) {
      const { bucket, id } = splitKey(key);
      const dependent = this.#machinery.store.get(bucket, id);
      const reference = dependent?.metadata.ownerReferences?.find((one) => one.uid === uid);
      if (dependent === undefined || reference === undefined) continue;
      if (reference.blockOwnerDeletion === true) blocked = true;
      this.#queue.add(key);
    }
    if (!blocked) this.#removeFinalizer(resource, owner, FOREGROUND_FINALIZER);
  }

  #orphanDependents(resource: Resource, owner: KubeObject): void {
    const uid = owner.metadata.uid ?? '';
    for (const key of this.#dependents.get(uid) ?? []) {
      const { bucket, id } = splitKey(key);
      const dependent = this.#machinery.store.get(bucket, id);
      const dependentResource = this.#machinery.resources.stored().find((one) => one.bucket === bucket);
      if (dependent === undefined || dependentResource === undefined) continue;
      this.#rewrite(dependentResource, dependent, (copy) => {
        const rest = (copy.metadata.ownerReferences ?? []).filter((reference) => reference.uid !== uid);
        if (rest.length > 0) copy.metadata.ownerReferences = rest;
        else delete copy.metadata.ownerReferences;
      });
    }
    this.#removeFinalizer(resource, owner, ORPHAN_FINALIZER);
  }

  #removeFinalizer(resource: Resource, object: KubeObject, finalizer: string): void {
    this.#rewrite(resource, object, (copy) => {
      const rest = (copy.metadata.finalizers ?? []).filter((one) => one !== finalizer);
      if (rest.length > 0) copy.metadata.finalizers = rest;
      else delete copy.metadata.finalizers;
    });
  }

  #rewrite(resource: Resource, object: KubeObject, change: (copy: KubeObject) => void): void {
    const { store } = this.#machinery;
    const id = objectId(object);
    const live = store.get(resource.bucket, id);
    if (live === undefined || live.metadata.uid !== object.metadata.uid) return;
    const copy = cloneJson(live);
    change(copy);
    const now = timestamp(this.#machinery.clock);
    this.#machinery.kinds.recordManager({
      resource,
      subresource: undefined,
      before: live,
      after: copy,
      manager: CONTEXT.manager,
      now,
    });
    store.commit(resource.bucket, id, isFinished(resource, copy) ? undefined : copy);
  }

  async #delete(resource: Resource, object: KubeObject, propagationPolicy: PropagationPolicy): Promise<void> {
    const target = { resource, namespace: object.metadata.namespace, name: object.metadata.name ?? '' };
    const { uid } = object.metadata;
    const preconditions = uid === undefined ? undefined : { uid };
    try {
      await deleteObject(this.#machinery, { ...CONTEXT, warnings: [] }, target, { propagationPolicy, preconditions });
    } catch (error) {
      if (!hasReason(error, 'NotFound') && !hasReason(error, 'Conflict')) throw error;
    }
  }

  /** Owners are in the dependent's namespace or have none. */
  #exists(uid: string, namespace: string | undefined): boolean {
    const located = this.#byUid.get(uid);
    if (located === undefined) return false;
    const owner = this.#machinery.store.get(located.bucket, located.id);
    return owner !== undefined && (owner.metadata.namespace === undefined || owner.metadata.namespace === namespace);
  }

  #deletesInForeground(uid: string): boolean {
    const located = this.#byUid.get(uid);
    const owner = located === undefined ? undefined : this.#machinery.store.get(located.bucket, located.id);
    return (
      owner?.metadata.deletionTimestamp !== undefined &&
      owner.metadata.finalizers?.includes(FOREGROUND_FINALIZER) === true
    );
  }

  #hasDependents(object: KubeObject): boolean {
    return (this.#dependents.get(object.metadata.uid ?? '')?.size ?? 0) > 0;
  }
}

function waitsForCollector(object: KubeObject): boolean {
  const finalizers = object.metadata.finalizers ?? [];
  return finalizers.includes(FOREGROUND_FINALIZER) || finalizers.includes(ORPHAN_FINALIZER);
}

function keyOf(bucket: string, id: string): string {
  return `${bucket}|${id}`;
}

function splitKey(key: string): Located {
  const bar = key.indexOf('|');
  return { bucket: key.slice(0, bar), id: key.slice(bar + 1) };
}
