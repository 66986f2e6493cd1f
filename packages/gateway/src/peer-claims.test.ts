import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PeerClaims } from './peer-claims.ts';
import type { ClaimSources } from './peer-claims.ts';

const OWN = 'own-key';
const identity = (trustDomain = 'cluster.local'): string => `web.shop.serviceaccount.identity.linkerd.${trustDomain}`;

function peer(name: string, issuers: readonly string[], more: { spec?: string; says?: string } = {}) {
  return {
    metadata: { name },
    spec: more.spec === undefined ? {} : { trustDomain: more.spec },
    status: {
      peer: {
        issuers: issuers.map((keyId) => ({ keyId })),
        ...(more.says === undefined ? {} : { trustDomain: more.says }),
      },
    },
  };
}

const link = (cluster: string, trustDomain = 'cluster.local') => ({
  spec: {
    targetClusterName: cluster,
    gatewayIdentity: `linkerd-gateway.mc.serviceaccount.identity.linkerd.${trustDomain}`,
  },
});

const claims = (sources: Partial<ClaimSources> = {}): PeerClaims =>
  new PeerClaims({
    admission: 'auto',
    ownTrustDomain: 'cluster.local',
    ownCluster: 'west',
    ownIssuers: [OWN],
    extraTrustDomains: [],
    peers: [],
    links: [],
    ...sources,
  });

test('with one trust domain for all, the issuer tells the cluster', () => {
  const both = claims({ peers: [peer('east', ['e1', 'e2']), peer('north', ['n1'])], links: [link('east')] });
  for (const [issuer, name] of [
    ['e1', 'east'],
    ['e2', 'east'],
    ['n1', 'north'],
  ] as const) {
    const origin = { trustDomain: 'cluster.local', cluster: name, peer: name };
    assert.deepEqual(both.originOf(identity(), issuer), origin);
  }
});

test('an issuer that several claim, or that is our own, tells nothing, and locks nobody out', () => {
  const shared = claims({ peers: [peer('east', ['x', OWN]), peer('north', ['x'])] });
  assert.equal(shared.strict, true);
  const unknown = { trustDomain: 'cluster.local', cluster: '', peer: undefined };
  assert.deepEqual(shared.originOf(identity(), 'x'), unknown);
  assert.deepEqual(shared.originOf(identity(), OWN), unknown);
});

test('a Peer of a given trust domain vouches for no identity outside of it', () => {
  const strict = claims({ peers: [peer('east', ['e1'], { spec: 'east.example' })] });
  assert.equal(strict.originOf(identity(), 'e1'), undefined);
  assert.equal(strict.originOf(identity('east.example'), 'e1')?.peer, 'east');
});

test('a trust domain of one cluster alone tells it as well, if it is not ours', () => {
  const some = claims({
    peers: [peer('east', ['e1'], { says: 'east.example' }), peer('liar', ['l1'], { says: 'cluster.local' })],
    links: [
      link('east', 'east.example'),
      link('south', 'south.example'),
      link('far', 'far.example'),
      link('off', 'far.example'),
    ],
  });
  const clusterOf = (trustDomain: string): string | undefined => some.originOf(identity(trustDomain), 'new')?.cluster;
  assert.equal(clusterOf('east.example'), 'east');
  assert.equal(clusterOf('south.example'), 'south');
  assert.equal(clusterOf('far.example'), '');
  assert.equal(clusterOf('nobody.example'), undefined);
  assert.equal(clusterOf('cluster.local'), '');
});

test('until each linked cluster has a Peer that said who it is, everybody of our trust domain is admitted', () => {
  const admitsUnclaimed = (sources: Partial<ClaimSources>): boolean =>
    claims(sources).originOf(identity(), 'unclaimed') !== undefined;
  assert.equal(admitsUnclaimed({}), true);
  assert.equal(admitsUnclaimed({ links: [link('east')] }), true);
  assert.equal(admitsUnclaimed({ peers: [peer('east', [])] }), true);
  assert.equal(admitsUnclaimed({ peers: [peer('east', ['e1'])], links: [link('old')] }), true);
  assert.equal(admitsUnclaimed({ peers: [peer('east', ['e1']), peer('new', [])] }), true);
  assert.equal(admitsUnclaimed({ peers: [peer('east', ['e1'])], links: [link('east')] }), false);
  assert.equal(admitsUnclaimed({ peers: [peer('east', ['e1'])] }), false);
});

test('the configuration decides otherwise, in both directions', () => {
  const peers = [peer('east', ['e1'])];
  assert.notEqual(claims({ admission: 'trust-domain', peers }).originOf(identity(), 'unclaimed'), undefined);
  assert.equal(claims({ admission: 'peers' }).originOf(identity(), 'unclaimed'), undefined);
  const extra = claims({ admission: 'peers', extraTrustDomains: ['partner.example'] });
  assert.deepEqual(extra.originOf(identity('partner.example'), undefined), {
    trustDomain: 'partner.example',
    cluster: '',
    peer: undefined,
  });
});

test('clients of this cluster are no peer', () => {
  const lenient = claims();
  assert.deepEqual(lenient.originOf(identity(), OWN), {
    trustDomain: 'cluster.local',
    cluster: 'west',
    peer: undefined,
  });
  assert.equal(claims({ admission: 'peers' }).originOf(identity(), OWN), undefined);
});

test('SPIFFE IDs have a trust domain, other names have none', () => {
  const lenient = claims();
  assert.equal(lenient.originOf('spiffe://cluster.local/ns/shop/sa/web', undefined)?.trustDomain, 'cluster.local');
  assert.equal(lenient.originOf('www.example.com', undefined), undefined);
});
