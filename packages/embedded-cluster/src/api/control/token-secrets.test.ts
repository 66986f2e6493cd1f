import assert from 'node:assert/strict';
import test from 'node:test';
import { hasReason } from '../status-error.ts';
import { startServer } from '../testing/https-client.ts';
import type { ApiServer } from '../server.ts';
import type { KubeObject } from '../types.ts';

const SECRETS = { group: '', version: 'v1', plural: 'secrets' };
const ACCOUNTS = { group: '', version: 'v1', plural: 'serviceaccounts' };
const REVIEWS = { group: 'authentication.k8s.io', version: 'v1', plural: 'tokenreviews' };
const NAMESPACE = 'default';

function account(name: string): KubeObject {
  return { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace: NAMESPACE } };
}

function tokenSecret(name: string, accountName: string): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, namespace: NAMESPACE, annotations: { 'kubernetes.io/service-account.name': accountName } },
    type: 'kubernetes.io/service-account-token',
  };
}

/** Waits until the Secret is as wanted; `undefined` is a Secret that is gone. */
async function secretWhen(
  server: ApiServer,
  name: string,
  wanted: (secret: KubeObject | undefined) => boolean,
): Promise<KubeObject | undefined> {
  const deadline = Date.now() + 10_000;
  for (;;) {
    const secret = await server
      .client()
      .get(SECRETS, NAMESPACE, name)
      .catch((error: unknown) => {
        if (hasReason(error, 'NotFound')) return undefined;
        throw error;
      });
    if (wanted(secret)) return secret;
    assert.ok(Date.now() < deadline, `Secret ${name} stayed as it was for 10 s: ${JSON.stringify(secret)}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function data(secret: KubeObject | undefined): Readonly<Record<string, string>> {
  return (secret?.['data'] ?? {}) as Record<string, string>;
}

function decoded(secret: KubeObject | undefined, key: string): string {
  return Buffer.from(data(secret)[key] ?? '', 'base64').toString('utf8');
}

/** What the API says of a token. */
async function review(
  server: ApiServer,
  token: string,
): Promise<{ authenticated?: boolean; user?: { username?: string } }> {
  const answer = await server.client().create(REVIEWS, {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenReview',
    metadata: {},
    spec: { token },
  });
  return answer['status'] ?? {};
}

test('a token Secret is filled with a token that the API accepts for its account', async () => {
  await using server = await startServer();
  await server.client().create(ACCOUNTS, account('robot'));
  await server.client().create(SECRETS, tokenSecret('robot-token', 'robot'));
  const secret = await secretWhen(server, 'robot-token', (found) => data(found)['token'] !== undefined);
  assert.equal(decoded(secret, 'namespace'), NAMESPACE);
  assert.equal(decoded(secret, 'ca.crt'), server.ca);
  const status = await review(server, decoded(secret, 'token'));
  assert.equal(status.authenticated, true);
  assert.equal(status.user?.username, `system:serviceaccount:${NAMESPACE}:robot`);
});

test('a Secret that is there before its account waits for it', async () => {
  await using server = await startServer();
  await server.client().create(SECRETS, tokenSecret('early', 'later'));
  await server.client().create(SECRETS, { ...tokenSecret('plain', 'later'), type: 'Opaque' });
  await server.client().create(ACCOUNTS, account('later'));
  await secretWhen(server, 'early', (found) => data(found)['token'] !== undefined);
  assert.deepEqual(data(await server.client().get(SECRETS, NAMESPACE, 'plain')), {});
});

test('a key that someone takes out is put back, with a token that works', async () => {
  await using server = await startServer();
  await server.client().create(ACCOUNTS, account('robot'));
  await server.client().create(SECRETS, tokenSecret('robot-token', 'robot'));
  await secretWhen(server, 'robot-token', (found) => data(found)['token'] !== undefined);
  await server.client().patch(SECRETS, NAMESPACE, 'robot-token', { type: 'merge', body: { data: { token: null } } });
  const secret = await secretWhen(server, 'robot-token', (found) => data(found)['token'] !== undefined);
  assert.equal((await review(server, decoded(secret, 'token'))).authenticated, true);
});

test('the Secret goes with its account, and its token with the Secret', async () => {
  await using server = await startServer();
  await server.client().create(ACCOUNTS, account('robot'));
  await server.client().create(SECRETS, tokenSecret('robot-token', 'robot'));
  const secret = await secretWhen(server, 'robot-token', (found) => data(found)['token'] !== undefined);
  await server.client().delete(ACCOUNTS, NAMESPACE, 'robot');
  await secretWhen(server, 'robot-token', (found) => found === undefined);
  assert.notEqual((await review(server, decoded(secret, 'token'))).authenticated, true);
});

test('the Secret of an account that was replaced by a namesake goes too', async () => {
  await using server = await startServer();
  const client = server.client();
  await client.create(ACCOUNTS, account('robot'));
  await client.create(SECRETS, tokenSecret('robot-token', 'robot'));
  await secretWhen(server, 'robot-token', (found) => data(found)['token'] !== undefined);
  await client.delete(ACCOUNTS, NAMESPACE, 'robot');
  await client.create(ACCOUNTS, account('robot'));
  await secretWhen(server, 'robot-token', (found) => found === undefined);
});
