/** However the publisher gets there, the views are what they should be: in any order of changes, and with a crash after any write. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ENDPOINT_SLICES, EXPORT_POLICIES, EXPORTED_ENDPOINTS, EXPORTED_SERVICES, PEERS, SERVICES } from '@mesh/kube';
import { eventually } from '@mesh/kube/testing';
import fc from 'fast-check';
import { crashAfterEachWrite, stateOf } from '../src/testing/crash-injection.ts';
import { ExportHarness, SHARED_VIEW } from '../src/testing/export-harness.ts';

const KINDS = [EXPORTED_SERVICES, EXPORTED_ENDPOINTS, PEERS];
const FLAT = { 'mirror.linkerd.io/exported': 'remote-discovery' };

test('exports, restricts and unexports end the same with a crash after each write', { timeout: 300_000 }, async () => {
  const crashes = await crashAfterEachWrite({
    world: () => {
      const harness = new ExportHarness();
      harness.peer('east');
      harness.peer('west');
      harness.service('catalog', { labels: FLAT });
      harness.endpoints(
        'catalog',
        Object.fromEntries(Array.from({ length: 260 }, (_, index) => [`catalog-${index}`, {}])),
      );
      harness.service('cart');
      return harness;
    },
    api: ({ api }) => api,
    start: (harness, client) => harness.start({ renewMs: 3_600_000 }, client),
    act: async (harness) => {
      await eventually(
        'all is there',
        () => harness.addresses('catalog').length === 260 && 'cart.shop' in harness.view(),
      );
      harness.policy('east-only', { clusters: ['east'], serviceSelector: { matchLabels: FLAT } });
      await eventually('only for east', () => harness.addresses('catalog', 'mesh-peer-east').length === 260);
      harness.service('cart', { labels: {} });
      harness.endpoints('catalog', { 'catalog-3': {}, 'catalog-300': {} });
      await eventually('two pods', () => harness.addresses('catalog', 'mesh-peer-east').length === 2);
      await eventually('and the cart is gone', () => Object.keys(harness.view()).length === 0);
    },
    state: ({ api }) => stateOf(api, KINDS),
  });
  assert.ok(crashes > 10, `${crashes} writes`);
});

type Step = (harness: ExportHarness) => void;

const LABELS = [{}, { 'mirror.linkerd.io/exported': 'true' }, FLAT, { 'mirror.linkerd.io/federated': 'member' }];
const name = fc.constantFrom('catalog', 'cart');
const pods = fc.uniqueArray(fc.integer({ min: 0, max: 9 }), { maxLength: 6 });
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.tuple(name, fc.constantFrom(...LABELS), fc.boolean()).map(
    ([service, labels, headless]): Step =>
      (harness) =>
        harness.service(service, { labels, headless }),
  ),
  fc.tuple(name, fc.constantFrom('a', 'b'), pods, fc.boolean()).map(
    ([service, part, ids, ready]): Step =>
      (harness) =>
        harness.endpoints(service, Object.fromEntries(ids.map((id) => [`${service}-${id}`, { ready }])), part),
  ),
  name.map(
    (service): Step =>
      (harness) =>
        harness.api.remove(SERVICES, `shop/${service}`),
  ),
  name.map(
    (service): Step =>
      (harness) =>
        harness.api.remove(ENDPOINT_SLICES, `shop/${service}-a`),
  ),
  name.map(
    (service): Step =>
      (harness) =>
        harness.serviceExport(service),
  ),
  fc.subarray(['east', 'west', '*']).map(
    (clusters): Step =>
      (harness) =>
        harness.policy('p', { clusters }),
  ),
  fc.constant<Step>((harness) => harness.api.remove(EXPORT_POLICIES, 'shop/p')),
  fc.constantFrom('east', 'west').map(
    (peer): Step =>
      (harness) =>
        harness.peer(peer),
  ),
  fc.constantFrom('east', 'west').map(
    (peer): Step =>
      (harness) =>
        harness.api.remove(PEERS, `${SHARED_VIEW}/${peer}`),
  ),
);

/** What readers see, however it is spread over objects. */
function seen(harness: ExportHarness): unknown {
  const views = [SHARED_VIEW, 'mesh-peer-east', 'mesh-peer-west'];
  return {
    services: stateOf(harness.api, [EXPORTED_SERVICES]),
    addresses: views.map((view) => ['catalog', 'cart'].map((service) => harness.addresses(service, view))),
  };
}

test('any sequence of changes ends in the view that a fresh look would give', { timeout: 300_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 15 }), fc.array(fc.boolean()), async (steps, pauses) => {
      await using followed = new ExportHarness();
      const publisher = await followed.start();
      for (const [index, act] of steps.entries()) {
        act(followed);
        if (pauses[index] === true) await new Promise((resolve) => setTimeout(resolve, 5));
      }
      await using fresh = new ExportHarness();
      for (const act of steps) act(fresh);
      const computed = await fresh.start();
      await eventually('the same', () => {
        assert.ok(publisher.idle && computed.idle);
        // The export's time of creation is the API's.
        assert.deepEqual(seen(followed), seen(fresh));
        return true;
      });
    }),
    { numRuns: 40, endOnFailure: true },
  );
});
