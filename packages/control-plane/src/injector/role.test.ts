import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, test } from 'node:test';

import { CONFIG_MAPS, EVENTS, NAMESPACES, PODS, REPLICA_SETS } from '@mesh/kube';
import type { Pod } from '@mesh/kube';
import { eventually } from '@mesh/kube/testing';
import { chainPem, createTrustAnchor, issueCertificate } from '@mesh/pki';

import { silentLogger } from '@mesh/runtime';

import type { RunningRole } from '../role.ts';
import { COMMON, FakeCluster } from '../testing/harness.ts';
import { applyPatch, CONTEXT, envOf, POD } from '../testing/injection.ts';
import type { PatchOperation } from './json-patch.ts';
import { runInjector } from './role.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).toReversed()) await clean();
});

test('the webhook patches over HTTPS with values of the ConfigMap, and tells the owner', async () => {
  const { role, cluster, ca } = await startInjector();
  const { status, body } = await post(role, ca, review(POD));
  assert.equal(status, 200);
  const { response } = JSON.parse(body) as { response: { uid: string; allowed: boolean; patch: string } };
  assert.equal(response.uid, 'u-1');
  const operations = JSON.parse(Buffer.from(response.patch, 'base64').toString()) as PatchOperation[];
  const pod = applyPatch(POD, operations) as Pod;
  assert.match(envOf(pod, 'LINKERD2_PROXY_LOG') ?? '', /^from-config,/);
  assert.match(envOf(pod, 'LINKERD2_PROXY_IDENTITY_TRUST_ANCHORS') ?? '', /BEGIN CERTIFICATE/);
  await eventually('an event', async () =>
    (await cluster.api.client().list(EVENTS)).items.some((event) => event.reason === 'Injected'),
  );
});

test('a pod that follows its newly annotated namespace at once is injected', async () => {
  const { role, cluster, ca } = await startInjector();
  const client = cluster.client();
  // Held back: the injector's own copy of the namespaces stays behind.
  cluster.api.breakWatches();
  using _fault = cluster.api.fault({
    match: (call) => call.verb === 'list' || call.verb === 'watch',
    code: 'unreachable',
  });
  await client.create(NAMESPACES, { metadata: { name: 'new', annotations: { 'linkerd.io/inject': 'enabled' } } });
  const { body } = await post(
    role,
    ca,
    review({ ...POD, metadata: { ...POD.metadata, namespace: 'new' } }, { namespace: 'new' }),
  );
  assert.match(body, /"patchType":"JSONPatch"/);
});

test('while the API is away the last known namespaces count', async () => {
  const { role, cluster, ca } = await startInjector();
  cluster.api.goDown();
  const { body } = await post(role, ca, review(POD));
  assert.match(body, /"patchType":"JSONPatch"/);
});

test('the Deployment behind a pod is told, with a Warning where the annotation means nothing', async () => {
  const { role, cluster, ca } = await startInjector();
  const client = cluster.client();
  await client.create(REPLICA_SETS, {
    metadata: {
      name: 'catalog-5d8f',
      namespace: 'shop',
      ownerReferences: [{ apiVersion: 'apps/v1', kind: 'Deployment', name: 'catalog', uid: 'd-1', controller: true }],
    },
  });
  const annotated = { ...POD, metadata: { ...POD.metadata, annotations: { 'linkerd.io/inject': 'true' } } };
  const { body } = await post(role, ca, review(annotated));
  const { response } = JSON.parse(body) as { response: { allowed: boolean; warnings: string[]; patch?: string } };
  assert.equal(response.allowed, true);
  assert.equal(response.patch, undefined);
  assert.match(response.warnings.join(), /"true".*enabled, ingress or disabled/);
  const [event] = await eventually('the event', async () => {
    const { items } = await cluster.api.client().list(EVENTS);
    return items.length > 0 && items;
  });
  assert.deepEqual(
    [event?.type, event?.reason, event?.involvedObject.kind, event?.involvedObject.name, event?.involvedObject.uid],
    ['Warning', 'InjectionSkipped', 'Deployment', 'catalog', 'd-1'],
  );
});

