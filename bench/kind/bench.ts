/**
 * Figures of the sidecar in a real cluster, one that `npm run kind -- up` made: its memory, how long it takes to start, and what it adds
 * to a request. Everything happens on one node, in a namespace of its own that is deleted afterwards.
 */
import { NODES } from '@mesh/kube';
import { nodesOf, openKindHome } from '../../scripts/home/kind-home.ts';
import type { KindMember } from '../../scripts/home/kind-home.ts';
import { pause } from '../../scripts/home/wait.ts';
import { buildMissing, loadImages } from '../../scripts/kind-multicluster/load-images.ts';
import { FOLDER, known } from '../../scripts/kind-multicluster/memory.ts';
import { formatTable } from '../lib/report.ts';
import { memoryRow } from './figures.ts';
import type { LatencyRow, MemoryRow, StartRow } from './figures.ts';
import { measureLatency, RATE } from './latency.ts';
import { sidecarFigures, startPods } from './pods.ts';
import { measureStarts } from './start-up.ts';
import { baseManifests, MESHED, podManifest } from './variants.ts';
import type { Meshed } from './variants.ts';

export interface KindBenchOptions {
  readonly durationS: number;
  readonly rounds: number;
  /** Progress for a person; never on the stream of the result. */
  readonly say: (line: string) => void;
}

export interface KindBenchResult {
  /** Where: cluster and node, its processors, memory and versions as it reports them, digests of the sidecars' images. */
  readonly place: Readonly<Record<string, string>>;
  readonly memory: readonly MemoryRow[];
  readonly start: readonly StartRow[];
  /** At this many requests a second. */
  readonly rate: number;
  readonly latency: readonly LatencyRow[];
}

/** Sidecars of one node that are summed. */
const MANY = 10;
/** Memory is read this long after the last event: a sidecar gives back within 20 s what start or load left behind. */
const SETTLE_MS = 35_000;

export async function benchKind({ durationS, rounds, say }: KindBenchOptions): Promise<KindBenchResult> {
  const [name = ''] = await known();
  await using stack = new AsyncDisposableStack();
  const home = stack.use(await openKindHome({ clusters: [name], folder: FOLDER, runtime: 'bun', exclusive: true }));
  for (const runtime of MESHED) {
    await buildMissing(runtime);
    await loadImages([name], runtime);
  }
  const cluster = home.cluster(name);
  const node = (await nodesOf(name)).at(-1) ?? '';
  const base = await baseManifests();
  // An interrupted run may have left some.
  await cluster.remove(base.slice(0, 1));
  await cluster.apply(base);
  stack.defer(() => cluster.remove(base.slice(0, 1)));
  const settle = async (): Promise<void> => {
    say(`waiting ${SETTLE_MS / 1000} s before memory is read`);
    await pause(SETTLE_MS);
  };

  const start = await measureStarts(cluster, node, say);
  const idle: MemoryRow[] = [];
  for (const runtime of MESHED) idle.push(await measureMany(cluster, node, runtime, settle));
  const loaded = await measureLatency({ home, cluster, node, durationS, rounds, settle, say });
  return {
    place: { ...(await placeOf(cluster, node)), ...imageKeys(loaded.images) },
    memory: [...idle, ...loaded.memory],
    start,
    rate: RATE,
    latency: loaded.latency,
  };
}

async function measureMany(
  cluster: KindMember,
  node: string,
  runtime: Meshed,
  settle: () => Promise<void>,
): Promise<MemoryRow> {
  const names = Array.from({ length: MANY }, (_, index) => `idle-${runtime}-${index}`);
  const pods = names.map((name) => podManifest({ name, variant: runtime, node, cpuRequest: '10m' }));
  await startPods(cluster, pods);
  await settle();
  const row = memoryRow(runtime, 'idle', await sidecarFigures(cluster, node, names));
  await Promise.all(pods.map((pod) => cluster.remove([pod])));
  return row;
}

/** What the node's object says of itself. */
async function placeOf(cluster: KindMember, node: string): Promise<Readonly<Record<string, string>>> {
  const found = (await cluster.client.get(NODES, { name: node })) as
    | { readonly status?: Readonly<Record<'nodeInfo' | 'capacity', Readonly<Record<string, string>>>> }
    | undefined;
  const { kubeletVersion = '', containerRuntimeVersion = '', kernelVersion = '' } = found?.status?.nodeInfo ?? {};
  const { cpu = '', memory = '' } = found?.status?.capacity ?? {};
  return {
    cluster: cluster.name,
    node,
    cpu,
    memory,
    kubernetes: kubeletVersion,
    runtime: containerRuntimeVersion,
    kernel: kernelVersion,
  };
}

function imageKeys(images: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(images).map(([runtime, digest]) => [`image_${runtime}`, digest]));
}

export function kindBenchTable(result: KindBenchResult): string {
  const memory = formatTable(
    [
      'RUNTIME',
      'STATE',
      'SIDECARS',
      'CGROUP',
      'WORKING_SET_MB',
      'PRIVATE_MB',
      'PSS_MB',
      'SUM_WS_MB',
      'SUM_PRIVATE_MB',
      'SUM_PSS_MB',
    ],
    result.memory.map((row) => [
      row.runtime,
      row.state,
      row.sidecars,
      row.cgroup,
      row.working_set_mb,
      row.private_mb,
      row.pss_mb,
      row.sum_working_set_mb,
      row.sum_private_mb,
      row.sum_pss_mb,
    ]),
  );
  const start = formatTable(
    ['RUNTIME', 'PODS', 'POD_READY_MS', 'SIDECAR_READY_MS'],
    result.start.map((row) => [row.runtime, row.pods, row.pod_ready_ms, row.sidecar_ready_ms]),
  );
  const latency = formatTable(
    ['RUNTIME', 'REQUESTS', 'P50_MS', 'P99_MS', 'ADDED_P50_MS', 'ADDED_P99_MS', 'CPU_US/REQ'],
    result.latency.map((row) => [
      row.runtime,
      row.requests,
      row.p50_ms,
      row.p99_ms,
      row.added_p50_ms,
      row.added_p99_ms,
      row.cpu_us_per_request,
    ]),
  );
  const place = Object.entries(result.place).map(([key, value]) => `${key} ${value}`);
  return [place.join('\n'), memory, start, `${result.rate} requests/s\n${latency}`].join('\n\n');
}
