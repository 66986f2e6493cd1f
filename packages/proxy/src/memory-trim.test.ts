import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Clock } from '@mesh/runtime';
import { MemoryTrim } from './memory-trim.ts';

test('memory is given back once per idle time, and again only after activity', async () => {
  let next: () => void = () => assert.fail('no timer');
  const clock: Clock = {
    now: () => 0,
    monotonic: () => 0,
    after: (_, callback) => {
      next = callback;
      return { cancel: () => (next = () => undefined) };
    },
  };
  let cpuMs = 0;
  let trims = 0;
  const trim = new MemoryTrim(
    clock,
    () => {
      trims += 1;
      cpuMs += 500;
    },
    () => cpuMs,
  );
  await trim.start();
  const after = (usedMs: number): number => {
    cpuMs += usedMs;
    next();
    return trims;
  };
  assert.deepEqual([after(900), after(5), after(5), after(5)], [0, 1, 1, 1]);
  assert.deepEqual([after(900), after(900), after(5), after(5)], [1, 1, 2, 2]);
  await trim[Symbol.asyncDispose]();
  assert.equal(after(5), 2);
});
