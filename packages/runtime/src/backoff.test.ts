import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Backoff } from './backoff.ts';

test('waits double up to the maximum, with jitter on top, and start over after a success', () => {
  const backoff = new Backoff({ minMs: 100, maxMs: 350, jitterRatio: 0.2 }, () => 0.5);
  assert.deepEqual(
    [1, 2, 3, 4].map(() => Math.round(backoff.next())),
    [110, 220, 385, 385],
  );
  backoff.reset();
  assert.equal(Math.round(backoff.next()), 110);
});
