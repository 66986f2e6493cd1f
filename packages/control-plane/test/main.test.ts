import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { FakeApi, FakeApiServer } from '@mesh/kube/testing';

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url));

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).toReversed()) await clean();
});

test('wrong usage is told line by line and ends with 64', async () => {
  const bad = run(['policy'], { MESH_LOG_LEVEL: 'loud', MESH_CLUSTER_NETWORKS: 'everywhere' });
  assert.equal(await bad.exit, 64);
  assert.match(bad.stderr(), /^MESH_LOG_LEVEL .*\nMESH_CLUSTER_NETWORKS .*\n$/);
  const unknown = run(['nothing']);
  assert.equal(await unknown.exit, 64);
  assert.match(unknown.stderr(), /identity, destination, policy, injector/);
  const flag = run(['identity', '--no-such-flag']);
  assert.equal(await flag.exit, 64);
});

test('what prevents a start is told in one line and ends with 1', async () => {
  const nothing = run(['destination', '--kubeconfig', '/nonexistent/kubeconfig']);
  assert.equal(await nothing.exit, 1);
  assert.match(nothing.stderr(), /^[^\n]*\/nonexistent\/kubeconfig[^\n]*\n$/);
});

test('a role waits for its API, becomes ready when it is there, and stops on SIGTERM with 0', async () => {
  const api = new FakeApiServer(new FakeApi());
  await api.start();
  cleanups.push(() => api[Symbol.asyncDispose]());
  api.api.goDown();
  const directory = await mkdtemp(join(tmpdir(), 'control-plane-'));
  cleanups.push(() => rm(directory, { recursive: true, force: true }));
  const kubeconfig = join(directory, 'kubeconfig');
  const cluster = { name: 'fake', cluster: { server: api.url } };
  const context = { name: 'fake', context: { cluster: 'fake', user: 'fake' } };
  const user = { name: 'fake', user: { token: 'token' } };
  await writeFile(
    kubeconfig,
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [cluster],
      contexts: [context],
      users: [user],
      'current-context': 'fake',
    }),
  );
  const role = run(['destination', '--kubeconfig', kubeconfig], {
    MESH_GRPC_PLAINTEXT: 'true',
    MESH_GRPC_ADDRESS: '127.0.0.1:0',
    MESH_ADMIN_ADDRESS: '127.0.0.1:0',
  });
  const admin = await role.line((line) => line['message'] === 'admin listening');
  assert.equal((await fetch(`http://127.0.0.1:${String(admin['port'])}/ready`)).status, 503);
  assert.equal((await fetch(`http://127.0.0.1:${String(admin['port'])}/live`)).status, 200);
  api.api.comeBack();
  await role.line((line) => line['message'] === 'ready');
  assert.equal((await fetch(`http://127.0.0.1:${String(admin['port'])}/ready`)).status, 200);
  role.kill();
  assert.equal(await role.exit, 0);
});

interface Run {
  readonly exit: Promise<number | null>;
  readonly stderr: () => string;
  readonly kill: () => void;
  /** The first log line that matches, past or to come. */
  line(matches: (line: Record<string, unknown>) => boolean): Promise<Record<string, unknown>>;
}

function run(args: readonly string[], env: Record<string, string> = {}): Run {
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: { PATH: process.env['PATH'] ?? '', HOME: '/nonexistent', ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  cleanups.push(() => child.kill('SIGKILL'));
  let text = '';
  child.stderr.setEncoding('utf8');
  child.stderr.on('data', (chunk: string) => (text += chunk));
  return {
    exit: once(child, 'close').then(([code]) => code as number | null),
    stderr: () => text,
    kill: () => child.kill('SIGTERM'),
    async line(matches) {
      for (;;) {
        const lines = text.split('\n').filter((one) => one.startsWith('{'));
        const found = lines
          .slice(0, text.endsWith('\n') ? undefined : -1)
          .map((one) => JSON.parse(one) as Record<string, unknown>)
          .find(matches);
        if (found !== undefined) return found;
        await once(child.stderr, 'data', { signal: AbortSignal.timeout(10_000) });
      }
    },
  };
}
