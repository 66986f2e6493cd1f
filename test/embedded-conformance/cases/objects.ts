/** Create, read, update: what is refused, and how. */
import type { Cases } from '../program.ts';

export const objectCases: Cases = async (api, { namespace }) => {
  const path = `/api/v1/namespaces/${namespace}/configmaps`;
  const map = (name: string | undefined, more: object = {}): object => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name },
    ...more,
  });
  await api.call('an unknown path', 'GET', '/api/v1/nonsense');
  await api.call('an unknown group', 'GET', '/apis/nonsense.example.com/v1');
  await api.call('a version without resources', 'GET', '/api/v9');
  await api.call('an unknown resource in a namespace', 'GET', `/api/v1/namespaces/${namespace}/nonsense`);
  await api.call('a namespace is there', 'GET', `/api/v1/namespaces/${namespace}`);
  await api.call('create', 'POST', path, map('a', { data: { x: '1' } }));
  await api.call('create the same name again', 'POST', path, map('a'));
  await api.call('read', 'GET', `${path}/a`);
  await api.call('read what is missing', 'GET', `${path}/missing`);
  await api.call('create without a name', 'POST', path, map(undefined));
  await api.call('create with a bad name', 'POST', path, map('Not_Valid'));
  await api.call('create with a generated name', 'POST', path, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { generateName: 'generated-' },
  });
  await api.call('create with bad labels', 'POST', path, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'labels', labels: { 'bad key!': 'x', ok: 'bad value!' } },
  });
  await api.call('create with a bad annotation key', 'POST', path, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'annotations', annotations: { 'bad key!': 'x' } },
  });
  await api.call('create with a bad key', 'POST', path, map('keys', { data: { 'bad key!': 'x' } }));
  await api.call('create with a resource version', 'POST', path, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'versioned', resourceVersion: '1' },
  });
  await api.call('create another kind', 'POST', path, { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'kind' } });
  await api.call('create another version', 'POST', path, {
    apiVersion: 'v2',
    kind: 'ConfigMap',
    metadata: { name: 'version' },
  });
  await api.call('create without a kind', 'POST', path, { metadata: { name: 'typeless' } });
  await api.call('create in another namespace', 'POST', path, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'other', namespace: 'default' },
  });
  await api.call('create in a missing namespace', 'POST', '/api/v1/namespaces/no-such-namespace/configmaps', map('a'));
  await api.call('create from broken JSON', 'POST', path, '{"apiVersion":');
  await api.call('create from an unknown media type', 'POST', path, 'x', { contentType: 'text/plain' });
  await api.call('create with a value of the wrong type', 'POST', path, map('typed', { data: { n: 1 } }));
  await api.call(
    'create with an unknown field, strict',
    'POST',
    `${path}?fieldValidation=Strict`,
    map('strict', { spec: { a: 1 }, more: 1 }),
  );
  await api.call(
    'create with an unknown field, warned',
    'POST',
    `${path}?fieldValidation=Warn`,
    map('warned', { spec: { a: 1 } }),
  );
  await api.call(
    'create with an unknown field, ignored',
    'POST',
    `${path}?fieldValidation=Ignore`,
    map('ignored', { spec: { a: 1 } }),
  );
  await api.call(
    'create with a duplicate field, strict',
    'POST',
    `${path}?fieldValidation=Strict`,
    '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"twice"},"data":{"a":"1","a":"2"}}',
  );
  await api.call(
    'create from YAML',
    'POST',
    path,
    'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: yaml}\ndata: {k: v}\n',
    { contentType: 'application/yaml' },
  );
  await api.call('create dry', 'POST', `${path}?dryRun=All`, map('dry'));
  await api.call('nothing was stored', 'GET', `${path}/dry`);
  await api.call('dry run with another word', 'POST', `${path}?dryRun=Some`, map('dry'));
  await api.call('an unacceptable answer', 'GET', `${path}/a`, undefined, { accept: 'text/html' });
  await api.call('POST to an object', 'POST', `${path}/a`, map('a'));
  await api.call('PUT to a collection', 'PUT', path, map('a'));
  await updates(api, path, map);
  await immutables(api, namespace, map);
};

type Maker = (name: string | undefined, more?: object) => object;

async function updates(api: Parameters<Cases>[0], path: string, map: Maker): Promise<void> {
  const created = (await api.call('create for updates', 'POST', path, map('u', { data: { x: '1' } }))) as {
    metadata: Record<string, unknown>;
  };
  const { metadata } = created;
  await api.call('update nothing', 'PUT', `${path}/u`, created);
  await api.call('update', 'PUT', `${path}/u`, { ...created, data: { x: '2' } });
  await api.call('update with an old version', 'PUT', `${path}/u`, { ...created, data: { x: '3' } });
  await api.call('update without a version', 'PUT', `${path}/u`, map('u', { data: { x: '4' } }));
  await api.call(
    'update with another uid',
    'PUT',
    `${path}/u`,
    map('u', { metadata: { name: 'u', uid: '11111111-2222-3333-4444-555555555555' } }),
  );
  await api.call('update with another name', 'PUT', `${path}/u`, map('other'));
  await api.call('update without a name', 'PUT', `${path}/u`, map(undefined));
  await api.call('update what is missing', 'PUT', `${path}/missing`, map('missing'));
  await api.call('update what the server owns', 'PUT', `${path}/u`, {
    ...created,
    metadata: {
      ...metadata,
      resourceVersion: undefined,
      creationTimestamp: '2001-01-01T00:00:00Z',
      generation: 7,
      labels: { a: 'b' },
      selfLink: '/x',
    },
  });
  await api.call('update dry', 'PUT', `${path}/u?dryRun=All`, map('u', { data: { x: 'dry' } }));
  await api.call(
    'update with a field manager',
    'PUT',
    `${path}/u?fieldManager=painter`,
    map('u', { data: { colour: 'red' } }),
  );
}

async function immutables(api: Parameters<Cases>[0], namespace: string, map: Maker): Promise<void> {
  const path = `/api/v1/namespaces/${namespace}/configmaps`;
  await api.call('create immutable', 'POST', path, map('fixed', { data: { a: '1' }, immutable: true }));
  await api.call(
    'change an immutable map',
    'PUT',
    `${path}/fixed`,
    map('fixed', { data: { a: '2' }, immutable: true }),
  );
  await api.call('make it mutable', 'PUT', `${path}/fixed`, map('fixed', { data: { a: '1' } }));
  const secrets = `/api/v1/namespaces/${namespace}/secrets`;
  await api.call('a secret with text', 'POST', secrets, {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 's' },
    stringData: { a: 'text' },
    data: { b: 'Yg==' },
  });
  await api.call('a secret with a broken value', 'POST', secrets, {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'broken' },
    data: { b: '!' },
  });
  await api.call('a secret of another type', 'PUT', `${secrets}/s`, {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 's' },
    type: 'example.com/other',
  });
  await api.call('a TLS secret without its parts', 'POST', secrets, {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'tls' },
    type: 'kubernetes.io/tls',
    data: {},
  });
}
