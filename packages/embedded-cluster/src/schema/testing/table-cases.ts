/** Objects with a status, for the tables that `kubectl get` shows; `golden/tables.json` has the rows of a real API server. */

export interface TableCase {
  readonly path: string;
  readonly object: Record<string, unknown>;
  readonly status?: Record<string, unknown>;
  readonly isDeleted?: boolean;
}

const NS = '/api/v1/namespaces/t';
const APPS = '/apis/apps/v1/namespaces/t';
const LONG_AGO = '2020-01-01T00:00:00Z';
const container = (name: string): Record<string, unknown> => ({ name, image: `${name}:1` });
const template = { metadata: { labels: { app: 'x' } }, spec: { containers: [container('a'), container('b')] } };
const selector = { matchLabels: { app: 'x' } };

const running = { running: { startedAt: LONG_AGO } };
const ended = (exitCode: number, rest: Record<string, unknown> = {}): Record<string, unknown> => ({
  terminated: { exitCode, finishedAt: LONG_AGO, startedAt: LONG_AGO, ...rest },
});
const waiting = (reason: string): Record<string, unknown> => ({ waiting: { reason } });
const state = (
  name: string,
  value: unknown,
  ready = false,
  restartCount = 0,
  lastState: unknown = {},
): Record<string, unknown> => ({
  name,
  image: 'x',
  imageID: 'y',
  ready,
  restartCount,
  state: value,
  lastState,
  started: ready,
});

function pod(
  name: string,
  status: Record<string, unknown>,
  spec: Record<string, unknown> = {},
  rest: Partial<TableCase> = {},
): TableCase {
  return {
    path: `${NS}/pods`,
    object: { metadata: { name }, spec: { containers: [container('a'), container('b')], ...spec } },
    status,
    ...rest,
  };
}

const PODS: readonly TableCase[] = [
  pod('p-new', {}),
  pod(
    'p-running',
    {
      phase: 'Running',
      podIP: '10.0.0.1',
      podIPs: [{ ip: '10.0.0.1' }],
      conditions: [{ type: 'Ready', status: 'True' }],
      containerStatuses: [state('a', running, true, 2, ended(1)), state('b', running, true, 1)],
    },
    { nodeName: 'n1' },
  ),
  pod('p-partly', {
    phase: 'Running',
    conditions: [{ type: 'Ready', status: 'False' }],
    containerStatuses: [state('a', running, true), state('b', running)],
  }),
  pod('p-crash', {
    phase: 'Running',
    containerStatuses: [
      state('a', waiting('CrashLoopBackOff'), false, 5, ended(1, { reason: 'Error' })),
      state('b', running, true),
    ],
  }),
  pod('p-pull', {
    phase: 'Pending',
    containerStatuses: [state('a', waiting('ImagePullBackOff')), state('b', waiting('ContainerCreating'))],
  }),
  pod(
    'p-done',
    {
      phase: 'Succeeded',
      containerStatuses: [state('a', ended(0, { reason: 'Completed' })), state('b', ended(0, { reason: 'Completed' }))],
    },
    { restartPolicy: 'Never' },
  ),
  pod(
    'p-failed',
    { phase: 'Failed', containerStatuses: [state('a', ended(3)), state('b', ended(0, { reason: 'Completed' }))] },
    { restartPolicy: 'Never' },
  ),
  pod(
    'p-killed',
    {
      phase: 'Failed',
      containerStatuses: [state('a', ended(0, { signal: 9 })), state('b', ended(137, { reason: 'OOMKilled' }))],
    },
    { restartPolicy: 'Never' },
  ),
  pod(
    'p-mixed',
    {
      phase: 'Running',
      conditions: [{ type: 'Ready', status: 'True' }],
      containerStatuses: [state('a', ended(0, { reason: 'Completed' })), state('b', running, true)],
    },
    { restartPolicy: 'Never' },
  ),
  pod('p-evicted', { phase: 'Failed', reason: 'Evicted' }),
  pod('p-gated', {
    phase: 'Pending',
    conditions: [{ type: 'PodScheduled', status: 'False', reason: 'SchedulingGated' }],
  }),
  pod(
    'p-init',
    { phase: 'Pending', initContainerStatuses: [state('i', running), state('j', waiting('PodInitializing'))] },
    { initContainers: [container('i'), container('j')] },
  ),
  pod(
    'p-init-second',
    { phase: 'Pending', initContainerStatuses: [state('i', ended(0), true, 1), state('j', running)] },
    { initContainers: [container('i'), container('j')] },
  ),
  pod(
    'p-init-error',
    { phase: 'Pending', initContainerStatuses: [state('i', ended(2))] },
    { initContainers: [container('i')] },
  ),
  pod(
    'p-init-crash',
    { phase: 'Pending', initContainerStatuses: [state('i', waiting('CrashLoopBackOff'), false, 3)] },
    { initContainers: [container('i')] },
  ),
  pod(
    'p-sidecar',
    {
      phase: 'Running',
      conditions: [{ type: 'Ready', status: 'True' }],
      initContainerStatuses: [state('s', running, true)],
      containerStatuses: [state('a', running, true), state('b', running, true)],
    },
    { initContainers: [{ ...container('s'), restartPolicy: 'Always' }] },
  ),
  pod(
    'p-terminating',
    { phase: 'Running', containerStatuses: [state('a', running, true), state('b', running, true)] },
    {},
    {
      object: {
        metadata: { name: 'p-terminating', finalizers: ['e.x/f'] },
        spec: { containers: [container('a'), container('b')] },
      },
      isDeleted: true,
    },
  ),
  pod(
    'p-gates',
    {
      phase: 'Running',
      nominatedNodeName: 'n2',
      conditions: [{ type: 'x.y/z', status: 'True' }],
      containerStatuses: [state('a', running, true), state('b', running, true)],
    },
    { readinessGates: [{ conditionType: 'x.y/z' }, { conditionType: 'x.y/w' }] },
  ),
];

