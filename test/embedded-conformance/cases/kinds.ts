/** Built-in kinds: defaults, validation, status, scale, generation. */
import type { ApiCaller } from '../api-caller.ts';
import type { Cases } from '../program.ts';

const MERGE = { contentType: 'application/merge-patch+json' };

export const kindCases: Cases = async (api, { namespace }) => {
  await services(api, `/api/v1/namespaces/${namespace}/services`);
  await pods(api, `/api/v1/namespaces/${namespace}/pods`);
  await workloads(api, namespace);
  await leases(api, `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`);
  await policies(api, `/apis/networking.k8s.io/v1/namespaces/${namespace}/networkpolicies`);
  await slices(api, `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`);
  await events(api, namespace);
};

async function services(api: ApiCaller, path: string): Promise<void> {
  const service = (name: string, spec: object, metadata: object = {}): object => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, ...metadata },
    spec,
  });
  const created = (await api.call(
    'service',
    'POST',
    path,
    service('s', { selector: { app: 's' }, ports: [{ port: 80 }] }),
  )) as { spec: object };
  await api.call('service: another address', 'PUT', `${path}/s`, {
    ...created,
    spec: { ...created.spec, clusterIP: '10.96.0.77', clusterIPs: ['10.96.0.77'] },
  });
  await api.call(
    'service: without its address',
    'PUT',
    `${path}/s`,
    service('s', { selector: { app: 's' }, ports: [{ port: 81, targetPort: 'web' }] }),
  );
  await api.call(
    'service: headless',
    'POST',
    path,
    service('headless', {
      clusterIP: 'None',
      selector: { app: 's' },
      ports: [
        { name: 'a', port: 80 },
        { name: 'b', port: 81 },
      ],
    }),
  );
  await api.call('service: headless without selector', 'POST', path, service('bare', { clusterIP: 'None' }));
  await api.call('service: node port', 'POST', path, service('np', { type: 'NodePort', ports: [{ port: 80 }] }));
  await api.call(
    'service: external name',
    'POST',
    path,
    service('ext', { type: 'ExternalName', externalName: 'example.com' }),
  );
  await api.call(
    'service: load balancer, dry',
    'POST',
    `${path}?dryRun=All`,
    service('lb', { type: 'LoadBalancer', ports: [{ port: 80 }] }),
  );
  await api.call('service: without ports', 'POST', path, service('portless', { selector: { a: 'b' } }));
  await api.call(
    'service: bad ports',
    'POST',
    path,
    service('ports', {
      ports: [
        { port: 0 },
        { name: 'Bad_Name', port: 70000, targetPort: 'bad name', protocol: 'ICMP' },
        { name: 'x', port: 90 },
        { name: 'x', port: 91 },
      ],
    }),
  );
  await api.call('service: unnamed ports', 'POST', path, service('unnamed', { ports: [{ port: 80 }, { port: 81 }] }));
  await api.call('service: a bad type', 'POST', path, service('typed', { type: 'Magic', ports: [{ port: 80 }] }));
  await api.call('service: a bad name', 'POST', path, service('1digit', { ports: [{ port: 80 }] }));
  await api.call(
    'service: an address out of range',
    'POST',
    path,
    service('range', { clusterIP: '192.0.2.1', ports: [{ port: 80 }] }),
    { keep: (body) => ({ ...(body as object), message: undefined, details: undefined }) },
  );
  await api.call('service: delete', 'DELETE', `${path}/s`);
}

