/** Programs in a network namespace of their own, where firewall rules and addresses may be as a test wants them. Linux, root. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

/** One line of such a program: a case that held, or what was wrong. */
export interface CaseResult {
  readonly name: string;
  readonly error?: string;
}

const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` };

/** Why no namespace can be made here in which each of the commands succeeds, or false. */
export function namespaceMissing(...commands: readonly (readonly string[])[]): string | false {
  const fails = (command: readonly string[]): boolean =>
    spawnSync('unshare', ['--net', ...command], { env }).status !== 0;
  if (fails(['true'])) return 'needs root: no network namespace can be made';
  const failed = commands.find(fails);
  return failed === undefined
    ? false
    : `${failed.join(' ')} fails: the program is not installed, or the kernel lacks what it needs`;
}

/** The NAT tables of both address families can be read with these programs. */
export function natTables(...programs: readonly string[]): readonly (readonly string[])[] {
  return programs.map((program) => [program, '-t', 'nat', '-L', '-n']);
}

/**
 * Runs a program that prints one {@link CaseResult} a line, and gives them as they come. Whatever happens to the caller: the end of the
 * first process is the end of all in its namespace.
 * @throws Error when the program did not end with status 0.
 */
export async function* namespacedCases(command: readonly string[]): AsyncGenerator<CaseResult> {
  const child = spawn('unshare', ['--net', '--pid', '--fork', '--kill-child', '--', ...command], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  for await (const line of createInterface({ input: child.stdout })) yield JSON.parse(line) as CaseResult;
  const [code, signal] = (await exited) as [number | null, string | null];
  if (code !== 0) throw new Error(`${command.join(' ')} ended with ${code ?? signal}`);
}
