/** Validation of Deployments, ReplicaSets, StatefulSets, DaemonSets, Jobs, CronJobs and PodDisruptionBudgets. */
import { forbidden, invalid, notSupported, required, type FieldError } from '../field-error.ts';
import { equalJson, isObject, objectAt, stringAt, type JsonObject } from '../json.ts';
import { objectsAt } from '../defaults/pod-spec.ts';
import { labelSelectorFrom, matchesLabels } from '../selectors.ts';
import { atLeastZero, text, validateAnnotations, validateLabels, validateLabelSelector } from './metadata.ts';
import { validatePodSpec } from './pod-spec.ts';

const PERCENT =
  "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')";

/** A template of pods; `restartPolicies` are those that the owner can keep. */
function validateTemplate(template: JsonObject, path: string): FieldError[] {
  const metadata = objectAt(template, 'metadata');
  return [
    ...validateLabels(metadata['labels'], `${path}.metadata.labels`),
    ...validateAnnotations(metadata['annotations'], `${path}.metadata.annotations`),
    ...validatePodSpec(objectAt(template, 'spec'), `${path}.spec`),
  ];
}

function validateSelector(spec: JsonObject, emptyText: string): FieldError[] {
  const selector = spec['selector'];
  if (!isObject(selector)) return [required('spec.selector')];
  const errors = validateLabelSelector(selector, 'spec.selector');
  if (Object.keys(objectAt(selector, 'matchLabels')).length === 0 && !Array.isArray(selector['matchExpressions']))
    errors.push(invalid('spec.selector', selector, emptyText));
  return errors;
}

function validateTemplateLabels(spec: JsonObject): FieldError[] {
  const selector = spec['selector'];
  const labels = objectAt(spec, 'template', 'metadata')['labels'];
  const requirements = labelSelectorFrom(selector);
  const isValid = validateLabelSelector(selector, '').length === 0;
  if (!isValid) return [];
  if (requirements !== undefined && requirements.length === 0) return [];
  return matchesLabels(requirements, isObject(labels) ? labels : {})
    ? []
    : [invalid('spec.template.metadata.labels', labels ?? null, '`selector` does not match template `labels`')];
}

function validateSelectorUse(spec: JsonObject): FieldError[] {
  return validateLabelSelector(spec['selector'], '').length > 0
    ? [invalid('spec.selector', spec['selector'], 'invalid label selector')]
    : [];
}

function alwaysRestarts(spec: JsonObject): FieldError[] {
  const policy = objectAt(spec, 'template', 'spec')['restartPolicy'];
  return policy === 'Always' ? [] : [notSupported('spec.template.spec.restartPolicy', policy, ['Always'])];
}

function validateReplicatedTemplate(spec: JsonObject): FieldError[] {
  const policyErrors = alwaysRestarts(spec);
  return [
    ...validateTemplateLabels(spec),
    ...validateTemplate(objectAt(spec, 'template'), 'spec.template'),
    ...policyErrors,
  ];
}

/** An absolute number or a percentage. */
function validateIntOrPercent(value: unknown, path: string): FieldError[] {
  if (typeof value === 'string') return /^\d+%$/.test(value) ? [] : [invalid(path, value, PERCENT)];
  return typeof value === 'number' && value < 0 ? [invalid(path, value, 'must be greater than or equal to 0')] : [];
}

function notAboveAll(value: unknown, path: string): FieldError[] {
  return typeof value === 'string' && /^\d+%$/.test(value) && Number.parseInt(value, 10) > 100
    ? [invalid(path, value, 'must not be greater than 100%')]
    : [];
}

const isZero = (value: unknown): boolean => value === 0 || (typeof value === 'string' && /^0+%$/.test(value));

/** Validates a defaulted Deployment. */
export function validateDeployment(deployment: JsonObject): FieldError[] {
  const spec = objectAt(deployment, 'spec');
  const errors = [
    ...atLeastZero(spec, 'replicas', 'spec'),
    ...validateSelector(spec, 'empty selector is invalid for deployment'),
  ];
  if (validateLabelSelector(spec['selector'], '').length > 0) errors.push(...validateSelectorUse(spec));
  else errors.push(...validateReplicatedTemplate(spec));
  errors.push(...validateDeploymentStrategy(objectAt(spec, 'strategy')));
  errors.push(...atLeastZero(spec, 'minReadySeconds', 'spec'), ...atLeastZero(spec, 'revisionHistoryLimit', 'spec'));
  const deadline = spec['progressDeadlineSeconds'];
  errors.push(...atLeastZero(spec, 'progressDeadlineSeconds', 'spec'));
  if (typeof deadline === 'number' && deadline <= Number(spec['minReadySeconds'] ?? 0))
    errors.push(invalid('spec.progressDeadlineSeconds', deadline, 'must be greater than minReadySeconds'));
  return errors;
}

