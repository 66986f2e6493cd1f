import assert from 'node:assert/strict';
import test from 'node:test';
import { CONFIG_MAPS, CUSTOM_RESOURCE_DEFINITIONS } from '@mesh/kube';
import { FakeApi } from '@mesh/kube/testing';
import { loadIssuer, parseCertificates } from '@mesh/pki';
import { controlPlaneManifests } from '../manifests/control-plane.ts';
import { crdManifests } from '../manifests/crds.ts';
import { installDefaults } from '../values/installed.ts';
import { mesh, matchGolden } from '../testing/harness.ts';
import { createTestIdentity } from '../testing/pem.ts';
import { parseManifests, printManifests } from '../yaml.ts';

const identity = await createTestIdentity();
const FILES = { 'ca.crt': identity.anchorPem, 'issuer.crt': identity.issuerPem, 'issuer.key': identity.issuerKeyPem };
const WITH_IDENTITY =
  '--identity-trust-anchors-file ca.crt --identity-issuer-certificate-file issuer.crt --identity-issuer-key-file issuer.key';

function fixedValues(options = { ha: false }) {
  const values = installDefaults(options);
  return {
    ...values,
    identityTrustAnchorsPEM: 'ANCHORS\n',
    identity: { ...values.identity, issuer: { ...values.identity.issuer, tls: { crtPEM: 'CRT\n', keyPEM: 'KEY\n' } } },
    proxyInjector: { ...values.proxyInjector, caBundle: 'CA\n', crtPEM: 'HOOK\n', keyPEM: 'HOOK KEY\n' },
  };
}

test('the default manifests are the golden ones', () =>
  matchGolden('install.yaml', printManifests(controlPlaneManifests(fixedValues(), 'linkerd'))));

test('the high availability manifests are the golden ones', () =>
  matchGolden('install-ha.yaml', printManifests(controlPlaneManifests(fixedValues({ ha: true }), 'linkerd'))));

test('linkerd-config remembers the values without private keys', () => {
  const config = controlPlaneManifests(fixedValues(), 'linkerd').find(
    (object) => object.metadata.name === 'linkerd-config',
  );
  const text = JSON.stringify(config);
  assert.ok(text.includes('CRT'));
  assert.ok(!text.includes('KEY\\n') && !text.includes('HOOK KEY'));
});

test('without files, install makes an anchor and an issuer that belong together', async () => {
  const { code, stdout } = await mesh('install --ignore-cluster');
  assert.equal(code, 0);
  const objects = parseManifests(stdout);
  const find = (name: string) => objects.find((object) => object.metadata.name === name);
  const anchors =
    (find('linkerd-identity-trust-roots')?.['data'] as Record<string, string> | undefined)?.['ca-bundle.crt'] ?? '';
  const issuer = find('linkerd-identity-issuer')?.['data'] as Record<string, string> | undefined;
  const text = (key: string): string => Buffer.from(issuer?.[key] ?? '', 'base64').toString('utf8');
  loadIssuer({ certificatePem: text('crt.pem'), keyPem: text('key.pem'), anchors: parseCertificates(anchors) });
});

test('install takes anchors and issuer from files', async () => {
  const { code, stdout } = await mesh(`install --ignore-cluster ${WITH_IDENTITY}`, { files: FILES });
  assert.equal(code, 0);
  assert.ok(stdout.includes(Buffer.from(identity.issuerPem).toString('base64')));
});

test('an issuer key that does not match its certificate is refused', async () => {
  const other = await createTestIdentity();
  const { code, stderr, stdout } = await mesh(`install --ignore-cluster ${WITH_IDENTITY}`, {
    files: { ...FILES, 'issuer.key': other.issuerKeyPem },
  });
  assert.equal(code, 1);
  assert.equal(stdout, '');
  assert.match(stderr, /key/);
});

test('an issuer of another anchor is refused', async () => {
  const other = await createTestIdentity();
  const { code, stderr } = await mesh(`install --ignore-cluster ${WITH_IDENTITY}`, {
    files: { ...FILES, 'ca.crt': other.anchorPem },
  });
  assert.equal(code, 1);
  assert.match(stderr, /anchor/);
});

test('an expired issuer is refused with its date', async () => {
  const expired = await createTestIdentity(-3_600_000);
  const { code, stderr } = await mesh(`install --ignore-cluster ${WITH_IDENTITY}`, {
    files: { 'ca.crt': expired.anchorPem, 'issuer.crt': expired.issuerPem, 'issuer.key': expired.issuerKeyPem },
  });
  assert.equal(code, 1);
  assert.match(stderr, /expired/);
});

test('an issuer without its anchors is refused and the missing flags are named', async () => {
  const { code, stderr } = await mesh('install --ignore-cluster --identity-issuer-certificate-file issuer.crt', {
    files: FILES,
  });
  assert.equal(code, 1);
  assert.match(stderr, /--identity-trust-anchors-file and --identity-issuer-key-file/);
});

test('a file that cannot be read is named with its flag', async () => {
  const { code, stderr } = await mesh('install --ignore-cluster --identity-trust-anchors-file nowhere.crt');
  assert.equal(code, 1);
  assert.match(stderr, /--identity-trust-anchors-file nowhere\.crt/);
});

test('install says which definitions are missing before it prints anything', async () => {
  const { code, stderr, stdout } = await mesh('install');
  assert.equal(code, 1);
  assert.equal(stdout, '');
  assert.match(stderr, /mesh install --crds \| kubectl apply -f -/);
});

test('install refuses a cluster whose Kubernetes is too old for native sidecars', async () => {
  const api = new FakeApi();
  api.onRaw((path) => (path === '/version' ? { status: 200, text: '{"major":"1","minor":"27+"}' } : undefined));
  const { code, stderr } = await mesh('install', { api });
  assert.equal(code, 1);
  assert.match(stderr, /version 1\.27, but version 1\.29 or more recent is required; upgrade the cluster/);
});

test('install refuses a cluster that has a control plane', async () => {
  const api = new FakeApi();
  for (const crd of crdManifests()) api.seed(CUSTOM_RESOURCE_DEFINITIONS, crd as never);
  api.seed(CONFIG_MAPS, { metadata: { namespace: 'linkerd', name: 'linkerd-config' }, data: { values: '{}' } });
  const { code, stderr } = await mesh('install', { api });
  assert.equal(code, 1);
  assert.match(stderr, /already/);
});

test('--set changes a value and a misspelt one is an error', async () => {
  const good = await mesh('install --ignore-cluster --set controllerReplicas=2,proxy.logLevel=debug');
  assert.equal(good.code, 0);
  assert.match(good.stdout, /replicas: 2/);
  const bad = await mesh('install --ignore-cluster --set proxy.logLevle=debug');
  assert.equal(bad.code, 1);
  assert.match(bad.stderr, /no value is called proxy\.logLevle/);
});

test('-o json prints one List with the same objects', async () => {
  const { stdout } = await mesh('install --crds -o json');
  const list = JSON.parse(stdout) as { kind: string; items: unknown[] };
  assert.equal(list.kind, 'List');
  assert.equal(list.items.length, crdManifests().length);
});
