import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const CASES = 10;
const main = fileURLToPath(new URL('../src/testing/original-dst-main.ts', import.meta.url));
const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` };

for (const [runtime, binary] of [
  ['Node', process.execPath],
  ['Bun', bunBinary()],
] as const) {
  for (const backend of ['nft', 'legacy']) {
    const skip = binary === undefined ? 'no Bun binary for this platform' : missing(backend);
    test(`original destinations on ${runtime}, rules by iptables-${backend}`, { timeout: 60_000, skip }, async (t) => {
      const child = spawn('unshare', ['--net', '--pid', '--fork', '--kill-child', '--', binary ?? '', main, backend], {
        env,
        stdio: ['ignore', 'pipe', 'inherit'],
      });
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
}

/** Why the test cannot run here, or false. */
function missing(backend: string): string | false {
  if (spawnSync('unshare', ['--net', 'true'], { env }).status !== 0)
    return 'needs root: no network namespace can be made';
  for (const program of [`iptables-${backend}`, `ip6tables-${backend}`]) {
    const { status } = spawnSync('unshare', ['--net', program, '-t', 'nat', '-L', '-n'], { env });
    if (status !== 0) return `${program} is not installed, or the kernel has no NAT table for it`;
  }
  return false;
}

function bunBinary(): string | undefined {
  const require = createRequire(import.meta.url);
  for (const arch of ['x64', 'aarch64']) {
    try {
      const binary = join(dirname(require.resolve(`@oven/bun-linux-${arch}/package.json`)), 'bin', 'bun');
      if (existsSync(binary)) return binary;
    } catch {
      // Not installed on this platform: an optional dependency.
    }
  }
  return undefined;
}
