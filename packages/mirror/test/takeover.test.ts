/** A leader that dies without a word: its standby knows everything already, and goes on. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KubeError } from '@mesh/kube';
import type { KubeClient } from '@mesh/kube';
import { eventually } from '@mesh/kube/testing';
import { exportService, Harness } from '../src/testing/harness.ts';

/** A client whose process can be killed: calls fail from then on, and watches break. */
function mortal(client: KubeClient): { readonly client: KubeClient; readonly kill: () => void } {
  let isDead = false;
  const proxy = new Proxy(client, {
    get(target, property) {
      if (isDead) throw new KubeError({ code: 'unreachable', object: '', status: 0 }, 'the process is dead');
      const value: unknown = Reflect.get(target, property, target);
      return typeof value === 'function' ? (value as (...args: unknown[]) => unknown).bind(target) : value;
    },
  });
  const kill = (): void => {
    isDead = true;
    client[Symbol.dispose]();
  };
  return { client: proxy, kill };
}

test('a standby takes over within five seconds of the death of the leader, and repairs what was left half done', async () => {
  await using harness = new Harness();
  const west = harness.link('west', { gatewayAddress: '192.0.2.1,192.0.2.2' });
  exportService(west, 'catalog');
  const { client, kill } = mortal(harness.home.client());
  // A quarter of the production's times: the rest of the five seconds is for slow machines.
  const lease = { leaseDurationMs: 1_000, leaseRenewMs: 250 };
  const leader = await harness.start(lease, client);
  await eventually('mirror', () => harness.slice('shop/catalog-west'));
  const standby = await harness.start(lease);
  await eventually('the standby is warm', () => !standby.isLeader && leader.isLeader);
  kill();
  const before = performance.now();
  exportService(west, 'cart');
  exportService(west, 'catalog', { labels: {} });
  harness.gateways.set('192.0.2.2', 'refused');
  await eventually('new mirror', () => harness.slice('shop/cart-west'));
  await eventually('old one is gone', () => harness.service('shop/catalog-west') === undefined);
  assert.ok(performance.now() - before < 5_000, `${performance.now() - before} ms`);
  assert.equal(standby.isLeader, true);
  await eventually('gateway known', () => harness.ready('shop/cart-west')['192.0.2.2'] === false);
});
