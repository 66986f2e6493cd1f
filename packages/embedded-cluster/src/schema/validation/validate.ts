/** Which rules hold for which built-in kind, on creation and on update. */
import { forbidden, type FieldError } from '../field-error.ts';
import { cloneJson, equalJson, isObject, objectAt, type JsonObject } from '../json.ts';
import { dns1035LabelErrors, dnsLabelErrors, dnsSubdomainErrors, pathSegmentErrors } from '../names.ts';
import { objectsAt } from '../defaults/pod-spec.ts';
import { apiVersionOf, type GroupVersionKind } from '../types.ts';
import { validateDefinition, validateDefinitionUpdate } from '../crd/definition.ts';
import { validateMetadata, validateMetadataUpdate, type NameCheck } from './metadata.ts';
import {
  validateEndpoints,
  validateEndpointSlice,
  validateEndpointSliceUpdate,
  validateIngress,
  validateNetworkPolicy,
  validateService,
  validateServiceUpdate,
} from './networking.ts';
import {
  validateBinding,
  validateBindingUpdate,
  validateClaim,
  validateClaimUpdate,
  validatePriorityClassUpdate,
  validateStorageClassUpdate,
  validateConfigMap,
  validateEvent,
  validateImmutableData,
  validateLease,
  validateNode,
  validateRules,
  validateSecret,
  validateSecretUpdate,
  validateWebhooks,
} from './others.ts';
import { validatePodSpec } from './pod-spec.ts';
import {
  validateCronJob,
  validateDaemonSet,
  validateDeployment,
  validateDisruptionBudget,
  validateJob,
  validateJobUpdate,
  validateReplicaSet,
  validateSelectorUpdate,
  validateStatefulSet,
  validateStatefulSetUpdate,
} from './workloads.ts';

interface Rules {
  readonly name?: NameCheck;
  readonly check?: (object: JsonObject) => FieldError[];
  readonly update?: (object: JsonObject, old: JsonObject) => FieldError[];
}

const RULES: Readonly<Record<string, Rules>> = {
  'v1/ConfigMap': { check: validateConfigMap, update: validateImmutableData },
  'v1/Secret': { check: validateSecret, update: validateSecretUpdate },
  'v1/Namespace': { name: dnsLabelErrors },
  'v1/Pod': { check: (pod) => validatePodSpec(objectAt(pod, 'spec'), 'spec'), update: validatePodUpdate },
  'v1/PodTemplate': { check: (object) => validatePodSpec(objectAt(object, 'template', 'spec'), 'template.spec') },
  'v1/Service': { name: dns1035LabelErrors, check: validateService, update: validateServiceUpdate },
  'v1/Endpoints': { check: validateEndpoints },
  'v1/Event': { check: validateEvent },
  'v1/Node': { check: validateNode },
  'v1/PersistentVolumeClaim': { check: validateClaim, update: validateClaimUpdate },
  'scheduling.k8s.io/v1/PriorityClass': { update: validatePriorityClassUpdate },
  'storage.k8s.io/v1/StorageClass': { update: validateStorageClassUpdate },
  'discovery.k8s.io/v1/EndpointSlice': { check: validateEndpointSlice, update: validateEndpointSliceUpdate },
  'apps/v1/Deployment': { check: validateDeployment, update: validateSelectorUpdate },
  'apps/v1/ReplicaSet': { check: validateReplicaSet, update: validateSelectorUpdate },
  'apps/v1/StatefulSet': { check: validateStatefulSet, update: validateStatefulSetUpdate },
  'apps/v1/DaemonSet': { check: validateDaemonSet, update: validateSelectorUpdate },
  'batch/v1/Job': { check: validateJob, update: validateJobUpdate },
  'batch/v1/CronJob': { check: validateCronJob },
  'policy/v1/PodDisruptionBudget': { check: validateDisruptionBudget },
  'coordination.k8s.io/v1/Lease': { check: validateLease },
  'rbac.authorization.k8s.io/v1/Role': { name: pathSegmentErrors, check: (role) => validateRules(role, true) },
  'rbac.authorization.k8s.io/v1/ClusterRole': { name: pathSegmentErrors, check: (role) => validateRules(role, false) },
  'rbac.authorization.k8s.io/v1/RoleBinding': {
    name: pathSegmentErrors,
    check: (binding) => validateBinding(binding, true),
    update: validateBindingUpdate,
  },
  'rbac.authorization.k8s.io/v1/ClusterRoleBinding': {
    name: pathSegmentErrors,
    check: (binding) => validateBinding(binding, false),
    update: validateBindingUpdate,
  },
  'admissionregistration.k8s.io/v1/MutatingWebhookConfiguration': { check: validateWebhooks },
  'admissionregistration.k8s.io/v1/ValidatingWebhookConfiguration': { check: validateWebhooks },
  'networking.k8s.io/v1/Ingress': { check: validateIngress },
  'networking.k8s.io/v1/NetworkPolicy': { check: validateNetworkPolicy },
  'apiextensions.k8s.io/v1/CustomResourceDefinition': { check: validateDefinition, update: validateDefinitionUpdate },
  'apiregistration.k8s.io/v1/APIService': { name: pathSegmentErrors },
};

