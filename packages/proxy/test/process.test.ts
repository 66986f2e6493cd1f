/** The sidecar as a process, on both runtimes: exit codes, readiness, orderly end. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, test } from 'node:test';
import { bunBinary, freePort } from '@mesh/runtime/testing';
import { proxyEnv, startPlane } from './control-plane-fixture.ts';

const MAIN = join(import.meta.dirname, '..', 'src', 'main.ts');
const RUNTIMES: Readonly<Record<string, string>> = { node: process.execPath, bun: bunBinary() ?? 'bun' };

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).toReversed()) await clean();
});

interface Run {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly exited: Promise<number | null>;
}

function run(runtime: string, env: Readonly<Record<string, string>>, ...args: readonly string[]): Run {
  const child = spawn(RUNTIMES[runtime] ?? '', [MAIN, ...args], { env, stdio: ['ignore', 'ignore', 'pipe'] });
  cleanups.push(() => child.kill('SIGKILL'));
  let output = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (output += text));
  return {
    child,
    output: () => output,
    exited: new Promise((resolve) => child.once('close', (code) => resolve(code))),
  };
}

async function statusOf(url: string): Promise<number> {
  return fetch(url, { keepalive: false }).then(
    (response) => response.status,
    () => 0,
  );
}

async function waitFor(url: string, status: number): Promise<void> {
  const deadline = performance.now() + 15_000;
  while ((await statusOf(url)) !== status) {
    assert.ok(performance.now() < deadline, `${url} never answered ${status}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

for (const runtime of Object.keys(RUNTIMES)) {
  test(`on ${runtime}, a bad configuration ends with code 64 and one line per problem`, async () => {
    const { exited, output } = run(runtime, { LINKERD2_PROXY_SHUTDOWN_GRACE_PERIOD: 'soon' });
    assert.equal(await exited, 64);
    const lines = output().trim().split('\n');
    assert.ok(lines.some((line) => line.startsWith('LINKERD2_PROXY_SHUTDOWN_GRACE_PERIOD is "soon": give a duration')));
    assert.ok(lines.some((line) => line.startsWith('LINKERD2_PROXY_IDENTITY_SVC_ADDR is not set')));
  });

  test(`on ${runtime}, an unknown role ends with code 64`, async () => {
    assert.equal(await run(runtime, {}, 'gateway').exited, 64);
  });

  test(`on ${runtime}, it becomes ready, and SIGTERM ends it with code 0`, async () => {
    const control = await startPlane();
    cleanups.push(() => control.plane.stop());
    const folder = await mkdtemp(join(tmpdir(), 'mesh-proxy-'));
    cleanups.push(() => rm(folder, { recursive: true }));
    await writeFile(join(folder, 'token'), 'token');
    const port = await freePort();
    const env = {
      ...proxyEnv(control, 'web', join(folder, 'token')),
      LINKERD2_PROXY_LOG: 'info',
      LINKERD2_PROXY_ADMIN_LISTEN_ADDR: `127.0.0.1:${port}`,
    };
    const { child, exited, output } = run(runtime, env);
    await waitFor(`http://127.0.0.1:${port}/ready`, 200);
    const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    assert.match(metrics, /control_identity_cert_refreshes_total\{result="ok"\} 1\n/);
    const second = run(runtime, env);
    assert.equal(await second.exited, 1, 'a second proxy on the same port cannot start');
    assert.match(second.output(), /proxy cannot start.*eaddrinuse/);
    child.kill('SIGTERM');
    assert.equal(await exited, 0);
    assert.match(output(), /shutting down reason="SIGTERM"/);
  });
}
