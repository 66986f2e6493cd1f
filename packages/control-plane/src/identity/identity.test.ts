import assert from 'node:assert/strict';
import { createPrivateKey } from 'node:crypto';
import { mkdir, mkdtemp, rm, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, test } from 'node:test';

import {
  createCertificateRequest,
  createWorkloadIdentity,
  grpcCertifier,
  GrpcError,
  silentObserver,
  staticTrust,
} from '@mesh/control-client';
import { EVENTS } from '@mesh/kube';
import { eventually } from '@mesh/kube/testing';
import { createNodeDriver } from '@mesh/net';
import {
  Certificate,
  chainPem,
  createIssuer,
  createKeyPair,
  createRequest,
  createTrustAnchor,
  issueCertificate,
  privateKeyPem,
  verifyChain,
} from '@mesh/pki';
import type { Authority } from '@mesh/pki';
import type { identity } from '@mesh/proxy-api';
import { silentLogger, systemClock } from '@mesh/runtime';
import type { Clock } from '@mesh/runtime';

import type { IdentityConfig } from '../config/config.ts';
import type { RunningRole } from '../role.ts';
import { status } from '../serving/call.ts';
import { CERTIFY, channelTo, COMMON, FakeCluster, hastyClock, PLAINTEXT_GRPC } from '../testing/harness.ts';
import { checkRequest, decide } from './certify.ts';
import { runIdentity } from './role.ts';

const NAME = 'web.shop.serviceaccount.identity.linkerd.cluster.local';
const SERVER_NAME = 'linkerd-identity.linkerd.serviceaccount.identity.linkerd.cluster.local';
const MESH = { controlPlaneNamespace: 'linkerd', trustDomain: 'cluster.local' };
const EXPLICIT_SAN = 'web.shop.serviceaccount.identity.linkerd.other';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).toReversed()) await clean();
});

const root = await createTrustAnchor({ commonName: 'root.linkerd.cluster.local' });
const issuer = await createIssuer(root, { commonName: 'identity.linkerd.cluster.local' });

test('a request is refused for what is wrong with itself', async () => {
  const keys = createKeyPair();
  const good = await createRequest(keys, NAME);
  const codeOf = async (change: Partial<identity.CertifyRequest>): Promise<status | undefined> => {
    const checked = await checkRequest({
      identity: NAME,
      token: Buffer.from('t'),
      certificateSigningRequest: good,
      ...change,
    });
    return checked.ok ? undefined : checked.error.code;
  };
  assert.equal(await codeOf({}), undefined);
  assert.equal(await codeOf({ identity: '' }), status.INVALID_ARGUMENT);
  assert.equal(await codeOf({ identity: 'Not A Name' }), status.INVALID_ARGUMENT);
  assert.equal(await codeOf({ token: new Uint8Array() }), status.INVALID_ARGUMENT);
  assert.equal(await codeOf({ certificateSigningRequest: new Uint8Array() }), status.INVALID_ARGUMENT);
  assert.equal(await codeOf({ certificateSigningRequest: Buffer.from('garbage') }), status.INVALID_ARGUMENT);
  assert.equal(
    await codeOf({ certificateSigningRequest: await createRequest(keys, EXPLICIT_SAN) }),
    status.FAILED_PRECONDITION,
  );
  assert.equal(
    await codeOf({ certificateSigningRequest: createCertificateRequest(keys, 'spiffe://td/ns/x') }),
    status.FAILED_PRECONDITION,
  );
});

test('a certificate is for the account whose token it is, and for nobody else', () => {
  const review = (result: object) => ({ metadata: { name: '' }, spec: { token: '' }, status: result });
  const user = (username: string) => ({
    authenticated: true,
    audiences: ['identity.l5d.io'],
    user: { username, uid: 'u' },
  });
  const decideFor = (result: object) => decide(NAME, review(result), MESH);
  const yes = decideFor(user('system:serviceaccount:shop:web'));
  assert.ok(yes.ok && yes.workload.serviceAccount === 'web' && yes.serviceAccountUid === 'u');
  for (const no of [
    { authenticated: false, error: 'expired' },
    {},
    user('system:serviceaccount:shop:cart'),
    user('system:serviceaccount:shop:web:more'),
    user('alice'),
    { ...user('system:serviceaccount:shop:web'), audiences: ['https://kubernetes.default.svc'] },
  ]) {
    const decision = decideFor(no);
    assert.equal(!decision.ok && decision.error.code, status.FAILED_PRECONDITION, JSON.stringify(no));
  }
});

