/** StatefulSets: pods with stable names, in order. Volume claims are empty folders here, gone with their pod. */
import { Controller, type Reconciled } from './controller.ts';
import type { ControllerDeps } from './informers.ts';
import { isPodFinished, isPodReady, type Pod, RESOURCES, type StatefulSet, type Volume } from './kinds.ts';
import { createPod, deletePod, enqueueOwners, ownedBy, templateHash, writeStatus } from './pods.ts';

const REVISION_LABEL = 'controller-revision-hash';
const NAME_LABEL = 'statefulset.kubernetes.io/pod-name';
const INDEX_LABEL = 'apps.kubernetes.io/pod-index';

export function createStatefulSetController(deps: ControllerDeps): Controller {
  const { informers, log } = deps;
  const reconcile = async (key: string): Promise<Reconciled> => {
    const set = informers.statefulSets.get(key);
    if (set === undefined) return undefined;
    const revision = `${set.metadata.name}-${templateHash(set.spec.template)}`;
    if (set.metadata.deletionTimestamp === undefined) await converge(deps, set, revision);
    const pods = ownedBy(informers.pods, set);
    const updated = pods.filter((pod) => pod.metadata.labels?.[REVISION_LABEL] === revision);
    const wanted = set.spec.replicas ?? 1;
    const done = updated.length === wanted && pods.length === wanted && updated.every(isPodReady);
    const before = set.status?.['currentRevision'];
    const status = {
      observedGeneration: set.metadata.generation,
      replicas: pods.length,
      readyReplicas: pods.filter(isPodReady).length,
      availableReplicas: pods.filter(isPodReady).length,
      currentReplicas: pods.filter((pod) => pod.metadata.labels?.[REVISION_LABEL] === (done ? revision : before))
        .length,
      updatedReplicas: updated.length,
      currentRevision: done || typeof before !== 'string' ? revision : before,
      updateRevision: revision,
      collisionCount: 0,
    };
    await writeStatus(deps, RESOURCES.statefulSets, set, status, informers.statefulSets);
    return undefined;
  };
  const controller = new Controller('statefulset', reconcile, log);
  informers.statefulSets.onChange((_object, _before, key) => controller.enqueue(key));
  enqueueOwners(informers.pods, 'StatefulSet', controller);
  return controller;
}

/** One step: ordered sets change one pod at a time, and wait for it. */
async function converge(deps: ControllerDeps, set: StatefulSet, revision: string): Promise<void> {
  const parallel = set.spec.podManagementPolicy === 'Parallel';
  const wanted = set.spec.replicas ?? 1;
  const pods = new Map(ownedBy(deps.informers.pods, set).map((pod) => [ordinalOf(pod), pod]));
  for (let ordinal = 0; ordinal < wanted; ordinal += 1) {
    const pod = pods.get(ordinal);
    if (pod === undefined) await createPod(deps, set, set.spec.template, shapeOf(set, ordinal, revision));
    else if (isPodFinished(pod) && pod.metadata.deletionTimestamp === undefined) await deletePod(deps, pod);
    if (!parallel && (pod === undefined || !isPodReady(pod) || pod.metadata.deletionTimestamp !== undefined)) return;
  }
  const surplus = [...pods].filter(([ordinal]) => ordinal >= wanted).toSorted(([a], [b]) => b - a);
  for (const [, pod] of surplus) {
    if (pod.metadata.deletionTimestamp === undefined) await deletePod(deps, pod);
    if (!parallel) return;
  }
  if (surplus.length > 0 || set.spec.updateStrategy?.type === 'OnDelete') return;
  await roll(deps, pods, revision, set.spec.updateStrategy?.rollingUpdate?.partition ?? 0);
}

async function roll(
  deps: ControllerDeps,
  pods: ReadonlyMap<number, Pod>,
  revision: string,
  partition: number,
): Promise<void> {
  for (const [ordinal, pod] of [...pods].toSorted(([a], [b]) => b - a)) {
    if (ordinal < partition) return;
    if (pod.metadata.deletionTimestamp !== undefined) return;
    if (pod.metadata.labels?.[REVISION_LABEL] !== revision) return deletePod(deps, pod);
    if (!isPodReady(pod)) return;
  }
}

function ordinalOf(pod: Pod): number {
  return Number(/-(\d+)$/.exec(pod.metadata.name)?.[1] ?? -1);
}

function shapeOf(set: StatefulSet, ordinal: number, revision: string): Parameters<typeof createPod>[3] {
  const name = `${set.metadata.name}-${ordinal}`;
  const claims = (set.spec as { volumeClaimTemplates?: { metadata?: { name?: string } }[] }).volumeClaimTemplates ?? [];
  const volumes: Volume[] = claims.map((claim) => ({ name: claim.metadata?.name ?? '', emptyDir: {} }));
  return {
    name,
    labels: { [REVISION_LABEL]: revision, [NAME_LABEL]: name, [INDEX_LABEL]: String(ordinal) },
    spec: {
      hostname: name,
      ...(set.spec.serviceName === undefined ? {} : { subdomain: set.spec.serviceName }),
      ...(volumes.length === 0 ? {} : { volumes: [...(set.spec.template.spec.volumes ?? []), ...volumes] }),
    },
  };
}
