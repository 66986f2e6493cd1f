import assert from 'node:assert/strict';
import { test } from 'node:test';
import { choices, numbers, positive } from './choices.ts';

const BODIES = ['small', '1m'] as const;

test('words of a list are checked, and what is not among the choices is named with them', () => {
  assert.deepEqual(choices('bodies', '1m, small,1m', BODIES), ['1m', 'small']);
  assert.deepEqual(choices('bodies', undefined, BODIES), []);
  assert.throws(() => choices('bodies', 'small,large', BODIES), /^Error: --bodies: large is none of small, 1m$/);
  assert.throws(() => choices('bodies', 'small,,1m', BODIES), /--bodies: small,,1m has an empty word/);
  assert.throws(() => choices('bodies', '', BODIES), /--bodies: nothing has an empty word/);
});

test('numbers are positive and whole', () => {
  assert.deepEqual(numbers('connections', '1,32,256'), [1, 32, 256]);
  for (const text of ['0', '-1', '1.5', '1e3', 'x', '0x10'])
    assert.throws(() => numbers('connections', text), /--connections: .* is not a positive whole number/, text);
  assert.equal(positive('rounds', '3'), 3);
});
