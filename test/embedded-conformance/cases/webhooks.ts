/** Admission webhooks, served by this process and called by the API server. */
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { createTrustAnchor, issueCertificate } from '@mesh/pki';
import type { ApiCaller } from '../api-caller.ts';
import type { Cases } from '../program.ts';

interface Review {
  readonly request: Record<string, unknown> & {
    readonly uid: string;
    readonly object: { readonly metadata: { readonly name: string; readonly labels?: Record<string, string> } } | null;
  };
}
type Answer = Record<string, unknown>;

const VALIDATING = '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations';
const MUTATING = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations';
const MERGE = { contentType: 'application/merge-patch+json' };

export const webhookCases: Cases = async (api, environment) => {
  const { namespace, suffix, webhookHost } = environment;
  const anchor = await createTrustAnchor({ commonName: 'webhooks' });
  const issued = await issueCertificate(anchor, {
    commonName: 'webhook',
    dnsNames: ['localhost'],
    ipAddresses: [webhookHost],
    usages: ['server'],
  });
  const reviews: Review['request'][] = [];
  const server = createServer({ key: issued.keyPem, cert: issued.chainPem }, (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const review = JSON.parse(Buffer.concat(chunks).toString('utf8')) as Review;
      if (request.url?.startsWith('/mutate') === true) reviews.push(review.request);
      const answer = answerOf(request.url ?? '', review);
      if (answer === undefined) {
        response.writeHead(500).end('broken');
        return;
      }
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(
        JSON.stringify({
          apiVersion: 'admission.k8s.io/v1',
          kind: 'AdmissionReview',
          response: { uid: review.request.uid, ...answer },
        }),
      );
    });
  });
  const port = await listen(server);
  const clientConfig = (path: string, at = port): object => ({
    url: `https://${webhookHost}:${at}${path}`,
    caBundle: Buffer.from(anchor.certificate.pem).toString('base64'),
  });
  const name = `conformance-${suffix}`;
  const webhook = (path: string, more: object = {}): object => ({
    name: `${path.slice(1)}.example.com`,
    admissionReviewVersions: ['v1'],
    sideEffects: 'None',
    clientConfig: clientConfig(path),
    namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
    rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE', 'UPDATE'], resources: ['configmaps'] }],
    ...more,
  });
  try {
    await run(api, { path: `/api/v1/namespaces/${namespace}/configmaps`, name, webhook, reviews });
  } finally {
    await api.send('DELETE', `${MUTATING}/${name}`);
    await api.send('DELETE', `${VALIDATING}/${name}`);
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
};

function answerOf(url: string, { request }: Review): Answer | undefined {
  const patch = (operations: readonly object[]): Answer => ({
    allowed: true,
    patchType: 'JSONPatch',
    patch: Buffer.from(JSON.stringify(operations)).toString('base64'),
  });
  const path = url.split('?')[0];
  const labels = request.object?.metadata.labels ?? {};
  switch (path) {
    case '/mutate':
      return {
        ...patch([{ op: 'add', path: '/data', value: { mutated: String(request['operation']) } }]),
        warnings: ['from a webhook'],
      };
    case '/broken-patch':
      return labels['broken'] === undefined ? { allowed: true } : patch([{ op: 'remove', path: '/none' }]);
    case '/deny':
      if (labels['deny'] === 'plain') return { allowed: false };
      if (labels['deny'] === 'message')
        return {
          allowed: false,
          status: {
            message: 'not like this',
            reason: 'Invalid',
            code: 422,
            details: { causes: [{ field: 'data', message: 'no' }] },
          },
        };
      if (labels['deny'] === 'code') return { allowed: false, status: { code: 200, message: 'odd code' } };
      return { allowed: true, warnings: ['looks fine'] };
    case '/fail':
      return undefined;
    default:
      return { allowed: true };
  }
}

interface Setup {
  readonly path: string;
  readonly name: string;
  readonly webhook: (path: string, more?: object) => object;
  readonly reviews: Review['request'][];
}

