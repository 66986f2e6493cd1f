/**
 * Objects whose creation a real API server was asked for; `golden/create.json` holds its answers.
 * Bad objects are as important as good ones: the words of the refusals are part of the interface.
 */

export interface CreateCase {
  readonly name: string;
  readonly path: string;
  readonly object: Record<string, unknown>;
  readonly strict?: boolean;
}

const container = { name: 'c', image: 'registry.example/app:v1' };
const template = { metadata: { labels: { app: 'web' } }, spec: { containers: [container] } };
const selector = { matchLabels: { app: 'web' } };
const NS = '/api/v1/namespaces/t';
const APPS = '/apis/apps/v1/namespaces/t';
const BATCH = '/apis/batch/v1/namespaces/t';
const named = (name: string): Record<string, unknown> => ({ name });

function pod(name: string, spec: Record<string, unknown>): CreateCase {
  return {
    name: `pod: ${name}`,
    path: `${NS}/pods`,
    object: { metadata: named('p'), spec: { containers: [container], ...spec } },
  };
}
function podWith(name: string, fields: Record<string, unknown>): CreateCase {
  return pod(name, { containers: [{ ...container, ...fields }] });
}
function service(name: string, spec: Record<string, unknown>): CreateCase {
  return { name: `service: ${name}`, path: `${NS}/services`, object: { metadata: named('s'), spec } };
}
function deployment(name: string, spec: Record<string, unknown>): CreateCase {
  return {
    name: `deployment: ${name}`,
    path: `${APPS}/deployments`,
    object: { metadata: named('d'), spec: { selector, template, ...spec } },
  };
}
function configMap(name: string, metadata: Record<string, unknown>, rest: Record<string, unknown> = {}): CreateCase {
  return { name: `metadata: ${name}`, path: `${NS}/configmaps`, object: { metadata, ...rest } };
}
function of(name: string, path: string, object: Record<string, unknown>): CreateCase {
  return { name, path, object };
}

const METADATA: readonly CreateCase[] = [
  configMap(
    'valid',
    {
      name: 'a',
      labels: { 'app.kubernetes.io/name': 'x', empty: '' },
      annotations: { 'example.com/A_b.c': 'anything\n' },
    },
    { data: { k: 'v' } },
  ),
  configMap('without name', {}),
  configMap('generateName', { generateName: 'Bad_' }),
  configMap('bad name', { name: 'Bad_Name' }),
  configMap('long name', { name: 'a'.repeat(254) }),
  configMap('bad label value', { name: 'a', labels: { a: 'b c' } }),
  configMap('bad label key', { name: 'a', labels: { 'a b': 'c' } }),
  configMap('label key with bad prefix', { name: 'a', labels: { 'Bad_/x': 'c', 'a/b/c': 'd', '/x': 'e', 'x/': 'f' } }),
  configMap('long label', { name: 'a', labels: { ['k'.repeat(64)]: 'v'.repeat(64) } }),
  configMap('bad annotation key', { name: 'a', annotations: { 'a b': 'c' } }),
  configMap('huge annotations', { name: 'a', annotations: { a: 'x'.repeat(262_145) } }),
  configMap('bad finalizer', { name: 'a', finalizers: ['a b', 'x'] }),
  configMap('owner reference incomplete', { name: 'a', ownerReferences: [{ uid: 'u' }] }),
  configMap('two controllers', {
    name: 'a',
    ownerReferences: [
      { apiVersion: 'v1', kind: 'Pod', name: 'x', uid: '1', controller: true },
      { apiVersion: 'v1', kind: 'Pod', name: 'y', uid: '2', controller: true },
    ],
  }),
  configMap('bad keys', { name: 'a' }, { data: { 'a b': 'x', '..': 'y', '': 'z' }, binaryData: { ok: 'AAE=' } }),
  configMap('key in both', { name: 'a' }, { data: { k: 'x' }, binaryData: { k: 'AAE=' } }),
  configMap('empty maps', { name: 'a', labels: {}, annotations: null, finalizers: [] }, { data: {} }),
  configMap('unknown field', { name: 'a', zz: 1 }, { foo: { a: 1 } }),
  { ...configMap('unknown field, strict', { name: 'a', zz: 1 }, { foo: { a: 1 } }), strict: true },
  configMap('wrong type', { name: 'a' }, { data: { k: 5 } }),
  configMap('wrong map', { name: 'a' }, { data: [] }),
  configMap('wrong time', { name: 'a', creationTimestamp: 'x' }),
  configMap('wrong base64', { name: 'a' }, { binaryData: { a: '###' } }),
  of('namespace: minimal', '/api/v1/namespaces', { metadata: named('n') }),
  of('namespace: bad name', '/api/v1/namespaces', { metadata: named('a.b') }),
  of('namespace: long name', '/api/v1/namespaces', { metadata: named('n'.repeat(64)) }),
  of('service account: minimal', `${NS}/serviceaccounts`, { metadata: named('x') }),
  of('secret: minimal', `${NS}/secrets`, { metadata: named('x'), stringData: { a: 'b' } }),
  of('secret: stringData overrides data', `${NS}/secrets`, {
    metadata: named('x'),
    data: { a: 'eA==', c: 'eQ==' },
    stringData: { a: 'b' },
  }),
  of('secret: bad key', `${NS}/secrets`, { metadata: named('x'), data: { 'a b': 'eA==' } }),
  of('secret: TLS without key', `${NS}/secrets`, {
    metadata: named('x'),
    type: 'kubernetes.io/tls',
    data: { 'tls.crt': 'eA==' },
  }),
  of('secret: token without account', `${NS}/secrets`, {
    metadata: named('x'),
    type: 'kubernetes.io/service-account-token',
  }),
  of('secret: docker config', `${NS}/secrets`, {
    metadata: named('x'),
    type: 'kubernetes.io/dockerconfigjson',
    data: {},
  }),
];

