/** Deployments: a ReplicaSet per template, rolled over within maxSurge and maxUnavailable. */
import { Controller, type Reconciled } from './controller.ts';
import { progressCondition, rollout, surgeAndUnavailable } from './deployment-rollout.ts';
import type { ControllerDeps } from './informers.ts';
import { type Condition, type Deployment, findCondition, nowTime, type ReplicaSet, RESOURCES } from './kinds.ts';
import { enqueueOwners, ownedBy, ownerReference, templateHash, writeStatus } from './pods.ts';

const HASH_LABEL = 'pod-template-hash';
const REVISION = 'deployment.kubernetes.io/revision';
const DESIRED = 'deployment.kubernetes.io/desired-replicas';
const MAX = 'deployment.kubernetes.io/max-replicas';
const HISTORY_DEFAULT = 10;

export function createDeploymentController(deps: ControllerDeps): Controller {
  const { informers, log } = deps;
  const reconcile = async (key: string): Promise<Reconciled> => {
    const deployment = informers.deployments.get(key);
    if (deployment === undefined || deployment.metadata.deletionTimestamp !== undefined) return undefined;
    const sets = ownedBy(informers.replicaSets, deployment).filter(
      (set) => set.metadata.deletionTimestamp === undefined,
    );
    const hash = templateHash(deployment.spec.template);
    let current = sets.find((set) => set.metadata.labels?.[HASH_LABEL] === hash);
    const old = sets.filter((set) => set !== current);
    if (deployment.spec.paused !== true || current !== undefined) {
      current = await ensureCurrent(deps, deployment, current, old, hash);
      if (deployment.spec.paused !== true) await scaleAll(deps, deployment, current, old);
    }
    await prune(deps, deployment, old);
    return report(deps, deployment);
  };
  const controller = new Controller('deployment', reconcile, log);
  informers.deployments.onChange((_object, _before, key) => controller.enqueue(key));
  enqueueOwners(informers.replicaSets, 'Deployment', controller);
  return controller;
}

async function ensureCurrent(
  deps: ControllerDeps,
  deployment: Deployment,
  current: ReplicaSet | undefined,
  old: readonly ReplicaSet[],
  hash: string,
): Promise<ReplicaSet> {
  const { client, informers } = deps;
  const { namespace, name } = deployment.metadata;
  const last = Math.max(0, ...old.map(revisionOf));
  const revision = current === undefined || revisionOf(current) < last ? last + 1 : revisionOf(current);
  let result = current;
  if (result === undefined) {
    const labels = { ...deployment.spec.template.metadata?.labels, [HASH_LABEL]: hash };
    const template = structuredClone(deployment.spec.template);
    template.metadata = { ...template.metadata, labels };
    const { matchLabels, matchExpressions } = deployment.spec.selector;
    const set = {
      apiVersion: 'apps/v1',
      kind: 'ReplicaSet',
      metadata: {
        name: `${name}-${hash}`,
        ...(namespace === undefined ? {} : { namespace }),
        labels,
        annotations: {
          [REVISION]: String(revision),
          [DESIRED]: String(deployment.spec.replicas ?? 1),
          [MAX]: String(maxReplicas(deployment)),
        },
        ownerReferences: [ownerReference(deployment)],
      },
      spec: {
        replicas: 0,
        minReadySeconds: deployment.spec.minReadySeconds ?? 0,
        selector: {
          ...(matchExpressions ? { matchExpressions } : {}),
          matchLabels: { ...matchLabels, [HASH_LABEL]: hash },
        },
        template,
      },
    };
    result = (await client.create(RESOURCES.replicaSets, set)) as ReplicaSet;
    informers.replicaSets.observe(result);
  } else if (revisionOf(result) !== revision) {
    const body = { metadata: { annotations: { [REVISION]: String(revision) } } };
    result = (await client.patch(RESOURCES.replicaSets, namespace, result.metadata.name, {
      type: 'merge',
      body,
    })) as ReplicaSet;
    informers.replicaSets.observe(result);
  }
  if (deployment.metadata.annotations?.[REVISION] !== String(revision)) {
    const body = { metadata: { annotations: { [REVISION]: String(revision) } } };
    informers.deployments.observe(await client.patch(RESOURCES.deployments, namespace, name, { type: 'merge', body }));
  }
  return result;
}

function revisionOf(set: ReplicaSet): number {
  return Number(set.metadata.annotations?.[REVISION] ?? 0);
}

