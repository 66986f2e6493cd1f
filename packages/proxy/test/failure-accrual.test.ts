/** Endpoints that answer, but with failures: left alone, tried again with one request, trusted again. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FailureAccrualPolicy } from '@mesh/model';
import { balanced, endpoint, endpointSet, outboundPolicy } from '../src/testing/fakes.ts';
import type { Answer } from './harness.ts';
import { ask, httpApp, TestAnchor, TestProxy, until } from './harness.ts';

const PATH = 'app.ns.svc.cluster.local:80';
const FAILURES_MAX = 3;
const IPS = ['127.0.44.2', '127.0.44.3'] as const;

/** A client proxy in front of two programs; the first answers with the status that the test sets (0: hangs up). */
async function shop(backoffMs: number) {
  const anchor = await TestAnchor.create('root');
  const client = await new TestProxy('127.0.44.1', 'web').start(anchor);
  const state = { status: 200, hits: [0, 0] as [number, number], held: undefined as Promise<void> | undefined };
  const bad = await httpApp(IPS[0], (_req, res) => {
    state.hits[0] += 1;
    void Promise.resolve(state.held).then(() => {
      if (state.status === 0) res.destroy();
      else res.writeHead(state.status).end('bad');
    });
  });
  const good = await httpApp(IPS[1], (_req, res) => {
    state.hits[1] += 1;
    res.end('good');
  });
  const accrual: FailureAccrualPolicy = {
    kind: 'consecutive',
    maxFailures: FAILURES_MAX,
    backoff: { minMs: backoffMs, maxMs: backoffMs, jitterRatio: 0 },
  };
  client.discovery
    .resolve(client.destination)
    .set(outboundPolicy({ ...balanced(PATH, 300, 1), failureAccrual: accrual }));
  const endpoints = [endpoint({ ip: IPS[0], port: bad.port }), endpoint({ ip: IPS[1], port: good.port })];
  return {
    client,
    state,
    only: (...which: readonly number[]) =>
      client.endpoints.watch(PATH).set(endpointSet(...endpoints.filter((_, index) => which.includes(index)))),
    pending: () => client.metrics.sum('outbound_http_balancer_endpoints', { endpoint_state: 'pending' }),
    async [Symbol.asyncDispose]() {
      await client[Symbol.asyncDispose]();
      await bad.close();
      await good.close();
    },
  };
}

type Shop = Awaited<ReturnType<typeof shop>>;

/** Asks again and again, until an answer brings what is waited for. */
async function askUntil(there: Shop, done: (answer: Answer) => boolean): Promise<void> {
  const deadline = performance.now() + 60_000;
  for (;;) {
    if (done(await ask(there.client.outbound))) return;
    assert.ok(performance.now() < deadline, 'no such answer within a minute');
  }
}

test('an endpoint that fails a few times in a row gets no more requests', async () => {
  await using there = await shop(60_000);
  there.only(0, 1);
  there.state.status = 503;
  await askUntil(there, () => there.pending() === 1);
  for (let request = 0; request < 40; request += 1) assert.equal((await ask(there.client.outbound)).status, 200);
  assert.equal(there.state.hits[0], FAILURES_MAX);
  assert.equal(there.pending(), 1);
});

test('after the back-off one request tries it, and its success brings it back', async () => {
  await using there = await shop(50);
  there.only(0, 1);
  there.state.status = 500;
  await askUntil(there, () => there.pending() === 1);
  there.state.status = 200;
  await askUntil(there, (answer) => answer.body === 'bad' && there.pending() === 0);
});

test('while the request on trial has no answer, no other goes there', async () => {
  await using there = await shop(2000);
  there.only(0, 1);
  there.state.status = 500;
  await askUntil(there, () => there.pending() === 1);
  const trial = Promise.withResolvers<void>();
  there.state.held = trial.promise;
  const before = there.state.hits[0];
  const answers: Promise<unknown>[] = [];
  while (there.state.hits[0] === before) {
    const asked = ask(there.client.outbound);
    answers.push(asked);
    let answered = false;
    void asked.then(() => (answered = true));
    await until('an answer, or the trial', () => answered || there.state.hits[0] > before, 60_000);
  }
  await Promise.all(Array.from({ length: 20 }, () => ask(there.client.outbound)));
  assert.equal(there.state.hits[0], before + 1);
  trial.resolve();
  await Promise.all(answers);
});

test('when all are shut out requests fail fast, and later one is tried again', async () => {
  await using there = await shop(2500);
  there.only(0);
  there.state.status = 500;
  for (let request = 0; request < FAILURES_MAX; request += 1)
    assert.equal((await ask(there.client.outbound)).status, 500);
  const refused = await ask(there.client.outbound);
  assert.equal(refused.status, 504);
  assert.equal(refused.headers['l5d-proxy-error'], 'service in fail-fast');
  assert.equal(there.state.hits[0], FAILURES_MAX);
  there.state.status = 200;
  await askUntil(there, (answer) => answer.status === 200);
});

test('connections that break under a request count as failures', async () => {
  await using there = await shop(60_000);
  there.only(0, 1);
  there.state.status = 0;
  await askUntil(there, () => there.pending() === 1);
  assert.equal(there.state.hits[0], FAILURES_MAX);
});

test('where failures count as load, one that fails fast does not look like the best one', async () => {
  await using there = await shop(60_000);
  const backend = balanced(PATH);
  assert.ok(backend.target.kind === 'balancer');
  const penalty = { penaltyMs: 5000, maxRetryAfterMs: 300_000, decayMs: 10_000 };
  const ewma = { ...backend.target.ewma, penalty };
  const policy = outboundPolicy({ ...backend, key: 'penalty', target: { ...backend.target, ewma } });
  there.client.discovery.resolve(there.client.destination).set(policy);
  there.only(0, 1);
  there.state.status = 503;
  await askUntil(there, () => there.state.hits[0] === 1);
  for (let request = 0; request < 40; request += 1) assert.equal((await ask(there.client.outbound)).status, 200);
  assert.equal(there.state.hits[0], 1);
});

test('requests that clients give up say nothing about the endpoint', async () => {
  await using there = await shop(60_000);
  there.only(0);
  const never = Promise.withResolvers<void>();
  there.state.held = never.promise;
  for (let request = 0; request < 2 * FAILURES_MAX; request += 1) {
    const hits = there.state.hits[0];
    const gone = new AbortController();
    const asked = fetch(`http://${there.client.outbound.ip}:${there.client.outbound.port}/`, { signal: gone.signal });
    await until('the request', () => there.state.hits[0] > hits, 60_000);
    gone.abort();
    await asked.catch(() => undefined);
  }
  there.state.held = undefined;
  never.resolve();
  assert.equal((await ask(there.client.outbound)).status, 200);
  assert.equal(there.pending(), 0);
});