const PODS: readonly CreateCase[] = [
  pod('minimal', {}),
  pod('without containers', { containers: [] }),
  pod('containers missing', { containers: undefined }),
  podWith('everything that is defaulted', {
    ports: [{ containerPort: 80 }, { name: 'dns', containerPort: 53, protocol: 'UDP' }],
    env: [
      { name: 'A', value: '1' },
      { name: 'B', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
      { name: 'C', valueFrom: { resourceFieldRef: { resource: 'limits.cpu' } } },
    ],
    livenessProbe: { httpGet: { port: 80 } },
    readinessProbe: { tcpSocket: { port: 'dns' }, initialDelaySeconds: 5 },
    startupProbe: { exec: { command: ['true'] }, failureThreshold: 30 },
    lifecycle: { preStop: { httpGet: { port: 80, path: '/bye' } } },
    resources: { limits: { cpu: '1000m', memory: '128Mi' } },
  }),
  podWith('grpc probe', { livenessProbe: { grpc: { port: 90 } } }),
  podWith('latest image', { image: 'registry.example/app' }),
  podWith('image by digest', { image: `app@sha256:${'a'.repeat(64)}` }),
  pod('volumes', {
    volumes: [
      { name: 'a', emptyDir: {} },
      { name: 'b', configMap: { name: 'x' } },
      { name: 'c', secret: { secretName: 'y' } },
      {
        name: 'd',
        projected: {
          sources: [
            { serviceAccountToken: { path: 't' } },
            { downwardAPI: { items: [{ path: 'l', fieldRef: { fieldPath: 'metadata.labels' } }] } },
          ],
        },
      },
      { name: 'e', hostPath: { path: '/x' } },
      { name: 'f', downwardAPI: { items: [{ path: 'l', fieldRef: { fieldPath: 'metadata.name' } }] } },
      { name: 'g' },
    ],
  }),
  pod('init containers and sidecars', {
    initContainers: [
      { name: 'i', image: 'x' },
      { name: 's', image: 'y:1', restartPolicy: 'Always' },
    ],
  }),
  pod('spec fields', {
    restartPolicy: 'Never',
    serviceAccountName: 'sa',
    hostNetwork: true,
    nodeSelector: { a: 'b' },
    tolerations: [{ key: 'k', operator: 'Exists' }],
    terminationGracePeriodSeconds: 0,
  }),
  pod('bad restartPolicy', { restartPolicy: 'Sometimes' }),
  pod('bad dnsPolicy', { dnsPolicy: 'Never' }),
  pod('negative grace', { terminationGracePeriodSeconds: -1 }),
  pod('activeDeadlineSeconds zero', { activeDeadlineSeconds: 0 }),
  pod('bad service account', { serviceAccountName: 'Bad_' }),
  pod('bad hostname', { hostname: 'A_b', subdomain: 'x.y' }),
  pod('two containers of one name', { containers: [container, container] }),
  pod('bad toleration', {
    tolerations: [{ operator: 'Equal' }, { key: 'a', operator: 'Exists', value: 'x' }, { key: 'b', effect: 'Nope' }],
  }),
  pod('duplicate volumes', {
    volumes: [
      { name: 'a', emptyDir: {} },
      { name: 'a', emptyDir: {} },
      { name: 'B_', emptyDir: {} },
    ],
  }),
  pod('two sources in one volume', { volumes: [{ name: 'a', emptyDir: {}, hostPath: { path: '/x' } }] }),
  pod('bad volume sources', {
    volumes: [
      { name: 'a', configMap: {} },
      { name: 'b', secret: {} },
      { name: 'c', hostPath: { path: '', type: 'Nope' } },
      { name: 'd', projected: { sources: [{ serviceAccountToken: { path: '', expirationSeconds: 5 } }] } },
    ],
  }),
  pod('init container with probe', {
    initContainers: [{ ...container, name: 'i', livenessProbe: { exec: { command: ['x'] } }, restartPolicy: 'Never' }],
  }),
  pod('bad sysctl and affinity', {
    affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [] } } },
  }),
  pod('bad host alias', { hostAliases: [{ ip: 'x', hostnames: ['A_'] }] }),
  pod('bad priority class', { priorityClassName: 'nope' }),
  podWith('without name', { name: '' }),
  podWith('bad name', { name: 'A_b' }),
  podWith('without image', { image: '' }),
  podWith('image with spaces', { image: ' x ' }),
  podWith('bad pull policy', { imagePullPolicy: 'Maybe' }),
  podWith('bad ports', {
    ports: [
      { containerPort: 0 },
      { containerPort: 70_000, protocol: 'X' },
      { containerPort: 80, name: 'Bad_Name' },
      { containerPort: 81, name: 'x' },
      { containerPort: 82, name: 'x' },
      { containerPort: 83, hostPort: -1 },
    ],
  }),
  podWith('bad env', {
    env: [
      { name: '' },
      { name: 'a=b' },
      { name: 'C', value: 'x', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
      { name: 'D', valueFrom: { fieldRef: { fieldPath: 'nope' } } },
      { name: 'E', valueFrom: {} },
      { name: 'F', valueFrom: { configMapKeyRef: { name: 'x', key: '' } } },
      { name: 'G', valueFrom: { secretKeyRef: { name: '', key: 'a b' } } },
    ],
  }),
  podWith('bad envFrom', { envFrom: [{}, { configMapRef: { name: '' } }, { prefix: 'a=', secretRef: { name: 'x' } }] }),
  podWith('bad mounts', {
    volumeMounts: [
      { name: 'nope', mountPath: '/a' },
      { name: '', mountPath: '' },
    ],
  }),
  pod('duplicate mounts', {
    containers: [
      {
        ...container,
        volumeMounts: [
          { name: 'v', mountPath: '/a' },
          { name: 'v', mountPath: '/a' },
          { name: 'v', mountPath: '/b', subPath: '../x' },
        ],
      },
    ],
    volumes: [{ name: 'v', emptyDir: {} }],
  }),
  podWith('probe without handler', { livenessProbe: {} }),
  podWith('probe with two handlers', { livenessProbe: { exec: { command: ['x'] }, tcpSocket: { port: 1 } } }),
  podWith('bad probe numbers', {
    livenessProbe: {
      tcpSocket: { port: 0 },
      periodSeconds: -1,
      timeoutSeconds: -1,
      successThreshold: 2,
      failureThreshold: -1,
      initialDelaySeconds: -1,
    },
  }),
  podWith('bad http probe', {
    readinessProbe: { httpGet: { port: 'BAD_', path: '', scheme: 'FTP', httpHeaders: [{ name: 'a b', value: 'x' }] } },
  }),
  podWith('negative resources', { resources: { limits: { cpu: '-1' }, requests: { memory: '2Gi' } } }),
  podWith('requests above limits', { resources: { limits: { cpu: '1' }, requests: { cpu: '2' } } }),
  podWith('unknown resource', { resources: { limits: { nope: '1' } } }),
  podWith('bad quantity', { resources: { limits: { cpu: 'x' } } }),
  podWith('unknown field in container', { bar: 1 }),
  {
    name: 'pod: bad template name',
    path: `${NS}/pods`,
    object: { metadata: named('a..b'), spec: { containers: [container] } },
  },
];

