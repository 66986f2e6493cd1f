/**
 * What a scrape of 10,000 series costs, and for how long it keeps the event loop: `node packages/runtime/bench/exposition.bench.ts [--json]`.
 * Goal: under 50 ms, and no block that a request would notice.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { MetricRegistry } from '../src/metrics/registry.ts';

const SERIES = 10_000;
const ROUNDS = 15;
const LATENCY_BUCKETS = [1, 2, 3, 4, 5, 10, 20, 30, 40, 50, 100, 200, 300, 400, 500, 1000, 2000, 3000, 4000, 5000];

/** As a sidecar has them: two thirds of the lines are buckets. */
function filled(): { readonly registry: MetricRegistry; readonly held: readonly object[] } {
  const registry = new MetricRegistry();
  const requests = registry.counter({ name: 'request_total', help: 'Requests.' });
  const responses = registry.counter({ name: 'response_total', help: 'Responses.' });
  const latency = registry.histogram({ name: 'response_latency_ms', help: 'Latency.', buckets: LATENCY_BUCKETS });
  const held: object[] = [];
  const linesPerEndpoint = 2 + 8 + LATENCY_BUCKETS.length + 3;
  for (let index = 0; index < SERIES / linesPerEndpoint; index += 1) {
    const labels = {
      direction: 'outbound',
      authority: 'catalog.shop.svc.cluster.local:80',
      target_addr: `10.42.${index >> 8}.${index & 255}:8080`,
      target_ip: `10.42.${index >> 8}.${index & 255}`,
      target_port: '8080',
      tls: 'true',
      server_id: 'default.shop.serviceaccount.identity.linkerd.cluster.local',
      dst_deployment: 'catalog',
      dst_pod: `catalog-5d8c7b9f6-${index}`,
    };
    held.push(requests.bind(labels), latency.bind(labels));
    for (let status = 200; status < 209; status += 1)
      held.push(responses.bind({ ...labels, status_code: String(status), classification: 'success' }));
    latency.bind(labels).observe(index % 700);
  }
  return { registry, held };
}

/** Whole time, and the longest time in which nobody else had a turn. */
async function scrape(registry: MetricRegistry): Promise<{ totalMs: number; blockMs: number; bytes: number }> {
  let blockMs = 0;
  let last = performance.now();
  let watch = setImmediate(function look() {
    const now = performance.now();
    blockMs = Math.max(blockMs, now - last);
    last = now;
    watch = setImmediate(look);
  });
  const startMs = performance.now();
  let bytes = 0;
  for await (const piece of registry.exposeInTurns()) bytes += Buffer.from(piece).length;
  const totalMs = performance.now() - startMs;
  await turn();
  clearImmediate(watch);
  return { totalMs, blockMs, bytes };
}

const { registry, held } = filled();
const text = registry.expose();
const results: Awaited<ReturnType<typeof scrape>>[] = [];
for (let round = 0; round < ROUNDS; round += 1) results.push(await scrape(registry));
const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
const summary = {
  series: text.split('\n').length - 1,
  bytes: results[0]?.bytes ?? 0,
  cells: held.length,
  first_ms: Number(results[0]?.totalMs.toFixed(1)),
  median_ms: Number(median(results.map((one) => one.totalMs)).toFixed(1)),
  median_block_ms: Number(median(results.map((one) => one.blockMs)).toFixed(2)),
};
console.log(
  process.argv.includes('--json')
    ? JSON.stringify(summary)
    : `${summary.series} series, ${(summary.bytes / 1e6).toFixed(1)} MB: median ${summary.median_ms} ms (first ${summary.first_ms}), longest block ${summary.median_block_ms} ms`,
);
