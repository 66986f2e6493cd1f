/** Credentials over their life: renewed before they end, replaced by hand, refused, renewed by one replica only. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kubeConfigText, kubeConfigToken, SECRETS } from '@mesh/kube';
import type { RawResponse } from '@mesh/kube';
import { eventually } from '@mesh/kube/testing';
import type { FakeApi } from '@mesh/kube/testing';
import { fakeToken } from '../src/testing/fake-tokens.ts';
import { exportService, Harness, LINK_NAMESPACE } from '../src/testing/harness.ts';

const HOUR = 3_600_000;
const ACCOUNT = 'mesh-peer-home';
const OPTIONS = {
  cluster: {
    clusterName: 'home',
    version: '0.1.0',
    trustDomain: 'cluster.local',
    clusterDomain: 'cluster.local',
    controlPlaneNamespace: 'linkerd',
  },
};

/** A token of which this much of 24 hours has passed. */
function tokenOf(ageMs: number): string {
  const issuedMs = Date.now() - ageMs;
  return fakeToken({ account: ACCOUNT, issuedMs, expiresMs: issuedMs + 24 * HOUR });
}

function kubeconfigOf(token: string): string {
  const text = kubeConfigText({ name: 'west', server: 'https://west.invalid', caPem: undefined, token });
  return Buffer.from(text).toString('base64');
}

/** A Link to `west` with this token, which the peer accepts, and the copy of its Secret in the control plane's namespace. */
function linkWith(harness: Harness, token: string): FakeApi {
  const west = harness.link('west');
  harness.tokens.set('west', token);
  harness.secret('west', token);
  harness.home.seed(SECRETS, {
    metadata: {
      name: 'cluster-credentials-west',
      namespace: 'linkerd',
      labels: { 'multicluster.linkerd.io/cluster-name': 'west' },
    },
    type: 'mirror.linkerd.io/remote-kubeconfig',
    data: { kubeconfig: kubeconfigOf(token) },
  });
  return west;
}

/** The peer gives new tokens, and accepts no others from then on; the requests that it got. */
function grantTokens(
  harness: Harness,
  west: FakeApi,
): { readonly seconds: readonly number[]; readonly paths: readonly string[] } {
  const seen = { seconds: [] as number[], paths: [] as string[] };
  west.onRaw((path, { method, body }): RawResponse | undefined => {
    if (method !== 'POST' || !path.endsWith('/token')) return undefined;
    seen.paths.push(path);
    seen.seconds.push((body as { readonly spec: { readonly expirationSeconds: number } }).spec.expirationSeconds);
    const token = tokenOf(0);
    harness.tokens.set('west', token);
    return { status: 201, text: JSON.stringify({ kind: 'TokenRequest', status: { token } }) };
  });
  return seen;
}

function tokenIn(harness: Harness, namespace: string): string | undefined {
  const data = harness.home.peek(SECRETS, `${namespace}/cluster-credentials-west`)?.data?.['kubeconfig'] ?? '';
  return kubeConfigToken(Buffer.from(data, 'base64').toString('utf8'), 'test');
}

test('a token past half of its life is renewed in both Secrets, and no watch is opened anew', async () => {
  await using harness = new Harness();
  const west = linkWith(harness, tokenOf(13 * HOUR));
  exportService(west, 'catalog');
  const { seconds, paths } = grantTokens(harness, west);
  await harness.start(OPTIONS);
  const found = await harness.condition('west', 'CredentialsValid', 'Renewed');
  assert.match(found.message, /until 2\d{3}-.*; renewed at 2\d{3}-/);
  await eventually('the copy to follow', () => tokenIn(harness, 'linkerd') === harness.tokens.get('west'));
  assert.equal(tokenIn(harness, LINK_NAMESPACE), harness.tokens.get('west'));
  assert.deepEqual(paths, [`/api/v1/namespaces/${LINK_NAMESPACE}/serviceaccounts/${ACCOUNT}/token`]);
  assert.deepEqual(seconds, [24 * 3600]);

  await eventually('the mirror', () => harness.service('shop/catalog-west'));
  const watches = west.calls.filter(({ verb }) => verb === 'watch').length;
  const again = tokenOf(0);
  harness.secret('west', again);
  harness.tokens.set('west', again);
  await eventually('the copy to follow a change by hand', () => tokenIn(harness, 'linkerd') === again);
  exportService(west, 'cart');
  await eventually('what is exported later', () => harness.service('shop/cart-west'));
  assert.equal(west.calls.filter(({ verb }) => verb === 'watch').length, watches);
});

