/**
 * The gateway beside HAProxy that does the same TLS in and TLS out: requests a second, CPU per request, latency; and what connections cost
 * that are only held.
 */
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Holder } from '../connections/holder-process.ts';
import type { HolderPlan } from '../connections/holder.ts';
import { treeCpuTimeUs, treeMemory } from '../lib/process-cost.ts';
import { LOAD_CPU, ofRunning, pinned, startProgram } from '../lib/programs.ts';
import type { Program } from '../lib/programs.ts';
import { formatTable, median, round } from '../lib/report.ts';
import { gatewayFlows } from './flows.ts';
import type { GatewayFlow, RunningGateway } from './flows.ts';
import { connectionsMax } from './haproxy.ts';
import type { LoadPlan, LoadResult } from './load.ts';
import { createGatewaySite, descriptorsMax, GATEWAY_PROTOCOLS, withDescriptors } from './site.ts';
import type { GatewayProtocol, GatewaySite } from './site.ts';

export interface GatewayBenchOptions {
  /** Empty: all. */
  readonly protocols: readonly GatewayProtocol[];
  readonly proxies: readonly string[];
  readonly runtimes: readonly string[];
  readonly workers: readonly number[];
  readonly connections: number;
  readonly durationS: number;
  readonly rounds: number;
  /** Connections to be held; 0: none are. */
  readonly held: number;
  readonly say: (line: string) => void;
}

export interface GatewayRow {
  readonly proxy: string;
  readonly runtime: string;
  readonly workers: number;
  readonly protocol: GatewayProtocol;
  readonly connections: number;
  readonly requests_per_second: number;
  readonly cpu_us_per_request: number;
  /** Of HAProxy with as many threads. */
  readonly cpu_vs_haproxy?: number;
  readonly p50_ms: number;
  readonly p99_ms: number;
  readonly rss_mb: number;
  readonly failed: number;
}

export interface HeldRow {
  readonly proxy: string;
  readonly runtime: string;
  readonly workers: number;
  readonly connections: number;
  readonly before_mb: number;
  readonly after_mb: number;
  readonly kib_per_connection: number;
  readonly rss_mb: number;
}

export interface GatewayBenchResult {
  readonly rows: readonly GatewayRow[];
  readonly held: readonly HeldRow[];
  readonly skipped: readonly { readonly proxy: string; readonly runtime: string; readonly reason: string }[];
}

/** What is compiled while it runs is compiled then. */
const WARM_UP = { warmUpRequests: 80_000, warmUpMs: 10_000 };
const STREAMS = 10;
const LOAD = fileURLToPath(new URL('load.ts', import.meta.url));
/** Allocators and collectors have given back what they will. */
const SETTLE_MS = 15_000;
/** Source addresses of held connections: one alone runs out of ports. */
const SOURCES = 4;
const HELD_WARM_UP = 50;
/** Descriptors of a process that are no held connections; also, the kernel does not spread connections quite evenly. */
const DESCRIPTORS_SPARE = 2_000;

export async function benchGateway(options: GatewayBenchOptions): Promise<GatewayBenchResult> {
  await using stack = new AsyncDisposableStack();
  const site = await createGatewaySite(stack);
  const skipped: { proxy: string; runtime: string; reason: string }[] = [];
  const flows = gatewayFlows(options.workers).filter((flow) => {
    if (!isWanted(flow, options)) return false;
    const reason = flow.missing();
    if (reason !== undefined) skipped.push({ proxy: flow.proxy, runtime: flow.runtime, reason });
    return reason === undefined;
  });
  const protocols = options.protocols.length === 0 ? GATEWAY_PROTOCOLS : options.protocols;
  const taken = new Map<string, GatewayRow[]>();
  for (const protocol of protocols) {
    for (let turn = 0; turn < options.rounds; turn += 1) {
      for (const flow of flows) {
        const name = `${flow.proxy} ${flow.runtime} ${flow.workers} ${protocol}`;
        options.say(`round ${turn + 1} of ${options.rounds}: ${name}`);
        const row = await measure(site, flow, protocol, options);
        taken.set(name, [...(taken.get(name) ?? []), row]);
      }
    }
  }
  const rows = [...taken.values()].map(middle);
  const held: HeldRow[] = [];
  if (options.held > 0) {
    // No process holds more connections than it may have descriptors: then several workers and clients share them. HAProxy is one process.
    const processes = Math.ceil(options.held / (descriptorsMax() - DESCRIPTORS_SPARE));
    for (const flow of gatewayFlows([processes]).filter(
      (one) => isWanted(one, options) && one.missing() === undefined,
    )) {
      const { proxy, runtime } = flow;
      const most = connectionsMax(descriptorsMax());
      if (proxy === 'haproxy' && options.held > most) {
        const reason = `holds ${most} connections at most with ${descriptorsMax()} descriptors, not ${options.held}`;
        skipped.push({ proxy, runtime, reason });
        continue;
      }
      options.say(`held: ${proxy} ${runtime}, ${processes} processes`);
      held.push(await hold(site, flow, options.held));
    }
  }
  return { rows: rows.map((row) => compared(row, rows)), held, skipped };
}

