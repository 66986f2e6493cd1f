/** Updates of stored objects: what may change and what is refused (`golden/update.json`). */

export interface UpdateCase {
  readonly name: string;
  readonly path: string;
  readonly object: Record<string, unknown>;
  /** A merge patch that makes the new object. */
  readonly change: Record<string, unknown>;
}

const NS = '/api/v1/namespaces/t';
const APPS = '/apis/apps/v1/namespaces/t';
const container = { name: 'c', image: 'app:v1' };
const selector = { matchLabels: { app: 'web' } };
const template = { metadata: { labels: { app: 'web' } }, spec: { containers: [container] } };
const named = { name: 'u' };

function of(
  name: string,
  path: string,
  rest: Record<string, unknown>,
  change: Record<string, unknown>,
  metadata: Record<string, unknown> = {},
): UpdateCase {
  return { name, path, object: { metadata: { ...named, ...metadata }, ...rest }, change };
}
const pod = (name: string, change: Record<string, unknown>): UpdateCase =>
  of(
    `pod: ${name}`,
    `${NS}/pods`,
    { spec: { containers: [container], tolerations: [{ key: 'a', operator: 'Exists' }] } },
    change,
  );
const service = (name: string, spec: Record<string, unknown>, change: Record<string, unknown>): UpdateCase =>
  of(`service: ${name}`, `${NS}/services`, { spec: { ports: [{ port: 80 }], ...spec } }, change);
const deployment = (name: string, change: Record<string, unknown>): UpdateCase =>
  of(`deployment: ${name}`, `${APPS}/deployments`, { spec: { selector, template } }, change);

