/** What controllers and people combine: discovery, status by apply, text secrets, bound tokens, changing definitions. */
import type { ApiCaller } from '../api-caller.ts';
import type { Cases } from '../program.ts';

const MERGE = { contentType: 'application/merge-patch+json' };
const APPLY = { contentType: 'application/apply-patch+yaml' };
const DEFINITIONS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';

export const interplayCases: Cases = async (api, { namespace, suffix }) => {
  await discovery(api);
  await secrets(api, `/api/v1/namespaces/${namespace}/secrets`);
  await namespaces(api, namespace);
  await reads(api, namespace);
  await rolesAndEndpoints(api, namespace);
  await boundTokens(api, namespace);
  await definitions(api, namespace, suffix);
};

async function discovery(api: ApiCaller): Promise<void> {
  for (const group of [
    'apps',
    'coordination.k8s.io',
    'discovery.k8s.io',
    'rbac.authorization.k8s.io',
    'admissionregistration.k8s.io',
  ]) {
    const keep = (body: unknown): unknown => {
      const { name, preferredVersion } = body as { name: string; preferredVersion: unknown };
      return { name, preferredVersion };
    };
    await api.call(`group ${group}`, 'GET', `/apis/${group}`, undefined, { keep });
  }
  const resources = (names: readonly string[]) => ({
    keep: (body: unknown): unknown =>
      (body as { resources: Record<string, unknown>[] }).resources
        .filter((resource) => names.includes(String(resource['name'])))
        .map(({ storageVersionHash: _hash, ...resource }) => resource),
  });
  await api.call(
    'resources of apps',
    'GET',
    '/apis/apps/v1',
    undefined,
    resources(['deployments', 'deployments/scale', 'deployments/status', 'daemonsets', 'statefulsets/scale']),
  );
  await api.call(
    'resources of core',
    'GET',
    '/api/v1',
    undefined,
    resources([
      'pods',
      'pods/log',
      'pods/eviction',
      'services',
      'services/status',
      'namespaces',
      'namespaces/finalize',
      'serviceaccounts/token',
      'configmaps',
      'secrets',
      'nodes',
      'events',
      'endpoints',
    ]),
  );
  await api.call('resources of leases', 'GET', '/apis/coordination.k8s.io/v1', undefined, resources(['leases']));
  await api.call(
    'resources of reviews',
    'GET',
    '/apis/authentication.k8s.io/v1',
    undefined,
    resources(['tokenreviews']),
  );
}

async function secrets(api: ApiCaller, path: string): Promise<void> {
  const secret = (fields: object): object => ({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 's' }, ...fields });
  await api.call('apply text', 'PATCH', `${path}/s?fieldManager=first`, secret({ stringData: { a: 'one' } }), APPLY);
  await api.call(
    'apply other text',
    'PATCH',
    `${path}/s?fieldManager=first`,
    secret({ stringData: { a: 'two', b: 'three' } }),
    APPLY,
  );
  await api.call('merge text', 'PATCH', `${path}/s`, { stringData: { c: 'four' } }, MERGE);
  await api.call('merge away', 'PATCH', `${path}/s`, { data: { a: null } }, MERGE);
}

async function namespaces(api: ApiCaller, namespace: string): Promise<void> {
  const labels = (value: object, more: object = {}): object => ({
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: namespace, labels: value },
    ...more,
  });
  await api.call(
    'labels of a namespace by apply',
    'PATCH',
    `/api/v1/namespaces/${namespace}?fieldManager=first`,
    labels({ a: 'b' }),
    APPLY,
  );
  await api.call('finalizers stay', 'PATCH', `/api/v1/namespaces/${namespace}`, { spec: { finalizers: [] } }, MERGE);
  await api.call(
    'apply to what has no object',
    'PATCH',
    `/api/v1/namespaces/${namespace}/pods/none/status?fieldManager=first`,
    { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'none' }, status: {} },
    APPLY,
  );
  await api.call(
    'apply with a uid creates nothing',
    'PATCH',
    `/api/v1/namespaces/${namespace}/configmaps/none?fieldManager=first`,
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'none', uid: '11111111-2222-3333-4444-555555555555' } },
    APPLY,
  );
}

