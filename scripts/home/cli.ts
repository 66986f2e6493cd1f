/** Runs the real command line in this process, against one context, with its output captured. */
import { readFile } from 'node:fs/promises';
import { runMesh } from '@mesh/cli';
import { createKubeClient, loadKubeConfig } from '@mesh/kube';
import type { CliResult } from './home.ts';

export async function runCli(
  kubeconfig: string,
  context: string,
  argv: readonly string[],
  stdin = '',
  signal: AbortSignal = new AbortController().signal,
): Promise<CliResult> {
  let stdout = '';
  let stderr = '';
  const code = await runMesh(['--kubeconfig', kubeconfig, '--context', context, ...argv], {
    stdout: (text) => void (stdout += text),
    stderr: (text) => void (stderr += text),
    stdin: () => Promise.resolve(stdin),
    readFile: (file) => readFile(file, 'utf8'),
    env: process.env,
    signal,
    hold: () => ({ [Symbol.dispose]: () => undefined }),
    connect: (options) => {
      const access = loadKubeConfig(options);
      const client = createKubeClient(access);
      return Promise.resolve({ access, client, [Symbol.dispose]: () => client[Symbol.dispose]() });
    },
  });
  return { code, stdout, stderr };
}

/** The output, or an error with what the command said. */
export function okOutput(result: CliResult, what: string): string {
  if (result.code === 0) return result.stdout;
  throw new Error(`${what} failed with code ${result.code}: ${result.stderr.trim() || result.stdout.trim()}`);
}