test('a proxy gets its certificate over TLS without ALPN, having none before', async () => {
  const { role, cluster } = await start();
  const trust = chainPem([root.certificate]);
  const driver = createNodeDriver();
  const certify = grpcCertifier(
    {
      target: { host: 'identity.example', port: role.port },
      security: { kind: 'tls', serverName: SERVER_NAME, context: () => workload.clientContext() },
    },
    {
      driver,
      clock: systemClock,
      resolve: () => Promise.resolve(['127.0.0.1']),
      log: silentLogger,
      observer: silentObserver,
    },
  );
  const workload = createWorkloadIdentity(
    { name: NAME, certify, readToken: () => Promise.resolve(Buffer.from('shop:web')), trust: staticTrust(trust) },
    {
      driver,
      clock: systemClock,
      log: silentLogger,
      observer: { refreshed: () => undefined, installed: () => undefined },
    },
  );
  cleanups.push(() => workload[Symbol.asyncDispose]());
  await workload.start(AbortSignal.timeout(5_000));
  assert.equal(workload.current()?.name, NAME);
  assert.deepEqual(cluster.reviewed[0]?.spec.audiences, ['identity.l5d.io']);
  // Now with its own certificate, which the server asks for.
  const first = workload.current();
  workload.renew();
  await eventually('a second certificate', () => workload.current() !== first);
  const events = await eventually('an event on the service account', async () => {
    const { items } = await cluster.api.client().list(EVENTS);
    return items.some((event) => event.reason === 'IssuedLeafCertificate') && items;
  });
  const issued = events.find((event) => event.reason === 'IssuedLeafCertificate');
  assert.deepEqual(issued?.involvedObject, {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    name: 'web',
    namespace: 'shop',
    uid: 'uid-1',
  });
});

test('a client certificate of another trust anchor is refused', async () => {
  const { role } = await start();
  const foreign = await createTrustAnchor({ commonName: 'foreign' });
  const stranger = await issueCertificate(foreign, { commonName: 'x', dnsNames: [NAME], usages: ['client'] });
  const context = createNodeDriver().context({
    key: stranger.keyPem,
    chain: stranger.chainPem,
    trust: chainPem([root.certificate]),
  });
  const channel = channelTo(role.port, { kind: 'tls', serverName: SERVER_NAME, context: () => context });
  cleanups.push(() => channel.close());
  await assert.rejects(
    channel.unary(
      CERTIFY,
      { identity: '', token: new Uint8Array(), certificateSigningRequest: new Uint8Array() },
      { timeoutMs: 300 },
    ),
  );
});

test('the answer holds the leaf in DER, the issuer, and the end of the validity', async () => {
  const { role } = await start({ ...PLAINTEXT_GRPC });
  const keys = createKeyPair();
  const response = await certifyAt(role, {
    identity: NAME,
    token: Buffer.from('shop:web\n'),
    certificateSigningRequest: await createRequest(keys, NAME),
  });
  const leaf = new Certificate(response.leafCertificate);
  const intermediates = response.intermediateCertificates.map((der) => new Certificate(der));
  assert.equal(response.validUntil?.getTime(), leaf.notAfterMs);
  verifyChain({ leaf, intermediates, anchors: [root.certificate], nowMs: Date.now(), name: NAME, usage: 'server' });
  assert.ok(leaf.x509.checkPrivateKey(createPrivateKey(privateKeyPem(keys.privateKey))));
});

test('tokens of others and unknown ones are FailedPrecondition over the wire', async () => {
  const { role } = await start({ ...PLAINTEXT_GRPC });
  const certificateSigningRequest = await createRequest(createKeyPair(), NAME);
  for (const token of ['shop:cart', 'nonsense']) {
    const error = await certifyAt(role, { identity: NAME, token: Buffer.from(token), certificateSigningRequest }).catch(
      (reason: unknown) => reason,
    );
    assert.ok(isStatus(error, status.FAILED_PRECONDITION), String(error));
  }
});

test('without an issuer the role waits, answers Unavailable, and heals when the files come', async () => {
  const { role, directory } = await start({ ...PLAINTEXT_GRPC }, { files: false });
  assert.equal(await readiness(role), 503);
  const message = {
    identity: NAME,
    token: Buffer.from('shop:web'),
    certificateSigningRequest: await createRequest(createKeyPair(), NAME),
  };
  const error = await certifyAt(role, message).catch((reason: unknown) => reason);
  assert.ok(isStatus(error, status.UNAVAILABLE), String(error));
  await writeIssuer(directory, issuer);
  await eventually('readiness', async () => (await readiness(role)) === 200);
  await certifyAt(role, message);
});

test('a new issuer is taken over while running; a bad one is not, and an event says why', async () => {
  const { role, directory, cluster } = await start({ ...PLAINTEXT_GRPC });
  const second = await createIssuer(root, { commonName: 'second' });
  const issuerOf = async (): Promise<string> => {
    const certificateSigningRequest = await createRequest(createKeyPair(), NAME);
    const response = await certifyAt(role, {
      identity: NAME,
      token: Buffer.from('shop:web'),
      certificateSigningRequest,
    });
    return new Certificate(response.leafCertificate).issuer;
  };
  assert.equal(await issuerOf(), 'CN=identity.linkerd.cluster.local');
  await writeIssuer(directory, second);
  await eventually('the second issuer', async () => (await issuerOf()) === 'CN=second');
  // The key of one, the certificate of the other.
  await writeFile(join(directory, 'issuer', 'key.pem'), privateKeyPem(issuer.key));
  await eventually('an event about the bad files', async () => {
    const { items } = await cluster.api.client().list(EVENTS);
    return items.some((event) => event.reason === 'IssuerUpdateSkipped' && event.message?.includes('does not belong'));
  });
  assert.equal(await issuerOf(), 'CN=second');
});

