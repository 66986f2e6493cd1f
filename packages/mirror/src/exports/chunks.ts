/**
 * Spreads endpoints over objects of limited size such that a change of one endpoint changes one object. Pure: what stays, stays where
 * it is now, so the state is only in the objects themselves.
 */
import type { ExportedEndpoint } from '@mesh/kube';
import { endpointKey } from './endpoint-groups.ts';

/** An endpoint takes about 300 bytes: 75 KB for each change of one pod, well below what etcd takes (1.5 MiB). */
export const CHUNK_MAX = 250;

/** Endpoints by the number of their object. */
export type Chunks = ReadonlyMap<number, readonly ExportedEndpoint[]>;

/** @param wanted Sorted by key, each key once. @param present What the objects hold now; they may be anything. */
export function assignChunks(
  wanted: readonly ExportedEndpoint[],
  present: Chunks,
  chunkMax: number = CHUNK_MAX,
): Chunks {
  const indexOf = new Map<string, number>();
  for (const index of [...present.keys()].toSorted((a, b) => a - b)) {
    for (const endpoint of present.get(index) ?? []) {
      const key = endpointKey(endpoint);
      if (!indexOf.has(key)) indexOf.set(key, index);
    }
  }
  const chunks = new Map<number, ExportedEndpoint[]>();
  const homeless: ExportedEndpoint[] = [];
  for (const endpoint of wanted) {
    const index = indexOf.get(endpointKey(endpoint));
    const chunk = index === undefined ? undefined : (chunks.get(index) ?? []);
    if (index === undefined || chunk === undefined || chunk.length >= chunkMax) homeless.push(endpoint);
    else {
      chunk.push(endpoint);
      chunks.set(index, chunk);
    }
  }
  dissolve(chunks, wanted.length, homeless, chunkMax);
  settle(chunks, homeless, chunkMax);
  return new Map(
    [...chunks].toSorted(([a], [b]) => a - b).map(([index, chunk]) => [index, chunk.toSorted(byKey)] as const),
  );
}

/** Objects that became few in content are given up, the emptiest first, once the others would stay half empty with it. */
function dissolve(
  chunks: Map<number, ExportedEndpoint[]>,
  total: number,
  homeless: ExportedEndpoint[],
  chunkMax: number,
): void {
  while (chunks.size > 1 && total <= ((chunks.size - 1) * chunkMax) / 2) {
    const emptiest = [...chunks].toSorted(([a, one], [b, other]) => one.length - other.length || b - a)[0];
    if (emptiest === undefined) return;
    chunks.delete(emptiest[0]);
    homeless.push(...emptiest[1]);
  }
}

/** First where there is room, the lowest number first; when all are full, in a new object. */
function settle(
  chunks: Map<number, ExportedEndpoint[]>,
  homeless: readonly ExportedEndpoint[],
  chunkMax: number,
): void {
  const open = [...chunks.keys()]
    .filter((index) => (chunks.get(index)?.length ?? 0) < chunkMax)
    .toSorted((a, b) => b - a);
  let next = 0;
  for (const endpoint of homeless) {
    if (open.length === 0) {
      while (chunks.has(next)) next += 1;
      chunks.set(next, []);
      open.push(next);
    }
    const index = open.at(-1) ?? next;
    const chunk = chunks.get(index) ?? [];
    chunk.push(endpoint);
    if (chunk.length >= chunkMax) open.pop();
  }
}

function byKey(a: ExportedEndpoint, b: ExportedEndpoint): number {
  return endpointKey(a) < endpointKey(b) ? -1 : 1;
}
