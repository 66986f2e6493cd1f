import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, test } from 'node:test';
import type { TLSSocket } from 'node:tls';

import { CONFIG_MAPS, MUTATING_WEBHOOKS, NAMESPACES, SECRETS } from '@mesh/kube';
import type { Secret, WebhookConfiguration } from '@mesh/kube';
import { eventually } from '@mesh/kube/testing';
import { chainPem, createTrustAnchor, issueCertificate, parseCertificate } from '@mesh/pki';
import type { Certificate } from '@mesh/pki';
import { silentLogger, systemClock } from '@mesh/runtime';
import type { Clock } from '@mesh/runtime';

import type { RunningRole } from '../role.ts';
import { COMMON, FakeCluster } from '../testing/harness.ts';
import { CONTEXT, POD } from '../testing/injection.ts';
import { runInjector } from './role.ts';
import { SecretCertificate, WEBHOOK_CONFIGURATION } from './secret-certificate.ts';
import type { SecretCertificateOptions } from './secret-certificate.ts';
import { readBundle } from './webhook-secret.ts';

const HOST_NAME = 'linkerd-proxy-injector.linkerd.svc';
const SECRET_REF = { namespace: 'linkerd', name: 'linkerd-proxy-injector-k8s-tls' };
const DAY_MS = 86_400_000;

const OPTIONS: SecretCertificateOptions = {
  namespace: 'linkerd',
  secretName: SECRET_REF.name,
  clusterDomain: 'cluster.local',
  renew: true,
  lifetimeMs: 90 * DAY_MS,
  propagationMs: 30_000,
};

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).toReversed()) await clean();
});

/** Time that stands still until it is moved. */
class ManualClock implements Clock {
  #nowMs = Date.now();
  now = (): number => this.#nowMs;
  monotonic = (): number => this.#nowMs;
  after = (delayMs: number, callback: () => void): ReturnType<Clock['after']> => systemClock.after(delayMs, callback);
  advance(ms: number): void {
    this.#nowMs += ms;
  }
}

test('a certificate is replaced after two thirds of its life, its authority published first', async () => {
  const cluster = await installed(OPTIONS.lifetimeMs);
  const clock = new ManualClock();
  const source = keeper(cluster, clock);
  await source.start(AbortSignal.timeout(30_000));
  const first = await secretOf(cluster);
  assert.equal(source.current?.cert, text(first, 'tls.crt'));
  const writes = cluster.api.writes;
  await source.reconcile();
  assert.equal(cluster.api.writes, writes, 'nothing is written without need');

  clock.advance(61 * DAY_MS);
  await source.reconcile();
  const prepared = await secretOf(cluster);
  assert.equal(text(prepared, 'tls.crt'), text(first, 'tls.crt'), 'still served');
  assert.equal(source.current?.cert, text(first, 'tls.crt'));
  const bundle = await bundleOf(cluster);
  assert.equal(bundle.length, 2);
  assert.ok(bundle.some((one) => one.equals(parseCertificate(text(prepared, 'next-ca.crt'), 'next-ca.crt'))));

  clock.advance(OPTIONS.propagationMs - 1);
  await source.reconcile();
  assert.equal(source.current?.cert, text(first, 'tls.crt'), 'not before every API server has seen the bundle');
  clock.advance(2);
  await source.reconcile();
  const renewed = await secretOf(cluster);
  assert.equal(text(renewed, 'tls.crt'), text(prepared, 'next.crt'));
  assert.equal(text(renewed, 'next.crt'), '');
  assert.equal(source.current?.cert, text(prepared, 'next.crt'));
  assert.equal((await bundleOf(cluster)).length, 2, 'replicas that still serve the old one are trusted');

  clock.advance(40 * DAY_MS);
  await source.reconcile();
  assert.equal((await bundleOf(cluster)).length, 1, 'what has expired leaves the bundle');
});

test('replicas that see the same need do the work once', async () => {
  const cluster = await installed(OPTIONS.lifetimeMs);
  const clock = new ManualClock();
  const replicas = [keeper(cluster, clock), keeper(cluster, clock), keeper(cluster, clock)];
  clock.advance(61 * DAY_MS);
  for (let round = 0; round < 4; round += 1) {
    await Promise.all(replicas.map((one) => one.reconcile()));
    clock.advance(OPTIONS.propagationMs);
  }
  const secret = await secretOf(cluster);
  assert.deepEqual(
    replicas.map((one) => one.current?.cert),
    replicas.map(() => text(secret, 'tls.crt')),
  );
  assert.equal((await bundleOf(cluster)).length, 2);
});

