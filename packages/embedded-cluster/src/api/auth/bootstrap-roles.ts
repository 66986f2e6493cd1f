/** The roles and bindings that every cluster starts with, for the resources that this server has. */
import type { KubeObject } from '../types.ts';

const RBAC = 'rbac.authorization.k8s.io/v1';
const READ = ['get', 'list', 'watch'];
const WRITE = ['create', 'delete', 'deletecollection', 'patch', 'update'];

interface Rule {
  readonly verbs: readonly string[];
  readonly apiGroups?: readonly string[];
  readonly resources?: readonly string[];
  readonly nonResourceURLs?: readonly string[];
}

function rule(group: string, resources: string, verbs: readonly string[]): Rule {
  return { verbs, apiGroups: [group], resources: resources.split(' ') };
}

/** What people who only look may see: no secrets, no roles. */
const VIEW_RULES: readonly Rule[] = [
  rule(
    '',
    'configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods serviceaccounts services services/status',
    READ,
  ),
  rule('', 'bindings events namespaces namespaces/status pods/log pods/status', READ),
  rule('discovery.k8s.io', 'endpointslices', READ),
  rule(
    'apps',
    'controllerrevisions daemonsets daemonsets/status deployments deployments/scale deployments/status replicasets replicasets/scale replicasets/status statefulsets statefulsets/scale statefulsets/status',
    READ,
  ),
  rule('autoscaling', 'horizontalpodautoscalers horizontalpodautoscalers/status', READ),
  rule('batch', 'cronjobs cronjobs/status jobs jobs/status', READ),
  rule('policy', 'poddisruptionbudgets poddisruptionbudgets/status', READ),
  rule('networking.k8s.io', 'ingresses ingresses/status networkpolicies', READ),
];

const EDIT_RULES: readonly Rule[] = [
  rule('', 'pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy', READ),
  rule('', 'serviceaccounts', ['impersonate']),
  rule('', 'pods pods/attach pods/exec pods/portforward pods/proxy', WRITE),
  rule('', 'pods/eviction', ['create']),
  rule('', 'configmaps events persistentvolumeclaims secrets serviceaccounts services services/proxy', WRITE),
  rule('', 'serviceaccounts/token', ['create']),
  rule(
    'apps',
    'daemonsets deployments deployments/rollback deployments/scale replicasets replicasets/scale statefulsets statefulsets/scale',
    WRITE,
  ),
  rule('autoscaling', 'horizontalpodautoscalers', WRITE),
  rule('batch', 'cronjobs jobs', WRITE),
  rule('policy', 'poddisruptionbudgets', WRITE),
  rule('networking.k8s.io', 'ingresses networkpolicies', WRITE),
  rule('coordination.k8s.io', 'leases', [...WRITE, ...READ]),
];

const ADMIN_RULES: readonly Rule[] = [
  rule('authorization.k8s.io', 'localsubjectaccessreviews', ['create']),
  rule('rbac.authorization.k8s.io', 'rolebindings roles', [...WRITE, ...READ]),
];

const DISCOVERY_URLS = [
  '/api',
  '/api/*',
  '/apis',
  '/apis/*',
  '/healthz',
  '/livez',
  '/openapi',
  '/openapi/*',
  '/readyz',
  '/version',
  '/version/',
];

/** The group of people's administrators, as kubeadm has it: unlike system:masters it can be revoked. */
export const CLUSTER_ADMINS_GROUP = 'kubeadm:cluster-admins';

