/** The process: configuration in, exit code out, an orderly end. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { Resolver } from 'node:dns/promises';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { kubeConfigText, SERVICE_IMPORTS } from '@mesh/kube';
import { eventually, FakeApi, FakeApiServer } from '@mesh/kube/testing';
import { serviceImport } from '../src/testing/objects.ts';

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
  const bad = run(['dns'], { MESH_LOG_LEVEL: 'loud', MESH_DNS_ADDRESS: 'here', KUBECONFIG: '/nonexistent' });
  assert.equal(await bad.exit, 64);
  assert.match(bad.stderr, /MESH_LOG_LEVEL is "loud"/);
  assert.match(bad.stderr, /MESH_DNS_ADDRESS is "here"/);
});

test('it answers over real connections; on SIGTERM it is not ready any more, answers for a while, and ends', async () => {
  await using api = new FakeApiServer(new FakeApi());
  await api.start();
  api.api.seed(SERVICE_IMPORTS, serviceImport('hello'));
  const folder = mkdtempSync(path.join(tmpdir(), 'mesh-dns-'));
  const kubeconfig = path.join(folder, 'config');
  writeFileSync(kubeconfig, kubeConfigText({ name: 'home', server: api.url, caPem: undefined, token: 't' }));
  const dns = run(['dns', '--kubeconfig', kubeconfig], {
    MESH_DNS_ADDRESS: '127.0.0.1:0',
    MESH_ADMIN_ADDRESS: '127.0.0.1:0',
    MESH_SHUTDOWN_LINGER: '2s',
    MESH_LOG_FORMAT: 'json',
  });
  try {
    const ready = await eventually('readiness', () => /\{.*"ready".*\}/.exec(dns.stderr)?.[0]);
    const { port, admin } = JSON.parse(ready) as { readonly port: number; readonly admin: number };
    const resolver = new Resolver({ timeout: 1000, tries: 5 });
    resolver.setServers([`127.0.0.1:${port}`]);
    assert.deepEqual(await resolver.resolve4('hello.shop.svc.clusterset.local'), ['10.96.0.10']);
    dns.child.kill('SIGTERM');
    await eventually('it to say that it stops', () => dns.stderr.includes('stopping'));
    assert.equal((await fetch(`http://127.0.0.1:${admin}/ready`)).status, 503);
    assert.deepEqual(await resolver.resolve4('hello.shop.svc.clusterset.local'), ['10.96.0.10']);
    assert.equal(await dns.exit, 0, dns.stderr);
  } finally {
    dns.child.kill('SIGKILL');
    rmSync(folder, { recursive: true });
  }
});
