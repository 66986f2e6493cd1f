/** Sequences of writes by several managers, compared step by step with what Kubernetes 1.34 made of them. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { type JsonObject } from './json.ts';
import { APPLY_CASES } from './testing/apply-cases.ts';
import { MiniServer } from './testing/mini-server.ts';
import { normaliseApplied, unordered } from './testing/normalise.ts';

const golden = JSON.parse(readFileSync(new URL('testing/golden/apply.json', import.meta.url), 'utf8')) as Record<
  string,
  JsonObject[]
>;

/** Steps that the request's handling decides before anything here is asked: `case name` to step numbers. */
const NOT_OURS: Readonly<Record<string, readonly number[]>> = {
  'config map: bad configurations': [7, 8, 9, 10, 11, 12, 13],
};

describe('field ownership is as on Kubernetes', () => {
  for (const scenario of APPLY_CASES) {
    it(scenario.name, () => {
      const server = new MiniServer(scenario.kind);
      scenario.steps.forEach((step, index) => {
        if (NOT_OURS[scenario.name]?.includes(index) === true) return;
        const answer = normaliseApplied(server.write(step));
        const expected = normaliseApplied(golden[scenario.name]?.[index] ?? {});
        assert.deepEqual(
          answer['kind'] === 'Status' ? unordered(answer) : answer,
          expected['kind'] === 'Status' ? unordered(expected) : expected,
          `step ${index + 1}: ${step.verb} by ${step.manager}`,
        );
      });
    });
  }
});
