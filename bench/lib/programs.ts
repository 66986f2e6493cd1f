/** Outside programs that a benchmark runs: found on PATH or named as missing, started pinned to a processor, ended by id. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { connect } from 'node:net';

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
    pid: child.pid ?? -1,
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

/** Resolves when something accepts at the address, rejects after `deadlineMs` with what the program printed. */
export async function untilListening(host: string, port: number, program: Program, deadlineMs = 10_000): Promise<void> {
  const deadline = performance.now() + deadlineMs;
  for (;;) {
    if (await accepts(host, port)) return;
    if (program.child.exitCode !== null)
      throw new Error(`program ended before it listened at ${host}:${port}: ${program.output()}`);
    if (performance.now() > deadline)
      throw new Error(`nothing listens at ${host}:${port} after ${deadlineMs} ms: ${program.output()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
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