test('a pod without an owner is told itself, once it exists', async () => {
  const { role, cluster, ca } = await startInjector();
  const { ownerReferences: _owners, generateName: _prefix, ...metadata } = POD.metadata;
  const lonely: Pod = { ...POD, metadata: { ...metadata, name: 'lonely' }, spec: { ...POD.spec, hostNetwork: true } };
  await post(role, ca, review(lonely));
  const created = await cluster.client().create(PODS, lonely);
  const [event] = await eventually('the event', async () => {
    const { items } = await cluster.api.client().list(EVENTS);
    return items.length > 0 && items;
  });
  assert.deepEqual(
    [event?.type, event?.reason, event?.involvedObject.kind, event?.involvedObject.uid],
    ['Warning', 'InjectionSkipped', 'Pod', created.metadata.uid],
  );
});

test('annotations that cannot be used are named to the caller and to the owner; guards refuse the pod', async () => {
  const { role, cluster, ca } = await startInjector();
  const withAnnotation = (name: string, value: string): string =>
    review({ ...POD, metadata: { ...POD.metadata, annotations: { [`config.linkerd.io/${name}`]: value } } });
  const warned = await post(role, ca, withAnnotation('proxy-cpu-limit', 'much'));
  assert.match(
    warned.body,
    /"allowed":true.*"warnings":\["annotation config\.linkerd\.io\/proxy-cpu-limit: .*give a Kubernetes quantity/,
  );
  const refused = await post(role, ca, withAnnotation('default-inbound-policy', 'dney'));
  assert.equal(refused.status, 200);
  const { response } = JSON.parse(refused.body) as {
    response: { allowed: boolean; status: { code: number; message: string } };
  };
  assert.equal(response.allowed, false);
  assert.equal(response.status.code, 422);
  assert.match(response.status.message, /default-inbound-policy: "dney" cannot be used: give all-unauthenticated or/);
  await eventually('both warnings', async () => {
    const reasons = (await cluster.api.client().list(EVENTS)).items.map((event) => event.reason);
    return reasons.includes('InjectionWarning') && reasons.includes('InjectionRefused');
  });
});

test('what was decided is counted with Linkerd’s names and labels', async () => {
  const { role, ca } = await startInjector();
  await post(role, ca, review(POD));
  await post(role, ca, review({ ...POD, spec: { ...POD.spec, hostNetwork: true } }));
  const service = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'db' } };
  await post(role, ca, review(service as unknown as Pod, { kind: { group: '', version: 'v1', kind: 'Service' } }));
  const text = await (await fetch(`http://127.0.0.1:${role.adminPort}/metrics`)).text();
  const value = (metric: string, labels: Record<string, string>): string | undefined =>
    text
      .split('\n')
      .find(
        (line) =>
          line.startsWith(`${metric}{`) &&
          Object.entries(labels).every(([name, one]) => line.includes(`${name}="${one}"`)),
      )
      ?.split(' ')
      .at(-1);
  const pod = { owner_kind: 'deployment', namespace: 'shop', annotation_at: 'namespace' };
  assert.equal(value('proxy_inject_admission_requests_total', pod), '2');
  assert.equal(value('proxy_inject_admission_responses_total', { ...pod, skip: 'false', skip_reason: '' }), '1');
  assert.equal(
    value('proxy_inject_admission_responses_total', { ...pod, skip: 'true', skip_reason: 'host_network_enabled' }),
    '1',
  );
  assert.equal(value('proxy_inject_admission_responses_total', { owner_kind: 'service', skip: 'false' }), '1');
});

test('a dry run leaves no Event', async () => {
  const { role, cluster, ca } = await startInjector();
  await post(role, ca, review(POD, { dryRun: true }));
  await post(role, ca, review({ ...POD, spec: { ...POD.spec, hostNetwork: true } }));
  const events = await eventually('the event of the second pod', async () => {
    const { items } = await cluster.api.client().list(EVENTS);
    return items.length > 0 && items;
  });
  assert.deepEqual(
    events.map((event) => event.reason),
    ['InjectionSkipped'],
  );
});

