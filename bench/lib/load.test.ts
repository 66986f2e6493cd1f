import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseFigures } from './load.ts';

test('figures are read from the load generator and scaled', () => {
  const result = parseFigures('Running 2s test\nfigures 20000 2000000 1500 9000 12000 3\n');
  assert.deepEqual(result, {
    requests: 20_000,
    durationS: 2,
    rps: 10_000,
    p50Ms: 1.5,
    p99Ms: 9,
    p999Ms: 12,
    errors: 3,
  });
});

test('a run without figures is an error that shows the output', () => {
  assert.throws(() => parseFigures('unable to connect'), /unable to connect/);
});
