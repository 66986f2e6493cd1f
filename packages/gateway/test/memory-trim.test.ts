import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '@mesh/runtime';
import type { Clock } from '@mesh/runtime';
import { TestAnchor } from '../../proxy/test/harness.ts';
import { TestGateway } from './gateway-harness.ts';

/** Only the look at idleness waits so long. */
const CHECK_MS = 10_000;

test('an idle gateway gives memory back', async () => {
  const trims: number[] = [];
  let look: (() => void) | undefined;
  const clock: Clock = {
    now: () => systemClock.now(),
    monotonic: () => systemClock.monotonic(),
    after(delayMs, callback) {
      if (delayMs !== CHECK_MS) return systemClock.after(delayMs, callback);
      look = callback;
      return { cancel: () => (look = undefined) };
    },
  };
  const gateway = new TestGateway('127.0.54.1', { clock, trim: () => trims.push(1) });
  await gateway.start(await TestAnchor.create('root'));
  assert.ok(look !== undefined, 'it looks');
  // The start may have taken more than an idle process does.
  for (let tries = 0; trims.length === 0 && tries < 10; tries += 1) look();
  assert.equal(trims.length, 1);
  await gateway[Symbol.asyncDispose]();
  assert.equal(look, undefined, 'it looks no longer');
});
