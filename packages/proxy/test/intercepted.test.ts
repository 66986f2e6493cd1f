/** The sidecar as a process behind real iptables rules, on both runtimes. Needs root and iptables. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('intercepted-main.ts', import.meta.url));
const CASES = 4;
const RUNTIMES: Readonly<Record<string, string>> = {
  node: process.execPath,
  bun: createRequire(import.meta.url).resolve(`@oven/bun-linux-${process.arch}/bin/bun`),
};
const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` };

for (const [runtime, binary] of Object.entries(RUNTIMES)) {
  test(`on ${runtime}, redirected connections of an application`, { timeout: 90_000, skip: missing() }, async (t) => {
    // Whatever happens to the test: the end of the first process is the end of all in its namespace.
    const args = ['--net', '--pid', '--fork', '--kill-child', '--', process.execPath, PROGRAM, binary];
    const child = spawn('unshare', args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
    const exited = once(child, 'exit');
    let count = 0;
    for await (const line of createInterface({ input: child.stdout })) {
      const { name, error } = JSON.parse(line) as { name: string; error?: string };
      count += 1;
      await t.test(name, () => assert.equal(error, undefined));
    }
    assert.deepEqual(await exited, [0, null]);
    assert.equal(count, CASES);
  });
}

/** Why the test cannot run here, or false. */
function missing(): string | false {
  const fails = (...args: readonly string[]): boolean => spawnSync('unshare', ['--net', ...args], { env }).status !== 0;
  if (fails('true')) return 'needs root: no network namespace can be made';
  for (const program of ['iptables', 'ip6tables'])
    if (fails(program, '-t', 'nat', '-L', '-n')) return `${program} is not installed, or the kernel has no NAT table`;
  return fails('ip', 'link', 'add', 'name', 'a', 'type', 'veth', 'peer', 'name', 'b')
    ? 'the kernel has no veth'
    : false;
}
