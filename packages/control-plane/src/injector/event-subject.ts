/**
 * Which object people look at when they wonder about a pod: its Deployment, its CronJob, another owner, or the pod itself.
 * Found after the answer to the API server, which never waits for it.
 */
import { PODS, REPLICA_SETS } from '@mesh/kube';
import type { KubeClient, KubeObject, OwnerReference, Pod, ResourceKind } from '@mesh/kube';
import { sleep } from '@mesh/runtime';
import type { Clock } from '@mesh/runtime';

const JOBS: ResourceKind = { group: 'batch', version: 'v1', plural: 'jobs', kind: 'Job', namespaced: true };

/** Owners that have a longer-lived owner themselves. */
const BETWEEN: Readonly<Record<string, ResourceKind>> = { ReplicaSet: REPLICA_SETS, Job: JOBS };

/** Remembered owners; the oldest are forgotten first. */
const REMEMBERED_MAX = 1_000;
/** A pod without an owner exists within milliseconds of its admission, or never. */
const POD_LOOKS = 4;
const POD_LOOK_MS = 500;

export class EventSubjects {
  readonly #deps: { readonly client: KubeClient; readonly clock: Clock };
  readonly #known = new Map<string, KubeObject>();

  constructor(deps: { readonly client: KubeClient; readonly clock: Clock }) {
    this.#deps = deps;
  }

  /** Undefined when there is nothing to write on: a pod of no owner that was not created. Rejects when aborted. */
  async find(pod: Pod, signal: AbortSignal): Promise<KubeObject | undefined> {
    const owner = controllerOf(pod);
    if (owner === undefined) return this.#created(pod, signal);
    const known = this.#known.get(owner.uid);
    if (known !== undefined) return known;
    const found = await this.#topOwner(owner, pod.metadata.namespace, signal);
    this.#known.set(owner.uid, found);
    if (this.#known.size > REMEMBERED_MAX) {
      const oldest = this.#known.keys().next();
      if (oldest.done !== true) this.#known.delete(oldest.value);
    }
    return found;
  }

  async #topOwner(owner: OwnerReference, namespace: string | undefined, signal: AbortSignal): Promise<KubeObject> {
    const kind = BETWEEN[owner.kind];
    const own = objectOf(owner, namespace);
    if (kind === undefined) return own;
    const between = await this.#deps.client.get(kind, { namespace, name: owner.name }, signal).catch(() => undefined);
    const above = between === undefined ? undefined : controllerOf(between);
    return above === undefined ? own : objectOf(above, namespace);
  }

  async #created(pod: Pod, signal: AbortSignal): Promise<KubeObject | undefined> {
    const { name, namespace } = pod.metadata;
    // A generated name is not known yet.
    if ((name as string | undefined) === undefined || name === '') return undefined;
    for (let look = 0; look < POD_LOOKS; look += 1) {
      await sleep(this.#deps.clock, POD_LOOK_MS, signal);
      const found = await this.#deps.client.get(PODS, { namespace, name }, signal).catch(() => undefined);
      if (found !== undefined) return { ...found, apiVersion: 'v1', kind: 'Pod' };
    }
    return undefined;
  }
}

function controllerOf(object: KubeObject): OwnerReference | undefined {
  return object.metadata.ownerReferences?.find((one) => one.controller === true);
}

function objectOf(owner: OwnerReference, namespace: string | undefined): KubeObject {
  return {
    apiVersion: owner.apiVersion,
    kind: owner.kind,
    metadata: { name: owner.name, uid: owner.uid, ...(namespace === undefined ? {} : { namespace }) },
  };
}
