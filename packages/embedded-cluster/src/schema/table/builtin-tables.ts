/** Columns and cells of the built-in kinds, as `kubectl get` shows them. Columns are `Name|type|priority`. */
import { isObject, listAt, numberAt, objectAt, stringAt, type JsonObject } from '../json.ts';
import { objectsAt } from '../defaults/pod-spec.ts';
import { formatLabelSelector, labelSelectorFrom } from '../selectors.ts';
import { ageOf, humanDuration, parseTime } from '../times.ts';
import { podCells } from './pod-cells.ts';

export type Cell = string | number | boolean | null;

export interface BuiltinTable {
  readonly columns: readonly string[];
  readonly cells: (object: JsonObject, nowMs: number) => readonly Cell[];
}

const NONE = '<none>';
const name = (object: JsonObject): string => stringAt(object, 'metadata', 'name') ?? '';
const age = (object: JsonObject, nowMs: number): string =>
  ageOf(stringAt(object, 'metadata', 'creationTimestamp'), nowMs);
const count = (value: unknown): number =>
  Array.isArray(value) ? value.length : isObject(value) ? Object.keys(value).length : 0;
const text = (value: unknown, fallback: string): string =>
  typeof value === 'string' && value !== ''
    ? value
    : typeof value === 'number' || typeof value === 'boolean'
      ? String(value)
      : fallback;
const mapText = (map: JsonObject): string =>
  Object.keys(map).length === 0
    ? NONE
    : Object.keys(map)
        .sort()
        .map((key) => `${key}=${text(map[key], '')}`)
        .join(',');

/** A LabelSelector in one line. */
function selectorText(selector: unknown): string {
  const requirements = labelSelectorFrom(selector) ?? [];
  return requirements.length === 0 ? NONE : formatLabelSelector(requirements);
}

/** The names and images of a template's containers. */
function containerCells(spec: JsonObject): [string, string] {
  const containers = objectsAt(spec, 'containers');
  return [
    containers.map((container) => text(container['name'], '')).join(','),
    containers.map((container) => text(container['image'], '')).join(','),
  ];
}

/** The first items and how many more there are. */
function firstOf(items: readonly string[], max: number): string {
  return items.length > max ? `${items.slice(0, max).join(',')} + ${items.length - max} more...` : items.join(',');
}

const WORKLOAD_WIDE = ['Containers||1', 'Images||1', 'Selector||1'];

