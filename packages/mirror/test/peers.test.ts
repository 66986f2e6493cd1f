/** What clusters tell each other through the Peer that the exporter keeps, and what a Link says of it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LINKS, PEERS } from '@mesh/kube';
import type { ClusterFacts, Peer } from '@mesh/kube';
import { eventually } from '@mesh/kube/testing';
import type { FakeApi } from '@mesh/kube/testing';
import { Harness, LINK_NAMESPACE, linkObject } from '../src/testing/harness.ts';

const CLUSTER = {
  clusterName: 'home',
  version: '0.1.0',
  trustDomain: 'home.example',
  clusterDomain: 'cluster.local',
  controlPlaneNamespace: 'linkerd',
};
const OPTIONS = { cluster: CLUSTER, announceMs: 200 };
const PEER = `${LINK_NAMESPACE}/home`;

/** A Link that names our Peer at `west`. */
function linkAsPeer(harness: Harness): FakeApi {
  const west = harness.link('west');
  const link = linkObject('west');
  const annotations = { 'federation.mesh.dev/peer': 'home' };
  harness.home.seed(LINKS, { ...link, metadata: { ...link.metadata, annotations } });
  return west;
}

function seedPeer(west: FakeApi, exporter: ClusterFacts): void {
  west.seed<Peer>(PEERS, {
    metadata: { name: 'home', namespace: LINK_NAMESPACE },
    spec: {},
    status: { ...west.peek(PEERS, PEER)?.status, exporter },
  });
}

const now = (aheadMs = 0): string => new Date(Date.now() + aheadMs).toISOString();

test('a cluster tells its peer who it is, again and again, and keeps off the half that is not its own', async () => {
  await using harness = new Harness();
  const west = linkAsPeer(harness);
  seedPeer(west, { version: '0.1.0', clusterName: 'west', renewTime: now() });
  await harness.start(OPTIONS);
  const first = await eventually('an announcement', () => {
    const facts = west.peek(PEERS, PEER)?.status?.peer;
    assert.ok(facts?.renewTime !== undefined);
    return facts;
  });
  const { renewTime: _renewTime, ...facts } = first;
  assert.deepEqual(facts, { ...CLUSTER, issuers: [] });
  assert.equal(west.peek(PEERS, PEER)?.status?.exporter?.clusterName, 'west');
  await eventually(
    'another announcement',
    () => west.calls.filter(({ verb, resource }) => verb === 'patch' && resource.startsWith('peers')).length >= 2,
  );
});

test('the version of the peer and the age of its view are conditions of the Link', async () => {
  await using harness = new Harness();
  const west = linkAsPeer(harness);
  seedPeer(west, { version: '0.1.0', renewTime: now() });
  await harness.start(OPTIONS);
  await harness.condition('west', 'VersionSupported', 'Compatible');
  await harness.condition('west', 'ViewCurrent', 'Current');
  seedPeer(west, { version: '7.0.0', renewTime: now() });
  const { status, message } = await harness.condition('west', 'VersionSupported', 'TooFarApart');
  assert.equal(status, 'False');
  assert.match(message, /west runs 7\.0\.0, this one 0\.1\.0/);
});

test('a peer whose clock is wrong is current all the same, and told of', async () => {
  await using harness = new Harness();
  const west = linkAsPeer(harness);
  let ticks = 0;
  const tick = (): void => seedPeer(west, { version: '0.1.0', renewTime: now(-3_600_000 + (ticks += 1000)) });
  tick();
  const timer = setInterval(tick, 50);
  try {
    await harness.start(OPTIONS);
    const { status, message } = await harness.condition('west', 'ViewCurrent', 'ClockSkew');
    assert.equal(status, 'True');
    assert.match(message, /behind ours/);
  } finally {
    clearInterval(timer);
  }
});

test('a Peer that does not exist is said with the fix, and mirrors do not need it', async () => {
  await using harness = new Harness();
  linkAsPeer(harness);
  await harness.start(OPTIONS);
  const { status, message } = await harness.condition('west', 'VersionSupported', 'NotKnown');
  assert.equal(status, 'Unknown');
  assert.match(message, /cluster west has no Peer home: .*mesh multicluster allow --peer home/);
  await harness.condition('west', 'Reachable', 'Connected');
});

test('a peer that was made anew under the same name is read anew', async () => {
  await using harness = new Harness();
  const west = linkAsPeer(harness);
  seedPeer(west, { version: '0.1.0', renewTime: now() });
  await harness.start(OPTIONS);
  await harness.condition('west', 'ViewCurrent', 'Current');
  const watches = west.calls.filter(({ verb }) => verb === 'watch').length;
  await west.client().delete(PEERS, { namespace: LINK_NAMESPACE, name: 'home' });
  seedPeer(west, { version: '0.1.0', renewTime: now() });
  await eventually('new watches', () => west.calls.filter(({ verb }) => verb === 'watch').length > watches);
  await harness.condition('west', 'Reachable', 'Connected');
});
