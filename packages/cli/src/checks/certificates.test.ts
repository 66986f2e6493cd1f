import { generateKeyPairSync } from 'node:crypto';
import assert from 'node:assert/strict';
import test from 'node:test';
import { CONFIG_MAPS, MUTATING_WEBHOOKS, SECRETS } from '@mesh/kube';
import type { FakeApi } from '@mesh/kube/testing';
import { chainPem, createIssuer, createTrustAnchor, issueCertificate, privateKeyPem } from '@mesh/pki';
import type { Authority } from '@mesh/pki';
import { systemClock } from '@mesh/runtime';
import { edit, failures, installedCluster, outcomeOf, run, stateOf } from '../testing/installed-cluster.ts';
import { identityCategory } from './identity.ts';
import { webhookCategory } from './webhooks.ts';

const DAY_MS = 86_400_000;
/** Certificates made a year and a half ago, for a year. */
const LONG_AGO = { ...systemClock, now: () => Date.now() - 548 * DAY_MS };

async function failing(api: FakeApi, description: string): Promise<string> {
  const state = stateOf(api);
  const outcomes = await run([identityCategory(state), webhookCategory(state)]);
  const outcome = outcomeOf(outcomes, description);
  assert.ok(
    outcome !== undefined && outcome.result !== 'success',
    `${description} did not fail; ${failures(outcomes).join('; ')}`,
  );
  return outcome.error ?? '';
}

function setAnchors(api: FakeApi, ...anchors: readonly Authority[]): void {
  const pem = anchors.map((anchor) => chainPem(anchor.chain)).join('');
  edit(api, CONFIG_MAPS, 'linkerd/linkerd-identity-trust-roots', (it) => ({ ...it, data: { 'ca-bundle.crt': pem } }));
}

function setIssuer(api: FakeApi, issuer: Authority): void {
  edit(api, SECRETS, 'linkerd/linkerd-identity-issuer', (it) => ({
    ...it,
    data: { 'crt.pem': base64(chainPem(issuer.chain)), 'key.pem': base64(privateKeyPem(issuer.key)) },
  }));
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}

test('anchors and issuer that cannot be read are named', async () => {
  const api = await installedCluster();
  edit(api, CONFIG_MAPS, 'linkerd/linkerd-identity-trust-roots', (it) => ({
    ...it,
    data: { 'ca-bundle.crt': 'not a certificate' },
  }));
  assert.match(await failing(api, 'certificate config is valid'), /ConfigMap linkerd\/linkerd-identity-trust-roots/);
  const other = await installedCluster();
  other.remove(SECRETS, 'linkerd/linkerd-identity-issuer');
  assert.equal(
    await failing(other, 'certificate config is valid'),
    'Secret linkerd/linkerd-identity-issuer is missing',
  );
});

test('an anchor that has expired, and one that soon will, are named with the time', async () => {
  const api = await installedCluster();
  setAnchors(api, await createTrustAnchor({ commonName: 'old', clock: LONG_AGO }));
  assert.match(await failing(api, 'trust anchors are within their validity period'), /CN=old.*expired/);
  const soon = await createTrustAnchor({ commonName: 'soon', lifetimeMs: 30 * DAY_MS });
  setAnchors(api, soon);
  setIssuer(api, await createIssuer(soon, { commonName: 'issuer' }));
  assert.match(
    await failing(api, 'trust anchors are valid for at least 60 days'),
    /trust anchor \(CN=soon\) will expire on \d{4}-/,
  );
});

test('an issuer that has expired, and one that soon will, are named with the time', async () => {
  const api = await installedCluster();
  const anchor = await createTrustAnchor({ commonName: 'root', lifetimeMs: 3000 * DAY_MS, clock: LONG_AGO });
  setAnchors(api, anchor);
  setIssuer(api, await createIssuer(anchor, { commonName: 'old', clock: LONG_AGO }));
  assert.match(await failing(api, 'issuer cert is within its validity period'), /CN=old.*expired/);
  setIssuer(api, await createIssuer(anchor, { commonName: 'soon', lifetimeMs: 30 * DAY_MS }));
  assert.match(
    await failing(api, 'issuer cert is valid for at least 60 days'),
    /issuer certificate \(CN=soon\) will expire on/,
  );
});

