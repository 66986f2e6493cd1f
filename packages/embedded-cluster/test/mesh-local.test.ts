/** `mesh-local` as people run it. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { isOurs } from '../src/bin/local-state.ts';

const PROGRAM = fileURLToPath(new URL('../src/bin/mesh-local.ts', import.meta.url));

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

describe('mesh-local', { concurrency: false }, () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'mesh-local-test-'));
  });
  after(async () => {
    await run('down');
    rmSync(folder, { recursive: true });
  });

  function run(...args: readonly string[]): Promise<Outcome> {
    const env = { PATH: process.env['PATH'] ?? '', XDG_RUNTIME_DIR: folder };
    return new Promise((resolve) => {
      execFile(process.execPath, [PROGRAM, ...args], { env }, (error, stdout, stderr) => {
        resolve({ code: typeof error?.code === 'number' ? error.code : error === null ? 0 : 1, stdout, stderr });
      });
    });
  }

  test('says what is wrong with its arguments', async () => {
    const none = await run('up');
    assert.deepEqual([none.code, /at least one cluster name/.test(none.stderr)], [64, true]);
    const twice = await run('up', 'a', 'a');
    assert.match(twice.stderr, /"a" is given twice/);
    const unknown = await run('sideways');
    assert.match(unknown.stderr, /unknown command "sideways"/);
    const status = await run('status');
    assert.deepEqual([status.code, /no clusters run/.test(status.stdout)], [1, true]);
    const badName = await run('up', 'Not_A_Label');
    assert.deepEqual([badName.code, /is not a DNS label/.test(badName.stderr)], [1, true]);
    assert.deepEqual(readdirSync(folder), []);
  });

  test('starts clusters in the background, shows them, refuses a second start, and ends them without a trace', async () => {
    const up = await run('up', 'left', 'right');
    assert.equal(up.code, 0, up.stderr);
    assert.match(up.stdout, /^left +https:\/\/127\.\d+\.0\.1:6443/m);
    const config = parse((await run('kubeconfig')).stdout) as { contexts: { name: string }[] };
    assert.deepEqual(
      config.contexts.map((each) => each.name),
      ['left', 'right'],
    );
    const again = await run('up', 'third');
    assert.deepEqual([again.code, /already running: left, right/.test(again.stderr)], [1, true]);
    const { pid } = JSON.parse((await run('status', '-o', 'json')).stdout) as { pid: number };
    assert.match((await run('down')).stdout, /ended: left, right/);
    assert.equal(isOurs(pid), false);
    assert.deepEqual(readdirSync(folder), []);
  });
});
