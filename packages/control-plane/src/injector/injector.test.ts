import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, test } from 'node:test';

import * as fc from 'fast-check';

import { CONFIG_MAPS, EVENTS, NAMESPACES } from '@mesh/kube';
import type { Container, Pod } from '@mesh/kube';
import { eventually } from '@mesh/kube/testing';
import { chainPem, createTrustAnchor, issueCertificate } from '@mesh/pki';

import { silentLogger } from '@mesh/runtime';

import type { RunningRole } from '../role.ts';
import { COMMON, FakeCluster } from '../testing/harness.ts';
import { injectPod, patchPod, patchService } from './inject.ts';
import type { InjectionContext } from './inject.ts';
import { jsonPatch } from './json-patch.ts';
import type { PatchOperation } from './json-patch.ts';
import { runInjector } from './role.ts';
import { DEFAULT_INJECTION_VALUES, injectionValues } from './values.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).toReversed()) await clean();
});

const CONTEXT: InjectionContext = {
  values: {
    ...DEFAULT_INJECTION_VALUES,
    proxy: { ...DEFAULT_INJECTION_VALUES.proxy, image: { name: 'mesh-proxy', version: '1.2.3', pullPolicy: '' } },
  },
  controlPlaneNamespace: 'linkerd',
  trustAnchorsPem: '-----BEGIN CERTIFICATE-----\nYW5jaG9y\n-----END CERTIFICATE-----\n',
  namespace: { name: 'shop', annotations: { 'linkerd.io/inject': 'enabled' } },
  createdBy: 'linkerd/proxy-injector 1.2.3',
};

const POD: Pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: {
    name: '',
    generateName: 'catalog-5d8f-',
    namespace: 'shop',
    labels: { app: 'catalog', 'pod-template-hash': '5d8f' },
    ownerReferences: [
      { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'catalog-5d8f', uid: 'rs-1', controller: true },
    ],
  },
  spec: {
    containers: [
      {
        name: 'app',
        image: 'shop:1',
        ports: [
          { name: 'http', containerPort: 8080 },
          { name: 'db', containerPort: 3306 },
          { name: 'dns', containerPort: 53, protocol: 'UDP' },
        ],
        readinessProbe: { httpGet: { path: '/ready', port: 9090 } },
      },
    ],
    initContainers: [{ name: 'migrate', image: 'shop:1' }],
    volumes: [{ name: 'data', emptyDir: {} }],
  },
};

/** Rewritten with `UPDATE_GOLDEN=1`. */
async function golden(name: string, value: unknown): Promise<void> {
  const file = new URL(`fixtures/${name}.json`, import.meta.url);
  const text = `${JSON.stringify(value, undefined, 2)}\n`;
  if (process.env['UPDATE_GOLDEN'] === '1') await writeFile(file, text);
  assert.equal(
    text,
    await readFile(file, 'utf8'),
    `${name} differs from its golden file; look at it, then run with UPDATE_GOLDEN=1`,
  );
}

test('the patch of a plain pod is the golden one', async () => {
  await golden('plain-pod', patchPod(POD, CONTEXT));
});

test('the patch of a pod with annotations is the golden one', async () => {
  const annotated = {
    ...POD,
    metadata: {
      ...POD.metadata,
      annotations: {
        'config.linkerd.io/proxy-cpu-request': '100m',
        'config.linkerd.io/proxy-memory-limit': '64Mi',
        'config.linkerd.io/skip-outbound-ports': '5432,6000-6010',
        'config.linkerd.io/opaque-ports': 'db,9999',
        'config.linkerd.io/default-inbound-policy': 'all-authenticated',
        'config.linkerd.io/proxy-log-level': 'debug',
        'config.linkerd.io/proxy-enable-native-sidecar': 'false',
        'config.linkerd.io/shutdown-grace-period': '20s',
        'config.linkerd.io/proxy-additional-env': '[{"name":"EXTRA","value":"1"}]',
        'config.linkerd.io/proxy-outbound-connect-timeout': 'soon',
      },
    },
  };
  await golden('annotated-pod', patchPod(annotated, CONTEXT));
});

test('applying the patch gives the injected pod', () => {
  const injection = injectPod(POD, CONTEXT);
  const patch = patchPod(POD, CONTEXT);
  assert.ok(injection.kind === 'injected' && patch.kind === 'patch');
  assert.deepEqual(applyPatch(POD, patch.operations), injection.pod);
});

