import assert from 'node:assert/strict';
import { test } from 'node:test';
import { arrivals } from './arrivals.ts';

test('arrivals ascend, have the rate, and are the same for the same seed', () => {
  const times = arrivals(1000, 10, 1);
  assert.deepEqual(times, arrivals(1000, 10, 1));
  assert.notDeepEqual(times, arrivals(1000, 10, 2));
  assert.ok(Math.abs(times.length - 10_000) < 400, `${times.length}`);
  assert.ok(times.every((time, index) => time >= (times[index - 1] ?? 0) && time < 10_000));
});

test('gaps are exponential: two thirds are shorter than the mean, one in seven longer than twice that', () => {
  const times = arrivals(1000, 50, 3);
  const gaps = Array.from(times, (time, index) => time - (times[index - 1] ?? 0));
  const share = (holds: (gap: number) => boolean): number => gaps.filter(holds).length / gaps.length;
  assert.ok(Math.abs(share((gap) => gap < 1) - 0.632) < 0.01);
  assert.ok(Math.abs(share((gap) => gap > 2) - 0.135) < 0.01);
});