const CLUSTER_SCOPED: ReadonlySet<string> = new Set([
  'v1/Namespace',
  'v1/Node',
  'v1/PersistentVolume',
  'v1/ComponentStatus',
  'rbac.authorization.k8s.io/v1/ClusterRole',
  'rbac.authorization.k8s.io/v1/ClusterRoleBinding',
  'admissionregistration.k8s.io/v1/MutatingWebhookConfiguration',
  'admissionregistration.k8s.io/v1/ValidatingWebhookConfiguration',
  'admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy',
  'admissionregistration.k8s.io/v1/ValidatingAdmissionPolicyBinding',
  'apiextensions.k8s.io/v1/CustomResourceDefinition',
  'apiregistration.k8s.io/v1/APIService',
  'scheduling.k8s.io/v1/PriorityClass',
  'storage.k8s.io/v1/StorageClass',
  'storage.k8s.io/v1/CSIDriver',
  'storage.k8s.io/v1/CSINode',
  'storage.k8s.io/v1/VolumeAttachment',
  'networking.k8s.io/v1/IngressClass',
  'networking.k8s.io/v1/IPAddress',
  'networking.k8s.io/v1/ServiceCIDR',
  'node.k8s.io/v1/RuntimeClass',
  'certificates.k8s.io/v1/CertificateSigningRequest',
]);

/** Whether objects of a built-in kind live in namespaces. */
export function isNamespacedKind(gvk: GroupVersionKind): boolean {
  return !CLUSTER_SCOPED.has(`${apiVersionOf(gvk)}/${gvk.kind}`);
}

/** Validates a decoded, prepared and defaulted built-in object for creation. The name must be generated already. */
export function validateCreate(gvk: GroupVersionKind, object: JsonObject): FieldError[] {
  const rules = rulesOf(gvk);
  return [
    ...validateMetadata(objectAt(object, 'metadata'), isNamespacedKind(gvk), rules.name ?? dnsSubdomainErrors),
    ...(rules.check?.(object) ?? []),
  ];
}

/** Validates an update of the main resource against the stored object. */
export function validateUpdate(gvk: GroupVersionKind, object: JsonObject, old: JsonObject): FieldError[] {
  const rules = rulesOf(gvk);
  const metadata = validateMetadataUpdate(objectAt(object, 'metadata'), objectAt(old, 'metadata'));
  if (gvk.group === '' && gvk.kind === 'Pod') return [...metadata, ...validatePodUpdate(object, old)];
  return [...metadata, ...orderOf(gvk)(rules.update?.(object, old) ?? [], rules.check?.(object) ?? [])];
}

type Join = (update: FieldError[], check: FieldError[]) => FieldError[];
/** In which order the API server reports the two groups of failures. */
function orderOf(gvk: GroupVersionKind): Join {
  const isCheckedFirst = gvk.group === 'apps' && gvk.kind !== 'DaemonSet';
  return isCheckedFirst ? (update, check) => [...check, ...update] : (update, check) => [...update, ...check];
}

/** Validates an update of the status subresource: metadata only. */
export function validateStatusUpdate(object: JsonObject, old: JsonObject): FieldError[] {
  return validateMetadataUpdate(objectAt(object, 'metadata'), objectAt(old, 'metadata'));
}

function rulesOf(gvk: GroupVersionKind): Rules {
  return RULES[`${apiVersionOf(gvk)}/${gvk.kind}`] ?? {};
}

const POD_FORBIDDEN =
  'pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)';

/** A Pod's specification is fixed but for images, a shorter deadline and more tolerations. */
function validatePodUpdate(pod: JsonObject, old: JsonObject): FieldError[] {
  const spec = cloneJson(objectAt(pod, 'spec'));
  const oldSpec = objectAt(old, 'spec');
  const errors = validatePodSpec(spec, 'spec');
  if (objectsAt(spec, 'containers').length !== objectsAt(oldSpec, 'containers').length)
    return [...errors, forbidden('spec.containers', 'pod updates may not add or remove containers')];
  for (const key of ['containers', 'initContainers']) {
    objectsAt(spec, key).forEach((container, index) => {
      const before = objectsAt(oldSpec, key)[index];
      if (before !== undefined) container['image'] = before['image'];
    });
  }
  for (const key of ['activeDeadlineSeconds', 'ephemeralContainers', 'schedulingGates']) {
    if (oldSpec[key] === undefined) delete spec[key];
    else spec[key] = oldSpec[key];
  }
  const tolerations = objectsAt(spec, 'tolerations');
  if (
    objectsAt(oldSpec, 'tolerations').every((toleration) =>
      tolerations.some((candidate) => equalJson(candidate, toleration)),
    )
  ) {
    if (isObject(oldSpec) && oldSpec['tolerations'] !== undefined) spec['tolerations'] = oldSpec['tolerations'];
    else delete spec['tolerations'];
  }
  if (!equalJson(spec, oldSpec)) errors.push(forbidden('spec', POD_FORBIDDEN));
  return errors;
}
