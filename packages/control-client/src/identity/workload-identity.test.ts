import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, test } from 'node:test';
import { createNodeDriver } from '@mesh/net';
import { chainPem, createIssuer, createTrustAnchor, issueCertificate, issueLeaf, parseRequest } from '@mesh/pki';
import type { Authority } from '@mesh/pki';
import { identity } from '@mesh/proxy-api';
import { silentLogger, systemClock } from '@mesh/runtime';
import type { Clock, Logger } from '@mesh/runtime';
import { silentObserver } from '../grpc/observer.ts';
import { FakeControlPlane } from '../testing/fake-control-plane.ts';
import { until } from '../testing/until.ts';
import { grpcCertifier } from './certifier.ts';
import type { Certifier, CertifyRequest, CertifyResponse } from './certifier.ts';
import { createCertificateRequest } from './csr.ts';
import { staticTrust, watchedTrustFile } from './trust.ts';
import { createWorkloadIdentity, tokenFile } from './workload-identity.ts';
import type { WorkloadIdentity, WorkloadIdentityOptions } from './workload-identity.ts';

const NAME = 'web.shop.serviceaccount.identity.linkerd.cluster.local';
const SERVER = 'linkerd-identity.linkerd.serviceaccount.identity.linkerd.cluster.local';
const driver = createNodeDriver();

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).toReversed()) await clean();
});

/** Renewals follow each other at once, while certificates live long: a slow machine must not see them end. */
const SOON_MS = 20;

interface Trust {
  readonly anchor: Authority;
  readonly issuer: Authority;
  readonly pem: string;
}

async function createTrust(): Promise<Trust> {
  const anchor = await createTrustAnchor({ commonName: 'root.linkerd.cluster.local' });
  const issuer = await createIssuer(anchor, { commonName: 'identity.linkerd.cluster.local' });
  return { anchor, issuer, pem: chainPem([anchor.certificate]) };
}

/** Issues as the identity service does. */
function certifierOf(trust: Trust, change: (response: CertifyResponse) => CertifyResponse = (same) => same): Certifier {
  return async (request) => {
    const leaf = await issueLeaf(trust.issuer, await parseRequest(request.csrDer));
    return change({
      leafDer: leaf.der,
      intermediatesDer: trust.issuer.chain.map((one) => one.der),
      validUntilMs: leaf.notAfterMs,
    });
  };
}

function create(
  options: Partial<WorkloadIdentityOptions> & Pick<WorkloadIdentityOptions, 'certify' | 'trust'>,
  log: Logger = silentLogger,
  clock: Clock = systemClock,
): WorkloadIdentity {
  const created = createWorkloadIdentity(
    { name: NAME, readToken: () => Promise.resolve(Buffer.from('token')), minRefreshMs: 20, ...options },
    { driver, clock, log, observer: { refreshed: () => undefined, installed: () => undefined } },
  );
  cleanups.push(() => created[Symbol.asyncDispose]());
  return created;
}

const start = (component: WorkloadIdentity): Promise<void> => component.start(new AbortController().signal);

test('the request is PKCS#10 with the name as only alternative name, and proves possession of the key', async () => {
  const { createKeyPair } = await import('@mesh/pki');
  for (const name of [NAME, `${'a'.repeat(60)}.${NAME}`]) {
    const keys = createKeyPair();
    const request = await parseRequest(createCertificateRequest(keys, name));
    assert.deepEqual(request.dnsNames, [name]);
    assert.deepEqual(request.uris, []);
    assert.deepEqual(request.otherNames, []);
    assert.equal(request.commonName, name.length > 64 ? '' : name);
    assert.ok(request.publicKey.equals(keys.publicKey));
  }
  const uri = await parseRequest(createCertificateRequest(createKeyPair(), 'spiffe://td/ns/a'));
  assert.deepEqual([uri.uris, uri.dnsNames], [['spiffe://td/ns/a'], []]);
});

test('it starts with an installed certificate that peers under the same anchor accept', async () => {
  const trust = await createTrust();
  const workload = create({ certify: certifierOf(trust), trust: staticTrust(trust.pem) });
  assert.equal(workload.current(), undefined);
  await start(workload);
  const snapshot = workload.current();
  assert.equal(snapshot?.name, NAME);
  assert.ok(snapshot.notAfterMs > Date.now());
  assert.equal(workload.clientContext(), snapshot.tls);
});

