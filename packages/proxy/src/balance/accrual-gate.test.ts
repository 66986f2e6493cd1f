import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../testing/manual-clock.ts';
import { AccrualGate } from './accrual-gate.ts';

function setup() {
  const clock = new ManualClock();
  const turns: boolean[] = [];
  const gate: AccrualGate = new AccrualGate(
    { kind: 'consecutive', maxFailures: 2, backoff: { minMs: 1000, maxMs: 60_000, jitterRatio: 0 } },
    { clock, random: () => 0, turned: () => turns.push(gate.admits) },
  );
  const fail = (): void => {
    gate.responded('failure');
    gate.responded('failure');
  };
  return { clock, gate, turns, fail };
}

test('the owner hears of each turn: shut, on trial, taken, open', () => {
  const { clock, gate, turns, fail } = setup();
  fail();
  assert.deepEqual(turns, [false]);
  clock.advance(1000);
  assert.deepEqual(turns, [false, true]);
  gate.sent();
  assert.deepEqual(turns, [false, true, false]);
  gate.responded('success');
  assert.deepEqual(turns, [false, true, false, true]);
  assert.equal(clock.pending, 0);
});

test('a failed trial waits longer, without another word to the owner, who knows that it is shut', () => {
  const { clock, gate, turns, fail } = setup();
  fail();
  clock.advance(1000);
  gate.sent();
  gate.responded('failure');
  assert.deepEqual(turns, [false, true, false]);
  clock.advance(1999);
  assert.equal(gate.admits, false);
  clock.advance(1);
  assert.equal(gate.admits, true);
});

test('a trial without an answer is followed by another', () => {
  const { clock, gate, fail } = setup();
  fail();
  clock.advance(1000);
  gate.sent();
  clock.advance(2000);
  assert.equal(gate.admits, true);
});

test('in good times requests cost nothing, and disposal leaves no timer', () => {
  const { clock, gate, turns, fail } = setup();
  for (let request = 0; request < 10; request += 1) {
    gate.sent();
    gate.responded('success');
  }
  assert.deepEqual(turns, []);
  fail();
  assert.equal(clock.pending, 1);
  gate.dispose();
  assert.equal(clock.pending, 0);
});
