/** The rows of the result, and the arithmetic from what was seen to them. */
import { quantile } from '../../scripts/home/traffic.ts';
import { median, round } from '../lib/report.ts';
import type { ContainerFigures } from './node-figures.ts';
import type { Meshed, Variant } from './variants.ts';

/** Memory of sidecars in megabytes (10^6 bytes); medians where there are several. */
export interface MemoryRow {
  readonly runtime: Meshed;
  /** `idle`: ten sidecars that nobody has called. The others: after the load, of the pod that sent it and of the pod that answered. */
  readonly state: 'idle' | 'after load, client' | 'after load, server';
  readonly sidecars: number;
  /** Kind of the cgroups that counted the working set, 1 or 2. */
  readonly cgroup: number;
  readonly working_set_mb: number;
  readonly private_mb: number;
  readonly pss_mb: number;
  /** Of all sidecars of the row together. */
  readonly sum_working_set_mb: number;
  readonly sum_private_mb: number;
  readonly sum_pss_mb: number;
}

export interface StartRow {
  readonly runtime: Variant;
  readonly pods: number;
  /** Median milliseconds from asking for the pod until it is Ready. */
  readonly pod_ready_ms: number;
  /** Median milliseconds from the making of the sidecar's process until it says that it is ready. */
  readonly sidecar_ready_ms?: number;
}

/** Medians of the rounds. */
export interface LatencyRow {
  readonly runtime: Variant;
  readonly rounds: number;
  /** Counted requests of all rounds. */
  readonly requests: number;
  readonly p50_ms: number;
  readonly p99_ms: number;
  /** Median of the differences to the round without sidecars of the same turn. */
  readonly added_p50_ms?: number;
  readonly added_p99_ms?: number;
  /** Of both sidecars together, per request. */
  readonly cpu_us_per_request?: number;
}

export function memoryRow(
  runtime: Meshed,
  state: MemoryRow['state'],
  sidecars: readonly ContainerFigures[],
): MemoryRow {
  const mb = (values: readonly number[]): { readonly each: number; readonly sum: number } => ({
    each: round(median(values) / 1e6, 1),
    sum: round(values.reduce((total, value) => total + value, 0) / 1e6, 1),
  });
  const workingSet = mb(sidecars.map((each) => each.workingSetBytes));
  const own = mb(sidecars.map((each) => each.privateBytes));
  const pss = mb(sidecars.map((each) => each.pssBytes));
  return {
    runtime,
    state,
    sidecars: sidecars.length,
    cgroup: sidecars[0]?.cgroup ?? Number.NaN,
    working_set_mb: workingSet.each,
    private_mb: own.each,
    pss_mb: pss.each,
    sum_working_set_mb: workingSet.sum,
    sum_private_mb: own.sum,
    sum_pss_mb: pss.sum,
  };
}

/** One start of a pod. */
export interface Start {
  readonly podReadyMs: number;
  readonly sidecarReadyMs?: number;
}

export function startRow(runtime: Variant, starts: readonly Start[]): StartRow {
  const sidecars = starts.flatMap(({ sidecarReadyMs }) => sidecarReadyMs ?? []);
  return {
    runtime,
    pods: starts.length,
    pod_ready_ms: Math.round(median(starts.map((start) => start.podReadyMs))),
    ...(sidecars.length === 0 ? {} : { sidecar_ready_ms: Math.round(median(sidecars)) }),
  };
}

/** What the load program says at its end. */
export interface LoadReport {
  readonly sent: number;
  readonly errors: number;
  /** The client's identity as the server was told; empty without a mesh. */
  readonly caller: string;
  /** Time of each counted answer in microseconds. */
  readonly us: readonly number[];
}

/** @throws Error with what was said instead. */
export function parseLoadReport(text: string): LoadReport {
  try {
    const report = JSON.parse(text) as LoadReport;
    const numbers = [report.sent, report.errors, ...report.us];
    if (numbers.every((value) => Number.isFinite(value)) && typeof report.caller === 'string') return report;
  } catch {
    // Told below.
  }
  throw new Error(`the load program said no figures but ${JSON.stringify(text.slice(0, 500))}`);
}

export interface Round {
  readonly us: readonly number[];
  /** Of both sidecars per request, also of the uncounted ones. */
  readonly cpuUsPerRequest?: number;
}

/** The last three are within a tenth of each other: what was measured does not get faster any more. */
export function isSteady(medians: readonly number[]): boolean {
  const last = medians.slice(-3);
  return last.length === 3 && Math.max(...last) <= 1.1 * Math.min(...last);
}

/** A row per variant; that without sidecars is what the others are compared with, round by round. */
export function latencyRows(rounds: ReadonlyMap<Variant, readonly Round[]>): readonly LatencyRow[] {
  const base = rounds.get('none') ?? [];
  return [...rounds].map(([runtime, own]) => {
    const cpu = own.flatMap(({ cpuUsPerRequest }) => cpuUsPerRequest ?? []);
    const added = { added_p50_ms: addedMs(own, base, 0.5), added_p99_ms: addedMs(own, base, 0.99) };
    return {
      runtime,
      rounds: own.length,
      requests: own.reduce((total, { us }) => total + us.length, 0),
      p50_ms: round(median(own.map((each) => quantileMs(each, 0.5))), 2),
      p99_ms: round(median(own.map((each) => quantileMs(each, 0.99))), 2),
      ...(runtime === 'none' ? {} : added),
      ...(cpu.length === 0 ? {} : { cpu_us_per_request: Math.round(median(cpu)) }),
    };
  });
}

/** The machine's own pace changes from minute to minute: each round is compared with the one beside it. */
function addedMs(own: readonly Round[], base: readonly Round[], q: number): number {
  return round(median(own.map((each, index) => quantileMs(each, q) - quantileMs(base[index], q))), 2);
}

function quantileMs(measured: Round | undefined, q: number): number {
  return (
    quantile(
      (measured?.us ?? []).toSorted((a, b) => a - b),
      q,
    ) / 1000
  );
}

/**
 * When a sidecar became ready, in milliseconds since the epoch, by its own log: the line is written right after `/ready` turns to 200.
 * @throws Error with the end of the log.
 */
export function readyAtMs(log: string): number {
  const time = /^(\d{4}-\d\d-\d\dT[\d:.]+Z)\s.*\bproxy ready\b/m.exec(log)?.[1];
  if (time === undefined) throw new Error(`the sidecar's log has no line "proxy ready": ${log.slice(-500)}`);
  return Date.parse(time);
}
