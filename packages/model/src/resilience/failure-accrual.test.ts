import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { FailureAccrual } from './failure-accrual.ts';
import type { FailureAccrualPolicy } from './policy.ts';
import type { ResponseClass } from './response-class.ts';

const BACKOFF = { minMs: 1000, maxMs: 8000, jitterRatio: 0 };
const CONSECUTIVE: FailureAccrualPolicy = { kind: 'consecutive', maxFailures: 3, backoff: BACKOFF };
const UNIFIED: FailureAccrualPolicy = {
  kind: 'unified',
  successRateThreshold: 0.8,
  windowMs: 10_000,
  minRequests: 5,
  maxConsecutiveFailures: 0,
  backoff: BACKOFF,
};

function answers(accrual: FailureAccrual, nowMs: number, ...classes: readonly ResponseClass[]): void {
  for (const one of classes) accrual.responded(one, nowMs);
}

test('failures in a row shut an endpoint out; a success between them does not let it come to that', () => {
  const accrual = new FailureAccrual(CONSECUTIVE, () => 0);
  answers(accrual, 0, 'failure', 'failure', 'success', 'failure', 'failure');
  assert.equal(accrual.admits, true);
  assert.equal(accrual.responded('failure', 0), true);
  assert.equal(accrual.state, 'shut');
  assert.equal(accrual.dueMs, 1000);
});

test('being told to slow down ends a row of failures, and giving up changes nothing', () => {
  const accrual = new FailureAccrual(CONSECUTIVE, () => 0);
  answers(accrual, 0, 'failure', 'failure', 'rate_limited', 'failure', 'none', 'failure', 'none');
  assert.equal(accrual.admits, true);
  answers(accrual, 0, 'failure');
  assert.equal(accrual.admits, false);
});

test('after the back-off one request decides: a success opens', () => {
  const accrual = shut(CONSECUTIVE);
  assert.equal(accrual.elapsed(999), false);
  assert.equal(accrual.elapsed(1000), true);
  assert.equal(accrual.admits, true);
  assert.equal(accrual.sent(1000), true);
  assert.equal(accrual.admits, false, 'one at a time');
  assert.equal(accrual.responded('success', 1010), true);
  assert.equal(accrual.state, 'open');
  assert.equal(accrual.dueMs, undefined);
});

test('each failed trial doubles the wait up to the maximum, and a success resets it', () => {
  const accrual = shut(CONSECUTIVE);
  let now = 0;
  const waits: number[] = [];
  for (let round = 0; round < 5; round += 1) {
    const due = accrual.dueMs ?? assert.fail();
    waits.push(due - now);
    now = due;
    accrual.elapsed(now);
    accrual.sent(now);
    accrual.responded('failure', now);
  }
  assert.deepEqual(waits, [1000, 2000, 4000, 8000, 8000]);
  accrual.elapsed(now + 8000);
  accrual.sent(now + 8000);
  accrual.responded('success', now + 8000);
  answers(accrual, now, 'failure', 'failure', 'failure');
  assert.equal(accrual.dueMs, now + 1000);
});

test('a trial that says nothing is followed by the next one at once, one without an answer after another wait', () => {
  const accrual = shut(CONSECUTIVE);
  accrual.elapsed(1000);
  accrual.sent(1000);
  assert.equal(accrual.responded('none', 1001), true);
  assert.equal(accrual.admits, true);
  accrual.sent(1001);
  assert.equal(accrual.elapsed(3000), false);
  assert.equal(accrual.elapsed(3001), true);
  assert.equal(accrual.admits, true);
});

test('answers to requests of before the shutting change nothing', () => {
  const accrual = shut(CONSECUTIVE);
  answers(accrual, 10, 'success', 'failure', 'success');
  assert.equal(accrual.state, 'shut');
  accrual.elapsed(1000);
  answers(accrual, 1000, 'success');
  assert.equal(accrual.state, 'probation');
});

test('a low share of successes shuts an endpoint out, once there were enough requests', () => {
  const accrual = new FailureAccrual(UNIFIED, () => 0);
  answers(accrual, 0, 'failure', 'success', 'success', 'success');
  assert.equal(accrual.admits, true, 'four are too few');
  answers(accrual, 0, 'success');
  assert.equal(accrual.admits, true, 'four of five are enough');
  answers(accrual, 0, 'rate_limited');
  assert.equal(accrual.admits, false, 'being told to slow down counts here');
});

test('what is older than the window is forgotten', () => {
  const accrual = new FailureAccrual(UNIFIED, () => 0);
  answers(accrual, 0, 'failure', 'failure', 'failure', 'failure');
  answers(accrual, 11_000, 'success', 'success', 'success', 'success', 'failure');
  assert.equal(accrual.admits, true);
});

test('after a successful trial old failures do not count again', () => {
  const accrual = shut(UNIFIED);
  accrual.elapsed(1000);
  accrual.sent(1000);
  accrual.responded('success', 1000);
  answers(accrual, 1000, 'failure');
  assert.equal(accrual.admits, true);
});

test('jitter only lengthens the wait, by its ratio at most', () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 0.999, noNaN: true }), (random) => {
      const accrual = new FailureAccrual({ ...CONSECUTIVE, backoff: { ...BACKOFF, jitterRatio: 0.5 } }, () => random);
      answers(accrual, 0, 'failure', 'failure', 'failure');
      const due = accrual.dueMs ?? assert.fail();
      assert.ok(due >= 1000 && due <= 1500, String(due));
    }),
  );
});

test('whatever happens, an endpoint that is not admitted has a moment at which it will be', () => {
  const step = fc.record({
    do: fc.constantFrom('send', 'answer', 'wait'),
    with: fc.constantFrom<ResponseClass>('success', 'failure', 'rate_limited', 'none'),
    ms: fc.nat(20_000),
  });
  fc.assert(
    fc.property(fc.constantFrom(CONSECUTIVE, UNIFIED), fc.array(step, { maxLength: 200 }), (policy, steps) => {
      const accrual = new FailureAccrual(policy, () => 0.5);
      let now = 0;
      for (const one of steps) {
        const before = accrual.admits;
        let told = false;
        if (one.do === 'wait') {
          now += one.ms;
          told = accrual.elapsed(now);
        } else if (one.do === 'answer') told = accrual.responded(one.with, now);
        else if (accrual.admits) told = accrual.sent(now);
        assert.equal(told, accrual.admits !== before, 'who is told of turns misses none');
        if (accrual.admits) continue;
        const due = accrual.dueMs ?? assert.fail('not admitted, and nothing to wait for');
        assert.ok(due <= now + 8000);
      }
    }),
  );
});

function shut(policy: FailureAccrualPolicy): FailureAccrual {
  const accrual = new FailureAccrual(policy, () => 0);
  answers(accrual, 0, 'failure', 'failure', 'failure', 'failure', 'failure');
  assert.equal(accrual.state, 'shut');
  return accrual;
}
