import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isClientIdentity, isClusterName } from './conveyed-client.ts';

test('identities are DNS names in lower case or SPIFFE IDs of workloads', () => {
  const long = Array.from({ length: 4 }, () => 'a'.repeat(62)).join('.');
  for (const good of [
    'web.shop.serviceaccount.identity.linkerd.cluster.local',
    'a',
    long,
    'spiffe://cluster.local/ns/shop/sa/web',
    'spiffe://a_b.c/x/..y/.z',
    `spiffe://td/${'a'.repeat(2036)}`,
  ])
    assert.equal(isClientIdentity(good), true, good);
  for (const bad of [
    '',
    'Web.shop',
    'web.shop.',
    'web_shop',
    `${'a'.repeat(64)}.b`,
    `${long}.ab`,
    'spiffe://',
    'spiffe://td',
    'spiffe://td/',
    'spiffe://td/a//b',
    'spiffe://td/a/..',
    'spiffe://TD/a',
    'spiffe://td/a?b',
    'https://td/a',
    `spiffe://td/${'a'.repeat(2037)}`,
    'a\n',
    'a, b',
  ])
    assert.equal(isClientIdentity(bad), false, bad);
});

test('cluster names are names of Kubernetes objects', () => {
  for (const good of ['east', 'east-1.example']) assert.equal(isClusterName(good), true, good);
  for (const bad of ['', 'East', 'a b', '-east', 'spiffe://a/b']) assert.equal(isClusterName(bad), false, bad);
});
