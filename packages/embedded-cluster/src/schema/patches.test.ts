import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { applyJsonPatch } from './json-patch.ts';
import { cloneJson, equalJson, type JsonObject } from './json.ts';
import { applyMergePatch } from './merge-patch.ts';
import { PatchError } from './patch-error.ts';
import { applyStrategicMergePatch } from './strategic-merge-patch.ts';
import { type TypeSchema } from './types.ts';

const REJECTED = 'the server rejected our request due to an error in our request';
const jsonObject = fc.dictionary(fc.string(), fc.jsonValue()) as fc.Arbitrary<JsonObject>;

function statusOf(run: () => unknown): [number, string | undefined, string] {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof PatchError, String(error));
    return [error.status.code, error.status.reason, error.status.message];
  }
  throw new assert.AssertionError({ message: 'the patch was accepted' });
}

describe('JSON patch', () => {
  const document = { data: { k: 'v' }, list: ['a', 'b'] };
  const apply = (...operations: JsonObject[]): unknown => applyJsonPatch(document, operations);

  it('adds, removes, replaces, moves, copies and tests', () => {
    assert.deepEqual(apply({ op: 'add', path: '/list/1', value: 'x' }), { data: { k: 'v' }, list: ['a', 'x', 'b'] });
    assert.deepEqual(apply({ op: 'add', path: '/list/-', value: 'x' }), { data: { k: 'v' }, list: ['a', 'b', 'x'] });
    assert.deepEqual(apply({ op: 'remove', path: '/data/k' }), { data: {}, list: ['a', 'b'] });
    assert.deepEqual(apply({ op: 'move', from: '/data/k', path: '/data/m~1n' }), {
      data: { 'm/n': 'v' },
      list: ['a', 'b'],
    });
    assert.deepEqual(apply({ op: 'copy', from: '/list/0', path: '/data/c' }), {
      data: { k: 'v', c: 'a' },
      list: ['a', 'b'],
    });
    assert.deepEqual(apply({ op: 'test', path: '/data', value: { k: 'v' } }), document);
    assert.deepEqual(apply({ op: 'replace', path: '', value: { z: 1 } }), { z: 1 });
  });

  it('sets a missing key on replace and takes a missing value as null, as the API server does', () => {
    assert.deepEqual(apply({ op: 'replace', path: '/data/zz', value: '1' }), {
      data: { k: 'v', zz: '1' },
      list: ['a', 'b'],
    });
    assert.deepEqual(apply({ op: 'add', path: '/data/k' }), { data: { k: null }, list: ['a', 'b'] });
    assert.deepEqual(apply({ op: 'copy', from: '/data/q', path: '/data/k' }), { data: { k: null }, list: ['a', 'b'] });
    assert.deepEqual(apply({ op: 'test', path: '/data/none', value: null }), document);
  });

  it('answers 422 for operations that do not fit', () => {
    for (const operation of [
      { op: 'test', path: '/data/k', value: 'x' },
      { op: 'remove', path: '/data/zz' },
      { op: 'add', path: '/nope/zz', value: '1' },
      { op: 'bogus', path: '/data/k' },
      { op: 'move', from: '/data/q', path: '/data/k' },
      { op: 'move', from: '/data', path: '/data/k' },
      { op: 'add', path: '/list/3', value: '1' },
      { op: 'add', path: '/list/x', value: '1' },
      { op: 'remove', path: '/list/-' },
      { op: 'replace', path: '/list/5', value: 'x' },
      { path: '/data/k' },
      { op: 'add', value: 1 },
      { op: 'add', path: '/data/k/x', value: '1' },
    ]) {
      assert.deepEqual(
        statusOf(() => apply(operation)),
        [422, 'Invalid', REJECTED],
        JSON.stringify(operation),
      );
    }
  });

  it('answers 400 for anything but a list', () => {
    assert.deepEqual(
      statusOf(() => applyJsonPatch(document, { op: 'add' })),
      [
        400,
        'BadRequest',
        'error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp',
      ],
    );
  });

  it('never changes its input and gives the replaced document exactly', () => {
    fc.assert(
      fc.property(jsonObject, fc.jsonValue(), (document, value) => {
        const before = cloneJson(document);
        assert.ok(equalJson(applyJsonPatch(document, [{ op: 'add', path: '', value }]), value));
        assert.ok(equalJson(document, before));
      }),
    );
  });
});

describe('merge patch', () => {
  it('follows the examples of RFC 7386', () => {
    assert.deepEqual(applyMergePatch({ a: 'b', c: { d: 'e', f: 'g' } }, { a: 'z', c: { f: null } }), {
      a: 'z',
      c: { d: 'e' },
    });
    assert.deepEqual(applyMergePatch({ a: [{ b: 'c' }] }, { a: [1] }), { a: [1] });
    assert.deepEqual(applyMergePatch({ e: null }, { a: 1 }), { e: null, a: 1 });
    assert.deepEqual(applyMergePatch({}, { a: { bb: { ccc: null } } }), { a: { bb: {} } });
    assert.deepEqual(applyMergePatch({ a: 'x' }, { a: { b: 'c', d: null } }), { a: { b: 'c' } });
  });

  it('answers 400 for anything but an object', () => {
    assert.deepEqual(
      statusOf(() => applyMergePatch({}, 5)),
      [
        400,
        'BadRequest',
        'error decoding patch: json: cannot unmarshal number into Go value of type map[string]interface {}',
      ],
    );
    assert.deepEqual(
      statusOf(() => applyMergePatch({}, null)),
      [400, 'BadRequest', 'Invalid JSON Patch'],
    );
  });

  it('is idempotent and leaves its inputs alone', () => {
    fc.assert(
      fc.property(jsonObject, jsonObject, (document, patch) => {
        const before = cloneJson(document);
        const once = applyMergePatch(document, patch);
        assert.ok(equalJson(applyMergePatch(once, patch), once));
        assert.ok(equalJson(document, before));
      }),
    );
  });
});

