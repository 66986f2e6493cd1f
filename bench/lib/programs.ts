/** Outside programs that a benchmark runs: found on PATH or named as missing, started pinned to a processor, ended by id. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { availableParallelism } from 'node:os';
import { basename } from 'node:path';

/** The absolute path of a program, looked for on PATH and in the folders of system daemons, or undefined. */
export function findProgram(name: string): string | undefined {
  const result = spawnSync('/bin/sh', ['-c', `command -v ${name}`], {
    encoding: 'utf8',
    env: { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/usr/local/sbin` },
  });
  return result.status === 0 ? result.stdout.trim() : undefined;
}

/** Where things run: proxies alone on one processor, load and backend on another, so that neither starves the other. */
export const PROXY_CPU = 0;
export const LOAD_CPU = 1;

/** Puts `taskset` before a command where there are two processors and the tool; else the command as it is. */
export function pinned(cpu: number, command: readonly string[]): readonly string[] {
  const taskset = findProgram('taskset');
  return taskset === undefined || availableParallelism() < 2 ? command : [taskset, '-c', String(cpu), ...command];
}

export interface Program extends AsyncDisposable {
  /** For messages: the program's file name. */
  readonly name: string;
  readonly pid: number;
  /** The last lines of what it printed, for an error message. */
  readonly output: () => string;
  readonly child: ChildProcess;
}

/** Programs that are up; a benchmark that is interrupted takes them along. */
const running = new Set<ChildProcess>();

process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(130));

/**
 * What a program gets of our own environment. Nothing else: `NODE_EXTRA_CA_CERTS`, which developers' machines set and pods do not, makes
 * Bun and Node keep every certificate of that file, 1.1 MB in each sidecar.
 */
const KEPT_VARIABLES = ['PATH', 'HOME', 'TMPDIR', 'LANG'];

function ownEnvironment(): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const key of KEPT_VARIABLES) {
    const value = process.env[key];
    if (value !== undefined) kept[key] = value;
  }
  return kept;
}

/** How a program ended that should still run, with the last that it said; undefined while it runs. */
export function endOf({ child, pid, name, output }: Program): string | undefined {
  const how =
    pid === NOT_STARTED
      ? 'could not be started'
      : child.signalCode !== null
        ? `was ended by ${child.signalCode}`
        : child.exitCode !== null
          ? `ended with exit code ${child.exitCode}`
          : undefined;
  if (how === undefined) return undefined;
  const said = output().trim();
  return `${name} (process ${pid}) ${how}; ${said === '' ? 'it printed nothing' : `its last output: ${said}`}`;
}

/** Reads something of running programs; when that fails because one has ended, the error says which, how, and what it said last. */
export function ofRunning<T>(programs: readonly Program[], read: () => T): T {
  const ended = (): string | undefined => programs.map(endOf).find((end) => end !== undefined);
  const before = ended();
  if (before !== undefined) throw new Error(before);
  try {
    return read();
  } catch (error) {
    const gone = programs.find(({ pid }) => !existsSync(`/proc/${pid}/stat`));
    if (gone === undefined) throw error;
    // Its exit is in the kernel already, but not yet with us.
    throw new Error(ended() ?? `${gone.name} (process ${gone.pid}) has just ended; its last output: ${gone.output()}`, {
      cause: error,
    });
  }
}

const NOT_STARTED = -1;

export function startProgram(command: readonly string[], env: Readonly<Record<string, string>> = {}): Program {
  const [file = '', ...args] = command;
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...ownEnvironment(), ...env } });
  running.add(child);
  let tail = '';
  const keep = (chunk: Buffer): void => {
    tail = (tail + chunk.toString('utf8')).slice(-8192);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  child.on('error', (error) => {
    tail += error.message;
  });
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
  void exited.then(() => running.delete(child));
  return {
    name: programName(command),
    pid: child.pid ?? NOT_STARTED,
    child,
    output: () => tail,
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
      const killer = setTimeout(() => child.kill('SIGKILL'), 3000);
      await exited;
      clearTimeout(killer);
    },
  };
}

/** What to call a command: its program, and for a runtime the file that it runs. */
function programName(command: readonly string[]): string {
  const words = command[0]?.endsWith('taskset') === true ? command.slice(3) : command;
  const [program = ''] = words;
  const script = words.find(
    (word, index) => index > 0 && /\.[cm]?[jt]s$/.test(word) && words[index - 1] !== '--import',
  );
  return script === undefined ? basename(program) : `${basename(program)} ${basename(script)}`;
}

/**
 * Resolves when the program accepts at the address, rejects after `deadlineMs` or once it has ended, with what it printed. That somebody
 * accepts is not enough: an address that was taken makes the program end, and its figures would be another's.
 */
export async function untilListening(host: string, port: number, program: Program, deadlineMs = 30_000): Promise<void> {
  const deadline = performance.now() + deadlineMs;
  for (;;) {
    const accepted = await accepts(host, port);
    const end = endOf(program);
    if (end !== undefined)
      throw new Error(
        `${end}\nIt should have listened at ${host}:${port}${accepted ? ', where another program does' : ''}.`,
      );
    if (accepted && listens(program.pid, host, port)) return;
    if (performance.now() > deadline)
      throw new Error(
        `${program.name} does not listen at ${host}:${port} after ${deadlineMs} ms${accepted ? ', but another program does' : ''}: ${program.output()}`,
      );
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/**
 * Whether the listening socket of the address is one of the process' descriptors (proc_pid_net(5)). Who listens at all addresses, or by
 * IPv6, is taken at its word.
 */
function listens(pid: number, host: string, port: number): boolean {
  const hex = (value: number, digits: number): string => value.toString(16).toUpperCase().padStart(digits, '0');
  const ip = host.split('.').map((octet) => hex(Number(octet), 2));
  const local = `${ip.toReversed().join('')}:${hex(port, 4)}`;
  const inodes = readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[1] === local && fields[3] === LISTEN)
    .map((fields) => `socket:[${fields[9]}]`);
  if (inodes.length === 0) return true;
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => inodes.includes(linkOf(`/proc/${pid}/fd/${fd}`)));
  } catch {
    // It ends just now; the next look finds its exit.
    return false;
  }
}

/** TCP_LISTEN of the kernel's tcp_states.h. */
const LISTEN = '0A';

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

function accepts(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
