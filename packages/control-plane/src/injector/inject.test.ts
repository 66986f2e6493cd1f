import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';

import * as fc from 'fast-check';

import type { Pod } from '@mesh/kube';

import { applyPatch, CONTEXT, envOf, injected, POD, withAnnotations } from '../testing/injection.ts';
import { injectPod, patchPod, patchService } from './inject.ts';
import { jsonPatch } from './json-patch.ts';
import { injectionValues } from './values.ts';

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
  assert.equal(proxy?.readinessProbe?.initialDelaySeconds, undefined, 'no pod is ready later than its sidecar');
  assert.deepEqual(proxy?.args, ['proxy']);
  assert.deepEqual(spec.initContainers?.[0]?.command, ['/usr/lib/linkerd/linkerd2-proxy-init']);
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

test('the port of a gRPC probe is known from the start too', () => {
  const [app] = POD.spec.containers;
  assert.ok(app !== undefined);
  const containers = [{ ...app, livenessProbe: { grpc: { port: 9123 } } }];
  const pod = injected({ ...POD, spec: { ...POD.spec, containers } });
  assert.match(envOf(pod, 'LINKERD2_PROXY_INBOUND_PORTS') ?? '', /\b9123\b/);
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
  assert.match(envOf(injection.pod, 'LINKERD2_PROXY_LOG') ?? '', /^debug,/);
  assert.equal(envOf(injection.pod, 'LINKERD2_PROXY_INBOUND_DEFAULT_POLICY'), 'audit');
  assert.equal(injection.pod.metadata.annotations?.['config.linkerd.io/proxy-log-level'], 'debug');
  assert.equal(injection.pod.metadata.annotations?.['linkerd.io/inject'], undefined);
});

test('pods that must not or need not be injected are skipped with a reason', () => {
  const result = (pod: Pod, namespace: Record<string, string> = { 'linkerd.io/inject': 'enabled' }): string => {
    const patch = patchPod(pod, { ...CONTEXT, namespace: { name: 'shop', annotations: namespace } });
    return patch.kind === 'skipped' ? `${patch.reason} ${patch.tone}` : patch.kind;
  };
  const withInject = (word: string): Pod => withAnnotations({ 'linkerd.io/inject': word });
  assert.equal(result(POD), 'patch');
  assert.equal(result(POD, {}), 'injection_enable_annotation_absent silent');
  assert.equal(result(withInject('enabled'), {}), 'patch');
  assert.equal(result(withInject('ingress'), {}), 'patch');
  assert.equal(result(withInject('disabled')), 'injection_disable_annotation_present normal');
  assert.equal(result(withInject('true')), 'invalid_inject_annotation_at_workload warning');
  assert.equal(result(POD, { 'linkerd.io/inject': 'true' }), 'invalid_inject_annotation_at_ns warning');
  assert.equal(result(withInject('enabled'), { 'linkerd.io/inject': 'true' }), 'patch');
  assert.equal(result({ ...POD, spec: { ...POD.spec, hostNetwork: true } }), 'host_network_enabled warning');
  assert.equal(result(injected(POD)), 'sidecar_already_exists silent');
});

test('an annotation that means nothing is named with the words that mean something', () => {
  const patch = patchPod(withAnnotations({ 'linkerd.io/inject': 'true' }), CONTEXT);
  assert.ok(patch.kind === 'skipped');
  assert.match(patch.message, /linkerd\.io\/inject of the pod is "true".*enabled, ingress or disabled/);
});

test('injecting again changes nothing, also after another injector has added its containers', () => {
  const once = injected(POD);
  const sidecar = { name: 'vault-agent', image: 'vault:1' };
  const twice = patchPod(
    {
      ...once,
      spec: {
        ...once.spec,
        initContainers: [{ name: 'vault-agent-init', image: 'vault:1' }, ...(once.spec.initContainers ?? [])],
        containers: [...once.spec.containers, sidecar],
      },
    },
    CONTEXT,
  );
  assert.ok(twice.kind === 'skipped');
  assert.equal(twice.reason, 'sidecar_already_exists');
});

test('containers of another injector are kept, in their order and behind the redirect', () => {
  const vault = { name: 'vault-agent-init', image: 'vault:1' };
  const { spec } = injected({
    ...POD,
    spec: {
      ...POD.spec,
      initContainers: [vault, ...(POD.spec.initContainers ?? [])],
      containers: [...POD.spec.containers, { name: 'vault-agent', image: 'vault:1' }],
    },
  });
  assert.deepEqual(
    spec.initContainers?.map((one) => one.name),
    ['linkerd-init', 'linkerd-proxy', 'vault-agent-init', 'migrate'],
  );
  assert.deepEqual(
    spec.containers.map((one) => one.name),
    ['app', 'vault-agent'],
  );
});

test('a pod with the sidecar of another mesh is left alone with a warning', () => {
  const containers = [...POD.spec.containers, { name: 'istio-proxy', image: 'proxyv2:1' }];
  const patch = patchPod({ ...POD, spec: { ...POD.spec, containers } }, CONTEXT);
  assert.ok(patch.kind === 'skipped');
  assert.equal(patch.tone, 'warning');
  assert.match(patch.message, /istio-proxy/);
});

