import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import test from 'node:test';
import { CONFIG_MAPS, CUSTOM_RESOURCE_DEFINITIONS, dynamicKind, LINKS, SECRETS } from '@mesh/kube';
import { FakeApi } from '@mesh/kube/testing';
import { crdManifests } from '../manifests/crds.ts';
import { seedAll } from '../testing/installed-cluster.ts';
import { mesh } from '../testing/harness.ts';
import { createTestIdentity } from '../testing/pem.ts';
import { parseManifests } from '../yaml.ts';

const identity = await createTestIdentity();
const other = await createTestIdentity();
const FILES = { 'ca.crt': identity.anchorPem, 'issuer.crt': identity.issuerPem, 'issuer.key': identity.issuerKeyPem };
const OTHERS = { 'ca2.crt': other.anchorPem, 'issuer2.crt': other.issuerPem, 'issuer2.key': other.issuerKeyPem };
const WITH_IDENTITY =
  '--identity-trust-anchors-file ca.crt --identity-issuer-certificate-file issuer.crt --identity-issuer-key-file issuer.key';
const WITH_OTHER = WITH_IDENTITY.replaceAll(/(ca|issuer)\.(crt|key)/g, '$12.$2');
const files = { ...FILES, ...OTHERS };

/** A cluster to which the output of an installation was applied. */
async function installed(flags = ''): Promise<{ readonly api: FakeApi; readonly stdout: string }> {
  const { code, stdout, stderr } = await mesh(`install --ignore-cluster ${WITH_IDENTITY} ${flags}`, { files });
  assert.equal(code, 0, stderr);
  const api = new FakeApi();
  for (const crd of crdManifests()) api.seed(CUSTOM_RESOURCE_DEFINITIONS, crd as never);
  seedAll(api, parseManifests(stdout));
  return { api, stdout };
}

test('an upgrade of what is installed changes nothing, whatever was chosen then', async () => {
  for (const flags of ['', '--ha', '--set proxy.logLevel=debug,nodeSelector.disk=ssd --controller-log-level warn']) {
    const { api, stdout } = await installed(flags);
    const upgrade = await mesh('upgrade', { api });
    assert.equal(upgrade.stdout, stdout, flags);
  }
});

test('an upgrade keeps what was chosen and adds what is chosen now', async () => {
  const { api } = await installed('--ha --set proxy.logLevel=debug');
  const { stdout } = await mesh('upgrade --set controllerReplicas=5', { api });
  assert.match(stdout, /replicas: 5/);
  assert.match(stdout, /logLevel: debug/);
  assert.match(stdout, /highAvailability: true/);
});

test('a stored choice that this version does not know is left out, and said', async () => {
  const { api } = await installed();
  const stored = Buffer.from('ha: false\nvalues:\n  gone: 1\n  controllerReplicas: 2\n').toString('base64');
  api.seed(SECRETS, {
    metadata: { namespace: 'linkerd', name: 'linkerd-config-overrides' },
    data: { 'linkerd-config-overrides': stored },
  });
  const { code, stdout, stderr } = await mesh('upgrade', { api });
  assert.equal(code, 0);
  assert.match(stderr, /left out: no value is called gone/);
  assert.match(stdout, /replicas: 2/);
});

test('an upgrade without a control plane, or over one of Helm, says what to do', async () => {
  const nothing = await mesh('upgrade');
  assert.equal(nothing.code, 1);
  assert.match(nothing.stderr, /no control plane in namespace linkerd/);
  const api = new FakeApi();
  api.seed(CONFIG_MAPS, { metadata: { namespace: 'linkerd', name: 'linkerd-config' }, data: { values: '{}' } });
  assert.match((await mesh('upgrade', { api })).stderr, /helm upgrade/);
});

test('an issuer that running pods do not trust is refused, and the order that works is told', async () => {
  const { api } = await installed();
  const { code, stderr } = await mesh(`upgrade ${WITH_OTHER}`, { api, files });
  assert.equal(code, 1);
  assert.match(stderr, /bundle of old and new anchors, restart the pods/);
  const bundle = { ...files, 'bundle.crt': identity.anchorPem + other.anchorPem };
  assert.equal((await mesh('upgrade --identity-trust-anchors-file bundle.crt', { api, files: bundle })).code, 0);
  assert.equal((await mesh(`upgrade --force ${WITH_OTHER}`, { api, files })).code, 0);
});

test('prune names what this version does not make any more, and nothing else', async () => {
  const { api } = await installed('--ha');
  const labels = { 'linkerd.io/control-plane-ns': 'linkerd' };
  api.seed(dynamicKind('v1', 'services', 'Service', true), {
    metadata: { namespace: 'linkerd', name: 'linkerd-old', labels },
  });
  api.seed(dynamicKind('rbac.authorization.k8s.io/v1', 'clusterroles', 'ClusterRole', false), {
    metadata: { name: 'linkerd-linkerd-old', labels },
  });
  api.seed(dynamicKind('v1', 'services', 'Service', true), {
    metadata: { namespace: 'shop', name: 'of-somebody', labels },
  });
  const { stdout } = await mesh('prune', { api });
  assert.deepEqual(
    parseManifests(stdout).map(({ kind, metadata }) => `${kind} ${metadata.name ?? ''}`),
    ['Service linkerd-old', 'ClusterRole linkerd-linkerd-old'],
  );
});

