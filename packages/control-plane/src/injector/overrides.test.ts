import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';

import * as fc from 'fast-check';

import type { Container, Pod } from '@mesh/kube';

import { CONTEXT, envOf, injected, POD, withAnnotations } from '../testing/injection.ts';
import { ANNOTATION_RULES, OTHER_ANNOTATIONS } from './annotations.ts';
import { injectPod } from './inject.ts';

interface Example {
  readonly value: string;
  /** What a pod with it looks like, seen by whoever the annotation concerns. */
  readonly see: (pod: Pod) => unknown;
  readonly expected: unknown;
  readonly unusable: readonly string[];
}

const env =
  (name: string) =>
  (pod: Pod): unknown =>
    envOf(pod, `LINKERD2_PROXY_${name}`);
const container = (pod: Pod, name: string): Container | undefined =>
  [...(pod.spec.initContainers ?? []), ...pod.spec.containers].find((one) => one.name === name);
const proxy = (pod: Pod): Container | undefined => container(pod, 'linkerd-proxy');
const initOption =
  (name: string) =>
  (pod: Pod): unknown => {
    const args = container(pod, 'linkerd-init')?.args ?? [];
    return args[args.indexOf(name) + 1];
  };
const bound =
  (bound: 'requests' | 'limits', kind: string) =>
  (pod: Pod): unknown =>
    (proxy(pod)?.resources?.[bound] as Record<string, string> | undefined)?.[kind];
const security =
  (field: string) =>
  (pod: Pod): unknown =>
    proxy(pod)?.securityContext?.[field];

const DURATIONS = ['soon', '1.5s', '-1s', ''];
const SWITCHES = ['yes', '1', ''];
const QUANTITIES = ['a lot', '-1', '10 Mi', '1mb'];
const PORTS = ['x', '0', '70000', '20-10'];

