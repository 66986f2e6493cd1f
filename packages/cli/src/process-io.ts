/** The real outside of the CLI. */
import { createKubeClient, loadKubeConfig } from '@mesh/kube';
import type { CliIo } from './io.ts';

export function createIo(options: {
  readonly signal: AbortSignal;
  readonly hold: CliIo['hold'];
  readonly readFile: (path: string) => Promise<string>;
}): CliIo {
  return {
    stdout: (text) => void process.stdout.write(text),
    stderr: (text) => void process.stderr.write(text),
    stdin: readStdin,
    readFile: options.readFile,
    env: process.env,
    signal: options.signal,
    hold: options.hold,
    connect: async (flags) => {
      const access = loadKubeConfig(flags);
      const client = createKubeClient(access);
      return { access, client, [Symbol.dispose]: () => client[Symbol.dispose]() };
    },
  };
}

async function readStdin(): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}