function validateDeploymentStrategy(strategy: JsonObject): FieldError[] {
  const path = 'spec.strategy';
  const rolling = strategy['rollingUpdate'];
  switch (strategy['type']) {
    case 'Recreate':
      return isObject(rolling)
        ? [forbidden(`${path}.rollingUpdate`, "may not be specified when strategy `type` is 'Recreate'")]
        : [];
    case 'RollingUpdate': {
      if (!isObject(rolling)) return [required(`${path}.rollingUpdate`, 'this should be defaulted and never be nil')];
      const { maxSurge, maxUnavailable } = rolling;
      const errors = [
        ...validateIntOrPercent(maxUnavailable, `${path}.rollingUpdate.maxUnavailable`),
        ...validateIntOrPercent(maxSurge, `${path}.rollingUpdate.maxSurge`),
      ].reverse();
      if (isZero(maxSurge) && isZero(maxUnavailable))
        errors.push(
          invalid(`${path}.rollingUpdate.maxUnavailable`, maxUnavailable, 'may not be 0 when `maxSurge` is 0'),
        );
      return [...errors, ...notAboveAll(maxUnavailable, `${path}.rollingUpdate.maxUnavailable`)];
    }
    default:
      return [
        notSupported(path, { Type: strategy['type'], RollingUpdate: rolling ?? null }, ['Recreate', 'RollingUpdate']),
      ];
  }
}

export function validateReplicaSet(set: JsonObject): FieldError[] {
  const spec = objectAt(set, 'spec');
  const errors = [
    ...atLeastZero(spec, 'replicas', 'spec'),
    ...atLeastZero(spec, 'minReadySeconds', 'spec'),
    ...validateSelector(spec, 'empty selector is invalid for deployment'),
  ];
  return [
    ...errors,
    ...(validateLabelSelector(spec['selector'], '').length > 0
      ? validateSelectorUse(spec)
      : validateReplicatedTemplate(spec)),
  ];
}

export function validateStatefulSet(set: JsonObject): FieldError[] {
  const spec = objectAt(set, 'spec');
  const errors: FieldError[] = [];
  const policy = text(spec['podManagementPolicy']);
  if (policy === '') errors.push(required('spec.podManagementPolicy'));
  else if (policy !== 'OrderedReady' && policy !== 'Parallel')
    errors.push(invalid('spec.podManagementPolicy', policy, "must be 'OrderedReady' or 'Parallel'"));
  const strategy = objectAt(spec, 'updateStrategy');
  const type = text(strategy['type']);
  if (type !== 'RollingUpdate' && type !== 'OnDelete')
    errors.push(
      invalid(
        'spec.updateStrategy',
        { Type: type, RollingUpdate: strategy['rollingUpdate'] ?? null },
        "must be 'RollingUpdate' or 'OnDelete'",
      ),
    );
  if (type === 'OnDelete' && isObject(strategy['rollingUpdate']))
    errors.push(
      invalid(
        'spec.updateStrategy.rollingUpdate',
        strategy['rollingUpdate'],
        "only allowed for updateStrategy 'RollingUpdate'",
      ),
    );
  if (type === 'RollingUpdate')
    errors.push(...atLeastZero(objectAt(strategy, 'rollingUpdate'), 'partition', 'spec.updateStrategy.rollingUpdate'));
  errors.push(
    ...atLeastZero(spec, 'replicas', 'spec'),
    ...atLeastZero(spec, 'minReadySeconds', 'spec'),
    ...validateSelector(spec, 'empty selector is invalid for statefulset'),
  );
  return [
    ...errors,
    ...(validateLabelSelector(spec['selector'], '').length > 0
      ? validateSelectorUse(spec)
      : validateClaimedTemplate(spec)),
  ];
}

