/** Rows of workloads, Jobs and autoscalers. */
import { numberAt, objectAt, stringAt, type JsonObject } from '../json.ts';
import { objectsAt } from '../defaults/pod-spec.ts';
import { ageOf, humanDuration, parseTime } from '../times.ts';
import { type Cell, NONE, name, age, count, text, mapText, selectorText, containerCells } from './cells.ts';

export function replicaCells(object: JsonObject, now: number): Cell[] {
  return [
    name(object),
    numberAt(object, 'spec', 'replicas') ?? 0,
    numberAt(object, 'status', 'replicas') ?? 0,
    numberAt(object, 'status', 'readyReplicas') ?? 0,
    age(object, now),
    ...containerCells(objectAt(object, 'spec', 'template', 'spec')),
  ];
}

export function deploymentCells(deployment: JsonObject, now: number): Cell[] {
  const status = objectAt(deployment, 'status');
  return [
    name(deployment),
    `${numberAt(status, 'readyReplicas') ?? 0}/${numberAt(deployment, 'spec', 'replicas') ?? 0}`,
    numberAt(status, 'updatedReplicas') ?? 0,
    numberAt(status, 'availableReplicas') ?? 0,
    age(deployment, now),
    ...containerCells(objectAt(deployment, 'spec', 'template', 'spec')),
    selectorText(objectAt(deployment, 'spec')['selector']),
  ];
}

export function daemonSetCells(set: JsonObject, now: number): Cell[] {
  const status = objectAt(set, 'status');
  const pod = objectAt(set, 'spec', 'template', 'spec');
  const numbers = [
    'desiredNumberScheduled',
    'currentNumberScheduled',
    'numberReady',
    'updatedNumberScheduled',
    'numberAvailable',
  ].map((key) => numberAt(status, key) ?? 0);
  return [
    name(set),
    ...numbers,
    mapText(objectAt(pod, 'nodeSelector')),
    age(set, now),
    ...containerCells(pod),
    selectorText(objectAt(set, 'spec')['selector']),
  ];
}

export function controllerText(object: JsonObject): string {
  const owner = objectsAt(object, 'metadata', 'ownerReferences').find((reference) => reference['controller'] === true);
  if (owner === undefined) return NONE;
  const group = text(owner['apiVersion'], '').split('/');
  return `${text(owner['kind'], '').toLowerCase()}${group.length > 1 ? `.${group[0]}` : ''}/${text(owner['name'], '')}`;
}

export function jobCells(job: JsonObject, now: number): Cell[] {
  const spec = objectAt(job, 'spec');
  const status = objectAt(job, 'status');
  const succeeded = numberAt(status, 'succeeded') ?? 0;
  const parallelism = numberAt(spec, 'parallelism') ?? 0;
  const completions =
    typeof spec['completions'] === 'number'
      ? `${succeeded}/${spec['completions']}`
      : parallelism > 1
        ? `${succeeded}/1 of ${parallelism}`
        : `${succeeded}/1`;
  return [
    name(job),
    jobStatus(job),
    completions,
    jobDuration(status, now),
    age(job, now),
    ...containerCells(objectAt(spec, 'template', 'spec')),
    selectorText(spec['selector']),
  ];
}

function jobStatus(job: JsonObject): string {
  const holds = (type: string): boolean =>
    objectsAt(job, 'status', 'conditions').some(
      (condition) => condition['type'] === type && condition['status'] === 'True',
    );
  if (holds('Complete')) return 'Complete';
  if (holds('Failed')) return 'Failed';
  if (stringAt(job, 'metadata', 'deletionTimestamp') !== undefined) return 'Terminating';
  if (holds('Suspended')) return 'Suspended';
  if (holds('FailureTarget')) return 'FailureTarget';
  return holds('SuccessCriteriaMet') ? 'SuccessCriteriaMet' : 'Running';
}

function jobDuration(status: JsonObject, now: number): string {
  const start = parseTime(stringAt(status, 'startTime') ?? '');
  if (start === undefined) return '';
  return humanDuration((parseTime(stringAt(status, 'completionTime') ?? '') ?? now) - start);
}

export function cronJobCells(job: JsonObject, now: number): Cell[] {
  const spec = objectAt(job, 'spec');
  const last = stringAt(job, 'status', 'lastScheduleTime');
  return [
    name(job),
    text(spec['schedule'], ''),
    text(spec['timeZone'], NONE),
    spec['suspend'] === true ? 'True' : 'False',
    count(objectAt(job, 'status')['active']),
    last === undefined ? NONE : ageOf(last, now),
    age(job, now),
    ...containerCells(objectAt(spec, 'jobTemplate', 'spec', 'template', 'spec')),
    selectorText(objectAt(spec, 'jobTemplate', 'spec')['selector']),
  ];
}

export function autoscalerCells(autoscaler: JsonObject, now: number): Cell[] {
  const spec = objectAt(autoscaler, 'spec');
  const reference = objectAt(spec, 'scaleTargetRef');
  return [
    name(autoscaler),
    `${text(reference['kind'], '')}/${text(reference['name'], '')}`,
    targetsText(spec, objectAt(autoscaler, 'status')),
    text(spec['minReplicas'], '<unset>'),
    numberAt(spec, 'maxReplicas') ?? 0,
    numberAt(autoscaler, 'status', 'currentReplicas') ?? 0,
    age(autoscaler, now),
  ];
}

const TARGETS_SHOWN = 2;

function targetsText(spec: JsonObject, status: JsonObject): string {
  const metrics = objectsAt(spec, 'metrics');
  if (metrics.length === 0) return NONE;
  const current = objectsAt(status, 'currentMetrics');
  const items = metrics.map((metric, index) => {
    const kind = `${text(metric['type'], '').slice(0, 1).toLowerCase()}${text(metric['type'], '').slice(1)}`;
    const target = objectAt(metric, kind, 'target');
    const actual = objectAt(current[index], kind, 'current');
    const label = kind === 'resource' ? `${text(objectAt(metric, kind)['name'], '')}: ` : '';
    if (target['averageUtilization'] !== undefined)
      return `${label}${actual['averageUtilization'] === undefined ? '<unknown>' : `${text(actual['averageUtilization'], '')}%`}/${text(target['averageUtilization'], '')}%`;
    if (target['averageValue'] !== undefined)
      return `${label}${text(actual['averageValue'], '<unknown>')}/${text(target['averageValue'], '')}${kind === 'resource' || kind === 'pods' ? '' : ' (avg)'}`;
    return `${label}${text(actual['value'], '<unknown>')}/${text(target['value'], '')}`;
  });
  return items.length > TARGETS_SHOWN
    ? `${items.slice(0, TARGETS_SHOWN).join(', ')} + ${items.length - TARGETS_SHOWN} more...`
    : items.join(', ');
}
