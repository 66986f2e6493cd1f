import assert from 'node:assert/strict';
import { test } from 'node:test';
import { proxyRows, proxyTable } from './rows.ts';
import type { Measured } from './rows.ts';

const measured = (proxy: string, cpus: readonly number[], more: Partial<Measured> = {}): Measured => ({
  scenario: 'hop',
  protocol: 'http1',
  proxy,
  runtime: 'native',
  cell: { connections: 32, body: 'small', load: 'closed' },
  samples: cpus.map((cpuUsPerRequest) => ({
    requests: 10,
    failed: 1,
    rps: 100,
    cpuUsPerRequest,
    p50Ms: 1,
    p99Ms: cpuUsPerRequest / 10,
    p999Ms: 3,
  })),
  memory: { rssMb: 20, privateMb: 10 },
  idlePrivateMb: 5,
  ...more,
});

test('rows are compared with HAProxy of the same cell, by medians', () => {
  const other = { connections: 1, body: 'small', load: 'closed' } as const;
  const rows = proxyRows([
    measured('haproxy', [10, 20, 30]),
    measured('mesh', [25, 22, 90]),
    measured('mesh', [50], { scenario: 'mtls-pair' }),
    measured('mesh', [50], { cell: other }),
    measured('mesh', [50], { protocol: 'grpc' }),
  ]);
  assert.deepEqual(
    rows.map((row) => row.cpu_vs_haproxy),
    [1, 1.25, undefined, undefined, undefined],
  );
  assert.equal(rows[1]?.failed, 3);
});

test('what a proxy adds is the median of the differences of the rounds, at the same rate only', () => {
  const cell = { connections: 32, body: 'small', load: '1000/s' } as const;
  const none = { scenario: 'none', cell, rate: 1000 } as const;
  const [, mesh, faster] = proxyRows([
    measured('none', [10, 30, 20], none),
    measured('mesh', [15, 33, 40], { cell, rate: 1000 }),
    measured('mesh', [15, 33, 40], { cell, rate: 2000 }),
  ]);
  assert.equal(mesh?.added_p99_ms, 0.5);
  assert.equal(faster?.added_p99_ms, undefined);
});

test('flows that were never measured have no row, and rows of a cell stand together', () => {
  const small = { connections: 1, body: 'small', load: 'closed' } as const;
  const rows = proxyRows([
    measured('haproxy', [10]),
    measured('haproxy', [10], { cell: small }),
    measured('mesh', [10]),
    measured('nginx', []),
  ]);
  const lines = proxyTable(rows).split('\n').slice(1);
  assert.deepEqual(
    lines.map((line) => line.split(/\s+/).slice(2, 6).join(' ')),
    ['32 small closed haproxy', '32 small closed mesh', '1 small closed haproxy'],
  );
});
