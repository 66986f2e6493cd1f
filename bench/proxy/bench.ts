/**
 * The sidecar against its rivals, in one run: a plain hop and mTLS pairs by HTTP/1.1, HTTP/2 and gRPC, and opaque bytes, with rows without any proxy. Flows take
 * turns; each figure is the median of the rounds.
 */
import { Backends } from '../lib/backends.ts';
import { createBenchCertificates } from '../lib/certificates.ts';
import { loadMissing } from '../lib/load.ts';
import { claimLoopback } from '../lib/loopback.ts';
import { PROTOCOLS } from '../lib/protocols.ts';
import type { Protocol } from '../lib/protocols.ts';
import type { FlowSpec, Site } from './flow.ts';
import { CAPACITY, estimateS, plan } from './matrix.ts';
import type { Cell, Choice, Group } from './matrix.ts';
import { FlowMeasurement } from './measurement.ts';
import { meshFlows } from './mesh.ts';
import { rivalFlows } from './rivals.ts';
import { proxyRows, proxyTable } from './rows.ts';
import type { ProxyRow } from './rows.ts';

export interface ProxyBenchOptions extends Choice {
  readonly durationS: number;
  readonly rounds: number;
  /** Empty: all. */
  readonly proxies: readonly string[];
  /** Of our own flows; empty: all. */
  readonly runtimes: readonly string[];
  /** Progress for a person; never on the stream of the result. */
  readonly say: (line: string) => void;
}

interface Skipped {
  readonly scenario: string;
  readonly protocol: string;
  readonly proxy: string;
  readonly reason: string;
}

export interface ProxyBenchResult {
  readonly rows: readonly ProxyRow[];
  /** Flows that could not be measured here. */
  readonly skipped: readonly Skipped[];
  /** Flows that ended, or failed more than a stray request, while they were measured. */
  readonly broken: readonly Skipped[];
}

/** Memory is read before and after the load, this long without any: allocators and collectors have given back what they will. */
const MEMORY_SETTLE_MS = 25_000;
/** HAProxy's pair was seen to answer a few requests in ten thousand with 502 when a kept connection had just closed. Ours may fail none. */
const RIVAL_FAILED_SHARE_MAX = 0.001;

/** One group with the flows that take turns in it. */
interface FlowSet {
  readonly group: Group;
  readonly flows: readonly FlowMeasurement[];
  /** Requests per second that 100 % stands for, once known. */
  capacity: number | undefined;
}

export async function benchProxy(options: ProxyBenchOptions): Promise<ProxyBenchResult> {
  await using stack = new AsyncDisposableStack();
  const certificates = await createBenchCertificates();
  stack.defer(() => certificates.remove());
  const { sets, skipped } = await startAll(stack, options, [...rivalFlows(certificates), ...meshFlows()]);
  const flows = sets.flatMap((set) => set.flows);
  sayLength(options, sets);
  await settle(options, 'idle memory');
  for (const flow of flows) await guarded(flow, options, () => flow.readIdleMemory());
  for (let turn = 1; turn <= options.rounds; turn += 1) {
    // Shares of the capacity need the first round's closed loops of their group.
    for (const set of sets) await runSet(set, options, turn);
  }
  await settle(options, 'memory');
  return { ...result(sets), skipped };
}

/** A program of the result's `broken` that is ours makes the run fail. */
export function isGood({ rows, broken }: ProxyBenchResult): boolean {
  return rows.length > 0 && !broken.some(({ proxy }) => proxy === 'mesh');
}

