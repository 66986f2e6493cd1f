import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ResetGuard } from './reset-guard.ts';

test('a burst is enough of it, and so is a steady stream of more than the server forgets', () => {
  const burst = new ResetGuard(0);
  let count = 0;
  while (burst.count(0)) count += 1;
  assert.ok(count > 100 && count < 250, `${count}`);
  const steady = new ResetGuard(0);
  for (let second = 0; second < 100; second += 1)
    for (let n = 0; n < 25; n += 1) assert.ok(steady.count(second * 1000 + n * 40));
  const fast = new ResetGuard(0);
  let atMs = 0;
  while (fast.count(atMs)) atMs += 10;
  assert.ok(atMs > 1000 && atMs < 10_000, `100 a second for ${atMs} ms`);
});
