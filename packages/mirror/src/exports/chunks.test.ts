import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ExportedEndpoint } from '@mesh/kube';
import fc from 'fast-check';
import { assignChunks } from './chunks.ts';
import type { Chunks } from './chunks.ts';
import { endpointKey } from './endpoint-groups.ts';

const MAX = 4;
const endpoint = (id: number, ready = true): ExportedEndpoint => ({ addresses: [`10.0.0.${id}`], ready });
const endpoints = (...ids: readonly number[]): readonly ExportedEndpoint[] =>
  ids.map((id) => endpoint(id)).toSorted((a, b) => (endpointKey(a) < endpointKey(b) ? -1 : 1));
const keysOf = (chunks: Chunks): readonly string[] => [...chunks.values()].flat().map(endpointKey).toSorted();

test('a change of one endpoint changes one object', () => {
  const before = assignChunks(endpoints(1, 2, 3, 4, 5, 6, 7, 8), new Map(), MAX);
  assert.deepEqual([...before.keys()], [0, 1]);
  const wanted = endpoints(1, 2, 3, 4, 5, 6, 7, 8).map((one) =>
    endpointKey(one) === '10.0.0.2' ? endpoint(2, false) : one,
  );
  const after = assignChunks(wanted, before, MAX);
  assert.deepEqual(after.get(1), before.get(1));
  assert.notDeepEqual(after.get(0), before.get(0));
});

test('who comes takes the place of who went', () => {
  const before = assignChunks(endpoints(1, 2, 3, 4, 5, 6, 7), new Map(), MAX);
  const after = assignChunks(endpoints(1, 3, 4, 5, 6, 7, 9), before, MAX);
  assert.deepEqual(after.get(1), before.get(1));
  assert.deepEqual(after.get(0), endpoints(1, 3, 4, 9));
});

test('what fits into half of the objects does not stay spread over all of them', () => {
  const before = assignChunks(endpoints(...Array.from({ length: 40 }, (_, index) => index + 10)), new Map(), MAX);
  assert.equal(before.size, 10);
  const after = assignChunks(endpoints(10, 20, 30), before, MAX);
  assert.ok(after.size <= 2, `${after.size} objects for three endpoints`);
});

test('no endpoints need no object', () => {
  assert.equal(assignChunks([], assignChunks(endpoints(1, 2), new Map(), MAX), MAX).size, 0);
});

test('whatever the objects held, each endpoint is in exactly one of them, and none is too large', () => {
  const ids = fc.uniqueArray(fc.integer({ min: 1, max: 60 }), { maxLength: 40 });
  const held = fc.dictionary(
    fc.integer({ min: 0, max: 12 }).map(String),
    fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 8 }),
  );
  fc.assert(
    fc.property(fc.array(ids, { minLength: 1, maxLength: 8 }), held, (states, first) => {
      let chunks: Chunks = new Map(
        Object.entries(first).map(([index, of]) => [Number(index), of.map((id) => endpoint(id))]),
      );
      for (const state of states) {
        const wanted = endpoints(...state);
        chunks = assignChunks(wanted, chunks, MAX);
        assert.deepEqual(keysOf(chunks), wanted.map(endpointKey).toSorted());
        for (const [, chunk] of chunks) assert.ok(chunk.length > 0 && chunk.length <= MAX);
        assert.ok(chunks.size <= 1 || wanted.length > ((chunks.size - 1) * MAX) / 2, 'at least about half full');
        assert.deepEqual(assignChunks(wanted, chunks, MAX), chunks, 'nothing moves without a reason');
      }
    }),
  );
});
