import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatTable, median, withRatios, type BenchRow } from './report.ts';

const row = (proxy: string, cpu: number): BenchRow => ({
  scenario: 'hop',
  proxy,
  runtime: 'native',
  connections: 32,
  rps: 1,
  cpu_us_per_request: cpu,
  p50_ms: 1,
  p99_ms: 1,
  p999_ms: 1,
  rss_mb: 1,
  private_mb: 1,
  idle_private_mb: 1,
});

test('the median of an even count is the mean of the middle two', () => {
  assert.equal(median([4, 1, 3, 2]), 2.5);
  assert.equal(median([3, 1, 2]), 2);
});

test('rows are compared with HAProxy of the same scenario only', () => {
  const rows = withRatios([row('haproxy', 20), row('mesh', 25), { ...row('mesh', 50), scenario: 'pair' }]);
  assert.deepEqual(
    rows.map((each) => each.cpu_vs_haproxy),
    [1, 1.25, undefined],
  );
});

test('columns line up, numbers to the right', () => {
  assert.equal(
    formatTable(
      ['name', 'n'],
      [
        ['a', 10],
        ['bcd', 5],
      ],
    ),
    'name   n\na     10\nbcd    5',
  );
});