const EXAMPLES: Readonly<Record<string, Example>> = {
  'proxy-image': {
    value: 'registry.example/proxy',
    see: (pod) => proxy(pod)?.image,
    expected: 'registry.example/proxy:1.2.3',
    unusable: [''],
  },
  'proxy-version': { value: '9.9.9', see: (pod) => proxy(pod)?.image, expected: 'mesh-proxy:9.9.9', unusable: [''] },
  'image-pull-policy': {
    value: 'Always',
    see: (pod) => proxy(pod)?.imagePullPolicy,
    expected: 'Always',
    unusable: ['always', 'Sometimes'],
  },
  'enable-debug-sidecar': {
    value: 'true',
    see: (pod) => container(pod, 'linkerd-debug')?.securityContext,
    expected: { capabilities: { add: ['NET_ADMIN', 'NET_RAW'] } },
    unusable: SWITCHES,
  },
  'admin-port': {
    value: '5191',
    see: (pod) => [
      env('ADMIN_LISTEN_ADDR')(pod),
      proxy(pod)?.readinessProbe?.httpGet?.port,
      initOption('--inbound-ports-to-ignore')(pod),
    ],
    expected: ['0.0.0.0:5191', 5191, '4190,5191,4567,4568'],
    unusable: PORTS,
  },
  'control-port': { value: '5190', see: env('CONTROL_LISTEN_ADDR'), expected: '0.0.0.0:5190', unusable: PORTS },
  'inbound-port': {
    value: '5143',
    see: (pod) => [
      env('INBOUND_LISTEN_ADDR')(pod),
      initOption('--incoming-proxy-port')(pod),
      proxy(pod)?.ports?.[0]?.containerPort,
    ],
    expected: ['0.0.0.0:5143', '5143', 5143],
    unusable: PORTS,
  },
  'outbound-port': {
    value: '5140',
    see: (pod) => [env('OUTBOUND_LISTEN_ADDR')(pod), initOption('--outgoing-proxy-port')(pod)],
    expected: ['127.0.0.1:5140', '5140'],
    unusable: PORTS,
  },
  'pod-inbound-ports': {
    value: '7000-7002, 8080',
    see: env('INBOUND_PORTS'),
    expected: '3306,7000,7001,7002,8080,9090',
    unusable: [...PORTS, '1-65535'],
  },
  'skip-inbound-ports': {
    value: '22, 8000-8010',
    see: initOption('--inbound-ports-to-ignore'),
    expected: '4190,4191,22,8000-8010',
    unusable: PORTS,
  },
  'skip-outbound-ports': {
    value: '5432',
    see: initOption('--outbound-ports-to-ignore'),
    expected: '5432',
    unusable: PORTS,
  },
  'skip-subnets': {
    value: '10.1.0.0/16, fd00::/8',
    see: initOption('--subnets-to-ignore'),
    expected: '10.1.0.0/16,fd00::/8',
    unusable: ['', '10.0.0.0/33', 'home'],
  },
  'close-wait-timeout': {
    value: '1h30m',
    see: (pod) => [
      initOption('--timeout-close-wait-secs')(pod),
      container(pod, 'linkerd-init')?.securityContext?.['privileged'],
    ],
    expected: ['5400', true],
    unusable: ['1.5h', '10', '500ms', '0s'],
  },
  'proxy-cpu-request': { value: '100m', see: bound('requests', 'cpu'), expected: '100m', unusable: QUANTITIES },
  'proxy-cpu-limit': {
    value: '2500m',
    see: (pod) => [bound('limits', 'cpu')(pod), env('CORES')(pod), env('CORES_MAX')(pod)],
    expected: ['2500m', '3', '3'],
    unusable: QUANTITIES,
  },
  'proxy-cpu-ratio-limit': {
    value: '0.25',
    see: env('CORES_MAX_RATIO'),
    expected: '0.25',
    unusable: ['0', '1.1', '50%'],
  },
  'proxy-memory-request': { value: '20Mi', see: bound('requests', 'memory'), expected: '20Mi', unusable: QUANTITIES },
  'proxy-memory-limit': { value: '1e8', see: bound('limits', 'memory'), expected: '1e8', unusable: QUANTITIES },
  'proxy-ephemeral-storage-request': {
    value: '1Gi',
    see: bound('requests', 'ephemeral-storage'),
    expected: '1Gi',
    unusable: QUANTITIES,
  },
  'proxy-ephemeral-storage-limit': {
    value: '2Gi',
    see: bound('limits', 'ephemeral-storage'),
    expected: '2Gi',
    unusable: QUANTITIES,
  },
  'proxy-uid': {
    value: '3000',
    see: (pod) => [security('runAsUser')(pod), initOption('--proxy-uid')(pod)],
    expected: [3000, '3000'],
    unusable: ['0', '-1', 'root'],
  },
  'proxy-gid': {
    value: '3001',
    see: (pod) => [security('runAsGroup')(pod), initOption('--proxy-gid')(pod)],
    expected: [3001, '3001'],
    unusable: ['-1', 'wheel'],
  },
  'proxy-admin-shutdown': {
    value: 'enabled',
    see: env('SHUTDOWN_ENDPOINT_ENABLED'),
    expected: 'true',
    unusable: SWITCHES,
  },
  'proxy-log-level': {
    value: 'warn,linkerd=debug',
    see: env('LOG'),
    expected: 'warn,linkerd=debug,[{headers}]=off,[{request}]=off',
    unusable: ['loud', '', 'linkerd=very'],
  },
  'proxy-log-format': { value: 'json', see: env('LOG_FORMAT'), expected: 'json', unusable: ['xml'] },
  'proxy-log-http-headers': {
    value: 'insecure',
    see: env('LOG'),
    expected: 'warn,linkerd=info,hickory=error',
    unusable: ['on', 'true'],
  },
  'access-log': { value: 'apache', see: env('ACCESS_LOG'), expected: 'apache', unusable: ['true', 'nginx'] },
  'enable-external-profiles': {
    value: 'true',
    see: env('DESTINATION_PROFILE_SUFFIXES'),
    expected: '.',
    unusable: SWITCHES,
  },
  'proxy-require-identity-inbound-ports': {
    value: '8080',
    see: env('INBOUND_PORTS_REQUIRE_IDENTITY'),
    expected: '8080',
    unusable: PORTS,
  },
  'default-inbound-policy': {
    value: 'all-authenticated',
    see: env('INBOUND_DEFAULT_POLICY'),
    expected: 'all-authenticated',
    unusable: ['dney', 'all', ''],
  },
  'proxy-metrics-hostname-labels': {
    value: 'true',
    see: env('OUTBOUND_METRICS_HOSTNAME_LABELS'),
    expected: 'true',
    unusable: SWITCHES,
  },
  'proxy-outbound-connect-timeout': {
    value: '3s',
    see: env('OUTBOUND_CONNECT_TIMEOUT'),
    expected: '3s',
    unusable: DURATIONS,
  },
  'proxy-inbound-connect-timeout': {
    value: '400ms',
    see: env('INBOUND_CONNECT_TIMEOUT'),
    expected: '400ms',
    unusable: DURATIONS,
  },
  'proxy-outbound-discovery-cache-unused-timeout': {
    value: '1m',
    see: env('OUTBOUND_DISCOVERY_IDLE_TIMEOUT'),
    expected: '1m',
    unusable: DURATIONS,
  },
  'proxy-inbound-discovery-cache-unused-timeout': {
    value: '2m',
    see: env('INBOUND_DISCOVERY_IDLE_TIMEOUT'),
    expected: '2m',
    unusable: DURATIONS,
  },
  'proxy-disable-outbound-protocol-detect-timeout': {
    value: 'true',
    see: env('OUTBOUND_DETECT_TIMEOUT'),
    expected: '365d',
    unusable: SWITCHES,
  },
  'proxy-disable-inbound-protocol-detect-timeout': {
    value: 'true',
    see: env('INBOUND_DETECT_TIMEOUT'),
    expected: '365d',
    unusable: SWITCHES,
  },
  'enable-gateway': {
    value: 'true',
    see: env('INBOUND_GATEWAY_SUFFIXES'),
    expected: 'svc.cluster.local.',
    unusable: SWITCHES,
  },
  'proxy-await': {
    value: 'disabled',
    see: (pod) => proxy(pod)?.startupProbe,
    expected: undefined,
    unusable: ['maybe'],
  },
  'shutdown-grace-period': { value: '20s', see: env('SHUTDOWN_GRACE_PERIOD'), expected: '20s', unusable: DURATIONS },
  'proxy-additional-env': {
    value: '[{"name":"EXTRA","value":"1"}]',
    see: (pod) => envOf(pod, 'EXTRA'),
    expected: '1',
    unusable: ['EXTRA=1', '{}', '[{"value":"1"}]', '[{"name":"A","value":1}]'],
  },
  'proxy-enable-native-sidecar': {
    value: 'false',
    see: (pod) => pod.spec.containers[0]?.name,
    expected: 'linkerd-proxy',
    unusable: SWITCHES,
  },
  'proxy-wait-before-exit-seconds': {
    value: '7',
    see: (pod) => proxy(pod)?.lifecycle,
    expected: { preStop: { sleep: { seconds: 7 } } },
    unusable: ['7s', '-1', '4000'],
  },
};

