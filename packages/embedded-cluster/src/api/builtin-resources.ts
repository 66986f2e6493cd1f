/** The resources of Kubernetes 1.34 that this server has, with the names and rules that discovery shows for them. */
import { eventFromEventsV1, eventToEventsV1 } from './event-conversion.ts';
import { ALL_VERBS, type Resource, type ScalePaths, type Subresource, type Verb } from './resources.ts';

interface Row {
  readonly group: string;
  readonly version?: string;
  readonly plural: string;
  readonly singular?: string;
  readonly kind: string;
  readonly cluster?: true;
  readonly short?: string;
  readonly categories?: string;
  readonly verbs?: readonly Verb[];
  readonly status?: true;
  readonly scale?: ScalePaths;
  readonly sub?: readonly Subresource[];
  readonly createOnUpdate?: true;
  readonly conditionalUpdate?: true;
  readonly generation?: true;
  readonly returnsDeleted?: true;
  readonly bucket?: string;
  readonly convert?: Resource['convert'];
}

const READ_WRITE: readonly Verb[] = ['get', 'patch', 'update'];
const CREATE_ONLY: readonly Verb[] = ['create'];

const SCALE: ScalePaths = {
  specReplicas: ['spec', 'replicas'],
  statusReplicas: ['status', 'replicas'],
  labelSelector: ['spec', 'selector'],
};

const POD_SUBRESOURCES: readonly Subresource[] = [
  { name: 'attach', kind: 'PodAttachOptions', verbs: ['create', 'get'] },
  { name: 'binding', kind: 'Binding', verbs: CREATE_ONLY },
  { name: 'ephemeralcontainers', kind: 'Pod', verbs: READ_WRITE },
  { name: 'eviction', kind: 'Eviction', group: 'policy', version: 'v1', verbs: CREATE_ONLY },
  { name: 'exec', kind: 'PodExecOptions', verbs: ['create', 'get'] },
  { name: 'log', kind: 'Pod', verbs: ['get'] },
  { name: 'portforward', kind: 'PodPortForwardOptions', verbs: ['create', 'get'] },
  { name: 'proxy', kind: 'PodProxyOptions', verbs: ['create', 'delete', 'get', 'patch', 'update'] },
  { name: 'resize', kind: 'Pod', verbs: READ_WRITE },
];

const TOKEN_REQUEST: Subresource = {
  name: 'token',
  kind: 'TokenRequest',
  group: 'authentication.k8s.io',
  version: 'v1',
  verbs: CREATE_ONLY,
};

const CORE: readonly Row[] = [
  { group: '', plural: 'configmaps', kind: 'ConfigMap', short: 'cm' },
  { group: '', plural: 'endpoints', singular: 'endpoints', kind: 'Endpoints', short: 'ep', createOnUpdate: true },
  { group: '', plural: 'events', kind: 'Event', short: 'ev', createOnUpdate: true },
  {
    group: '',
    plural: 'namespaces',
    kind: 'Namespace',
    short: 'ns',
    cluster: true,
    status: true,
    sub: [{ name: 'finalize', kind: 'Namespace', verbs: ['update'] }],
    verbs: ['create', 'delete', 'get', 'list', 'patch', 'update', 'watch'],
  },
  { group: '', plural: 'nodes', kind: 'Node', short: 'no', cluster: true, status: true },
  {
    group: '',
    plural: 'persistentvolumeclaims',
    kind: 'PersistentVolumeClaim',
    short: 'pvc',
    status: true,
    returnsDeleted: true,
  },
  {
    group: '',
    plural: 'persistentvolumes',
    kind: 'PersistentVolume',
    short: 'pv',
    cluster: true,
    status: true,
    returnsDeleted: true,
  },
  {
    group: '',
    plural: 'pods',
    kind: 'Pod',
    short: 'po',
    categories: 'all',
    status: true,
    sub: POD_SUBRESOURCES,
    generation: true,
    returnsDeleted: true,
  },
  { group: '', plural: 'podtemplates', kind: 'PodTemplate', returnsDeleted: true, generation: true },
  { group: '', plural: 'secrets', kind: 'Secret' },
  {
    group: '',
    plural: 'serviceaccounts',
    kind: 'ServiceAccount',
    short: 'sa',
    sub: [TOKEN_REQUEST],
    returnsDeleted: true,
  },
  {
    group: '',
    plural: 'services',
    kind: 'Service',
    short: 'svc',
    categories: 'all',
    status: true,
    createOnUpdate: true,
    returnsDeleted: true,
  },
];

