/** Quantities, times, selectors and duplicate keys: parsers of what people write. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { decodeObject, duplicateFields } from './decode.ts';
import { schemaFor } from './builtin-types.ts';
import { canonicalQuantity, compareQuantities, formatQuantity, parseQuantity } from './quantity.ts';
import {
  fieldMatcher,
  formatLabelSelector,
  labelSelectorFrom,
  matchesLabels,
  parseFieldSelector,
  parseLabelSelector,
  SelectorError,
} from './selectors.ts';
import { ageOf, canonicalMicroTime, canonicalTime, formatMicroTime, humanDuration, parseTime } from './times.ts';

describe('a quantity', () => {
  it('has the canonical form of the API server', () => {
    const forms: Readonly<Record<string, string>> = {
      '1000': '1k',
      '1024Ki': '1Mi',
      '1.50': '1500m',
      '1e3': '1e3',
      '0.5Gi': '512Mi',
      '1500k': '1500k',
      '12345678901234567890': '12345678901234567890',
      '1.5Ki': '1536',
      '0.1Ki': '102400m',
      '1E3': '1E3',
      ' 5 ': '5',
      '+5': '+5',
      '0010': '0010',
      '.5': '500m',
      '1000m': '1',
      '100000Ki': '100000Ki',
      '2048Mi': '2Gi',
      '0': '0',
      '0Gi': '0',
      '10000e2': '1e6',
      '5.0': '5',
      '-5': '-5',
    };
    for (const [text, canonical] of Object.entries(forms)) assert.equal(canonicalQuantity(text), canonical, text);
    assert.equal(canonicalQuantity(0.25), '250m');
    assert.equal(canonicalQuantity(null), '0');
  });

  it('is refused when it is none', () => {
    for (const text of ['', 'x', '5Xi', '1..2', '--1', '1e', true])
      assert.equal(canonicalQuantity(text), undefined, String(text));
  });

  it('keeps its value through the canonical form', () => {
    const suffix = fc.constantFrom('', 'm', 'k', 'M', 'Ki', 'Mi', 'Gi', 'e2', 'E3');
    fc.assert(
      fc.property(fc.integer({ min: -1_000_000, max: 1_000_000 }), suffix, (amount, unit) => {
        const quantity = parseQuantity(`${amount}${unit}`);
        assert.ok(quantity !== undefined);
        assert.equal(compareQuantities(formatQuantity(quantity), `${amount}${unit}`), 0);
        assert.equal(canonicalQuantity(formatQuantity(quantity)), formatQuantity(quantity));
      }),
    );
  });
});

describe('times', () => {
  it('are stored in UTC, to the second or with six digits', () => {
    assert.deepEqual(canonicalTime('2024-01-02T03:04:05.9+01:00'), { value: '2024-01-02T02:04:05Z' });
    assert.deepEqual(canonicalMicroTime('2024-01-02T03:04:05.123456+01:00'), { value: '2024-01-02T02:04:05.123456Z' });
    assert.equal(formatMicroTime(1_704_164_645_678), '2024-01-02T03:04:05.678000Z');
    assert.ok('error' in canonicalMicroTime('2024-01-02T03:04:05Z'));
    assert.equal(parseTime('yesterday'), undefined);
  });

  it('become ages as tables show them', () => {
    const ages: readonly (readonly [number, string])[] = [
      [5, '5s'],
      [119, '119s'],
      [120, '2m'],
      [130, '2m10s'],
      [600, '10m'],
      [3 * 3600, '3h'],
      [7.5 * 3600, '7h30m'],
      [47 * 3600, '47h'],
      [50 * 3600, '2d2h'],
      [10 * 86_400, '10d'],
      [800 * 86_400, '2y70d'],
    ];
    for (const [seconds, text] of ages) assert.equal(humanDuration(seconds * 1000), text);
    assert.equal(ageOf(undefined, 0), '<unknown>');
  });
});

describe('a label selector', () => {
  const labels = { app: 'web', tier: 'front', n: '5' };
  const selects = (text: string): boolean => matchesLabels(parseLabelSelector(text), labels);

  it('matches as documented', () => {
    for (const text of [
      '',
      'app=web',
      'app==web,tier!=back',
      'app in (web, api)',
      'tier notin (back)',
      'app',
      '!gone',
      'n>4,n<6',
      'gone!=x',
      'gone notin (x)',
    ])
      assert.ok(selects(text), text);
    for (const text of ['app=api', 'tier in (back)', '!app', 'gone', 'n>5', 'app!=web', 'gone='])
      assert.ok(!selects(text), text);
  });

  it('is refused with a reason', () => {
    for (const text of ['app in web', 'a b=c', '=x', 'app=(', 'x>y', 'app in (a', ',', 'app=b c'])
      assert.throws(() => parseLabelSelector(text), SelectorError, text);
  });

  it('reads objects, and writes text that means the same', () => {
    const selector = labelSelectorFrom({
      matchLabels: { app: 'web' },
      matchExpressions: [
        { key: 'tier', operator: 'In', values: ['front', 'x'] },
        { key: 'gone', operator: 'DoesNotExist' },
      ],
    });
    assert.ok(matchesLabels(selector, labels));
    assert.equal(formatLabelSelector(selector ?? []), 'app=web,!gone,tier in (front,x)');
    assert.ok(matchesLabels(labelSelectorFrom({}), labels));
    assert.ok(!matchesLabels(labelSelectorFrom(undefined), labels));
    const word = fc.stringMatching(/^[a-z][a-z0-9]{0,5}$/);
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(
            word,
            fc.constantFrom('In', 'NotIn', 'Exists', 'DoesNotExist'),
            fc.uniqueArray(word, { minLength: 1, maxLength: 3 }),
          ),
        ),
        (terms) => {
          const requirements = terms.map(([key, operator, values]) => ({
            key,
            operator: operator as 'In',
            values: operator === 'In' || operator === 'NotIn' ? values.sort() : [],
          }));
          const text = formatLabelSelector(requirements);
          assert.equal(formatLabelSelector(parseLabelSelector(text)), text);
        },
      ),
    );
  });
});

describe('a field selector', () => {
  const pod = { metadata: { name: 'p', namespace: 'n' }, spec: { nodeName: 'x' }, status: { phase: 'Running' } };
  const selects = (text: string): boolean => fieldMatcher(parseFieldSelector(text), { group: '', kind: 'Pod' })(pod);

  it('matches the fields of a kind', () => {
    for (const text of ['', 'metadata.name=p', 'spec.nodeName==x,status.phase!=Pending', 'spec.hostNetwork=false'])
      assert.ok(selects(text), text);
    assert.ok(!selects('metadata.namespace=other'));
    assert.deepEqual(parseFieldSelector('a=b\\,c\\=d'), [{ field: 'a', negated: false, value: 'b,c=d' }]);
  });

  it('is refused with a reason', () => {
    assert.throws(() => parseFieldSelector('x'), SelectorError);
    assert.throws(() => selects('spec.unknown=1'), /field label not supported: spec\.unknown/);
    assert.throws(
      () => fieldMatcher(parseFieldSelector('spec.a=1'), { group: 'example.com', kind: 'Widget' }),
      SelectorError,
    );
    assert.ok(
      fieldMatcher(parseFieldSelector('spec.a=1'), { group: 'example.com', kind: 'Widget' }, ['spec.a'])({
        spec: { a: 1 },
      }),
    );
  });
});

describe('decoding', () => {
  it('finds keys that occur twice, with their paths', () => {
    assert.deepEqual(duplicateFields('{"a":1,"b":{"c":1,"c":2},"d":[{"e":"{\\"x"},{"f":1,"f":[1,{"f":2}]}],"a":2}'), [
      'duplicate field "b.c"',
      'duplicate field "d[1].f"',
      'duplicate field "a"',
    ]);
    assert.deepEqual(duplicateFields('{"a":{"a":1},"b":[{"a":1},{"a":1}]}'), []);
    fc.assert(fc.property(fc.jsonValue(), (value) => duplicateFields(JSON.stringify(value)).length === 0));
  });

  it('is stable: what was decoded decodes to itself, and garbage never throws', () => {
    const schema = schemaFor({ group: '', version: 'v1', kind: 'Pod' });
    assert.ok(schema !== undefined);
    const name = fc.constantFrom(
      'metadata',
      'spec',
      'status',
      'containers',
      'volumes',
      'name',
      'labels',
      'ports',
      'env',
      'x',
    );
    const garbage = fc.letrec<{ value: unknown }>((tie) => ({
      value: fc.oneof(
        { depthSize: 'small' },
        fc.string(),
        fc.integer(),
        fc.boolean(),
        fc.constant(null),
        fc.array(tie('value'), { maxLength: 3 }),
        fc.dictionary(name, tie('value'), { maxKeys: 4 }),
      ),
    })).value;
    fc.assert(
      fc.property(fc.dictionary(name, garbage), (document) => {
        const { object, error } = decodeObject(schema, document);
        if (error === undefined) assert.deepEqual(decodeObject(schema, object).object, object);
      }),
      { numRuns: 300 },
    );
  });
});