test('the sidecar runs before the application’s own init containers, and is waited for', () => {
  const { spec } = injected(POD);
  assert.deepEqual(
    spec.initContainers?.map((one) => one.name),
    ['linkerd-init', 'linkerd-proxy', 'migrate'],
  );
  const proxy = spec.initContainers?.[1];
  assert.equal(proxy?.restartPolicy, 'Always');
  assert.deepEqual(proxy?.startupProbe, {
    httpGet: { path: '/ready', port: 4191 },
    periodSeconds: 1,
    failureThreshold: 120,
  });
  assert.deepEqual(proxy?.args, ['proxy']);
  assert.equal(spec.initContainers?.[0]?.args?.[0], 'proxy-init');
});

test('as an ordinary container the sidecar comes first, and the redirect last among the init containers', () => {
  const { spec } = injected(withAnnotations({ 'config.linkerd.io/proxy-enable-native-sidecar': 'false' }));
  assert.deepEqual(
    spec.initContainers?.map((one) => one.name),
    ['migrate', 'linkerd-init'],
  );
  assert.deepEqual(
    spec.containers.map((one) => one.name),
    ['linkerd-proxy', 'app'],
  );
});

test('ports are those of containers and HTTP probes; default opaque ports are written down where declared', () => {
  const pod = injected(POD);
  assert.equal(envOf(pod, 'LINKERD2_PROXY_INBOUND_PORTS'), '3306,8080,9090');
  assert.equal(envOf(pod, 'LINKERD2_PROXY_INBOUND_PORTS_DISABLE_PROTOCOL_DETECTION'), '3306');
  assert.equal(pod.metadata.annotations?.['config.linkerd.io/opaque-ports'], '3306');
  const named = injected(withAnnotations({ 'config.linkerd.io/opaque-ports': 'http' }));
  assert.equal(envOf(named, 'LINKERD2_PROXY_INBOUND_PORTS_DISABLE_PROTOCOL_DETECTION'), '8080');
  assert.equal(named.metadata.annotations?.['config.linkerd.io/opaque-ports'], 'http');
});

test('labels name the mesh, the workload’s namespace and its owner', () => {
  const { labels } = injected(POD).metadata;
  assert.equal(labels?.['linkerd.io/control-plane-ns'], 'linkerd');
  assert.equal(labels?.['linkerd.io/workload-ns'], 'shop');
  assert.equal(labels?.['linkerd.io/proxy-deployment'], 'catalog');
});

test('a namespace’s configuration counts for its pods unless they say otherwise', () => {
  const annotations = {
    'linkerd.io/inject': 'enabled',
    'config.linkerd.io/proxy-log-level': 'debug',
    'config.linkerd.io/default-inbound-policy': 'deny',
  };
  const injection = injectPod(withAnnotations({ 'config.linkerd.io/default-inbound-policy': 'audit' }), {
    ...CONTEXT,
    namespace: { name: 'shop', annotations },
  });
  assert.ok(injection.kind === 'injected');
  assert.equal(envOf(injection.pod, 'LINKERD2_PROXY_LOG'), 'debug');
  assert.equal(envOf(injection.pod, 'LINKERD2_PROXY_INBOUND_DEFAULT_POLICY'), 'audit');
  assert.equal(injection.pod.metadata.annotations?.['config.linkerd.io/proxy-log-level'], 'debug');
  assert.equal(injection.pod.metadata.annotations?.['linkerd.io/inject'], undefined);
});

test('pods that must not or need not be injected are skipped with a reason', () => {
  const reason = (pod: Pod, namespace: Record<string, string> = { 'linkerd.io/inject': 'enabled' }) => {
    const result = patchPod(pod, { ...CONTEXT, namespace: { name: 'shop', annotations: namespace } });
    return result.kind === 'skip' ? result.reason : 'patched';
  };
  assert.equal(reason(POD), 'patched');
  assert.equal(reason(POD, {}), 'injection_enable_annotation_absent');
  assert.equal(reason(withAnnotations({ 'linkerd.io/inject': 'enabled' }), {}), 'patched');
  assert.equal(reason(withAnnotations({ 'linkerd.io/inject': 'disabled' })), 'injection_disable_annotation_present');
  assert.equal(reason({ ...POD, spec: { ...POD.spec, hostNetwork: true } }), 'host_network_enabled');
  assert.equal(reason(injected(POD)), 'sidecar_already_exists');
});