const WORKLOADS: readonly Row[] = [
  {
    group: 'apps',
    plural: 'daemonsets',
    kind: 'DaemonSet',
    short: 'ds',
    categories: 'all',
    status: true,
    generation: true,
  },
  {
    group: 'apps',
    plural: 'deployments',
    kind: 'Deployment',
    short: 'deploy',
    categories: 'all',
    status: true,
    generation: true,
    scale: SCALE,
  },
  {
    group: 'apps',
    plural: 'replicasets',
    kind: 'ReplicaSet',
    short: 'rs',
    categories: 'all',
    status: true,
    generation: true,
    scale: SCALE,
  },
  {
    group: 'apps',
    plural: 'statefulsets',
    kind: 'StatefulSet',
    short: 'sts',
    categories: 'all',
    status: true,
    generation: true,
    scale: SCALE,
  },
  { group: 'apps', plural: 'controllerrevisions', kind: 'ControllerRevision' },
  {
    group: 'batch',
    plural: 'cronjobs',
    kind: 'CronJob',
    short: 'cj',
    categories: 'all',
    status: true,
    generation: true,
  },
  { group: 'batch', plural: 'jobs', kind: 'Job', categories: 'all', status: true, generation: true },
  {
    group: 'autoscaling',
    version: 'v2',
    plural: 'horizontalpodautoscalers',
    kind: 'HorizontalPodAutoscaler',
    short: 'hpa',
    categories: 'all',
    status: true,
  },
  {
    group: 'policy',
    plural: 'poddisruptionbudgets',
    kind: 'PodDisruptionBudget',
    short: 'pdb',
    status: true,
    generation: true,
  },
  { group: 'scheduling.k8s.io', plural: 'priorityclasses', kind: 'PriorityClass', short: 'pc', cluster: true },
];

const NETWORK: readonly Row[] = [
  { group: 'discovery.k8s.io', plural: 'endpointslices', kind: 'EndpointSlice', generation: true },
  {
    group: 'networking.k8s.io',
    plural: 'ingresses',
    singular: 'ingress',
    kind: 'Ingress',
    short: 'ing',
    status: true,
    generation: true,
  },
  {
    group: 'networking.k8s.io',
    plural: 'ingressclasses',
    singular: 'ingressclass',
    kind: 'IngressClass',
    cluster: true,
    generation: true,
  },
  {
    group: 'networking.k8s.io',
    plural: 'networkpolicies',
    singular: 'networkpolicy',
    kind: 'NetworkPolicy',
    short: 'netpol',
    generation: true,
  },
];

const MACHINERY: readonly Row[] = [
  { group: 'coordination.k8s.io', plural: 'leases', kind: 'Lease', createOnUpdate: true, conditionalUpdate: true },
  {
    group: 'events.k8s.io',
    plural: 'events',
    kind: 'Event',
    short: 'ev',
    createOnUpdate: true,
    bucket: '/events',
    convert: { read: eventToEventsV1, write: eventFromEventsV1 },
  },
  {
    group: 'storage.k8s.io',
    plural: 'storageclasses',
    singular: 'storageclass',
    kind: 'StorageClass',
    short: 'sc',
    cluster: true,
  },
  {
    group: 'admissionregistration.k8s.io',
    plural: 'mutatingwebhookconfigurations',
    kind: 'MutatingWebhookConfiguration',
    cluster: true,
    categories: 'api-extensions',
    generation: true,
  },
  {
    group: 'admissionregistration.k8s.io',
    plural: 'validatingwebhookconfigurations',
    kind: 'ValidatingWebhookConfiguration',
    cluster: true,
    categories: 'api-extensions',
    generation: true,
  },
  {
    group: 'apiextensions.k8s.io',
    plural: 'customresourcedefinitions',
    kind: 'CustomResourceDefinition',
    short: 'crd,crds',
    categories: 'api-extensions',
    cluster: true,
    status: true,
    generation: true,
    conditionalUpdate: true,
  },
  {
    group: 'apiregistration.k8s.io',
    plural: 'apiservices',
    kind: 'APIService',
    categories: 'api-extensions',
    cluster: true,
    status: true,
    conditionalUpdate: true,
  },
];