/** They say something only of the debug container. */
const DEBUG_EXAMPLES: Readonly<Record<string, Example>> = {
  'debug-image': {
    value: 'registry.example/debug',
    see: (pod) => container(pod, 'linkerd-debug')?.image,
    expected: 'registry.example/debug:stable-2.14.10',
    unusable: [''],
  },
  'debug-image-version': {
    value: '2',
    see: (pod) => container(pod, 'linkerd-debug')?.image,
    expected: 'cr.l5d.io/linkerd/debug:2',
    unusable: [''],
  },
  'debug-image-pull-policy': {
    value: 'Never',
    see: (pod) => container(pod, 'linkerd-debug')?.imagePullPolicy,
    expected: 'Never',
    unusable: ['never'],
  },
};

for (const [name, example] of Object.entries(EXAMPLES)) {
  test(`annotation ${name} is honoured`, () => proves(name, example, {}));
}

for (const [name, example] of Object.entries(DEBUG_EXAMPLES)) {
  test(`annotation ${name} is honoured`, () =>
    proves(name, example, { 'config.linkerd.io/enable-debug-sidecar': 'true' }));
}

function proves(name: string, { value, see, expected, unusable }: Example, others: Record<string, string>): void {
  const key = `config.linkerd.io/${name}`;
  const plain = see(injected(withAnnotations(others)));
  assert.notDeepEqual(plain, expected, 'the example changes nothing');
  assert.deepEqual(see(injected(withAnnotations({ ...others, [key]: value }))), expected);
  const annotations = { 'linkerd.io/inject': 'enabled', [key]: value };
  assert.deepEqual(
    see(injected(withAnnotations(others), { ...CONTEXT, namespace: { name: 'shop', annotations } })),
    expected,
    'from the namespace',
  );
  for (const text of unusable) {
    const injection = injectPod(withAnnotations({ ...others, [key]: text }), CONTEXT);
    const said =
      injection.kind === 'refused' ? injection.message : injection.kind === 'injected' ? injection.warnings.join() : '';
    assert.ok(said.includes(`annotation ${key}: ${JSON.stringify(text)} cannot be used`), `${text}: ${said}`);
    assert.match(said, /: give /);
    if (injection.kind === 'injected') assert.deepEqual(see(injection.pod), plain);
  }
}

