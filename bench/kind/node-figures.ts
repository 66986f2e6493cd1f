/** What containers cost, as the kernel of their node counts it: memory, processor time, and when they were started. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { runProgram } from '../../scripts/home/program.ts';

/** Figures of one container; all its processes together. */
export interface ContainerFigures {
  /** Which kind of cgroup hierarchy counted, 1 or 2. */
  readonly cgroup: number;
  /** What the kubelet calls the working set and evicts by: usage of the cgroup less `inactive_file`. */
  readonly workingSetBytes: number;
  /** Pages that only these processes have. */
  readonly privateBytes: number;
  /** Private pages and a share of those that others have, too. */
  readonly pssBytes: number;
  /** User and system time since the container was started. */
  readonly cpuUs: number;
  /** When its first process was made, in milliseconds since the epoch, to about 20 ms. */
  readonly startedAtMs: number;
}

const SCRIPT = path.join(import.meta.dirname, 'node-figures.sh');

/**
 * Figures of running containers of a node, which is a container of Docker, by container id.
 * @throws Error naming the first that does not run there.
 */
export async function nodeFigures(node: string, ids: readonly string[]): Promise<readonly ContainerFigures[]> {
  const stdin = await readFile(SCRIPT, 'utf8');
  const said = await runProgram('docker', ['exec', '-i', node, 'sh', '-s', '--', ...ids], { stdin });
  const figures = parseNodeFigures(said);
  return ids.map((id) => {
    const found = figures.get(id);
    if (found === undefined) throw new Error(`container ${id} has no figures on node ${node}: does it run there?`);
    return found;
  });
}

/** Reads `ID KEY VALUE` lines; a container without all of them (it ended meanwhile) is left out. */
export function parseNodeFigures(text: string): ReadonlyMap<string, ContainerFigures> {
  const seen = new Map<string, Map<string, number[]>>();
  for (const line of text.split('\n')) {
    const [id = '', key = '', value = ''] = line.split(' ');
    if (value === '' || !Number.isFinite(Number(value))) continue;
    const values = seen.get(id) ?? new Map<string, number[]>();
    seen.set(id, values);
    values.set(key, [...(values.get(key) ?? []), Number(value)]);
  }
  return new Map(
    [...seen].flatMap(([id, values]) => {
      const figures = figuresOf(values);
      return figures === undefined ? [] : [[id, figures] as const];
    }),
  );
}

const KEYS = ['cgroup', 'usage', 'inactive_file', 'cpu_ns', 'private_kb', 'pss_kb', 'start_ms'];

function figuresOf(values: ReadonlyMap<string, readonly number[]>): ContainerFigures | undefined {
  if (KEYS.some((key) => !values.has(key))) return undefined;
  const sum = (key: string): number => (values.get(key) ?? []).reduce((total, value) => total + value, 0);
  return {
    cgroup: sum('cgroup'),
    workingSetBytes: Math.max(0, sum('usage') - sum('inactive_file')),
    privateBytes: 1024 * sum('private_kb'),
    pssBytes: 1024 * sum('pss_kb'),
    cpuUs: sum('cpu_ns') / 1000,
    startedAtMs: Math.min(...(values.get('start_ms') ?? [])),
  };
}