function maxReplicas(deployment: Deployment): number {
  return (deployment.spec.replicas ?? 1) + surgeAndUnavailable(deployment).surge;
}

async function scaleAll(
  deps: ControllerDeps,
  deployment: Deployment,
  current: ReplicaSet,
  old: readonly ReplicaSet[],
): Promise<void> {
  const { client, informers } = deps;
  const podsOfOld = old.reduce((sum, set) => sum + (set.status?.replicas ?? 0), 0);
  for (const [set, replicas] of rollout(deployment, current, old, podsOfOld)) {
    if (set.spec.replicas === replicas) continue;
    const annotations = { [DESIRED]: String(deployment.spec.replicas ?? 1), [MAX]: String(maxReplicas(deployment)) };
    const body = { metadata: { annotations }, spec: { replicas } };
    const { namespace, name } = set.metadata;
    informers.replicaSets.observe(await client.patch(RESOURCES.replicaSets, namespace, name, { type: 'merge', body }));
  }
}

async function prune(deps: ControllerDeps, deployment: Deployment, old: readonly ReplicaSet[]): Promise<void> {
  const limit = deployment.spec.revisionHistoryLimit ?? HISTORY_DEFAULT;
  const idle = old.filter((set) => set.spec.replicas === 0 && (set.status?.replicas ?? 0) === 0);
  const surplus = idle.toSorted((a, b) => revisionOf(a) - revisionOf(b)).slice(0, Math.max(0, idle.length - limit));
  for (const set of surplus) {
    await deps.client.delete(RESOURCES.replicaSets, set.metadata.namespace, set.metadata.name);
  }
}

async function report(deps: ControllerDeps, given: Deployment): Promise<Reconciled> {
  const { informers } = deps;
  const deployment = informers.deployments.get(`${given.metadata.namespace}/${given.metadata.name}`) ?? given;
  const sets = ownedBy(informers.replicaSets, deployment);
  const hash = templateHash(deployment.spec.template);
  const current = sets.find((set) => set.metadata.labels?.[HASH_LABEL] === hash);
  const sum = (pick: (set: ReplicaSet) => number | undefined): number =>
    sets.reduce((all, set) => all + (pick(set) ?? 0), 0);
  const wanted = deployment.spec.replicas ?? 1;
  const available = sum((set) => set.status?.availableReplicas);
  const counts = {
    replicas: sum((set) => set.status?.replicas),
    updatedReplicas: current?.status?.replicas ?? 0,
    readyReplicas: sum((set) => set.status?.readyReplicas),
    availableReplicas: available,
    unavailableReplicas: Math.max(
      0,
      Math.max(
        wanted,
        sum((set) => set.status?.replicas),
      ) - available,
    ),
  };
  const enough = available >= wanted - surgeAndUnavailable(deployment).unavailable;
  const before = deployment.status?.conditions;
  const availability: Condition = enough
    ? {
        type: 'Available',
        status: 'True',
        reason: 'MinimumReplicasAvailable',
        message: 'Deployment has minimum availability.',
      }
    : {
        type: 'Available',
        status: 'False',
        reason: 'MinimumReplicasUnavailable',
        message: 'Deployment does not have minimum availability.',
      };
  const { condition: progressing, deadlineMs } = progressCondition(deployment, current?.metadata.name ?? '', counts);
  const failed = sets.flatMap((set) => set.status?.conditions ?? []).filter((each) => each.type === 'ReplicaFailure');
  const conditions = [availability, progressing, ...failed.slice(0, 1)].map((condition) =>
    stamp(condition, findCondition(before, condition.type)),
  );
  const others = (before ?? []).filter((each) => !['Available', 'Progressing', 'ReplicaFailure'].includes(each.type));
  const status = {
    ...counts,
    observedGeneration: deployment.metadata.generation,
    conditions: [...conditions, ...others],
  };
  await writeStatus(deps, RESOURCES.deployments, deployment, status, informers.deployments);
  return deadlineMs === undefined ? undefined : { requeueAfterMs: deadlineMs };
}

function stamp(condition: Condition, before: Condition | undefined): Condition {
  const now = nowTime();
  const same = before?.status === condition.status;
  const unchanged = same && before.reason === condition.reason && before.message === condition.message;
  return {
    ...condition,
    lastTransitionTime: (same ? before.lastTransitionTime : undefined) ?? now,
    lastUpdateTime: (unchanged ? before.lastUpdateTime : undefined) ?? now,
  };
}
