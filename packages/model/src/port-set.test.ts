import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePortSet, PortSet } from './port-set.ts';

function set(text: string): PortSet {
  const parsed = parsePortSet(text);
  return parsed instanceof PortSet ? parsed : assert.fail(parsed.invalid);
}

test('ports and ranges are read, merged and written back', () => {
  assert.equal(set('25, 587,9000-9010,9005-9020,26').toString(), '25-26,587,9000-9020');
  assert.equal(set('9000-9010').has(9010), true);
  assert.equal(set('9000-9010').has(9011), false);
  assert.deepEqual([...set('3-5,1').ports()], [1, 3, 4, 5]);
});

test('an empty list is the empty set', () => {
  assert.equal(set('').isEmpty, true);
  assert.equal(set(' , ').isEmpty, true);
});

test('the item that is wrong is named', () => {
  for (const item of ['0', '65536', '10-5', 'x', '1-', '-1', '1-2-3'])
    assert.deepEqual(parsePortSet(`80,${item}`), { invalid: item });
});
