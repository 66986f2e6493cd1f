/** The exporter's half of a Peer's status: who we are, and up to when the view is complete. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EVENTS, PEERS } from '@mesh/kube';
import type { Peer } from '@mesh/kube';
import { eventually } from '@mesh/kube/testing';
import { ExportHarness, SHARED_VIEW } from '../src/testing/export-harness.ts';

function reasonOf(harness: ExportHarness, peer: string, type: string): string | undefined {
  return harness.peerStatus(peer)?.conditions?.find((condition) => condition.type === type)?.reason;
}

function renewedMs(harness: ExportHarness, peer: string): number {
  return Date.parse(harness.peerStatus(peer)?.exporter?.renewTime ?? '');
}

const claim = (keyId: string): Peer['status'] => ({
  peer: { issuers: [{ keyId }], renewTime: new Date().toISOString() },
});

test('each Peer hears who exports and how much it may see', async () => {
  await using harness = new ExportHarness();
  harness.peer('east', claim('ee'));
  harness.peer('west');
  harness.policy('east-only', { clusters: ['east'], serviceSelector: { matchLabels: { for: 'east' } } });
  harness.service('catalog');
  harness.service('cart', { labels: { 'mirror.linkerd.io/exported': 'true', for: 'east' } });
  await harness.start();
  await eventually('east sees both', () => harness.peerStatus('east')?.exporter?.exports === 2);
  await eventually('west sees one', () => harness.peerStatus('west')?.exporter?.exports === 1);
  const { renewTime, ...facts } = harness.peerStatus('east')?.exporter ?? {};
  assert.ok(renewTime);
  assert.deepEqual(facts, { ...harness.facts, exports: 2 });
  assert.deepEqual(harness.peerStatus('east')?.peer?.issuers, [{ keyId: 'ee' }], 'the half of the peer stays');
  assert.equal(reasonOf(harness, 'east', 'Seen'), 'Recent');
  assert.equal(reasonOf(harness, 'west', 'Seen'), 'NeverSeen');
});

test('the time is renewed, by one write per Peer and period, and only while everything is published', async () => {
  await using harness = new ExportHarness();
  harness.peer('east');
  await harness.start({ renewMs: 1_100 });
  const first = await eventually('told', () => renewedMs(harness, 'east') || undefined);
  await eventually('renewed', () => renewedMs(harness, 'east') > first);
  const refused = harness.api.fault({
    code: 'forbidden',
    status: 403,
    match: ({ verb, resource }) => verb === 'create' && resource.startsWith('exportedservices'),
  });
  harness.service('catalog');
  await eventually('tried', () =>
    harness.api.calls.some(({ verb, key }) => verb === 'create' && key.endsWith('/catalog.shop')),
  );
  const triedMs = Date.now();
  // Two periods: the first renewal may be of a time before.
  await eventually('time passes', () => Date.now() - triedMs > 2_500);
  assert.ok(renewedMs(harness, 'east') <= triedMs, 'no later time than that of the change');
  refused[Symbol.dispose]();
  await eventually('caught up', () => renewedMs(harness, 'east') > triedMs + 2_000);
});

test('facts that change are told at once, and an authority that was replaced stays', async () => {
  await using harness = new ExportHarness();
  harness.peer('east');
  const publisher = await harness.start({ renewMs: 3_600_000 });
  await eventually('told', () => harness.peerStatus('east')?.exporter?.version === '1.2.3');
  harness.facts = {
    ...harness.facts,
    version: '1.2.4',
    issuers: [{ keyId: 'bb02', notAfter: '2099-01-01T00:00:00Z' }],
  };
  publisher.publisher.factsChanged();
  await eventually('told anew', () => harness.peerStatus('east')?.exporter?.version === '1.2.4');
  assert.deepEqual(
    harness.peerStatus('east')?.exporter?.issuers?.map(({ keyId }) => keyId),
    ['aa01', 'bb02'],
  );
});

test('an authority that two peers claim is a condition of both, with an Event, until one gives way', async () => {
  await using harness = new ExportHarness();
  harness.peer('east', claim('ee'));
  harness.peer('west', claim('ww'));
  await harness.start();
  await eventually('fine', () => reasonOf(harness, 'west', 'Valid') === 'Valid');
  const west = harness.api.peek(PEERS, `${SHARED_VIEW}/west`);
  assert.ok(west !== undefined);
  harness.api.seed(PEERS, { ...west, status: { ...west.status, ...claim('ee') } });
  for (const name of ['east', 'west'])
    await eventually(`${name} says so`, () => reasonOf(harness, name, 'Valid') === 'IssuerClaimedTwice');
  await eventually(
    'an Event each',
    () => harness.api.peekAll(EVENTS).filter(({ reason }) => reason === 'IssuerClaimedTwice').length === 2,
  );
  harness.api.remove(PEERS, `${SHARED_VIEW}/west`);
  await eventually('fine again', () => reasonOf(harness, 'east', 'Valid') === 'Valid');
});
