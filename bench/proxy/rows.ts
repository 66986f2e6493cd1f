/** From measured flows to the rows of the result: medians of the rounds, and what they are beside HAProxy's and beside no proxy. Pure. */
import { formatTable, median, round } from '../lib/report.ts';
import type { Protocol } from '../lib/protocols.ts';
import type { FlowMemory, Sample } from './measurement.ts';
import { isSame } from './matrix.ts';
import type { Cell, Scenario } from './matrix.ts';

/** A flow's samples of one cell, one a round. */
export interface Measured {
  readonly scenario: Scenario;
  readonly protocol: Protocol;
  readonly proxy: string;
  readonly runtime: string;
  readonly note?: string;
  readonly cell: Cell;
  /** Of an open loop: requests per second that were sent. */
  readonly rate?: number;
  readonly samples: readonly Sample[];
  readonly memory: FlowMemory;
  readonly idlePrivateMb: number;
}

export interface ProxyRow extends Cell {
  readonly scenario: Scenario;
  readonly protocol: Protocol;
  readonly proxy: string;
  readonly runtime: string;
  readonly rate?: number;
  readonly rps: number;
  /** CPU of all proxy processes of the flow together. */
  readonly cpu_us_per_request: number;
  /** CPU relative to HAProxy in the same cell and run; absent where HAProxy did not run. */
  readonly cpu_vs_haproxy?: number;
  readonly p50_ms: number;
  readonly p99_ms: number;
  readonly p999_ms: number;
  /** 99th percentile less that without a proxy in the same round: only where both had the same rate. */
  readonly added_p99_ms?: number;
  /** Largest single proxy process of the flow, after all load. */
  readonly rss_mb: number;
  readonly private_mb: number;
  /** The same before any load. */
  readonly idle_private_mb: number;
  readonly failed: number;
  readonly note?: string;
}

export function proxyRows(all: readonly Measured[]): ProxyRow[] {
  return all.filter(({ samples }) => samples.length > 0).map((each) => rowOf(each, all));
}

function rowOf(measured: Measured, all: readonly Measured[]): ProxyRow {
  const { scenario, protocol, proxy, runtime, cell, rate, samples, memory, idlePrivateMb, note } = measured;
  const same = all.filter((other) => other.protocol === protocol && isSame(other.cell, cell));
  const haproxy = same.find((other) => other.scenario === scenario && other.proxy === 'haproxy');
  const base = haproxy === undefined || haproxy.samples.length === 0 ? 0 : middle(haproxy.samples, cpu);
  const alone = same.find((other) => other.scenario === 'none' && other.rate === rate);
  const added = rate === undefined || proxy === 'none' ? undefined : addedP99(samples, alone?.samples ?? []);
  return {
    scenario,
    protocol,
    proxy,
    runtime,
    ...cell,
    ...(rate === undefined ? {} : { rate }),
    rps: Math.round(middle(samples, ({ rps }) => rps)),
    cpu_us_per_request: round(middle(samples, cpu), 1),
    ...(base === 0 ? {} : { cpu_vs_haproxy: round(middle(samples, cpu) / base, 2) }),
    p50_ms: round(
      middle(samples, ({ p50Ms }) => p50Ms),
      2,
    ),
    p99_ms: round(
      middle(samples, ({ p99Ms }) => p99Ms),
      2,
    ),
    p999_ms: round(
      middle(samples, ({ p999Ms }) => p999Ms),
      2,
    ),
    ...(added === undefined ? {} : { added_p99_ms: round(added, 2) }),
    rss_mb: round(memory.rssMb, 1),
    private_mb: round(memory.privateMb, 1),
    idle_private_mb: round(idlePrivateMb, 1),
    failed: samples.reduce((sum, { failed }) => sum + failed, 0),
    ...(note === undefined ? {} : { note }),
  };
}

const cpu = ({ cpuUsPerRequest }: Sample): number => cpuUsPerRequest;

function middle(samples: readonly Sample[], pick: (sample: Sample) => number): number {
  return median(samples.map(pick));
}

/** Median of the differences of each round. */
function addedP99(samples: readonly Sample[], alone: readonly Sample[]): number | undefined {
  const both = Math.min(samples.length, alone.length);
  if (both === 0) return undefined;
  return median(Array.from({ length: both }, (_, index) => (samples[index]?.p99Ms ?? 0) - (alone[index]?.p99Ms ?? 0)));
}

const COLUMNS: readonly (readonly [string, (row: ProxyRow) => string | number | undefined])[] = [
  ['SCENARIO', (row) => row.scenario],
  ['PROTOCOL', (row) => row.protocol],
  ['CONN', (row) => row.connections],
  ['BODY', (row) => row.body],
  ['LOAD', (row) => row.load],
  ['PROXY', (row) => row.proxy],
  ['RUNTIME', (row) => row.runtime],
  ['RATE', (row) => row.rate],
  ['RPS', (row) => row.rps],
  ['CPU_US/REQ', (row) => row.cpu_us_per_request],
  ['VS_HAPROXY', (row) => row.cpu_vs_haproxy],
  ['P50_MS', (row) => row.p50_ms],
  ['P99_MS', (row) => row.p99_ms],
  ['P99.9_MS', (row) => row.p999_ms],
  ['ADDED_P99_MS', (row) => row.added_p99_ms],
  ['RSS_MB', (row) => row.rss_mb],
  ['PRIVATE_MB', (row) => row.private_mb],
  ['IDLE_MB', (row) => row.idle_private_mb],
  ['FAILED', (row) => row.failed],
  ['NOTE', (row) => row.note ?? ''],
];

/** Rows of a cell stand together. */
export function proxyTable(rows: readonly ProxyRow[]): string {
  const cells = rows.filter((row, index) => rows.findIndex((other) => isSameCell(row, other)) === index);
  const ordered = cells.flatMap((cell) => rows.filter((row) => isSameCell(row, cell)));
  return formatTable(
    COLUMNS.map(([name]) => name),
    ordered.map((row) => COLUMNS.map(([, read]) => read(row))),
  );
}

function isSameCell(a: ProxyRow, b: ProxyRow): boolean {
  return a.scenario === b.scenario && a.protocol === b.protocol && isSame(a, b);
}