test('a certificate that expired while nobody ran is replaced at once', async () => {
  const cluster = await installed(OPTIONS.lifetimeMs);
  const clock = new ManualClock();
  clock.advance(100 * DAY_MS);
  const source = keeper(cluster, clock);
  await source.start(AbortSignal.timeout(30_000));
  const secret = await secretOf(cluster);
  assert.equal(source.current?.cert, text(secret, 'tls.crt'));
  const [authority] = await bundleOf(cluster);
  assert.ok(authority !== undefined && leafOf(secret).x509.verify(authority.publicKey));
});

test('a Secret without a certificate, and a webhook without a bundle, are filled', async () => {
  const cluster = await installed(OPTIONS.lifetimeMs, { caBundle: '' });
  const { data: _data, ...secret } = await secretOf(cluster);
  await cluster.client().replace(SECRETS, secret);
  const source = keeper(cluster, new ManualClock());
  await source.start(AbortSignal.timeout(30_000));
  assert.equal((await bundleOf(cluster)).length, 1);
  assert.notEqual(source.current, undefined);
});

test('after an older manifest was applied again, its certificate is served and its bundle kept', async () => {
  const cluster = await installed(OPTIONS.lifetimeMs);
  const original = await secretOf(cluster);
  const clock = new ManualClock();
  const source = keeper(cluster, clock);
  await source.start(AbortSignal.timeout(30_000));
  clock.advance(61 * DAY_MS);
  await source.reconcile();
  clock.advance(OPTIONS.propagationMs);
  await source.reconcile();
  assert.notEqual(source.current?.cert, text(original, 'tls.crt'));
  // As kubectl apply does: the keys of the manifest, while others stay.
  const { 'tls.crt': cert = '', 'tls.key': key = '' } = original.data ?? {};
  const body = { data: { 'tls.crt': cert, 'tls.key': key } };
  await cluster.client().patch(SECRETS, SECRET_REF, { type: 'merge', body });
  await source.reconcile();
  assert.equal(source.current?.cert, text(original, 'tls.crt'));
  clock.advance(OPTIONS.propagationMs);
  await source.reconcile();
  await source.reconcile();
  const now = await secretOf(cluster);
  assert.notEqual(text(now, 'tls.crt'), text(original, 'tls.crt'), 'and it is renewed again, being due');
});

test('a Secret that somebody else keeps is read, and never written', async () => {
  const cluster = await installed(OPTIONS.lifetimeMs);
  const clock = new ManualClock();
  const source = keeper(cluster, clock, { renew: false });
  await source.start(AbortSignal.timeout(30_000));
  const writes = cluster.api.writes;
  clock.advance(61 * DAY_MS);
  await source.reconcile();
  assert.equal(cluster.api.writes, writes);
  const other = await certificate(OPTIONS.lifetimeMs);
  const body = { data: { 'tls.crt': base64(other.certPem), 'tls.key': base64(other.keyPem) } };
  await cluster.client().patch(SECRETS, SECRET_REF, { type: 'merge', body });
  await source.reconcile();
  assert.equal(source.current?.cert, other.certPem);
});

test('while the API is away, or the Secret is gone, what was served goes on', async () => {
  const cluster = await installed(OPTIONS.lifetimeMs);
  const errors: string[] = [];
  const source = keeper(cluster, new ManualClock(), {}, errors);
  await source.start(AbortSignal.timeout(30_000));
  const before = source.current;
  cluster.api.goDown();
  await source.reconcile();
  cluster.api.comeBack();
  await cluster.client().delete(SECRETS, SECRET_REF);
  await source.reconcile();
  await source.reconcile();
  assert.equal(source.current, before);
  assert.equal(errors.length, 2, 'each failure is logged once');
});

test('no request fails while two replicas renew their certificate', async () => {
  // Short enough to see a renewal, long enough for a slow machine to be in time.
  const lifetimeMs = 8_000;
  const cluster = await installed(lifetimeMs);
  const replicas = [await startReplica(cluster, lifetimeMs), await startReplica(cluster, lifetimeMs)];
  const served = new Set<string>();
  const failures: string[] = [];
  let calls = 0;
  const body = review();
  await eventually(
    'two certificates served by each replica',
    async () => {
      // As an API server with a fresh connection: the bundle of now, each replica in turn.
      const ca = chainPem(await bundleOf(cluster));
      for (const [index, replica] of replicas.entries()) {
        calls += 1;
        await post(replica, ca, body).then(
          ({ status, fingerprint }) => {
            if (status !== 200) failures.push(`status ${status}`);
            served.add(`${index} ${fingerprint}`);
          },
          (error: unknown) => failures.push(String(error)),
        );
      }
      return served.size >= 4;
    },
    120_000,
  );
  assert.deepEqual(failures, []);
  assert.ok(calls > 20);
});

function keeper(
  cluster: FakeCluster,
  clock: Clock,
  options: Partial<SecretCertificateOptions> = {},
  errors: string[] = [],
): SecretCertificate {
  const logger = { ...silentLogger, error: (message: string) => void errors.push(message) };
  const source = new SecretCertificate(
    { ...OPTIONS, ...options },
    { client: cluster.client(), clock, logger, onServing: () => undefined },
  );
  cleanups.push(() => source[Symbol.asyncDispose]());
  return source;
}

