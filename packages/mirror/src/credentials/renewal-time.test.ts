import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { knownToken, untilRenewalMs } from './renewal-time.ts';

const HOUR = 3_600_000;
const random = fc.double({ min: 0, max: 1, noNaN: true });

test('a token is renewed before half of its life', () => {
  fc.assert(
    fc.property(random, fc.integer({ min: 600_000, max: 365 * 24 * HOUR }), (share, lifeMs) => {
      const seen = { nowMs: 0, monotonicMs: 0, isOwn: true, random: share };
      const waitMs = untilRenewalMs(knownToken({ text: 't', issuedMs: 0, expiresMs: lifeMs }, seen), 0, 0);
      assert.ok(waitMs > lifeMs / 3 && waitMs <= lifeMs / 2);
    }),
  );
});

test('a token that was found is renewed at once when its time has passed', () => {
  const seen = { nowMs: 20 * HOUR, monotonicMs: 0, isOwn: false, random: 0.5 };
  const token = knownToken({ text: 't', issuedMs: 0, expiresMs: 24 * HOUR }, seen);
  assert.ok(untilRenewalMs(token, 20 * HOUR, 0) <= 0);
});

test('a wrong clock makes neither a late renewal nor an endless one', () => {
  const life = 24 * HOUR;
  // Ours is a day ahead: what we just received looks ended.
  const own = knownToken(
    { text: 't', issuedMs: 0, expiresMs: life },
    { nowMs: 2 * life, monotonicMs: 0, isOwn: true, random: 0 },
  );
  assert.ok(untilRenewalMs(own, 2 * life, 0) > 8 * HOUR);
  // Ours is a day behind: what we found looks as if it had been issued tomorrow.
  const found = knownToken(
    { text: 't', issuedMs: life, expiresMs: 2 * life },
    { nowMs: 0, monotonicMs: 0, isOwn: false, random: 1 },
  );
  assert.ok(untilRenewalMs(found, 0, 0) <= life / 2);
});

test('an age can be set at which tokens are renewed whatever their life', () => {
  const seen = { nowMs: 0, monotonicMs: 0, isOwn: true, random: 0 };
  const token = knownToken({ text: 't', issuedMs: 0, expiresMs: 24 * HOUR }, seen);
  assert.equal(untilRenewalMs(token, 0, 0, 30_000), 30_000);
});
