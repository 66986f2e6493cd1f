/** Creation of built-in objects, compared with what Kubernetes 1.34 answered (`tools/record-schema-golden.ts` repeats the recording). */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { type JsonObject } from './json.ts';
import { CREATE_CASES } from './testing/create-cases.ts';
import { unordered } from './testing/normalise.ts';
import { create, kindOfPath, KINDS } from './testing/pipeline.ts';

const golden = JSON.parse(readFileSync(new URL('testing/golden/create.json', import.meta.url), 'utf8')) as Record<
  string,
  JsonObject
>;

/** Answers that depend on other objects or on the server's own admission. */
const NOT_OURS: ReadonlyMap<string, string> = new Map([
  ['pod: bad priority class', 'priority classes are looked up by admission'],
  ['node: minimal', 'the not-ready taint is put by admission'],
]);

describe('creating a built-in object gives what Kubernetes gives', () => {
  for (const { name, path, object, strict } of CREATE_CASES) {
    it(name, { skip: NOT_OURS.get(name) ?? false }, () => {
      const expected = JSON.parse(
        JSON.stringify(golden[name]).replaceAll(/Bad_[a-z0-9]{5}(?=\\")/g, 'Bad_xxxxx'),
      ) as JsonObject;
      const expectedDetails = expected['details'] as JsonObject | undefined;
      if (typeof expectedDetails?.['name'] === 'string')
        expectedDetails['name'] = expectedDetails['name'].replace(/^Bad_.{5}$/, 'Bad_xxxxx');
      assert.deepEqual(unordered(create(kindOfPath(path, KINDS), object, strict)), unordered(expected));
    });
  }
});