async function startAll(
  stack: AsyncDisposableStack,
  options: ProxyBenchOptions,
  specs: readonly FlowSpec[],
): Promise<{ readonly sets: readonly FlowSet[]; readonly skipped: readonly Skipped[] }> {
  const loopback = stack.use(await claimLoopback());
  const backends = stack.use(new Backends());
  const skipped: Skipped[] = [];
  const sets: FlowSet[] = [];
  const groups = plan(options);
  const sites = new Map<Protocol, Site>();
  const http1Backend = await backends.start(stack, 'http1', loopback.next());
  for (const protocol of PROTOCOLS) {
    if (!groups.some((group) => group.protocol === protocol)) continue;
    const reason = loadMissing(protocol) ?? backends.missing(protocol);
    if (reason !== undefined) {
      skipped.push({ scenario: 'all', protocol, proxy: 'all', reason });
      continue;
    }
    const startBackend: Site['startBackend'] = (owner, host) => backends.start(owner, protocol, host);
    const backend = protocol === 'http1' ? http1Backend : await startBackend(stack, loopback.next());
    sites.set(protocol, { backend, http1Backend, startBackend, nextIp: () => loopback.next() });
  }
  for (const group of groups) {
    const site = sites.get(group.protocol);
    if (site === undefined) continue;
    const flows: FlowMeasurement[] = [];
    for (const spec of specs.filter((each) => isOf(each, group) && isWanted(each, options))) {
      const reason = spec.missing();
      if (reason === undefined) flows.push(new FlowMeasurement(spec, stack.use(await spec.start(site))));
      else skipped.push(named(spec, reason));
    }
    sets.push({ group, flows, capacity: undefined });
  }
  return { sets, skipped };
}

const named = ({ scenario, protocol, proxy }: FlowSpec, reason: string): Skipped => ({
  scenario,
  protocol,
  proxy,
  reason,
});

const isOf = (spec: FlowSpec, group: Group): boolean =>
  spec.scenario === group.scenario && spec.protocol === group.protocol;

function isWanted(spec: FlowSpec, { proxies, runtimes }: ProxyBenchOptions): boolean {
  if (spec.proxy === 'none') return true;
  if (proxies.length > 0 && !proxies.includes(spec.proxy)) return false;
  return spec.proxy !== 'mesh' || runtimes.length === 0 || runtimes.includes(spec.runtime);
}

async function runSet(set: FlowSet, options: ProxyBenchOptions, turn: number): Promise<void> {
  const { cells } = set.group;
  const shares = cells.filter(({ load }) => load.endsWith('%'));
  const others = cells.filter((cell) => !shares.includes(cell));
  await runCells(set, others, options, turn);
  if (shares.length === 0) return;
  set.capacity ??= capacityOf(set.flows);
  if (set.capacity !== undefined) await runCells(set, shares, options, turn);
}

async function runCells(set: FlowSet, cells: readonly Cell[], options: ProxyBenchOptions, turn: number): Promise<void> {
  const [first] = cells;
  if (first === undefined) return;
  for (const flow of set.flows) {
    options.say(
      `round ${turn} of ${options.rounds}: ${flow.name}, ${cells.map(({ connections, body, load }) => `${connections} ${body} ${load}`).join(', ')}`,
    );
    // Each time anew: a sidecar that was idle while the others had their turn has given its compiled code back.
    await guarded(flow, options, () => flow.warmUp(first));
    for (const cell of cells) {
      const rate = rateOf(cell, set.capacity);
      const run = { durationS: options.durationS, seed: turn, ...(rate === undefined ? {} : { rate }) };
      await guarded(flow, options, () => flow.run(cell, run));
    }
  }
}

/** Does something with a flow that is whole; what it throws breaks the flow, and the others go on. */
async function guarded(
  flow: FlowMeasurement,
  { say }: ProxyBenchOptions,
  act: () => Promise<void> | void,
): Promise<void> {
  if (flow.broken !== undefined) return;
  try {
    await act();
  } catch (error) {
    flow.broken = error instanceof Error ? error.message : String(error);
    say(`${flow.name} is measured no further: ${flow.broken}`);
  }
}

/** What the slowest reached. */
function capacityOf(flows: readonly FlowMeasurement[]): number | undefined {
  const reached = flows.flatMap((flow) => flow.samples(CAPACITY).map(({ rps }) => rps)).filter((rps) => rps >= 1);
  return reached.length === 0 ? undefined : Math.min(...reached);
}

