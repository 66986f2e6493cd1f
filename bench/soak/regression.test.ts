import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fit } from './regression.ts';

const close = (actual: number | undefined, expected: number): void =>
  assert.ok(Math.abs((actual ?? Number.NaN) - expected) < 1e-9, `${actual} is not ${expected}`);

test('points of a line give that line, without error', () => {
  const line = fit([1, 2, 5, 9].map((x) => ({ x, y: 3 * x + 4 })));
  close(line?.slope, 3);
  close(line?.slopeError, 0);
  close(line?.mean, 3 * 4.25 + 4);
});

test('points beside a line give its slope with an error', () => {
  // By hand: mean of x 2.5, spread 5; slope 5.5 / 5; squared rests 2.7; error sqrt(2.7 / 2 / 5).
  const line = fit([
    { x: 1, y: 1 },
    { x: 2, y: 3 },
    { x: 3, y: 2 },
    { x: 4, y: 5 },
  ]);
  close(line?.slope, 1.1);
  close(line?.slopeError, Math.sqrt(2.7 / 2 / 5));
});

test('samples that follow each other slowly say less than as many that do not', () => {
  const wave = (period: number) =>
    fit(Array.from({ length: 180 }, (_, index) => ({ x: index / 6, y: Math.sin((2 * Math.PI * index) / period) })));
  const slow = wave(36)?.slopeError ?? 0;
  const quick = wave(4)?.slopeError ?? 0;
  assert.ok(slow > 5 * quick, `${slow} beside ${quick}`);
});

test('too few points, or all at one time, make no line', () => {
  assert.equal(
    fit([
      { x: 1, y: 1 },
      { x: 2, y: 2 },
    ]),
    undefined,
  );
  assert.equal(fit([1, 2, 3].map((y) => ({ x: 7, y }))), undefined);
});
