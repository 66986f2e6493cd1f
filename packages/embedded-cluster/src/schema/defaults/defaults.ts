/**
 * Defaults of the built-in kinds: what a client leaves out and `kubectl get -o yaml` shows all the same.
 * (Kubernetes API reference; compared with the answers of Kubernetes 1.34.)
 */
import { isObject, objectAt, type JsonObject } from '../json.ts';
import { apiVersionOf, type GroupVersionKind, type TypeSchema } from '../types.ts';
import { addAlwaysPresent } from '../decode.ts';
import { objectsAt, setDefault, setPodDefaults, setPodSpecDefaults } from './pod-spec.ts';

type Defaulter = (object: JsonObject) => void;

const DEFAULTERS: Readonly<Record<string, Defaulter>> = {
  'v1/Pod': (pod) => {
    const spec = objectAt(pod, 'spec');
    setPodDefaults(spec);
    setPodSpecDefaults(spec);
  },
  'v1/PodTemplate': setTemplateDefaults,
  'v1/Namespace': (namespace) => {
    const metadata = objectAt(namespace, 'metadata');
    if (typeof metadata['name'] === 'string' && metadata['name'] !== '')
      metadata['labels'] = { ...objectAt(metadata, 'labels'), 'kubernetes.io/metadata.name': metadata['name'] };
  },
  'v1/Secret': (secret) => setDefault(secret, 'type', 'Opaque'),
  'v1/Service': setServiceDefaults,
  'v1/Endpoints': (endpoints) => {
    for (const subset of objectsAt(endpoints, 'subsets'))
      for (const port of objectsAt(subset, 'ports')) setDefault(port, 'protocol', 'TCP');
  },
  'v1/PersistentVolumeClaim': setClaimDefaults,
  'v1/PersistentVolume': (volume) => {
    const spec = objectAt(volume, 'spec');
    setDefault(spec, 'persistentVolumeReclaimPolicy', 'Retain');
    setDefault(spec, 'volumeMode', 'Filesystem');
    if (isObject(spec['hostPath'])) setDefault(spec['hostPath'], 'type', '');
    setDefault(objectAt(volume, 'status'), 'phase', 'Pending');
  },
  'apps/v1/Deployment': setDeploymentDefaults,
  'apps/v1/ReplicaSet': (set) => {
    setDefault(objectAt(set, 'spec'), 'replicas', 1);
    setTemplateDefaults(objectAt(set, 'spec'));
  },
  'apps/v1/StatefulSet': setStatefulSetDefaults,
  'apps/v1/DaemonSet': setDaemonSetDefaults,
  'batch/v1/Job': (job) => {
    setJobDefaults(objectAt(job, 'spec'));
    const labels = objectAt(job, 'spec', 'template', 'metadata', 'labels');
    const metadata = objectAt(job, 'metadata');
    if (Object.keys(objectAt(metadata, 'labels')).length === 0 && Object.keys(labels).length > 0)
      metadata['labels'] = { ...labels };
  },
  'batch/v1/CronJob': (job) => {
    const spec = objectAt(job, 'spec');
    setDefault(spec, 'concurrencyPolicy', 'Allow');
    setDefault(spec, 'suspend', false);
    setDefault(spec, 'successfulJobsHistoryLimit', 3);
    setDefault(spec, 'failedJobsHistoryLimit', 1);
    setTemplateDefaults(objectAt(spec, 'jobTemplate', 'spec'));
  },
  'discovery.k8s.io/v1/EndpointSlice': (slice) => {
    for (const port of objectsAt(slice, 'ports')) {
      setDefault(port, 'name', '');
      setDefault(port, 'protocol', 'TCP');
    }
  },
  'networking.k8s.io/v1/NetworkPolicy': setNetworkPolicyDefaults,
  'networking.k8s.io/v1/IngressClass': (ingressClass) => {
    const parameters = objectAt(ingressClass, 'spec')['parameters'];
    if (isObject(parameters)) setDefault(parameters, 'scope', 'Cluster');
  },
  'rbac.authorization.k8s.io/v1/RoleBinding': setBindingDefaults,
  'rbac.authorization.k8s.io/v1/ClusterRoleBinding': setBindingDefaults,
  'admissionregistration.k8s.io/v1/MutatingWebhookConfiguration': (configuration) => {
    for (const webhook of objectsAt(configuration, 'webhooks')) {
      setWebhookDefaults(webhook);
      setDefault(webhook, 'reinvocationPolicy', 'Never');
    }
  },
  'admissionregistration.k8s.io/v1/ValidatingWebhookConfiguration': (configuration) => {
    for (const webhook of objectsAt(configuration, 'webhooks')) setWebhookDefaults(webhook);
  },
  'apiregistration.k8s.io/v1/APIService': (service) => {
    const reference = objectAt(service, 'spec')['service'];
    if (isObject(reference)) setDefault(reference, 'port', 443);
  },
  'apiextensions.k8s.io/v1/CustomResourceDefinition': setDefinitionDefaults,
  'scheduling.k8s.io/v1/PriorityClass': (priorityClass) =>
    setDefault(priorityClass, 'preemptionPolicy', 'PreemptLowerPriority'),
  'storage.k8s.io/v1/StorageClass': (storageClass) => {
    setDefault(storageClass, 'reclaimPolicy', 'Delete');
    setDefault(storageClass, 'volumeBindingMode', 'Immediate');
  },
  'autoscaling/v2/HorizontalPodAutoscaler': (autoscaler) => {
    const spec = objectAt(autoscaler, 'spec');
    setDefault(spec, 'minReplicas', 1);
    if (objectsAt(spec, 'metrics').length === 0)
      spec['metrics'] = [
        { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 80 } } },
      ];
  },
  'autoscaling/v1/HorizontalPodAutoscaler': (autoscaler) => setDefault(objectAt(autoscaler, 'spec'), 'minReplicas', 1),
};