/** As `mesh install` leaves it: the Secret knows nothing of its authority. */
async function installed(lifetimeMs: number, over: { readonly caBundle?: string } = {}): Promise<FakeCluster> {
  const cluster = new FakeCluster();
  const client = cluster.client();
  const issued = await certificate(lifetimeMs);
  await client.create(SECRETS, {
    metadata: SECRET_REF,
    type: 'kubernetes.io/tls',
    data: { 'tls.crt': base64(issued.certPem), 'tls.key': base64(issued.keyPem) },
  });
  const service = { name: 'linkerd-proxy-injector', namespace: 'linkerd', path: '/' };
  await client.create<WebhookConfiguration>(MUTATING_WEBHOOKS, {
    metadata: { name: WEBHOOK_CONFIGURATION },
    webhooks: [
      {
        name: 'linkerd-proxy-injector.linkerd.io',
        clientConfig: { service, caBundle: over.caBundle ?? base64(issued.caPem) },
      },
    ],
  });
  await client.create(NAMESPACES, { metadata: { name: 'shop', annotations: { 'linkerd.io/inject': 'enabled' } } });
  await client.create(CONFIG_MAPS, {
    metadata: { name: 'linkerd-config', namespace: 'linkerd' },
    data: { values: 'proxy: {}\n' },
  });
  return cluster;
}

async function certificate(lifetimeMs: number): Promise<{ caPem: string; certPem: string; keyPem: string }> {
  const skewMs = lifetimeMs / 10;
  const authority = await createTrustAnchor({ commonName: HOST_NAME, lifetimeMs, skewMs });
  const issued = await issueCertificate(authority, {
    commonName: HOST_NAME,
    dnsNames: [HOST_NAME],
    usages: ['server'],
    lifetimeMs,
    skewMs,
  });
  return { caPem: chainPem(authority.chain), certPem: issued.certificate.pem, keyPem: issued.keyPem };
}

async function startReplica(cluster: FakeCluster, lifetimeMs: number): Promise<RunningRole> {
  const directory = await mkdtemp(join(tmpdir(), 'injector-'));
  cleanups.push(() => rm(directory, { recursive: true, force: true }));
  await writeFile(join(directory, 'anchors.pem'), CONTEXT.trustAnchorsPem);
  const role = await runInjector(
    {
      ...COMMON,
      webhook: { host: '127.0.0.1', port: 0 },
      trustAnchorsFile: join(directory, 'anchors.pem'),
      certificate: { kind: 'secret', secretName: SECRET_REF.name, renew: true, lifetimeMs, propagationMs: 200 },
    },
    cluster.deps(),
    new AbortController().signal,
  );
  cleanups.push(() => role[Symbol.asyncDispose]());
  return role;
}

async function secretOf(cluster: FakeCluster): Promise<Secret> {
  return (await cluster.client().get(SECRETS, SECRET_REF)) ?? assert.fail('the Secret is gone');
}

async function bundleOf(cluster: FakeCluster): Promise<readonly Certificate[]> {
  const configuration = await cluster.client().get(MUTATING_WEBHOOKS, { name: WEBHOOK_CONFIGURATION });
  const webhook = configuration?.webhooks?.[0] as { clientConfig: { caBundle: string } } | undefined;
  return readBundle(webhook?.clientConfig.caBundle ?? '');
}

function leafOf(secret: Secret): Certificate {
  return parseCertificate(text(secret, 'tls.crt'), 'tls.crt');
}

function text(secret: Secret, key: string): string {
  return Buffer.from(secret.data?.[key] ?? '', 'base64').toString('utf8');
}

function base64(pem: string): string {
  return Buffer.from(pem, 'utf8').toString('base64');
}

function review(): string {
  return JSON.stringify({
    request: { uid: 'u-1', kind: { group: '', version: 'v1', kind: 'Pod' }, namespace: 'shop', object: POD },
  });
}

function post(role: RunningRole, ca: string, body: string): Promise<{ status: number; fingerprint: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; fingerprint: string }>();
  const options = { host: '127.0.0.1', port: role.port, method: 'POST', ca, servername: HOST_NAME };
  const call = request({ ...options, agent: new Agent({ maxCachedSessions: 0 }) }, (response) => {
    const socket = response.socket as TLSSocket;
    const fingerprint = socket.getPeerX509Certificate()?.fingerprint256 ?? '';
    response.resume();
    response.on('end', () => {
      resolve({ status: response.statusCode ?? 0, fingerprint });
      socket.destroy();
    });
  });
  call.on('error', reject);
  call.end(body);
  return promise;
}
