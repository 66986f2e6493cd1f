import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Condition, Peer } from '@mesh/kube';
import { exporterFacts, peerConditions, SILENT_AFTER_MS } from './peer-status.ts';
import type { PeerInput } from './peer-status.ts';

const NOW = Date.parse('2026-06-01T12:00:00Z');
const OWN = { clusterName: 'here', issuers: [{ keyId: 'aa', notAfter: '2026-07-01T00:00:00Z' }] };

function peer(name: string, status: NonNullable<Peer['status']> = {}, spec: Peer['spec'] = {}): Peer {
  return { metadata: { name, namespace: 'linkerd-multicluster' }, spec, status };
}

function input(one: Peer, more: Partial<PeerInput> = {}): PeerInput {
  return {
    peer: one,
    peers: [one],
    own: OWN,
    exports: 3,
    hasNamespace: true,
    silentMs: 1_000,
    aheadMs: 0,
    nowMs: NOW,
    ...more,
  };
}

function conditionOf(type: string, of: PeerInput): Condition | undefined {
  return peerConditions(of).find((condition) => condition.type === type);
}

const claiming = (...keyIds: readonly string[]): NonNullable<Peer['status']> => ({
  peer: { issuers: keyIds.map((keyId) => ({ keyId })), renewTime: '2026-06-01T11:59:59Z' },
});

test('a peer reads who exports, how much of it, and which authorities sign there', () => {
  const { issuers, exports, clusterName } = exporterFacts(input(peer('east')));
  assert.deepEqual({ issuers, exports, clusterName }, { issuers: OWN.issuers, exports: 3, clusterName: 'here' });
});

test('an authority that was replaced is told of until it ends', () => {
  const before = [
    { keyId: '99', notAfter: '2026-06-02T00:00:00Z' },
    { keyId: '88', notAfter: '2026-06-01T00:00:00Z' },
    { keyId: '77' },
  ];
  const { issuers } = exporterFacts(input(peer('east', { exporter: { issuers: before } })));
  assert.deepEqual(
    issuers?.map(({ keyId }) => keyId),
    ['99', 'aa'],
  );
});

test('an authority that two clusters claim tells nothing, and both Peers say so', () => {
  const east = peer('east', claiming('bb', 'cc'));
  const west = peer('west', claiming('cc'));
  const peers = [east, west];
  for (const one of peers) assert.equal(conditionOf('Valid', input(one, { peers }))?.reason, 'IssuerClaimedTwice');
  assert.match(conditionOf('Valid', input(east, { peers }))?.message ?? '', /Peer west claims the issuer cc too/);
  const north = peer('north', claiming('dd'));
  assert.equal(conditionOf('Valid', input(north, { peers: [...peers, north] }))?.status, 'True');
});

test('our own authority is nobody else’s', () => {
  assert.equal(conditionOf('Valid', input(peer('east', claiming('aa'))))?.reason, 'IssuerOfThisCluster');
});

test('a trust domain other than the one that was allowed, a name without namespace, a missing one: each has its reason', () => {
  const told = { peer: { trustDomain: 'other.example' } };
  assert.equal(
    conditionOf('Valid', input(peer('east', told, { trustDomain: 'cluster.local' })))?.reason,
    'TrustDomainMismatch',
  );
  assert.equal(conditionOf('Valid', input(peer('east.example')))?.reason, 'InvalidName');
  assert.equal(conditionOf('Valid', input(peer('east'), { hasNamespace: false }))?.reason, 'MissingNamespace');
});

test('a peer is seen, silent or was never there', () => {
  const east = peer('east', claiming('bb'));
  assert.equal(conditionOf('Seen', input(east))?.reason, 'Recent');
  assert.equal(conditionOf('Seen', input(east, { silentMs: SILENT_AFTER_MS + 1 }))?.reason, 'Silent');
  assert.equal(conditionOf('Seen', input(peer('east'), { silentMs: undefined }))?.reason, 'NeverSeen');
});

test('a wrong clock is named, and does not make a peer silent', () => {
  const ahead = peer('east', { peer: { renewTime: '2026-06-01T13:00:00Z' } });
  const seen = conditionOf('Seen', input(ahead, { aheadMs: 3_600_000 }));
  assert.equal(seen?.status, 'True');
  assert.equal(seen.message, 'its clock is about 60 min ahead');
});

test('the time of a condition moves with its status only, and conditions of others stay', () => {
  const conditions: readonly Condition[] = [
    { type: 'Seen', status: 'True', reason: 'Recent', message: '', lastTransitionTime: '2026-01-01T00:00:00Z' },
    { type: 'Valid', status: 'False', reason: 'InvalidName', message: '', lastTransitionTime: '2026-01-01T00:00:00Z' },
    { type: 'Other', status: 'True', reason: 'Theirs', message: '', lastTransitionTime: '2026-01-01T00:00:00Z' },
  ];
  const times = Object.fromEntries(
    peerConditions(input(peer('east', { ...claiming('bb'), conditions }))).map((condition) => [
      condition.type,
      condition.lastTransitionTime,
    ]),
  );
  assert.deepEqual(times, {
    Seen: '2026-01-01T00:00:00Z',
    Valid: '2026-06-01T12:00:00Z',
    Other: '2026-01-01T00:00:00Z',
  });
});
