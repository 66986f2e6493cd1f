import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatTable, median } from './report.ts';

test('the median of an even count is the mean of the middle two', () => {
  assert.equal(median([4, 1, 3, 2]), 2.5);
  assert.equal(median([3, 1, 2]), 2);
});

test('columns line up, numbers to the right', () => {
  assert.equal(
    formatTable(
      ['name', 'n'],
      [
        ['a', 10],
        ['bcd', 5],
      ],
    ),
    'name   n\na     10\nbcd    5',
  );
});