async function pods(api: ApiCaller, path: string): Promise<void> {
  const pod = (name: string, spec: object): object => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: { app: name } },
    spec: { schedulerName: 'nobody', ...spec },
  });
  await api.until(
    'the default service account',
    `${path.replace(/pods$/, 'serviceaccounts')}/default`,
    (_body, code) => code === 200,
    { keep: () => 'is there' },
  );
  await api.call(
    'pod',
    'POST',
    path,
    pod('p', {
      containers: [
        { name: 'c', image: 'c:1', ports: [{ containerPort: 80 }], readinessProbe: { httpGet: { port: 80 } } },
      ],
      initContainers: [{ name: 'i', image: 'i', restartPolicy: 'Always' }],
    }),
  );
  await api.call(
    'pod: guaranteed',
    'POST',
    `${path}?dryRun=All`,
    pod('g', { containers: [{ name: 'c', image: 'c:1', resources: { limits: { cpu: '0.5', memory: '64Mi' } } }] }),
  );
  await api.call('pod: nothing in it', 'POST', path, pod('empty', {}));
  await api.call(
    'pod: many mistakes',
    'POST',
    path,
    pod('wrong', {
      containers: [
        {
          name: 'Bad_Name',
          ports: [{ containerPort: 0 }],
          env: [{ name: '' }],
          volumeMounts: [{ name: 'none', mountPath: '/x' }],
          imagePullPolicy: 'Sometimes',
        },
        { name: 'a', image: 'a' },
        { name: 'a', image: 'a' },
      ],
      restartPolicy: 'Perhaps',
    }),
  );
  await api.call(
    'pod: an unknown account',
    'POST',
    path,
    pod('account', { serviceAccountName: 'nobody', containers: [{ name: 'c', image: 'c' }] }),
  );
  await api.call(
    'pod: a wrong type',
    'POST',
    path,
    pod('typed', { containers: [{ name: 'c', image: 'c', ports: [{ containerPort: 'web' }] }] }),
  );
  await api.call(
    'pod: a bad quantity',
    'POST',
    path,
    pod('quantity', { containers: [{ name: 'c', image: 'c', resources: { limits: { cpu: 'much' } } }] }),
  );
  await api.call(
    'pod: what can not change',
    'PATCH',
    `${path}/p`,
    { spec: { containers: [{ name: 'c', image: 'c:1', command: ['x'] }] } },
    {
      contentType: 'application/strategic-merge-patch+json',
      keep: (body) => {
        const { code, reason, details } = body as Record<string, unknown>;
        return {
          code,
          reason,
          causes: ((details as { causes?: { reason: string; field: string }[] })?.causes ?? []).map((cause) => [
            cause.reason,
            cause.field,
          ]),
        };
      },
    },
  );
  await api.call(
    'pod: another image',
    'PATCH',
    `${path}/p`,
    { spec: { containers: [{ name: 'c', image: 'c:2' }] } },
    { contentType: 'application/strategic-merge-patch+json' },
  );
  await api.call(
    'pod: status',
    'PATCH',
    `${path}/p/status`,
    {
      metadata: { labels: { app: 'x' } },
      spec: { nodeName: 'ignored' },
      status: {
        phase: 'Running',
        conditions: [{ type: 'Ready', status: 'True' }],
        podIP: '10.0.0.1',
        podIPs: [{ ip: '10.0.0.1' }],
      },
    },
    { contentType: 'application/strategic-merge-patch+json' },
  );
  await api.call(
    'pod: status through the main door is ignored',
    'PATCH',
    `${path}/p`,
    { status: { phase: 'Failed' } },
    MERGE,
  );
  await api.call('pods by phase', 'GET', `${path}?fieldSelector=status.phase%3DRunning,spec.nodeName%3D`, undefined, {
    keep: (body) => (body as { items: { metadata: { name: string } }[] }).items.map((item) => item.metadata.name),
  });
  await api.call('pod: exec where nothing runs', 'GET', `${path}/missing/log`);
  await api.call('pod: log of an unknown container', 'GET', `${path}/p/log?container=nonsense`);
}

async function workloads(api: ApiCaller, namespace: string): Promise<void> {
  const template = { metadata: { labels: { app: 'd' } }, spec: { containers: [{ name: 'c', image: 'c' }] } };
  const make = (kind: string, spec: object, group = 'apps/v1'): object => ({
    apiVersion: group,
    kind,
    metadata: { name: 'w' },
    spec,
  });
  const apps = `/apis/apps/v1/namespaces/${namespace}`;
  const selector = { matchLabels: { app: 'd' } };
  await api.call(
    'deployment, dry',
    'POST',
    `${apps}/deployments?dryRun=All`,
    make('Deployment', { selector, template }),
  );
  await api.call('deployment: without selector', 'POST', `${apps}/deployments`, make('Deployment', { template }));
  await api.call(
    'deployment: selector and labels differ',
    'POST',
    `${apps}/deployments`,
    make('Deployment', { selector: { matchLabels: { app: 'other' } }, template }),
  );
  await api.call(
    'deployment: mistakes',
    'POST',
    `${apps}/deployments`,
    make('Deployment', {
      replicas: -1,
      minReadySeconds: -1,
      selector,
      template: { ...template, spec: { ...template.spec, restartPolicy: 'Never' } },
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 0, maxUnavailable: 0 } },
    }),
  );
  await api.call(
    'stateful set, dry',
    'POST',
    `${apps}/statefulsets?dryRun=All`,
    make('StatefulSet', { serviceName: 's', selector, template }),
  );
  await api.call('daemon set, dry', 'POST', `${apps}/daemonsets?dryRun=All`, make('DaemonSet', { selector, template }));
  await api.call(
    'replica set, dry',
    'POST',
    `${apps}/replicasets?dryRun=All`,
    make('ReplicaSet', { selector, template }),
  );
  const batch = `/apis/batch/v1/namespaces/${namespace}`;
  await api.call(
    'job, dry',
    'POST',
    `${batch}/jobs?dryRun=All`,
    make('Job', { template: { spec: { ...template.spec, restartPolicy: 'Never' } } }, 'batch/v1'),
  );
  await api.call('job: restart always', 'POST', `${batch}/jobs?dryRun=All`, make('Job', { template }, 'batch/v1'));
  await api.call(
    'cron job, dry',
    'POST',
    `${batch}/cronjobs?dryRun=All`,
    make(
      'CronJob',
      {
        schedule: '*/5 * * * *',
        jobTemplate: { spec: { template: { spec: { ...template.spec, restartPolicy: 'OnFailure' } } } },
      },
      'batch/v1',
    ),
  );
  await api.call(
    'cron job: a bad schedule',
    'POST',
    `${batch}/cronjobs?dryRun=All`,
    make(
      'CronJob',
      {
        schedule: 'often',
        jobTemplate: { spec: { template: { spec: { ...template.spec, restartPolicy: 'OnFailure' } } } },
      },
      'batch/v1',
    ),
  );
  await api.call(
    'disruption budget, dry',
    'POST',
    `/apis/policy/v1/namespaces/${namespace}/poddisruptionbudgets?dryRun=All`,
    make('PodDisruptionBudget', { minAvailable: 1, selector }, 'policy/v1'),
  );
  await api.call(
    'ingress, dry',
    'POST',
    `/apis/networking.k8s.io/v1/namespaces/${namespace}/ingresses?dryRun=All`,
    make(
      'Ingress',
      {
        rules: [
          {
            host: 'example.com',
            http: {
              paths: [{ path: '/', pathType: 'Prefix', backend: { service: { name: 's', port: { number: 80 } } } }],
            },
          },
        ],
      },
      'networking.k8s.io/v1',
    ),
  );
  await api.call(
    'autoscaler, dry',
    'POST',
    `/apis/autoscaling/v2/namespaces/${namespace}/horizontalpodautoscalers?dryRun=All`,
    make(
      'HorizontalPodAutoscaler',
      { maxReplicas: 3, scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'w' } },
      'autoscaling/v2',
    ),
  );
}

