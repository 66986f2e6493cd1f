import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CONFIG_MAPS, PODS } from '@mesh/kube';
import { eventually, FakeApi } from '@mesh/kube/testing';
import { silentLogger, systemClock } from '@mesh/runtime';
import { followExports } from './follow-exports.ts';
import { parseLink } from './link-plan.ts';
import type { RemoteCluster } from './remote-cluster.ts';
import { linkObject } from './testing/harness.ts';
import { podIdentity, throughServices, throughView, WAYS } from './testing/peer-exporters.ts';
import { remoteCompliance } from './testing/remote-compliance.ts';

for (const way of WAYS) remoteCompliance(way);

function follow(api: FakeApi, annotations: Readonly<Record<string, string>>): RemoteCluster {
  const { plan } = parseLink(linkObject('west', {}, annotations));
  assert.ok(plan);
  const remote = followExports(
    plan,
    { client: api.client(), clock: systemClock, logger: silentLogger },
    { onService: () => undefined, onStatus: () => undefined },
  );
  remote.run();
  return remote;
}

const POD = { name: 'web-0', ip: '10.1.0.1' };

test('what a peer shows to us alone replaces what it shows to all', async () => {
  const api = new FakeApi();
  const annotations = {
    'federation.mesh.dev/peer': 'east',
    'federation.mesh.dev/export-namespaces': 'mesh-peer-east,linkerd-multicluster',
  };
  const shared = throughView('linkerd-multicluster', annotations);
  const own = throughView('mesh-peer-east', annotations);
  shared.put(api, { name: 'web', mode: 'flat', ports: [{ name: 'http', port: 80 }], pods: [POD] });
  own.put(api, {
    name: 'web',
    mode: 'flat',
    ports: [
      { name: 'http', port: 80 },
      { name: 'admin', port: 9000 },
    ],
    pods: [POD],
  });
  await using remote = follow(api, annotations);
  await eventually(
    'own view',
    () => remote.synced && remote.get('flat', 'shop/web')?.service.spec?.ports?.length === 2,
  );
  assert.equal(remote.get('flat', 'shop/web')?.endpoints.length, 1);
  assert.deepEqual(remote.keys('flat'), ['shop/web']);
  own.remove(api, 'web');
  await eventually('shared view', () => remote.get('flat', 'shop/web')?.service.spec?.ports?.length === 1);
});

test('a peer that shows no views is named, with what to do', async () => {
  const api = new FakeApi();
  api.fault({ code: 'not_found', status: 404, match: ({ resource }) => resource.startsWith('exported') });
  await using remote = follow(api, { 'federation.mesh.dev/export-namespaces': 'linkerd-multicluster' });
  const error = await eventually('error', () => remote.error);
  assert.match(error.message, /knows no ExportedServices .*install this mesh's multicluster extension there/);
  assert.equal(remote.synced, false);
});

test('pods are followed only where addresses count', async () => {
  const api = new FakeApi();
  throughServices.put(api, { name: 'web', mode: 'gateway', pods: [POD] });
  await using remote = follow(api, {});
  await eventually('known', () => remote.get('gateway', 'shop/web')?.isKnown);
  assert.ok(!api.calls.some(({ resource }) => resource === 'pods' || resource === 'configmaps'));
});

test('without identities of its pods a Service is not known, since it would be reached in the clear', async () => {
  const api = new FakeApi();
  const lift = api.fault({ code: 'forbidden', status: 403, match: ({ resource }) => resource === 'configmaps' });
  throughServices.put(api, { name: 'web', mode: 'flat', pods: [POD] });
  await using remote = follow(api, {});
  await eventually('asked', () => remote.get('flat', 'shop/web')?.isKnown === false && remote.error !== undefined);
  lift[Symbol.dispose]();
  await eventually('known', () => remote.get('flat', 'shop/web')?.isKnown);
  assert.equal(remote.get('flat', 'shop/web')?.endpoints[0]?.endpoints[0]?.identity, podIdentity());
});

test('a pod that is not known yet gets no traffic, and a port that passes its sidecar by is not meshed', async () => {
  const api = new FakeApi();
  throughServices.put(api, {
    name: 'web',
    mode: 'flat',
    ports: [
      { name: 'http', port: 80 },
      { name: 'raw', port: 9000 },
    ],
    pods: [POD, { name: 'late', ip: '10.1.0.2' }],
  });
  const late = api.peek(PODS, 'shop/late')!;
  api.remove(PODS, 'shop/late');
  await using remote = follow(api, {});
  await eventually('one', () => remote.get('flat', 'shop/web')?.endpoints[0]?.endpoints.length === 1);
  const annotations = { 'config.linkerd.io/skip-inbound-ports': '9000' };
  api.seed(PODS, { ...late, metadata: { ...late.metadata, annotations } });
  const groups = await eventually('two', () => {
    const { endpoints = [] } = remote.get('flat', 'shop/web') ?? {};
    return endpoints[0]?.endpoints.length === 2 && endpoints;
  });
  assert.deepEqual(
    groups.map(({ ports, endpoints }) => [ports[0]?.name, endpoints.map(({ identity }) => identity !== undefined)]),
    [
      ['http', [true, true]],
      ['raw', [true, false]],
    ],
  );
});

test('the trust domain of a peer that does not say it is that of its gateway', async () => {
  const api = new FakeApi();
  throughServices.put(api, { name: 'web', mode: 'flat', pods: [POD] });
  api.remove(CONFIG_MAPS, 'linkerd/linkerd-config');
  await using remote = follow(api, {});
  const found = await eventually('known', () => remote.get('flat', 'shop/web')?.endpoints[0]?.endpoints[0]);
  assert.equal(found.identity, 'default.shop.serviceaccount.identity.linkerd.cluster.local');
});
