/** `npm run kind -- memory`: what our containers take on the nodes, as the kernel counts it. */
import { PODS } from '@mesh/kube';
import type { KindHome, KindMember } from '../home/kind-home.ts';
import { nodesOf } from '../home/kind-home.ts';
import { runProgram } from '../home/program.ts';

/** Memory of one container, in bytes. */
export interface ContainerMemory {
  readonly cluster: string;
  readonly node: string;
  /** `NAMESPACE/POD`. */
  readonly pod: string;
  readonly container: string;
  /** Nobody else's. */
  readonly privateBytes: number;
  /** Private, and its share of what is shared with others. */
  readonly proportionalBytes: number;
}

/** For each process that runs a program of ours: container id, private kB, proportional kB. */
const SCRIPT = `
for p in /proc/[0-9]*; do
  tr '\\0' ' ' <"$p/cmdline" 2>/dev/null | grep -q '/usr/lib/mesh/mesh' || continue
  id=$(grep -o '[0-9a-f]\\{64\\}' "$p/cgroup" 2>/dev/null | tail -n 1)
  [ -n "$id" ] || continue
  awk -v id="$id" '/^Private_(Clean|Dirty):/ { own += $2 } /^Pss:/ { pss = $2 } END { print id, own, pss }' "$p/smaps_rollup" 2>/dev/null
done
true`;

export async function memoryOf(home: KindHome): Promise<readonly ContainerMemory[]> {
  return (await Promise.all(home.clusters.map(memoryIn))).flat();
}

async function memoryIn(cluster: KindMember): Promise<readonly ContainerMemory[]> {
  const owners = await containersOf(cluster);
  const nodes = await Promise.all(
    (await nodesOf(cluster.name)).map(async (node) => {
      const said = await runProgram('docker', ['exec', node, 'sh', '-c', SCRIPT]);
      return parseProcesses(said).flatMap(({ id, ...bytes }) => {
        const owner = owners.get(id);
        return owner === undefined ? [] : [{ cluster: cluster.name, node, ...owner, ...bytes }];
      });
    }),
  );
  return nodes.flat();
}

/** Reads `ID PRIVATE_KB PROPORTIONAL_KB` lines; several processes of a container are added up. */
export function parseProcesses(
  text: string,
): readonly { readonly id: string; readonly privateBytes: number; readonly proportionalBytes: number }[] {
  const sums = new Map<string, { privateBytes: number; proportionalBytes: number }>();
  for (const line of text.split('\n')) {
    const [id = '', own, proportional] = line.trim().split(' ');
    const [ownKb, proportionalKb] = [Number(own), Number(proportional)];
    if (id === '' || !Number.isFinite(ownKb) || !Number.isFinite(proportionalKb)) continue;
    const sum = sums.get(id) ?? { privateBytes: 0, proportionalBytes: 0 };
    sum.privateBytes += 1024 * ownKb;
    sum.proportionalBytes += 1024 * proportionalKb;
    sums.set(id, sum);
  }
  return [...sums].map(([id, sum]) => ({ id, ...sum }));
}

type Owner = Pick<ContainerMemory, 'pod' | 'container'>;

async function containersOf({ client }: KindMember): Promise<ReadonlyMap<string, Owner>> {
  const { items } = await client.list(PODS);
  return new Map(
    items.flatMap((pod) =>
      [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])].flatMap((status) => {
        const id = status.containerID?.replace(/^.*:\/\//, '') ?? '';
        const owner = { pod: `${pod.metadata.namespace ?? ''}/${pod.metadata.name}`, container: status.name };
        return id === '' ? [] : [[id, owner] as const];
      }),
    ),
  );
}

/** A line per container and one per node for all of its sidecars. */
export function memoryLines(rows: readonly ContainerMemory[]): readonly string[] {
  const mb = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`.padStart(9);
  const line = (name: string, row: Pick<ContainerMemory, 'privateBytes' | 'proportionalBytes'>): string =>
    `${name.padEnd(72)}  private ${mb(row.privateBytes)}  with its share ${mb(row.proportionalBytes)}`;
  const nodes = [...new Set(rows.map((row) => row.node))].toSorted();
  return nodes.flatMap((node) => {
    const here = rows.filter((row) => row.node === node).toSorted((a, b) => (a.pod < b.pod ? -1 : 1));
    const sidecars = here.filter((row) => row.container === 'linkerd-proxy');
    const sum = (key: 'privateBytes' | 'proportionalBytes'): number =>
      sidecars.reduce((total, row) => total + row[key], 0);
    const total = { privateBytes: sum('privateBytes'), proportionalBytes: sum('proportionalBytes') };
    return [
      node,
      ...here.map((row) => `  ${line(`${row.pod} ${row.container}`, row)}`),
      ...(sidecars.length === 0 ? [] : [`  ${line(`${sidecars.length} sidecars together`, total)}`]),
    ];
  });
}
