import assert from 'node:assert/strict';
import { test } from 'node:test';
import { quantiles } from './quantiles.ts';

test('quantiles are values that occurred, by nearest rank', () => {
  const values = Float64Array.from({ length: 1000 }, (_, index) => 1000 - index);
  assert.deepEqual(quantiles(values), { p50: 500, p99: 990, p999: 999 });
  assert.deepEqual(quantiles(Float64Array.of(7)), { p50: 7, p99: 7, p999: 7 });
});

test('no values have no quantiles', () => {
  assert.deepEqual(quantiles(new Float64Array(0)), { p50: Number.NaN, p99: Number.NaN, p999: Number.NaN });
});
