/** The API server's certificate: what is accepted, and what the errors say. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chainPem, createTrustAnchor, issueCertificate } from '@mesh/pki';
import type { Authority } from '@mesh/pki';
import { systemClock } from '@mesh/runtime';
import { isKubeError } from './errors.ts';
import { NAMESPACES } from './kinds.ts';
import { kubeConfigText, loadKubeConfig } from './kubeconfig.ts';
import { createKubeClient } from './rest-client.ts';
import { FakeApiServer } from './testing/fake-api-server.ts';
import { FakeApi } from './testing/fake-api.ts';

interface Certificate {
  readonly ip?: string;
  /** Issued as if this long ago, for an hour. */
  readonly ageMs?: number;
}

async function serve(anchor: Authority, { ip = '127.0.0.1', ageMs = 0 }: Certificate = {}): Promise<FakeApiServer> {
  const clock = { ...systemClock, now: () => Date.now() - ageMs };
  const leaf = await issueCertificate(anchor, {
    commonName: 'kube-apiserver',
    ipAddresses: [ip],
    usages: ['server'],
    lifetimeMs: 3_600_000,
    clock,
  });
  const server = new FakeApiServer(new FakeApi(), { tls: { cert: leaf.chainPem, key: leaf.keyPem } });
  await server.start();
  return server;
}

async function list(server: FakeApiServer, trusted: Authority): Promise<unknown> {
  const text = kubeConfigText({ name: 'west', server: server.url, caPem: chainPem(trusted.chain), token: 't' });
  using client = createKubeClient(loadKubeConfig({ text }));
  return client.list(NAMESPACES).catch((error: unknown) => error);
}

const LIFETIME_MS = 10 * 24 * 3_600_000;

test('a server under the given authority is trusted', async () => {
  const anchor = await createTrustAnchor({ commonName: 'root' });
  await using server = await serve(anchor);
  assert.deepEqual(await list(server, anchor), { items: [], resourceVersion: '0' });
});

test('a server under another authority, of another name, or expired is told apart from an unreachable one', async () => {
  const clock = { ...systemClock, now: () => Date.now() - LIFETIME_MS / 2 };
  const anchor = await createTrustAnchor({ commonName: 'root', clock, lifetimeMs: LIFETIME_MS });
  const other = await createTrustAnchor({ commonName: 'other' });
  const cases: readonly (readonly [Certificate, Authority, RegExp])[] = [
    [{}, other, /not signed by the authority that we were given/],
    [{ ip: '127.0.0.9' }, anchor, /is for other names/],
    [{ ageMs: LIFETIME_MS / 4 }, anchor, /has expired/],
  ];
  for (const [certificate, trusted, message] of cases) {
    await using server = await serve(anchor, certificate);
    const error = await list(server, trusted);
    assert.ok(isKubeError(error, 'tls'), String(error));
    assert.match(error.message, message);
  }
});
