/** Columns and cells of the built-in kinds, as `kubectl get` shows them. Columns are `Name|type|priority`. */
import { numberAt, objectAt, type JsonObject } from '../json.ts';
import { type Cell, name, age, count, text, mapText, selectorText, containerCells } from './cells.ts';
import { serviceCells, endpointsText, ingressCells, parametersText, endpointSliceCells } from './networking-cells.ts';
import {
  eventCells,
  asCoreEvent,
  nodeCells,
  claimCells,
  bindingCells,
  apiServiceCells,
  storageClassCells,
} from './object-cells.ts';
import { podCells } from './pod-cells.ts';
import {
  replicaCells,
  deploymentCells,
  daemonSetCells,
  controllerText,
  jobCells,
  cronJobCells,
  autoscalerCells,
} from './workload-cells.ts';

export interface BuiltinTable {
  readonly columns: readonly string[];
  readonly cells: (object: JsonObject, nowMs: number) => readonly Cell[];
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
