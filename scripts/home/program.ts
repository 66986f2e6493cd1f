/** Programs of the host (`docker`, `kind`, `kubectl`): run, with errors that say what was run, what it said and how to fix it. */
import { spawn } from 'node:child_process';

export interface RunOptions {
  readonly stdin?: string | Uint8Array;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

export interface ProgramResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const INSTALL_HINTS: Readonly<Record<string, string>> = {
  docker: 'install Docker (https://docs.docker.com/engine/install/) and start its daemon',
  kind: 'install kind (https://kind.sigs.k8s.io/docs/user/quick-start/#installation)',
  kubectl: 'install kubectl (https://kubernetes.io/docs/tasks/tools/)',
};

/** Longest piece of a program's own words in an error. */
const SAID_MAX = 2_000;

/**
 * Runs to the end and gives what was said.
 * @throws Error when the program cannot be started, naming how to get it.
 */
export async function tryProgram(
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<ProgramResult> {
  const { promise, resolve, reject } = Promise.withResolvers<ProgramResult>();
  const child = spawn(program, args, {
    stdio: [options.stdin === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.env === undefined ? {} : { env: { ...process.env, ...options.env } }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout?.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr?.on('data', (chunk: Buffer) => stderr.push(chunk));
  child.on('error', (error: NodeJS.ErrnoException) => {
    const hint = INSTALL_HINTS[program];
    reject(
      error.code === 'ENOENT'
        ? new Error(`${program} is not on PATH${hint === undefined ? '' : `: ${hint}`}`, { cause: error })
        : error,
    );
  });
  child.on('close', (code, signal) =>
    resolve({
      code: code ?? 1,
      stdout: Buffer.concat(stdout).toString('utf8'),
      stderr: Buffer.concat(stderr).toString('utf8') + (signal === null ? '' : `ended by ${signal}`),
    }),
  );
  if (options.stdin !== undefined && child.stdin !== null) {
    // A program that ends without reading everything says why in its own words.
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.stdin);
  }
  return promise;
}

/**
 * Runs to the end and gives its standard output.
 * @throws Error with the command and what it said, when the exit code is not 0.
 */
export async function runProgram(program: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const result = await tryProgram(program, args, options);
  if (result.code === 0) return result.stdout;
  const said = (result.stderr.trim() || result.stdout.trim()).slice(-SAID_MAX);
  throw new Error(`${[program, ...args].join(' ')} failed with code ${result.code}: ${said}`);
}
