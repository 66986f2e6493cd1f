/**
 * The protocol suites that need no network and no compiler, as tests: what is ours in raw bytes, and what nginx and HAProxy think of what we
 * forward, where they are installed. `npm run conformance -- all` runs everything, with the numbers of docs/conformance.md; gRPC with grpc-js
 * is in packages/proxy/test.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { formatResult } from './result.ts';
import type { SuiteResult } from './result.ts';
import { differential } from './suites/differential.ts';
import { h2Floods } from './suites/h2-floods.ts';
import { hpack } from './suites/hpack.ts';
import { raw } from './suites/raw.ts';

function check(t: TestContext, results: readonly SuiteResult[]): void {
  for (const result of results) {
    if (result.skipped !== undefined) {
      t.skip(result.skipped);
      return;
    }
    t.diagnostic(formatResult(result));
    assert.ok(
      result.cases.every(({ outcome }) => outcome !== 'failed'),
      formatResult(result),
    );
    assert.ok(
      result.cases.some(({ outcome }) => outcome === 'passed'),
      `${result.suite} has no case`,
    );
  }
}

test('HTTP/1.1 in raw bytes, through both sides of a sidecar', async (t) => check(t, await raw()));

test('floods and stalls of HTTP/2 are ended, and others are served meanwhile', async (t) => check(t, await h2Floods()));

test('other parsers read what is forwarded as ours does', async (t) => {
  check(t, [await differential({ damaged: 2000, downgraded: 1000 })]);
});

test('the public HPACK corpus is decoded and encoded', async (t) => {
  const result = await hpack(false);
  const how = 'npm run conformance -- hpack gets it';
  check(t, [result.skipped === undefined ? result : { ...result, skipped: `${result.skipped}: ${how}` }]);
});
