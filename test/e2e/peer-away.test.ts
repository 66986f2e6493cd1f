/**
 * A peer whose API server, whose gateway, or of which everything goes away and comes back, and one that cannot make up its mind: what is known is
 * served on, what is not true any more is said, and afterwards everything is as it should be.
 */
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { rolloutDone } from '../../scripts/home/rollout.ts';
import { MC_NAMESPACE } from '../../scripts/home/install-mesh.ts';
import { killWorkload, labelService, scale, serviceExists } from '../../scripts/home/shop.ts';
import { pause } from '../../scripts/home/wait.ts';
import { bound, failures, Federation, patience, until } from './federation.ts';

const EXPORTED = 'mirror.linkerd.io/exported';
/** A flap each three seconds: twenty a minute. */
const FLAP_MS = 3_000;
const FLAPS = 7;

suite('a peer away', () => {
  let federation: Federation;

  before(async () => {
    federation = await Federation.open();
    await federation.deployShops();
    await federation.linkBoth();
    await labelService(federation.west, 'catalog', { [EXPORTED]: 'true' });
    await serviceExists(federation.east, 'catalog-west', true);
    await federation.customer('load', { home: 'http://web/', west: 'http://web/browse?store=west' });
    await federation.request('home', 0);
    await federation.request('west', 0);
  });

  after(() => federation?.[Symbol.asyncDispose]());

  const isReady = async (): Promise<boolean> =>
    (await federation.readyAddresses(federation.east, 'catalog-west')).length > 0;

  test("its API server away: what it exports is served on, and how old that is can be read; afterwards it's followed again", async () => {
    const startedAt = Date.now();
    await federation.west.stopApiServer();
    try {
      const unreachable = await federation.condition(federation.east, 'west', 'Reachable', 'False');
      assert.match(unreachable.message, /what was mirrored stays as it is/);
      assert.ok(Date.parse(unreachable.lastTransitionTime) >= startedAt - 1000, unreachable.lastTransitionTime);
      assert.ok(await isReady());
      assert.deepEqual(failures(await federation.watch('west', 25)), []);
    } finally {
      await federation.west.startApiServer();
    }
    await federation.condition(federation.east, 'west', 'Reachable', 'True');
    await labelService(federation.west, 'pricing', { [EXPORTED]: 'true' });
    await serviceExists(federation.east, 'pricing-west', true);
    await labelService(federation.west, 'pricing', { [EXPORTED]: undefined });
    await serviceExists(federation.east, 'pricing-west', false);
    assert.deepEqual(failures(federation.requests('west', startedAt)), []);
  });

  test('its gateway away: the mirror has no ready endpoint within two seconds, and has it back within two', async () => {
    await killWorkload(federation.west, MC_NAMESPACE, 'linkerd-gateway', 'app=linkerd-gateway');
    // The kill takes as long as the home needs for it: what counts is the time from then on.
    const goneAt = Date.now();
    await until('no ready endpoint', async () => !(await isReady()), { timeoutMs: patience(10_000), everyMs: 20 });
    assert.ok(Date.now() - goneAt < bound(2000), `out after ${Date.now() - goneAt} ms`);
    await scale(federation.west, MC_NAMESPACE, 'linkerd-gateway', 1);
    await rolloutDone(federation.west.client, MC_NAMESPACE, ['linkerd-gateway']);
    const backAt = Date.now();
    await until('a ready endpoint', isReady, { timeoutMs: patience(10_000), everyMs: 20 });
    assert.ok(Date.now() - backAt < bound(2000), `back after ${Date.now() - backAt} ms`);
    await federation.request('west', Date.now());
  });

  test('all of it away: home does not notice, and the first request after its return needs nobody', async () => {
    const startedAt = Date.now();
    await killWorkload(federation.west, MC_NAMESPACE, 'linkerd-gateway', 'app=linkerd-gateway');
    await federation.west.stopApiServer();
    try {
      await until('no ready endpoint', async () => !(await isReady()), { timeoutMs: patience(10_000) });
      await federation.condition(federation.east, 'west', 'Reachable', 'False');
      await federation.condition(federation.east, 'west', 'GatewayAlive', 'False');
      assert.notEqual(await federation.service(federation.east, 'catalog-west'), undefined);
      assert.deepEqual(failures(await federation.watch('home', 25)), []);
    } finally {
      await federation.west.startApiServer();
    }
    await scale(federation.west, MC_NAMESPACE, 'linkerd-gateway', 1);
    await federation.condition(federation.east, 'west', 'GatewayAlive', 'True');
    await federation.condition(federation.east, 'west', 'Reachable', 'True');
    await federation.request('west', Date.now());
    assert.deepEqual(failures(federation.requests('home', startedAt)), []);
  });

  test('twenty flaps a minute end where the last one ended, and home does not notice', async () => {
    const startedAt = Date.now();
    for (let flap = 0; flap < FLAPS; flap += 1) {
      const flapAt = Date.now();
      await scale(federation.west, 'shop', 'catalog', flap % 2 === 0 ? 0 : 1);
      await labelService(federation.west, 'pricing', { [EXPORTED]: flap % 2 === 0 ? 'true' : undefined });
      await pause(Math.max(0, FLAP_MS - (Date.now() - flapAt)));
    }
    await scale(federation.west, 'shop', 'catalog', 1);
    await labelService(federation.west, 'pricing', { [EXPORTED]: undefined });
    await rolloutDone(federation.west.client, 'shop', ['catalog']);
    await serviceExists(federation.east, 'pricing-west', false);
    await until('the endpoint to be ready again', isReady, { timeoutMs: patience(10_000) });
    await federation.request('west', Date.now());
    assert.deepEqual(failures(await federation.watch('west', 25)), []);
    assert.deepEqual(failures(federation.requests('home', startedAt)), []);
  });
});