test('ingress mode is taken from the pod or its namespace', () => {
  assert.equal(envOf(injected(POD), 'LINKERD2_PROXY_INGRESS_MODE'), undefined);
  assert.equal(
    envOf(injected(withAnnotations({ 'linkerd.io/inject': 'ingress' })), 'LINKERD2_PROXY_INGRESS_MODE'),
    'true',
  );
  const namespace = { name: 'edge', annotations: { 'linkerd.io/inject': 'ingress' } };
  assert.equal(envOf(injected(POD, { ...CONTEXT, namespace }), 'LINKERD2_PROXY_INGRESS_MODE'), 'true');
});

test('a pod that mounts no token of its own still gets one for its identity', () => {
  const { spec } = injected({ ...POD, spec: { ...POD.spec, automountServiceAccountToken: false } });
  assert.equal(spec.automountServiceAccountToken, false);
  const volume = spec.volumes?.find((one) => one.name === 'linkerd-identity-token');
  assert.deepEqual(volume?.['projected'], {
    sources: [
      {
        serviceAccountToken: { path: 'linkerd-identity-token', expirationSeconds: 86_400, audience: 'identity.l5d.io' },
      },
    ],
  });
});

test('a pod that speaks only UDP is injected, and told that UDP is not meshed', () => {
  const dns = { name: 'dns', image: 'dns:1', ports: [{ containerPort: 53, protocol: 'UDP' as const }] };
  const injection = injectPod({ ...POD, spec: { containers: [dns] } }, CONTEXT);
  assert.ok(injection.kind === 'injected');
  assert.equal(envOf(injection.pod, 'LINKERD2_PROXY_INBOUND_PORTS'), '');
  assert.match(injection.warnings.join(), /only UDP ports \(53\)/);
});

test('with a CNI plugin the pod only checks its redirect', () => {
  const values = { ...CONTEXT.values, cniEnabled: true };
  const { spec } = injected(POD, { ...CONTEXT, values });
  const validator = spec.initContainers?.[0];
  assert.equal(validator?.name, 'linkerd-network-validator');
  assert.deepEqual(validator?.command, ['/usr/lib/linkerd/linkerd2-network-validator']);
  assert.equal(
    validator?.args?.join(' '),
    '--log-format plain --log-level debug --connect-addr 1.1.1.1:20001 --listen-addr 0.0.0.0:4140 --timeout 10s',
  );
  assert.deepEqual(validator?.securityContext?.['capabilities'], { drop: ['ALL'] });
  assert.ok(!spec.volumes?.some((one) => one.name === 'linkerd-proxy-init-xtables-lock'));
});

test('with IPv6 everything listens and redirects on it too', () => {
  const pod = injected(POD, { ...CONTEXT, values: { ...CONTEXT.values, disableIPv6: false } });
  assert.ok(pod.spec.initContainers?.[0]?.args?.includes('--ipv6=true'));
  assert.equal(envOf(pod, 'LINKERD2_PROXY_INBOUND_LISTEN_ADDR'), '[::]:4143');
  assert.equal(envOf(pod, 'LINKERD2_PROXY_ADMIN_LISTEN_ADDR'), '[::]:4191');
  assert.equal(envOf(pod, 'LINKERD2_PROXY_OUTBOUND_LISTEN_ADDRS'), '127.0.0.1:4140,[::1]:4140');
});

test('in the classic order the next container waits for the sidecar, and kubectl means the application', () => {
  const values = {
    ...CONTEXT.values,
    proxy: { ...CONTEXT.values.proxy, nativeSidecar: false, waitBeforeExitSeconds: 5 },
  };
  const pod = injected(POD, { ...CONTEXT, values });
  const [proxy] = pod.spec.containers;
  assert.equal(proxy?.restartPolicy, undefined);
  assert.equal(proxy?.startupProbe, undefined);
  assert.deepEqual(proxy?.lifecycle, {
    postStart: { exec: { command: ['/usr/lib/linkerd/linkerd-await', '--timeout=2m', '--port=4191'] } },
    preStop: { sleep: { seconds: 5 } },
  });
  assert.equal(pod.metadata.annotations?.['kubectl.kubernetes.io/default-container'], 'app');
  const impatient = { ...values, proxy: { ...values.proxy, await: false, waitBeforeExitSeconds: 0 } };
  const { spec } = injected(POD, { ...CONTEXT, values: impatient });
  assert.deepEqual(
    spec.containers.map((one) => one.name),
    ['app', 'linkerd-proxy'],
  );
  assert.equal(spec.containers[1]?.lifecycle, undefined);
});

test('each runtime has its image; the init container runs that of the sidecar', () => {
  const values = { ...CONTEXT.values, proxy: { ...CONTEXT.values.proxy, runtime: 'node' } };
  const { spec } = injected(POD, { ...CONTEXT, values });
  assert.deepEqual(
    spec.initContainers?.slice(0, 2).map((one) => one.image),
    ['mesh-proxy-node:1.2.3', 'mesh-proxy-node:1.2.3'],
  );
  const named = withAnnotations({ 'config.linkerd.io/proxy-image': 'registry.example/own' });
  assert.equal(injected(named, { ...CONTEXT, values }).spec.initContainers?.[1]?.image, 'registry.example/own:1.2.3');
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