test('it renews with the same key, reads the token anew, and swaps one snapshot for another', async () => {
  const trust = await createTrust();
  const requests: CertifyRequest[] = [];
  const issue = certifierOf(trust);
  let tokens = 0;
  const workload = create({
    certify: (request, signal) => {
      requests.push(request);
      return issue(request, signal);
    },
    readToken: () => Promise.resolve(Buffer.from(`token-${(tokens += 1)}`)),
    trust: staticTrust(trust.pem),
    maxRefreshMs: SOON_MS,
  });
  await start(workload);
  const first = workload.current();
  let changes = 0;
  workload.onChange(() => (changes += 1));
  await until('two renewals', () => changes >= 2);
  assert.notEqual(workload.current(), first);
  assert.equal(workload.current()?.keyPem, first?.keyPem);
  assert.deepEqual(requests[1]?.csrDer, requests[0]?.csrDer);
  assert.equal(Buffer.from(requests[1]?.token ?? []).toString(), 'token-2');
});

test('a failed renewal keeps the certificate and is tried again', async () => {
  const trust = await createTrust();
  const issue = certifierOf(trust);
  const again = Promise.withResolvers<void>();
  let calls = 0;
  const workload = create({
    certify: async (request, signal) => {
      calls += 1;
      if (calls === 2) throw new Error('away');
      // The next one is held back until the state after the failure has been seen.
      if (calls === 3) await again.promise;
      return issue(request, signal);
    },
    trust: staticTrust(trust.pem),
    maxRefreshMs: SOON_MS,
  });
  await start(workload);
  const first = workload.current();
  await until('another try', () => calls >= 3);
  assert.equal(workload.current(), first);
  again.resolve();
  await until('the next success', () => workload.current() !== first);
});

test('a renewal that is asked for while another is under way follows it', async () => {
  const trust = await createTrust();
  const issue = certifierOf(trust);
  const second = Promise.withResolvers<void>();
  let calls = 0;
  const workload = create({
    certify: async (request, signal) => {
      calls += 1;
      if (calls === 2) await second.promise;
      return issue(request, signal);
    },
    trust: staticTrust(trust.pem),
  });
  await start(workload);
  workload.renew();
  await until('the second request', () => calls === 2);
  workload.renew();
  second.resolve();
  await until('the third request', () => calls === 3);
});

test('certificates that peers would not accept, or that are not ours, are not installed', async () => {
  const [trust, foreign] = await Promise.all([createTrust(), createTrust()]);
  const other = await issueCertificate(trust.issuer, {
    commonName: NAME,
    dnsNames: [NAME],
    usages: ['server', 'client'],
  });
  const wrongName = await issueCertificate(trust.issuer, { commonName: 'x', dnsNames: ['x'], usages: ['server'] });
  const cases: Readonly<Record<string, Certifier>> = {
    untrusted: certifierOf(foreign),
    foreign_key: certifierOf(trust, (response) => ({ ...response, leafDer: other.certificate.der })),
    name_mismatch: certifierOf(trust, (response) => ({ ...response, leafDer: wrongName.certificate.der })),
    no_validity: certifierOf(trust, (response) => ({ ...response, validUntilMs: undefined })),
    already_expired: certifierOf(trust, (response) => ({ ...response, validUntilMs: Date.now() - 1 })),
    malformed: certifierOf(trust, (response) => ({ ...response, leafDer: Uint8Array.of(0x30, 0x80) })),
  };
  for (const [code, certify] of Object.entries(cases)) {
    const codes: string[] = [];
    const log: Logger = {
      ...silentLogger,
      warn: (_, fields) => codes.push(String((fields?.['error'] as { code?: string } | undefined)?.code)),
    };
    const workload = create({ certify, trust: staticTrust(trust.pem) }, log);
    const starting = start(workload);
    starting.catch(() => undefined);
    await until(code, () => codes.length > 0);
    assert.deepEqual([codes[0], workload.current()], [code, undefined]);
    await workload[Symbol.asyncDispose]();
    await assert.rejects(starting, { code: 'stopped' });
  }
});

test("a clock that is behind the issuer's costs nobody its certificate, and is told", async () => {
  const trust = await createTrust();
  const said: string[] = [];
  const log: Logger = { ...silentLogger, warn: (message) => said.push(message) };
  const clock: Clock = { ...systemClock, now: () => Date.now() - 600_000 };
  const workload = create({ certify: certifierOf(trust), trust: staticTrust(trust.pem) }, log, clock);
  await start(workload);
  assert.equal(workload.current()?.name, NAME);
  assert.match(said.join(), /clock here is behind/);
});