/** The pods of a StatefulSet may mount its claims, which become volumes when the pods are made. */
function validateClaimedTemplate(spec: JsonObject): FieldError[] {
  const { metadata } = objectAt(spec, 'template');
  const claims = objectsAt(spec, 'volumeClaimTemplates').map((claim) => stringAt(claim, 'metadata', 'name') ?? '');
  return [
    ...validateTemplateLabels(spec),
    ...validateLabels(objectAt(metadata, 'labels'), 'spec.template.labels'),
    ...validateAnnotations(objectAt(metadata, 'annotations'), 'spec.template.annotations'),
    ...validatePodSpec(objectAt(spec, 'template', 'spec'), 'spec.template.spec', claims),
    ...alwaysRestarts(spec),
  ];
}

export function validateDaemonSet(set: JsonObject): FieldError[] {
  const spec = objectAt(set, 'spec');
  const errors = validateLabelSelector(spec['selector'], 'spec.selector');
  errors.push(...validateTemplateLabels(spec));
  if (isObject(spec['selector']) && Object.keys(spec['selector']).length === 0)
    errors.push(invalid('spec.selector', spec['selector'], 'empty selector is invalid for daemonset'));
  errors.push(
    ...validateTemplate(objectAt(spec, 'template'), 'spec.template'),
    ...alwaysRestarts(spec),
    ...atLeastZero(spec, 'minReadySeconds', 'spec'),
  );
  const strategy = objectAt(spec, 'updateStrategy');
  if (strategy['type'] === 'RollingUpdate') {
    const { maxSurge, maxUnavailable } = objectAt(strategy, 'rollingUpdate');
    const path = 'spec.updateStrategy.rollingUpdate';
    errors.push(
      ...validateIntOrPercent(maxUnavailable, `${path}.maxUnavailable`),
      ...validateIntOrPercent(maxSurge, `${path}.maxSurge`),
    );
    if (isZero(maxUnavailable) && isZero(maxSurge))
      errors.push(required(`${path}.maxUnavailable`, 'cannot be 0 when maxSurge is 0'));
  } else if (strategy['type'] !== 'OnDelete') {
    errors.push(
      notSupported(
        'spec.updateStrategy',
        { Type: strategy['type'], RollingUpdate: strategy['rollingUpdate'] ?? null },
        ['RollingUpdate', 'OnDelete'],
      ),
    );
  }
  return [...errors, ...atLeastZero(spec, 'revisionHistoryLimit', 'spec')];
}

const JOB_NUMBERS = [
  'parallelism',
  'completions',
  'activeDeadlineSeconds',
  'backoffLimit',
  'ttlSecondsAfterFinished',
  'backoffLimitPerIndex',
  'maxFailedIndexes',
] as const;

/** Validates a Job specification, of a Job or of a CronJob's template. */
function validateJobSpec(spec: JsonObject, path: string): FieldError[] {
  const errors: FieldError[] = [];
  for (const key of JOB_NUMBERS) errors.push(...atLeastZero(spec, key, path));
  const mode = spec['completionMode'];
  if (mode !== undefined && mode !== 'NonIndexed' && mode !== 'Indexed')
    errors.push(notSupported(`${path}.completionMode`, mode, ['NonIndexed', 'Indexed']));
  if (mode === 'Indexed' && spec['completions'] === undefined)
    errors.push(required(`${path}.completions`, 'when completion mode is Indexed'));
  errors.push(...validateTemplate(objectAt(spec, 'template'), `${path}.template`));
  const policy = text(objectAt(spec, 'template', 'spec')['restartPolicy']);
  if (policy === '' || policy === 'Always')
    errors.push(required(`${path}.template.spec.restartPolicy`, 'valid values: "OnFailure", "Never"'));
  else if (policy !== 'OnFailure' && policy !== 'Never')
    errors.push(notSupported(`${path}.template.spec.restartPolicy`, policy, ['OnFailure', 'Never']));
  return errors;
}

export function validateJob(job: JsonObject): FieldError[] {
  const spec = objectAt(job, 'spec');
  const errors = validateJobSpec(spec, 'spec');
  if (!isObject(spec['selector'])) errors.push(required('spec.selector'));
  else errors.push(...validateTemplateLabels(spec));
  return errors;
}

