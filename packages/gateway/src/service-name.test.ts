import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseServiceName } from './service-name.ts';

const parse = (host: string): unknown => parseServiceName(host, 'cluster.local');

test('names of Services of this cluster are read, and of single pods of them', () => {
  const service = { namespace: 'shop', name: 'catalog', hostname: undefined };
  assert.deepEqual(parse('catalog.shop.svc.cluster.local'), service);
  assert.deepEqual(parse('Catalog.Shop.svc.cluster.local.'), service);
  assert.deepEqual(parse('db-0.db.shop.svc.cluster.local'), { namespace: 'shop', name: 'db', hostname: 'db-0' });
});

test('other names are not', () => {
  for (const host of [
    '',
    'catalog',
    'catalog.shop',
    'catalog.shop.svc.other.local',
    'a.db-0.db.shop.svc.cluster.local',
    '.shop.svc.cluster.local',
    '.db.shop.svc.cluster.local',
    'svc.cluster.local',
    'x.svc.cluster.local',
    'evil.example/catalog.shop.svc.cluster.local.x',
  ]) {
    assert.equal(parse(host), undefined, host);
  }
});
