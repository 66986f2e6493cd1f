import test from 'node:test';
import { createProgram } from './program.ts';
import { referencePage } from './reference.ts';
import { matchFile } from './testing/harness.ts';

test('docs/cli.md describes the commands as they are', () => {
  const nothing = () => Promise.reject(new Error('not used'));
  const program = createProgram({
    stdout: () => undefined,
    stderr: () => undefined,
    stdin: nothing,
    readFile: nothing,
    env: {},
    connect: nothing,
    signal: new AbortController().signal,
    hold: () => ({ [Symbol.dispose]: () => undefined }),
  });
  return matchFile(new URL('../../../docs/cli.md', import.meta.url).pathname, referencePage(program));
});
