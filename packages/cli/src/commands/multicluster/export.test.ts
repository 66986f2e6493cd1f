import assert from 'node:assert/strict';
import test from 'node:test';
import { EXPORT_POLICIES, PEERS, SERVICE_EXPORTS, SERVICES } from '@mesh/kube';
import type { FakeApi } from '@mesh/kube/testing';
import { mesh } from '../../testing/harness.ts';
import { installed, MC } from '../../testing/multicluster-cluster.ts';
import { parseManifests } from '../../yaml.ts';

function shop(): FakeApi {
  const api = installed();
  api.seed(SERVICES, {
    metadata: { namespace: 'shop', name: 'catalog', labels: { app: 'catalog' } },
    spec: { ports: [{ name: 'http', port: 80 }, { port: 9000 }] },
  });
  api.seed(PEERS, { metadata: { namespace: MC, name: 'east' }, spec: {} });
  return api;
}

const labels = (api: FakeApi) => api.peek(SERVICES, 'shop/catalog')?.metadata.labels;

test('export labels the Service, and unexport takes the labels back', async () => {
  const api = shop();
  const { code, stdout } = await mesh('mc export shop/catalog', { api });
  assert.equal(code, 0);
  assert.match(stdout, /service shop\/catalog is exported \(gateway\) to all peers/);
  assert.deepEqual(labels(api), { app: 'catalog', 'mirror.linkerd.io/exported': 'true' });
  await mesh('mc export catalog -n shop --mode flat,federated', { api });
  assert.deepEqual(labels(api), {
    app: 'catalog',
    'mirror.linkerd.io/exported': 'remote-discovery',
    'mirror.linkerd.io/federated': 'member',
  });
  await mesh('mc unexport catalog -n shop --mode federated', { api });
  assert.deepEqual(labels(api), { app: 'catalog', 'mirror.linkerd.io/exported': 'remote-discovery' });
  await mesh('mc unexport shop/catalog', { api });
  assert.deepEqual(labels(api), { app: 'catalog' });
});

test('an export for some peers and ports has a policy of its own before the Service is exported', async () => {
  const api = shop();
  const { code } = await mesh('mc export shop/catalog --to east --ports http,9000 --mode gateway,mcs', { api });
  assert.equal(code, 0);
  assert.deepEqual(api.peek(EXPORT_POLICIES, 'shop/catalog')?.spec, {
    serviceSelector: { matchLabels: { 'federation.mesh.dev/export-policy': 'catalog' } },
    clusters: ['east'],
    ports: ['http', 9000],
  });
  assert.equal(labels(api)?.['federation.mesh.dev/export-policy'], 'catalog');
  assert.ok(api.peek(SERVICE_EXPORTS, 'shop/catalog') !== undefined);
  const writes = api.calls.filter(({ verb }) => verb === 'apply' || verb === 'patch').map(({ resource }) => resource);
  assert.equal(writes[0], 'exportpolicies.federation.mesh.dev');
  assert.equal(writes.at(-1), 'services');
  await mesh('mc unexport shop/catalog', { api });
  assert.equal(api.peek(EXPORT_POLICIES, 'shop/catalog'), undefined);
  assert.equal(api.peek(SERVICE_EXPORTS, 'shop/catalog'), undefined);
});

test('a policy that somebody wrote stays', async () => {
  const api = shop();
  api.seed(EXPORT_POLICIES, { metadata: { namespace: 'shop', name: 'catalog' }, spec: { clusters: [] } });
  await mesh('mc unexport shop/catalog', { api });
  assert.ok(api.peek(EXPORT_POLICIES, 'shop/catalog') !== undefined);
  const { code, stderr } = await mesh('mc export shop/catalog --to east', { api });
  assert.equal(code, 1);
  assert.match(stderr, /ExportPolicy shop\/catalog, which somebody else wrote/);
});

test('a dry run prints what would be written and writes nothing', async () => {
  const api = shop();
  const { stdout } = await mesh('mc export shop/catalog --to * --dry-run', { api });
  assert.deepEqual(
    parseManifests(stdout).map(({ kind }) => kind),
    ['Service', 'ExportPolicy'],
  );
  assert.equal(api.writes, 0);
});

test('what cannot be is refused with what would be right', async () => {
  const api = shop();
  api.seed(SERVICES, { metadata: { namespace: 'shop', name: 'outside' }, spec: { type: 'ExternalName' } });
  for (const [flags, message] of [
    ['shop/catalogue', /no Service shop\/catalogue/],
    ['shop/catalog --mode tunnel', /--mode tunnel: give one or several of gateway, flat, federated, mcs/],
    ['shop/catalog --mode gateway,flat', /one way or the other/],
    ['shop/catalog --to north', /--to north: this cluster has no such peer; its peers: east/],
    ['shop/catalog --ports grpc', /--ports grpc: .* its ports: http \(80\), 9000/],
    ['shop/catalog -n other', /--namespace other: shop\/catalog names namespace shop already/],
    ['shop/outside', /ExternalName/],
  ] as const) {
    const { code, stderr } = await mesh(`mc export ${flags}`, { api });
    assert.equal(code, 1);
    assert.match(stderr, message);
  }
  assert.equal(api.writes, 0);
});
