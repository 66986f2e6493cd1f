import assert from 'node:assert/strict';
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { connect, createServer } from 'node:tls';
import type { TLSSocket } from 'node:tls';

import * as fc from 'fast-check';

import {
  Certificate,
  chainPem,
  createIssuer,
  createKeyPair,
  createRequest,
  createTrustAnchor,
  isPkiError,
  issueCertificate,
  issueLeaf,
  loadIssuer,
  parseCertificates,
  parsePrivateKey,
  parseRequest,
  privateKeyPem,
  readPkcs12,
  verifyChain,
} from './index.ts';
import type { Authority, KeyPair, PkiErrorCode } from './index.ts';

const NAME = 'web.shop.serviceaccount.identity.linkerd.cluster.local';
const NOW = Date.now();
const clockAt = (ms: number) => ({ now: () => ms, monotonic: () => ms, after: () => ({ cancel: () => undefined }) });

const root = await createTrustAnchor({ commonName: 'root.linkerd.cluster.local' });
const issuer = await createIssuer(root, { commonName: 'identity.linkerd.cluster.local' });
const anchors = [root.certificate];

test('a workload certificate copies the request and leads to the trust anchor', async () => {
  const keys = createKeyPair();
  const request = await parseRequest(await createRequest(keys, NAME));
  assert.deepEqual([request.commonName, request.dnsNames, request.uris, request.otherNames], [NAME, [NAME], [], []]);
  const leaf = await issueLeaf(issuer, request);
  assert.deepEqual(leaf.dnsNames, [NAME]);
  assert.equal(leaf.subject, `CN=${NAME}`);
  assert.equal(leaf.isCa, false);
  assert.ok(leaf.x509.checkPrivateKey(keys.privateKey));
  assert.deepEqual(leaf.x509.keyUsage, ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']);
  const chain = verifyChain({ leaf, intermediates: issuer.chain, anchors, nowMs: NOW, name: NAME, usage: 'client' });
  assert.deepEqual(
    chain.map((one) => one.subject),
    [`CN=${NAME}`, 'CN=identity.linkerd.cluster.local', 'CN=root.linkerd.cluster.local'],
  );
});

test('validity is now minus skew until now plus lifetime plus skew, and never beyond the issuer', async () => {
  const request = await parseRequest(await createRequest(createKeyPair(), NAME));
  const now = Math.floor(NOW / 1000) * 1000;
  const leaf = await issueLeaf(issuer, request, { lifetimeMs: 3_600_000, skewMs: 20_000, clock: clockAt(now) });
  assert.equal(leaf.notBeforeMs, now - 20_000);
  assert.equal(leaf.notAfterMs, now + 3_620_000);
  const clamped = await issueLeaf(issuer, request, { lifetimeMs: 10 * 365 * 86_400_000 });
  assert.equal(clamped.notAfterMs, Math.min(issuer.certificate.notAfterMs));
});

test('two certificates of one issuer have different serial numbers', async () => {
  const request = await parseRequest(await createRequest(createKeyPair(), NAME));
  const [a, b] = [await issueLeaf(issuer, request), await issueLeaf(issuer, request)];
  assert.notEqual(a.x509.serialNumber, b.x509.serialNumber);
});

test('TLS 1.3 accepts what the issuer issues, on both sides', async () => {
  const server = await leafFor(NAME);
  const client = await leafFor('cart.shop.serviceaccount.identity.linkerd.cluster.local');
  const credentials = (one: typeof server) => ({
    key: privateKeyPem(one.keys.privateKey),
    cert: chainPem([one.leaf, ...issuer.chain]),
    ca: chainPem(anchors),
    minVersion: 'TLSv1.3' as const,
  });
  const listener = createServer({ ...credentials(server), requestCert: true, rejectUnauthorized: true });
  const seen = Promise.withResolvers<TLSSocket>();
  listener.on('secureConnection', seen.resolve);
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const { port } = listener.address() as { port: number };
  const socket = connect({ host: '127.0.0.1', port, servername: NAME, ...credentials(client) });
  const accepted = await seen.promise;
  assert.equal(accepted.authorized, true);
  assert.equal(
    accepted.getPeerX509Certificate()?.subject,
    'CN=cart.shop.serviceaccount.identity.linkerd.cluster.local',
  );
  socket.destroy();
  accepted.destroy();
  listener.close();
});

test('a request that was changed is refused', async () => {
  const der = await createRequest(createKeyPair(), NAME);
  const at = Buffer.from(der).lastIndexOf('cluster');
  der[at] = 'x'.charCodeAt(0);
  await rejectsWith('bad_signature', () => parseRequest(der));
});

test('garbage is no request, certificate, key, bundle or PKCS#12 file, and never more than a coded error', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => {
      for (const read of [
        () => parseRequest(bytes),
        async () => new Certificate(bytes),
        () => readPkcs12(bytes, ''),
        async () => parsePrivateKey(pem('PRIVATE KEY', bytes)),
        async () => parseCertificates(pem('CERTIFICATE', bytes)),
      ]) {
        const error = await read().then(
          () => undefined,
          (reason: unknown) => reason,
        );
        assert.ok(isPkiError(error), String(error));
      }
    }),
    { numRuns: 50 },
  );
});

