import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backoffMs } from './backoff.ts';
import { PeakEwma, pickTwoChoices, pickWeighted } from './peak-ewma.ts';

/** A reproducible generator (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

test('load grows with the requests in flight and falls when they end', () => {
  const ewma = new PeakEwma({ defaultRttMs: 30, decayMs: 10_000 }, 0);
  const idle = ewma.load(0);
  ewma.start();
  assert.equal(ewma.load(0), idle * 2);
  ewma.finish(undefined, 0);
  assert.equal(ewma.load(0), idle);
});

test('a slower response counts at once, a faster one with time', () => {
  const ewma = new PeakEwma({ defaultRttMs: 30, decayMs: 10_000 }, 0);
  ewma.start();
  ewma.finish(500, 0);
  assert.equal(ewma.load(0), 500);
  ewma.start();
  ewma.finish(1, 1);
  assert.ok(ewma.load(1) > 490);
  ewma.start();
  ewma.finish(1, 30_000);
  assert.ok(ewma.load(30_000) < 30);
});

test('an endpoint that nobody asks fades back into the choice', () => {
  const ewma = new PeakEwma({ defaultRttMs: 30, decayMs: 1000 }, 0);
  ewma.start();
  ewma.finish(1000, 0);
  assert.ok(ewma.load(10_000) < 1);
});

test('two choices take both members into account and prefer the less loaded', () => {
  const random = seeded(7);
  const members = [10, 1, 20, 30].map((load) => ({ load: () => load, hits: 0 }));
  for (let i = 0; i < 4000; i += 1) {
    const picked = pickTwoChoices(members, 0, random);
    if (picked !== undefined) picked.hits += 1;
  }
  const hits = members.map((member) => member.hits);
  assert.equal(hits[3], 0, 'the most loaded never wins');
  assert.ok((hits[1] ?? 0) > 1800, 'the least loaded wins whenever it is drawn');
  assert.equal(pickTwoChoices([], 0, random), undefined);
});

test('traffic avoids one slow endpoint of three in a closed loop', () => {
  const random = seeded(3);
  const rtts = [5, 5, 200];
  const members = rtts.map((rtt) => ({
    rtt,
    ewma: new PeakEwma({ defaultRttMs: 30, decayMs: 10_000 }, 0),
    hits: 0,
    load: (now: number) => 0 + now,
  }));
  for (const member of members) member.load = (now) => member.ewma.load(now);
  let now = 0;
  for (let i = 0; i < 3000; i += 1) {
    now += 1;
    const picked = pickTwoChoices(members, now, random);
    if (picked === undefined) continue;
    picked.hits += 1;
    picked.ewma.start();
    picked.ewma.finish(picked.rtt, now);
  }
  assert.ok((members[2]?.hits ?? 0) < 30, `slow endpoint had ${members[2]?.hits} of 3000`);
});

test('weighted choice follows the weights and never takes a zero', () => {
  const random = seeded(11);
  const members = [0, 1, 3].map((weight) => ({ weight, hits: 0 }));
  for (let i = 0; i < 8000; i += 1) {
    const picked = pickWeighted(members, random);
    if (picked !== undefined) picked.hits += 1;
  }
  assert.equal(members[0]?.hits, 0);
  const share = (members[2]?.hits ?? 0) / 8000;
  assert.ok(share > 0.72 && share < 0.78, `share ${share}`);
  assert.equal(pickWeighted([{ weight: 0 }], random), undefined);
});

test('backoff doubles from its minimum to its maximum', () => {
  const options = { minMs: 100, maxMs: 1000, jitterRatio: 0 };
  assert.deepEqual(
    [0, 1, 2, 3, 4, 60].map((attempt) => backoffMs(options, attempt, () => 0.5)),
    [100, 200, 400, 800, 1000, 1000],
  );
  assert.equal(
    backoffMs({ ...options, jitterRatio: 0.1 }, 0, () => 0.5),
    105,
  );
});

test('with a penalty an endpoint that fails fast does not look like the best one, until the penalty has faded', () => {
  const policy = { defaultRttMs: 30, decayMs: 10_000 };
  const penalty = { penaltyMs: 5000, maxRetryAfterMs: 20_000, decayMs: 10_000 };
  const failing = new PeakEwma({ ...policy, penalty }, 0);
  const slow = new PeakEwma(policy, 0);
  slow.start();
  slow.finish(200, 0);
  failing.start();
  failing.finish(1, 0);
  assert.ok(failing.load(0) < slow.load(0));
  failing.penalize(undefined, 0);
  assert.ok(failing.load(0) > 5000);
  failing.penalize(undefined, 1);
  assert.ok(failing.load(1) < 5100, 'penalties do not add up');
  assert.ok(failing.load(60_000) < 50);
  failing.penalize(100_000, 60_000);
  assert.ok(failing.load(60_000) <= 20_050, 'what a server may ask for is bounded');
});

test('without a penalty failures say nothing about load', () => {
  const ewma = new PeakEwma({ defaultRttMs: 30, decayMs: 10_000 }, 0);
  ewma.penalize(undefined, 0);
  assert.equal(ewma.load(0), 30);
});

test('a first guess below a millisecond is one', () => {
  assert.equal(new PeakEwma({ defaultRttMs: 0, decayMs: 10_000 }, 0).load(0), 1);
});