/**
 * Fills a decoded built-in object in place.
 * @param schema The type, to write what is always written into the structs that defaults bring.
 */
export function setDefaults(gvk: GroupVersionKind, object: JsonObject, schema: TypeSchema | undefined): void {
  DEFAULTERS[`${apiVersionOf(gvk)}/${gvk.kind}`]?.(object);
  if (schema !== undefined) complete(schema, object);
}

/** Writes the always-present fields of every struct of an object. */
function complete(schema: TypeSchema, value: unknown): void {
  if (Array.isArray(value)) {
    const { items } = schema;
    if (items?.type === 'object' || items?.type === 'array') for (const item of value) complete(items, item);
    return;
  }
  if (!isObject(value)) return;
  if (schema.properties === undefined) {
    const { additionalProperties } = schema;
    if (typeof additionalProperties === 'object' && additionalProperties.properties !== undefined)
      for (const key of Object.keys(value)) complete(additionalProperties, value[key]);
    return;
  }
  if (schema.alwaysPresent !== undefined) addAlwaysPresent(schema, value);
  for (const key of Object.keys(value)) {
    const field = schema.properties[key];
    if (field !== undefined && (field.type === 'object' || field.type === 'array')) complete(field, value[key]);
  }
}

function setTemplateDefaults(owner: JsonObject): void {
  if (isObject(owner['template'])) {
    setDefault(owner['template'], 'spec', {});
    setPodSpecDefaults(objectAt(owner, 'template', 'spec'));
  }
}

function setServiceDefaults(service: JsonObject): void {
  const spec = objectAt(service, 'spec');
  setDefault(spec, 'sessionAffinity', 'None');
  if (spec['sessionAffinity'] === 'None') delete spec['sessionAffinityConfig'];
  if (spec['sessionAffinity'] === 'ClientIP') {
    setDefault(spec, 'sessionAffinityConfig', {});
    setDefault(objectAt(spec, 'sessionAffinityConfig'), 'clientIP', {});
    setDefault(objectAt(spec, 'sessionAffinityConfig', 'clientIP'), 'timeoutSeconds', 10_800);
  }
  setDefault(spec, 'type', 'ClusterIP');
  for (const port of objectsAt(spec, 'ports')) {
    setDefault(port, 'protocol', 'TCP');
    if (port['targetPort'] === undefined || port['targetPort'] === 0 || port['targetPort'] === '')
      port['targetPort'] = port['port'];
  }
  const type = spec['type'];
  const isExposed = type === 'NodePort' || type === 'LoadBalancer';
  if (isExposed || (type === 'ClusterIP' && Array.isArray(spec['externalIPs']) && spec['externalIPs'].length > 0))
    setDefault(spec, 'externalTrafficPolicy', 'Cluster');
  if (isExposed || type === 'ClusterIP') setDefault(spec, 'internalTrafficPolicy', 'Cluster');
  if (type === 'LoadBalancer') setDefault(spec, 'allocateLoadBalancerNodePorts', true);
  for (const ingress of objectsAt(service, 'status', 'loadBalancer', 'ingress'))
    if (type === 'LoadBalancer' && typeof ingress['ip'] === 'string') setDefault(ingress, 'ipMode', 'VIP');
}

function setClaimDefaults(claim: JsonObject): void {
  setDefault(objectAt(claim, 'spec'), 'volumeMode', 'Filesystem');
  setDefault(claim, 'status', {});
  setDefault(objectAt(claim, 'status'), 'phase', 'Pending');
}

function setDeploymentDefaults(deployment: JsonObject): void {
  const spec = objectAt(deployment, 'spec');
  setDefault(spec, 'replicas', 1);
  setDefault(spec, 'strategy', {});
  const strategy = objectAt(spec, 'strategy');
  setDefault(strategy, 'type', 'RollingUpdate');
  if (strategy['type'] === 'RollingUpdate') {
    setDefault(strategy, 'rollingUpdate', {});
    setDefault(objectAt(strategy, 'rollingUpdate'), 'maxUnavailable', '25%');
    setDefault(objectAt(strategy, 'rollingUpdate'), 'maxSurge', '25%');
  }
  setDefault(spec, 'revisionHistoryLimit', 10);
  setDefault(spec, 'progressDeadlineSeconds', 600);
  setTemplateDefaults(spec);
}

