import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { BUN_ENVIRONMENT } from '../tools/bun-environment.ts';

test('the image runs the sidecar with the settings of its runtime that benchmarks have', () => {
  const text = readFileSync(new URL('../../../docker/mesh-proxy.Dockerfile', import.meta.url), 'utf8');
  const set = new Map(
    [...text.matchAll(/^ENV (\S+?)=(.*)$/gm)].map(([, key = '', value = '']) => [key, value] as const),
  );
  for (const [key, value] of Object.entries(BUN_ENVIRONMENT)) assert.equal(set.get(key), value, key);
});
