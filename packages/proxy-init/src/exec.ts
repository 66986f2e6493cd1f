/** Runs one program to its end; text in, text out. */
import { spawn } from 'node:child_process';

export type Outcome =
  | { readonly kind: 'exited'; readonly code: number; readonly stdout: string; readonly stderr: string }
  /** It could not be started; `errno` as in `ENOENT`. */
  | { readonly kind: 'not_started'; readonly errno: string }
  /** It was killed after {@link EXEC_TIMEOUT_MS}. */
  | { readonly kind: 'timed_out'; readonly stderr: string };

export type Exec = (program: string, args: readonly string[], stdin: string) => Promise<Outcome>;

/** Twice what the program itself waits for the lock. */
export const EXEC_TIMEOUT_MS = 60_000;

export const execProgram: Exec = (program, args, stdin) => {
  const { promise, resolve } = Promise.withResolvers<Outcome>();
  const child = spawn(program, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: EXEC_TIMEOUT_MS,
    killSignal: 'SIGKILL',
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  child.on('error', (error: NodeJS.ErrnoException) => resolve({ kind: 'not_started', errno: error.code ?? 'unknown' }));
  child.on('close', (code) =>
    resolve(code === null ? { kind: 'timed_out', stderr } : { kind: 'exited', code, stdout, stderr }),
  );
  // A program that ends without reading its input is judged by its exit code.
  child.stdin.on('error', () => undefined);
  child.stdin.end(stdin);
  return promise;
};
