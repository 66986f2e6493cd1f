/** Deletion: preconditions, finalizers, grace, collections, dependents. */
import type { ApiCaller } from '../api-caller.ts';
import type { Cases } from '../program.ts';

const MERGE = { contentType: 'application/merge-patch+json' };

export const deletionCases: Cases = async (api, { namespace }) => {
  const path = `/api/v1/namespaces/${namespace}/configmaps`;
  const map = (name: string, metadata: object = {}): object => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, ...metadata },
  });
  await api.send('POST', path, map('a'));
  await api.call('with another uid', 'DELETE', `${path}/a`, {
    preconditions: { uid: '11111111-2222-3333-4444-555555555555' },
  });
  await api.call('with an old version', 'DELETE', `${path}/a`, { preconditions: { resourceVersion: '1' } });
  await api.call('with an unknown policy', 'DELETE', `${path}/a`, { propagationPolicy: 'Sometimes' });
  await api.call('with both ways to orphan', 'DELETE', `${path}/a`, {
    propagationPolicy: 'Orphan',
    orphanDependents: true,
  });
  await api.call('dry', 'DELETE', `${path}/a?dryRun=All`);
  await api.call('for good', 'DELETE', `${path}/a`);
  await api.call('again', 'DELETE', `${path}/a`);
  await api.call(
    'create with finalizers',
    'POST',
    path,
    map('f', { finalizers: ['example.com/one', 'example.com/two'] }),
  );
  await api.call('create with a bad finalizer', 'POST', path, map('bad', { finalizers: ['nonsense'] }));
  await api.call('delete waits', 'DELETE', `${path}/f`);
  await api.call('delete again', 'DELETE', `${path}/f`);
  await api.call('change while it waits', 'PATCH', `${path}/f`, { data: { a: '1' } }, MERGE);
  await api.call(
    'add a finalizer while it waits',
    'PATCH',
    `${path}/f`,
    { metadata: { finalizers: ['example.com/one', 'example.com/three'] } },
    MERGE,
  );
  await api.call('create the same name while it waits', 'POST', path, map('f'));
  await api.call(
    'remove one finalizer',
    'PATCH',
    `${path}/f`,
    { metadata: { finalizers: ['example.com/two'] } },
    MERGE,
  );
  await api.call('remove the last finalizer', 'PATCH', `${path}/f`, { metadata: { finalizers: null } }, MERGE);
  await api.call('it is gone', 'GET', `${path}/f`);
  await pods(api, `/api/v1/namespaces/${namespace}/pods`);
  await collections(api, `/api/v1/namespaces/${namespace}/secrets`);
  await dependents(api, path, map);
  await namespaces(api, namespace, map);
};

async function pods(api: ApiCaller, path: string): Promise<void> {
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p' },
    spec: { schedulerName: 'nobody', automountServiceAccountToken: false, containers: [{ name: 'c', image: 'c:1' }] },
  };
  await api.send('POST', path, pod);
  await api.call('a pod that runs nowhere goes at once', 'DELETE', `${path}/p`);
  await api.send('POST', path, pod);
  await api.call('evict', 'POST', `${path}/p/eviction`, {
    apiVersion: 'policy/v1',
    kind: 'Eviction',
    metadata: { name: 'p' },
  });
  await api.call('evict what is missing', 'POST', `${path}/p/eviction`, {
    apiVersion: 'policy/v1',
    kind: 'Eviction',
    metadata: { name: 'p' },
  });
}

async function collections(api: ApiCaller, path: string): Promise<void> {
  for (const name of ['a', 'b', 'c']) {
    await api.send('POST', path, {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name, labels: { go: name === 'c' ? 'no' : 'yes' } },
    });
  }
  await api.call('a collection by label', 'DELETE', `${path}?labelSelector=go%3Dyes`);
  await api.call('what is left', 'GET', path, undefined, {
    keep: (body) => (body as { items: { metadata: { name: string } }[] }).items.map((item) => item.metadata.name),
  });
}

