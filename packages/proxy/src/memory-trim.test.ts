import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Clock } from '@mesh/runtime';
import { MemoryTrim } from './memory-trim.ts';

const MB = 1_000_000;

/** A process that trims to 30 MB. */
function trimmed(): {
  trim: MemoryTrim;
  trims: () => number;
  after: (usedCpuMs: number, grownBytes?: number) => number;
} {
  let next: () => void = () => assert.fail('no timer');
  let nowMs = 0;
  let cpuMs = 0;
  let bytes = 40 * MB;
  let trims = 0;
  const clock: Clock = {
    now: () => nowMs,
    monotonic: () => nowMs,
    after: (delayMs, callback) => {
      next = () => {
        nowMs += delayMs;
        callback();
      };
      return { cancel: () => (next = () => undefined) };
    },
  };
  const trim = new MemoryTrim(
    clock,
    () => {
      trims += 1;
      cpuMs += 500;
      bytes = 30 * MB;
    },
    { cpuMs: () => cpuMs, ownBytes: () => bytes },
  );
  return {
    trim,
    trims: () => trims,
    after(usedCpuMs, grownBytes = 0) {
      cpuMs += usedCpuMs;
      bytes += grownBytes;
      next();
      return trims;
    },
  };
}

test('memory is given back once per idle time, and again after activity', async () => {
  const { trim, after } = trimmed();
  await trim.start();
  assert.deepEqual([after(900), after(5), after(5), after(5)], [0, 1, 1, 1]);
  assert.deepEqual([after(900), after(900), after(5), after(5)], [1, 1, 2, 2]);
  await trim[Symbol.asyncDispose]();
  assert.equal(after(5), 2);
});

test('idle is what probes and two requests a second take, not more', async () => {
  const { trim, after } = trimmed();
  await trim.start();
  assert.deepEqual([after(250), after(150), after(150)], [0, 1, 1]);
});

test('what a trickle leaves behind is given back once it is worth it, not every time', async () => {
  const { trim, trims, after } = trimmed();
  await trim.start();
  assert.equal(after(5), 1);
  // Ten seconds each: grown at once, but the last trim is not a minute ago.
  for (let i = 0; i < 5; i += 1) assert.equal(after(5, MB), 1);
  assert.equal(after(5, MB), 2);
  for (let i = 0; i < 60; i += 1) after(5, 10_000);
  assert.equal(trims(), 2);
});

test('this process’s own memory is measured', async () => {
  const trims: number[] = [];
  let fire: () => void = () => assert.fail('no timer');
  const clock: Clock = {
    now: () => 0,
    monotonic: () => 0,
    after: (_delayMs, callback) => {
      fire = callback;
      return { cancel: () => undefined };
    },
  };
  const trim = new MemoryTrim(clock, () => void trims.push(1));
  await trim.start();
  // What starting the tests took counts as activity.
  for (let tries = 0; tries < 10 && trims.length === 0; tries += 1) fire();
  assert.equal(trims.length, 1);
});
