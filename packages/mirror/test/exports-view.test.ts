/** One cluster writes its view, another mirrors from it: the whole way of an export, without Services of the one ever being read by the other. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ENDPOINT_SLICES, LINKS, SERVICES } from '@mesh/kube';
import type { EndpointSlice } from '@mesh/kube';
import { eventually } from '@mesh/kube/testing';
import { ExportHarness } from '../src/testing/export-harness.ts';
import { exportService, Harness, LINK_NAMESPACE } from '../src/testing/harness.ts';

const VIEWS = {
  'federation.mesh.dev/peer': 'home',
  'federation.mesh.dev/export-namespaces': `${LINK_NAMESPACE},mesh-peer-home`,
};
const FLAT = { 'mirror.linkerd.io/exported': 'remote-discovery' };

function slicesOf(harness: Harness, service: string): readonly EndpointSlice[] {
  return harness.home
    .peekAll(ENDPOINT_SLICES)
    .filter(({ metadata }) => metadata.labels?.['kubernetes.io/service-name'] === service);
}

test('a view is mirrored here, and what a policy takes away there goes here', async () => {
  await using harness = new Harness();
  await using west = new ExportHarness(harness.link('west', {}, VIEWS));
  west.peer('home');
  west.service('catalog');
  west.endpoints('catalog', { 'catalog-1': {} });
  west.service('cart', { labels: FLAT });
  west.endpoints('cart', { 'cart-7': { account: 'cart' } });
  const publisher = await west.start();
  const reads = west.api.calls.length;
  await harness.start();
  await eventually('through the gateway', () => harness.ready('shop/catalog-west')['192.0.2.1'] === true);
  const [flat] = await eventually('pod to pod', () => {
    const found = slicesOf(harness, 'cart-west');
    return found.length > 0 && found;
  });
  assert.deepEqual(flat?.endpoints[0]?.addresses, ['10.1.0.7']);
  assert.equal(
    flat.metadata.annotations?.['federation.mesh.dev/identity'],
    'cart.shop.serviceaccount.identity.linkerd.cluster.local',
  );
  assert.ok(
    west.api.calls
      .slice(reads)
      .every(({ verb, resource }) => verb !== 'list' || !/^(services|endpointslices|pods)/.test(resource)),
    'the importer read the view alone',
  );
  west.policy('others', { clusters: ['somebody-else'], serviceSelector: { matchLabels: FLAT } });
  await eventually('taken away', () => harness.home.peek(SERVICES, 'shop/cart-west') === undefined);
  assert.ok(harness.home.peek(SERVICES, 'shop/catalog-west'));
  west.policy('others', { clusters: ['home'], serviceSelector: { matchLabels: FLAT } });
  await eventually('given back, to us alone', () => slicesOf(harness, 'cart-west').length > 0);
  west.endpoints('catalog', { 'catalog-1': { ready: false } });
  await eventually('nobody ready', () => harness.slice('shop/catalog-west')?.endpoints.length === 0);
  assert.ok(publisher.metrics.writesOf('exportedservices', 'update') > 0);
});

test('what changes in a part that is not exported never leaves its cluster', async () => {
  await using harness = new Harness();
  await using west = new ExportHarness(harness.link('west', {}, VIEWS));
  west.service('catalog');
  west.endpoints('catalog', { 'catalog-1': {} });
  west.service('private', { labels: {} });
  const publisher = await west.start();
  const mirror = await harness.start();
  await eventually('mirrored', () => harness.ready('shop/catalog-west')['192.0.2.1'] === true);
  await eventually('at rest', () => mirror.idle && publisher.idle);
  const heard = publisher.metrics.writesOf('exportedservices', 'update');
  for (let change = 0; change < 500; change += 1) {
    west.endpoints('private', { [`private-${change}`]: {} });
    // An exported Service behind the gateway is none of the importer's business either, as long as somebody is ready.
    west.endpoints('catalog', { 'catalog-1': {}, [`catalog-${change + 2}`]: {} });
    if (change % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  west.service('last');
  await eventually('all was heard of', () => harness.service('shop/last-west'));
  assert.equal(publisher.metrics.writesOf('exportedservices', 'update'), heard);
  assert.equal(publisher.metrics.writesOf('exportedendpoints', 'create'), 0);
  assert.ok(harness.home.calls.every(({ key }) => !key.includes('private')));
});

test('a mirror without any Link writes down what its own cluster exports, and shows it in its metrics', async () => {
  await using harness = new Harness();
  exportService(harness.home, 'catalog');
  const mirror = await harness.start();
  const view = new ExportHarness(harness.home);
  await eventually('in the view', () => view.view()['catalog.shop'] === true);
  await eventually('counted', () =>
    mirror.exposeMetrics().includes('mesh_export_services{view="linkerd-multicluster"} 1'),
  );
  assert.match(mirror.exposeMetrics(), /mesh_export_writes_total\{resource="exportedservices",verb="create"\} 1/);
  assert.equal(harness.home.peekAll(LINKS).length, 0);
});

test('a mirrored Service is not exported again', async () => {
  await using harness = new Harness();
  exportService(harness.link('west'), 'catalog');
  await harness.start();
  await eventually('mirrored', () => harness.slice('shop/catalog-west'));
  const mirrored = harness.service('shop/catalog-west');
  assert.ok(mirrored !== undefined);
  const labels = { ...mirrored.metadata.labels, 'mirror.linkerd.io/exported': 'true' };
  harness.home.seed(SERVICES, { ...mirrored, metadata: { ...mirrored.metadata, labels } });
  exportService(harness.home, 'own');
  const view = new ExportHarness(harness.home);
  await eventually('our own is', () => view.view()['own.shop'] === true);
  assert.deepEqual(Object.keys(view.view()), ['own.shop']);
});