const ACCESS: readonly Row[] = [
  {
    group: 'rbac.authorization.k8s.io',
    plural: 'clusterrolebindings',
    kind: 'ClusterRoleBinding',
    cluster: true,
    createOnUpdate: true,
  },
  {
    group: 'rbac.authorization.k8s.io',
    plural: 'clusterroles',
    kind: 'ClusterRole',
    cluster: true,
    createOnUpdate: true,
  },
  { group: 'rbac.authorization.k8s.io', plural: 'rolebindings', kind: 'RoleBinding', createOnUpdate: true },
  { group: 'rbac.authorization.k8s.io', plural: 'roles', kind: 'Role', createOnUpdate: true },
  { group: 'authentication.k8s.io', plural: 'tokenreviews', kind: 'TokenReview', cluster: true, verbs: CREATE_ONLY },
  {
    group: 'authentication.k8s.io',
    plural: 'selfsubjectreviews',
    kind: 'SelfSubjectReview',
    cluster: true,
    verbs: CREATE_ONLY,
  },
  {
    group: 'authorization.k8s.io',
    plural: 'localsubjectaccessreviews',
    kind: 'LocalSubjectAccessReview',
    verbs: CREATE_ONLY,
  },
  {
    group: 'authorization.k8s.io',
    plural: 'selfsubjectaccessreviews',
    kind: 'SelfSubjectAccessReview',
    cluster: true,
    verbs: CREATE_ONLY,
  },
  {
    group: 'authorization.k8s.io',
    plural: 'selfsubjectrulesreviews',
    kind: 'SelfSubjectRulesReview',
    cluster: true,
    verbs: CREATE_ONLY,
  },
  {
    group: 'authorization.k8s.io',
    plural: 'subjectaccessreviews',
    kind: 'SubjectAccessReview',
    cluster: true,
    verbs: CREATE_ONLY,
  },
];

/** Every built-in resource, ready for the table. */
export function builtinResources(): readonly Resource[] {
  return [...CORE, ...WORKLOADS, ...NETWORK, ...MACHINERY, ...ACCESS].map(expand);
}

function expand(row: Row): Resource {
  const version = row.version ?? 'v1';
  const subresources: Subresource[] = [...(row.sub ?? [])];
  if (row.status) subresources.push({ name: 'status', kind: row.kind, verbs: READ_WRITE });
  if (row.scale)
    subresources.push({ name: 'scale', kind: 'Scale', group: 'autoscaling', version: 'v1', verbs: READ_WRITE });
  return {
    group: row.group,
    version,
    plural: row.plural,
    singular: row.singular ?? row.kind.toLowerCase(),
    kind: row.kind,
    listKind: `${row.kind}List`,
    namespaced: row.cluster !== true,
    shortNames: row.short?.split(',') ?? [],
    categories: row.categories?.split(',') ?? [],
    verbs: row.verbs ?? ALL_VERBS,
    subresources: subresources.sort((a, b) => (a.name < b.name ? -1 : 1)),
    bucket: row.bucket ?? `${row.group}/${row.plural}`,
    storageVersion: row.convert === undefined ? version : 'stored elsewhere',
    createOnUpdate: row.createOnUpdate === true,
    unconditionalUpdate: row.conditionalUpdate !== true,
    hasGeneration: row.generation === true,
    returnsDeleted: row.returnsDeleted === true,
    scale: row.scale,
    custom: undefined,
    convert: row.convert,
  };
}