function rateOf({ load }: Cell, capacity: number | undefined): number | undefined {
  if (load === 'closed') return undefined;
  const number = Number.parseInt(load, 10);
  return load.endsWith('%') ? Math.round((number / 100) * (capacity ?? 0)) : number;
}

function result(sets: readonly FlowSet[]): Pick<ProxyBenchResult, 'rows' | 'broken'> {
  const measured = sets.flatMap(({ group, flows, capacity }) =>
    flows.flatMap((flow) => {
      const memory = flow.broken === undefined ? flow.memory() : { rssMb: 0, privateMb: 0 };
      return group.cells.map((cell) => {
        const { scenario, protocol, proxy, runtime, note } = flow.spec;
        const rate = rateOf(cell, capacity);
        const samples = flow.samples(cell);
        const more = { ...(rate === undefined ? {} : { rate }), ...(note === undefined ? {} : { note }) };
        return {
          scenario,
          protocol,
          proxy,
          runtime,
          cell,
          samples,
          memory,
          idlePrivateMb: flow.idlePrivateMb,
          ...more,
        };
      });
    }),
  );
  const flows = sets.flatMap((set) => set.flows.map((flow) => ({ flow, cells: set.group.cells })));
  const broken = flows.flatMap(({ flow, cells }) => {
    const reason = flow.broken ?? failures(flow, cells);
    return reason === undefined ? [] : [named(flow.spec, reason)];
  });
  return { rows: proxyRows(measured), broken };
}

/** More failed requests than a flow may have. */
function failures(flow: FlowMeasurement, cells: readonly Cell[]): string | undefined {
  const share = flow.spec.proxy === 'mesh' ? 0 : RIVAL_FAILED_SHARE_MAX;
  const bad = cells.flatMap((cell) => {
    const { connections, body, load } = cell;
    const samples = flow.samples(cell);
    const requests = samples.reduce((sum, sample) => sum + sample.requests, 0);
    const failed = samples.reduce((sum, sample) => sum + sample.failed, 0);
    if (samples.length > 0 && requests === 0) return [`no answer at all with ${connections} ${body} ${load}`];
    return failed > requests * share
      ? [`${failed} failed requests beside ${requests} with ${connections} ${body} ${load}`]
      : [];
  });
  return bad.length === 0 ? undefined : bad.join('; ');
}

function sayLength(options: ProxyBenchOptions, sets: readonly FlowSet[]): void {
  const flows = sets.flatMap((set) => set.flows.map(({ spec }) => spec));
  const kinds = (isOurs: boolean): number =>
    new Set(
      flows
        .filter(({ proxy }) => proxy !== 'none' && (proxy === 'mesh') === isOurs)
        .map(({ proxy, runtime }) => proxy + runtime),
    ).size;
  const groups = sets.map(({ group }) => group);
  const { durationS, rounds } = options;
  const seconds = estimateS(groups, { durationS, rounds, native: kinds(false), compiled: kinds(true) });
  options.say(`${flows.length} flows, about ${Math.ceil(seconds / 60)} minutes`);
}

async function settle({ say }: ProxyBenchOptions, what: string): Promise<void> {
  say(`waiting ${MEMORY_SETTLE_MS / 1000} s before ${what} is read`);
  await new Promise((resolve) => setTimeout(resolve, MEMORY_SETTLE_MS));
}

export function proxyBenchTable({ rows, skipped, broken }: ProxyBenchResult): string {
  const lines = (kind: string, all: readonly Skipped[]): string[] =>
    all.map(({ scenario, protocol, proxy, reason }) => `${kind}: ${scenario} ${protocol} ${proxy}: ${reason}`);
  return [proxyTable(rows), ...lines('skipped', skipped), ...lines('broken', broken)].join('\n');
}