describe('strategic merge patch', () => {
  const container: TypeSchema = {
    type: 'object',
    properties: {
      name: { type: 'string' },
      image: { type: 'string' },
      ports: { type: 'array', patchMergeKey: 'containerPort', patchStrategy: 'merge', items: { type: 'object' } },
      args: { type: 'array', items: { type: 'string' } },
    },
  };
  const schema: TypeSchema = {
    type: 'object',
    properties: {
      containers: { type: 'array', patchMergeKey: 'name', patchStrategy: 'merge', items: container },
      finalizers: { type: 'array', patchStrategy: 'merge', items: { type: 'string' } },
      strategy: {
        type: 'object',
        patchStrategy: 'retainKeys',
        properties: { type: { type: 'string' }, rollingUpdate: { type: 'object' } },
      },
      plain: { type: 'array', items: { type: 'string' } },
      selector: { type: 'object', additionalProperties: { type: 'string' } },
    },
  };
  const apply = (document: JsonObject, patch: JsonObject): JsonObject =>
    applyStrategicMergePatch(document, patch, schema);
  const names = (object: JsonObject): unknown[] => (object['containers'] as JsonObject[]).map((item) => item['name']);

  it('merges lists of objects by key and puts new items first, as the API server does', () => {
    const merged = apply(
      { containers: [{ name: 'a', image: '1', args: ['x'] }, { name: 'b' }] },
      { containers: [{ name: 'c' }, { name: 'a', image: '2', args: ['y'] }] },
    );
    assert.deepEqual(merged, { containers: [{ name: 'c' }, { name: 'a', image: '2', args: ['y'] }, { name: 'b' }] });
  });

  it('keeps server-only items in their places around an explicit order', () => {
    const merged = apply(
      { containers: [{ name: 'a' }, { name: 'b' }, { name: 'c' }] },
      { '$setElementOrder/containers': [{ name: 'c' }, { name: 'a' }], containers: [{ name: 'a', image: 'n' }] },
    );
    assert.deepEqual(names(merged), ['b', 'c', 'a']);
  });

  it('deletes and replaces with $patch', () => {
    assert.deepEqual(
      apply({ containers: [{ name: 'a' }, { name: 'b' }] }, { containers: [{ name: 'a', $patch: 'delete' }] }),
      { containers: [{ name: 'b' }] },
    );
    assert.deepEqual(apply({ containers: [{ name: 'a' }] }, { containers: [{ name: 'z' }, { $patch: 'replace' }] }), {
      containers: [{ name: 'z' }],
    });
    assert.deepEqual(apply({ selector: { a: '1', b: '2' } }, { selector: { $patch: 'replace', c: '3' } }), {
      selector: { c: '3' },
    });
    assert.deepEqual(apply({ selector: { a: '1' } }, { selector: { $patch: 'delete' } }), { selector: {} });
  });

  it('treats primitive lists with merge strategy as sets and others as one value', () => {
    assert.deepEqual(apply({ finalizers: ['a', 'b'] }, { finalizers: ['b', 'c'] }), { finalizers: ['a', 'b', 'c'] });
    assert.deepEqual(apply({ finalizers: ['a', 'b'] }, { '$deleteFromPrimitiveList/finalizers': ['a'] }), {
      finalizers: ['b'],
    });
    assert.deepEqual(apply({ plain: ['a', 'b'] }, { plain: ['c'] }), { plain: ['c'] });
  });

  it('ignores directives where there is nothing to act on', () => {
    assert.deepEqual(apply({}, { selector: { $patch: 'replace', t: '1' } }), {});
    assert.deepEqual(apply({}, { containers: [{ name: 'a' }, { name: 'b', $patch: 'delete' }] }), {
      containers: [{ name: 'a' }],
    });
  });

  it('deletes before it adds again, at the place that the patch gives', () => {
    const merged = apply(
      { containers: [{ name: 'd' }, { name: 'b' }] },
      { containers: [{ name: 'a' }, { name: 'b' }, { name: 'b', $patch: 'delete' }] },
    );
    assert.deepEqual(names(merged), ['a', 'b', 'd']);
  });

  it('drops what $retainKeys does not name', () => {
    assert.deepEqual(
      apply(
        { strategy: { type: 'RollingUpdate', rollingUpdate: {} } },
        { strategy: { $retainKeys: ['type'], type: 'Recreate' } },
      ),
      { strategy: { type: 'Recreate' } },
    );
  });

  it('refuses unknown directives and items without their key', () => {
    assert.deepEqual(
      statusOf(() => apply({}, { $patch: 'bogus' })),
      [500, undefined, 'unknown patch type: bogus in map: map[$patch:bogus]'],
    );
    assert.deepEqual(
      statusOf(() => apply({ containers: [{ name: 'a' }] }, { containers: [{ image: 'x' }] })),
      [500, undefined, 'map: map[image:x] does not contain declared merge key: name'],
    );
    assert.deepEqual(
      statusOf(() => apply({}, null as unknown as JsonObject)),
      [400, 'BadRequest', 'Invalid JSON Patch'],
    );
  });

  it('without schema information equals a merge patch on objects', () => {
    const flat = fc.dictionary(
      fc.stringMatching(/^[a-z]{1,3}$/),
      fc.oneof(fc.string(), fc.integer(), fc.constant(null)),
    );
    fc.assert(
      fc.property(flat, flat, (document, patch) =>
        equalJson(applyStrategicMergePatch(document, patch, undefined), applyMergePatch(document, patch)),
      ),
    );
  });
});