test('a certificate cut or changed anywhere never crashes the reader', () => {
  fc.assert(
    fc.property(fc.nat(), fc.nat(255), fc.boolean(), (at, value, cut) => {
      const der = new Uint8Array(issuer.certificate.der);
      der[at % der.length] = value;
      try {
        const certificate = new Certificate(cut ? der.subarray(0, at % der.length) : der);
        verifyChain({ leaf: certificate, intermediates: [], anchors, nowMs: NOW });
      } catch (error) {
        assert.ok(isPkiError(error), String(error));
      }
    }),
  );
});

test('an issuer is loaded from PEM in all usual key encodings', () => {
  const sec1 = issuer.key.export({ type: 'sec1', format: 'pem' });
  const encrypted = issuer.key.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'secret' });
  for (const keyPem of [sec1, privateKeyPem(issuer.key), encrypted]) {
    const loaded = loadIssuer({ certificatePem: chainPem(issuer.chain), keyPem, anchors, password: 'secret' });
    assert.equal(loaded.certificate.subject, issuer.certificate.subject);
  }
});

test('each way in which an issuer can be wrong has its own code', async () => {
  const load = (
    authority: Authority,
    options: { keyPem?: string; nowMs?: number; trust?: readonly Certificate[] } = {},
  ) =>
    loadIssuer({
      certificatePem: chainPem(authority.chain),
      keyPem: options.keyPem ?? privateKeyPem(authority.key),
      anchors: options.trust ?? anchors,
      ...(options.nowMs === undefined ? {} : { nowMs: options.nowMs }),
    });
  const encrypted = issuer.key.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'secret' });
  const other = await createTrustAnchor({ commonName: 'other root' });
  const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' });
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const authorityOf = async (keys: KeyPair) => createIssuer(root, { commonName: 'odd', keys });
  const leaf = await issueCertificate(root, { commonName: 'leaf', usages: ['server'] });
  const below = await createIssuer(issuer, { commonName: 'too deep' });
  throwsWith('key_mismatch', () => load(issuer, { keyPem: privateKeyPem(createKeyPair().privateKey) }));
  throwsWith('expired', () => load(issuer, { nowMs: NOW + 400 * 86_400_000 }));
  throwsWith('not_yet_valid', () => load(issuer, { nowMs: NOW - 86_400_000 }));
  throwsWith('untrusted', () => load(issuer, { trust: [other.certificate] }));
  throwsWith('password_needed', () => load(issuer, { keyPem: encrypted }));
  throwsWith('malformed', () => load(issuer, { keyPem: 'no key' }));
  throwsWith('not_a_ca', () => load({ certificate: leaf.certificate, chain: [leaf.certificate], key: leaf.key }));
  throwsWith('path_length', () => load(below));
  const p384Issuer = await authorityOf(p384);
  const rsaIssuer = await authorityOf(rsa);
  throwsWith('wrong_key_type', () => load(p384Issuer));
  throwsWith('wrong_key_type', () => load(rsaIssuer));
  throwsWith('wrong_password', () =>
    loadIssuer({ certificatePem: chainPem(issuer.chain), keyPem: encrypted, anchors, password: 'wrong' }),
  );
});

