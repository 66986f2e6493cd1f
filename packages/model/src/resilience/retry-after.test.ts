import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { parseRetryAfterMs } from './retry-after.ts';

const NOW = Date.UTC(2026, 10, 21, 12, 0, 0);

test('seconds and dates are read, the past is now, a day is the most', () => {
  assert.equal(parseRetryAfterMs('120', NOW), 120_000);
  assert.equal(parseRetryAfterMs(' 0 ', NOW), 0);
  assert.equal(parseRetryAfterMs('9999999999', NOW), 86_400_000);
  assert.equal(parseRetryAfterMs('Sat, 21 Nov 2026 12:00:30 GMT', NOW), 30_000);
  assert.equal(parseRetryAfterMs('Fri, 20 Nov 2026 12:00:30 GMT', NOW), 0);
  assert.equal(parseRetryAfterMs('Sat, 21 Nov 2037 12:00:30 GMT', NOW), 86_400_000);
});

test('anything else is no wish', () => {
  for (const text of [undefined, '', 'soon', '-1', '1.5', '1e3', '2026-11-21', 'Sat, 99 Foo'])
    assert.equal(parseRetryAfterMs(text, NOW), undefined, String(text));
  fc.assert(
    fc.property(fc.string(), (text) => {
      const ms = parseRetryAfterMs(text, NOW);
      assert.ok(ms === undefined || (ms >= 0 && ms <= 86_400_000));
    }),
  );
});
