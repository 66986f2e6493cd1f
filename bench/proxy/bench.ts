/**
 * The sidecar against its rivals, in one run: a plain hop and mTLS pairs (HTTP/1.1, opaque) with keep-alive, with small bodies
 * and large ones, and a row without any proxy. Rows take turns; each figure is the median of the rounds.
 */
import { fileURLToPath } from 'node:url';
import { createBenchCertificates } from '../lib/certificates.ts';
import { loadMissing } from '../lib/load.ts';
import { LOAD_CPU, pinned, startProgram, untilListening } from '../lib/programs.ts';
import { formatTable, withRatios, type BenchRow } from '../lib/report.ts';
import type { Address } from './haproxy-config.ts';
import { meshRows } from './mesh.ts';
import { rivalRows } from './rivals.ts';
import { RowMeasurement } from './row.ts';
import type { Body, RowSpec } from './row.ts';

export interface ProxyBenchOptions {
  readonly connections: number;
  readonly durationS: number;
  readonly rounds: number;
  /** Empty: all. */
  readonly scenarios: readonly string[];
  /** Of our own rows; empty: all. */
  readonly runtimes: readonly string[];
  readonly bodies: readonly Body[];
  /** Progress for a person; never on the stream of the result. */
  readonly say: (line: string) => void;
}

export interface ProxyBenchResult {
  readonly rows: readonly BenchRow[];
  readonly skipped: readonly { readonly scenario: string; readonly proxy: string; readonly reason: string }[];
}

/** Memory is read before and after the load, this long without any: allocators and collectors have given back what they will. */
const MEMORY_SETTLE_MS = 25_000;
const BACKEND: Address = { host: '127.9.0.100', port: 8080 };

export async function benchProxy(options: ProxyBenchOptions): Promise<ProxyBenchResult> {
  const noLoad = loadMissing();
  if (noLoad !== undefined) return { rows: [], skipped: [{ scenario: 'all', proxy: 'all', reason: noLoad }] };
  await using stack = new AsyncDisposableStack();
  const certificates = await createBenchCertificates();
  stack.defer(() => certificates.remove());
  const backendFile = fileURLToPath(new URL('../lib/backend.ts', import.meta.url));
  const backend = stack.use(
    startProgram(pinned(LOAD_CPU, [process.execPath, backendFile, BACKEND.host, String(BACKEND.port)])),
  );
  await untilListening(BACKEND.host, BACKEND.port, backend);

  const skipped: { scenario: string; proxy: string; reason: string }[] = [];
  const measured: RowMeasurement[] = [];
  for (const spec of [...rivalRows(certificates), ...meshRows(certificates)]) {
    if (!isWanted(spec, options)) continue;
    const reason = spec.missing();
    if (reason === undefined) {
      const running = stack.use(await spec.start(BACKEND));
      measured.push(...options.bodies.map((body) => new RowMeasurement(spec, running, body)));
    } else skipped.push({ scenario: spec.scenario, proxy: spec.proxy, reason });
  }
  options.say(`waiting ${MEMORY_SETTLE_MS / 1000} s before idle memory is read`);
  await new Promise((resolve) => setTimeout(resolve, MEMORY_SETTLE_MS));
  for (const row of measured) row.readIdleMemory();
  for (let round = 1; round <= options.rounds; round += 1) {
    for (const row of measured) {
      options.say(`round ${round}: ${row.scenario} ${row.spec.proxy} ${row.spec.runtime}`);
      // Each time anew: a sidecar that was idle while the others had their turn has given its compiled code back.
      await row.warmUp(options.connections);
      await row.run(options.connections, options.durationS);
    }
  }
  options.say(`waiting ${MEMORY_SETTLE_MS / 1000} s before memory is read`);
  await new Promise((resolve) => setTimeout(resolve, MEMORY_SETTLE_MS));
  return { rows: withRatios(measured.map((row) => row.row(options.connections))), skipped };
}

function isWanted(spec: RowSpec, { scenarios, runtimes }: ProxyBenchOptions): boolean {
  if (scenarios.length > 0 && !scenarios.includes(spec.scenario)) return false;
  return spec.proxy !== 'mesh' || runtimes.length === 0 || runtimes.includes(spec.runtime);
}

export function proxyBenchTable(result: ProxyBenchResult): string {
  const headers = [
    'SCENARIO',
    'PROXY',
    'RUNTIME',
    'CONN',
    'RPS',
    'CPU_US/REQ',
    'VS_HAPROXY',
    'P50_MS',
    'P99_MS',
    'P99.9_MS',
    'RSS_MB',
    'PRIVATE_MB',
    'IDLE_MB',
  ];
  const table = formatTable(
    headers,
    result.rows.map((row) => [
      row.scenario,
      row.proxy,
      row.runtime,
      row.connections,
      row.rps,
      row.cpu_us_per_request,
      row.cpu_vs_haproxy,
      row.p50_ms,
      row.p99_ms,
      row.p999_ms,
      row.rss_mb,
      row.private_mb,
      row.idle_private_mb,
    ]),
  );
  return [table, ...result.skipped.map((row) => `skipped: ${row.scenario} ${row.proxy}: ${row.reason}`)].join('\n');
}
