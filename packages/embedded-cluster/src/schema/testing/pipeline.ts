/** What an API server does with a new built-in object, by the pure functions alone: for tests against recorded answers. */
import { schemaFor } from '../builtin-types.ts';
import { decodeErrorText, decodeObject, strictErrorText } from '../decode.ts';
import { setDefaults } from '../defaults/defaults.ts';
import { admitPod, prepareForCreate, prepareForUpdate } from '../defaults/prepare.ts';
import { failure, invalidStatus } from '../field-error.ts';
import { cloneJson, objectAt, stringAt, type JsonObject } from '../json.ts';
import { parseApiVersion, type GroupVersionKind } from '../types.ts';
import { isNamespacedKind, validateCreate, validateUpdate } from '../validation/validate.ts';

/** Creates an object of a kind and gives the stored object or the refusal. */
export function create(gvk: GroupVersionKind, input: JsonObject, strict = false): JsonObject {
  const schema = schemaFor(gvk);
  if (schema === undefined) throw new Error(`no schema for ${gvk.kind}`);
  const { object, unknownFields, error } = decodeObject(schema, JSON.parse(JSON.stringify(input)) as JsonObject);
  if (error !== undefined) return failure(400, 'BadRequest', decodeErrorText(gvk.kind, gvk.version, error));
  if (strict && unknownFields.length > 0)
    return failure(400, 'BadRequest', decodeErrorText(gvk.kind, gvk.version, strictErrorText(unknownFields)));
  object['kind'] = gvk.kind;
  object['apiVersion'] = gvk.group === '' ? gvk.version : `${gvk.group}/${gvk.version}`;
  const metadata = objectAt(object, 'metadata');
  if (isNamespacedKind(gvk)) metadata['namespace'] = 't';
  const prefix = stringAt(metadata, 'generateName');
  if (stringAt(metadata, 'name') === undefined && prefix !== undefined) metadata['name'] = `${prefix}xxxxx`;
  setDefaults(gvk, object, schema);
  prepareForCreate(gvk, object, { uid: 'UID' });
  setDefaults(gvk, object, schema);
  if (gvk.kind === 'Pod') admitPod(object);
  const errors = validateCreate(gvk, object);
  if (errors.length > 0) return invalidStatus(gvk, stringAt(metadata, 'name') ?? '', errors);
  return cloneJson(object);
}

/** Updates a stored object and gives the new one or the refusal. */
export function update(gvk: GroupVersionKind, input: JsonObject, stored: JsonObject): JsonObject {
  const schema = schemaFor(gvk);
  if (schema === undefined) throw new Error(`no schema for ${gvk.kind}`);
  const { object, error } = decodeObject(schema, input);
  if (error !== undefined) return failure(400, 'BadRequest', decodeErrorText(gvk.kind, gvk.version, error));
  setDefaults(gvk, object, schema);
  const metadata = objectAt(object, 'metadata');
  delete metadata['creationTimestamp'];
  prepareForUpdate(gvk, object, stored);
  setDefaults(gvk, object, schema);
  if (gvk.kind === 'Pod') admitPod(object);
  const errors = validateUpdate(gvk, object, stored);
  return errors.length > 0 ? invalidStatus(gvk, stringAt(metadata, 'name') ?? '', errors) : object;
}

/** The kind that a collection's path stands for. */
export function kindOfPath(path: string, kinds: Readonly<Record<string, string>>): GroupVersionKind {
  const parts = path.split('/').filter((part) => part !== '');
  const plural = parts[parts.length - 1] ?? '';
  const apiVersion = parts[0] === 'api' ? (parts[1] ?? '') : `${parts[1]}/${parts[2]}`;
  return { ...parseApiVersion(apiVersion), kind: kinds[plural] ?? '' };
}

/** Kinds of the plurals that the cases use. */
export const KINDS: Readonly<Record<string, string>> = {
  apiservices: 'APIService',
  clusterrolebindings: 'ClusterRoleBinding',
  clusterroles: 'ClusterRole',
  configmaps: 'ConfigMap',
  cronjobs: 'CronJob',
  customresourcedefinitions: 'CustomResourceDefinition',
  daemonsets: 'DaemonSet',
  deployments: 'Deployment',
  endpoints: 'Endpoints',
  endpointslices: 'EndpointSlice',
  events: 'Event',
  horizontalpodautoscalers: 'HorizontalPodAutoscaler',
  ingresses: 'Ingress',
  jobs: 'Job',
  leases: 'Lease',
  mutatingwebhookconfigurations: 'MutatingWebhookConfiguration',
  namespaces: 'Namespace',
  networkpolicies: 'NetworkPolicy',
  nodes: 'Node',
  persistentvolumeclaims: 'PersistentVolumeClaim',
  poddisruptionbudgets: 'PodDisruptionBudget',
  pods: 'Pod',
  priorityclasses: 'PriorityClass',
  replicasets: 'ReplicaSet',
  rolebindings: 'RoleBinding',
  roles: 'Role',
  secrets: 'Secret',
  serviceaccounts: 'ServiceAccount',
  services: 'Service',
  statefulsets: 'StatefulSet',
  storageclasses: 'StorageClass',
  validatingwebhookconfigurations: 'ValidatingWebhookConfiguration',
};