function isWanted({ proxy, runtime }: GatewayFlow, { proxies, runtimes }: GatewayBenchOptions): boolean {
  if (proxies.length > 0 && !proxies.includes(proxy)) return false;
  return proxy !== 'mesh' || runtimes.length === 0 || runtimes.includes(runtime);
}

async function measure(
  site: GatewaySite,
  flow: GatewayFlow,
  protocol: GatewayProtocol,
  { connections, durationS }: GatewayBenchOptions,
): Promise<GatewayRow> {
  await using stack = new AsyncDisposableStack();
  const running = await flow.start(stack, site, protocol);
  const plan: LoadPlan = {
    ...running.entry,
    protocol,
    material: site.client.material,
    connections,
    streams: STREAMS,
    ...WARM_UP,
    durationMs: durationS * 1000,
  };
  const { result, cpuUs } = await load(stack, site.file('load.json', JSON.stringify(plan)), running);
  const { rssMb } = ofRunning([running.program], () => treeMemory(running.program.pid));
  return {
    proxy: flow.proxy,
    runtime: flow.runtime,
    workers: flow.workers,
    protocol,
    connections,
    requests_per_second: Math.round(result.requests / result.seconds),
    cpu_us_per_request: round(cpuUs / result.requests, 1),
    p50_ms: round(result.p50Ms, 2),
    p99_ms: round(result.p99Ms, 2),
    rss_mb: round(rssMb, 1),
    failed: result.failed,
  };
}

/** Runs the load to its end, and looks at the gateway's processor time when its counting begins and ends. */
async function load(
  stack: AsyncDisposableStack,
  plan: string,
  { program }: RunningGateway,
): Promise<{ readonly result: LoadResult; readonly cpuUs: number }> {
  const client = stack.use(startProgram(pinned(LOAD_CPU, [process.execPath, LOAD, plan])));
  const { stdout } = client.child;
  if (stdout === null) throw new Error('the load has no output');
  let beforeUs = 0;
  for await (const line of createInterface({ input: stdout })) {
    const cpuUs = ofRunning([program], () => treeCpuTimeUs(program.pid));
    if (line === 'warm') beforeUs = cpuUs;
    else return { result: JSON.parse(line) as LoadResult, cpuUs: cpuUs - beforeUs };
  }
  throw new Error(`the load ended without a result: ${client.output()}; the gateway said: ${program.output()}`);
}