test('every annotation has an example here and a line in the documentation', async () => {
  assert.deepEqual(
    Object.keys(ANNOTATION_RULES).toSorted(),
    Object.keys({ ...EXAMPLES, ...DEBUG_EXAMPLES }).toSorted(),
  );
  const page = await readFile(new URL('../../../../docs/injection.md', import.meta.url), 'utf8');
  const missing = [...Object.keys(ANNOTATION_RULES), ...OTHER_ANNOTATIONS].filter(
    (name) => !page.includes(`\`${name}\``),
  );
  assert.deepEqual(missing, []);
});

test('a pod is refused when an annotation that guards it cannot be used', () => {
  for (const name of ['default-inbound-policy', 'proxy-require-identity-inbound-ports']) {
    assert.equal(injectPod(withAnnotations({ [`config.linkerd.io/${name}`]: 'x' }), CONTEXT).kind, 'refused', name);
  }
  const elsewhere = withAnnotations({
    'linkerd.io/inject': 'disabled',
    'config.linkerd.io/default-inbound-policy': 'x',
  });
  assert.equal(injectPod(elsewhere, CONTEXT).kind, 'skipped', 'but not when it gets no sidecar');
});

test('Linkerd’s older prefixes count where the newer one is absent', () => {
  const waits = (annotations: Record<string, string>): unknown =>
    proxy(injected(withAnnotations(annotations)))?.lifecycle;
  const name = 'proxy-wait-before-exit-seconds';
  assert.deepEqual(waits({ [`config.alpha.linkerd.io/${name}`]: '3' }), { preStop: { sleep: { seconds: 3 } } });
  assert.deepEqual(waits({ [`config.alpha.linkerd.io/${name}`]: '3', [`config.linkerd.io/${name}`]: '4' }), {
    preStop: { sleep: { seconds: 4 } },
  });
  const beta = withAnnotations({ 'config.beta.linkerd.io/proxy-enable-native-sidecar': 'false' });
  assert.equal(injected(beta).spec.containers[0]?.name, 'linkerd-proxy');
});

