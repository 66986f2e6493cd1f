import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { forwardedElement, HOPS_MAX, isLoop, passedGateways } from './forwarded.ts';

const OWN = 'linkerd-gateway.mc.serviceaccount.identity.linkerd.cluster.local';
const CLIENT = 'web.shop.serviceaccount.identity.linkerd.cluster.local';

test('an element says who forwards, in which cluster, for whom, and what was asked for', () => {
  const hop = { by: OWN, client: CLIENT, host: 'catalog.shop.svc.cluster.local:80' };
  const bare = `by=${OWN};for=${CLIENT};host="catalog.shop.svc.cluster.local:80";proto=https`;
  assert.equal(forwardedElement({ ...hop, cluster: 'west' }), `${bare};cluster=west`);
  assert.equal(forwardedElement({ ...hop, cluster: '' }), bare);
});

test('gateways are counted in any element, any case, with or without quotes; programs that forward are not', () => {
  assert.deepEqual(passedGateways(undefined), { hops: 0, clusters: [] });
  assert.deepEqual(passedGateways('for=browser, by=nginx;for=10.0.0.1, for="by=x;cluster=y"'), {
    hops: 0,
    clusters: [],
  });
  const field = `for=x;by=_proxy, for=y;BY="${OWN.toUpperCase()}";cluster=East, by=${OWN};for="a,b;cluster=no";Cluster="west"`;
  assert.deepEqual(passedGateways(field), { hops: 2, clusters: ['east', 'west'] });
  assert.equal(passedGateways('by="spiffe://east.example/ns/mc/sa/gateway"').hops, 1);
});

test('a quote that nobody closed hides no gateway behind it', () => {
  assert.equal(passedGateways(`for="x, by=${OWN};for=y;proto=https;cluster=west`).hops, 1);
});

test('one gateway too many is a loop, and so is the own cluster; the same identity elsewhere is not', () => {
  const passed = (count: number): ReturnType<typeof passedGateways> =>
    passedGateways(Array.from({ length: count }, (_, at) => `by=${OWN};cluster=c${at}`).join(', '));
  assert.equal(isLoop(passed(HOPS_MAX - 1), 'west'), false);
  assert.equal(isLoop(passed(HOPS_MAX), 'west'), true);
  assert.equal(isLoop(passed(1), 'c0'), true);
  assert.equal(isLoop(passed(1), ''), false);
});

test('no value breaks the element that we write or crashes the reader', () => {
  fc.assert(
    fc.property(fc.string(), fc.stringMatching(/^[ -~]*$/), (field, value) => {
      passedGateways(field);
      const element = forwardedElement({ by: OWN, cluster: value, client: value, host: 'h' });
      const { hops, clusters } = passedGateways(`${element}, ${element}`);
      assert.equal(hops, 2);
      assert.deepEqual(clusters, value === '' ? [] : [value.toLowerCase(), value.toLowerCase()]);
    }),
  );
});
