import assert from 'node:assert/strict';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { test } from 'node:test';

import * as fc from 'fast-check';

import { LiveQueries } from './live-queries.ts';
import type { Reads } from './table.ts';
import { Table } from './table.ts';

interface Item {
  readonly name: string;
  readonly group: string;
  readonly size: number;
}

function setup(failed: string[] = []) {
  const queries = new LiveQueries((key) => failed.push(key));
  const table = new Table<Item>({
    name: 'items',
    key: (item) => item.name,
    indexes: { group: (item) => [item.group] },
    onChange: queries.changed,
  });
  const sumOf = (group: string) => ({
    key: `sum ${group}`,
    compute: (reads: Reads) => table.byIndex('group', group, reads).reduce((sum, item) => sum + item.size, 0),
    same: Object.is,
  });
  return { queries, table, sumOf };
}

test('a burst of changes costs one computation, in the next turn', async () => {
  const { queries, table, sumOf } = setup();
  let computed = 0;
  let heard = 0;
  const query = sumOf('a');
  const counting = { ...query, compute: (reads: Reads) => ((computed += 1), query.compute(reads)) };
  const value = queries.watch(counting, () => (heard += 1));
  for (let size = 1; size <= 100; size += 1) table.apply({ name: 'x', group: 'a', size });
  assert.equal(value.current, 0);
  await nextTurn();
  await nextTurn();
  assert.deepEqual([value.current, computed, heard], [100, 2, 1]);
});

test('changes elsewhere wake nobody, and an unchanged result tells nobody', () => {
  const { queries, table, sumOf } = setup();
  let computed = 0;
  let heard = 0;
  const query = sumOf('a');
  queries.watch({ ...query, compute: (reads: Reads) => ((computed += 1), query.compute(reads)) }, () => (heard += 1));
  table.apply({ name: 'x', group: 'b', size: 1 });
  queries.flush();
  assert.equal(computed, 1);
  table.apply({ name: 'y', group: 'a', size: 0 });
  queries.flush();
  assert.deepEqual([computed, heard], [2, 0]);
});

test('an object that moves from one index value to another wakes both', () => {
  const { queries, table, sumOf } = setup();
  table.apply({ name: 'x', group: 'a', size: 5 });
  const a = queries.watch(sumOf('a'), () => undefined);
  const b = queries.watch(sumOf('b'), () => undefined);
  table.apply({ name: 'x', group: 'b', size: 5 });
  queries.flush();
  assert.deepEqual([a.current, b.current], [0, 5]);
});

test('a newcomer starts from the newest value, even before the turn is over', () => {
  const { queries, table, sumOf } = setup();
  const first = queries.watch(sumOf('a'), () => undefined);
  table.apply({ name: 'x', group: 'a', size: 7 });
  assert.equal(queries.watch(sumOf('a'), () => undefined).current, 7);
  assert.equal(first.current, 7);
});

test('stopped listeners hear nothing and keep nothing alive', () => {
  const { queries, table, sumOf } = setup();
  const value = queries.watch(sumOf('a'), () => assert.fail('must not be called'));
  table.apply({ name: 'x', group: 'a', size: 1 });
  value.stop();
  value.stop();
  queries.flush();
  assert.equal(queries.size, 0);
});

test('a computation that fails keeps its last value, stops nobody else, and heals with the next change', () => {
  const failed: string[] = [];
  const { queries, table, sumOf } = setup(failed);
  const sum = sumOf('a');
  const refusesNegative = (reads: Reads): number => {
    const value = sum.compute(reads);
    if (value < 0) throw new Error('negative');
    return value;
  };
  const fragile = queries.watch({ ...sum, key: 'fragile', compute: refusesNegative }, () => undefined);
  const other = queries.watch(sum, () => undefined);
  table.apply({ name: 'x', group: 'a', size: 3 });
  queries.flush();
  table.apply({ name: 'x', group: 'a', size: -1 });
  queries.flush();
  assert.deepEqual([fragile.current, other.current, failed], [3, -1, ['fragile']]);
  table.apply({ name: 'x', group: 'a', size: 4 });
  queries.flush();
  assert.deepEqual([fragile.current, other.current], [4, 4]);
  table.apply({ name: 'x', group: 'a', size: -1 });
  assert.throws(() => queries.watch({ ...sum, key: 'new', compute: refusesNegative }, () => undefined), /negative/);
  assert.equal(queries.size, 2);
});

test('after any history every query has the value that a fresh computation gives', () => {
  const change = fc.record({
    name: fc.constantFrom('a', 'b', 'c', 'd'),
    group: fc.constantFrom('x', 'y', 'z'),
    size: fc.nat(9),
    remove: fc.boolean(),
    flush: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 40 }), (changes) => {
      const { queries, table, sumOf } = setup();
      const values = ['x', 'y', 'z'].map((group) => queries.watch(sumOf(group), () => undefined));
      const expected = new Map<string, Item>();
      for (const { remove, flush, ...item } of changes) {
        if (remove) {
          table.remove(item);
          expected.delete(item.name);
        } else {
          table.apply(item);
          expected.set(item.name, item);
        }
        if (flush) queries.flush();
      }
      queries.flush();
      for (const [index, group] of ['x', 'y', 'z'].entries()) {
        const sum = [...expected.values()]
          .filter((item) => item.group === group)
          .reduce((total, item) => total + item.size, 0);
        assert.equal(values[index]?.current, sum);
      }
    }),
  );
});
