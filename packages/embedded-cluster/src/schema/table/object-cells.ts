/** Rows of Events, Nodes, claims, bindings and the like. */
import { isObject, listAt, numberAt, objectAt, stringAt, type JsonObject } from '../json.ts';
import { objectsAt } from '../defaults/pod-spec.ts';
import { ageOf } from '../times.ts';
import { type Cell, NONE, name, age, text } from './cells.ts';

export function eventCells(event: JsonObject, now: number): Cell[] {
  const subject = objectAt(event, 'involvedObject');
  const source = objectAt(event, 'source');
  const first = stringAt(event, 'firstTimestamp') ?? stringAt(event, 'eventTime');
  const last = stringAt(event, 'series', 'lastObservedTime') ?? stringAt(event, 'lastTimestamp') ?? first;
  const component = text(source['component'], text(event['reportingComponent'], ''));
  const host = text(source['host'], text(source['component'], '') === '' ? text(event['reportingInstance'], '') : '');
  const object =
    text(subject['name'], '') === ''
      ? text(subject['kind'], '').toLowerCase()
      : `${text(subject['kind'], '').toLowerCase()}/${text(subject['name'], '')}`;
  return [
    ageOf(last, now),
    text(event['type'], ''),
    text(event['reason'], ''),
    object,
    text(subject['fieldPath'], ''),
    host === '' ? component : `${component}, ${host}`,
    text(event['message'], '').trim(),
    ageOf(first, now),
    numberAt(event, 'series', 'count') ?? Math.max(1, numberAt(event, 'count') ?? 1),
    name(event),
  ];
}

export function asCoreEvent(event: JsonObject): JsonObject {
  return {
    ...event,
    involvedObject: event['regarding'],
    message: event['note'],
    source: event['deprecatedSource'],
    firstTimestamp: event['deprecatedFirstTimestamp'],
    lastTimestamp: event['deprecatedLastTimestamp'],
    count: event['deprecatedCount'],
    reportingComponent: event['reportingController'],
  };
}

export function nodeCells(node: JsonObject, now: number): Cell[] {
  const status = objectAt(node, 'status');
  const ready = objectsAt(status, 'conditions').find((condition) => condition['type'] === 'Ready');
  const states = [ready === undefined ? 'Unknown' : ready['status'] === 'True' ? 'Ready' : 'NotReady'];
  if (objectAt(node, 'spec')['unschedulable'] === true) states.push('SchedulingDisabled');
  const info = objectAt(status, 'nodeInfo');
  const address = (type: string): string =>
    text(objectsAt(status, 'addresses').find((entry) => entry['type'] === type)?.['address'], NONE);
  return [
    name(node),
    states.join(','),
    nodeRoles(node),
    age(node, now),
    text(info['kubeletVersion'], ''),
    address('InternalIP'),
    address('ExternalIP'),
    text(info['osImage'], '<unknown>'),
    text(info['kernelVersion'], '<unknown>'),
    text(info['containerRuntimeVersion'], '<unknown>'),
  ];
}

function nodeRoles(node: JsonObject): string {
  const prefix = 'node-role.kubernetes.io/';
  const labels = objectAt(node, 'metadata', 'labels');
  const roles = new Set<string>();
  for (const key of Object.keys(labels)) {
    if (key.startsWith(prefix) && key.length > prefix.length) roles.add(key.slice(prefix.length));
    else if (key === 'kubernetes.io/role' && text(labels[key], '') !== '') roles.add(text(labels[key], ''));
  }
  return roles.size === 0 ? NONE : [...roles].sort().join(',');
}

const ACCESS_MODES: Readonly<Record<string, string>> = {
  ReadWriteOnce: 'RWO',
  ReadOnlyMany: 'ROX',
  ReadWriteMany: 'RWX',
  ReadWriteOncePod: 'RWOP',
};

export function claimCells(claim: JsonObject, now: number): Cell[] {
  const spec = objectAt(claim, 'spec');
  const status = objectAt(claim, 'status');
  const isBound = text(spec['volumeName'], '') !== '';
  const phase =
    stringAt(claim, 'metadata', 'deletionTimestamp') === undefined ? text(status['phase'], '') : 'Terminating';
  const modes = listAt(status, 'accessModes').map((mode) => ACCESS_MODES[String(mode)] ?? '');
  return [
    name(claim),
    phase,
    text(spec['volumeName'], ''),
    isBound ? text(objectAt(status, 'capacity')['storage'], '') : '',
    isBound ? modes.join(',') : '',
    text(spec['storageClassName'], ''),
    text(spec['volumeAttributesClassName'], '<unset>'),
    age(claim, now),
    text(spec['volumeMode'], '<unset>'),
  ];
}

export function bindingCells(binding: JsonObject, now: number): Cell[] {
  const reference = objectAt(binding, 'roleRef');
  const subjects = objectsAt(binding, 'subjects');
  const of = (kind: string): string =>
    subjects
      .filter((subject) => subject['kind'] === kind)
      .map((subject) =>
        kind === 'ServiceAccount'
          ? `${text(subject['namespace'], '')}/${text(subject['name'], '')}`
          : text(subject['name'], ''),
      )
      .join(', ');
  return [
    name(binding),
    `${text(reference['kind'], '')}/${text(reference['name'], '')}`,
    age(binding, now),
    of('User'),
    of('Group'),
    of('ServiceAccount'),
  ];
}

export function apiServiceCells(service: JsonObject, now: number): Cell[] {
  const reference = objectAt(service, 'spec')['service'];
  const available = objectsAt(service, 'status', 'conditions').find((condition) => condition['type'] === 'Available');
  const reason = text(available?.['reason'], '');
  const state =
    available === undefined
      ? 'Unknown'
      : available['status'] === 'True'
        ? 'True'
        : `${text(available['status'], '')}${reason === '' ? '' : ` (${reason})`}`;
  return [
    name(service),
    isObject(reference) ? `${text(reference['namespace'], '')}/${text(reference['name'], '')}` : 'Local',
    state,
    age(service, now),
  ];
}

export function storageClassCells(storageClass: JsonObject, now: number): Cell[] {
  const annotations = objectAt(storageClass, 'metadata', 'annotations');
  const isDefault = annotations['storageclass.kubernetes.io/is-default-class'] === 'true';
  return [
    `${name(storageClass)}${isDefault ? ' (default)' : ''}`,
    text(storageClass['provisioner'], ''),
    text(storageClass['reclaimPolicy'], 'Delete'),
    text(storageClass['volumeBindingMode'], 'Immediate'),
    storageClass['allowVolumeExpansion'] === true,
    age(storageClass, now),
  ];
}
