import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EXPORT_POLICIES, SERVICE_EXPORTS, SERVICES } from '@mesh/kube';
import type { ExportPolicy, ServiceSpec } from '@mesh/kube';
import { eventually, FakeApi } from '@mesh/kube/testing';
import { silentLogger, systemClock } from '@mesh/runtime';
import { Exports } from './exports.ts';

const EXPORTED = { 'mirror.linkerd.io/exported': 'true' };
const CATALOG = { namespace: 'shop', name: 'catalog', hostname: undefined };

function service(api: FakeApi, name: string, labels: Readonly<Record<string, string>>, spec: ServiceSpec = {}): void {
  const ports = [
    { name: 'http', port: 80 },
    { name: 'admin', port: 9000 },
  ];
  api.seed(SERVICES, { metadata: { name, namespace: 'shop', labels }, spec: { ports, ...spec } });
}

function policy(api: FakeApi, name: string, spec: ExportPolicy['spec']): void {
  api.seed(EXPORT_POLICIES, { metadata: { name, namespace: 'shop' }, spec });
}

async function started(api: FakeApi): Promise<Exports> {
  const exports = new Exports({ client: api.client(), clock: systemClock, logger: silentLogger });
  await exports.start(AbortSignal.timeout(10_000));
  return exports;
}

test('a label exports to every peer, and to clients of unknown clusters', async () => {
  const api = new FakeApi();
  service(api, 'catalog', EXPORTED);
  service(api, 'members', { 'mirror.linkerd.io/federated': 'member' });
  service(api, 'flat', { 'mirror.linkerd.io/exported': 'remote-discovery' });
  service(api, 'private', {});
  await using exports = await started(api);
  const decide = (name: string, port = 80): string => exports.decide({ ...CATALOG, name }, port, undefined);
  assert.equal(decide('catalog'), 'allowed');
  assert.equal(decide('members'), 'allowed');
  assert.equal(decide('flat'), 'allowed');
  assert.deepEqual([decide('private'), decide('absent')], Array(2).fill('not_exported'));
  assert.equal(decide('catalog', 81), 'not_exported');
  assert.equal(exports.count, 3);
});

test('an export policy holds for the Services that it selects, from the moment that it is there', async () => {
  const api = new FakeApi();
  service(api, 'catalog', { ...EXPORTED, app: 'catalog' });
  service(api, 'other', EXPORTED);
  await using exports = await started(api);
  const changes: string[] = [];
  exports.onChange((namespace) => changes.push(namespace));
  const decide = (port: number, peer: string | undefined, name = 'catalog'): string =>
    exports.decide({ ...CATALOG, name }, port, peer);
  policy(api, 'east', { serviceSelector: { matchLabels: { app: 'catalog' } }, clusters: ['east'] });
  policy(api, 'all', { serviceSelector: { matchLabels: { app: 'catalog' } }, clusters: ['*'], ports: ['http'] });
  await eventually(
    'both hold',
    () => decide(9000, 'west') === 'not_exported_to_peer' && decide(80, 'west') === 'allowed',
  );
  assert.equal(decide(9000, 'east'), 'allowed');
  assert.equal(decide(9000, undefined), 'not_exported_to_peer');
  assert.equal(decide(80, undefined), 'allowed');
  assert.equal(decide(9000, 'west', 'other'), 'allowed');
  assert.deepEqual([...new Set(changes)], ['shop']);
  api.remove(EXPORT_POLICIES, 'shop/east');
  api.remove(EXPORT_POLICIES, 'shop/all');
  await eventually('neither holds', () => decide(9000, 'west') === 'allowed');
});

test('a ServiceExport exports a Service without any label, until it goes', async () => {
  const api = new FakeApi();
  service(api, 'catalog', {});
  service(api, 'other', {});
  await using exports = await started(api);
  assert.equal(exports.decide(CATALOG, 80, 'east'), 'not_exported');
  api.seed(SERVICE_EXPORTS, { metadata: { name: 'catalog', namespace: 'shop' } });
  await eventually('exported', () => exports.decide(CATALOG, 80, 'east') === 'allowed');
  assert.equal(exports.decide({ ...CATALOG, name: 'other' }, 80, 'east'), 'not_exported');
  assert.equal(exports.count, 1);
  api.remove(SERVICE_EXPORTS, 'shop/catalog');
  await eventually('gone', () => exports.decide(CATALOG, 80, 'east') === 'not_exported');
});

test('what is an import itself is never exported on, nor what has no endpoints here', async () => {
  const api = new FakeApi();
  service(api, 'mirror', { ...EXPORTED, 'mirror.linkerd.io/mirrored-service': 'true' });
  service(api, 'import', { ...EXPORTED, 'federation.mesh.dev/service-import': 'catalog' });
  service(api, 'external', EXPORTED, { type: 'ExternalName' });
  await using exports = await started(api);
  for (const name of ['mirror', 'import', 'external'])
    assert.equal(exports.decide({ ...CATALOG, name }, 80, 'east'), 'not_exported', name);
  assert.equal(exports.count, 0);
});

test('pods have names of their own where the Service is headless', async () => {
  const api = new FakeApi();
  service(api, 'db', EXPORTED, { clusterIP: 'None' });
  service(api, 'catalog', EXPORTED, { clusterIP: '10.0.0.1' });
  await using exports = await started(api);
  assert.equal(exports.decide({ namespace: 'shop', name: 'db', hostname: 'db-0' }, 80, 'east'), 'allowed');
  assert.equal(exports.decide({ ...CATALOG, hostname: 'catalog-0' }, 80, 'east'), 'not_exported');
});

test('without the definitions of policies and ServiceExports there are none; while they cannot be read, nothing starts', async () => {
  const api = new FakeApi();
  service(api, 'catalog', EXPORTED);
  {
    using _policies = api.fault({ match: ({ resource }) => resource.startsWith('exportpolicies'), code: 'not_found' });
    using _exports = api.fault({ match: ({ resource }) => resource.startsWith('serviceexports'), code: 'not_found' });
    await using exports = await started(api);
    assert.equal(exports.decide(CATALOG, 80, 'east'), 'allowed');
  }
  using fault = api.fault({ match: ({ resource }) => resource.startsWith('exportpolicies'), code: 'forbidden' });
  await using exports = new Exports({ client: api.client(), clock: systemClock, logger: silentLogger });
  let isStarted = false;
  const starting = exports.start(AbortSignal.timeout(30_000)).then(() => (isStarted = true));
  await eventually('asked', () => api.calls.filter(({ resource }) => resource.startsWith('exportpolicies')).length > 3);
  assert.equal(isStarted, false);
  fault[Symbol.dispose]();
  await starting;
});
