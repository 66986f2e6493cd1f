import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { bunBinary } from '@mesh/runtime/testing';
import { createNodeDriver } from './node-driver.ts';
import { complianceCases } from './testing/compliance.ts';

for (const { name, run } of complianceCases) {
  test(`driver on Node: ${name}`, { timeout: 30_000 }, () => run(createNodeDriver()));
}

const bun = bunBinary();
test(
  'the same suite on Bun',
  { timeout: 60_000, skip: bun === undefined ? 'no Bun binary for this platform' : false },
  async (t) => {
    const main = fileURLToPath(new URL('testing/compliance-main.ts', import.meta.url));
    const child = spawn(bun ?? '', [main], { stdio: ['ignore', 'pipe', 'inherit'] });
    const exited = once(child, 'exit');
    const results = new Map<string, string | undefined>();
    for await (const line of createInterface({ input: child.stdout })) {
      const { name, error } = JSON.parse(line) as { name: string; error?: string };
      results.set(name, error);
    }
    const [code] = (await exited) as [number | null];
    for (const { name } of complianceCases) {
      await t.test(`driver on Bun: ${name}`, () => {
        assert.ok(results.has(name), 'the case did not run to its end');
        assert.equal(results.get(name), undefined);
      });
    }
    assert.equal(code, 0);
  },
);
