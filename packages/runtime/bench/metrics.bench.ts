/** What counting costs on the hot path: `node --expose-gc packages/runtime/bench/metrics.bench.ts`. */
import { bench, do_not_optimize, run } from 'mitata';
import { MetricRegistry } from '../src/metrics/registry.ts';

const registry = new MetricRegistry();
const counter = registry.counter({ name: 'request_total', help: 'Requests.' }).bind({ direction: 'inbound' });
const latency = registry
  .histogram({
    name: 'response_latency_ms',
    help: 'Latency.',
    buckets: [1, 2, 3, 4, 5, 10, 20, 30, 40, 50, 100, 200, 300],
  })
  .bind({ direction: 'inbound' });

bench('noop', () => undefined);
bench('counter.add', () => counter.add(1));
bench('histogram.observe, second bucket', () => latency.observe(1.5));
bench('histogram.observe, eighth bucket', () => latency.observe(25));
bench('bind the same labels', () =>
  do_not_optimize(registry.counter({ name: 'request_total', help: 'Requests.' }).bind({ direction: 'inbound' })));

await run();
