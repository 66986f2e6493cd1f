/** The process: configuration in, exit code out, an orderly end. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ENDPOINT_SLICES, kubeConfigText, LEASES, LINKS, NAMESPACES, SECRETS } from '@mesh/kube';
import { eventually, FakeApi, FakeApiServer } from '@mesh/kube/testing';
import { exportService, LINK_NAMESPACE, linkObject } from '../src/testing/harness.ts';

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url));

interface Run {
  readonly child: ChildProcess;
  stderr: string;
  readonly exit: Promise<number | null>;
}

function run(args: readonly string[], env: Readonly<Record<string, string>>): Run {
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const result: Run = { child, stderr: '', exit: new Promise((resolve) => child.once('exit', resolve)) };
  child.stderr?.on('data', (chunk: Buffer) => (result.stderr += chunk.toString()));
  return result;
}

test('wrong configuration is told whole, with exit code 64', async () => {
  const bad = run([], { MESH_LOG_LEVEL: 'loud', MESH_LEASE_DURATION: 'long', KUBECONFIG: '/nonexistent' });
  assert.equal(await bad.exit, 64);
  assert.match(bad.stderr, /MESH_LOG_LEVEL is "loud"/);
  assert.match(bad.stderr, /MESH_LEASE_DURATION is "long"/);
});

test('a kubeconfig that does not exist is one line, with exit code 64', async () => {
  const bad = run(['--kubeconfig', '/nonexistent/config'], {});
  assert.equal(await bad.exit, 64);
  assert.match(bad.stderr, /^cannot read kubeconfig \/nonexistent\/config: .*\n$/);
});

test('it mirrors over real connections, and on SIGTERM releases its lease and ends', async () => {
  await using home = new FakeApiServer(new FakeApi());
  await using peer = new FakeApiServer(new FakeApi());
  await home.start();
  await peer.start();
  for (const name of ['shop', LINK_NAMESPACE]) home.api.seed(NAMESPACES, { metadata: { name } });
  exportService(peer.api, 'catalog');
  const peerConfig = kubeConfigText({ name: 'west', server: peer.url, caPem: undefined, token: 't' });
  home.api.seed(SECRETS, {
    metadata: { name: 'cluster-credentials-west', namespace: LINK_NAMESPACE },
    data: { kubeconfig: Buffer.from(peerConfig).toString('base64') },
  });
  home.api.seed(LINKS, linkObject('west', { probeSpec: {} }));
  const folder = mkdtempSync(path.join(tmpdir(), 'mesh-mirror-'));
  const kubeconfig = path.join(folder, 'config');
  writeFileSync(kubeconfig, kubeConfigText({ name: 'home', server: home.url, caPem: undefined, token: 't' }));
  const mirror = run(['mirror', '--kubeconfig', kubeconfig], {
    MESH_ADMIN_ADDRESS: '127.0.0.1:0',
    MESH_NAMESPACE: LINK_NAMESPACE,
    _pod_name: 'mirror-0',
  });
  try {
    await eventually('mirror', () => home.api.peek(ENDPOINT_SLICES, 'shop/catalog-west'), 30_000);
    assert.equal(home.api.peek(LEASES, `${LINK_NAMESPACE}/linkerd-service-mirror`)?.spec?.holderIdentity, 'mirror-0');
    mirror.child.kill('SIGTERM');
    assert.equal(await mirror.exit, 0, mirror.stderr);
    assert.equal(home.api.peek(LEASES, `${LINK_NAMESPACE}/linkerd-service-mirror`)?.spec?.holderIdentity, '');
    assert.ok(home.api.peek(ENDPOINT_SLICES, 'shop/catalog-west'), 'mirrors outlive the mirror');
  } finally {
    mirror.child.kill('SIGKILL');
    rmSync(folder, { recursive: true });
  }
});
