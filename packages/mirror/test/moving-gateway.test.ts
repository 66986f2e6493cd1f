/** A gateway whose addresses change: no gap, no address that nobody probed, no new connections to those that left. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LINKS } from '@mesh/kube';
import { eventually } from '@mesh/kube/testing';
import { exportService, Harness, linkObject } from '../src/testing/harness.ts';

const MIRROR = 'shop/catalog-west';
const OLD = '192.0.2.50';
const NEW = '192.0.2.60';

test('the old address serves until the new one was probed, and is drained then', async () => {
  await using harness = new Harness();
  exportService(harness.link('west', { gatewayAddress: OLD }), 'catalog');
  await harness.start();
  await eventually('alive', () => harness.ready(MIRROR)[OLD] === true);
  harness.gateways.set(NEW, 'refused');
  harness.home.seed(LINKS, linkObject('west', { gatewayAddress: NEW }));
  await eventually('the new one is there', () => harness.ready(MIRROR)[NEW] === false);
  assert.equal(harness.ready(MIRROR)[OLD], true);
  harness.gateways.set(NEW, undefined);
  await eventually('moved', () => harness.ready(MIRROR)[NEW] === true);
  await eventually('drained', () => harness.ready(MIRROR)[OLD] === false);
  const old = harness.slice(MIRROR)?.endpoints?.find(({ addresses }) => addresses.includes(OLD));
  assert.deepEqual(old?.conditions, { ready: false, serving: true, terminating: true });
});