test('a fresh token is left as it is, and so is one that does not expire', async () => {
  for (const [token, reason] of [
    [tokenOf(HOUR), 'Accepted'],
    [fakeToken({ account: ACCOUNT }), 'Static'],
  ] as const) {
    await using harness = new Harness();
    const { paths } = grantTokens(harness, linkWith(harness, token));
    await harness.start(OPTIONS);
    await harness.condition('west', 'CredentialsValid', reason);
    assert.deepEqual(paths, []);
    assert.equal(tokenIn(harness, LINK_NAMESPACE), token);
  }
});

test('a Secret that somebody changes in between is not overwritten', async () => {
  await using harness = new Harness();
  const west = linkWith(harness, tokenOf(13 * HOUR));
  const theirs = tokenOf(0);
  let requests = 0;
  west.onRaw((path) => {
    if (!path.endsWith('/token')) return undefined;
    requests += 1;
    harness.tokens.set('west', theirs);
    harness.secret('west', theirs);
    return { status: 201, text: JSON.stringify({ status: { token: tokenOf(0) } }) };
  });
  await harness.start(OPTIONS);
  await eventually('their token to be in use', () => tokenIn(harness, 'linkerd') === theirs);
  assert.equal(tokenIn(harness, LINK_NAMESPACE), theirs);
  assert.equal(requests, 1);
});

test('a peer that gives no new token is named with the cause and the fix, while the present one goes on', async () => {
  await using harness = new Harness();
  const west = linkWith(harness, tokenOf(13 * HOUR));
  exportService(west, 'catalog');
  west.onRaw((path) =>
    path.endsWith('/token')
      ? { status: 403, text: '{"kind":"Status","status":"Failure","message":"serviceaccounts/token is forbidden"}' }
      : undefined,
  );
  await harness.start(OPTIONS);
  const { status, message } = await harness.condition('west', 'CredentialsValid', 'RenewalFailing');
  assert.equal(status, 'True');
  assert.match(message, /may not ask for a token of its own .*mesh multicluster allow/);
  await eventually('the mirror', () => harness.service('shop/catalog-west'));
});

test('revoked credentials are a condition with the fix, and new ones act at once', async () => {
  await using harness = new Harness();
  const west = linkWith(harness, tokenOf(HOUR));
  exportService(west, 'catalog');
  await harness.start(OPTIONS);
  await eventually('the mirror', () => harness.service('shop/catalog-west'));
  harness.tokens.set('west', 'another');
  west.breakWatches();
  const { message } = await harness.condition('west', 'CredentialsValid', 'Unauthorized');
  assert.match(message, /mesh multicluster link/);
  assert.ok(harness.service('shop/catalog-west'), 'what was mirrored stays');
  const token = tokenOf(0);
  harness.tokens.set('west', token);
  harness.secret('west', token);
  const changedMs = Date.now();
  await harness.condition('west', 'CredentialsValid', 'Accepted');
  assert.ok(Date.now() - changedMs < 10_000, `took ${Date.now() - changedMs} ms`);
});

test('only the leader renews', async () => {
  await using harness = new Harness();
  const west = linkWith(harness, tokenOf(13 * HOUR));
  const { paths } = grantTokens(harness, west);
  await harness.start(OPTIONS);
  await harness.start(OPTIONS);
  await harness.condition('west', 'CredentialsValid', 'Renewed');
  await eventually('the copy to follow', () => tokenIn(harness, 'linkerd') === harness.tokens.get('west'));
  assert.equal(paths.length, 1);
});

test('a Secret in the control plane namespace that is not the copy is left alone', async () => {
  await using harness = new Harness();
  const west = linkWith(harness, tokenOf(13 * HOUR));
  harness.home.seed(SECRETS, {
    metadata: { name: 'cluster-credentials-west', namespace: 'linkerd' },
    data: { kubeconfig: 'bWluZQ==' },
  });
  grantTokens(harness, west);
  await harness.start(OPTIONS);
  await harness.condition('west', 'CredentialsValid', 'Renewed');
  assert.equal(harness.home.peek(SECRETS, 'linkerd/cluster-credentials-west')?.data?.['kubeconfig'], 'bWluZQ==');
});

test('a mirror that may not touch the copy renews the Secret of the Link all the same', async () => {
  await using harness = new Harness();
  const west = linkWith(harness, tokenOf(13 * HOUR));
  grantTokens(harness, west);
  using _fault = harness.home.fault({
    match: ({ resource, key, verb }) => verb === 'get' && resource === 'secrets' && key.startsWith('linkerd/'),
    code: 'forbidden',
    status: 403,
  });
  await harness.start(OPTIONS);
  await harness.condition('west', 'CredentialsValid', 'Renewed');
  assert.equal(tokenIn(harness, LINK_NAMESPACE), harness.tokens.get('west'));
});