async function hold(site: GatewaySite, flow: GatewayFlow, connections: number): Promise<HeldRow> {
  await using stack = new AsyncDisposableStack();
  const { program, entry } = await flow.start(stack, site, 'http1');
  const { ip, port, serverName, alpn, preface } = entry;
  const plan: HolderPlan = {
    ip,
    port,
    preface,
    tls: { material: site.client.material, serverName, ...(alpn === '' ? {} : { alpn }) },
    localIps: Array.from({ length: SOURCES }, () => site.nextIp()),
  };
  const file = site.file('holder.json', JSON.stringify(plan));
  const holders = Array.from({ length: flow.workers }, () => stack.use(new Holder(file, withDescriptors)));
  const each = <T>(use: (holder: Holder, share: number) => Promise<T>): Promise<readonly T[]> =>
    Promise.all(holders.map((holder, at) => use(holder, Math.floor((connections + at) / holders.length))));
  await each((holder) => holder.open(HELD_WARM_UP));
  await each((holder) => holder.close());
  await settle();
  const before = memoryOf(program);
  await each((holder, share) => holder.open(share));
  await settle();
  const after = memoryOf(program);
  const open = (await each((holder) => holder.count())).reduce((sum, count) => sum + count, 0);
  if (open !== connections)
    throw new Error(`${flow.proxy} ${flow.runtime}: ${open} connections are open, not ${connections}`);
  return {
    proxy: flow.proxy,
    runtime: flow.runtime,
    workers: flow.workers,
    connections,
    before_mb: round(before.writtenMb, 1),
    after_mb: round(after.writtenMb, 1),
    kib_per_connection: round(((after.writtenMb - before.writtenMb) * 1e6) / 1024 / connections, 1),
    rss_mb: round(after.rssMb, 1),
  };
}

const memoryOf = (program: Program): ReturnType<typeof treeMemory> =>
  ofRunning([program], () => treeMemory(program.pid));

function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
}

/** The median of each figure; failures add up. */
function middle(rounds: readonly GatewayRow[]): GatewayRow {
  const [first] = rounds;
  if (first === undefined) throw new Error('no round was measured');
  const of = (figure: (row: GatewayRow) => number): number => round(median(rounds.map(figure)), 2);
  return {
    ...first,
    requests_per_second: Math.round(of((row) => row.requests_per_second)),
    cpu_us_per_request: of((row) => row.cpu_us_per_request),
    p50_ms: of((row) => row.p50_ms),
    p99_ms: of((row) => row.p99_ms),
    rss_mb: of((row) => row.rss_mb),
    failed: rounds.reduce((sum, row) => sum + row.failed, 0),
  };
}

function compared(row: GatewayRow, rows: readonly GatewayRow[]): GatewayRow {
  const rival = rows.find(
    ({ proxy, protocol, workers }) => proxy === 'haproxy' && protocol === row.protocol && workers === row.workers,
  );
  if (rival === undefined || row.proxy === 'haproxy') return row;
  return { ...row, cpu_vs_haproxy: round(row.cpu_us_per_request / rival.cpu_us_per_request, 2) };
}

/** Every request was answered. */
export function isGoodGateway({ rows }: GatewayBenchResult): boolean {
  return rows.every(({ proxy, failed }) => proxy !== 'mesh' || failed === 0);
}

export function gatewayBenchTable({ rows, held, skipped }: GatewayBenchResult): string {
  const load = formatTable(
    [
      'PROXY',
      'RUNTIME',
      'WORKERS',
      'PROTOCOL',
      'CONN',
      'REQ/S',
      'CPU_US/REQ',
      'VS_HAPROXY',
      'P50_MS',
      'P99_MS',
      'RSS_MB',
      'FAILED',
    ],
    rows.map((row) => [
      row.proxy,
      row.runtime,
      row.workers,
      row.protocol,
      row.connections,
      row.requests_per_second,
      row.cpu_us_per_request,
      row.cpu_vs_haproxy,
      row.p50_ms,
      row.p99_ms,
      row.rss_mb,
      row.failed,
    ]),
  );
  const holding = formatTable(
    ['PROXY', 'RUNTIME', 'WORKERS', 'HELD', 'BEFORE_MB', 'AFTER_MB', 'KIB/CONN', 'RSS_MB'],
    held.map((row) => [
      row.proxy,
      row.runtime,
      row.workers,
      row.connections,
      row.before_mb,
      row.after_mb,
      row.kib_per_connection,
      row.rss_mb,
    ]),
  );
  const missing = skipped.map(({ proxy, runtime, reason }) => `skipped: ${proxy} ${runtime}: ${reason}`);
  return [load, ...(held.length > 0 ? ['', holding] : []), ...missing].join('\n');
}
