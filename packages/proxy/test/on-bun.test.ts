import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { bunBinary } from '@mesh/runtime/testing';

const SUITES = [
  'pair',
  'bytes',
  'pair.fuzz',
  'http',
  'faults',
  'undelivered',
  'unreachable',
  'failure-accrual',
  'retries',
  'http2',
  'http2.fuzz',
  'http2-drain',
  'http2-windows',
  'grpc',
  'streams',
  'orig-proto',
  'ingress',
  'access-log',
  'conveyed',
];
/** Of one test of a suite: Bun's own 5 s are too few on a busy machine. */
const TEST_TIMEOUT_MS = 60_000;
const bun = bunBinary();

for (const suite of SUITES) {
  const skip = bun === undefined ? 'no Bun binary for this platform' : false;
  test(`the ${suite} tests hold on Bun too`, { timeout: 4 * TEST_TIMEOUT_MS, skip }, async (context) => {
    const file = fileURLToPath(new URL(`${suite}.test.ts`, import.meta.url));
    const child = spawn(bun ?? '', ['test', '--timeout', String(TEST_TIMEOUT_MS), file], {
      stdio: ['ignore', 'pipe', 'pipe'],
      signal: context.signal,
    });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const [code] = (await once(child, 'close')) as [number | null];
    assert.equal(code, 0, output);
    assert.match(output, /\n 0 fail/);
  });
}
