import assert from 'node:assert/strict';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import test from 'node:test';
import { createTrustAnchor, issueCertificate } from '@mesh/pki';
import { silentLogger } from '@mesh/runtime';
import { ApiServer } from '../server.ts';
import { KubeStatusError } from '../status-error.ts';
import type { KubeObject } from '../types.ts';

const CONFIG_MAPS = { group: '', version: 'v1', plural: 'configmaps' };
const SERVICES = { group: '', version: 'v1', plural: 'services' };
const MUTATING = { group: 'admissionregistration.k8s.io', version: 'v1', plural: 'mutatingwebhookconfigurations' };

interface Review {
  readonly request: { readonly uid: string; readonly object: KubeObject };
}

/** An API server and a webhook that is named by a Service, whose ClusterIP is an address of this machine. */
async function setUp(
  answer: (review: Review, path: string) => object,
  reinvocationPolicies: readonly string[],
  failurePolicy = 'Fail',
) {
  const stack = new AsyncDisposableStack();
  const anchor = await createTrustAnchor({ commonName: 'hooks' });
  const issued = await issueCertificate(anchor, {
    commonName: 'hook',
    dnsNames: ['hook.default.svc'],
    usages: ['server'],
  });
  const calls: string[] = [];
  const webhook = createServer({ key: issued.keyPem, cert: issued.chainPem }, (request, response) => {
    let text = '';
    request.setEncoding('utf8');
    request.on('data', (chunk: string) => (text += chunk));
    request.on('end', () => {
      const review = JSON.parse(text) as Review;
      const { pathname } = new URL(request.url ?? '', 'https://x');
      calls.push(pathname);
      const body = {
        apiVersion: 'admission.k8s.io/v1',
        kind: 'AdmissionReview',
        response: { uid: review.request.uid, allowed: true, ...answer(review, pathname) },
      };
      response.end(JSON.stringify(body));
    });
  });
  await new Promise<void>((resolve) => webhook.listen(0, '127.0.0.1', resolve));
  const { port } = webhook.address() as AddressInfo;
  const server = new ApiServer({
    name: 'hooks',
    address: { host: '127.0.0.1', port: 0 },
    serviceCidr: '127.0.0.0/24',
    log: silentLogger,
  });
  stack.use(server);
  stack.defer(() => {
    webhook.closeAllConnections();
    webhook.close();
  });
  await server.start(AbortSignal.timeout(20_000));
  const client = server.client();
  // ClusterIP .1 is the API server's own; this one is given by hand, at a port that the webhook really has.
  const service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'hook', namespace: 'default' },
    spec: { clusterIP: '127.0.0.9', ports: [{ port }] },
  };
  await client.create(SERVICES, service);
  await client.create(MUTATING, {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'MutatingWebhookConfiguration',
    metadata: { name: 'hooks' },
    webhooks: reinvocationPolicies.map((reinvocationPolicy, index) => ({
      name: `hook${index}.example.com`,
      admissionReviewVersions: ['v1'],
      sideEffects: 'None',
      failurePolicy,
      reinvocationPolicy,
      timeoutSeconds: 2,
      clientConfig: {
        service: { namespace: 'default', name: 'hook', path: `/${index}`, port },
        caBundle: Buffer.from(anchor.certificate.pem).toString('base64'),
      },
      rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['configmaps'] }],
    })),
  });
  return { client, webhook, calls, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

function map(name: string): KubeObject {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'default' } };
}

function patch(operations: readonly object[]): object {
  return { patchType: 'JSONPatch', patch: Buffer.from(JSON.stringify(operations)).toString('base64') };
}

test('a webhook named by a Service whose address does not answer is reported with its URL', async () => {
  await using setup = await setUp(() => ({}), ['Never']);
  // The webhook listens at 127.0.0.1, the Service says 127.0.0.9.
  await assert.rejects(
    setup.client.create(CONFIG_MAPS, map('a')),
    (error) =>
      error instanceof KubeStatusError &&
      error.httpCode === 500 &&
      /https:\/\/hook\.default\.svc:\d+\/0\?timeout=2s.*connection refused/.test(error.message),
  );
});

test('a webhook that fails is passed over when its policy is Ignore', async () => {
  await using setup = await setUp(() => ({}), ['Never'], 'Ignore');
  await setup.client.create(CONFIG_MAPS, map('a'));
});

test('a webhook is asked again when a later one changed the object and it wants that', async () => {
  await using setup = await setUp(
    (_review, path) => (path === '/1' ? patch([{ op: 'add', path: '/data', value: { a: '1' } }]) : {}),
    ['IfNeeded', 'Never'],
  );
  const service = await setup.client.get(SERVICES, 'default', 'hook');
  await setup.client.delete(SERVICES, 'default', 'hook');
  const spec = service['spec'] as Record<string, unknown>;
  const external = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'hook', namespace: 'default' },
    spec: { type: 'ExternalName', externalName: '127.0.0.1', ports: spec['ports'] },
  };
  await setup.client.create(SERVICES, external);
  const created = await setup.client.create(CONFIG_MAPS, map('a'));
  assert.deepEqual(created['data'], { a: '1' });
  assert.deepEqual(setup.calls, ['/0', '/1', '/0']);
});
