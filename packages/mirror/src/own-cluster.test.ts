import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chainPem, createIssuer, createTrustAnchor, issueCertificate, subjectKeyId } from '@mesh/pki';
import type { Authority } from '@mesh/pki';
import { systemClock } from '@mesh/runtime';
import { OwnCluster } from './own-cluster.ts';

const OPTIONS = {
  clusterName: 'east',
  version: '1.2.3',
  trustDomain: 'cluster.local',
  clusterDomain: 'cluster.local',
  controlPlaneNamespace: 'linkerd',
};

async function certifiedBy(issuer: Authority): Promise<string> {
  const { certificate } = await issueCertificate(issuer, {
    commonName: 'mirror',
    dnsNames: ['mirror'],
    usages: ['server', 'client'],
    lifetimeMs: 3_600_000,
  });
  return chainPem([certificate, issuer.certificate]);
}

test('the issuer of our certificate is ours, and stays so after it was replaced', async () => {
  const anchor = await createTrustAnchor({ commonName: 'root' });
  const [old, next] = [
    await createIssuer(anchor, { commonName: 'old' }),
    await createIssuer(anchor, { commonName: 'next' }),
  ];
  const own = new OwnCluster(OPTIONS, { clock: systemClock });
  let changes = 0;
  own.onChange(() => (changes += 1));
  assert.deepEqual(own.facts(), { ...OPTIONS, issuers: [] });

  own.certified(await certifiedBy(old));
  own.certified(await certifiedBy(old));
  assert.deepEqual(
    own.facts().issuers?.map(({ keyId }) => keyId),
    [subjectKeyId(old.certificate.der)],
  );
  assert.equal(changes, 1);

  own.certified(await certifiedBy(next));
  const both = [old, next]
    .map(({ certificate }) => subjectKeyId(certificate.der) ?? '')
    .sort((a, b) => (a < b ? -1 : 1));
  assert.deepEqual(
    own.facts().issuers?.map(({ keyId }) => keyId),
    both,
  );
  assert.equal(changes, 2);
});

test('an issuer that has ended is forgotten', async () => {
  const anchor = await createTrustAnchor({ commonName: 'root' });
  const issuer = await createIssuer(anchor, { commonName: 'one', lifetimeMs: 3_600_000 });
  let nowMs = Date.now();
  const own = new OwnCluster(OPTIONS, { clock: { ...systemClock, now: () => nowMs } });
  own.certified(await certifiedBy(issuer));
  assert.equal(own.facts().issuers?.length, 1);
  nowMs += 2 * 3_600_000;
  assert.deepEqual(own.facts().issuers, []);
});

test('a cluster that was not named has no name', () => {
  const own = new OwnCluster({ ...OPTIONS, clusterName: '' }, { clock: systemClock });
  assert.equal('clusterName' in own.facts(), false);
});
