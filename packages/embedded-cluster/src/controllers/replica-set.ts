/** ReplicaSets: as many pods as asked for, and the counts in the status. */
import { MeshError, messageOf } from '@mesh/runtime';
import { recordEvent } from './events.ts';
import { Controller, type Reconciled } from './controller.ts';
import type { ControllerDeps } from './informers.ts';
import {
  type Condition,
  findCondition,
  isPodActive,
  isPodReady,
  matchesSelector,
  nowTime,
  type ReplicaSet,
  RESOURCES,
} from './kinds.ts';
import { availableInMs, byExpendability, createPod, deletePod, enqueueOwners, ownedBy, writeStatus } from './pods.ts';

/** The real controller starts slowly too, so that a refused template does not cause a flood. */
const BURST_MAX = 100;

export function createReplicaSetController(deps: ControllerDeps): Controller {
  const { informers, log } = deps;
  const reconcile = async (key: string): Promise<Reconciled> => {
    const set = informers.replicaSets.get(key);
    if (set === undefined) return undefined;
    const owned = ownedBy(informers.pods, set);
    const active = owned.filter(isPodActive);
    const wanted = set.spec.replicas ?? 1;
    let failure: string | undefined;
    if (set.metadata.deletionTimestamp === undefined) {
      const missing = Math.min(BURST_MAX, wanted - active.length);
      failure = missing > 0 ? await createPods(deps, set, missing) : undefined;
      const surplus = active.toSorted(byExpendability).slice(0, Math.max(0, active.length - wanted));
      await Promise.all(surplus.map((pod) => deletePod(deps, pod)));
    }
    const pods = ownedBy(informers.pods, set).filter(isPodActive);
    const waits = pods.map((pod) => availableInMs(pod, set.spec.minReadySeconds ?? 0));
    const labels = set.spec.template.metadata?.labels;
    const status = {
      replicas: pods.length,
      fullyLabeledReplicas: pods.filter((pod) => matchesSelector({ matchLabels: labels ?? {} }, pod.metadata.labels))
        .length,
      readyReplicas: pods.filter(isPodReady).length,
      availableReplicas: waits.filter((wait) => wait === 0).length,
      observedGeneration: set.metadata.generation,
      conditions: failureCondition(set, failure),
    };
    await writeStatus(deps, RESOURCES.replicaSets, set, status, informers.replicaSets);
    if (failure !== undefined) throw new MeshError({ code: 'pod_refused' }, failure);
    const next = Math.min(...waits.filter((wait) => wait !== undefined && wait > 0).map(Number));
    return Number.isFinite(next) ? { requeueAfterMs: next + 10 } : undefined;
  };
  const controller = new Controller('replicaset', reconcile, log);
  informers.replicaSets.onChange((_object, _before, key) => controller.enqueue(key));
  enqueueOwners(informers.pods, 'ReplicaSet', controller);
  return controller;
}

/** @returns why a pod could not be created, if so; shown as condition and event */
async function createPods(deps: ControllerDeps, set: ReplicaSet, count: number): Promise<string | undefined> {
  try {
    // The first alone: when the template is refused, one failure is enough.
    await createPod(deps, set, set.spec.template);
    await Promise.all(Array.from({ length: count - 1 }, () => createPod(deps, set, set.spec.template)));
    return undefined;
  } catch (error) {
    const message = messageOf(error);
    await recordEvent(
      deps.client,
      set,
      'replicaset-controller',
      'Warning',
      'FailedCreate',
      `Error creating: ${message}`,
    );
    return message;
  }
}

function failureCondition(set: ReplicaSet, failure: string | undefined): Condition[] {
  const others = (set.status?.conditions ?? []).filter((each) => each.type !== 'ReplicaFailure');
  if (failure === undefined) return others;
  const before = findCondition(set.status?.conditions, 'ReplicaFailure');
  const lastTransitionTime = before?.lastTransitionTime ?? nowTime();
  return [
    ...others,
    { type: 'ReplicaFailure', status: 'True', reason: 'FailedCreate', message: failure, lastTransitionTime },
  ];
}
