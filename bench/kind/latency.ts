/**
 * What sidecars add to a request: in one pod the same program calls the same server, in another pod of the same node, without any sidecar
 * and with one on both sides. The kinds of pairs take turns.
 */
import { median } from '../lib/report.ts';
import type { KindHome, KindMember } from '../../scripts/home/kind-home.ts';
import { runProgram } from '../../scripts/home/program.ts';
import { until } from '../../scripts/home/wait.ts';
import { isSteady, latencyRows, memoryRow, parseLoadReport } from './figures.ts';
import type { LatencyRow, LoadReport, MemoryRow, Round } from './figures.ts';
import { sidecarFigures, sidecarImage, startPods } from './pods.ts';
import { APP, MESHED, NAMESPACE, podManifest, PROGRAMS, serviceManifest, VARIANTS } from './variants.ts';
import type { Variant } from './variants.ts';

/** Requests a second: little, as between most services, so that time is counted and not queueing. */
export const RATE = 100;
/**
 * What is compiled while it runs is compiled before the first counted run: that takes JavaScriptCore tens of thousands of requests. Runs of
 * this kind, until the median stays where it is; one more before each counted run, as the other pairs were called in between.
 */
const WARM_UP_RATE = 1000;
const WARM_UP_S = 5;
const WARM_UPS_MIN = 4;
const WARM_UPS_MAX = 16;
/** At the beginning of a counted run: connections are opened and the load program gets warm. */
const UNCOUNTED_S = 1;
const ANSWER_TIMEOUT_MS = 60_000;

export interface LatencyPlan {
  readonly home: KindHome;
  readonly cluster: KindMember;
  readonly node: string;
  readonly durationS: number;
  readonly rounds: number;
  readonly settle: () => Promise<void>;
  readonly say: (line: string) => void;
}

export interface LatencyFigures {
  readonly latency: readonly LatencyRow[];
  readonly memory: readonly MemoryRow[];
  /** Digests of what ran, by runtime. */
  readonly images: Readonly<Record<string, string>>;
}

export async function measureLatency(plan: LatencyPlan): Promise<LatencyFigures> {
  const { cluster, node, say } = plan;
  const names = VARIANTS.flatMap((variant) =>
    [clientOf(variant), serverOf(variant)].map((name) => ({ name, variant })),
  );
  const pods = names.map(({ name, variant }) => podManifest({ name, variant, node, cpuRequest: '50m' }));
  await cluster.apply(VARIANTS.map((variant) => serviceManifest(serverOf(variant))));
  await startPods(cluster, pods);
  const rounds = new Map<Variant, Round[]>(VARIANTS.map((variant) => [variant, []]));
  for (const variant of VARIANTS) {
    await firstAnswer(plan, variant);
    await warmUp(plan, variant);
  }
  for (let turn = 1; turn <= plan.rounds; turn += 1) {
    for (const variant of VARIANTS) {
      const measured = await runRound(plan, variant);
      say(
        `latency ${turn}: ${variant} ${Math.round(median(measured.us))} µs at the median of ${measured.us.length} requests`,
      );
      rounds.get(variant)?.push(measured);
    }
  }
  await plan.settle();
  const memory: MemoryRow[] = [];
  const images: Record<string, string> = {};
  for (const runtime of MESHED) {
    const [client, server] = await sidecarFigures(cluster, node, [clientOf(runtime), serverOf(runtime)]);
    if (client !== undefined) memory.push(memoryRow(runtime, 'after load, client', [client]));
    if (server !== undefined) memory.push(memoryRow(runtime, 'after load, server', [server]));
    images[runtime] = await sidecarImage(cluster, clientOf(runtime));
  }
  await cluster.remove([...pods, ...VARIANTS.map((variant) => serviceManifest(serverOf(variant)))]);
  return { latency: latencyRows(rounds), memory, images };
}

async function warmUp(plan: LatencyPlan, variant: Variant): Promise<void> {
  const mediansUs: number[] = [];
  while (mediansUs.length < WARM_UPS_MAX && !(mediansUs.length >= WARM_UPS_MIN && isSteady(mediansUs))) {
    mediansUs.push(median((await call(plan, variant, WARM_UP_RATE, WARM_UP_S, 0)).us));
  }
  plan.say(
    `warm-up: ${variant} ${mediansUs.map((us) => Math.round(us)).join(', ')} µs at the medians of ${WARM_UP_S} s each`,
  );
}

async function runRound(plan: LatencyPlan, variant: Variant): Promise<Round> {
  await call(plan, variant, WARM_UP_RATE, WARM_UP_S, 0);
  const before = await cpuUs(plan, variant);
  const report = await call(plan, variant, RATE, plan.durationS, UNCOUNTED_S);
  if (before === undefined) return { us: report.us };
  return {
    us: report.us,
    cpuUsPerRequest: ((await cpuUs(plan, variant)) ?? Number.NaN) / report.sent - before / report.sent,
  };
}

/** Of both sidecars. */
async function cpuUs({ cluster, node }: LatencyPlan, variant: Variant): Promise<number | undefined> {
  if (variant === 'none') return undefined;
  const figures = await sidecarFigures(cluster, node, [clientOf(variant), serverOf(variant)]);
  return figures.reduce((total, each) => total + each.cpuUs, 0);
}

/** A Service of pods that are Ready has endpoints a moment later. */
async function firstAnswer(plan: LatencyPlan, variant: Variant): Promise<void> {
  await until(`${serverOf(variant)} to answer`, async () => call(plan, variant, 10, 1, 0), {
    timeoutMs: ANSWER_TIMEOUT_MS,
    everyMs: 500,
  });
}

/** @throws Error when a request failed, or went another way than this variant's. */
async function call(
  { home, cluster }: LatencyPlan,
  variant: Variant,
  rate: number,
  seconds: number,
  uncountedSeconds: number,
): Promise<LoadReport> {
  const target = ['--kubeconfig', home.kubeconfig, '--context', cluster.name, '-n', NAMESPACE];
  const program = ['/usr/bin/node', `${PROGRAMS}/load.mjs`, `http://${serverOf(variant)}.${NAMESPACE}/`];
  const numbers = [rate, seconds, uncountedSeconds].map(String);
  const command = [...target, 'exec', clientOf(variant), '-c', APP, '--', ...program, ...numbers];
  const report = parseLoadReport(await runProgram('kubectl', command));
  if (report.errors > 0) throw new Error(`${variant}: ${report.errors} of ${report.sent} requests failed`);
  if ((report.caller !== '') !== (variant !== 'none')) {
    throw new Error(`${variant}: the server was told the caller ${JSON.stringify(report.caller)}`);
  }
  return report;
}

function clientOf(variant: Variant): string {
  return `client-${variant}`;
}

function serverOf(variant: Variant): string {
  return `server-${variant}`;
}