export const BUILTIN_TABLES: Readonly<Record<string, BuiltinTable>> = {
  'v1/Pod': {
    columns: [
      'Name',
      'Ready',
      'Status',
      'Restarts',
      'Age',
      'IP||1',
      'Node||1',
      'Nominated Node||1',
      'Readiness Gates||1',
    ],
    cells: podCells,
  },
  'v1/Service': {
    columns: ['Name', 'Type', 'Cluster-IP', 'External-IP', 'Port(s)', 'Age', 'Selector||1'],
    cells: serviceCells,
  },
  'v1/Endpoints': {
    columns: ['Name', 'Endpoints', 'Age'],
    cells: (object, now) => [name(object), endpointsText(object), age(object, now)],
  },
  'v1/ConfigMap': {
    columns: ['Name', 'Data', 'Age'],
    cells: (object, now) => [name(object), count(object['data']) + count(object['binaryData']), age(object, now)],
  },
  'v1/Secret': {
    columns: ['Name', 'Type', 'Data', 'Age'],
    cells: (object, now) => [name(object), text(object['type'], ''), count(object['data']), age(object, now)],
  },
  'v1/ServiceAccount': {
    columns: ['Name', 'Secrets', 'Age'],
    cells: (object, now) => [name(object), count(object['secrets']), age(object, now)],
  },
  'v1/Event': {
    columns: [
      'Last Seen',
      'Type',
      'Reason',
      'Object',
      'Subobject||1',
      'Source||1',
      'Message',
      'First Seen||1',
      'Count||1',
      'Name||1',
    ],
    cells: eventCells,
  },
  'events.k8s.io/v1/Event': {
    columns: [
      'Last Seen',
      'Type',
      'Reason',
      'Object',
      'Subobject||1',
      'Source||1',
      'Message',
      'First Seen||1',
      'Count||1',
      'Name||1',
    ],
    cells: (event, now) => eventCells(asCoreEvent(event), now),
  },
  'v1/Node': {
    columns: [
      'Name',
      'Status',
      'Roles',
      'Age',
      'Version',
      'Internal-IP||1',
      'External-IP||1',
      'OS-Image||1',
      'Kernel-Version||1',
      'Container-Runtime||1',
    ],
    cells: nodeCells,
  },
  'v1/Namespace': {
    columns: ['Name', 'Status', 'Age'],
    cells: (object, now) => [name(object), text(objectAt(object, 'status')['phase'], ''), age(object, now)],
  },
  'v1/PersistentVolumeClaim': {
    columns: [
      'Name',
      'Status',
      'Volume',
      'Capacity',
      'Access Modes',
      'StorageClass',
      'VolumeAttributesClass',
      'Age',
      'VolumeMode||1',
    ],
    cells: claimCells,
  },
  'v1/ReplicationController': {
    columns: ['Name', 'Desired|integer', 'Current|integer', 'Ready|integer', 'Age', ...WORKLOAD_WIDE],
    cells: (object, now) => [...replicaCells(object, now), mapText(objectAt(object, 'spec', 'selector'))],
  },
  'apps/v1/Deployment': {
    columns: ['Name', 'Ready', 'Up-to-date', 'Available', 'Age', ...WORKLOAD_WIDE],
    cells: deploymentCells,
  },
  'apps/v1/ReplicaSet': {
    columns: ['Name', 'Desired|integer', 'Current|integer', 'Ready|integer', 'Age', ...WORKLOAD_WIDE],
    cells: (object, now) => [...replicaCells(object, now), selectorText(objectAt(object, 'spec')['selector'])],
  },
  'apps/v1/StatefulSet': {
    columns: ['Name', 'Ready', 'Age', 'Containers||1', 'Images||1'],
    cells: (object, now) => [
      name(object),
      `${numberAt(object, 'status', 'readyReplicas') ?? 0}/${numberAt(object, 'spec', 'replicas') ?? 0}`,
      age(object, now),
      ...containerCells(objectAt(object, 'spec', 'template', 'spec')),
    ],
  },
  'apps/v1/DaemonSet': {
    columns: [
      'Name',
      'Desired|integer',
      'Current|integer',
      'Ready|integer',
      'Up-to-date|integer',
      'Available|integer',
      'Node Selector',
      'Age',
      ...WORKLOAD_WIDE,
    ],
    cells: daemonSetCells,
  },
  'apps/v1/ControllerRevision': {
    columns: ['Name', 'Controller', 'Revision', 'Age'],
    cells: (object, now) => [name(object), controllerText(object), text(object['revision'], ''), age(object, now)],
  },
  'batch/v1/Job': { columns: ['Name', 'Status', 'Completions', 'Duration', 'Age', ...WORKLOAD_WIDE], cells: jobCells },
  'batch/v1/CronJob': {
    columns: [
      'Name',
      'Schedule',
      'Timezone',
      'Suspend|boolean',
      'Active|integer',
      'Last Schedule',
      'Age',
      ...WORKLOAD_WIDE,
    ],
    cells: cronJobCells,
  },
  'autoscaling/v1/HorizontalPodAutoscaler': {
    columns: ['Name', 'Reference', 'Targets', 'MinPods', 'MaxPods', 'Replicas', 'Age'],
    cells: autoscalerCells,
  },
  'autoscaling/v2/HorizontalPodAutoscaler': {
    columns: ['Name', 'Reference', 'Targets', 'MinPods', 'MaxPods', 'Replicas', 'Age'],
    cells: autoscalerCells,
  },
  'policy/v1/PodDisruptionBudget': {
    columns: ['Name', 'Min Available', 'Max Unavailable', 'Allowed Disruptions|integer', 'Age'],
    cells: (object, now) => [
      name(object),
      text(objectAt(object, 'spec')['minAvailable'], 'N/A'),
      text(objectAt(object, 'spec')['maxUnavailable'], 'N/A'),
      numberAt(object, 'status', 'disruptionsAllowed') ?? 0,
      age(object, now),
    ],
  },
  'networking.k8s.io/v1/Ingress': {
    columns: ['Name', 'Class', 'Hosts', 'Address', 'Ports', 'Age'],
    cells: ingressCells,
  },
  'networking.k8s.io/v1/IngressClass': {
    columns: ['Name', 'Controller', 'Parameters', 'Age'],
    cells: (object, now) => [
      name(object),
      text(objectAt(object, 'spec')['controller'], ''),
      parametersText(objectAt(object, 'spec')['parameters']),
      age(object, now),
    ],
  },
  'networking.k8s.io/v1/NetworkPolicy': {
    columns: ['Name', 'Pod-Selector', 'Age'],
    cells: (object, now) => [name(object), selectorText(objectAt(object, 'spec')['podSelector']), age(object, now)],
  },
  'discovery.k8s.io/v1/EndpointSlice': {
    columns: ['Name', 'AddressType', 'Ports', 'Endpoints', 'Age'],
    cells: endpointSliceCells,
  },
  'coordination.k8s.io/v1/Lease': {
    columns: ['Name', 'Holder', 'Age'],
    cells: (object, now) => [name(object), text(objectAt(object, 'spec')['holderIdentity'], ''), age(object, now)],
  },
  'rbac.authorization.k8s.io/v1/RoleBinding': {
    columns: ['Name', 'Role', 'Age', 'Users||1', 'Groups||1', 'ServiceAccounts||1'],
    cells: bindingCells,
  },
  'rbac.authorization.k8s.io/v1/ClusterRoleBinding': {
    columns: ['Name', 'Role', 'Age', 'Users||1', 'Groups||1', 'ServiceAccounts||1'],
    cells: bindingCells,
  },
  'admissionregistration.k8s.io/v1/MutatingWebhookConfiguration': {
    columns: ['Name', 'Webhooks|integer', 'Age'],
    cells: (object, now) => [name(object), count(object['webhooks']), age(object, now)],
  },
  'admissionregistration.k8s.io/v1/ValidatingWebhookConfiguration': {
    columns: ['Name', 'Webhooks|integer', 'Age'],
    cells: (object, now) => [name(object), count(object['webhooks']), age(object, now)],
  },
  'apiregistration.k8s.io/v1/APIService': { columns: ['Name', 'Service', 'Available', 'Age'], cells: apiServiceCells },
  'storage.k8s.io/v1/StorageClass': {
    columns: ['Name', 'Provisioner', 'ReclaimPolicy', 'VolumeBindingMode', 'AllowVolumeExpansion', 'Age'],
    cells: storageClassCells,
  },
  'scheduling.k8s.io/v1/PriorityClass': {
    columns: ['Name', 'Value|integer', 'Global-Default|boolean', 'Age', 'PreemptionPolicy'],
    cells: (object, now) => [
      name(object),
      numberAt(object, 'value') ?? 0,
      object['globalDefault'] === true,
      age(object, now),
      text(object['preemptionPolicy'], ''),
    ],
  },
};