async function leases(api: ApiCaller, path: string): Promise<void> {
  const lease = (holder: string, metadata: object = {}): object => ({
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name: 'l', ...metadata },
    spec: {
      holderIdentity: holder,
      leaseDurationSeconds: 15,
      acquireTime: '2026-01-01T00:00:00.000000Z',
      renewTime: '2026-01-01T00:00:00.123456Z',
      leaseTransitions: 0,
    },
  });
  const created = (await api.call('lease', 'POST', path, lease('one'))) as { metadata: { resourceVersion: string } };
  const { resourceVersion } = created.metadata;
  await api.call('lease: take over', 'PUT', `${path}/l`, lease('two', { resourceVersion }));
  await api.call('lease: too late', 'PUT', `${path}/l`, lease('three', { resourceVersion }));
  await api.call('lease: without a version', 'PUT', `${path}/l`, lease('three'));
  await api.call('lease: PUT creates', 'PUT', `${path}/n`, { ...lease('one'), metadata: { name: 'n' } });
  await api.call('lease: a bad duration', 'POST', path, {
    ...lease('one'),
    metadata: { name: 'bad' },
    spec: { leaseDurationSeconds: -1, leaseTransitions: -1 },
  });
}

/** Kinds with a spec that nothing acts on: generation counts its changes. */
async function policies(api: ApiCaller, path: string): Promise<void> {
  const policy = (spec: object): object => ({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: 'n' },
    spec,
  });
  await api.call('network policy', 'POST', path, policy({ podSelector: {}, ingress: [{ ports: [{ port: 80 }] }] }));
  await api.call(
    'network policy: labels leave the generation',
    'PATCH',
    `${path}/n`,
    { metadata: { labels: { a: 'b' } } },
    MERGE,
  );
  await api.call(
    'network policy: spec raises the generation',
    'PATCH',
    `${path}/n`,
    { spec: { policyTypes: ['Ingress', 'Egress'] } },
    MERGE,
  );
}

async function slices(api: ApiCaller, path: string): Promise<void> {
  const slice = (more: object): object => ({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'e' },
    addressType: 'IPv4',
    endpoints: [{ addresses: ['10.0.0.1'], conditions: { ready: true } }],
    ports: [{ port: 80 }],
    ...more,
  });
  await api.call('endpoint slice', 'POST', path, slice({}));
  await api.call('endpoint slice: a change', 'PATCH', `${path}/e`, { endpoints: [] }, MERGE);
  await api.call('endpoint slice: another address type', 'PATCH', `${path}/e`, { addressType: 'IPv6' }, MERGE);
  await api.call(
    'endpoint slice: mistakes',
    'POST',
    path,
    slice({
      metadata: { name: 'w' },
      addressType: 'Magic',
      endpoints: [{ addresses: [] }],
      ports: [{ name: 'Bad_', protocol: 'ICMP' }],
    }),
  );
}

async function events(api: ApiCaller, namespace: string): Promise<void> {
  const path = `/api/v1/namespaces/${namespace}/events`;
  const event = {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name: 'e' },
    involvedObject: { kind: 'Pod', namespace, name: 'p' },
    reason: 'Tested',
    message: 'a test',
    type: 'Normal',
    source: { component: 'conformance' },
    firstTimestamp: '2026-01-01T00:00:00Z',
    lastTimestamp: '2026-01-01T00:00:00Z',
    count: 1,
  };
  await api.call('event', 'POST', path, event);
  await api.call('event through its other group', 'GET', `/apis/events.k8s.io/v1/namespaces/${namespace}/events/e`);
  await api.call(
    'events about a pod',
    'GET',
    `${path}?fieldSelector=involvedObject.name%3Dp,type%3DNormal,reason%3DTested`,
    undefined,
    { keep: (body) => (body as { items: { metadata: { name: string } }[] }).items.map((item) => item.metadata.name) },
  );
}
