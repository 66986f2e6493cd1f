import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { bunBinary, namespacedCases, namespaceMissing, natTables } from '@mesh/runtime/testing';

const CASES = 10;
const main = fileURLToPath(new URL('../src/testing/original-dst-main.ts', import.meta.url));

for (const [runtime, binary] of [
  ['Node', process.execPath],
  ['Bun', bunBinary()],
] as const) {
  for (const backend of ['nft', 'legacy']) {
    const missing = namespaceMissing(...natTables(`iptables-${backend}`, `ip6tables-${backend}`));
    const skip = binary === undefined ? 'no Bun binary for this platform' : missing;
    test(`original destinations on ${runtime}, rules by iptables-${backend}`, { timeout: 60_000, skip }, async (t) => {
      let count = 0;
      for await (const { name, error } of namespacedCases([binary ?? '', main, backend])) {
        count += 1;
        await t.test(name, () => assert.equal(error, undefined));
      }
      assert.equal(count, CASES);
    });
  }
}
