import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import test from 'node:test';
import { NAMESPACES, PODS, SERVICES } from '@mesh/kube';
import type { Pod, PodStatus } from '@mesh/kube';
import type { FakeApi } from '@mesh/kube/testing';
import { certifiedValues, failures, installedCluster, outcomeOf, run, stateOf } from '../testing/installed-cluster.ts';
import { MESH_VERSION } from '../version.ts';
import type { CheckOutcome } from './check.ts';
import { dataPlaneCategories } from './data-plane.ts';

async function check(api: FakeApi, namespace?: string) {
  return run(dataPlaneCategories(stateOf(api), namespace));
}

async function failing(api: FakeApi, description: string, namespace?: string): Promise<CheckOutcome> {
  const outcomes = await check(api, namespace);
  const outcome = outcomeOf(outcomes, description);
  assert.ok(
    outcome !== undefined && outcome.result !== 'success',
    `${description} did not fail; ${failures(outcomes).join('; ')}`,
  );
  return outcome;
}

/** A pod of a namespace `shop` that injection is enabled for, as the injector leaves it. */
async function seedPod(
  api: FakeApi,
  name: string,
  change: {
    readonly annotations?: Record<string, string>;
    readonly labels?: Record<string, string>;
    readonly status?: PodStatus;
    readonly meshed?: boolean;
  } = {},
): Promise<void> {
  const { identityTrustAnchorsPEM: anchors } = await certifiedValues();
  const ready: PodStatus = {
    phase: 'Running',
    initContainerStatuses: [
      { name: 'linkerd-init', ready: true, restartCount: 0 },
      { name: 'linkerd-proxy', ready: true, restartCount: 0 },
    ],
  };
  const pod: Pod = {
    metadata: {
      namespace: 'shop',
      name,
      labels: { app: 'web', 'linkerd.io/control-plane-ns': 'linkerd', ...change.labels },
      annotations: {
        'linkerd.io/proxy-version': MESH_VERSION,
        'linkerd.io/trust-root-sha256': createHash('sha256')
          .update(anchors.endsWith('\n') ? anchors : `${anchors}\n`)
          .digest('hex'),
        ...change.annotations,
      },
    },
    spec: {
      containers: [{ name: 'web', ports: [{ name: 'db', containerPort: 6000 }] }],
      ...(change.meshed === false ? {} : { initContainers: [{ name: 'linkerd-init' }, { name: 'linkerd-proxy' }] }),
    },
    status: change.status ?? ready,
  };
  api.seed(PODS, pod);
}

async function shop(): Promise<FakeApi> {
  const api = await installedCluster();
  api.seed(NAMESPACES, { metadata: { name: 'shop', annotations: { 'linkerd.io/inject': 'enabled' } } });
  await seedPod(api, 'web-1');
  return api;
}

test('healthy sidecars pass, finished pods do not count, and no sidecars at all are left out', async () => {
  const api = await shop();
  await seedPod(api, 'job', { status: { phase: 'Succeeded' } });
  assert.deepEqual(failures(await check(api)), []);
  assert.equal(outcomeOf(await check(api), 'data plane proxies are ready')?.result, 'success');
  assert.equal(outcomeOf(await check(api, 'linkerd'), 'data plane proxies are ready'), undefined);
});

test('a namespace that does not exist is told', async () => {
  assert.equal(
    (await failing(await shop(), 'data plane namespace exists', 'nowhere')).error,
    'the "nowhere" namespace does not exist',
  );
});

test('sidecars that are not ready are named with the reason', async () => {
  const api = await shop();
  await seedPod(api, 'web-2', {
    status: {
      phase: 'Running',
      initContainerStatuses: [
        { name: 'linkerd-proxy', ready: false, restartCount: 4, state: { waiting: { reason: 'CrashLoopBackOff' } } },
      ],
    },
  });
  await seedPod(api, 'web-3', {
    status: {
      phase: 'Pending',
      initContainerStatuses: [
        {
          name: 'linkerd-init',
          ready: false,
          restartCount: 1,
          state: { waiting: { reason: 'CrashLoopBackOff', message: 'back-off 10s' } },
        },
      ],
    },
  });
  assert.equal(
    (await failing(api, 'data plane proxies are ready')).error,
    'pod shop/web-2: linkerd-proxy is not ready (CrashLoopBackOff)\npod shop/web-3: linkerd-init has not finished (CrashLoopBackOff: back-off 10s)',
  );
});

