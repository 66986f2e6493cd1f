import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runCases } from '../test/fuzz/run.ts';
import { TARGETS } from '../test/fuzz/targets.ts';

/** `npm run fuzz` runs as many as one likes. */
const CASES = 3000;

for (const target of Object.keys(TARGETS))
  test(`${target}: the corpus and damaged inputs are read the same whole and in pieces, or refused`, () => {
    const failure = runCases(target, 7, 0, CASES, () => true);
    assert.ok(failure === undefined, `${failure?.input} ${failure?.message}`);
  });
