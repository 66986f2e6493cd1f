/** Zones of a gateway's addresses: in every slice that leads to it, gone with an address that dies, back with it, and written once. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ENDPOINT_SLICES, LINKS } from '@mesh/kube';
import type { EndpointSlice } from '@mesh/kube';
import { eventually } from '@mesh/kube/testing';
import { ClusterSet } from '../src/testing/cluster-set.ts';
import { exportService, FEDERATED, Harness, LINK_NAMESPACE, linkObject } from '../src/testing/harness.ts';
import { WAYS } from '../src/testing/peer-exporters.ts';

const [A, B] = ['192.0.2.1', '192.0.2.2'];
const BOTH = { gatewayAddress: `${A},${B}` };
const ANNOTATION = 'federation.mesh.dev/gateway-zones';
const ZONES = { [ANNOTATION]: `${A}=a,${B}=b` };

type Hints = Readonly<Record<string, string>>;
const HINTS: Hints = { [A]: 'a', [B]: 'b' };

/** By ready address: the zones that it is hinted for; "" without a hint. */
function hints(slice: EndpointSlice | undefined): Hints {
  const ready = (slice?.endpoints ?? []).filter(({ conditions }) => conditions?.ready === true);
  return Object.fromEntries(
    ready.map(({ addresses, hints: { forZones = [] } = {} }) => [
      addresses[0] ?? '',
      forZones.map(({ name }) => name).join(),
    ]),
  );
}

const become = (what: string, found: () => EndpointSlice | undefined, wanted: Hints): Promise<boolean> =>
  eventually(what, () => {
    assert.deepEqual(hints(found()), wanted);
    return true;
  });

test('mirrors, mirrors of single pods and federated members have the zones of the Link', async () => {
  await using harness = new Harness();
  const west = harness.link('west', BOTH, ZONES);
  const [way] = WAYS;
  assert.ok(way !== undefined);
  exportService(west, 'catalog');
  exportService(west, 'cart', { labels: FEDERATED });
  way.put(west, {
    name: 'db',
    mode: 'gateway',
    headless: true,
    pods: [{ name: 'db-0', ip: '10.1.0.1', hostname: 'db-0' }],
  });
  await harness.start();
  for (const key of ['shop/catalog-west', 'shop/cart-federated-west', 'shop/db-0-west']) {
    await become(key, () => harness.slice(key), HINTS);
    assert.deepEqual(
      harness.slice(key)?.endpoints.map(({ zone }) => zone),
      ['a', 'b'],
    );
  }
  const { message } = await harness.condition('west', 'GatewayAlive', 'ProbeSucceeded');
  assert.match(message, /192\.0\.2\.1 \(in zone a\), 192\.0\.2\.2 \(in zone b\)/);
});

test('an address that dies takes its hint with it, and has it again when a probe says that it is back', async () => {
  await using harness = new Harness();
  exportService(harness.link('west', BOTH, ZONES), 'catalog');
  await harness.start();
  const mirror = (): EndpointSlice | undefined => harness.slice('shop/catalog-west');
  await become('both', mirror, HINTS);
  harness.gateways.set(A, 'refused');
  await become('one', mirror, { [B]: 'b' });
  assert.equal(mirror()?.endpoints.find(({ addresses }) => addresses[0] === A)?.hints, undefined);
  harness.gateways.set(A, undefined);
  await become('both again', mirror, HINTS);
});

test('an address without a zone silences all, until it is dead or the Link tells its zone too', async () => {
  await using harness = new Harness();
  exportService(harness.link('west', BOTH, { [ANNOTATION]: `${A}=a` }), 'catalog');
  await harness.start();
  const mirror = (): EndpointSlice | undefined => harness.slice('shop/catalog-west');
  await become('no hints', mirror, { [A]: '', [B]: '' });
  harness.gateways.set(B, 'refused');
  await become('only the one with a zone', mirror, { [A]: 'a' });
  harness.gateways.set(B, undefined);
  await become('no hints again', mirror, { [A]: '', [B]: '' });
  harness.home.seed(LINKS, linkObject('west', BOTH, ZONES));
  await become('hints', mirror, HINTS);
  harness.home.seed(LINKS, linkObject('west', BOTH));
  await become('no zones', mirror, { [A]: '', [B]: '' });
});

test('a part of the annotation that is wrong is told, and the others hold', async () => {
  await using harness = new Harness();
  exportService(harness.link('west', BOTH, { [ANNOTATION]: `${A}=a,${B}=b,192.0.2.3=c` }), 'catalog');
  await harness.start();
  const { status, message } = await harness.condition('west', 'Valid', 'InvalidSpec');
  assert.equal(status, 'False');
  assert.match(message, /gateway-zones: "192\.0\.2\.3" is not among the gateway's addresses/);
  await become('hints', () => harness.slice('shop/catalog-west'), HINTS);
});

test('hints that are there are not written again', async () => {
  await using harness = new Harness();
  exportService(harness.link('west', BOTH, ZONES), 'catalog');
  const first = await harness.start();
  await become('hints', () => harness.slice('shop/catalog-west'), HINTS);
  await eventually('idle', () => first.idle);
  await first[Symbol.asyncDispose]();
  const before = harness.home.calls.length;
  const second = await harness.start({ resyncMs: 50 });
  await eventually('leads', () => second.isLeader);
  await harness.condition('west', 'GatewayAlive', 'ProbeSucceeded');
  const probes = harness.gateways.probes;
  await eventually('the next probes', () => harness.gateways.probes >= probes + 2);
  await eventually('idle', () => second.idle);
  const writes = harness.home.calls
    .slice(before)
    .filter(({ verb, resource }) => verb === 'replace' && resource.startsWith('endpointslices'));
  assert.deepEqual(writes, []);
});

test("imports through a gateway have the zones too, also while the peer's API is away", async () => {
  await using set = new ClusterSet(['east', 'west'], {});
  const [east, west] = [set.cluster('east'), set.cluster('west')];
  const link = west.api.peek(LINKS, `${LINK_NAMESPACE}/east`);
  assert.ok(link !== undefined);
  const { metadata, spec } = link;
  west.api.seed(LINKS, {
    metadata: { ...metadata, annotations: { ...metadata.annotations, ...ZONES } },
    spec: { ...spec, ...BOTH },
  });
  east.service('web', { 'web-e': '10.1.0.1' });
  east.export('web');
  await set.start();
  const mesh = (): EndpointSlice | undefined =>
    west.api
      .peekAll(ENDPOINT_SLICES)
      .find(({ metadata: { labels = {} } }) => labels['federation.mesh.dev/path'] === 'mesh');
  await become('hints', mesh, HINTS);
  east.api.goDown();
  await set.stop('west');
  await set.start('west');
  set.gateways.set(A, 'refused');
  await become('the other one', mesh, { [B]: 'b' });
  set.gateways.set(A, undefined);
  await become('hints again', mesh, HINTS);
});