export const UPDATE_CASES: readonly UpdateCase[] = [
  of('metadata: uid', `${NS}/configmaps`, {}, { metadata: { uid: 'other' } }),
  of(
    'metadata: labels and annotations',
    `${NS}/configmaps`,
    { data: { k: 'v' } },
    { metadata: { labels: { a: 'b' }, annotations: { a: 'b' } }, data: { k: null } },
  ),
  of('metadata: bad labels', `${NS}/configmaps`, {}, { metadata: { labels: { a: 'b c' } } }),
  of(
    'metadata: creationTimestamp',
    `${NS}/configmaps`,
    {},
    { metadata: { creationTimestamp: '2020-01-01T00:00:00Z' } },
  ),
  of('config map: immutable data', `${NS}/configmaps`, { data: { k: 'v' }, immutable: true }, { data: { k: 'w' } }),
  of('config map: immutable off', `${NS}/configmaps`, { data: { k: 'v' }, immutable: true }, { immutable: false }),
  of('secret: type', `${NS}/secrets`, { type: 'Opaque' }, { type: 'other' }),
  of('secret: immutable', `${NS}/secrets`, { data: { a: 'eA==' }, immutable: true }, { data: { a: 'eQ==' } }),
  pod('image', { spec: { containers: [{ ...container, image: 'app:v2' }] } }),
  pod('command', { spec: { containers: [{ ...container, command: ['x'] }] } }),
  pod('another container', { spec: { containers: [container, { name: 'd', image: 'x' }] } }),
  pod('node name', { spec: { nodeName: 'n' } }),
  pod('more tolerations', {
    spec: {
      tolerations: [
        { key: 'a', operator: 'Exists' },
        { key: 'b', operator: 'Exists' },
      ],
    },
  }),
  pod('status is ignored', { status: { phase: 'Running' } }),
  pod('labels', { metadata: { labels: { a: 'b' } } }),
  service('selector and ports', {}, { spec: { selector: { a: 'b' }, ports: [{ port: 81, targetPort: 'x' }] } }),
  service('cluster IP left out', {}, { spec: { clusterIP: null, clusterIPs: null } }),
  service(
    'headless to address',
    { clusterIP: 'None' },
    { spec: { clusterIP: '10.96.0.77', clusterIPs: ['10.96.0.77'] } },
  ),
  service(
    'to external name',
    {},
    { spec: { type: 'ExternalName', externalName: 'x.y', clusterIP: null, clusterIPs: null, ports: null } },
  ),
  service('to node port', {}, { spec: { type: 'NodePort' } }),
  service('bad session affinity', {}, { spec: { sessionAffinity: 'x' } }),
  deployment('replicas', { spec: { replicas: 5 } }),
  deployment('selector', {
    spec: { selector: { matchLabels: { other: 'x' } }, template: { metadata: { labels: { other: 'x' } } } },
  }),
  deployment('template', { spec: { template: { metadata: { annotations: { a: 'b' } } } } }),
  deployment('status is ignored', { status: { replicas: 3 } }),
  deployment('negative replicas', { spec: { replicas: -1 } }),
  deployment('to recreate', { spec: { strategy: { type: 'Recreate' } } }),
  of(
    'replica set: selector',
    `${APPS}/replicasets`,
    { spec: { selector, template } },
    {
      spec: {
        selector: { matchLabels: { app: 'web', x: 'y' } },
        template: { metadata: { labels: { app: 'web', x: 'y' } } },
      },
    },
  ),
  of(
    'stateful set: replicas and template',
    `${APPS}/statefulsets`,
    { spec: { selector, template, serviceName: 's' } },
    { spec: { replicas: 3, template: { metadata: { annotations: { a: 'b' } } } } },
  ),
  of(
    'stateful set: service name',
    `${APPS}/statefulsets`,
    { spec: { selector, template, serviceName: 's' } },
    { spec: { serviceName: 'z' } },
  ),
  of(
    'daemon set: selector',
    `${APPS}/daemonsets`,
    { spec: { selector, template } },
    {
      spec: {
        selector: { matchLabels: { app: 'web', x: 'y' } },
        template: { metadata: { labels: { app: 'web', x: 'y' } } },
      },
    },
  ),
  of(
    'job: parallelism',
    '/apis/batch/v1/namespaces/t/jobs',
    { spec: { template: { spec: { containers: [container], restartPolicy: 'Never' } } } },
    { spec: { parallelism: 3 } },
  ),
  of(
    'job: completions',
    '/apis/batch/v1/namespaces/t/jobs',
    { spec: { completions: 1, template: { spec: { containers: [container], restartPolicy: 'Never' } } } },
    { spec: { completions: 3 } },
  ),
  of(
    'role binding: role',
    '/apis/rbac.authorization.k8s.io/v1/namespaces/t/rolebindings',
    { roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'a' }, subjects: [] },
    { roleRef: { name: 'b' } },
  ),
  of(
    'endpoint slice: address type',
    '/apis/discovery.k8s.io/v1/namespaces/t/endpointslices',
    { addressType: 'IPv4', endpoints: [] },
    { addressType: 'IPv6' },
  ),
  of(
    'endpoint slice: endpoints',
    '/apis/discovery.k8s.io/v1/namespaces/t/endpointslices',
    { addressType: 'IPv4', endpoints: [] },
    { endpoints: [{ addresses: ['10.0.0.1'], conditions: { ready: true } }] },
  ),
  of(
    'lease: holder',
    '/apis/coordination.k8s.io/v1/namespaces/t/leases',
    {},
    { spec: { holderIdentity: 'me', leaseTransitions: -1 } },
  ),
  of(
    'namespace: finalizers of the spec are kept',
    '/api/v1/namespaces',
    {},
    { spec: { finalizers: [] }, metadata: { labels: { a: 'b' } } },
    { name: 'update-ns' },
  ),
  of(
    'priority class: value',
    '/apis/scheduling.k8s.io/v1/priorityclasses',
    { value: 5 },
    { value: 6 },
    { name: 'update-pc' },
  ),
  of(
    'storage class: provisioner',
    '/apis/storage.k8s.io/v1/storageclasses',
    { provisioner: 'a.b/c' },
    { provisioner: 'a.b/d' },
    { name: 'update-sc' },
  ),
  of(
    'claim: spec',
    `${NS}/persistentvolumeclaims`,
    { spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } } },
    { spec: { accessModes: ['ReadOnlyMany'] } },
  ),
  of(
    'disruption budget: selector',
    '/apis/policy/v1/namespaces/t/poddisruptionbudgets',
    { spec: { minAvailable: 1, selector } },
    { spec: { minAvailable: null, maxUnavailable: '20%', selector: { matchLabels: { x: 'y' } } } },
  ),
  of('node: taints', '/api/v1/nodes', {}, { spec: { taints: [{ key: 'a', effect: 'X' }] } }, { name: 'update-node' }),
];
