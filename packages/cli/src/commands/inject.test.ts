import assert from 'node:assert/strict';
import test from 'node:test';
import { mesh } from '../testing/harness.ts';
import { createTestIdentity } from '../testing/pem.ts';
import { parseManifests } from '../yaml.ts';

const DEPLOYMENT = `
apiVersion: apps/v1
kind: Deployment
metadata: { name: web, namespace: shop }
spec:
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec: { containers: [{ name: web, image: shop }] }
---
apiVersion: v1
kind: Service
metadata: { name: web, namespace: shop }
spec: { ports: [{ port: 80 }] }
`;

const { anchorPem } = await createTestIdentity();
const MANUAL = 'inject --manual --ignore-cluster --identity-trust-anchors-file ca.crt -';

test('inject marks pod templates and leaves the rest alone', async () => {
  const { code, stdout, stderr } = await mesh('inject --proxy-log-level debug -', { stdin: DEPLOYMENT });
  assert.equal(code, 0);
  const [deployment, service] = parseManifests(stdout);
  const template = (deployment?.['spec'] as { template: { metadata: unknown } } | undefined)?.template;
  assert.deepEqual(template?.metadata, {
    labels: { app: 'web' },
    annotations: { 'linkerd.io/inject': 'enabled', 'config.linkerd.io/proxy-log-level': 'debug' },
  });
  assert.deepEqual(service, parseManifests(DEPLOYMENT)[1]);
  assert.equal(stderr, '\ndeployment "web" injected\nservice "web" skipped\n\n');
});

test('inject reads lists and marks namespaces', async () => {
  const stdin = JSON.stringify({
    apiVersion: 'v1',
    kind: 'List',
    items: [
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } },
      { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' }, spec: { hostNetwork: true, containers: [] } },
    ],
  });
  const { stdout, stderr } = await mesh('inject -', { stdin });
  assert.match(stdout, /linkerd\.io\/inject: enabled/);
  assert.equal(stderr, '\nnamespace "shop" annotated\npod "p" skipped: the pod uses the network of its node\n\n');
});

test('--manual puts the sidecar in, and uninject takes all of it out again', async () => {
  const injected = await mesh(MANUAL, { stdin: DEPLOYMENT, files: { 'ca.crt': anchorPem } });
  assert.equal(injected.code, 0, injected.stderr);
  assert.match(injected.stdout, /name: linkerd-proxy/);
  assert.match(injected.stdout, /name: linkerd-init/);
  const back = await mesh('uninject -', { stdin: injected.stdout });
  assert.deepEqual(parseManifests(back.stdout), parseManifests(DEPLOYMENT));
  assert.match(back.stderr, /deployment "web" uninjected/);
});

test('injecting twice changes nothing more', async () => {
  const files = { 'ca.crt': anchorPem };
  const once = await mesh(MANUAL, { stdin: DEPLOYMENT, files });
  const twice = await mesh(MANUAL, { stdin: once.stdout, files });
  assert.equal(twice.stdout, once.stdout);
  assert.match(twice.stderr, /skipped: the pod already has container linkerd-/);
});

test('--manual without a cluster needs to be told whom to trust', async () => {
  const { code, stderr } = await mesh('inject --manual --ignore-cluster -', { stdin: DEPLOYMENT });
  assert.equal(code, 1);
  assert.match(stderr, /--identity-trust-anchors-file/);
});

test('input that is not YAML, or no Kubernetes object, is named by document', async () => {
  const broken = await mesh('inject -', { stdin: 'a: [1' });
  assert.equal(broken.code, 1);
  assert.match(broken.stderr, /standard input: document 1 is not YAML/);
  const other = await mesh('inject -', { stdin: 'hello: world' });
  assert.match(other.stderr, /standard input: document 1 is not a Kubernetes object/);
});