test('a flood is bounded: what is too much is told to try again', async () => {
  const { role, cluster } = await start({ ...PLAINTEXT_GRPC });
  const certificateSigningRequest = await createRequest(createKeyPair(), NAME);
  const channel = channelTo(role.port);
  cleanups.push(() => channel.close());
  // No review is answered until all have asked.
  const gate = Promise.withResolvers<void>();
  cluster.beforeReview = () => gate.promise;
  let refused = 0;
  const message = { identity: NAME, token: Buffer.from('nonsense'), certificateSigningRequest };
  const calls = Array.from({ length: 210 }, () =>
    channel.unary(CERTIFY, message, { timeoutMs: 15_000 }).catch((error: unknown) => {
      if (isStatus(error, status.RESOURCE_EXHAUSTED)) refused += 1;
      return error;
    }),
  );
  await eventually('ten refusals', () => refused === 10, 15_000);
  gate.resolve();
  const results = await Promise.all(calls);
  assert.equal(results.filter((error) => isStatus(error, status.FAILED_PRECONDITION)).length, 200);
});

test('an issuer that expired while loaded issues nothing', async () => {
  const { role, clock } = await startWithClock();
  clock.offsetMs = 400 * 86_400_000;
  const certificateSigningRequest = await createRequest(createKeyPair(), NAME);
  const error = await certifyAt(role, {
    identity: NAME,
    token: Buffer.from('shop:web'),
    certificateSigningRequest,
  }).catch((reason: unknown) => reason);
  assert.ok(isStatus(error, status.UNAVAILABLE) && String(error).includes('expired'), String(error));
});

test('the kubernetes.io/tls scheme is read as well', async () => {
  const { role, directory } = await start({ ...PLAINTEXT_GRPC }, { files: false });
  await writeFile(join(directory, 'issuer', 'tls.crt'), chainPem(issuer.chain));
  await writeFile(join(directory, 'issuer', 'tls.key'), privateKeyPem(issuer.key));
  await eventually('readiness', async () => (await readiness(role)) === 200);
  await unlink(join(directory, 'issuer', 'tls.key'));
});

interface Started {
  readonly role: RunningRole;
  readonly cluster: FakeCluster;
  readonly directory: string;
}

async function startWithClock(): Promise<Started & { readonly clock: { offsetMs: number } }> {
  const clock = { offsetMs: 0 };
  const started = await start(
    { ...PLAINTEXT_GRPC },
    { files: true },
    { ...hastyClock, now: () => Date.now() + clock.offsetMs },
  );
  return { ...started, clock };
}

async function start(
  overrides: Partial<IdentityConfig> = {},
  options: { readonly files: boolean } = { files: true },
  clock: Clock = hastyClock,
): Promise<Started> {
  const directory = await mkdtemp(join(tmpdir(), 'identity-'));
  cleanups.push(() => rm(directory, { recursive: true, force: true }));
  await mkdir(join(directory, 'issuer'));
  await writeFile(join(directory, 'anchors.pem'), chainPem([root.certificate]));
  if (options.files) await writeIssuer(directory, issuer);
  const config: IdentityConfig = {
    ...COMMON,
    grpc: { host: '127.0.0.1', port: 0 },
    plaintext: false,
    trustAnchorsFile: join(directory, 'anchors.pem'),
    issuerDir: join(directory, 'issuer'),
    lifetimeMs: 86_400_000,
    skewMs: 20_000,
    ...overrides,
  };
  const cluster = new FakeCluster();
  const role = await runIdentity(config, { ...cluster.deps(), clock }, new AbortController().signal);
  cleanups.push(() => role[Symbol.asyncDispose]());
  return { role, cluster, directory };
}

async function writeIssuer(directory: string, authority: Authority): Promise<void> {
  await writeFile(join(directory, 'issuer', 'key.pem'), privateKeyPem(authority.key));
  await writeFile(join(directory, 'issuer', 'crt.pem'), chainPem(authority.chain));
}

async function certifyAt(role: RunningRole, message: identity.CertifyRequest): Promise<identity.CertifyResponse> {
  const channel = channelTo(role.port);
  try {
    return await channel.unary(CERTIFY, message, { timeoutMs: 2_000 });
  } finally {
    channel.close();
  }
}

async function readiness(role: RunningRole): Promise<number> {
  return (await fetch(`http://127.0.0.1:${role.adminPort}/ready`)).status;
}

function isStatus(error: unknown, code: status): boolean {
  return error instanceof GrpcError && status[error.info.status] === status[code];
}
