/**
 * What the API server does to an object beside defaulting before it stores it: statuses that clients may not set,
 * generated fields, and what its built-in admission adds. Pure: allocated addresses and tokens are the server's business.
 */
import { cloneJson, isObject, objectAt, stringAt, type JsonObject } from '../json.ts';
import { compareQuantities } from '../quantity.ts';
import { apiVersionOf, type GroupVersionKind } from '../types.ts';
import { objectsAt, setDefault } from './pod-spec.ts';

/** What preparing needs from the server. */
export interface PrepareOptions {
  /** The object's uid, which Jobs select their pods by. */
  readonly uid: string;
}

/** Kinds whose `status` only the status subresource changes. */
const WITH_STATUS: ReadonlySet<string> = new Set([
  'v1/Namespace',
  'v1/Node',
  'v1/PersistentVolume',
  'v1/PersistentVolumeClaim',
  'v1/Pod',
  'v1/ReplicationController',
  'v1/ResourceQuota',
  'v1/Service',
  'apps/v1/DaemonSet',
  'apps/v1/Deployment',
  'apps/v1/ReplicaSet',
  'apps/v1/StatefulSet',
  'batch/v1/CronJob',
  'batch/v1/Job',
  'policy/v1/PodDisruptionBudget',
  'networking.k8s.io/v1/Ingress',
  'autoscaling/v1/HorizontalPodAutoscaler',
  'autoscaling/v2/HorizontalPodAutoscaler',
  'apiextensions.k8s.io/v1/CustomResourceDefinition',
  'apiregistration.k8s.io/v1/APIService',
  'certificates.k8s.io/v1/CertificateSigningRequest',
  'networking.k8s.io/v1/ServiceCIDR',
  'storage.k8s.io/v1/VolumeAttachment',
  'admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy',
]);
/** Nodes are created with a status by those who register them. */
const STATUS_ON_CREATE: ReadonlySet<string> = new Set(['v1/Node']);

/** Whether a built-in kind has a status subresource. */
export function hasStatusSubresource(gvk: GroupVersionKind): boolean {
  return WITH_STATUS.has(`${apiVersionOf(gvk)}/${gvk.kind}`);
}

/** Prepares a decoded object for creation, in place; defaults come after this. */
export function prepareForCreate(gvk: GroupVersionKind, object: JsonObject, options: PrepareOptions): void {
  const key = `${apiVersionOf(gvk)}/${gvk.kind}`;
  if (WITH_STATUS.has(key) && !STATUS_ON_CREATE.has(key)) delete object['status'];
  if (key === 'v1/Secret') mergeStringData(object);
  CREATE_STEPS[key]?.(object, options);
}

/**
 * Prepares a decoded object for an update of the main resource, in place: the status of the stored object stays.
 * For the status subresource use `prepareForStatusUpdate`.
 */
export function prepareForUpdate(gvk: GroupVersionKind, object: JsonObject, old: JsonObject): void {
  const key = `${apiVersionOf(gvk)}/${gvk.kind}`;
  if (WITH_STATUS.has(key)) keepFrom(object, old, 'status');
  if (key === 'v1/Secret') mergeStringData(object);
  if (key === 'v1/Pod') keepFrom(object, old, 'status');
  if (key === 'v1/Namespace') {
    const spec = objectAt(old, 'spec');
    if (spec['finalizers'] !== undefined) setDefault(object, 'spec', {});
    keepFrom(objectAt(object, 'spec'), spec, 'finalizers');
  }
  if (key === 'v1/Service') keepServiceAddresses(object, old);
}

/** Prepares an update of the status subresource, in place: everything but the status stays (labels and annotations may not change either). */
export function prepareForStatusUpdate(object: JsonObject, old: JsonObject): void {
  const { status } = object;
  const metadata = objectAt(object, 'metadata');
  for (const key of Object.keys(object)) if (key !== 'metadata' && key !== 'status') delete object[key];
  for (const key of Object.keys(old)) if (key !== 'metadata' && key !== 'status') object[key] = cloneJson(old[key]);
  const kept = cloneJson(objectAt(old, 'metadata'));
  if (metadata['resourceVersion'] !== undefined) kept['resourceVersion'] = metadata['resourceVersion'];
  if (metadata['managedFields'] !== undefined) kept['managedFields'] = metadata['managedFields'];
  object['metadata'] = kept;
  if (status !== undefined) object['status'] = status;
}

function keepFrom(object: JsonObject, old: JsonObject, key: string): void {
  if (old[key] === undefined) delete object[key];
  else object[key] = cloneJson(old[key]);
}