export function bootstrapRoles(): readonly KubeObject[] {
  const aggregate = (level: string): Record<string, string> => ({
    [`rbac.authorization.k8s.io/aggregate-to-${level}`]: 'true',
  });
  return [
    clusterRole('cluster-admin', [
      { apiGroups: ['*'], resources: ['*'], verbs: ['*'] },
      { nonResourceURLs: ['*'], verbs: ['*'] },
    ]),
    aggregated('admin', {}),
    aggregated('edit', aggregate('admin')),
    aggregated('view', aggregate('edit')),
    clusterRole('system:aggregate-to-admin', ADMIN_RULES, aggregate('admin')),
    clusterRole('system:aggregate-to-edit', EDIT_RULES, aggregate('edit')),
    clusterRole('system:aggregate-to-view', VIEW_RULES, aggregate('view')),
    clusterRole('system:basic-user', [
      rule('authorization.k8s.io', 'selfsubjectaccessreviews selfsubjectrulesreviews', ['create']),
      rule('authentication.k8s.io', 'selfsubjectreviews', ['create']),
    ]),
    clusterRole('system:discovery', [{ nonResourceURLs: DISCOVERY_URLS, verbs: ['get'] }]),
    clusterRole('system:public-info-viewer', [
      { nonResourceURLs: ['/healthz', '/livez', '/readyz', '/version', '/version/'], verbs: ['get'] },
    ]),
    clusterRole('system:service-account-issuer-discovery', [
      {
        nonResourceURLs: [
          '/.well-known/openid-configuration',
          '/.well-known/openid-configuration/',
          '/openid/v1/jwks',
          '/openid/v1/jwks/',
        ],
        verbs: ['get'],
      },
    ]),
    clusterRole('system:auth-delegator', [
      rule('authentication.k8s.io', 'tokenreviews', ['create']),
      rule('authorization.k8s.io', 'subjectaccessreviews', ['create']),
    ]),
    clusterRole('system:node', [
      rule('', 'pods services endpoints configmaps secrets serviceaccounts', READ),
      rule('', 'pods nodes events', WRITE),
      rule('', 'pods/status nodes/status', ['patch', 'update']),
      rule('', 'serviceaccounts/token pods/eviction', ['create']),
      rule('coordination.k8s.io', 'leases', [...WRITE, ...READ]),
    ]),
    binding('cluster-admin', 'cluster-admin', ['system:masters']),
    binding(CLUSTER_ADMINS_GROUP, 'cluster-admin', [CLUSTER_ADMINS_GROUP]),
    binding('system:basic-user', 'system:basic-user', ['system:authenticated']),
    binding('system:discovery', 'system:discovery', ['system:authenticated']),
    binding('system:public-info-viewer', 'system:public-info-viewer', [
      'system:authenticated',
      'system:unauthenticated',
    ]),
    binding('system:service-account-issuer-discovery', 'system:service-account-issuer-discovery', [
      'system:serviceaccounts',
    ]),
  ];
}

const BOOTSTRAP_META = {
  annotations: { 'rbac.authorization.kubernetes.io/autoupdate': 'true' },
  labels: { 'kubernetes.io/bootstrapping': 'rbac-defaults' },
};

function meta(name: string, labels: Readonly<Record<string, string>> = {}): KubeObject['metadata'] {
  return { name, annotations: { ...BOOTSTRAP_META.annotations }, labels: { ...BOOTSTRAP_META.labels, ...labels } };
}

function clusterRole(name: string, rules: readonly Rule[], labels?: Readonly<Record<string, string>>): KubeObject {
  return { apiVersion: RBAC, kind: 'ClusterRole', metadata: meta(name, labels), rules };
}

/** The collected role begins empty; the aggregation controller fills it. */
function aggregated(level: string, labels: Readonly<Record<string, string>>): KubeObject {
  const matchLabels = { [`rbac.authorization.k8s.io/aggregate-to-${level}`]: 'true' };
  return {
    apiVersion: RBAC,
    kind: 'ClusterRole',
    metadata: meta(level, labels),
    aggregationRule: { clusterRoleSelectors: [{ matchLabels }] },
    rules: [],
  };
}

function binding(name: string, role: string, groups: readonly string[]): KubeObject {
  return {
    apiVersion: RBAC,
    kind: 'ClusterRoleBinding',
    metadata: meta(name),
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
    subjects: groups.map((group) => ({ apiGroup: 'rbac.authorization.k8s.io', kind: 'Group', name: group })),
  };
}
