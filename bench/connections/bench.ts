/**
 * What connections cost in memory: `idle` opens many, uses each once and leaves them open; `churn` opens and closes many and looks at
 * what stays behind.
 */
import { Backends } from '../lib/backends.ts';
import { createBenchCertificates } from '../lib/certificates.ts';
import { claimLoopback } from '../lib/loopback.ts';
import { treeCpuTimeUs, treeMemory } from '../lib/process-cost.ts';
import type { Memory } from '../lib/process-cost.ts';
import { ofRunning } from '../lib/programs.ts';
import type { Program } from '../lib/programs.ts';
import { formatTable, round } from '../lib/report.ts';
import type { Site } from '../proxy/flow.ts';
import { connectionScenarios } from './scenarios.ts';
import type { ConnectionScenario, Watched } from './scenarios.ts';

export interface ConnectionBenchOptions {
  readonly kind: 'idle' | 'churn';
  readonly connections: number;
  /** Empty: all. */
  readonly scenarios: readonly string[];
  /** Of our own rows; empty: all. */
  readonly runtimes: readonly string[];
  readonly say: (line: string) => void;
}

export interface ConnectionRow {
  readonly scenario: string;
  readonly proxy: string;
  readonly runtime: string;
  /** Which end of the mTLS connections this process has. */
  readonly end: Watched['role'];
  readonly connections: number;
  /** Private memory that the process has written. */
  readonly before_mb: number;
  readonly after_mb: number;
  /** idle */
  readonly kib_per_connection?: number;
  /** churn */
  readonly grown_mb?: number;
  /** churn: CPU of the process from accept or connect to close, with one small request, per connection. */
  readonly cpu_us_per_connection?: number;
  readonly rss_mb: number;
}

export interface ConnectionBenchResult {
  readonly rows: readonly ConnectionRow[];
  readonly skipped: readonly { readonly scenario: string; readonly proxy: string; readonly reason: string }[];
}

/** Allocators and collectors have given back what they will. */
const SETTLE_MS = 25_000;
/** Code is loaded and compiled, pools are made: what the first connections cost is no cost per connection. */
const WARM_UP = 50;
/** Open at a time when connections come and go. */
const CHURN_BATCH = 100;

export async function benchConnections(options: ConnectionBenchOptions): Promise<ConnectionBenchResult> {
  await using stack = new AsyncDisposableStack();
  const certificates = await createBenchCertificates();
  stack.defer(() => certificates.remove());
  const loopback = stack.use(await claimLoopback());
  const backends = stack.use(new Backends());
  const nextIp = (): string => loopback.next();
  const backend = await backends.start(stack, 'http1', nextIp());
  const site: Site = {
    backend,
    http1Backend: backend,
    startBackend: (owner, host) => backends.start(owner, 'http1', host),
    nextIp,
  };
  const rows: ConnectionRow[] = [];
  const skipped: { scenario: string; proxy: string; reason: string }[] = [];
  for (const scenario of connectionScenarios(certificates, site)) {
    if (!isWanted(scenario, options)) continue;
    const reason = scenario.missing();
    if (reason !== undefined) {
      skipped.push({ scenario: scenario.scenario, proxy: scenario.proxy, reason });
      continue;
    }
    options.say(`${options.kind}: ${scenario.scenario} ${scenario.proxy} ${scenario.runtime}`);
    rows.push(...(await measure(scenario, options)));
  }
  return { rows, skipped };
}

function isWanted({ scenario, proxy, runtime }: ConnectionScenario, options: ConnectionBenchOptions): boolean {
  if (options.scenarios.length > 0 && !options.scenarios.includes(scenario)) return false;
  return proxy !== 'mesh' || options.runtimes.length === 0 || options.runtimes.includes(runtime);
}

async function measure(spec: ConnectionScenario, options: ConnectionBenchOptions): Promise<ConnectionRow[]> {
  await using stack = new AsyncDisposableStack();
  const { holder, watched } = await spec.start(stack);
  await holder.open(WARM_UP);
  await holder.close();
  await settle();
  const before = watched.map(({ program }) => ({ memory: memoryOf(program), cpuUs: cpuOf(program) }));
  const { connections, kind } = options;
  if (kind === 'idle') await holder.open(connections);
  else {
    for (let left = connections; left > 0; left -= CHURN_BATCH) {
      await holder.open(Math.min(left, CHURN_BATCH));
      await holder.close();
    }
  }
  const spentUs = watched.map(({ program }) => cpuOf(program));
  await settle();
  const open = await holder.count();
  const expected = kind === 'idle' ? connections : 0;
  if (open !== expected)
    throw new Error(`${spec.scenario} ${spec.proxy} ${spec.runtime}: ${open} connections are open, not ${expected}`);
  return watched.map(({ role, program }, index): ConnectionRow => {
    const after = memoryOf(program);
    const { memory, cpuUs } = before[index] ?? { memory: after, cpuUs: 0 };
    const grownMb = after.writtenMb - memory.writtenMb;
    const cost =
      kind === 'idle'
        ? { kib_per_connection: round((grownMb * 1e6) / 1024 / connections, 1) }
        : {
            grown_mb: round(grownMb, 1),
            cpu_us_per_connection: Math.round(((spentUs[index] ?? 0) - cpuUs) / connections),
          };
    return {
      scenario: spec.scenario,
      proxy: spec.proxy,
      runtime: spec.runtime,
      end: role,
      connections,
      before_mb: round(memory.writtenMb, 1),
      after_mb: round(after.writtenMb, 1),
      ...cost,
      rss_mb: round(after.rssMb, 1),
    };
  });
}

const memoryOf = (program: Program): Memory => ofRunning([program], () => treeMemory(program.pid));
const cpuOf = (program: Program): number => ofRunning([program], () => treeCpuTimeUs(program.pid));

function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
}

export function connectionBenchTable({ rows, skipped }: ConnectionBenchResult): string {
  const headers = [
    'SCENARIO',
    'PROXY',
    'RUNTIME',
    'END',
    'CONN',
    'BEFORE_MB',
    'AFTER_MB',
    'KIB/CONN',
    'GROWN_MB',
    'CPU_US/CONN',
    'RSS_MB',
  ];
  const table = formatTable(
    headers,
    rows.map((row) => [
      row.scenario,
      row.proxy,
      row.runtime,
      row.end,
      row.connections,
      row.before_mb,
      row.after_mb,
      row.kib_per_connection,
      row.grown_mb,
      row.cpu_us_per_connection,
      row.rss_mb,
    ]),
  );
  return [table, ...skipped.map((row) => `skipped: ${row.scenario} ${row.proxy}: ${row.reason}`)].join('\n');
}