export function validateCronJob(job: JsonObject): FieldError[] {
  const spec = objectAt(job, 'spec');
  const errors: FieldError[] = [];
  const schedule = text(spec['schedule']);
  if (schedule === '') errors.push(required('spec.schedule'));
  else errors.push(...validateSchedule(schedule));
  errors.push(...atLeastZero(spec, 'startingDeadlineSeconds', 'spec'));
  const policy = text(spec['concurrencyPolicy']);
  if (!['Allow', 'Forbid', 'Replace'].includes(policy))
    errors.push(
      policy === ''
        ? required('spec.concurrencyPolicy')
        : notSupported('spec.concurrencyPolicy', policy, ['Allow', 'Forbid', 'Replace']),
    );
  errors.push(...validateJobSpec(objectAt(spec, 'jobTemplate', 'spec'), 'spec.jobTemplate.spec'));
  return [
    ...errors,
    ...atLeastZero(spec, 'successfulJobsHistoryLimit', 'spec'),
    ...atLeastZero(spec, 'failedJobsHistoryLimit', 'spec'),
  ];
}

const DESCRIPTORS = ['@yearly', '@annually', '@monthly', '@weekly', '@daily', '@midnight', '@hourly'];

function validateSchedule(schedule: string): FieldError[] {
  if (schedule.startsWith('@')) {
    return DESCRIPTORS.includes(schedule) || /^@every \S+$/.test(schedule)
      ? []
      : [invalid('spec.schedule', schedule, `unrecognized descriptor: ${schedule}`)];
  }
  const fields = schedule.trim().split(/\s+/);
  return fields.length === 5
    ? []
    : [invalid('spec.schedule', schedule, `expected exactly 5 fields, found ${fields.length}: [${fields.join(' ')}]`)];
}

export function validateDisruptionBudget(budget: JsonObject): FieldError[] {
  const spec = objectAt(budget, 'spec');
  const { minAvailable, maxUnavailable } = spec;
  const errors: FieldError[] = [];
  if (minAvailable !== undefined && maxUnavailable !== undefined) {
    const shown = {
      MinAvailable: minAvailable,
      Selector: spec['selector'] ?? null,
      MaxUnavailable: maxUnavailable,
      UnhealthyPodEvictionPolicy: spec['unhealthyPodEvictionPolicy'] ?? null,
    };
    errors.push(invalid('spec', shown, 'minAvailable and maxUnavailable cannot be both set'));
  }
  for (const [key, value] of [
    ['minAvailable', minAvailable],
    ['maxUnavailable', maxUnavailable],
  ] as const)
    errors.push(...validateIntOrPercent(value, `spec.${key}`), ...notAboveAll(value, `spec.${key}`));
  return [...errors, ...validateLabelSelector(spec['selector'], 'spec.selector')];
}

/** The fields that a workload decides once. */
export function validateSelectorUpdate(object: JsonObject, old: JsonObject): FieldError[] {
  const selector = objectAt(object, 'spec')['selector'];
  return equalJson(selector, objectAt(old, 'spec')['selector'])
    ? []
    : [invalid('spec.selector', selector ?? null, 'field is immutable')];
}

const STATEFUL_SET_MUTABLE = new Set([
  'replicas',
  'ordinals',
  'template',
  'updateStrategy',
  'revisionHistoryLimit',
  'persistentVolumeClaimRetentionPolicy',
  'minReadySeconds',
]);

export function validateStatefulSetUpdate(set: JsonObject, old: JsonObject): FieldError[] {
  const spec = objectAt(set, 'spec');
  const oldSpec = objectAt(old, 'spec');
  const keys = new Set([...Object.keys(spec), ...Object.keys(oldSpec)]);
  const hasChanged = [...keys].some((key) => !STATEFUL_SET_MUTABLE.has(key) && !equalJson(spec[key], oldSpec[key]));
  return hasChanged
    ? [
        forbidden(
          'spec',
          "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
        ),
      ]
    : [];
}

export function validateJobUpdate(job: JsonObject, old: JsonObject): FieldError[] {
  const spec = objectAt(job, 'spec');
  const oldSpec = objectAt(old, 'spec');
  const errors: FieldError[] = [];
  for (const key of [
    'completions',
    'selector',
    'template',
    'completionMode',
    'podFailurePolicy',
    'backoffLimitPerIndex',
    'managedBy',
  ]) {
    if (equalJson(spec[key], oldSpec[key])) continue;
    if (key === 'completions' && spec['completionMode'] === 'Indexed' && spec['completions'] === spec['parallelism'])
      continue;
    if (key === 'template' && oldSpec['suspend'] === true) continue;
    errors.push(invalid(`spec.${key}`, spec[key] ?? null, 'field is immutable'));
  }
  return errors;
}