test('an expired anchor is reported as expired, not as unknown', async () => {
  const old = await createTrustAnchor({ commonName: 'old', clock: clockAt(NOW - 10_000_000), lifetimeMs: 1000 });
  const below = await createIssuer(old, { commonName: 'young' });
  throwsWith('expired', () =>
    verifyChain({ leaf: below.certificate, intermediates: [], anchors: [old.certificate], nowMs: NOW }),
  );
});

test('a leaf is checked for its name and its use', async () => {
  const { leaf } = await leafFor(NAME);
  const check = (options: { name?: string; usage?: 'client' }, of = leaf) =>
    verifyChain({ leaf: of, intermediates: issuer.chain, anchors, nowMs: NOW, ...options });
  throwsWith('name_mismatch', () => check({ name: 'other' }));
  const nameless = await issueCertificate(issuer, { commonName: 'x', usages: ['server'] });
  throwsWith('no_san', () => check({ name: 'x' }, nameless.certificate));
  throwsWith('bad_usage', () => check({ usage: 'client' }, nameless.certificate));
});

test('of two anchors with one name, the one that signed is taken', async () => {
  const twin = await createTrustAnchor({ commonName: 'root.linkerd.cluster.local' });
  const chain = verifyChain({
    leaf: issuer.certificate,
    intermediates: [],
    anchors: [twin.certificate, root.certificate],
    nowMs: NOW,
  });
  assert.ok(chain[1]?.equals(root.certificate));
});

test('a webhook certificate carries names and addresses', async () => {
  const { certificate, chainPem: text } = await issueCertificate(root, {
    commonName: 'hook',
    organizations: ['system:masters'],
    dnsNames: ['hook.linkerd.svc'],
    ipAddresses: ['127.0.0.1', '::1'],
    usages: ['server'],
  });
  const x509 = new X509Certificate(text);
  assert.equal(x509.checkHost('hook.linkerd.svc'), 'hook.linkerd.svc');
  assert.equal(x509.checkIP('127.0.0.1'), '127.0.0.1');
  assert.equal(certificate.subject, 'O=system:masters, CN=hook');
});

for (const name of ['ec-modern', 'ec-legacy', 'rsa-modern']) {
  test(`a PKCS#12 file is opened: ${name}`, async () => {
    const file = new Uint8Array(readFileSync(new URL(`fixtures/${name}.p12`, import.meta.url)));
    const { key, certificates } = await readPkcs12(file, 'fixture');
    assert.ok(key !== undefined && certificates[0]?.x509.checkPrivateKey(key));
    await rejectsWith('wrong_password', () => readPkcs12(file, 'wrong'));
  });
}

async function leafFor(name: string): Promise<{ readonly leaf: Certificate; readonly keys: KeyPair }> {
  const keys = createKeyPair();
  return { leaf: await issueLeaf(issuer, await parseRequest(await createRequest(keys, name))), keys };
}

function pem(label: string, bytes: Uint8Array): string {
  return `-----BEGIN ${label}-----\n${Buffer.from(bytes).toString('base64')}\n-----END ${label}-----\n`;
}

function throwsWith(code: PkiErrorCode, run: () => unknown): void {
  assert.throws(run, (error: unknown) => {
    assert.ok(isPkiError(error), String(error));
    assert.equal(error.code, code);
    return true;
  });
}

async function rejectsWith(code: PkiErrorCode, run: () => Promise<unknown>): Promise<void> {
  const error = await run().then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(isPkiError(error), String(error));
  assert.equal(error.code, code);
}
