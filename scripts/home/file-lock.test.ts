import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { lockFile } from './file-lock.ts';

let folder: string;

before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'mesh-lock-'));
});

after(() => rm(folder, { recursive: true, force: true }));

test('the second waits until the first gives the lock back', async () => {
  const file = path.join(folder, 'one');
  const first = await lockFile(file, { timeoutMs: 1000 });
  const waited = Promise.withResolvers<string>();
  const second = lockFile(file, { timeoutMs: 60_000, onWait: waited.resolve });
  assert.equal(await waited.promise, String(process.pid));
  await first[Symbol.asyncDispose]();
  await (await second)[Symbol.asyncDispose]();
});

test('who waits too long is told who holds it', async () => {
  const file = path.join(folder, 'two');
  await using _held = await lockFile(file, { timeoutMs: 1000 });
  await assert.rejects(lockFile(file, { timeoutMs: 1 }), new RegExp(`process ${process.pid} holds it`));
});

test('a lock of a process that died is taken over', async () => {
  const file = path.join(folder, 'three');
  const { pid } = spawnSync(process.execPath, ['-e', '']);
  await writeFile(file, String(pid));
  await using _held = await lockFile(file, { timeoutMs: 60_000 });
});