const OTHERS: readonly TableCase[] = [
  {
    path: `${NS}/services`,
    object: {
      metadata: { name: 's-headless' },
      spec: {
        clusterIP: 'None',
        selector: { app: 'x', tier: 'y' },
        ports: [
          { name: 'a', port: 80 },
          { name: 'b', port: 81, protocol: 'UDP' },
        ],
      },
    },
  },
  {
    path: `${NS}/services`,
    object: { metadata: { name: 's-name' }, spec: { type: 'ExternalName', externalName: 'x.example.com' } },
  },
  {
    path: `${NS}/services`,
    object: {
      metadata: { name: 's-ips' },
      spec: { clusterIP: 'None', externalIPs: ['1.2.3.4', '5.6.7.8'], ports: [{ port: 80 }] },
    },
  },
  {
    path: `${NS}/services`,
    object: {
      metadata: { name: 's-lb' },
      spec: { type: 'LoadBalancer', clusterIP: '10.96.7.7', ports: [{ port: 80, nodePort: 30999 }] },
    },
    status: { loadBalancer: { ingress: [{ ip: '9.9.9.9' }, { hostname: 'h.example.com' }] } },
  },
  {
    path: `${NS}/services`,
    object: {
      metadata: { name: 's-lb-pending' },
      spec: {
        type: 'LoadBalancer',
        clusterIP: '10.96.7.8',
        allocateLoadBalancerNodePorts: false,
        ports: [{ port: 80 }],
      },
    },
  },
  {
    path: `${NS}/endpoints`,
    object: {
      metadata: { name: 'e' },
      subsets: [
        {
          addresses: [{ ip: '10.0.0.1' }, { ip: '10.0.0.2' }, { ip: '10.0.0.3' }, { ip: '10.0.0.4' }],
          ports: [
            { port: 80, name: 'a' },
            { port: 81, name: 'b' },
          ],
        },
      ],
    },
  },
  { path: `${NS}/endpoints`, object: { metadata: { name: 'e-empty' } } },
  {
    path: `${NS}/configmaps`,
    object: { metadata: { name: 'c' }, data: { a: '1', b: '2' }, binaryData: { c: 'AAE=' } },
  },
  { path: `${NS}/secrets`, object: { metadata: { name: 'x' }, data: { a: 'AAE=' } } },
  { path: `${NS}/serviceaccounts`, object: { metadata: { name: 'x' }, secrets: [{ name: 'a' }] } },
  {
    path: `${NS}/events`,
    object: {
      metadata: { name: 'ev' },
      involvedObject: { kind: 'Pod', namespace: 't', name: 'p', fieldPath: 'spec.containers{a}' },
      reason: 'Started',
      message: 'line\n',
      type: 'Normal',
      count: 3,
      source: { component: 'kubelet', host: 'n1' },
      firstTimestamp: LONG_AGO,
      lastTimestamp: '2021-01-01T00:00:00Z',
    },
  },
  {
    path: '/api/v1/nodes',
    object: {
      metadata: {
        name: 'n1',
        labels: { 'node-role.kubernetes.io/control-plane': '', 'node-role.kubernetes.io/a': '' },
      },
      spec: { unschedulable: true },
    },
    status: {
      conditions: [{ type: 'Ready', status: 'True' }],
      addresses: [{ type: 'InternalIP', address: '10.1.1.1' }],
      nodeInfo: { kubeletVersion: 'v1.34.4', osImage: 'OS', kernelVersion: '6', containerRuntimeVersion: 'c://1' },
    },
  },
  { path: '/api/v1/nodes', object: { metadata: { name: 'n2' } } },
  {
    path: `${NS}/persistentvolumeclaims`,
    object: {
      metadata: { name: 'c' },
      spec: {
        accessModes: ['ReadWriteOnce', 'ReadOnlyMany'],
        storageClassName: 'sc',
        resources: { requests: { storage: '1Gi' } },
      },
    },
  },
  {
    path: `${APPS}/deployments`,
    object: { metadata: { name: 'd' }, spec: { replicas: 3, selector, template } },
    status: { replicas: 3, updatedReplicas: 2, readyReplicas: 1, availableReplicas: 1, observedGeneration: 1 },
  },
  {
    path: `${APPS}/replicasets`,
    object: { metadata: { name: 'r' }, spec: { replicas: 3, selector, template } },
    status: { replicas: 3, readyReplicas: 1 },
  },
  {
    path: `${APPS}/statefulsets`,
    object: { metadata: { name: 's' }, spec: { replicas: 3, serviceName: 'x', selector, template } },
    status: { replicas: 3, readyReplicas: 1 },
  },
  {
    path: `${APPS}/daemonsets`,
    object: {
      metadata: { name: 'd' },
      spec: { selector, template: { ...template, spec: { ...template.spec, nodeSelector: { a: 'b', c: 'd' } } } },
    },
    status: {
      desiredNumberScheduled: 3,
      currentNumberScheduled: 2,
      numberReady: 1,
      updatedNumberScheduled: 2,
      numberAvailable: 1,
      numberMisscheduled: 0,
    },
  },
  {
    path: '/apis/batch/v1/namespaces/t/jobs',
    object: {
      metadata: { name: 'j' },
      spec: { completions: 2, template: { spec: { containers: [container('a')], restartPolicy: 'Never' } } },
    },
    status: { succeeded: 1, startTime: LONG_AGO },
  },
  {
    path: '/apis/batch/v1/namespaces/t/jobs',
    object: {
      metadata: { name: 'j-parallel' },
      spec: { parallelism: 3, template: { spec: { containers: [container('a')], restartPolicy: 'Never' } } },
    },
  },
  {
    path: '/apis/batch/v1/namespaces/t/cronjobs',
    object: {
      metadata: { name: 'j' },
      spec: {
        schedule: '@hourly',
        timeZone: 'Etc/UTC',
        suspend: true,
        jobTemplate: { spec: { template: { spec: { containers: [container('a')], restartPolicy: 'Never' } } } },
      },
    },
    status: { lastScheduleTime: LONG_AGO },
  },
  {
    path: '/apis/policy/v1/namespaces/t/poddisruptionbudgets',
    object: { metadata: { name: 'p' }, spec: { maxUnavailable: '50%', selector } },
    status: { disruptionsAllowed: 2, currentHealthy: 1, desiredHealthy: 1, expectedPods: 1 },
  },
  {
    path: '/apis/networking.k8s.io/v1/namespaces/t/ingresses',
    object: {
      metadata: { name: 'i' },
      spec: {
        ingressClassName: 'c',
        tls: [{ hosts: ['a'] }],
        rules: [{ host: 'a' }, { host: 'b' }, { host: 'c' }, { host: 'd' }],
      },
    },
    status: { loadBalancer: { ingress: [{ ip: '1.2.3.4' }] } },
  },
  {
    path: '/apis/networking.k8s.io/v1/namespaces/t/networkpolicies',
    object: {
      metadata: { name: 'n' },
      spec: {
        podSelector: {
          matchLabels: { a: 'b' },
          matchExpressions: [
            { key: 'c', operator: 'In', values: ['e', 'd'] },
            { key: 'f', operator: 'Exists' },
          ],
        },
      },
    },
  },
  {
    path: '/apis/discovery.k8s.io/v1/namespaces/t/endpointslices',
    object: {
      metadata: { name: 'e' },
      addressType: 'IPv4',
      ports: [
        { port: 80, name: 'a' },
        { port: 81, name: 'b' },
      ],
      endpoints: [
        { addresses: ['10.0.0.1'] },
        { addresses: ['10.0.0.2'] },
        { addresses: ['10.0.0.3'] },
        { addresses: ['10.0.0.4'] },
      ],
    },
  },
  {
    path: '/apis/discovery.k8s.io/v1/namespaces/t/endpointslices',
    object: { metadata: { name: 'e-empty' }, addressType: 'IPv4', endpoints: [] },
  },
  {
    path: '/apis/coordination.k8s.io/v1/namespaces/t/leases',
    object: { metadata: { name: 'l' }, spec: { holderIdentity: 'me' } },
  },
  { path: '/apis/rbac.authorization.k8s.io/v1/namespaces/t/roles', object: { metadata: { name: 'r' }, rules: [] } },
  {
    path: '/apis/rbac.authorization.k8s.io/v1/namespaces/t/rolebindings',
    object: {
      metadata: { name: 'r' },
      roleRef: { kind: 'Role', name: 'x', apiGroup: 'rbac.authorization.k8s.io' },
      subjects: [
        { kind: 'User', name: 'u' },
        { kind: 'User', name: 'v' },
        { kind: 'Group', name: 'g' },
        { kind: 'ServiceAccount', name: 's', namespace: 'n' },
      ],
    },
  },
  {
    path: '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations',
    object: { metadata: { name: 'table-w' }, webhooks: [] },
  },
  {
    path: '/apis/storage.k8s.io/v1/storageclasses',
    object: {
      metadata: { name: 'sc', annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } },
      provisioner: 'example.com/x',
    },
  },
  { path: '/apis/scheduling.k8s.io/v1/priorityclasses', object: { metadata: { name: 'pc' }, value: 5 } },
  {
    path: '/apis/autoscaling/v2/namespaces/t/horizontalpodautoscalers',
    object: {
      metadata: { name: 'h' },
      spec: { maxReplicas: 3, scaleTargetRef: { kind: 'Deployment', name: 'x', apiVersion: 'apps/v1' } },
    },
    status: {
      currentReplicas: 2,
      desiredReplicas: 2,
      currentMetrics: [
        { type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: 50, averageValue: '1' } } },
      ],
    },
  },
  {
    path: '/apis/example.net/v1/namespaces/t/gadgets',
    object: {
      apiVersion: 'example.net/v1',
      kind: 'Gadget',
      metadata: { name: 'g', labels: { 'a.b/c': 'label' } },
      spec: {
        text: 'x',
        size: 3,
        ratio: 1.5,
        flag: true,
        when: LONG_AGO,
        list: [
          { name: 'p', v: 1 },
          { name: 'q', v: 2 },
        ],
        object: { b: 1, a: 'x' },
      },
    },
  },
  {
    path: '/apis/example.net/v1/namespaces/t/gadgets',
    object: {
      apiVersion: 'example.net/v1',
      kind: 'Gadget',
      metadata: { name: 'g-empty' },
      spec: { size: 0, flag: false },
    },
  },
];