async function reads(api: ApiCaller, namespace: string): Promise<void> {
  const path = `/api/v1/namespaces/${namespace}/configmaps`;
  for (const name of ['r1', 'r2', 'r3'])
    await api.send('POST', path, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, labels: { read: 'yes' } } });
  const names = {
    keep: (body: unknown): unknown =>
      (body as { items?: { metadata: { name: string } }[] }).items?.map((item) => item.metadata.name) ?? body,
  };
  await api.call(
    'all namespaces, one by field',
    'GET',
    `/api/v1/configmaps?labelSelector=read&fieldSelector=metadata.namespace%3D${namespace}`,
    undefined,
    names,
  );
  await api.call(
    'a page from version zero',
    'GET',
    `${path}?labelSelector=read&limit=2&resourceVersion=0`,
    undefined,
    names,
  );
  await api.call('one at version zero', 'GET', `${path}/r1?resourceVersion=0`, undefined, {
    keep: (body) => (body as { metadata: { name: string } }).metadata.name,
  });
  const list = JSON.parse((await api.send('GET', path)).text) as { metadata: { resourceVersion: string } };
  const from = list.metadata.resourceVersion;
  await api.watch(
    'a collection goes one by one',
    `${path}?watch=true&labelSelector=read&resourceVersion=${from}`,
    3,
    () => api.send('DELETE', `${path}?labelSelector=read`),
  );
  await api.watch(
    'what changes nothing is no event',
    `${path}?watch=true&resourceVersion=${from}&fieldSelector=metadata.name%3Dquiet`,
    2,
    async () => {
      await api.send('POST', path, {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: 'quiet' },
        data: { a: '1' },
      });
      await api.send('PATCH', `${path}/quiet`, { data: { a: '1' } }, MERGE);
      await api.send('PATCH', `${path}/quiet`, { data: { a: '2' } }, MERGE);
    },
  );
}

async function rolesAndEndpoints(api: ApiCaller, namespace: string): Promise<void> {
  const rbac = `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}`;
  await api.call('a role with nothing', 'POST', `${rbac}/roles`, {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'Role',
    metadata: { name: 'empty' },
  });
  await api.call('a binding of nobody', 'POST', `${rbac}/rolebindings`, {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'RoleBinding',
    metadata: { name: 'nobody' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'empty' },
  });
  const slices = `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`;
  const slice = {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'e', labels: { 'kubernetes.io/service-name': 's' } },
    addressType: 'IPv4',
    endpoints: [],
    ports: [{ name: 'http', port: 80, appProtocol: 'http' }],
  };
  await api.call('a slice without endpoints', 'POST', slices, slice);
  await api.call(
    'a slice by apply',
    'PATCH',
    `${slices}/e?fieldManager=mirror`,
    { ...slice, endpoints: [{ addresses: ['192.0.2.1'], conditions: { ready: true }, zone: 'a' }] },
    APPLY,
  );
  await api.call(
    'a slice loses its endpoint',
    'PATCH',
    `${slices}/e?fieldManager=mirror`,
    { ...slice, endpoints: [] },
    APPLY,
  );
  await api.call('endpoints by hand', 'POST', `/api/v1/namespaces/${namespace}/endpoints`, {
    apiVersion: 'v1',
    kind: 'Endpoints',
    metadata: { name: 'hand' },
    subsets: [{ addresses: [{ ip: '192.0.2.2' }], ports: [{ port: 80 }] }],
  });
  await api.call('endpoints with mistakes', 'POST', `/api/v1/namespaces/${namespace}/endpoints`, {
    apiVersion: 'v1',
    kind: 'Endpoints',
    metadata: { name: 'wrong' },
    subsets: [{ addresses: [{ ip: '127.0.0.1' }, { ip: 'x' }], ports: [{ port: 0 }] }],
  });
}

async function boundTokens(api: ApiCaller, namespace: string): Promise<void> {
  const path = `/api/v1/namespaces/${namespace}`;
  await api.send('POST', `${path}/serviceaccounts`, {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name: 'robot' },
  });
  await api.send('POST', `${path}/pods`, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p' },
    spec: { schedulerName: 'nobody', serviceAccountName: 'robot', containers: [{ name: 'c', image: 'c' }] },
  });
  const request = (name: string): object => ({
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    spec: { boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name } },
  });
  const { text } = await api.send('POST', `${path}/serviceaccounts/robot/token`, request('p'));
  const { token } = (JSON.parse(text) as { status: { token: string } }).status;
  const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8')) as Record<
    string,
    unknown
  >;
  api.record('the claims of a bound token', 'token', { code: 0, warnings: [] }, claims['kubernetes.io']);
  const myself = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' };
  const keep = (body: unknown): unknown => JSON.parse(JSON.stringify(body).replaceAll(/"JTI=[^"]*"/g, '"<id>"'));
  await api.call('who a pod is', 'POST', '/apis/authentication.k8s.io/v1/selfsubjectreviews', myself, { token, keep });
  await api.call('another account may not have it', 'POST', `${path}/serviceaccounts/default/token`, request('p'));
  await api.send('DELETE', `${path}/pods/p?gracePeriodSeconds=0`);
  await api.until(
    'without the pod the token is nothing',
    '/apis/authorization.k8s.io/v1',
    (_body, code) => code === 401,
    { token },
  );
}