test('anchors in a file are followed, and a broken file changes nothing', async () => {
  const [old, next] = await Promise.all([createTrust(), createTrust()]);
  const folder = await mkdtemp(join(tmpdir(), 'mesh-trust-'));
  cleanups.push(() => rm(folder, { recursive: true }));
  const path = join(folder, 'ca-bundle.crt');
  await writeFile(path, old.pem);
  const trust = watchedTrustFile(path, { clock: systemClock, log: silentLogger }, 10);
  const warnings: string[] = [];
  const workload = create(
    { certify: certifierOf(old), trust },
    { ...silentLogger, warn: (message) => warnings.push(message) },
  );
  await start(workload);
  const first = workload.current();
  await writeFile(path, old.pem + next.pem);
  await until('both anchors', () => workload.current()?.trustPem === old.pem + next.pem);
  assert.notEqual(workload.current()?.tls, first?.tls);
  await writeFile(path, 'garbage');
  await until('a warning', () => warnings.includes('trust anchors not usable, keeping the last ones'));
  assert.equal(workload.current()?.trustPem, old.pem + next.pem);
});

test('a missing or empty token is an error that names the file', async () => {
  await assert.rejects(tokenFile('/nonexistent/token')(), /\/nonexistent\/token is not readable/);
  const folder = await mkdtemp(join(tmpdir(), 'mesh-token-'));
  cleanups.push(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, 'token'), '');
  await assert.rejects(tokenFile(join(folder, 'token'))(), { code: 'token_empty' });
});

async function identityService(
  trust: Trust,
  name: string,
): Promise<{ readonly plane: FakeControlPlane; readonly port: number }> {
  const own = await issueCertificate(trust.issuer, { commonName: name, dnsNames: [name], usages: ['server'] });
  const plane = new FakeControlPlane({ keyPem: own.keyPem, chainPem: own.chainPem, trustPem: trust.pem });
  const issue = certifierOf(trust);
  plane.certify = async (request) => {
    const issued = await issue(
      { identity: request.identity, token: request.token, csrDer: request.certificateSigningRequest },
      new AbortController().signal,
    );
    return identity.CertifyResponse.fromPartial({
      leafCertificate: issued.leafDer,
      intermediateCertificates: [...issued.intermediatesDer],
      validUntil: new Date(issued.validUntilMs ?? 0),
    });
  };
  const port = await plane.listen();
  cleanups.push(() => plane.stop());
  return { plane, port };
}

function overTls(port: number, trust: Trust, log: Logger = silentLogger): WorkloadIdentity {
  const certify = grpcCertifier(
    {
      target: { host: 'identity.example', port },
      security: { kind: 'tls', serverName: SERVER, context: () => workload.clientContext() },
      backoff: { minMs: 5, maxMs: 10, jitterRatio: 0 },
    },
    {
      driver,
      clock: systemClock,
      resolve: () => Promise.resolve(['127.0.0.1']),
      log: silentLogger,
      observer: silentObserver,
    },
    1000,
  );
  const workload: WorkloadIdentity = create({ certify, trust: staticTrust(trust.pem) }, log);
  return workload;
}

test('over TLS the first request carries no certificate, later ones do, and no ALPN is needed', async () => {
  const trust = await createTrust();
  const { plane, port } = await identityService(trust, SERVER);
  const workload = overTls(port, trust);
  await start(workload);
  const first = workload.current();
  workload.renew();
  await until('the renewal', () => workload.current() !== first);
  assert.deepEqual([plane.clients[0], plane.clients.at(-1)], [undefined, `DNS:${NAME}`]);
});

test('a server with another name, or under another anchor, gets no token', async () => {
  const [trust, foreign] = await Promise.all([createTrust(), createTrust()]);
  for (const [server, name] of [
    [trust, 'destination.linkerd.cluster.local'],
    [foreign, SERVER],
  ] as const) {
    const { plane, port } = await identityService(server, name);
    let asked = 0;
    plane.certify = () => {
      asked += 1;
      return Promise.reject(new Error('never'));
    };
    const failures: unknown[] = [];
    const workload = overTls(port, trust, { ...silentLogger, warn: (_, fields) => failures.push(fields?.['error']) });
    start(workload).catch(() => undefined);
    const expected = server === trust ? /not for linkerd-identity/ : /tls/;
    await until(String(expected), () => failures.some((failure) => expected.test(String(failure))));
    assert.equal(asked, 0);
  }
});
