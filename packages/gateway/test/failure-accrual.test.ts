/** Endpoints behind the gateway that answer, but with failures: left alone as the Service's policy says, from the moment that it says so. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FailureAccrualPolicy } from '@mesh/model';
import { balanced, outboundPolicy } from '../../proxy/src/testing/fakes.ts';
import { ask, httpApp, meshedEndpoint } from '../../proxy/test/harness.ts';
import { AUTHORITY, startHome } from './gateway-harness.ts';
import type { Home } from './gateway-harness.ts';

const FAILURES_MAX = 3;
const DEADLINE_MS = 60_000;
const CONSECUTIVE: FailureAccrualPolicy = {
  kind: 'consecutive',
  maxFailures: FAILURES_MAX,
  backoff: { minMs: DEADLINE_MS, maxMs: DEADLINE_MS, jitterRatio: 0 },
};

/** Two programs of the exported Service; one answers 503. */
async function setup() {
  const home = await startHome('127.0.53');
  const hits = { bad: 0, good: 0 };
  const bad = await httpApp(home.server.ip, (_request, response) => {
    hits.bad += 1;
    response.writeHead(503).end();
  });
  const good = await httpApp(home.server.ip, (_request, response) => {
    hits.good += 1;
    response.end('good');
  });
  home.gateway.serveAll(meshedEndpoint(home.server, bad.port), meshedEndpoint(home.server, good.port));
  return {
    home,
    hits,
    async [Symbol.asyncDispose]() {
      await home[Symbol.asyncDispose]();
      await bad.close();
      await good.close();
    },
  };
}

function setAccrual({ gateway }: Home, failureAccrual: FailureAccrualPolicy | undefined): void {
  const policy = outboundPolicy({ ...balanced(AUTHORITY), failureAccrual });
  gateway.discovery.resolveAuthority(AUTHORITY).set(policy);
}

const leftAlone = ({ gateway }: Home): number =>
  gateway.metrics.sum('outbound_http_balancer_endpoints', { endpoint_state: 'pending' });

async function askUntil({ client }: Home, isDone: () => boolean): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  while (!isDone()) {
    await ask(client.outbound);
    assert.ok(performance.now() < deadline, 'not within a minute');
  }
}

test('an endpoint that fails as often as the policy allows gets no more requests of peers', async () => {
  await using there = await setup();
  const { home, hits } = there;
  setAccrual(home, CONSECUTIVE);
  await askUntil(home, () => leftAlone(home) === 1);
  assert.equal(hits.bad, FAILURES_MAX);
  for (let request = 0; request < 20; request += 1) assert.equal((await ask(home.client.outbound)).status, 200);
  assert.equal(hits.bad, FAILURES_MAX);
});

test('without a policy it goes on getting requests; one that comes holds at once, one that goes no longer', async () => {
  await using there = await setup();
  const { home, hits } = there;
  await askUntil(home, () => hits.bad > FAILURES_MAX);
  assert.equal(leftAlone(home), 0);
  setAccrual(home, CONSECUTIVE);
  await askUntil(home, () => leftAlone(home) === 1);
  const before = hits.bad;
  for (let request = 0; request < 20; request += 1) assert.equal((await ask(home.client.outbound)).status, 200);
  assert.equal(hits.bad, before);
  setAccrual(home, undefined);
  assert.equal(leftAlone(home), 0);
  await askUntil(home, () => hits.bad > before + FAILURES_MAX);
});

test('the policy is let go with the last use of the Service', async () => {
  await using there = await setup();
  const { home } = there;
  await ask(home.client.outbound);
  const watched = home.gateway.discovery.resolveAuthority(AUTHORITY);
  assert.equal(watched.watchers, 1);
  home.gateway.export('catalog', {});
  await askUntil(home, () => watched.watchers === 0);
  assert.equal(watched.releases, 1);
});