test('an annotation that cannot be used is named in a warning and changes nothing', () => {
  const injection = injectPod(
    withAnnotations({ 'config.linkerd.io/inbound-port': '99999', 'config.linkerd.io/skip-inbound-ports': 'x' }),
    CONTEXT,
  );
  assert.ok(injection.kind === 'injected');
  assert.deepEqual(injection.warnings, [
    'annotation config.linkerd.io/inbound-port="99999" is not usable and was ignored',
    'annotation config.linkerd.io/skip-inbound-ports="x" is not usable and was ignored',
  ]);
  assert.equal(envOf(injection.pod, 'LINKERD2_PROXY_INBOUND_LISTEN_ADDR'), '0.0.0.0:4143');
});

test('Services inherit opaque ports of their namespace', () => {
  const namespace = { metadata: { name: 'shop', annotations: { 'config.linkerd.io/opaque-ports': '3306' } } };
  const plain = { metadata: { name: 'db' } };
  assert.deepEqual(patchService(plain, namespace), [
    { op: 'add', path: '/metadata/annotations', value: { 'config.linkerd.io/opaque-ports': '3306' } },
  ]);
  assert.deepEqual(
    patchService({ metadata: { name: 'db', annotations: { 'config.linkerd.io/opaque-ports': '' } } }, namespace),
    [],
  );
  assert.deepEqual(patchService(plain, { metadata: { name: 'shop' } }), []);
});

test('values of any shape give usable values', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (written) => {
      const values = injectionValues(written);
      assert.equal(typeof values.proxy.ports.inbound, 'number');
      assert.equal(typeof values.proxy.logLevel, 'string');
    }),
  );
  assert.equal(injectionValues({ proxy: { logLevel: 'debug' }, clusterDomain: 'west.local' }).proxy.logLevel, 'debug');
});

test('a JSON patch turns one document into the other', () => {
  // The test's own way of applying patches would follow it.
  const key = fc.string().filter((text) => text !== '__proto__');
  const json = fc.dictionary(
    key,
    fc.oneof(fc.string(), fc.array(fc.nat()), fc.dictionary(key, fc.nat(), { noNullPrototype: true })),
    {
      noNullPrototype: true,
    },
  );
  fc.assert(
    fc.property(json, json, (before, after) => assert.deepEqual(applyPatch(before, jsonPatch(before, after)), after)),
  );
});

test('the webhook patches over HTTPS with values of the ConfigMap, and tells the owner', async () => {
  const { role, cluster, ca } = await startInjector();
  const { status, body } = await post(role, ca, review(POD));
  assert.equal(status, 200);
  const { response } = JSON.parse(body) as { response: { uid: string; allowed: boolean; patch: string } };
  assert.equal(response.uid, 'u-1');
  const operations = JSON.parse(Buffer.from(response.patch, 'base64').toString()) as PatchOperation[];
  const pod = applyPatch(POD, operations) as Pod;
  assert.equal(envOf(pod, 'LINKERD2_PROXY_LOG'), 'from-config');
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
  await mkdir(directory, { recursive: true });
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
      tlsDir: directory,
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

function injected(pod: Pod): Pod {
  const injection = injectPod(pod, CONTEXT);
  assert.ok(injection.kind === 'injected');
  return injection.pod;
}

function withAnnotations(annotations: Record<string, string>): Pod {
  return { ...POD, metadata: { ...POD.metadata, annotations } };
}

function envOf(pod: Pod, name: string): string | undefined {
  const containers: readonly Container[] = [...(pod.spec.initContainers ?? []), ...pod.spec.containers];
  return containers.find((one) => one.name === 'linkerd-proxy')?.env?.find((one) => one.name === name)?.value;
}

/** RFC 6902, as far as our own patches go. */
function applyPatch(document: unknown, operations: readonly PatchOperation[]): unknown {
  let root = structuredClone(document) as Record<string, unknown>;
  for (const { op, path, value } of operations) {
    const keys = path
      .split('/')
      .slice(1)
      .map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'));
    const last = keys.pop();
    if (last === undefined) {
      root = value as Record<string, unknown>;
      continue;
    }
    let at: unknown = root;
    for (const key of keys) at = (at as Record<string, unknown>)[key];
    if (Array.isArray(at) && op === 'add') at.splice(last === '-' ? at.length : Number(last), 0, value);
    else if (op === 'remove') delete (at as Record<string, unknown>)[last];
    else (at as Record<string, unknown>)[last] = value;
  }
  return root;
}
