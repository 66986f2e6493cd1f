/** What a process costs, read from /proc: CPU time, memory, open descriptors (proc(5)). */
import { readFileSync, readdirSync } from 'node:fs';

/** The kernel's clock tick for /proc/PID/stat, 100 Hz on every Linux that we run on (USER_HZ). */
const TICK_US = 10_000;

/** User + system CPU time in microseconds. */
export function cpuTimeUs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The command name, in parentheses, may hold spaces: fields count from after it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK_US;
}

/** CPU time of the process and all its children (nginx works in children), in microseconds. */
export function treeCpuTimeUs(pid: number): number {
  return sumOverTree(pid, cpuTimeUs);
}

export interface Memory {
  readonly rssMb: number;
  readonly privateMb: number;
  /** Private pages that were written. Clean ones come from a file, such as the runtime's program, and are shared once another process has them too. */
  readonly writtenMb: number;
}

/** Resident and private memory of the process and all its children in MB (10^6 bytes). */
export function treeMemory(pid: number): Memory {
  let rssKb = 0;
  let privateKb = 0;
  let writtenKb = 0;
  sumOverTree(pid, (id) => {
    const rollup = readFileSync(`/proc/${id}/smaps_rollup`, 'utf8');
    const kb = (key: string): number => Number(new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(rollup)?.[1] ?? 0);
    rssKb += kb('Rss');
    writtenKb += kb('Private_Dirty');
    privateKb += kb('Private_Clean') + kb('Private_Dirty');
    return 0;
  });
  const mb = (size: number): number => (size * 1024) / 1e6;
  return { rssMb: mb(rssKb), privateMb: mb(privateKb), writtenMb: mb(writtenKb) };
}

/** Open descriptors of one process: sockets, files, timers of the kernel. */
export function openDescriptors(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** The process itself must be there; a child that ends meanwhile is one child less. */
function sumOverTree(pid: number, read: (pid: number) => number): number {
  const [, ...descendants] = processTree(pid);
  return descendants.reduce((sum, id) => sum + (ifThere(() => read(id)) ?? 0), read(pid));
}

function processTree(pid: number): number[] {
  const children = readdirSync(`/proc/${pid}/task`).flatMap(
    (task) => ifThere(() => readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8'))?.match(/\d+/g) ?? [],
  );
  return [pid, ...children.flatMap((child) => ifThere(() => processTree(Number(child))) ?? [])];
}

function ifThere<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ESRCH') return undefined;
    throw error;
  }
}
