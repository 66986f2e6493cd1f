import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MetricRegistry } from '@mesh/runtime';
import { MetricSum } from './metric-sum.ts';

function page(requests: number, open: number, latencies: readonly number[], startedAt: number): string {
  const registry = new MetricRegistry();
  registry.counter({ name: 'request_total', help: 'Requests.' }).bind({ to: 'a b "c"' }).add(requests);
  registry.gauge({ name: 'tcp_open_connections', help: 'Open.' }).bind().set(open);
  const histogram = registry.histogram({ name: 'latency_ms', help: 'Latency.', buckets: [1, 10] }).bind();
  for (const latency of latencies) histogram.observe(latency);
  registry.gauge({ name: 'process_start_time_seconds', help: 'Start.' }).bind().set(startedAt);
  registry
    .gauge({ name: 'process_clock_time_seconds', help: 'Clock.' })
    .bind()
    .set(startedAt + 100);
  registry.gauge({ name: 'control_identity_cert_expiration_timestamp_seconds', help: 'End.' }).bind().set(startedAt);
  return registry.expose();
}

const valueOf = (text: string, series: string): number =>
  Number(
    text
      .split('\n')
      .find((line) => line.startsWith(`${series} `))
      ?.slice(series.length),
  );

test('counters, gauges and histograms of workers add up; what all have in common does not', () => {
  const sum = new MetricSum()
    .add(page(2, 3, [0.5, 5], 1000))
    .add(page(5, 4, [50], 1200))
    .toString();
  assert.equal(valueOf(sum, String.raw`request_total{to="a b \"c\""}`), 7);
  assert.equal(valueOf(sum, 'tcp_open_connections'), 7);
  assert.equal(valueOf(sum, 'latency_ms_bucket{le="1"}'), 1);
  assert.equal(valueOf(sum, 'latency_ms_bucket{le="+Inf"}'), 3);
  assert.equal(valueOf(sum, 'latency_ms_sum'), 55.5);
  assert.equal(valueOf(sum, 'process_start_time_seconds'), 1000);
  assert.equal(valueOf(sum, 'process_clock_time_seconds'), 1300);
  assert.equal(valueOf(sum, 'control_identity_cert_expiration_timestamp_seconds'), 1200);
});

test('one page comes out as it went in', () => {
  const one = page(2, 3, [0.5], 1000);
  assert.equal(new MetricSum().add(one).toString(), one);
});

test('a process that is gone leaves its counts, so that no counter goes back, and no gauges', () => {
  const left = new MetricSum().add(page(2, 3, [5], 1000), true);
  const sum = new MetricSum()
    .add(left.toString())
    .add(page(1, 1, [], 1200))
    .toString();
  assert.equal(valueOf(sum, String.raw`request_total{to="a b \"c\""}`), 3);
  assert.equal(valueOf(sum, 'latency_ms_count'), 1);
  assert.equal(valueOf(sum, 'tcp_open_connections'), 1);
  assert.equal(valueOf(sum, 'process_start_time_seconds'), 1200);
});