test('an issuer of another anchor, or with the key of another, is refused', async () => {
  const api = await installedCluster();
  setAnchors(api, await createTrustAnchor({ commonName: 'another root' }));
  assert.match(await failing(api, 'issuer cert is issued by the trust anchor'), /identity\.linkerd\.cluster\.local/);
  const anchor = await createTrustAnchor({ commonName: 'root' });
  const [issuer, stranger] = await Promise.all(
    ['one', 'two'].map((commonName) => createIssuer(anchor, { commonName })),
  );
  assert.ok(issuer !== undefined && stranger !== undefined);
  setAnchors(api, anchor);
  setIssuer(api, { ...issuer, key: stranger.key });
  assert.match(await failing(api, 'issuer cert is issued by the trust anchor'), /key/);
});

test('keys that proxies cannot use are named by kind', async () => {
  const api = await installedCluster();
  const keys = generateKeyPairSync('ec', { namedCurve: 'secp384r1' });
  const anchor = await createTrustAnchor({ commonName: 'root', keys });
  setAnchors(api, anchor);
  assert.match(
    await failing(api, 'trust anchors are using supported crypto algorithm'),
    /\(CN=root\) has a key of kind ECDSA P-384; it must be ECDSA P-256/,
  );
  const good = await createTrustAnchor({ commonName: 'root' });
  setAnchors(api, good);
  setIssuer(api, await createIssuer(good, { commonName: 'issuer', keys }));
  assert.match(
    await failing(api, 'issuer cert is using supported crypto algorithm'),
    /ECDSA P-384; it must be ECDSA P-256/,
  );
});

async function setWebhook(
  api: FakeApi,
  options: {
    readonly lifetimeMs?: number;
    readonly name?: string;
    readonly clock?: typeof LONG_AGO;
    readonly keepBundle?: boolean;
  },
): Promise<void> {
  const name = options.name ?? 'linkerd-proxy-injector.linkerd.svc';
  const clock = options.clock === undefined ? {} : { clock: options.clock };
  const authority = await createTrustAnchor({ commonName: name, ...clock });
  const lifetimeMs = options.lifetimeMs ?? 365 * DAY_MS;
  const issued = await issueCertificate(authority, {
    commonName: name,
    dnsNames: [name],
    usages: ['server'],
    lifetimeMs,
    ...clock,
  });
  edit(api, SECRETS, 'linkerd/linkerd-proxy-injector-k8s-tls', (it) => ({
    ...it,
    data: { 'tls.crt': base64(issued.certificate.pem), 'tls.key': base64(issued.keyPem) },
  }));
  if (options.keepBundle === true) return;
  edit(api, MUTATING_WEBHOOKS, 'linkerd-proxy-injector-webhook-config', (it) => ({
    ...it,
    webhooks: (it.webhooks ?? []).map((webhook) => ({
      ...webhook,
      clientConfig: { ...(webhook['clientConfig'] as object), caBundle: base64(chainPem(authority.chain)) },
    })),
  }));
}

test('a webhook certificate that the API server would refuse is told why', async () => {
  const description = 'proxy-injector webhook has valid cert';
  const api = await installedCluster();
  await setWebhook(api, { keepBundle: true });
  assert.match(
    await failing(api, description),
    /Secret linkerd\/linkerd-proxy-injector-k8s-tls is not signed by the caBundle of MutatingWebhookConfiguration linkerd-proxy-injector-webhook-config/,
  );
  await setWebhook(api, { name: 'other.linkerd.svc' });
  assert.match(
    await failing(api, description),
    /is for other\.linkerd\.svc, not for linkerd-proxy-injector\.linkerd\.svc/,
  );
  await setWebhook(api, { clock: LONG_AGO });
  assert.match(await failing(api, description), /expired/);
  await setWebhook(api, { lifetimeMs: 30 * DAY_MS });
  assert.match(
    await failing(api, 'proxy-injector cert is valid for at least 60 days'),
    /certificate in Secret linkerd-proxy-injector-k8s-tls .* will expire on/,
  );
});

test('a webhook without certificate, configuration or Service is told so', async () => {
  const description = 'proxy-injector webhook has valid cert';
  const api = await installedCluster();
  edit(api, MUTATING_WEBHOOKS, 'linkerd-proxy-injector-webhook-config', (it) => ({
    ...it,
    webhooks: (it.webhooks ?? []).map((webhook) => ({ ...webhook, clientConfig: { url: 'https://x' } })),
  }));
  assert.match(await failing(api, description), /does not call Service linkerd\/linkerd-proxy-injector/);
  api.remove(MUTATING_WEBHOOKS, 'linkerd-proxy-injector-webhook-config');
  assert.match(await failing(api, description), /MutatingWebhookConfiguration .* is missing/);
  const other = await installedCluster();
  other.remove(SECRETS, 'linkerd/linkerd-proxy-injector-k8s-tls');
  assert.equal(await failing(other, description), 'Secret linkerd/linkerd-proxy-injector-k8s-tls is missing');
});
