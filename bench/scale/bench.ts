/**
 * One importer with many peers: what it takes to know them all, what one change costs, and that changes which nobody exports cost nothing.
 *
 *   first sync    from process start until every mirror has its slice
 *   one change    a Service at one peer loses its last ready endpoint, until its mirror has none
 *   quiet         nothing happens
 *   burst         endpoints that are not exported change 1,000 times a second at one peer
 *   flat          one more peer with a Service of many pods, until each of them is an endpoint here; memory per endpoint
 */
import { setTimeout as pause } from 'node:timers/promises';
import { eventually } from '@mesh/kube/testing';
import { formatTable, round } from '../lib/report.ts';
import { MIRROR_DEADLINE_MS, MirrorProcess } from '../mirror/mirror-process.ts';
import { DestinationProcess } from './destination-process.ts';
import { changeUnexported, exportFlat, exportService, namespaceOf, ScaleWorld } from './world.ts';

export interface ScaleBenchOptions {
  readonly links: number;
  /** For each Link. */
  readonly services: number;
  /** Of the flat Service. */
  readonly endpoints: number;
  /** Of `quiet` and `burst`, seconds. */
  readonly durationS: number;
  readonly say: (line: string) => void;
}

export interface ScaleBenchRow {
  readonly phase: 'first sync' | 'one change' | 'quiet' | 'burst' | 'flat';
  readonly ms: number;
  /** Of the importer, to its own API. */
  readonly home_requests: number;
  readonly home_writes: number;
  /** Of the importer, to all peers' APIs. */
  readonly peer_requests: number;
  readonly mirror_cpu_ms: number;
  readonly mirror_private_mb: number;
  readonly destination_private_mb: number;
}

export interface ScaleBenchResult {
  readonly links: number;
  readonly services: number;
  readonly endpoints: number;
  readonly rows: readonly ScaleBenchRow[];
  /** Growth in `flat` for each endpoint, bytes. */
  readonly mirror_bytes_per_endpoint: number;
  readonly destination_bytes_per_endpoint: number;
  /** Changes in the burst. */
  readonly burst_changes: number;
}

const BURST_PER_S = 1_000;
const BURST_STEP_MS = 20;
const UNEXPORTED = 200;

export async function benchScale(options: ScaleBenchOptions): Promise<ScaleBenchResult> {
  const { links, services, endpoints, durationS, say } = options;
  await using world = await ScaleWorld.create(links, services);
  await using destination = await DestinationProcess.start(world.kubeconfig);
  await using mirror = new MirrorProcess(world.kubeconfig);
  const rows: ScaleBenchRow[] = [];

  const measure = async (phase: ScaleBenchRow['phase'], run: () => Promise<unknown>): Promise<ScaleBenchRow> => {
    const before = world.requests;
    const cpuBefore = mirror.cpuMs;
    const startedMs = phase === 'first sync' ? mirror.startedMs : performance.now();
    await run();
    const after = world.requests;
    const row: ScaleBenchRow = {
      phase,
      ms: round(performance.now() - startedMs, 0),
      home_requests: after.home - before.home,
      home_writes: after.homeWrites - before.homeWrites,
      peer_requests: after.peers - before.peers,
      mirror_cpu_ms: round(mirror.cpuMs - cpuBefore, 0),
      mirror_private_mb: round(mirror.memory.privateMb, 1),
      destination_private_mb: round(destination.memory.privateMb, 1),
    };
    rows.push(row);
    say(`${phase}: ${row.ms} ms, ${row.home_writes} writes, ${row.mirror_private_mb} MB private`);
    return row;
  };
  const until = (what: string, isDone: () => boolean): Promise<unknown> => eventually(what, isDone, MIRROR_DEADLINE_MS);

  await measure('first sync', () => until('every mirror', () => world.slices.length >= links * services));
  await mirror.quiet();
  const [first] = world.peers;
  if (first === undefined) throw new Error('no peer');
  const changed = `${namespaceOf(0)}/svc-0-peer-0`;
  await measure('one change', async () => {
    exportService(first, 0, false);
    await until('the mirror without endpoints', () => isEmpty(world, changed));
  });
  await mirror.quiet();
  await measure('quiet', () => pause(durationS * 1000));
  let changes = 0;
  await measure('burst', async () => {
    changes = await burst(first, durationS);
  });
  const flatPeer = await world.addPeer('flat');
  const before = rows.at(-1);
  const flat = await measure('flat', async () => {
    exportFlat(flatPeer, endpoints);
    await until('every endpoint', () => flatEndpoints(world) >= endpoints);
    await mirror.quiet();
  });
  const perEndpoint = (mb: number): number => round((mb * 1e6) / endpoints, 0);
  return {
    links,
    services,
    endpoints,
    rows,
    mirror_bytes_per_endpoint: perEndpoint(flat.mirror_private_mb - (before?.mirror_private_mb ?? 0)),
    destination_bytes_per_endpoint: perEndpoint(flat.destination_private_mb - (before?.destination_private_mb ?? 0)),
    burst_changes: changes,
  };
}

function isEmpty(world: ScaleWorld, service: string): boolean {
  const slices = world.slices.filter(
    ({ metadata }) => `${metadata.namespace}/${metadata.labels?.['kubernetes.io/service-name']}` === service,
  );
  return slices.length > 0 && slices.every((slice) => slice.endpoints.length === 0);
}

function flatEndpoints(world: ScaleWorld): number {
  return world.slices
    .filter(({ metadata }) => metadata.labels?.['kubernetes.io/service-name'] === 'flat-flat')
    .reduce((sum, slice) => sum + slice.endpoints.length, 0);
}

/** Returns how many changes were made: on time, or as many as this process managed. */
async function burst(peer: Parameters<typeof changeUnexported>[0], durationS: number): Promise<number> {
  const startedMs = performance.now();
  let made = 0;
  while (performance.now() - startedMs < durationS * 1000) {
    const due = ((performance.now() - startedMs) / 1000) * BURST_PER_S;
    for (; made < due; made += 1) changeUnexported(peer, made % UNEXPORTED, made);
    await pause(BURST_STEP_MS);
  }
  return made;
}

export function scaleBenchTable(result: ScaleBenchResult): string {
  const table = formatTable(
    ['phase', 'ms', 'requests', 'writes', 'to peers', 'mirror cpu ms', 'mirror MB', 'destination MB'],
    result.rows.map((row) => [
      row.phase,
      row.ms,
      row.home_requests,
      row.home_writes,
      row.peer_requests,
      row.mirror_cpu_ms,
      row.mirror_private_mb,
      row.destination_private_mb,
    ]),
  );
  return `${result.links} Links x ${result.services} Services, then ${result.endpoints} flat endpoints
${table}
burst: ${result.burst_changes} changes; an endpoint takes ${result.mirror_bytes_per_endpoint} bytes of the mirror, ${result.destination_bytes_per_endpoint} of destination`;
}