const SERVICES: readonly CreateCase[] = [
  service('minimal', { ports: [{ port: 80 }] }),
  service('several ports', {
    selector: { app: 'x' },
    ports: [
      { name: 'a', port: 80, targetPort: 'http' },
      { name: 'b', port: 81, targetPort: 8081, protocol: 'UDP', appProtocol: 'kubernetes.io/h2c' },
    ],
  }),
  service('headless', { clusterIP: 'None', ports: [{ port: 80 }], publishNotReadyAddresses: true }),
  service('headless without ports', { clusterIP: 'None' }),
  service('external name', { type: 'ExternalName', externalName: 'x.example.com' }),
  service('node port', { type: 'NodePort', ports: [{ port: 80 }] }),
  service('load balancer', { type: 'LoadBalancer', ports: [{ port: 80 }], sessionAffinity: 'ClientIP' }),
  service('without ports', { selector: { app: 'x' } }),
  service('bad type', { type: 'Nope', ports: [{ port: 80 }] }),
  service('bad ports', { ports: [{ port: 0 }, { port: 70_000, targetPort: 0 }] }),
  service('unnamed ports', { ports: [{ port: 80 }, { port: 81 }] }),
  service('duplicate ports', {
    ports: [
      { name: 'a', port: 80 },
      { name: 'a', port: 80 },
    ],
  }),
  service('bad port name', { ports: [{ name: 'Bad_', port: 80, targetPort: 'BAD', protocol: 'ICMP' }] }),
  service('bad selector', { selector: { 'a b': 'x y' }, ports: [{ port: 80 }] }),
  service('bad cluster IP', { clusterIP: 'x', ports: [{ port: 80 }] }),
  service('bad session affinity', { sessionAffinity: 'Sticky', ports: [{ port: 80 }] }),
  service('external name missing', { type: 'ExternalName' }),
  service('external name with cluster IP', { type: 'ExternalName', externalName: 'x_Y', clusterIP: '10.96.0.9' }),
  service('traffic policies', {
    type: 'NodePort',
    externalTrafficPolicy: 'Local',
    internalTrafficPolicy: 'Nope',
    ports: [{ port: 80 }],
  }),
  service('external IPs', { externalIPs: ['x', '127.0.0.1'], ports: [{ port: 80 }] }),
  {
    name: 'service: name of a subdomain',
    path: `${NS}/services`,
    object: { metadata: named('a.b'), spec: { ports: [{ port: 80 }] } },
  },
  {
    name: 'service: name with digit first',
    path: `${NS}/services`,
    object: { metadata: named('1a'), spec: { ports: [{ port: 80 }] } },
  },
  of('endpoints: minimal', `${NS}/endpoints`, {
    metadata: named('e'),
    subsets: [{ addresses: [{ ip: '10.0.0.1' }], ports: [{ port: 80 }] }],
  }),
  of('endpoints: bad', `${NS}/endpoints`, {
    metadata: named('e'),
    subsets: [{ addresses: [{ ip: 'x' }, { ip: '127.0.0.1' }], ports: [{ port: 0 }, { port: 80, protocol: 'X' }] }, {}],
  }),
  of('endpoint slice: minimal', '/apis/discovery.k8s.io/v1/namespaces/t/endpointslices', {
    metadata: named('e'),
    addressType: 'IPv4',
    endpoints: [{ addresses: ['10.0.0.1'] }],
    ports: [{ port: 80 }, { name: 'x' }],
  }),
  of('endpoint slice: bad', '/apis/discovery.k8s.io/v1/namespaces/t/endpointslices', {
    metadata: named('e'),
    addressType: 'IPv4',
    endpoints: [{ addresses: [] }, { addresses: ['x'] }, { addresses: ['127.0.0.1'] }],
    ports: [{ port: 0, name: 'A_' }, { protocol: 'X' }],
  }),
  of('endpoint slice: no type', '/apis/discovery.k8s.io/v1/namespaces/t/endpointslices', {
    metadata: named('e'),
    endpoints: [],
  }),
];

