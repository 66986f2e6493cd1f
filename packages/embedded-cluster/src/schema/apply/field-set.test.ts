import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { canonicalJson, cloneJson, equalJson, type JsonObject } from '../json.ts';
import { type TypeSchema } from '../types.ts';
import { FieldSet } from './field-set.ts';
import { applyPatch, updateManagers, type ManagerContext } from './managed-fields.ts';
import { compare, fieldsOf, isSame, mergeTyped } from './typed.ts';

const path = fc.array(fc.constantFrom('f:a', 'f:b', 'k:{"name":"x"}', 'v:1'), { minLength: 1, maxLength: 3 });
const set = fc.array(path, { maxLength: 6 }).map((paths) => {
  const result = new FieldSet();
  for (const steps of paths) result.insert(steps);
  return result;
});

describe('field sets', () => {
  it('survive writing and reading', () => {
    fc.assert(fc.property(set, (a) => FieldSet.from(a.toJson()).equals(a)));
  });

  it('obey the laws of sets', () => {
    fc.assert(
      fc.property(set, set, (a, b) => {
        assert.ok(a.union(b).equals(b.union(a)));
        assert.ok(a.intersection(b).equals(b.intersection(a)));
        assert.ok(a.difference(b).intersection(b).isEmpty());
        assert.ok(a.difference(b).union(a.intersection(b)).equals(a));
        assert.deepEqual(a.paths(), [...new Set(a.paths())]);
      }),
    );
  });

  it('read garbage without throwing', () => {
    fc.assert(fc.property(fc.jsonValue(), (value) => FieldSet.from(value) instanceof FieldSet));
  });

  it('name paths as conflicts show them', () => {
    const paths = FieldSet.from({
      'f:spec': { 'f:containers': { 'k:{"name":"a"}': { '.': {}, 'f:image': {} } }, 'f:finalizers': { 'v:"x"': {} } },
    }).paths();
    assert.deepEqual(paths, [
      '.spec.containers[name="a"]',
      '.spec.containers[name="a"].image',
      '.spec.finalizers[="x"]',
    ]);
  });
});

const schema: TypeSchema = {
  type: 'object',
  properties: {
    kind: { type: 'string' },
    metadata: { type: 'object', properties: { name: { type: 'string' }, managedFields: { type: 'array' } } },
    spec: {
      type: 'object',
      properties: {
        a: { type: 'string' },
        set: { type: 'array', listType: 'set', items: { type: 'string' } },
        map: {
          type: 'array',
          listType: 'map',
          listMapKeys: ['name'],
          items: { type: 'object', properties: { name: { type: 'string' }, v: { type: 'integer' } } },
        },
        free: { type: 'object', additionalProperties: { type: 'string' } },
        list: { type: 'array', items: { type: 'integer' } },
      },
    },
  },
};
const letter = fc.constantFrom('x', 'y', 'z');
const spec = fc.record(
  {
    a: letter,
    set: fc.uniqueArray(letter, { minLength: 1, maxLength: 3 }),
    map: fc.uniqueArray(fc.record({ name: letter, v: fc.integer({ min: 0, max: 2 }) }, { requiredKeys: ['name'] }), {
      minLength: 1,
      selector: (item) => item.name,
      maxLength: 3,
    }),
    free: fc.dictionary(letter, letter, { minKeys: 1 }),
    list: fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 1, maxLength: 2 }),
  },
  { requiredKeys: [] },
);
const config = spec.map((value): JsonObject => ({ kind: 'X', metadata: { name: 'n' }, spec: value }));
const context = (manager: string): ManagerContext => ({
  manager,
  apiVersion: 'v1',
  schema,
  now: '2024-01-01T00:00:00Z',
});

describe('typed values', () => {
  it('merged with themselves or with nothing stay the same', () => {
    fc.assert(
      fc.property(config, (value) => {
        assert.ok(equalJson(mergeTyped(schema, value, value), value));
        assert.ok(isSame(compare(schema, value, cloneJson(value))));
      }),
    );
  });

  it('merged hold every field of the configuration', () => {
    fc.assert(
      fc.property(config, config, (live, applied) => {
        // An empty map is a field of its own only as long as nothing is in it.
        fc.pre(Object.keys(applied['spec'] as JsonObject).length > 0);
        const merged = mergeTyped(schema, live, applied);
        const missing = fieldsOf(schema, applied).difference(fieldsOf(schema, merged));
        assert.ok(missing.isEmpty(), missing.paths().join(' '));
      }),
    );
  });
});

describe('server-side apply', () => {
  it('twice with one configuration changes nothing the second time', () => {
    fc.assert(
      fc.property(config, config, (first, second) => {
        const live = applyPatch({ ...context('a'), live: undefined, config: first, force: false }).object;
        const once = applyPatch({ ...context('b'), live, config: second, force: true });
        const twice = applyPatch({ ...context('b'), live: once.object, config: second, force: false });
        assert.deepEqual(twice.conflicts, []);
        assert.equal(twice.hasChanged, false);
        assert.equal(canonicalJson(twice.object), canonicalJson(once.object));
      }),
    );
  });

  it('by kubectl keeps the annotation of client-side apply in step', () => {
    const key = 'kubectl.kubernetes.io/last-applied-configuration';
    const live = { kind: 'ConfigMap', metadata: { name: 'n', annotations: { [key]: 'old' } } };
    const applied = { kind: 'ConfigMap', apiVersion: 'v1', metadata: { name: 'n', annotations: {} } };
    const by = (manager: string): unknown => {
      const { object } = applyPatch({ ...context(manager), schema: undefined, live, config: applied, force: true });
      return (object['metadata'] as JsonObject)['annotations'];
    };
    assert.deepEqual(by('kubectl'), { [key]: '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"n"}}\n' });
    assert.deepEqual(by('other'), { [key]: 'old' });
  });

  it('takes back with an empty configuration all that only it owned', () => {
    fc.assert(
      fc.property(config, config, (first, second) => {
        const live = applyPatch({ ...context('a'), live: undefined, config: first, force: false }).object;
        const { object, conflicts } = applyPatch({ ...context('b'), live, config: second, force: false });
        if (conflicts.length > 0) return;
        const empty = { kind: 'X', metadata: { name: 'n' } };
        const back = applyPatch({ ...context('b'), live: object, config: empty, force: false }).object;
        const left = fieldsOf(schema, back).difference(fieldsOf(schema, live));
        assert.ok(left.isEmpty(), left.paths().join(' '));
      }),
    );
  });

  it('conflicts exactly with what updates took', () => {
    fc.assert(
      fc.property(config, config, (first, second) => {
        const live = applyPatch({ ...context('a'), live: undefined, config: first, force: false }).object;
        const updated = updateManagers({
          ...context('u'),
          before: live,
          after: { ...second, metadata: live['metadata'] },
        });
        const again = applyPatch({ ...context('a'), live: updated, config: first, force: false });
        const changed = compare(schema, second, first);
        if (isSame(changed)) assert.deepEqual(again.conflicts, []);
        for (const conflict of again.conflicts) assert.equal(conflict.with, '"u" using v1');
      }),
    );
  });
});
