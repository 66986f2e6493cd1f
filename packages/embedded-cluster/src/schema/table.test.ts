/** Tables, compared with the rows of Kubernetes 1.34 for the same objects. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { stringAt, type JsonObject } from './json.ts';
import { selectPath } from './table/json-path.ts';
import { tableFor, tableForColumns } from './table/table.ts';
import { GADGET_DEFINITION } from './testing/table-cases.ts';
import { parseApiVersion } from './types.ts';

interface Recorded {
  readonly now: string;
  readonly tables: readonly {
    readonly object: JsonObject;
    readonly columns: readonly unknown[];
    readonly cells: readonly unknown[];
  }[];
}

const golden = JSON.parse(readFileSync(new URL('testing/golden/tables.json', import.meta.url), 'utf8')) as Recorded;
const nowMs = Date.parse(golden.now);
/** Ages depend on the moment of recording: seconds are alike. */
const alike = (cells: readonly unknown[]): unknown[] =>
  cells.map((cell) => (typeof cell === 'string' && /^\d+s$/.test(cell) ? 'SECONDS' : cell));

describe('the row of an object is what Kubernetes gives', () => {
  for (const { object, columns, cells } of golden.tables) {
    const kind = stringAt(object, 'kind') ?? '';
    it(`${kind} ${stringAt(object, 'metadata', 'name')}`, () => {
      const options = { nowMs };
      const table =
        kind === 'Gadget'
          ? tableForColumns(GADGET_DEFINITION.spec.versions[0].additionalPrinterColumns, [object], options)
          : tableFor({ ...parseApiVersion(stringAt(object, 'apiVersion') ?? ''), kind }, [object], options);
      const definitions = table['columnDefinitions'] as Record<string, unknown>[];
      assert.deepEqual(
        definitions.map((column) => [column['name'], column['type'], column['format'], column['priority']]),
        columns,
      );
      assert.deepEqual(alike((table['rows'] as { cells: unknown[] }[])[0]?.cells ?? []), alike(cells));
    });
  }

  it('says what comes with a row', () => {
    const object = { kind: 'ConfigMap', metadata: { name: 'a' }, data: { k: 'v' } };
    const rows = (includeObject: 'None' | 'Object'): unknown =>
      tableFor({ group: '', version: 'v1', kind: 'ConfigMap' }, [object], { nowMs, includeObject })['rows'];
    assert.deepEqual(rows('None'), [{ cells: ['a', 1, '<unknown>'], object: null }]);
    assert.deepEqual(rows('Object'), [{ cells: ['a', 1, '<unknown>'], object }]);
  });
});

describe('JSONPath', () => {
  const value = {
    a: {
      'b.c': 1,
      list: [
        { n: 1, t: 'x' },
        { n: 2, t: 'y' },
      ],
    },
  };
  it('selects fields, indexes, slices, unions, filters and descendants', () => {
    assert.deepEqual(selectPath('.a.b\\.c', value), [1]);
    assert.deepEqual(selectPath("{.a['b.c']}", value), [1]);
    assert.deepEqual(selectPath('$.a.list[1].t', value), ['y']);
    assert.deepEqual(selectPath('.a.list[-1].t', value), ['y']);
    assert.deepEqual(selectPath('.a.list[0:1].t', value), ['x']);
    assert.deepEqual(selectPath('.a.list[*].n', value), [1, 2]);
    assert.deepEqual(selectPath('.a.list[?(@.n>1)].t', value), ['y']);
    assert.deepEqual(selectPath('.a.list[?(@.t=="x")].n', value), [1]);
    assert.deepEqual(selectPath('..t', value), ['x', 'y']);
    assert.deepEqual(selectPath('.', value), [value]);
  });
  it('selects nothing with what it cannot read', () => {
    for (const path of ['a', '.a[', '.a[?(x)]', '.missing.b', '.constructor'])
      assert.deepEqual(selectPath(path, value), [], path);
  });
});
