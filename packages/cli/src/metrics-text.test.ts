import assert from 'node:assert/strict';
import test from 'node:test';
import { parseAuthority } from './endpoints.ts';
import { parseMetrics } from './metrics-text.ts';

test('samples are read with their labels, comments and rubbish skipped', () => {
  const text = [
    '# HELP a b',
    '# TYPE a counter',
    'a 1',
    'b{x="1",y="a \\"q\\" \\\\ z"} 2.5',
    'c{} +Inf',
    'rubbish',
    '',
  ].join('\n');
  assert.deepEqual(parseMetrics(text), [
    { name: 'a', labels: {}, value: 1 },
    { name: 'b', labels: { x: '1', y: 'a "q" \\ z' }, value: 2.5 },
    { name: 'c', labels: {}, value: Number.POSITIVE_INFINITY },
  ]);
});

test('authorities are read in short and in full', () => {
  const web = { service: 'web', namespace: 'shop', port: 80 };
  assert.deepEqual(parseAuthority('web.shop:80'), web);
  assert.deepEqual(parseAuthority('web.shop.svc.cluster.local:80'), web);
  for (const text of ['web', 'web.shop', 'web.shop:http', 'http://web.shop:80'])
    assert.throws(() => parseAuthority(text), /not a service authority/);
});
