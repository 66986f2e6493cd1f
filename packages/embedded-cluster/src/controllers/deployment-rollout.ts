/** The arithmetic of a rollout: pure. */
import { type Condition, type Deployment, findCondition, type ReplicaSet } from './kinds.ts';

const PROGRESS_DEADLINE_SECONDS = 600;

/** Numbers of pods from `strategy.rollingUpdate`: surge rounds up, unavailable rounds down, never both zero. */
export function surgeAndUnavailable(deployment: Deployment): { surge: number; unavailable: number } {
  const replicas = deployment.spec.replicas ?? 1;
  if (deployment.spec.strategy?.type === 'Recreate') return { surge: 0, unavailable: 0 };
  const { maxSurge = '25%', maxUnavailable = '25%' } = deployment.spec.strategy?.rollingUpdate ?? {};
  const surge = share(maxSurge, replicas, Math.ceil);
  const unavailable = share(maxUnavailable, replicas, Math.floor);
  return surge === 0 && unavailable === 0
    ? { surge, unavailable: 1 }
    : { surge, unavailable: Math.min(unavailable, replicas) };
}

function share(value: number | string, total: number, round: (x: number) => number): number {
  return typeof value === 'number' ? value : round((Number.parseFloat(value) / 100) * total);
}

/**
 * The next replica counts of all ReplicaSets.
 *
 * @param podsOfOld pods of old ReplicaSets that still exist; `Recreate` waits for none
 */
export function rollout(
  deployment: Deployment,
  current: ReplicaSet,
  old: readonly ReplicaSet[],
  podsOfOld: number,
): Map<ReplicaSet, number> {
  const wanted = deployment.spec.replicas ?? 1;
  const next = new Map<ReplicaSet, number>();
  if (deployment.spec.strategy?.type === 'Recreate') {
    for (const set of old) next.set(set, 0);
    if (podsOfOld === 0 && old.every((set) => (set.spec.replicas ?? 0) === 0)) next.set(current, wanted);
    return next;
  }
  const { surge, unavailable } = surgeAndUnavailable(deployment);
  const size = (set: ReplicaSet): number => set.spec.replicas ?? 0;
  const total = size(current) + old.reduce((sum, set) => sum + size(set), 0);
  const room = Math.max(0, wanted + surge - total);
  const newSize = size(current) > wanted ? wanted : Math.min(wanted, size(current) + room);
  next.set(current, newSize);
  scaleDownOld(next, old, {
    minAvailable: wanted - unavailable,
    total: total - size(current) + newSize,
    newUnavailable: newSize - Math.min(newSize, current.status?.availableReplicas ?? 0),
    available:
      (current.status?.availableReplicas ?? 0) +
      old.reduce((sum, set) => sum + (set.status?.availableReplicas ?? 0), 0),
  });
  return next;
}

function scaleDownOld(
  next: Map<ReplicaSet, number>,
  old: readonly ReplicaSet[],
  facts: { minAvailable: number; total: number; newUnavailable: number; available: number },
): void {
  let spare = facts.total - facts.minAvailable - facts.newUnavailable;
  const oldestFirst = old.toSorted((a, b) =>
    (a.metadata.creationTimestamp ?? '') < (b.metadata.creationTimestamp ?? '') ? -1 : 1,
  );
  // Pods that serve nobody go first, since they cost no availability.
  for (const set of oldestFirst) {
    const size = set.spec.replicas ?? 0;
    const unhealthy = Math.max(0, size - (set.status?.availableReplicas ?? 0));
    const drop = Math.max(0, Math.min(unhealthy, spare));
    next.set(set, size - drop);
    spare -= drop;
  }
  let healthy = facts.available - facts.minAvailable;
  for (const set of oldestFirst) {
    const size = next.get(set) ?? 0;
    const drop = Math.max(0, Math.min(size, healthy, spare));
    next.set(set, size - drop);
    spare -= drop;
    healthy -= drop;
  }
}

/** @returns the Progressing condition, and when to look again for the deadline */
export function progressCondition(
  deployment: Deployment,
  setName: string,
  counts: { replicas: number; updatedReplicas: number; availableReplicas: number },
): { condition: Condition; deadlineMs: number | undefined } {
  const wanted = deployment.spec.replicas ?? 1;
  const before = findCondition(deployment.status?.conditions, 'Progressing');
  const { replicas, updatedReplicas, availableReplicas } = counts;
  const complete = updatedReplicas === wanted && replicas === wanted && availableReplicas === wanted;
  if (complete) {
    const message = `ReplicaSet "${setName}" has successfully progressed.`;
    return {
      condition: { type: 'Progressing', status: 'True', reason: 'NewReplicaSetAvailable', message },
      deadlineMs: undefined,
    };
  }
  const before_ = deployment.status;
  const moved =
    before_?.updatedReplicas !== updatedReplicas ||
    before_.availableReplicas !== availableReplicas ||
    before_.replicas !== replicas;
  const deadline = (deployment.spec.progressDeadlineSeconds ?? PROGRESS_DEADLINE_SECONDS) * 1000;
  const since =
    moved || before?.reason === 'NewReplicaSetAvailable'
      ? Date.now()
      : Date.parse(before?.lastUpdateTime ?? '') || Date.now();
  if (before?.reason === 'ProgressDeadlineExceeded' && !moved) return { condition: before, deadlineMs: undefined };
  if (Date.now() - since >= deadline) {
    const message = `ReplicaSet "${setName}" has timed out progressing.`;
    return {
      condition: { type: 'Progressing', status: 'False', reason: 'ProgressDeadlineExceeded', message },
      deadlineMs: undefined,
    };
  }
  const message = `ReplicaSet "${setName}" is progressing.`;
  return {
    condition: { type: 'Progressing', status: 'True', reason: 'ReplicaSetUpdated', message },
    deadlineMs: Math.max(1000, deadline - (Date.now() - since) + 1000),
  };
}
