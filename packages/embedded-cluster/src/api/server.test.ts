import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { silentLogger } from '@mesh/runtime';
import { ApiServer } from './server.ts';
import { hasReason } from './status-error.ts';
import type { KubeObject, WatchEvent } from './types.ts';

const PODS = { group: '', version: 'v1', plural: 'pods' };
const CONFIG_MAPS = { group: '', version: 'v1', plural: 'configmaps' };

async function startServer(dataFolder?: string): Promise<ApiServer> {
  const server = new ApiServer({
    name: 'test',
    address: { host: '127.0.0.1', port: 0 },
    serviceCidr: '10.96.0.0/16',
    log: silentLogger,
    dataFolder,
  });
  await server.start(AbortSignal.timeout(10_000));
  return server;
}

function configMap(name: string, data: Record<string, string>, labels?: Record<string, string>): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, namespace: 'default', ...(labels ? { labels } : {}) },
    data,
  };
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 5000;
  while (!condition()) {
    assert.ok(Date.now() < deadline, 'condition not met in 5 s');
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test('an object is created, read, changed under a version check, listed and deleted', async () => {
  await using server = await startServer();
  const client = server.client();
  const created = await client.create(CONFIG_MAPS, configMap('a', { x: '1' }));
  assert.match(created.metadata.uid ?? '', /^[0-9a-f-]{36}$/);
  const changed = await client.update(CONFIG_MAPS, { ...created, data: { x: '2' } });
  assert.ok(Number(changed.metadata.resourceVersion) > Number(created.metadata.resourceVersion));
  await assert.rejects(client.update(CONFIG_MAPS, { ...created, data: { x: '3' } }), (error) =>
    hasReason(error, 'Conflict'),
  );
  const list = await client.list(CONFIG_MAPS, { namespace: 'default', fieldSelector: 'metadata.name=a' });
  assert.equal(list.items.length, 1);
  await client.delete(CONFIG_MAPS, 'default', 'a');
  await assert.rejects(client.get(CONFIG_MAPS, 'default', 'a'), (error) => hasReason(error, 'NotFound'));
});

test('a watch resumes from a version and sees objects enter and leave its selection', async () => {
  await using server = await startServer();
  const client = server.client();
  const first = await client.create(CONFIG_MAPS, configMap('a', {}, { on: 'no' }));
  const events: WatchEvent[] = [];
  const stop = new AbortController();
  const ended = client.watch(
    CONFIG_MAPS,
    { namespace: 'default', labelSelector: 'on=yes', resourceVersion: first.metadata.resourceVersion },
    (event) => events.push(event),
    stop.signal,
  );
  await client.patch(CONFIG_MAPS, 'default', 'a', { type: 'merge', body: { metadata: { labels: { on: 'yes' } } } });
  await client.patch(CONFIG_MAPS, 'default', 'a', { type: 'merge', body: { data: { k: 'v' } } });
  await client.patch(CONFIG_MAPS, 'default', 'a', { type: 'merge', body: { metadata: { labels: { on: 'no' } } } });
  await until(() => events.length === 3);
  assert.deepEqual(
    events.map((event) => event.type),
    ['ADDED', 'MODIFIED', 'DELETED'],
  );
  stop.abort();
  await ended;
});

test('a watch from forgotten history ends with 410', async () => {
  await using server = await startServer();
  const events: WatchEvent[] = [];
  await server
    .client()
    .watch(CONFIG_MAPS, { resourceVersion: '1' }, (event) => events.push(event), AbortSignal.timeout(5000));
  assert.equal(events[0]?.type, 'ERROR');
  assert.equal(events[0]?.object['code'], 410);
});

test('an object with a finalizer goes when the last finalizer is removed', async () => {
  await using server = await startServer();
  const client = server.client();
  const object = configMap('held', {});
  object.metadata.finalizers = ['example.com/hold'];
  await client.create(CONFIG_MAPS, object);
  const pending = (await client.delete(CONFIG_MAPS, 'default', 'held')) as KubeObject;
  assert.ok(pending.metadata.deletionTimestamp);
  await client.patch(CONFIG_MAPS, 'default', 'held', { type: 'merge', body: { metadata: { finalizers: null } } });
  await assert.rejects(client.get(CONFIG_MAPS, 'default', 'held'), (error) => hasReason(error, 'NotFound'));
});

test('a scheduled pod terminates gracefully and goes at once with grace zero', async () => {
  await using server = await startServer();
  const client = server.client();
  await client.create(
    { group: '', version: 'v1', plural: 'serviceaccounts' },
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default', namespace: 'default' } },
  );
  await client.create(PODS, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', namespace: 'default' },
    spec: { nodeName: 'n', containers: [{ name: 'c', image: 'i' }] },
  });
  const pending = (await client.delete(PODS, 'default', 'p')) as KubeObject;
  assert.equal(pending.metadata.deletionGracePeriodSeconds, 30);
  await client.delete(PODS, 'default', 'p', { gracePeriodSeconds: 0 });
  await assert.rejects(client.get(PODS, 'default', 'p'), (error) => hasReason(error, 'NotFound'));
});

test('pages of one list show one moment', async () => {
  await using server = await startServer();
  const client = server.client();
  for (const name of ['a', 'b', 'c', 'd']) await client.create(CONFIG_MAPS, configMap(name, {}));
  const first = await client.list(CONFIG_MAPS, { namespace: 'default', limit: 2 });
  await client.delete(CONFIG_MAPS, 'default', 'c');
  await client.create(CONFIG_MAPS, configMap('e', {}));
  const second = await client.list(CONFIG_MAPS, { namespace: 'default', limit: 5, continue: first.metadata.continue });
  assert.deepEqual(
    second.items.map((item) => item.metadata.name),
    ['c', 'd'],
  );
  assert.equal(second.metadata.continue, undefined);
});

test('a restarted server with a data folder continues state and versions', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'api-journal-'));
  try {
    let version: string | undefined;
    {
      await using server = await startServer(folder);
      const created = await server.client().create(CONFIG_MAPS, configMap('kept', { x: '1' }));
      version = created.metadata.resourceVersion;
    }
    await using server = await startServer(folder);
    const again = await server.client().get(CONFIG_MAPS, 'default', 'kept');
    assert.equal(again.metadata.resourceVersion, version);
    const next = await server.client().create(CONFIG_MAPS, configMap('next', {}));
    assert.ok(Number(next.metadata.resourceVersion) > Number(version));
  } finally {
    rmSync(folder, { recursive: true });
  }
});
