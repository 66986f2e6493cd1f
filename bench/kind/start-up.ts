/** How long pods and their sidecars take to start: one pod at a time, the kinds of pods taking turns. */
import type { KindMember } from '../../scripts/home/kind-home.ts';
import { readyAtMs, startRow } from './figures.ts';
import type { Start, StartRow } from './figures.ts';
import { sidecarFigures, sidecarLog, timeToReady } from './pods.ts';
import { podManifest, VARIANTS } from './variants.ts';
import type { Variant } from './variants.ts';

/** Of each kind; the first of each is not counted, as caches are cold. */
const PODS = 5;

export async function measureStarts(
  cluster: KindMember,
  node: string,
  say: (line: string) => void,
): Promise<readonly StartRow[]> {
  const starts = new Map<Variant, Start[]>(VARIANTS.map((variant) => [variant, []]));
  for (let turn = 0; turn <= PODS; turn += 1) {
    for (const variant of VARIANTS) {
      const start = await startOnce(cluster, node, variant, `start-${variant}-${turn}`);
      const sidecar =
        start.sidecarReadyMs === undefined ? '' : `, sidecar after ${Math.round(start.sidecarReadyMs)} ms`;
      say(`start ${turn}: ${variant} Ready after ${Math.round(start.podReadyMs)} ms${sidecar}`);
      if (turn > 0) starts.get(variant)?.push(start);
    }
  }
  return [...starts].map(([variant, own]) => startRow(variant, own));
}

async function startOnce(cluster: KindMember, node: string, variant: Variant, name: string): Promise<Start> {
  const pod = podManifest({ name, variant, node, cpuRequest: '50m' });
  const podReadyMs = await timeToReady(cluster, pod);
  try {
    if (variant === 'none') return { podReadyMs };
    const [figures] = await sidecarFigures(cluster, node, [name]);
    const readyAt = readyAtMs(await sidecarLog(cluster, name));
    return { podReadyMs, sidecarReadyMs: readyAt - (figures?.startedAtMs ?? Number.NaN) };
  } finally {
    await cluster.remove([pod]);
  }
}
