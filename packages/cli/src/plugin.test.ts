import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'node:test';
import { findPlugin, pluginDirectories, runPlugin } from './plugin.ts';
import { createProgram } from './program.ts';
import { BUILT_IN_VERBS } from './verbs.ts';

test('the plugin of the first directory that has an executable one is found and run', async (t) => {
  const folder = await mkdtemp(path.join(tmpdir(), 'mesh-plugin-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const file = path.join(folder, 'mesh-probe');
  await writeFile(file, '#!/bin/sh\nexit $1\n');
  assert.equal(findPlugin('probe', [folder]), undefined, 'a file that is not executable is no plugin');
  await chmod(file, 0o755);
  assert.equal(findPlugin('probe', ['/nonexistent', folder]), file);
  assert.equal(await runPlugin(file, ['7']), 7);
});

test('names that could leave the directory are no plugins', () => {
  for (const name of ['../sh', 'a/b', '', '-x', 'A']) assert.equal(findPlugin(name, ['/bin']), undefined);
});

test("the project's own bins come before PATH", () => {
  assert.deepEqual(pluginDirectories({ PATH: '/a::/b' }, '/own'), ['/own', '/a', '/b']);
});

test('every verb of the program is protected from plugins, but local, which is one', () => {
  const nothing = () => Promise.reject(new Error('not used'));
  const signal = new AbortController().signal;
  const silent = () => undefined;
  const io = {
    stdout: silent,
    stderr: silent,
    stdin: nothing,
    readFile: nothing,
    env: {},
    connect: nothing,
    signal,
    hold: () => ({ [Symbol.dispose]: () => undefined }),
  };
  const verbs = createProgram(io).commands.flatMap((command) => [command.name(), ...command.aliases()]);
  assert.deepEqual(
    verbs.filter((verb) => !BUILT_IN_VERBS.has(verb)),
    ['local'],
  );
});