async function dependents(
  api: ApiCaller,
  path: string,
  map: (name: string, metadata?: object) => object,
): Promise<void> {
  const owner = async (name: string): Promise<string> => {
    const { text } = await api.send('POST', path, map(name));
    return (JSON.parse(text) as { metadata: { uid: string } }).metadata.uid;
  };
  const reference = (name: string, uid: string, more: object = {}): object => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    name,
    uid,
    ...more,
  });
  const missing = (_body: unknown, code: number): boolean => code === 404;
  const background = await owner('background');
  await api.send('POST', path, map('background-child', { ownerReferences: [reference('background', background)] }));
  await api.call('background', 'DELETE', `${path}/background`, { propagationPolicy: 'Background' });
  await api.until('its child goes', `${path}/background-child`, missing);
  const foreground = await owner('foreground');
  await api.send(
    'POST',
    path,
    map('foreground-child', {
      finalizers: ['example.com/hold'],
      ownerReferences: [reference('foreground', foreground, { blockOwnerDeletion: true, controller: true })],
    }),
  );
  await api.call('foreground', 'DELETE', `${path}/foreground`, { propagationPolicy: 'Foreground' });
  await api.until(
    'its child is going',
    `${path}/foreground-child`,
    (body) => (body as { metadata: { deletionTimestamp?: string } }).metadata.deletionTimestamp !== undefined,
  );
  await api.call('the owner waits', 'GET', `${path}/foreground`);
  await api.send('PATCH', `${path}/foreground-child`, { metadata: { finalizers: null } }, MERGE);
  await api.until('the owner goes after its child', `${path}/foreground`, missing);
  const orphan = await owner('orphan');
  await api.send('POST', path, map('orphan-child', { ownerReferences: [reference('orphan', orphan)] }));
  await api.call('orphan', 'DELETE', `${path}/orphan`, { propagationPolicy: 'Orphan' });
  await api.until('the orphaned owner goes', `${path}/orphan`, missing);
  await api.call('its child stays, free', 'GET', `${path}/orphan-child`);
  const one = await owner('one');
  const two = await owner('two');
  await api.send('POST', path, map('shared', { ownerReferences: [reference('one', one), reference('two', two)] }));
  await api.send('DELETE', `${path}/one`);
  await api.until(
    'one of two owners goes',
    `${path}/shared`,
    (body) => (body as { metadata: { ownerReferences: unknown[] } }).metadata.ownerReferences.length === 1,
  );
  await api.call(
    'two controllers',
    'POST',
    path,
    map('controlled', {
      ownerReferences: [reference('two', two, { controller: true }), reference('two', `${two}x`, { controller: true })],
    }),
  );
  await api.call(
    'a reference without a name',
    'POST',
    path,
    map('nameless', { ownerReferences: [{ apiVersion: 'v1', kind: 'ConfigMap', uid: two }] }),
  );
}

async function namespaces(
  api: ApiCaller,
  namespace: string,
  map: (name: string, metadata?: object) => object,
): Promise<void> {
  const other = `${namespace}-gone`;
  const path = `/api/v1/namespaces/${other}`;
  const shown = (body: unknown): unknown => {
    const { metadata, spec, status } = body as {
      metadata: Record<string, unknown>;
      spec: unknown;
      status: { phase: string };
    };
    // Conditions come one by one while the namespace empties.
    return {
      metadata: {
        name: metadata['name'],
        deleting: metadata['deletionTimestamp'] !== undefined,
        labels: metadata['labels'],
      },
      spec,
      phase: status?.phase,
    };
  };
  await api.call('a namespace', 'POST', '/api/v1/namespaces', {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: other },
  });
  await api.send('POST', `${path}/configmaps`, map('held', { finalizers: ['example.com/hold'] }));
  await api.call('deleting a namespace', 'DELETE', path, undefined, { keep: shown });
  await api.call('create in a terminating namespace', 'POST', `${path}/configmaps`, map('late'));
  await api.call('the namespace waits', 'GET', path, undefined, { keep: shown });
  await api.until(
    'what is in it is going',
    `${path}/configmaps/held`,
    (body) => (body as { metadata: { deletionTimestamp?: string } }).metadata.deletionTimestamp !== undefined,
  );
  await api.send('PATCH', `${path}/configmaps/held`, { metadata: { finalizers: null } }, MERGE);
  await api.until('the namespace goes when it is empty', path, (_body, code) => code === 404);
  await api.call('a protected namespace', 'DELETE', '/api/v1/namespaces/default');
}
