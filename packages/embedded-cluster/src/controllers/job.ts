/** Jobs: pods that run to completion, tried again up to the backoff limit. */
import { Controller, type Reconciled } from './controller.ts';
import type { ControllerDeps } from './informers.ts';
import {
  type Condition,
  findCondition,
  isPodActive,
  isPodReady,
  type Job,
  nowTime,
  type Pod,
  RESOURCES,
} from './kinds.ts';
import { createPod, deletePod, enqueueOwners, ownedBy, writeStatus } from './pods.ts';

const BACKOFF_LIMIT = 6;

export function createJobController(deps: ControllerDeps): Controller {
  const { informers, client, log } = deps;
  const reconcile = async (key: string): Promise<Reconciled> => {
    const job = informers.jobs.get(key);
    if (job === undefined || job.metadata.deletionTimestamp !== undefined) return undefined;
    const finished = job.status?.conditions?.find(
      (each) => ['Complete', 'Failed'].includes(each.type) && each.status === 'True',
    );
    if (finished !== undefined) {
      const ttl = job.spec.ttlSecondsAfterFinished;
      if (ttl === undefined) return undefined;
      const left = Date.parse(finished.lastTransitionTime ?? '') + ttl * 1000 - Date.now();
      if (left > 0) return { requeueAfterMs: left + 10 };
      await client.delete(RESOURCES.jobs, job.metadata.namespace, job.metadata.name, {
        propagationPolicy: 'Background',
      });
      return undefined;
    }
    await converge(deps, job);
    return undefined;
  };
  const controller = new Controller('job', reconcile, log);
  informers.jobs.onChange((_object, _before, key) => controller.enqueue(key));
  enqueueOwners(informers.pods, 'Job', controller);
  return controller;
}

async function converge(deps: ControllerDeps, job: Job): Promise<void> {
  const pods = ownedBy(deps.informers.pods, job);
  const succeeded = count(pods, 'Succeeded');
  const failed = count(pods, 'Failed');
  const active = pods.filter(isPodActive);
  const wanted = job.spec.completions ?? job.spec.parallelism ?? 1;
  const conditions: Condition[] = [...(job.status?.conditions ?? [])];
  let end: 'Complete' | 'Failed' | undefined;
  if (succeeded >= wanted) end = 'Complete';
  else if (failed > (job.spec.backoffLimit ?? BACKOFF_LIMIT)) end = 'Failed';
  if (end !== undefined) {
    const why =
      end === 'Complete'
        ? { reason: 'CompletionsReached', message: 'Reached expected number of succeeded pods' }
        : { reason: 'BackoffLimitExceeded', message: 'Job has reached the specified backoff limit' };
    if (findCondition(conditions, end) === undefined) {
      conditions.push({ type: end, status: 'True', ...why, lastTransitionTime: nowTime(), lastProbeTime: nowTime() });
    }
    for (const pod of active) await deletePod(deps, pod);
  } else if (job.spec.suspend !== true) {
    const room = Math.min(job.spec.parallelism ?? 1, wanted - succeeded) - active.length;
    for (let i = 0; i < room; i += 1) await createPod(deps, job, job.spec.template, { labels: labelsOf(job) });
  }
  const now = ownedBy(deps.informers.pods, job).filter(isPodActive);
  const status = {
    startTime: job.status?.startTime ?? nowTime(),
    active: end === undefined ? now.length : 0,
    ready: now.filter(isPodReady).length,
    succeeded,
    failed,
    conditions,
    ...(end === 'Complete' ? { completionTime: nowTime() } : {}),
  };
  await writeStatus(deps, RESOURCES.jobs, job, status, deps.informers.jobs);
}

function count(pods: readonly Pod[], phase: string): number {
  return pods.filter((pod) => pod.status?.phase === phase).length;
}

function labelsOf(job: Job): Record<string, string> {
  const { name, uid = '' } = job.metadata;
  return {
    'batch.kubernetes.io/job-name': name,
    'batch.kubernetes.io/controller-uid': uid,
    'job-name': name,
    'controller-uid': uid,
  };
}