const WORKLOADS: readonly CreateCase[] = [
  deployment('minimal', {}),
  deployment('recreate', { strategy: { type: 'Recreate' }, replicas: 0 }),
  deployment('rolling update', { strategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: '50%' } } }),
  deployment('negative replicas', { replicas: -1 }),
  deployment('selector missing', { selector: undefined }),
  deployment('empty selector', { selector: {} }),
  deployment('selector does not match', { selector: { matchLabels: { app: 'other' } } }),
  deployment('bad selector expressions', {
    selector: {
      matchExpressions: [
        { key: 'a', operator: 'Nope' },
        { key: 'b', operator: 'In' },
        { key: 'c', operator: 'Exists', values: ['x'] },
      ],
    },
  }),
  deployment('template without labels', { template: { spec: { containers: [container] } } }),
  deployment('template without containers', { template: { metadata: { labels: { app: 'web' } }, spec: {} } }),
  deployment('bad restart policy', {
    template: { metadata: { labels: { app: 'web' } }, spec: { containers: [container], restartPolicy: 'Never' } },
  }),
  deployment('bad strategy', { strategy: { type: 'Nope' } }),
  deployment('recreate with rolling update', { strategy: { type: 'Recreate', rollingUpdate: { maxSurge: 1 } } }),
  deployment('rolling update both zero', { strategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: 0 } } }),
  deployment('bad percent', { strategy: { rollingUpdate: { maxSurge: 'x', maxUnavailable: '150%' } } }),
  deployment('negative numbers', { minReadySeconds: -1, revisionHistoryLimit: -1, progressDeadlineSeconds: 0 }),
  of('replica set: minimal', `${APPS}/replicasets`, { metadata: named('r'), spec: { selector, template } }),
  of('replica set: bad', `${APPS}/replicasets`, {
    metadata: named('r'),
    spec: { replicas: -1, selector: {}, template },
  }),
  of('stateful set: minimal', `${APPS}/statefulsets`, {
    metadata: named('r'),
    spec: { serviceName: 'x', selector, template },
  }),
  of('stateful set: claims', `${APPS}/statefulsets`, {
    metadata: named('r'),
    spec: {
      selector,
      template,
      volumeClaimTemplates: [
        {
          metadata: named('data'),
          spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
        },
      ],
    },
  }),
  of('stateful set: bad pods', `${APPS}/statefulsets`, {
    metadata: named('r'),
    spec: {
      selector,
      template: {
        metadata: { labels: { app: 'web' } },
        spec: { containers: [{ name: 'A_', volumeMounts: [{ name: 'nope', mountPath: '/x' }] }] },
      },
    },
  }),
  of('stateful set: restart policy', `${APPS}/statefulsets`, {
    metadata: named('r'),
    spec: {
      selector,
      template: {
        metadata: { labels: { app: 'web' }, annotations: { 'a b': 'c' } },
        spec: { containers: [], restartPolicy: 'Never' },
      },
    },
  }),
  of('stateful set: bad', `${APPS}/statefulsets`, {
    metadata: named('r'),
    spec: { replicas: -1, podManagementPolicy: 'X', updateStrategy: { type: 'Y' }, selector, template },
  }),
  of('daemon set: minimal', `${APPS}/daemonsets`, { metadata: named('r'), spec: { selector, template } }),
  of('daemon set: bad', `${APPS}/daemonsets`, {
    metadata: named('r'),
    spec: { selector: { matchLabels: { a: 'b' } }, template, updateStrategy: { type: 'X' } },
  }),
  of('job: minimal', `${BATCH}/jobs`, {
    metadata: named('j'),
    spec: { template: { spec: { containers: [container], restartPolicy: 'Never' } } },
  }),
  of('job: restart policy missing', `${BATCH}/jobs`, {
    metadata: named('j'),
    spec: { template: { spec: { containers: [container] } } },
  }),
  of('job: bad numbers', `${BATCH}/jobs`, {
    metadata: named('j'),
    spec: {
      parallelism: -1,
      completions: -1,
      backoffLimit: -1,
      activeDeadlineSeconds: -1,
      ttlSecondsAfterFinished: -1,
      template: { spec: { containers: [container], restartPolicy: 'Never' } },
    },
  }),
  of('cron job: minimal', `${BATCH}/cronjobs`, {
    metadata: named('j'),
    spec: {
      schedule: '*/5 * * * *',
      jobTemplate: { spec: { template: { spec: { containers: [container], restartPolicy: 'OnFailure' } } } },
    },
  }),
  of('cron job: bad', `${BATCH}/cronjobs`, {
    metadata: named('j'),
    spec: {
      schedule: 'nope',
      concurrencyPolicy: 'X',
      successfulJobsHistoryLimit: -1,
      jobTemplate: { spec: { template: { spec: { containers: [container] } } } },
    },
  }),
  of('cron job: schedule missing', `${BATCH}/cronjobs`, {
    metadata: named('j'),
    spec: { jobTemplate: { spec: { template: { spec: { containers: [container], restartPolicy: 'OnFailure' } } } } },
  }),
];