export const TABLE_CASES: readonly TableCase[] = [...PODS, ...OTHERS];

/** A custom resource with printer columns of every type. */
export const GADGET_DEFINITION = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'gadgets.example.net' },
  spec: {
    group: 'example.net',
    scope: 'Namespaced',
    names: { plural: 'gadgets', kind: 'Gadget' },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: { spec: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
          },
        },
        additionalPrinterColumns: [
          { name: 'Text', type: 'string', jsonPath: '.spec.text', description: 'text' },
          { name: 'Size', type: 'integer', jsonPath: '.spec.size' },
          { name: 'Ratio', type: 'number', jsonPath: '.spec.ratio', priority: 1 },
          { name: 'Flag', type: 'boolean', jsonPath: '.spec.flag' },
          { name: 'When', type: 'date', jsonPath: '.spec.when' },
          { name: 'FlagText', type: 'string', jsonPath: '.spec.flag' },
          { name: 'Label', type: 'string', jsonPath: '.metadata.labels.a\\.b/c' },
          { name: 'First', type: 'string', jsonPath: '.spec.list[0].name' },
          { name: 'Names', type: 'string', jsonPath: '.spec.list[*].name' },
          { name: 'Filtered', type: 'integer', jsonPath: ".spec.list[?(@.name=='q')].v" },
          { name: 'Object', type: 'string', jsonPath: '.spec.object' },
          { name: 'List', type: 'string', jsonPath: '.spec.list' },
          { name: 'Wrong', type: 'integer', jsonPath: '.spec.text' },
          { name: 'Last', type: 'string', jsonPath: '.spec.list[-1:].name' },
        ],
      },
    ],
  },
} as const;
