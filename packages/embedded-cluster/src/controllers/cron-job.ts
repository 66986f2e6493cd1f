/** CronJobs: a Job at each time of the schedule. */
import { Controller, type Reconciled } from './controller.ts';
import { nextRun } from './cron-schedule.ts';
import type { ControllerDeps } from './informers.ts';
import { type CronJob, type Job, RESOURCES } from './kinds.ts';
import { enqueueOwners, ownedBy, ownerReference, writeStatus } from './pods.ts';

/** Runs that were missed longer ago than this stay missed. */
const LATE_MAX_MS = 120_000;

export function createCronJobController(deps: ControllerDeps): Controller {
  const { informers, log } = deps;
  const reconcile = async (key: string): Promise<Reconciled> => {
    const cron = informers.cronJobs.get(key);
    if (cron === undefined || cron.metadata.deletionTimestamp !== undefined || cron.spec.suspend === true)
      return undefined;
    const now = Date.now();
    const last = Date.parse(cron.status?.lastScheduleTime ?? cron.metadata.creationTimestamp ?? '') || now;
    const due = nextRun(cron.spec.schedule, Math.max(last, now - LATE_MAX_MS));
    if (due === undefined) return undefined;
    const jobs = ownedBy(informers.jobs, cron);
    const active = jobs.filter((job) => job.status?.conditions?.some((each) => each.status === 'True') !== true);
    if (due > now) {
      await writeStatus(deps, RESOURCES.cronJobs, cron, { active: active.map(reference) }, informers.cronJobs);
      return { requeueAfterMs: Math.min(due - now + 10, 0x7fff_ffff) };
    }
    const lastScheduleTime = `${new Date(due).toISOString().slice(0, 19)}Z`;
    const blocked = active.length > 0 && cron.spec.concurrencyPolicy === 'Forbid';
    if (active.length > 0 && cron.spec.concurrencyPolicy === 'Replace') {
      for (const job of active) {
        await deps.client.delete(RESOURCES.jobs, job.metadata.namespace, job.metadata.name, {
          propagationPolicy: 'Background',
        });
      }
    }
    if (!blocked) await createJob(deps, cron, due);
    await writeStatus(deps, RESOURCES.cronJobs, cron, { lastScheduleTime }, informers.cronJobs);
    return { requeueAfterMs: 10 };
  };
  const controller = new Controller('cronjob', reconcile, log);
  informers.cronJobs.onChange((_object, _before, key) => controller.enqueue(key));
  enqueueOwners(informers.jobs, 'CronJob', controller);
  return controller;
}

function reference(job: Job): Record<string, unknown> {
  const { namespace, name, uid, resourceVersion } = job.metadata;
  return { apiVersion: 'batch/v1', kind: 'Job', namespace, name, uid, resourceVersion };
}

async function createJob(deps: ControllerDeps, cron: CronJob, due: number): Promise<void> {
  const { namespace, name } = cron.metadata;
  const { metadata, spec } = cron.spec.jobTemplate;
  const job = {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      ...(metadata?.labels === undefined ? {} : { labels: metadata.labels }),
      ...(metadata?.annotations === undefined ? {} : { annotations: metadata.annotations }),
      name: `${name}-${Math.floor(due / 60_000)}`,
      ...(namespace === undefined ? {} : { namespace }),
      ownerReferences: [ownerReference(cron)],
    },
    spec: structuredClone(spec),
  };
  deps.informers.jobs.observe(await deps.client.create(RESOURCES.jobs, job));
}