function serviceCells(service: JsonObject, now: number): Cell[] {
  const spec = objectAt(service, 'spec');
  const ports = objectsAt(spec, 'ports').map(
    (port) =>
      `${text(port['port'], '')}${Number(port['nodePort'] ?? 0) > 0 ? `:${text(port['nodePort'], '')}` : ''}/${text(port['protocol'], 'TCP')}`,
  );
  return [
    name(service),
    text(spec['type'], ''),
    text(spec['clusterIP'], NONE),
    externalText(service, spec),
    ports.length === 0 ? NONE : ports.join(','),
    age(service, now),
    mapText(objectAt(spec, 'selector')),
  ];
}

function externalText(service: JsonObject, spec: JsonObject): string {
  const external = listAt(spec, 'externalIPs').map(String);
  if (spec['type'] === 'ExternalName') return text(spec['externalName'], NONE);
  if (spec['type'] !== 'LoadBalancer') return external.length === 0 ? NONE : external.join(',');
  const ingress = objectsAt(service, 'status', 'loadBalancer', 'ingress').map((entry) =>
    text(entry['ip'], text(entry['hostname'], '')),
  );
  const all = [...new Set([...ingress.filter((address) => address !== ''), ...external])];
  return all.length === 0 ? '<pending>' : all.join(',');
}

