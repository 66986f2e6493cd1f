import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { formatSelector, isEmptySelector, matchesSelector, parseSelector } from './selector.ts';
import type { LabelSelector } from './object.ts';

test('a selector matches when all its requirements hold', () => {
  const selector: LabelSelector = {
    matchLabels: { app: 'web' },
    matchExpressions: [
      { key: 'tier', operator: 'In', values: ['a', 'b'] },
      { key: 'old', operator: 'DoesNotExist' },
    ],
  };
  assert.equal(matchesSelector(selector, { app: 'web', tier: 'b' }), true);
  assert.equal(matchesSelector(selector, { app: 'web', tier: 'c' }), false);
  assert.equal(matchesSelector(selector, { app: 'web', tier: 'a', old: '1' }), false);
  assert.equal(matchesSelector(selector, undefined), false);
});

test('NotIn holds for objects without the label, as in Kubernetes', () => {
  assert.equal(matchesSelector({ matchExpressions: [{ key: 'x', operator: 'NotIn', values: ['1'] }] }, {}), true);
});

test('a selector without requirements is empty', () => {
  assert.equal(isEmptySelector(undefined), true);
  assert.equal(isEmptySelector({ matchLabels: {} }), true);
  assert.equal(isEmptySelector({ matchExpressions: [{ key: 'a', operator: 'Exists' }] }), false);
});

test('text that is no selector is refused with a sentence', () => {
  const result = parseSelector('a=b,,c ~ d');
  assert.ok('problem' in result && result.problem.includes('c ~ d'));
});

const name = fc.stringMatching(/^[a-z][a-z0-9]{0,5}$/);
const requirement = fc.oneof(
  fc.record({
    key: name,
    operator: fc.constantFrom('In' as const, 'NotIn' as const),
    values: fc.array(name, { minLength: 1, maxLength: 3 }),
  }),
  fc.record({ key: name, operator: fc.constantFrom('Exists' as const, 'DoesNotExist' as const) }),
);

test('the query form means the same as the object form', () => {
  fc.assert(
    fc.property(fc.array(requirement, { maxLength: 4 }), fc.dictionary(name, name), (matchExpressions, labels) => {
      const selector: LabelSelector = { matchExpressions };
      const parsed = parseSelector(formatSelector(selector));
      assert.ok(!('problem' in parsed));
      assert.equal(matchesSelector(parsed, labels), matchesSelector(selector, labels));
    }),
  );
});

test('no text crashes the parser', () => {
  fc.assert(fc.property(fc.string(), (text) => void parseSelector(text)));
});
