import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseServiceName } from './exported-services.ts';

test('only names of Services of this cluster are read', () => {
  const parse = (host: string): unknown => parseServiceName(host, 'cluster.local');
  assert.deepEqual(parse('catalog.shop.svc.cluster.local'), { namespace: 'shop', name: 'catalog' });
  assert.deepEqual(parse('Catalog.Shop.svc.cluster.local.'), { namespace: 'shop', name: 'catalog' });
  for (const host of [
    '',
    'catalog',
    'catalog.shop',
    'catalog.shop.svc.other.local',
    'pod-0.db.shop.svc.cluster.local',
    '.shop.svc.cluster.local',
    'svc.cluster.local',
    'x.svc.cluster.local',
    'evil.example/catalog.shop.svc.cluster.local.x',
  ]) {
    assert.equal(parse(host), undefined, host);
  }
});
