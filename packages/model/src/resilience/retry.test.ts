import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { RetryPolicy } from './policy.ts';
import { decideRetry, isRetryable } from './retry.ts';
import type { TryOutcome } from './retry.ts';
import { RetryBudget } from './retry-budget.ts';

const POLICY: RetryPolicy = {
  maxRetries: 2,
  maxRequestBytes: 65_536,
  statusRanges: [{ start: 502, end: 504 }],
  grpcCodes: new Set([14]),
  tryTimeoutMs: undefined,
  backoff: { minMs: 25, maxMs: 250, jitterRatio: 0 },
};
const FACTS = { retries: 0, replayable: true, ready: true, nowMs: 0 };
const response = (status: number, grpcStatus?: number): TryOutcome => ({ kind: 'response', status, grpcStatus });
const plenty = (): RetryBudget => new RetryBudget({ ratio: 1, minPerSecond: 1000, ttlMs: 10_000 });

test('statuses of the policy are retried, with a pause that grows', () => {
  const decide = (retries: number) => decideRetry(POLICY, response(503), { ...FACTS, retries }, plenty(), () => 0);
  assert.deepEqual(decide(0), { kind: 'retry', afterMs: 25 });
  assert.deepEqual(decide(1), { kind: 'retry', afterMs: 50 });
  assert.deepEqual(decide(2), { kind: 'stand', why: 'limit' });
});

test('what is retried', () => {
  assert.equal(isRetryable(POLICY, response(500)), false);
  assert.equal(isRetryable(POLICY, response(502)), true);
  assert.equal(isRetryable(POLICY, response(200, 14)), true);
  assert.equal(isRetryable(POLICY, response(200, 13)), false);
  assert.equal(isRetryable(POLICY, response(200, 0)), false);
  for (const kind of ['try_timeout', 'refused_stream', 'failfast'] as const)
    assert.equal(isRetryable(POLICY, { kind }), true, kind);
  assert.equal(isRetryable(POLICY, { kind: 'overloaded' }), false);
});

test('a success, a long body, no endpoint and an empty budget let the outcome stand, each for its reason', () => {
  const why = (outcome: TryOutcome, facts: Partial<typeof FACTS>, budget = plenty()) => {
    const decision = decideRetry(POLICY, outcome, { ...FACTS, ...facts }, budget, () => 0);
    return decision.kind === 'stand' ? decision.why : 'retry';
  };
  assert.equal(why(response(200), {}), 'success');
  assert.equal(why(response(503), { replayable: false }), 'body');
  assert.equal(why(response(503), { ready: false }), 'not_ready');
  const empty = new RetryBudget({ ratio: 0, minPerSecond: 0, ttlMs: 10_000 });
  assert.equal(why(response(503), {}, empty), 'budget');
});

test('only retries that are made cost budget', () => {
  const budget = new RetryBudget({ ratio: 0, minPerSecond: 1, ttlMs: 1000 });
  for (const facts of [{ ready: false }, { replayable: false }, { retries: 2 }])
    decideRetry(POLICY, response(503), { ...FACTS, ...facts }, budget, () => 0);
  assert.equal(budget.balance(0), 1);
  decideRetry(POLICY, response(503), FACTS, budget, () => 0);
  assert.equal(budget.balance(0), 0);
});

test('a budget lets through its share of the requests and some per second, and no more', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(0, 0.2, 1),
      fc.nat(10),
      fc.array(fc.record({ stepMs: fc.nat(50), retries: fc.nat(3) }), { maxLength: 500 }),
      (ratio, minPerSecond, requests) => {
        const ttlMs = 10_000;
        const budget = new RetryBudget({ ratio, minPerSecond, ttlMs });
        let now = 0;
        let made = 0;
        for (const [index, { stepMs, retries }] of requests.entries()) {
          now += stepMs;
          budget.deposit(now);
          for (let retry = 0; retry < retries; retry += 1) if (budget.withdraw(now)) made += 1;
          const free = (minPerSecond * ttlMs * (1 + Math.ceil(now / ttlMs))) / 1000;
          assert.ok(made <= ratio * (index + 1) + free + 1e-6, `${made} retries of ${index + 1} requests`);
        }
      },
    ),
  );
});

test('what was paid in long ago buys nothing', () => {
  const budget = new RetryBudget({ ratio: 1, minPerSecond: 0, ttlMs: 10_000 });
  for (let index = 0; index < 100; index += 1) budget.deposit(0);
  assert.equal(budget.balance(5000), 100);
  assert.equal(budget.balance(11_000), 0);
  assert.equal(budget.withdraw(11_000), false);
});