test('the webhook answers what is no review with 400 and stays up', async () => {
  const { role, ca } = await startInjector();
  for (const body of ['', 'nonsense', '{}', '{"request":{"uid":"x","kind":{"kind":"Pod"},"object":{"metadata":{}}}}']) {
    assert.equal((await post(role, ca, body)).status, 400, body);
  }
  assert.equal((await post(role, ca, review(POD))).status, 200);
});

test('the webhook takes a new certificate while it runs, and keeps the old one when the new one is broken', async () => {
  const { role, ca, directory, errors } = await startInjector();
  const other = await webhookCertificate();
  await writeFile(join(directory, 'tls.key'), other.keyPem);
  await eventually('a refusal of the new key', () =>
    errors.includes('webhook certificate not usable; the previous one stays in use'),
  );
  assert.equal((await post(role, ca, review(POD))).status, 200);
  await writeFile(join(directory, 'tls.crt'), other.certPem);
  await eventually(
    'the new certificate',
    async () => (await post(role, other.ca, review(POD)).catch(() => undefined))?.status === 200,
  );
});

async function startInjector(): Promise<{
  role: RunningRole;
  cluster: FakeCluster;
  ca: string;
  directory: string;
  errors: string[];
}> {
  const directory = await mkdtemp(join(tmpdir(), 'injector-'));
  cleanups.push(() => rm(directory, { recursive: true, force: true }));
  const tls = await webhookCertificate();
  await writeFile(join(directory, 'tls.crt'), tls.certPem);
  await writeFile(join(directory, 'tls.key'), tls.keyPem);
  await writeFile(join(directory, 'anchors.pem'), CONTEXT.trustAnchorsPem);
  const errors: string[] = [];
  const cluster = new FakeCluster();
  const client = cluster.client();
  await client.create(NAMESPACES, { metadata: { name: 'shop', annotations: { 'linkerd.io/inject': 'enabled' } } });
  await client.create(CONFIG_MAPS, {
    metadata: { name: 'linkerd-config', namespace: 'linkerd' },
    data: { values: 'proxy:\n  logLevel: from-config\n' },
  });
  const role = await runInjector(
    {
      ...COMMON,
      webhook: { host: '127.0.0.1', port: 0 },
      certificate: { kind: 'files', dir: directory },
      trustAnchorsFile: join(directory, 'anchors.pem'),
    },
    { ...cluster.deps(), logger: { ...silentLogger, error: (message) => void errors.push(message) } },
    new AbortController().signal,
  );
  cleanups.push(() => role[Symbol.asyncDispose]());
  assert.equal((await fetch(`http://127.0.0.1:${role.adminPort}/ready`)).status, 200);
  return { role, cluster, ca: tls.ca, directory, errors };
}

async function webhookCertificate(): Promise<{ ca: string; certPem: string; keyPem: string }> {
  const authority = await createTrustAnchor({ commonName: 'linkerd-proxy-injector.linkerd.svc' });
  const issued = await issueCertificate(authority, {
    commonName: 'webhook',
    dnsNames: ['linkerd-proxy-injector.linkerd.svc'],
    usages: ['server'],
  });
  return { ca: chainPem([authority.certificate]), certPem: issued.chainPem, keyPem: issued.keyPem };
}

function review(object: Pod, extra: object = {}): string {
  return JSON.stringify({
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    request: {
      uid: 'u-1',
      kind: { group: '', version: 'v1', kind: 'Pod' },
      namespace: 'shop',
      operation: 'CREATE',
      object,
      ...extra,
    },
  });
}

function post(role: RunningRole, ca: string, body: string): Promise<{ status: number; body: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; body: string }>();
  const call = request(
    {
      host: '127.0.0.1',
      port: role.port,
      method: 'POST',
      path: '/',
      ca,
      servername: 'linkerd-proxy-injector.linkerd.svc',
      agent: false,
    },
    (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (text += chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: text }));
    },
  );
  call.on('error', reject);
  call.end(body);
  return promise;
}