async function definitions(api: ApiCaller, namespace: string, suffix: string): Promise<void> {
  const group = `i${suffix}.example.com`;
  const schema = (properties: object): object => ({
    openAPIV3Schema: {
      type: 'object',
      properties: {
        spec: { type: 'object', properties },
        status: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
      },
    },
  });
  const version = (properties: object): object => ({
    name: 'v1',
    served: true,
    storage: true,
    schema: schema(properties),
    subresources: { status: {} },
  });
  const name = `links.${group}`;
  const path = `/apis/${group}/v1/namespaces/${namespace}/links`;
  const link = (fields: object): object => ({
    apiVersion: `${group}/v1`,
    kind: 'Link',
    metadata: { name: 'l' },
    ...fields,
  });
  await api.send('POST', DEFINITIONS, {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name },
    spec: {
      group,
      scope: 'Namespaced',
      names: { plural: 'links', kind: 'Link' },
      versions: [version({ a: { type: 'string' } })],
    },
  });
  try {
    await api.until('served', path, (_body, code) => code === 200, { keep: () => 'yes' });
    await api.call('a link', 'PATCH', `${path}/l?fieldManager=cli`, link({ spec: { a: '1' } }), APPLY);
    await api.call(
      'its status by apply',
      'PATCH',
      `${path}/l/status?fieldManager=mirror`,
      link({ status: { conditions: [{ type: 'Ready', status: 'True' }] } }),
      APPLY,
    );
    await api.call(
      'the same status',
      'PATCH',
      `${path}/l/status?fieldManager=mirror`,
      link({ status: { conditions: [{ type: 'Ready', status: 'True' }] } }),
      APPLY,
    );
    await api.call(
      'a conflict of statuses',
      'PATCH',
      `${path}/l/status?fieldManager=other`,
      link({ status: { conditions: [] } }),
      APPLY,
    );
    await api.call(
      'spec through status is ignored',
      'PATCH',
      `${path}/l/status?fieldManager=mirror`,
      link({ spec: { a: '2' }, status: { conditions: [{ type: 'Ready', status: 'False' }] } }),
      APPLY,
    );
    await api.call(
      'status through the main door is ignored',
      'PATCH',
      `${path}/l?fieldManager=cli`,
      link({ spec: { a: '1' }, status: { x: 1 } }),
      APPLY,
    );
    await api.call(
      'finalizers by another manager',
      'PATCH',
      `${path}/l?fieldManager=mirror`,
      { apiVersion: `${group}/v1`, kind: 'Link', metadata: { name: 'l', finalizers: ['example.com/mirror'] } },
      APPLY,
    );
    await api.call(
      'and released',
      'PATCH',
      `${path}/l?fieldManager=mirror`,
      { apiVersion: `${group}/v1`, kind: 'Link', metadata: { name: 'l' } },
      APPLY,
    );
    await api.send(
      'PATCH',
      `${DEFINITIONS}/${name}`,
      { spec: { versions: [version({ a: { type: 'string' }, b: { type: 'string', default: 'new' } })] } },
      MERGE,
    );
    await api.until(
      'a new default shows in old objects',
      `${path}/l`,
      (body) => (body as { spec: { b?: string } }).spec.b !== undefined,
    );
    await api.call(
      'a kind that changes its scope',
      'PATCH',
      `${DEFINITIONS}/${name}`,
      { spec: { scope: 'Cluster' } },
      MERGE,
    );
  } finally {
    await api.send('DELETE', `${DEFINITIONS}/${name}`);
    await api.until('the definition goes', `${DEFINITIONS}/${name}`, (_body, code) => code === 404);
  }
}