const CREATE_STEPS: Readonly<Record<string, (object: JsonObject, options: PrepareOptions) => void>> = {
  'v1/Namespace': (namespace) => {
    setDefault(namespace, 'spec', {});
    const spec = objectAt(namespace, 'spec');
    const finalizers = Array.isArray(spec['finalizers']) ? (spec['finalizers'] as unknown[]) : [];
    if (!finalizers.includes('kubernetes')) spec['finalizers'] = [...finalizers, 'kubernetes'];
    namespace['status'] = { phase: 'Active' };
  },
  'v1/Pod': (pod) => {
    pod['status'] = { phase: 'Pending', qosClass: qosClass(objectAt(pod, 'spec')) };
  },
  'v1/PersistentVolumeClaim': (claim) => {
    const metadata = objectAt(claim, 'metadata');
    const finalizers = Array.isArray(metadata['finalizers']) ? (metadata['finalizers'] as unknown[]) : [];
    if (!finalizers.includes('kubernetes.io/pvc-protection'))
      metadata['finalizers'] = [...finalizers, 'kubernetes.io/pvc-protection'];
  },
  'v1/Service': (service) => {
    const spec = objectAt(service, 'spec');
    if (spec['type'] === 'ExternalName') return;
    if (typeof spec['clusterIP'] === 'string' && spec['clusterIPs'] === undefined)
      spec['clusterIPs'] = [spec['clusterIP']];
    const isFree = spec['clusterIP'] === 'None' && Object.keys(objectAt(spec, 'selector')).length === 0;
    setDefault(spec, 'ipFamilyPolicy', isFree ? 'RequireDualStack' : 'SingleStack');
    setDefault(spec, 'ipFamilies', isFree ? ['IPv4', 'IPv6'] : ['IPv4']);
  },
  'apiextensions.k8s.io/v1/CustomResourceDefinition': (definition) => {
    const stored = objectsAt(definition, 'spec', 'versions')
      .filter((version) => version['storage'] === true)
      .map((version) => version['name']);
    definition['status'] = { conditions: null, storedVersions: stored.length === 0 ? null : stored.slice(0, 1) };
  },
  'apps/v1/DaemonSet': (set) => {
    const metadata = objectAt(set, 'metadata');
    metadata['annotations'] = { ...objectAt(metadata, 'annotations'), 'deprecated.daemonset.template.generation': '1' };
  },
  'batch/v1/Job': (job, { uid }) => {
    const spec = objectAt(job, 'spec');
    if (spec['manualSelector'] === true) return;
    setDefault(spec, 'template', {});
    const template = objectAt(spec, 'template');
    setDefault(template, 'metadata', {});
    const metadata = objectAt(template, 'metadata');
    const name = stringAt(job, 'metadata', 'name') ?? '';
    metadata['labels'] = {
      ...objectAt(metadata, 'labels'),
      'batch.kubernetes.io/controller-uid': uid,
      'batch.kubernetes.io/job-name': name,
      'controller-uid': uid,
      'job-name': name,
    };
    setDefault(spec, 'selector', {});
    const selector = objectAt(spec, 'selector');
    selector['matchLabels'] = { ...objectAt(selector, 'matchLabels'), 'batch.kubernetes.io/controller-uid': uid };
  },
};

/** Text values of a Secret override the encoded ones of the same key. */
function mergeStringData(secret: JsonObject): void {
  const texts = secret['stringData'];
  delete secret['stringData'];
  if (!isObject(texts) || Object.keys(texts).length === 0) return;
  const data: JsonObject = { ...objectAt(secret, 'data') };
  for (const key of Object.keys(texts)) data[key] = Buffer.from(String(texts[key]), 'utf8').toString('base64');
  secret['data'] = data;
}

/** A Service update that leaves its addresses out keeps them. */
function keepServiceAddresses(service: JsonObject, old: JsonObject): void {
  const spec = objectAt(service, 'spec');
  const oldSpec = objectAt(old, 'spec');
  if (spec['type'] === 'ExternalName' || oldSpec['type'] === 'ExternalName') return;
  for (const key of ['clusterIP', 'clusterIPs', 'ipFamilies', 'ipFamilyPolicy'])
    if (spec[key] === undefined && oldSpec[key] !== undefined) spec[key] = cloneJson(oldSpec[key]);
  const exposes = (type: unknown): boolean => type === 'NodePort' || type === 'LoadBalancer';
  if (!exposes(spec['type']) || !exposes(oldSpec['type'])) return;
  for (const port of objectsAt(spec, 'ports')) {
    if (port['nodePort'] !== undefined && port['nodePort'] !== 0) continue;
    const same = objectsAt(oldSpec, 'ports').find(
      (candidate) =>
        candidate['port'] === port['port'] && (candidate['protocol'] ?? 'TCP') === (port['protocol'] ?? 'TCP'),
    );
    if (same?.['nodePort'] !== undefined) port['nodePort'] = same['nodePort'];
  }
}

/** The quality-of-service class that a pod's resources give it. */
export function qosClass(spec: JsonObject): 'BestEffort' | 'Burstable' | 'Guaranteed' {
  const containers = [...objectsAt(spec, 'containers'), ...objectsAt(spec, 'initContainers')];
  let asksForAnything = false;
  let isGuaranteed = true;
  for (const container of containers) {
    const limits = objectAt(container, 'resources', 'limits');
    const requests = { ...limits, ...objectAt(container, 'resources', 'requests') };
    for (const name of ['cpu', 'memory']) {
      const limit = stringAt(limits, name) ?? '0';
      const request = stringAt(requests, name) ?? '0';
      if (compareQuantities(request, '0') > 0 || compareQuantities(limit, '0') > 0) asksForAnything = true;
      if (compareQuantities(limit, '0') <= 0 || compareQuantities(limit, request) !== 0) isGuaranteed = false;
    }
  }
  if (!asksForAnything) return 'BestEffort';
  return isGuaranteed ? 'Guaranteed' : 'Burstable';
}

/** What the built-in admission adds to a Pod on creation and update: priority and the tolerations for nodes that are not ready. */
export function admitPod(pod: JsonObject): void {
  const spec = objectAt(pod, 'spec');
  setDefault(spec, 'priority', 0);
  setDefault(spec, 'preemptionPolicy', 'PreemptLowerPriority');
  const tolerations = objectsAt(spec, 'tolerations');
  for (const key of ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable']) {
    const isTolerated = tolerations.some(
      (toleration) =>
        (toleration['key'] === key || toleration['key'] === undefined) &&
        (toleration['effect'] === 'NoExecute' || toleration['effect'] === undefined),
    );
    if (!isTolerated) tolerations.push({ key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 });
  }
  spec['tolerations'] = tolerations;
}