async function run(api: ApiCaller, { path, name, webhook, reviews }: Setup): Promise<void> {
  const map = (of: string, labels: object = {}): object => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: of, labels },
  });
  const configuration = (kind: string, webhooks: readonly object[]): object => ({
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind,
    metadata: { name },
    webhooks,
  });
  const config = (body: unknown): unknown =>
    JSON.parse(JSON.stringify(body).replaceAll(/"caBundle":"[^"]*"/g, '"caBundle":"<ca>"'));
  await api.call(
    'a configuration with mistakes',
    'POST',
    MUTATING,
    configuration('MutatingWebhookConfiguration', [
      { name: 'short', clientConfig: { url: 'http://example.com' }, sideEffects: 'Some', admissionReviewVersions: [] },
    ]),
  );
  await api.call(
    'a mutating configuration',
    'POST',
    MUTATING,
    configuration('MutatingWebhookConfiguration', [webhook('/mutate'), webhook('/broken-patch')]),
    { keep: config },
  );
  await settle(api, path, (answer) => answer.includes('mutated'));
  reviews.length = 0;
  await api.call('mutated on creation', 'POST', path, map('m'));
  api.record('the review of a creation', 'webhook', { code: 0, warnings: [] }, reviews.at(-1));
  await api.call(
    'mutated on update',
    'PATCH',
    `${path}/m?fieldManager=editor`,
    { metadata: { annotations: { a: 'b' } } },
    MERGE,
  );
  api.record('the review of an update', 'webhook', { code: 0, warnings: [] }, reviews.at(-1));
  await api.call('mutated dry', 'POST', `${path}?dryRun=All`, map('dry'));
  await api.call('mutated under a generated name', 'POST', `${path}?dryRun=All`, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { generateName: 'generated-' },
  });
  api.record('the review of a generated name', 'webhook', { code: 0, warnings: [] }, reviews.at(-1));
  await api.call(
    'mutated by apply',
    'PATCH',
    `${path}/applied?fieldManager=first`,
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'applied' } },
    { contentType: 'application/apply-patch+yaml' },
  );
  api.record('the review of an apply that creates', 'webhook', { code: 0, warnings: [] }, reviews.at(-1));
  await api.call(
    'applied again',
    'PATCH',
    `${path}/applied?fieldManager=first&force=true`,
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'applied', labels: { a: 'b' } } },
    { contentType: 'application/apply-patch+yaml' },
  );
  api.record('the review of an apply that updates', 'webhook', { code: 0, warnings: [] }, reviews.at(-1));
  await api.call('replaced', 'PUT', `${path}/applied?fieldValidation=Strict`, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'applied' },
  });
  api.record('the review of a replacement', 'webhook', { code: 0, warnings: [] }, reviews.at(-1));
  await api.call('a patch that fails', 'POST', path, map('broken', { broken: 'yes' }));
  await api.send('DELETE', `${MUTATING}/${name}`);
  const dead = {
    clientConfig: { ...(webhook('/x') as { clientConfig: object }).clientConfig, url: 'https://127.0.0.1:9/none' },
  };
  await api.call(
    'a validating configuration',
    'POST',
    VALIDATING,
    configuration('ValidatingWebhookConfiguration', [
      webhook('/deny', {
        rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['*'], resources: ['configmaps'] }],
      }),
      webhook('/fail', { failurePolicy: 'Ignore', name: 'ignored.example.com' }),
      webhook('/fail', {
        name: 'fails.example.com',
        objectSelector: { matchLabels: { fail: 'yes' } },
        ...dead,
        timeoutSeconds: 3,
      }),
      webhook('/side', {
        name: 'side.example.com',
        sideEffects: 'NoneOnDryRun',
        objectSelector: { matchLabels: { side: 'yes' } },
      }),
    ]),
    { keep: config },
  );
  await settle(api, path, (answer) => answer.includes('denied the request'), { deny: 'plain' });
  await api.call('allowed with a warning', 'POST', path, map('ok'));
  await api.call('denied without a word', 'POST', path, map('no', { deny: 'plain' }));
  await api.call('denied with a status', 'POST', path, map('no', { deny: 'message' }));
  await api.call('denied with a strange code', 'POST', path, map('no', { deny: 'code' }));
  await api.call('a webhook that is not there', 'POST', path, map('no', { fail: 'yes' }));
  await api.call('a dry run that it allows', 'POST', `${path}?dryRun=All`, map('side', { side: 'yes' }));
  await api.call('a deletion is asked about too', 'DELETE', `${path}/ok`);
}

/** The real API learns of a configuration through a watch: waits until it does. */
async function settle(
  api: ApiCaller,
  path: string,
  done: (answer: string) => boolean,
  labels: object = {},
): Promise<void> {
  const deadline = Date.now() + 15_000;
  for (;;) {
    const { text } = await api.send('POST', `${path}?dryRun=All`, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'settle', labels },
    });
    if (done(text)) return;
    if (Date.now() > deadline) throw new Error(`the webhook was not called: ${text}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve) => server.listen(0, '0.0.0.0', () => resolve((server.address() as AddressInfo).port)));
}
