/** The sidecar as a process behind real iptables rules, on both runtimes. Needs root and iptables. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { bunBinary, namespacedCases, namespaceMissing, natTables } from '@mesh/runtime/testing';

const PROGRAM = fileURLToPath(new URL('intercepted-main.ts', import.meta.url));
const CASES = 4;
const VETH = ['ip', 'link', 'add', 'name', 'a', 'type', 'veth', 'peer', 'name', 'b'];
const missing = namespaceMissing(...natTables('iptables', 'ip6tables'), VETH);

for (const [runtime, binary] of [
  ['node', process.execPath],
  ['bun', bunBinary()],
] as const) {
  const skip = binary === undefined ? 'no Bun binary for this platform' : missing;
  test(`on ${runtime}, redirected connections of an application`, { timeout: 90_000, skip }, async (t) => {
    let count = 0;
    for await (const { name, error } of namespacedCases([process.execPath, PROGRAM, binary ?? ''])) {
      count += 1;
      await t.test(name, () => assert.equal(error, undefined));
    }
    assert.equal(count, CASES);
  });
}