const ENDPOINTS_SHOWN = 3;

function endpointsText(endpoints: JsonObject): string {
  const items: string[] = [];
  for (const subset of objectsAt(endpoints, 'subsets')) {
    const ports = objectsAt(subset, 'ports');
    const addresses = objectsAt(subset, 'addresses').map((address) => text(address['ip'], ''));
    if (ports.length === 0) items.push(...addresses);
    for (const port of ports)
      items.push(
        ...addresses.map(
          (address) => (address.includes(':') ? `[${address}]` : address) + `:${text(port['port'], '')}`,
        ),
      );
  }
  return items.length === 0 ? NONE : firstOf(items, ENDPOINTS_SHOWN);
}

function eventCells(event: JsonObject, now: number): Cell[] {
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

function asCoreEvent(event: JsonObject): JsonObject {
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

function nodeCells(node: JsonObject, now: number): Cell[] {
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

function claimCells(claim: JsonObject, now: number): Cell[] {
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

function replicaCells(object: JsonObject, now: number): Cell[] {
  return [
    name(object),
    numberAt(object, 'spec', 'replicas') ?? 0,
    numberAt(object, 'status', 'replicas') ?? 0,
    numberAt(object, 'status', 'readyReplicas') ?? 0,
    age(object, now),
    ...containerCells(objectAt(object, 'spec', 'template', 'spec')),
  ];
}

function deploymentCells(deployment: JsonObject, now: number): Cell[] {
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

function daemonSetCells(set: JsonObject, now: number): Cell[] {
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

function controllerText(object: JsonObject): string {
  const owner = objectsAt(object, 'metadata', 'ownerReferences').find((reference) => reference['controller'] === true);
  if (owner === undefined) return NONE;
  const group = text(owner['apiVersion'], '').split('/');
  return `${text(owner['kind'], '').toLowerCase()}${group.length > 1 ? `.${group[0]}` : ''}/${text(owner['name'], '')}`;
}

function jobCells(job: JsonObject, now: number): Cell[] {
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

function cronJobCells(job: JsonObject, now: number): Cell[] {
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

function autoscalerCells(autoscaler: JsonObject, now: number): Cell[] {
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

function ingressCells(ingress: JsonObject, now: number): Cell[] {
  const spec = objectAt(ingress, 'spec');
  const hosts = objectsAt(spec, 'rules')
    .map((rule) => text(rule['host'], ''))
    .filter((host) => host !== '');
  const addresses = objectsAt(ingress, 'status', 'loadBalancer', 'ingress').map((entry) =>
    text(entry['ip'], text(entry['hostname'], '')),
  );
  return [
    name(ingress),
    text(spec['ingressClassName'], NONE),
    hosts.length === 0 ? '*' : firstOf(hosts, 3),
    addresses.join(','),
    count(spec['tls']) > 0 ? '80, 443' : '80',
    age(ingress, now),
  ];
}

function parametersText(parameters: unknown): string {
  if (!isObject(parameters)) return NONE;
  const group = text(parameters['apiGroup'], '');
  return `${text(parameters['kind'], '')}${group === '' ? '' : `.${group}`}/${text(parameters['name'], '')}`;
}

function endpointSliceCells(slice: JsonObject, now: number): Cell[] {
  const ports = objectsAt(slice, 'ports').map((port) => text(port['port'], '*'));
  const addresses = objectsAt(slice, 'endpoints').flatMap((endpoint) => listAt(endpoint, 'addresses').map(String));
  return [
    name(slice),
    text(slice['addressType'], ''),
    ports.length === 0 ? '<unset>' : firstOf(ports, 3),
    addresses.length === 0 ? '<unset>' : firstOf(addresses, 3),
    age(slice, now),
  ];
}

function bindingCells(binding: JsonObject, now: number): Cell[] {
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

function apiServiceCells(service: JsonObject, now: number): Cell[] {
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

function storageClassCells(storageClass: JsonObject, now: number): Cell[] {
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
