/** What stays and what goes, in every mode: Links deleted while nobody looks or while their peer is gone, peers that cannot be read, namespaces that are missing. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ENDPOINT_SLICES, LINKS, NAMESPACES, SERVICES } from '@mesh/kube';
import type { Link } from '@mesh/kube';
import { eventually } from '@mesh/kube/testing';
import { FEDERATED, Harness, LINK_NAMESPACE } from '../src/testing/harness.ts';
import { addressesOf, dbPods, POD, slicesOf } from '../src/testing/mode-views.ts';
import { WAYS } from '../src/testing/peer-exporters.ts';
import type { PeerExporter } from '../src/testing/peer-exporters.ts';

const [ANY] = WAYS as readonly [PeerExporter];

test('a Link that was deleted while no mirror ran leaves nothing behind, whatever its mode', async () => {
  await using harness = new Harness();
  const west = harness.link('west', {}, { 'federation.mesh.dev/path': 'flat' });
  ANY.put(west, { name: 'db', mode: 'gateway', headless: true, pods: dbPods(2) });
  ANY.put(west, { name: 'web', mode: 'flat', pods: POD });
  ANY.put(west, { name: 'all', mode: 'federated', pods: POD });
  const first = await harness.start();
  await eventually('all', () => harness.home.peekAll(SERVICES).length === 5);
  await eventually(
    'slices',
    () => slicesOf(harness, 'all-federated').length === 1 && slicesOf(harness, 'db-west').length === 1,
  );
  await first[Symbol.asyncDispose]();
  // Gone without its finalizer, as if somebody had forced it.
  const link = harness.home.peek(LINKS, `${LINK_NAMESPACE}/west`)!;
  harness.home.seed<Link>(LINKS, { ...link, metadata: { ...link.metadata, finalizers: [] } });
  harness.home.remove(LINKS, `${LINK_NAMESPACE}/west`);
  await harness.start();
  await eventually(
    'nothing',
    () => harness.home.peekAll(SERVICES).length === 0 && harness.home.peekAll(ENDPOINT_SLICES).length === 0,
  );
});

test('a deleted Link takes everything with it while its peer is gone for good, whatever its mode', async () => {
  await using harness = new Harness();
  const west = harness.link('west', {}, { 'federation.mesh.dev/path': 'flat' });
  ANY.put(west, { name: 'db', mode: 'gateway', headless: true, pods: dbPods(2) });
  ANY.put(west, { name: 'web', mode: 'flat', pods: POD });
  ANY.put(west, { name: 'all', mode: 'federated', pods: POD });
  await harness.start();
  await eventually('all', () => harness.home.peekAll(SERVICES).length === 5);
  west.goDown();
  await harness.condition('west', 'Reachable', 'Unreachable');
  assert.equal(harness.home.peekAll(SERVICES).length, 5);
  harness.home.remove(LINKS, `${LINK_NAMESPACE}/west`);
  await eventually('Link gone', () => harness.home.peek(LINKS, `${LINK_NAMESPACE}/west`) === undefined);
  assert.equal(harness.home.peekAll(SERVICES).length, 0);
  assert.equal(harness.home.peekAll(ENDPOINT_SLICES).length, 0);
});

test('a mirror that starts while the peer is unreachable leaves flat and headless mirrors as they are', async () => {
  await using harness = new Harness();
  const west = harness.link('west');
  ANY.put(west, { name: 'db', mode: 'gateway', headless: true, pods: dbPods(2) });
  ANY.put(west, { name: 'web', mode: 'flat', pods: POD });
  const first = await harness.start();
  await eventually(
    'all',
    () => harness.home.peekAll(SERVICES).length === 4 && slicesOf(harness, 'web-west').length === 1,
  );
  await eventually('idle', () => first.idle);
  await first[Symbol.asyncDispose]();
  west.goDown();
  const second = await harness.start();
  await harness.condition('west', 'Reachable', 'Unreachable');
  await eventually('idle', () => second.isLeader && second.idle);
  assert.equal(harness.home.peekAll(SERVICES).length, 4);
  assert.equal(slicesOf(harness, 'web-west').length, 1);
  assert.equal(second.metrics.writesOf('services', 'delete'), 0);
});

test('a Link that begins to read a view keeps its mirrors on the way', async () => {
  await using harness = new Harness();
  const west = harness.link('west');
  const [labels, view] = WAYS as readonly [PeerExporter, PeerExporter];
  for (const way of [labels, view]) way.put(west, { name: 'web', mode: 'flat', pods: POD });
  const mirror = await harness.start();
  await eventually('mirror', () => slicesOf(harness, 'web-west').length === 1);
  const link = harness.home.peek(LINKS, `${LINK_NAMESPACE}/west`)!;
  harness.home.seed(LINKS, { ...link, metadata: { ...link.metadata, annotations: view.annotations } });
  view.put(west, { name: 'web', mode: 'flat', pods: [...POD, { name: 'web-b', ip: '10.1.0.2' }] });
  await eventually('from the view', () => '10.1.0.2' in addressesOf(harness, 'web-west'));
  assert.equal(mirror.metrics.writesOf('services', 'delete'), 0);
  assert.equal(mirror.metrics.writesOf('endpointslices', 'delete'), 0);
});

test('a namespace that is missing here holds back every mode, until it is made', async () => {
  await using harness = new Harness();
  const west = harness.link('west');
  harness.home.remove(NAMESPACES, 'shop');
  ANY.put(west, { name: 'db', mode: 'gateway', headless: true, pods: dbPods(1) });
  ANY.put(west, { name: 'web', mode: 'flat', pods: POD });
  ANY.put(west, { name: 'all', mode: 'federated', labels: FEDERATED, pods: POD });
  await harness.start();
  for (const name of ['db', 'web']) await harness.item('west', name, 'MissingNamespace');
  await harness.item('west', 'all', 'MissingNamespace', 'federatedServices');
  harness.home.seed(NAMESPACES, { metadata: { name: 'shop' } });
  for (const name of ['db', 'web']) await harness.item('west', name, 'Mirrored');
  await harness.item('west', 'all', 'Mirrored', 'federatedServices');
});
