import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatWorkloadIdentity, isDnsName, matchesIdentitySuffix, parseWorkloadIdentity } from './identity-name.ts';

const NAME = 'web.shop.serviceaccount.identity.linkerd.cluster.local';

test('a workload identity name gives its parts and is written back the same', () => {
  const identity = parseWorkloadIdentity(NAME);
  assert.deepEqual(identity, {
    serviceAccount: 'web',
    namespace: 'shop',
    controlPlaneNamespace: 'linkerd',
    trustDomain: 'cluster.local',
  });
  assert.equal(formatWorkloadIdentity(identity), NAME);
});

test('a service account with a dot in its name keeps it', () => {
  const identity = parseWorkloadIdentity('web.v2.shop.serviceaccount.identity.linkerd.east.example');
  assert.equal(identity?.serviceAccount, 'web.v2');
  assert.equal(identity?.namespace, 'shop');
});

test('names that are not workload identities are refused', () => {
  for (const name of [
    '',
    'web',
    'web.shop',
    'shop.serviceaccount.identity.linkerd.local',
    'web.shop.serviceaccount.identity.linkerd',
    'Web.shop.serviceaccount.identity.linkerd.local',
    'web..serviceaccount.identity.linkerd.local',
    'web.shop.serviceaccount.identity..local',
    'web.shop.serviceaccount.identity.linkerd.local.',
    `${'a'.repeat(64)}.shop.serviceaccount.identity.linkerd.local`,
  ])
    assert.equal(parseWorkloadIdentity(name), undefined, name);
});

test('an empty suffix matches every identity and others match whole labels only', () => {
  assert.equal(matchesIdentitySuffix(NAME, []), true);
  assert.equal(matchesIdentitySuffix('', []), false);
  assert.equal(matchesIdentitySuffix(NAME, ['cluster', 'local']), true);
  assert.equal(matchesIdentitySuffix(NAME, ['ster', 'local']), false);
  assert.equal(matchesIdentitySuffix('cluster.local', ['cluster', 'local']), false);
  assert.equal(matchesIdentitySuffix('spiffe://a.cluster.local', ['cluster', 'local']), false);
});

test('DNS names are lower case labels of limited length', () => {
  assert.equal(isDnsName('a.b-c.d1'), true);
  for (const bad of ['-a', 'a-', 'a_b', 'a.', '.a', 'A', 'a'.repeat(64), `${'a.'.repeat(127)}a`])
    assert.equal(isDnsName(bad), false, bad);
});
