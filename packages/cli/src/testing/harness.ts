/** Runs the command line against an in-memory API, for tests of this package. */
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import assert from 'node:assert/strict';
import type { ClusterAccess } from '@mesh/kube';
import { FakeApi } from '@mesh/kube/testing';
import { runMesh } from '../program.ts';

export interface Run {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly api?: FakeApi;
  readonly stdin?: string;
  readonly files?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

const ACCESS: ClusterAccess = {
  server: 'https://10.0.0.1:6443',
  contextName: 'west',
  clusterName: 'west',
  namespace: undefined,
  caPem: 'CA\n',
  tlsServerName: undefined,
  insecureSkipTlsVerify: false,
  credentials: { authorize: () => Promise.resolve({ headers: {} }) },
};

/** One run of `mesh`, as its caller sees it. */
export async function mesh(line: string | readonly string[], options: RunOptions = {}): Promise<Run> {
  let stdout = '';
  let stderr = '';
  const api = options.api ?? new FakeApi();
  const code = await runMesh(typeof line === 'string' ? line.split(' ').filter((word) => word !== '') : line, {
    stdout: (text) => void (stdout += text),
    stderr: (text) => void (stderr += text),
    stdin: () => Promise.resolve(options.stdin ?? ''),
    readFile: (file) => {
      const text = options.files?.[file];
      return text === undefined ? Promise.reject(new Error(`ENOENT: ${file}`)) : Promise.resolve(text);
    },
    env: {},
    signal: options.signal ?? new AbortController().signal,
    hold: () => ({ [Symbol.dispose]: () => undefined }),
    connect: () => {
      const client = api.client();
      return Promise.resolve({ client, access: ACCESS, [Symbol.dispose]: () => client[Symbol.dispose]() });
    },
  });
  return { code, stdout, stderr };
}

/** Compares with a golden file; `UPDATE_GOLDEN=1` writes it instead. */
export function matchGolden(name: string, text: string): Promise<void> {
  return matchFile(path.join(import.meta.dirname, '..', 'golden', name), text);
}

/** As {@link matchGolden}, for a file anywhere. */
export async function matchFile(file: string, text: string): Promise<void> {
  if (process.env['UPDATE_GOLDEN'] === '1') await writeFile(file, text);
  assert.equal(
    text,
    await readFile(file, 'utf8'),
    `differs from ${file}; if that is meant, run again with UPDATE_GOLDEN=1`,
  );
}