const OTHERS: readonly CreateCase[] = [
  of('lease: minimal', '/apis/coordination.k8s.io/v1/namespaces/t/leases', { metadata: named('l') }),
  of('lease: full', '/apis/coordination.k8s.io/v1/namespaces/t/leases', {
    metadata: named('l'),
    spec: {
      holderIdentity: '',
      leaseDurationSeconds: 15,
      acquireTime: '2024-01-02T03:04:05.678000Z',
      renewTime: '2024-01-02T03:04:05.000001+01:00',
      leaseTransitions: 0,
    },
  }),
  of('lease: milliseconds', '/apis/coordination.k8s.io/v1/namespaces/t/leases', {
    metadata: named('l'),
    spec: { acquireTime: '2024-01-02T03:04:05.678Z' },
  }),
  of('lease: bad', '/apis/coordination.k8s.io/v1/namespaces/t/leases', {
    metadata: named('l'),
    spec: { leaseDurationSeconds: 0, leaseTransitions: -1 },
  }),
  of('disruption budget: minimal', '/apis/policy/v1/namespaces/t/poddisruptionbudgets', {
    metadata: named('p'),
    spec: { minAvailable: 1, selector },
  }),
  of('disruption budget: bad', '/apis/policy/v1/namespaces/t/poddisruptionbudgets', {
    metadata: named('p'),
    spec: { minAvailable: -1, maxUnavailable: 'x' },
  }),
  of('role: minimal', '/apis/rbac.authorization.k8s.io/v1/namespaces/t/roles', { metadata: named('r') }),
  of('role: bad', '/apis/rbac.authorization.k8s.io/v1/namespaces/t/roles', {
    metadata: named('r'),
    rules: [
      {},
      { verbs: ['get'] },
      { verbs: ['get'], apiGroups: [''], resources: [] },
      { verbs: ['get'], nonResourceURLs: ['/x'] },
    ],
  }),
  of('cluster role: minimal', '/apis/rbac.authorization.k8s.io/v1/clusterroles', {
    metadata: named('r'),
    rules: [{ verbs: ['get'], nonResourceURLs: ['/x'] }],
  }),
  of('role binding: minimal', '/apis/rbac.authorization.k8s.io/v1/namespaces/t/rolebindings', {
    metadata: named('r'),
    roleRef: { kind: 'Role', name: 'x' },
    subjects: [
      { kind: 'ServiceAccount', name: 'a' },
      { kind: 'User', name: 'u' },
    ],
  }),
  of('role binding: bad', '/apis/rbac.authorization.k8s.io/v1/namespaces/t/rolebindings', {
    metadata: named('r'),
    roleRef: { kind: 'Nope', name: '' },
    subjects: [
      { kind: 'X', name: 'a' },
      { kind: 'ServiceAccount', name: 'A_' },
      { kind: 'User', name: '' },
    ],
  }),
  of('cluster role binding: bad', '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', {
    metadata: named('r'),
    roleRef: { apiGroup: 'x', kind: 'Role', name: 'y' },
    subjects: [{ kind: 'ServiceAccount', name: 'a' }],
  }),
  of('mutating webhook: minimal', '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations', {
    metadata: named('w'),
    webhooks: [
      {
        name: 'a.b.c',
        admissionReviewVersions: ['v1'],
        sideEffects: 'None',
        clientConfig: { service: { name: 'x', namespace: 'y' } },
        rules: [{ operations: ['CREATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['pods'] }],
      },
    ],
  }),
  of('validating webhook: minimal', '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations', {
    metadata: named('w'),
    webhooks: [
      {
        name: 'a.b.c',
        admissionReviewVersions: ['v1'],
        sideEffects: 'None',
        clientConfig: { url: 'https://127.0.0.1:1/x' },
      },
    ],
  }),
  of('mutating webhook: bad', '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations', {
    metadata: named('w'),
    webhooks: [
      {
        name: 'a',
        admissionReviewVersions: [],
        clientConfig: {},
        timeoutSeconds: 99,
        failurePolicy: 'X',
        matchPolicy: 'Y',
        sideEffects: 'Some',
        rules: [{ operations: ['X'], apiGroups: [], apiVersions: [], resources: [] }],
      },
    ],
  }),
  of('event: minimal', `${NS}/events`, {
    metadata: { name: 'e', namespace: 't' },
    involvedObject: { kind: 'Pod', namespace: 't', name: 'x' },
    reason: 'R',
    message: 'm',
    type: 'Normal',
  }),
  of('event: other namespace', `${NS}/events`, {
    metadata: { name: 'e', namespace: 't' },
    involvedObject: { kind: 'Pod', namespace: 'other', name: 'x' },
  }),
  of('claim: minimal', `${NS}/persistentvolumeclaims`, {
    metadata: named('c'),
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
  }),
  of('claim: bad', `${NS}/persistentvolumeclaims`, { metadata: named('c'), spec: {} }),
  of('priority class: minimal', '/apis/scheduling.k8s.io/v1/priorityclasses', { metadata: named('p'), value: 5 }),
  of('storage class: minimal', '/apis/storage.k8s.io/v1/storageclasses', {
    metadata: named('s'),
    provisioner: 'example.com/x',
  }),
  of('ingress: minimal', '/apis/networking.k8s.io/v1/namespaces/t/ingresses', {
    metadata: named('i'),
    spec: { defaultBackend: { service: { name: 'x', port: { number: 80 } } } },
  }),
  of('ingress: bad', '/apis/networking.k8s.io/v1/namespaces/t/ingresses', { metadata: named('i'), spec: {} }),
  of('network policy: minimal', '/apis/networking.k8s.io/v1/namespaces/t/networkpolicies', {
    metadata: named('n'),
    spec: { ingress: [{ ports: [{ port: 80 }] }], egress: [{}] },
  }),
  of('autoscaler: minimal', '/apis/autoscaling/v2/namespaces/t/horizontalpodautoscalers', {
    metadata: named('h'),
    spec: { maxReplicas: 3, scaleTargetRef: { kind: 'Deployment', name: 'x', apiVersion: 'apps/v1' } },
  }),
  of('node: minimal', '/api/v1/nodes', { metadata: named('n') }),
  of('node: bad', '/api/v1/nodes', {
    metadata: named('n'),
    spec: { taints: [{ key: 'a b', effect: 'X' }], podCIDR: 'x' },
  }),
  of('API service: minimal', '/apis/apiregistration.k8s.io/v1/apiservices', {
    metadata: named('v1.x.example.com'),
    spec: {
      group: 'x.example.com',
      version: 'v1',
      groupPriorityMinimum: 1000,
      versionPriority: 15,
      service: { name: 'x', namespace: 'y' },
    },
  }),
];

export const CREATE_CASES: readonly CreateCase[] = [...METADATA, ...PODS, ...SERVICES, ...WORKLOADS, ...OTHERS];