test('what a pod says counts for all spellings of its namespace’s', () => {
  const annotations = { 'linkerd.io/inject': 'enabled', 'config.linkerd.io/proxy-enable-native-sidecar': 'false' };
  const pod = withAnnotations({ 'config.alpha.linkerd.io/proxy-enable-native-sidecar': 'true' });
  const { spec } = injected(pod, { ...CONTEXT, namespace: { name: 'shop', annotations } });
  assert.equal(spec.containers[0]?.name, 'app');
});

test('tracing attributes of the pod and its namespace reach the sidecar', () => {
  const annotations = { 'linkerd.io/inject': 'enabled', 'resource.opentelemetry.io/service.namespace': 'shop' };
  const pod = withAnnotations({ 'resource.opentelemetry.io/service.name': 'the catalog, really' });
  assert.equal(
    envOf(injected(pod, { ...CONTEXT, namespace: { name: 'shop', annotations } }), 'OTEL_RESOURCE_ATTRIBUTES'),
    'service.name=the%20catalog%2C%20really,service.namespace=shop',
  );
});

test('a misspelt annotation is named with the one that was meant', () => {
  const warnings = (annotations: Record<string, string>): string => {
    const injection = injectPod(withAnnotations(annotations), CONTEXT);
    return injection.kind === 'injected' ? injection.warnings.join('\n') : '';
  };
  assert.match(
    warnings({ 'config.linkerd.io/proxy-log-levle': 'debug' }),
    /did you mean config\.linkerd\.io\/proxy-log-level\?/,
  );
  assert.match(warnings({ 'config.linkerd.io/colour': 'blue' }), /config\.linkerd\.io\/colour is not known/);
  assert.equal(warnings({ 'config.linkerd.io/opaque-ports': 'db,9999', 'config.linkerd.io/disable-tap': 'true' }), '');
  assert.match(warnings({ 'config.linkerd.io/opaque-ports': 'db,redis' }), /"redis" is ignored/);
});

test('the sidecar’s ports differ from each other and from the application’s', () => {
  const clash = injectPod(withAnnotations({ 'config.linkerd.io/inbound-port': '4140' }), CONTEXT);
  assert.ok(clash.kind === 'injected');
  assert.match(clash.warnings.join(), /collide.*inbound-port 4140.*outbound-port 4140/);
  assert.equal(envOf(clash.pod, 'LINKERD2_PROXY_INBOUND_LISTEN_ADDR'), '0.0.0.0:4143');
  const same = injectPod(withAnnotations({ 'config.linkerd.io/admin-port': '8080' }), CONTEXT);
  assert.ok(same.kind === 'injected');
  assert.match(same.warnings.join(), /container app declares port 8080.*config\.linkerd\.io\/admin-port/);
});

test('a request above its limit is lowered, since the API server would refuse the pod', () => {
  const injection = injectPod(
    withAnnotations({ 'config.linkerd.io/proxy-cpu-request': '1', 'config.linkerd.io/proxy-cpu-limit': '500m' }),
    CONTEXT,
  );
  assert.ok(injection.kind === 'injected');
  assert.deepEqual(proxy(injection.pod)?.resources, { limits: { cpu: '500m' }, requests: { cpu: '500m' } });
  assert.match(injection.warnings.join(), /cpu request 1 is above its limit 500m/);
});

test('annotations of any content give a pod, a refusal or a skip, never a crash', () => {
  const name = fc.constantFrom(...Object.keys(ANNOTATION_RULES), 'opaque-ports', '__proto__', 'constructor');
  fc.assert(
    fc.property(
      fc.dictionary(
        name.map((one) => `config.linkerd.io/${one}`),
        fc.string(),
      ),
      (annotations) => {
        const injection = injectPod(withAnnotations({ ...annotations }), CONTEXT);
        if (injection.kind !== 'injected') return;
        const names = [...(injection.pod.spec.initContainers ?? []), ...injection.pod.spec.containers].map(
          (one) => one.name,
        );
        assert.equal(new Set(names).size, names.length);
        assert.ok(names.includes('linkerd-proxy') && names.includes('app'));
      },
    ),
  );
  assert.equal(POD.spec.containers.length, 1);
});
