/** The process: configuration in, exit code out; without identity it waits and says so. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { kubeConfigText } from '@mesh/kube';
import { eventually, FakeApi, FakeApiServer } from '@mesh/kube/testing';
import { TestAnchor } from '../../proxy/test/harness.ts';

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url));

function run(args: readonly string[], env: Readonly<Record<string, string>>) {
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const result = { child, stderr: '', exit: new Promise<number | null>((resolve) => child.once('exit', resolve)) };
  child.stderr.on('data', (chunk: Buffer) => (result.stderr += chunk.toString()));
  return result;
}

test('wrong configuration is told whole, with exit code 64', async () => {
  const bad = run([], { MESH_GATEWAY_PORT: 'many' });
  assert.equal(await bad.exit, 64);
  for (const key of ['MESH_GATEWAY_PORT', 'MESH_IDENTITY_ADDRESS', 'MESH_DESTINATION_ADDRESS'])
    assert.match(bad.stderr, new RegExp(key));
});

test('without an identity it is alive, not ready, listens to nobody, and ends on SIGTERM', async () => {
  await using api = new FakeApiServer(new FakeApi());
  await api.start();
  const folder = mkdtempSync(path.join(tmpdir(), 'mesh-gateway-'));
  const file = (name: string, text: string): string => {
    writeFileSync(path.join(folder, name), text);
    return path.join(folder, name);
  };
  const anchor = await TestAnchor.create('root');
  const ip = '127.0.42.1';
  const gateway = run(
    [
      'gateway',
      '--kubeconfig',
      file('config', kubeConfigText({ name: 'home', server: api.url, caPem: undefined, token: 't' })),
    ],
    {
      MESH_GATEWAY_LISTEN_IP: ip,
      // Nobody listens there.
      MESH_IDENTITY_ADDRESS: '127.0.42.9:8080',
      MESH_DESTINATION_ADDRESS: '127.0.42.9:8086',
      MESH_TRUST_ANCHORS_FILE: file('anchors.pem', anchor.pem),
      MESH_IDENTITY_TOKEN_FILE: file('token', 'token'),
    },
  );
  try {
    const status = async (port: number, url: string): Promise<number> =>
      (await fetch(`http://${ip}:${port}${url}`)).status;
    await eventually('alive', async () => (await status(9994, '/live')) === 200, 30_000);
    assert.equal(await status(9994, '/ready'), 503);
    await eventually('probe port', async () => (await status(4191, '/ready')) === 503);
    await assert.rejects(fetch(`http://${ip}:4143/`));
    gateway.child.kill('SIGTERM');
    assert.equal(await gateway.exit, 0, gateway.stderr);
  } finally {
    gateway.child.kill('SIGKILL');
    rmSync(folder, { recursive: true });
  }
});
