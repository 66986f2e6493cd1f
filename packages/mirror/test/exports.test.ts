/** What this cluster exports lies in the views that peers read, whatever happens, and nothing else does. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ENDPOINT_SLICES,
  EVENTS,
  EXPORT_POLICIES,
  EXPORTED_ENDPOINTS,
  EXPORTED_SERVICES,
  NAMESPACES,
  NODES,
  PEERS,
  PODS,
  SERVICE_EXPORTS,
  SERVICES,
} from '@mesh/kube';
import type { ExportedService } from '@mesh/kube';
import { eventually } from '@mesh/kube/testing';
import { ExportHarness, SHARED_VIEW } from '../src/testing/export-harness.ts';
import type { Publisher } from '../src/testing/export-harness.ts';

const FLAT = { 'mirror.linkerd.io/exported': 'remote-discovery' };
const OFF = {};

async function settled(publisher: Publisher): Promise<void> {
  let idleSinceMs = performance.now();
  await eventually('nothing left to do', () => {
    if (!publisher.idle) idleSinceMs = performance.now();
    return performance.now() - idleSinceMs > 60;
  });
}

test('an exported Service appears in the view, follows its changes, and goes with its label', async () => {
  await using harness = new ExportHarness();
  await harness.start();
  const before = performance.now();
  harness.service('catalog');
  harness.endpoints('catalog', { 'catalog-1': {} });
  await eventually('in the view', () => harness.view()['catalog.shop'] === true);
  assert.ok(performance.now() - before < 1_000, 'within a second');
  harness.service('catalog', { ports: [{ name: 'http', port: 81 }] });
  await eventually('new port', () => harness.ports(`${SHARED_VIEW}/catalog.shop`)?.[0] === 81);
  harness.service('catalog', { labels: OFF });
  await eventually('gone', () => Object.keys(harness.view()).length === 0);
  harness.service('catalog');
  await eventually('back', () => harness.view()['catalog.shop'] === true);
  harness.api.remove(SERVICES, 'shop/catalog');
  await eventually('gone with the Service', () => Object.keys(harness.view()).length === 0);
});

test('a gateway export is written when readiness flips, and pods cost nothing', async () => {
  await using harness = new ExportHarness();
  const publisher = await harness.start();
  harness.service('catalog');
  harness.endpoints('catalog', { 'catalog-1': {} });
  await eventually('ready', () => harness.view()['catalog.shop'] === true);
  await settled(publisher);
  const writes = harness.api.writes;
  for (let pods = 2; pods < 30; pods += 1) {
    harness.endpoints(
      'catalog',
      Object.fromEntries(Array.from({ length: pods }, (_, index) => [`catalog-${index}`, {}])),
    );
  }
  await settled(publisher);
  assert.equal(harness.api.writes, writes);
  assert.equal(harness.api.calls.filter(({ resource }) => resource === 'pods').length, 0, 'pods were never asked for');
  harness.endpoints('catalog', { 'catalog-1': { ready: false } });
  await eventually('not ready', () => harness.view()['catalog.shop'] === false);
  assert.equal(harness.api.writes, writes + 1);
});

test('a flat export has its pods, with identity, and follows them', async () => {
  await using harness = new ExportHarness();
  await harness.start();
  harness.service('catalog', { labels: FLAT });
  harness.endpoints('catalog', { 'catalog-1': { account: 'catalog' }, 'catalog-2': { ready: false } });
  await eventually('both', () => harness.addresses('catalog').length === 2);
  assert.deepEqual(harness.addresses('catalog'), [
    {
      addresses: ['10.1.0.1'],
      ready: true,
      podName: 'catalog-1',
      identity: 'catalog.shop.serviceaccount.identity.linkerd.cluster.local',
      inboundPort: 4143,
    },
    {
      addresses: ['10.1.0.2'],
      ready: false,
      podName: 'catalog-2',
      identity: 'default.shop.serviceaccount.identity.linkerd.cluster.local',
      inboundPort: 4143,
    },
  ]);
  const [chunk] = harness.api.peekAll(EXPORTED_ENDPOINTS);
  assert.equal(chunk?.metadata.labels?.['federation.mesh.dev/exported-service'], 'catalog.shop');
  assert.equal(chunk.metadata.labels['app.kubernetes.io/managed-by'], 'service-mirror.mesh.dev');
  harness.endpoints('catalog', { 'catalog-2': {} });
  await eventually('one left', () => harness.addresses('catalog').length === 1);
  harness.api.remove(PODS, 'shop/catalog-2');
  await eventually(
    'a pod that is gone is out before its slice says so',
    () => harness.addresses('catalog').length === 0,
  );
});

test('a pod of a large Service changes one object', async () => {
  await using harness = new ExportHarness();
  const publisher = await harness.start();
  harness.service('catalog', { labels: FLAT });
  const pods = (broken: number): Record<string, { ready: boolean }> =>
    Object.fromEntries(Array.from({ length: 600 }, (_, index) => [`catalog-${index}`, { ready: index !== broken }]));
  harness.endpoints('catalog', pods(-1));
  await eventually('all', () => harness.addresses('catalog').length === 600);
  await settled(publisher);
  assert.equal(harness.api.peekAll(EXPORTED_ENDPOINTS).length, 3);
  const writes = harness.api.writes;
  harness.endpoints('catalog', pods(400));
  await eventually('one is down', () => harness.addresses('catalog').some(({ ready }) => !ready));
  await settled(publisher);
  assert.equal(harness.api.writes, writes + 1);
});

test('a burst of changes is few writes, of which the first comes at once', async () => {
  await using harness = new ExportHarness();
  const publisher = await harness.start({ coalesceMs: 500 });
  harness.service('catalog', { labels: FLAT });
  harness.endpoints('catalog', {});
  await eventually('in the view', () => 'catalog.shop' in harness.view());
  harness.endpoints('catalog', { 'catalog-0': {} });
  await eventually('first', () => harness.addresses('catalog').length === 1);
  const writes = harness.api.writes;
  for (let count = 1; count <= 60; count += 1) {
    harness.endpoints(
      'catalog',
      Object.fromEntries(Array.from({ length: count }, (_, index) => [`catalog-${index}`, {}])),
    );
    if (count % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  await eventually('all', () => harness.addresses('catalog').length === 60);
  await settled(publisher);
  assert.ok(harness.api.writes - writes <= 10, `${harness.api.writes - writes} writes`);
});

test('endpoints that somebody keeps by hand, and headless Services, are exported too', async () => {
  await using harness = new ExportHarness();
  await harness.start();
  harness.service('legacy', { labels: FLAT });
  harness.api.seed(ENDPOINT_SLICES, {
    metadata: { name: 'legacy-1', namespace: 'shop', labels: { 'kubernetes.io/service-name': 'legacy' } },
    addressType: 'IPv4',
    endpoints: [{ addresses: ['192.0.2.9'] }],
    ports: [{ name: 'http', port: 8080 }],
  });
  harness.service('db', { headless: true });
  harness.endpoints('db', { 'db-0': {} });
  await eventually('by hand', () => harness.addresses('legacy').length === 1);
  assert.deepEqual(harness.addresses('legacy'), [{ addresses: ['192.0.2.9'], ready: true }]);
  await eventually('headless', () => harness.addresses('db').length === 1);
});

test('policies decide which peer sees what, and a change of them acts at once', async () => {
  await using harness = new ExportHarness();
  harness.peer('east');
  harness.peer('west');
  harness.service('catalog', {
    labels: FLAT,
    ports: [
      { name: 'http', port: 80 },
      { name: 'admin', port: 9000 },
    ],
  });
  harness.endpoints('catalog', { 'catalog-1': {} });
  await harness.start();
  await eventually('for everybody', () => 'catalog.shop' in harness.view());
  harness.policy('east-only', { clusters: ['east'], ports: ['http'] });
  await eventually('only for east', () => harness.ports('mesh-peer-east/catalog.shop')?.length === 1);
  await eventually('not for everybody any more', () => !('catalog.shop' in harness.view()));
  assert.deepEqual(harness.view('mesh-peer-west'), {});
  assert.equal(harness.addresses('catalog', 'mesh-peer-east').length, 1);
  assert.equal(harness.addresses('catalog').length, 0, 'addresses went with it');
  harness.policy('everybody-admin', { clusters: ['*'], ports: [9000] });
  await eventually('for everybody in part', () => harness.ports(`${SHARED_VIEW}/catalog.shop`)?.[0] === 9000);
  await eventually('east sees both', () => harness.ports('mesh-peer-east/catalog.shop')?.length === 2);
  harness.api.remove(PEERS, `${SHARED_VIEW}/east`);
  await eventually(
    'nothing is left for a peer that is gone',
    () => !('catalog.shop' in harness.view('mesh-peer-east')),
  );
  harness.api.remove(EXPORT_POLICIES, 'shop/east-only');
  harness.api.remove(EXPORT_POLICIES, 'shop/everybody-admin');
  await eventually('for everybody again', () => harness.ports(`${SHARED_VIEW}/catalog.shop`)?.length === 2);
});

test('a peer without namespace gets its view as soon as there is one', async () => {
  await using harness = new ExportHarness();
  harness.api.seed(PEERS, { metadata: { name: 'east', namespace: SHARED_VIEW }, spec: {} });
  harness.policy('east-only', { clusters: ['east'] });
  harness.service('catalog');
  const publisher = await harness.start();
  const valid = (): string | undefined =>
    harness.peerStatus('east')?.conditions?.find(({ type }) => type === 'Valid')?.reason;
  await eventually('it says so', () => valid() === 'MissingNamespace');
  await settled(publisher);
  harness.namespace('mesh-peer-east');
  await eventually('in the view', () => 'catalog.shop' in harness.view('mesh-peer-east'));
  await eventually('and is well', () => valid() === 'Valid');
});

test('an object of somebody else is never touched, and its place is taken when it goes', async () => {
  await using harness = new ExportHarness();
  const foreign: ExportedService = {
    metadata: { name: 'catalog.shop', namespace: SHARED_VIEW },
    spec: { service: { namespace: 'shop', name: 'catalog' }, modes: ['gateway'], ports: [], ready: true },
  };
  const { resourceVersion } = harness.api.seed(EXPORTED_SERVICES, foreign).metadata;
  harness.service('catalog', { labels: FLAT });
  harness.endpoints('catalog', { 'catalog-1': {} });
  const publisher = await harness.start();
  const note = await eventually('an Event on the Service', () =>
    harness.api.peekAll(EVENTS).find(({ reason }) => reason === 'ExportConflict'),
  );
  assert.equal(note.involvedObject.name, 'catalog');
  assert.match(
    note.message ?? '',
    /ExportedService linkerd-multicluster\/catalog\.shop exists and is not the service mirror's/,
  );
  await settled(publisher);
  const live = (): ExportedService | undefined => harness.api.peek(EXPORTED_SERVICES, `${SHARED_VIEW}/catalog.shop`);
  assert.equal(live()?.metadata.resourceVersion, resourceVersion);
  harness.service('catalog', { labels: OFF });
  await settled(publisher);
  assert.equal(live()?.metadata.resourceVersion, resourceVersion, 'not deleted either');
  harness.service('catalog', { labels: FLAT });
  harness.api.remove(EXPORTED_SERVICES, `${SHARED_VIEW}/catalog.shop`);
  await eventually(
    'ours',
    () => live()?.metadata.labels?.['app.kubernetes.io/managed-by'] === 'service-mirror.mesh.dev',
  );
});

test('objects in namespaces that are no view are not ours, whatever their labels say', async () => {
  await using harness = new ExportHarness();
  harness.api.seed(EXPORTED_SERVICES, {
    metadata: {
      name: 'x.shop',
      namespace: 'shop',
      labels: { 'app.kubernetes.io/managed-by': 'service-mirror.mesh.dev' },
    },
    spec: { service: { namespace: 'shop', name: 'x' }, modes: ['gateway'], ports: [], ready: true },
  });
  const publisher = await harness.start({ resyncMs: 50 });
  harness.service('catalog');
  await eventually('another is published', () => 'catalog.shop' in harness.view());
  await settled(publisher);
  assert.ok(harness.api.peek(EXPORTED_SERVICES, 'shop/x.shop'));
});

test('what is there already is not written again, and what nobody wants any more goes', async () => {
  await using harness = new ExportHarness();
  harness.peer('east');
  harness.service('catalog', { labels: FLAT });
  harness.endpoints('catalog', { 'catalog-1': {} });
  {
    await using first = await harness.start({ renewMs: 3_600_000 });
    await eventually('in the view', () => harness.addresses('catalog').length === 1);
    await eventually('told', () => harness.peerStatus('east')?.exporter?.exports === 1);
    await settled(first);
  }
  const writes = (): number =>
    harness.api.calls.filter(({ verb, resource }) => isWrite(verb) && resource !== 'peers.federation.mesh.dev').length;
  const before = writes();
  const second = await harness.start({ resyncMs: 50 });
  await settled(second);
  assert.equal(writes(), before);
  assert.equal(second.metrics.drift, 0);
  await second[Symbol.asyncDispose]();
  harness.service('catalog', { labels: OFF });
  await harness.start();
  await eventually('what was unexported meanwhile goes', () => harness.api.peekAll(EXPORTED_SERVICES).length === 0);
  await eventually('with its addresses', () => harness.api.peekAll(EXPORTED_ENDPOINTS).length === 0);
});

function isWrite(verb: string): boolean {
  return ['create', 'replace', 'apply', 'patch', 'delete'].includes(verb);
}

test('a difference that no event announced is found, repaired and counted', async () => {
  await using harness = new ExportHarness();
  harness.api.seed(NODES, { metadata: { name: 'node-1', labels: { 'topology.kubernetes.io/zone': 'a' } } });
  harness.service('legacy', { labels: FLAT });
  harness.api.seed(ENDPOINT_SLICES, {
    metadata: { name: 'legacy-1', namespace: 'shop', labels: { 'kubernetes.io/service-name': 'legacy' } },
    addressType: 'IPv4',
    endpoints: [{ addresses: ['192.0.2.9'], nodeName: 'node-1' }],
    ports: [{ name: 'http', port: 8080 }],
  });
  const publisher = await harness.start({ resyncMs: 100 });
  await eventually('zone', () => harness.addresses('legacy')[0]?.zone === 'a');
  await settled(publisher);
  assert.equal(publisher.metrics.drift, 0);
  harness.api.seed(NODES, { metadata: { name: 'node-1', labels: { 'topology.kubernetes.io/zone': 'b' } } });
  await eventually('new zone', () => harness.addresses('legacy')[0]?.zone === 'b');
  await eventually('counted', () => publisher.metrics.drift === 1);
});

test('without the definitions it waits without being in the way, and begins when they come', async () => {
  await using harness = new ExportHarness();
  harness.service('catalog');
  const absent = harness.api.fault({
    code: 'not_found',
    status: 404,
    match: ({ resource }) => resource.endsWith('.federation.mesh.dev') || resource.endsWith('.multicluster.x-k8s.io'),
  });
  const publisher = await harness.start();
  await eventually('asked several times', () => callsOf(harness, 'exportedservices.federation.mesh.dev') > 3);
  assert.ok(callsOf(harness, 'exportedservices.federation.mesh.dev') < 20, 'but not in a busy loop');
  assert.ok(publisher.idle);
  absent[Symbol.dispose]();
  await eventually('in the view', () => 'catalog.shop' in harness.view());
});

test('labels export also where the Multi-Cluster Services API is not installed', async () => {
  await using harness = new ExportHarness();
  harness.service('catalog');
  harness.serviceExport('cart');
  harness.service('cart', { labels: OFF });
  harness.endpoints('cart', { 'cart-1': {} });
  const absent = harness.api.fault({
    code: 'not_found',
    status: 404,
    match: ({ resource }) => resource === 'serviceexports.multicluster.x-k8s.io',
  });
  await harness.start();
  await eventually('by label', () => 'catalog.shop' in harness.view());
  assert.ok(!('cart.shop' in harness.view()));
  absent[Symbol.dispose]();
  await eventually('by ServiceExport, once there are such', () => harness.addresses('cart').length === 1);
  harness.api.remove(SERVICE_EXPORTS, 'shop/cart');
  await eventually('and gone with it', () => !('cart.shop' in harness.view()));
});

function callsOf(harness: ExportHarness, resource: string): number {
  return harness.api.calls.filter((call) => call.resource === resource).length;
}

test('policies that cannot be read show nothing to anybody', async () => {
  await using harness = new ExportHarness();
  harness.policy('nobody', { clusters: [] });
  harness.service('catalog');
  const denied = harness.api.fault({
    code: 'forbidden',
    status: 403,
    match: ({ resource }) => resource === 'exportpolicies.federation.mesh.dev',
  });
  await harness.start();
  await eventually('asked', () => callsOf(harness, 'exportpolicies.federation.mesh.dev') > 2);
  assert.deepEqual(harness.view(), {});
  denied[Symbol.dispose]();
  harness.service('cart');
  harness.policy('nobody', { clusters: [], serviceSelector: { matchLabels: { app: 'none' } } });
  await eventually('readable', () => Object.keys(harness.view()).length === 2);
});

test('a standby writes nothing, knows all it needs, and takes over', async () => {
  await using harness = new ExportHarness();
  harness.service('catalog', { labels: FLAT });
  harness.endpoints('catalog', { 'catalog-1': {} });
  const publisher = await harness.start();
  publisher.isLeader = false;
  // Whatever it may have begun with.
  await settled(publisher);
  for (const { metadata } of harness.api.peekAll(EXPORTED_SERVICES))
    harness.api.remove(EXPORTED_SERVICES, `${metadata.namespace}/${metadata.name}`);
  for (const { metadata } of harness.api.peekAll(EXPORTED_ENDPOINTS))
    harness.api.remove(EXPORTED_ENDPOINTS, `${metadata.namespace}/${metadata.name}`);
  const writes = harness.api.writes;
  harness.endpoints('catalog', { 'catalog-1': {}, 'catalog-2': {} });
  await eventually('its caches are warm', () => publisher.publisher.sources.pod('shop/catalog-2') !== undefined);
  await settled(publisher);
  assert.equal(harness.api.writes, writes);
  publisher.isLeader = true;
  publisher.publisher.leadershipChanged(true);
  await eventually('written', () => harness.addresses('catalog').length === 2);
});

test('a namespace that is being deleted is left alone', async () => {
  await using harness = new ExportHarness();
  harness.peer('east');
  harness.policy('east-only', { clusters: ['east'] });
  harness.service('catalog');
  const publisher = await harness.start();
  await eventually('in the view', () => 'catalog.shop' in harness.view('mesh-peer-east'));
  await settled(publisher);
  harness.api.seed(NAMESPACES, { metadata: { name: 'mesh-peer-east', finalizers: ['kubernetes'] } });
  harness.api.remove(NAMESPACES, 'mesh-peer-east');
  await eventually('seen', () =>
    harness.peerStatus('east')?.conditions?.some(({ reason }) => reason === 'MissingNamespace'),
  );
  harness.api.remove(EXPORTED_SERVICES, 'mesh-peer-east/catalog.shop');
  await settled(publisher);
  assert.deepEqual(harness.view('mesh-peer-east'), {});
});
