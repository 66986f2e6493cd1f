import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createIssuer, createTrustAnchor, issueCertificate } from './authority.ts';
import { authorityKeyId, subjectKeyId } from './key-identifiers.ts';

test('a leaf names the key that signed it, which its issuer calls its own', async () => {
  const anchor = await createTrustAnchor({ commonName: 'root.example' });
  const issuer = await createIssuer(anchor, { commonName: 'issuer.example' });
  const leaf = await issueCertificate(issuer, {
    commonName: 'web.example',
    dnsNames: ['web.example'],
    usages: ['server'],
    lifetimeMs: 3_600_000,
  });
  const keyId = subjectKeyId(issuer.certificate.der);
  assert.match(keyId ?? '', /^[0-9a-f]{40}$/);
  assert.equal(authorityKeyId(leaf.certificate.der), keyId);
  assert.equal(authorityKeyId(issuer.certificate.der), subjectKeyId(anchor.certificate.der));
});

test('what is no certificate names no key', () => {
  for (const bytes of [new Uint8Array(), Uint8Array.of(0x30, 0x80, 0), Buffer.from('hello')]) {
    assert.equal(authorityKeyId(bytes), undefined);
    assert.equal(subjectKeyId(bytes), undefined);
  }
});
