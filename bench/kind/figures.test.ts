import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSteady, latencyRows, memoryRow, parseLoadReport, readyAtMs, startRow } from './figures.ts';
import type { ContainerFigures } from './node-figures.ts';

const figures = (mb: number): ContainerFigures => ({
  cgroup: 2,
  workingSetBytes: mb * 2e6,
  privateBytes: mb * 1e6,
  pssBytes: mb * 1.5e6,
  cpuUs: 0,
  startedAtMs: 0,
});

test('memory is the median of the sidecars, and their sum', () => {
  const row = memoryRow('bun', 'idle', [figures(10), figures(12), figures(20)]);
  assert.equal(row.sidecars, 3);
  assert.deepEqual([row.private_mb, row.sum_private_mb], [12, 42]);
  assert.deepEqual([row.pss_mb, row.sum_pss_mb], [18, 63]);
  assert.deepEqual([row.working_set_mb, row.sum_working_set_mb], [24, 84]);
});

test('added latency is the median of the differences in each turn', () => {
  const round = (us: number): { readonly us: readonly number[] } => ({ us: Array.from({ length: 100 }, () => us) });
  const [none, bun] = latencyRows(
    new Map([
      ['none', [round(400), round(500), round(1400)]],
      ['bun', [round(1400), { ...round(1700), cpuUsPerRequest: 200.4 }, round(1600)]],
    ] as const),
  );
  assert.deepEqual(none, { runtime: 'none', rounds: 3, requests: 300, p50_ms: 0.5, p99_ms: 0.5 });
  assert.deepEqual(bun, {
    runtime: 'bun',
    rounds: 3,
    requests: 300,
    p50_ms: 1.6,
    p99_ms: 1.6,
    added_p50_ms: 1,
    added_p99_ms: 1,
    cpu_us_per_request: 200,
  });
});

test('a warm-up is over when the last medians are alike, whatever came before', () => {
  assert.equal(isSteady([900, 905]), false);
  assert.equal(isSteady([1500, 1200, 900, 800]), false);
  assert.equal(isSteady([1500, 900, 830, 860]), true);
  assert.equal(isSteady([800, 900, 800]), false);
});

test('a row of pods without sidecar has no time of a sidecar', () => {
  assert.deepEqual(startRow('none', [{ podReadyMs: 1000.4 }]), { runtime: 'none', pods: 1, pod_ready_ms: 1000 });
  assert.equal(startRow('bun', [{ podReadyMs: 1, sidecarReadyMs: 299.6 }]).sidecar_ready_ms, 300);
});

test('the report of the load program is read, anything else is an error that shows it', () => {
  assert.deepEqual(parseLoadReport('{"sent":2,"errors":0,"caller":"","us":[1,2]}\n').us, [1, 2]);
  for (const text of ['', 'Error: no', '{"sent":2}', '{"sent":1,"errors":0,"caller":"","us":["a"]}']) {
    assert.throws(() => parseLoadReport(text), /said no figures/, text);
  }
});

test("a sidecar's log tells when it was ready", () => {
  const log = [
    '2026-11-21T19:21:18.000Z INFO  admin listening port=4191',
    '2026-11-21T19:21:18.679Z INFO  proxy ready identity="web"',
    '',
  ].join('\n');
  assert.equal(readyAtMs(log), Date.parse('2026-11-21T19:21:18.679Z'));
  assert.throws(() => readyAtMs('2026-11-21T19:21:18.000Z INFO  admin listening'), /no line "proxy ready": 2026/);
});
