/** Updates of built-in objects, compared with what Kubernetes 1.34 answered. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { type JsonObject } from './json.ts';
import { applyMergePatch } from './merge-patch.ts';
import { unordered } from './testing/normalise.ts';
import { kindOfPath, KINDS, update } from './testing/pipeline.ts';
import { UPDATE_CASES } from './testing/update-cases.ts';

const golden = JSON.parse(readFileSync(new URL('testing/golden/update.json', import.meta.url), 'utf8')) as Record<
  string,
  { before: JsonObject; after: JsonObject }
>;

const NOT_OURS: ReadonlyMap<string, string> = new Map([
  ['metadata: uid', 'a precondition of the storage'],
  ['service: headless to address', 'refused by the address allocator'],
  ['service: to external name', 'addresses are released by the allocator'],
]);

/** The API server adds a diff of its internal structs to some refusals; ours say only what is refused. */
function withoutDiff(answer: JsonObject): JsonObject {
  return JSON.parse(
    JSON.stringify(unordered(answer)).replaceAll(/\\n@@.*?(?=","(?:field|metadata|reason|status|details)|"\})/g, ''),
  ) as JsonObject;
}

describe('updating a built-in object gives what Kubernetes gives', () => {
  for (const { name, path, change } of UPDATE_CASES) {
    it(name, { skip: NOT_OURS.get(name) ?? false }, () => {
      const { before, after } = golden[name] ?? { before: {}, after: {} };
      assert.deepEqual(
        withoutDiff(update(kindOfPath(path, KINDS), applyMergePatch(before, change), before)),
        withoutDiff(after),
      );
    });
  }
});
