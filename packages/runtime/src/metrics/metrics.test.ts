import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { registerProcessMetrics } from './process.ts';
import { MetricRegistry } from './registry.ts';

test('counters, gauges and histograms are exposed in the Prometheus text format', () => {
  const registry = new MetricRegistry();
  const requests = registry.counter({ name: 'request_total', help: 'Requests.' });
  requests.bind({ direction: 'inbound', path: 'a"b\\c\nd' }).add(3);
  requests.bind({ direction: 'outbound' });
  registry.gauge({ name: 'tcp_open_connections', help: 'Open\nconnections.' }).bind().set(1.5);
  const latency = registry.histogram({ name: 'response_latency_ms', help: 'Latency.', buckets: [1, 10] });
  for (const value of [0.5, 1, 2, 11, 100]) latency.bind({ status_code: '200' }).observe(value);
  assert.equal(
    registry.expose(),
    [
      '# HELP request_total Requests.',
      '# TYPE request_total counter',
      'request_total{direction="inbound",path="a\\"b\\\\c\\nd"} 3',
      'request_total{direction="outbound"} 0',
      '# HELP tcp_open_connections Open\\nconnections.',
      '# TYPE tcp_open_connections gauge',
      'tcp_open_connections 1.5',
      '# HELP response_latency_ms Latency.',
      '# TYPE response_latency_ms histogram',
      'response_latency_ms_bucket{status_code="200",le="1"} 2',
      'response_latency_ms_bucket{status_code="200",le="10"} 3',
      'response_latency_ms_bucket{status_code="200",le="+Inf"} 5',
      'response_latency_ms_sum{status_code="200"} 114.5',
      'response_latency_ms_count{status_code="200"} 5',
      '',
    ].join('\n'),
  );
});

test('the same labels give the same cell, also from a second declaration', () => {
  const registry = new MetricRegistry();
  const a = registry.counter({ name: 'x_total', help: 'X.' }).bind({ a: '1' });
  assert.equal(registry.counter({ name: 'x_total', help: 'X.' }).bind({ a: '1' }), a);
});

test('too many label sets share a series that is not shown, and that is counted', () => {
  const registry = new MetricRegistry();
  const family = registry.counter({ name: 'x_total', help: 'X.', seriesMax: 2 });
  const cells = ['1', '2', '3', '4'].map((a) => family.bind({ a }));
  for (const cell of cells) cell.add(1);
  assert.equal(cells[2], cells[3]);
  const text = registry.expose();
  assert.equal(family.seriesCount, 2);
  assert.ok(!text.includes('a="3"'));
  assert.match(registry.expose(), /mesh_metric_series_refused_total\{metric="x_total"\} 2/);
});

test('an exposition in turns says the same, and lets others have theirs', async () => {
  const registry = new MetricRegistry();
  const family = registry.counter({ name: 'x_total', help: 'X.' });
  const held = Array.from({ length: 5000 }, (_, index) => family.bind({ name: 'n'.repeat(500), index: String(index) }));
  let turns = 0;
  let other = setImmediate(function again() {
    turns += 1;
    other = setImmediate(again);
  });
  let text = '';
  let longest = 0;
  for await (const piece of registry.exposeInTurns()) {
    text += piece;
    longest = Math.max(longest, piece.length);
  }
  const during = turns;
  clearImmediate(other);
  assert.equal(text, registry.expose());
  assert.equal(text.match(/^x_total/gm)?.length, held.length);
  assert.ok(longest < 20_000, `a piece of ${longest} characters`);
  assert.ok(during > 0, 'nobody else had a turn');
});

test('a full family makes room for new series when nobody scrapes', async (t) => {
  if (globalThis.gc === undefined) return t.skip('needs --expose-gc');
  const registry = new MetricRegistry({ retainIdleMs: 0 });
  const family = registry.counter({ name: 'x_total', help: 'X.', seriesMax: 1 });
  (() => family.bind({ a: '1' }))();
  for (let round = 0; round < 3; round += 1) {
    await new Promise((resolve) => setImmediate(resolve));
    globalThis.gc();
  }
  family.bind({ a: '2' }).add(1);
  assert.match(registry.expose(), /x_total\{a="2"\} 1/);
});

test('a series that changes or is held stays', () => {
  const registry = new MetricRegistry({ retainIdleMs: 0 });
  const family = registry.counter({ name: 'x_total', help: 'X.' });
  const held = family.bind({ a: '1' });
  registry.expose();
  registry.expose();
  held.add(1);
  assert.match(registry.expose(), /x_total\{a="1"\} 1/);
});

test('a series that nobody holds leaves after it was idle, and its slot is used again from zero', async (t) => {
  if (globalThis.gc === undefined) return t.skip('needs --expose-gc');
  const registry = new MetricRegistry({ retainIdleMs: 0 });
  const family = registry.counter({ name: 'x_total', help: 'X.' });
  (() => family.bind({ a: '1' }).add(5))();
  registry.expose();
  for (let round = 0; round < 20 && family.seriesCount > 0; round += 1) {
    await new Promise((resolve) => setImmediate(resolve));
    globalThis.gc();
    registry.expose();
  }
  assert.equal(family.seriesCount, 0);
  assert.equal(family.bind({ a: '2' }).value, 0);
});

test('a histogram counts every observation once, in the first bucket that holds it', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 200 })), (values) => {
      const registry = new MetricRegistry();
      const cell = registry.histogram({ name: 'h', help: 'H.', buckets: [1, 50, 100] }).bind();
      for (const value of values) cell.observe(value);
      const text = registry.expose();
      for (const bound of [1, 50, 100])
        assert.ok(text.includes(`h_bucket{le="${bound}"} ${values.filter((value) => value <= bound).length}\n`));
      assert.equal(cell.count, values.length);
    }),
  );
});

test('the process describes itself', () => {
  const registry = new MetricRegistry();
  registerProcessMetrics(registry);
  const text = registry.expose();
  for (const name of [
    'process_resident_memory_bytes',
    'process_open_fds',
    'process_threads',
    'process_start_time_seconds',
  ])
    assert.match(text, new RegExp(`^${name} [1-9]`, 'm'));
});