test('uninstall names the webhook first, then rights, the namespace and the definitions: only what is there', async () => {
  const { api } = await installed();
  const kinds = parseManifests((await mesh('uninstall', { api })).stdout).map(({ kind }) => kind);
  assert.equal(kinds[0], 'MutatingWebhookConfiguration');
  assert.equal(kinds.filter((kind) => kind === 'CustomResourceDefinition').length, crdManifests().length);
  assert.deepEqual(
    [kinds.indexOf('Namespace'), kinds.lastIndexOf('Namespace')],
    [kinds.indexOf('CustomResourceDefinition') - 1, kinds.indexOf('CustomResourceDefinition') - 1],
  );
  assert.equal((await mesh('uninstall')).stdout, '');
});

test('uninstall is refused while there are Links, whose mirrors nobody would remove', async () => {
  const { api } = await installed();
  api.seed(LINKS, { metadata: { namespace: 'linkerd-multicluster', name: 'west' }, spec: {} });
  assert.match((await mesh('uninstall', { api })).stderr, /there are Links still: west/);
  assert.equal((await mesh('uninstall --force', { api })).code, 0);
});

test('with an external issuer, anchors and issuer are read from its Secret, checked, and the Secret is left alone', async () => {
  const api = new FakeApi();
  const data = (pem: typeof identity) => ({
    'tls.crt': Buffer.from(pem.issuerPem).toString('base64'),
    'tls.key': Buffer.from(pem.issuerKeyPem).toString('base64'),
    'ca.crt': Buffer.from(identity.anchorPem).toString('base64'),
  });
  const metadata = { namespace: 'linkerd', name: 'linkerd-identity-issuer' };
  const run = () => mesh('install --skip-checks --identity-external-issuer', { api });
  assert.match((await run()).stderr, /Secret linkerd\/linkerd-identity-issuer is missing; let cert-manager make it/);

  api.seed(SECRETS, { metadata, data: data(identity) });
  const objects = parseManifests((await run()).stdout);
  assert.ok(!objects.some((object) => object.metadata.name === 'linkerd-identity-issuer'));
  const roots = objects.find((object) => object.metadata.name === 'linkerd-identity-trust-roots');
  assert.deepEqual(roots?.['data'], { 'ca-bundle.crt': identity.anchorPem });

  api.seed(SECRETS, { metadata, data: data(other) });
  assert.match((await run()).stderr, /tls\.crt of Secret linkerd\/linkerd-identity-issuer and ca\.crt of Secret/);
});

test('with an external CA the ConfigMap of trust roots is left alone', async () => {
  const api = new FakeApi();
  api.seed(CONFIG_MAPS, {
    metadata: { namespace: 'linkerd', name: 'linkerd-identity-trust-roots' },
    data: { 'ca-bundle.crt': identity.anchorPem },
  });
  const { stdout, stderr } = await mesh(
    'install --skip-checks --identity-external-ca --identity-issuer-certificate-file issuer.crt --identity-issuer-key-file issuer.key',
    { api, files },
  );
  assert.equal(stderr, '');
  const names = parseManifests(stdout).map((object) => object.metadata.name);
  assert.ok(names.includes('linkerd-identity-issuer') && !names.includes('linkerd-identity-trust-roots'));
});

test('each bad certificate is told with its file and what to do', async () => {
  const expired = await createTestIdentity(-3_600_000);
  const rsa = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  }).privateKey;
  const encrypted = '-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n';
  const cases: readonly (readonly [Partial<typeof FILES>, RegExp])[] = [
    [{ 'ca.crt': 'nothing' }, /--identity-trust-anchors-file ca\.crt cannot be read: it holds no "BEGIN CERTIFICATE"/],
    [
      { 'ca.crt': expired.anchorPem },
      /--identity-trust-anchors-file ca\.crt: .* expired on .*take it out of the bundle/,
    ],
    [{ 'ca.crt': other.anchorPem }, /issuer\.crt and --identity-trust-anchors-file ca\.crt: .* does not lead to any/],
    [
      { 'issuer.crt': expired.issuerPem, 'issuer.key': expired.issuerKeyPem },
      /certificate-file issuer\.crt: .* expired on/,
    ],
    [
      { 'issuer.key': other.issuerKeyPem },
      /--identity-issuer-key-file issuer\.key and .*does not belong to certificate/,
    ],
    [{ 'issuer.key': rsa }, /--identity-issuer-key-file issuer\.key and .*does not belong/],
    [{ 'issuer.key': 'nothing' }, /--identity-issuer-key-file issuer\.key cannot be read/],
    [{ 'issuer.key': encrypted }, /--identity-issuer-key-file issuer\.key is encrypted.*openssl pkcs8/],
  ];
  for (const [change, message] of cases) {
    const { code, stdout, stderr } = await mesh(`install --ignore-cluster ${WITH_IDENTITY}`, {
      files: { ...FILES, ...change },
    });
    assert.equal(code, 1);
    assert.equal(stdout, '');
    assert.match(stderr, message);
  }
});