function setStatefulSetDefaults(set: JsonObject): void {
  const spec = objectAt(set, 'spec');
  setDefault(spec, 'replicas', 1);
  setDefault(spec, 'podManagementPolicy', 'OrderedReady');
  setDefault(spec, 'updateStrategy', {});
  const strategy = objectAt(spec, 'updateStrategy');
  setDefault(strategy, 'type', 'RollingUpdate');
  if (strategy['type'] === 'RollingUpdate') {
    setDefault(strategy, 'rollingUpdate', {});
    setDefault(objectAt(strategy, 'rollingUpdate'), 'partition', 0);
  }
  setDefault(spec, 'persistentVolumeClaimRetentionPolicy', {});
  setDefault(objectAt(spec, 'persistentVolumeClaimRetentionPolicy'), 'whenDeleted', 'Retain');
  setDefault(objectAt(spec, 'persistentVolumeClaimRetentionPolicy'), 'whenScaled', 'Retain');
  setDefault(spec, 'revisionHistoryLimit', 10);
  setTemplateDefaults(spec);
  for (const claim of objectsAt(spec, 'volumeClaimTemplates')) {
    setDefault(claim, 'kind', 'PersistentVolumeClaim');
    setDefault(claim, 'apiVersion', 'v1');
    setClaimDefaults(claim);
  }
}

function setDaemonSetDefaults(set: JsonObject): void {
  const spec = objectAt(set, 'spec');
  setDefault(spec, 'updateStrategy', {});
  const strategy = objectAt(spec, 'updateStrategy');
  setDefault(strategy, 'type', 'RollingUpdate');
  if (strategy['type'] === 'RollingUpdate') {
    setDefault(strategy, 'rollingUpdate', {});
    setDefault(objectAt(strategy, 'rollingUpdate'), 'maxUnavailable', 1);
    setDefault(objectAt(strategy, 'rollingUpdate'), 'maxSurge', 0);
  }
  setDefault(spec, 'revisionHistoryLimit', 10);
  setTemplateDefaults(spec);
}

const NO_RETRY_LIMIT = 2_147_483_647;

function setJobDefaults(spec: JsonObject): void {
  if (spec['completions'] === undefined && spec['parallelism'] === undefined) {
    spec['completions'] = 1;
    spec['parallelism'] = 1;
  }
  setDefault(spec, 'parallelism', 1);
  setDefault(spec, 'backoffLimit', spec['backoffLimitPerIndex'] === undefined ? 6 : NO_RETRY_LIMIT);
  setDefault(spec, 'completionMode', 'NonIndexed');
  setDefault(spec, 'suspend', false);
  setDefault(spec, 'podReplacementPolicy', spec['podFailurePolicy'] === undefined ? 'TerminatingOrFailed' : 'Failed');
  setDefault(spec, 'manualSelector', false);
  setTemplateDefaults(spec);
}

function setNetworkPolicyDefaults(policy: JsonObject): void {
  const spec = objectAt(policy, 'spec');
  for (const rule of [...objectsAt(spec, 'ingress'), ...objectsAt(spec, 'egress')])
    for (const port of objectsAt(rule, 'ports')) setDefault(port, 'protocol', 'TCP');
  setDefault(
    spec,
    'policyTypes',
    Array.isArray(spec['egress']) && spec['egress'].length > 0 ? ['Ingress', 'Egress'] : ['Ingress'],
  );
}

const RBAC_GROUP = 'rbac.authorization.k8s.io';

function setBindingDefaults(binding: JsonObject): void {
  const reference = objectAt(binding, 'roleRef');
  if (reference['apiGroup'] === undefined || reference['apiGroup'] === '') reference['apiGroup'] = RBAC_GROUP;
  for (const subject of objectsAt(binding, 'subjects'))
    if (subject['kind'] === 'User' || subject['kind'] === 'Group') setDefault(subject, 'apiGroup', RBAC_GROUP);
}

function setWebhookDefaults(webhook: JsonObject): void {
  setDefault(webhook, 'failurePolicy', 'Fail');
  setDefault(webhook, 'matchPolicy', 'Equivalent');
  setDefault(webhook, 'namespaceSelector', {});
  setDefault(webhook, 'objectSelector', {});
  setDefault(webhook, 'timeoutSeconds', 10);
  for (const rule of objectsAt(webhook, 'rules')) setDefault(rule, 'scope', '*');
  const service = objectAt(webhook, 'clientConfig')['service'];
  if (isObject(service)) setDefault(service, 'port', 443);
}

function setDefinitionDefaults(definition: JsonObject): void {
  const spec = objectAt(definition, 'spec');
  const names = objectAt(spec, 'names');
  const kind = typeof names['kind'] === 'string' ? names['kind'] : '';
  if (kind !== '') {
    setDefault(names, 'singular', kind.toLowerCase());
    setDefault(names, 'listKind', `${kind}List`);
  }
  setDefault(spec, 'conversion', { strategy: 'None' });
  const service = objectAt(spec, 'conversion', 'webhook', 'clientConfig')['service'];
  if (isObject(service)) setDefault(service, 'port', 443);
}