test('old sidecars and those with other anchors are warned of', async () => {
  const api = await shop();
  await seedPod(api, 'old', {
    annotations: { 'linkerd.io/proxy-version': '0.0.1', 'linkerd.io/trust-root-sha256': 'ffff' },
  });
  assert.equal(
    (await failing(api, 'data plane is up-to-date')).error,
    `some proxies do not run version ${MESH_VERSION}:\n* shop/old (0.0.1)`,
  );
  assert.match((await failing(api, 'data plane and cli versions match')).error ?? '', /\* shop\/old \(0\.0\.1\)/);
  const anchors = await failing(api, 'data plane proxies certificate match CA');
  assert.equal(anchors.error, 'some pods were injected with other trust anchors and need a restart:\n* shop/old');
  assert.equal(anchors.result, 'warning');
});

test('a pod that missed its injection is named, unless it opted out', async () => {
  const api = await shop();
  await seedPod(api, 'missed', { meshed: false });
  await seedPod(api, 'out', { meshed: false, annotations: { 'linkerd.io/inject': 'disabled' } });
  assert.match(
    (await failing(api, 'pods that are to be injected have a proxy')).error ?? '',
    /^pod shop\/missed is to be injected but has no linkerd-proxy; delete it to have it made anew$/,
  );
});

test('settings where nobody reads them are named', async () => {
  const api = await shop();
  await seedPod(api, 'labelled', { labels: { 'config.linkerd.io/proxy-log-level': 'debug' } });
  api.seed(SERVICES, {
    metadata: {
      namespace: 'shop',
      name: 'web',
      labels: { 'config.linkerd.io/opaque-ports': '80' },
      annotations: { 'mirror.linkerd.io/exported': 'true' },
    },
  });
  const words = async (what: string) => (await failing(api, `data plane ${what} are configured correctly`)).error;
  assert.equal(
    await words('pod labels'),
    'pod shop/labelled: config.linkerd.io/proxy-log-level is a label, but is read as an annotation',
  );
  assert.equal(
    await words('service labels'),
    'service shop/web: config.linkerd.io/opaque-ports is a label, but is read as an annotation',
  );
  assert.equal(
    await words('service annotations'),
    'service shop/web: mirror.linkerd.io/exported is an annotation, but is read as a label',
  );
});

test('ports that are opaque at one end only are named, by number or name, with defaults and namespaces counted', async () => {
  const api = await shop();
  const service = (port: number, targetPort: number | string, annotation?: string) =>
    api.seed(SERVICES, {
      metadata: {
        namespace: 'shop',
        name: 'db',
        ...(annotation === undefined ? {} : { annotations: { 'config.linkerd.io/opaque-ports': annotation } }),
      },
      spec: { selector: { app: 'web' }, ports: [{ port, targetPort }] },
    });
  const problem = async () => outcomeOf(await check(api), 'opaque ports are properly annotated')?.error;
  service(80, 8080);
  assert.equal(await problem(), undefined);
  service(3306, 'db');
  assert.match(
    (await problem()) ?? '',
    /service shop\/db has opaque port 3306, but its target 6000 is not opaque at pod shop\/web-1; add 6000/,
  );
  service(80, 3306);
  assert.match(
    (await problem()) ?? '',
    /pod shop\/web-1 has opaque port 3306, but port 80 of service shop\/db is not; add 80/,
  );
  await seedPod(api, 'web-1', { annotations: { 'config.linkerd.io/opaque-ports': 'db' } });
  service(80, 'db', '80-81');
  assert.equal(await problem(), undefined);
});
