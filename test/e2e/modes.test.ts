/**
 * The ways in which a Service of one cluster appears in another: through the gateway, pod to pod, pod by pod, as part of the clusterset; to whom
 * it is shown, and who a client is behind a gateway. Each test leaves things as it found them.
 */
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { isKubeError, SERVICE_IMPORTS } from '@mesh/kube';
import type { Manifest } from '@mesh/cli';
import type { HomeCluster } from '../../scripts/home/home.ts';
import { labelService, scale, serviceExists, SHOP, startLoad } from '../../scripts/home/shop.ts';
import { isOk } from '../../scripts/home/traffic.ts';
import type { RequestRecord } from '../../scripts/home/traffic.ts';
import { failures, Federation, patience, until } from './federation.ts';

const EXPORTED = 'mirror.linkerd.io/exported';
const identityOf = (account: string): string => `${account}.${SHOP}.serviceaccount.identity.linkerd.cluster.local`;
const CLIENT = identityOf('load');
const GATEWAY = 'linkerd-gateway.linkerd-multicluster.serviceaccount.identity.linkerd.cluster.local';

const TARGETS = {
  catalog: 'http://catalog-west/products',
  pod0: 'http://set-0.set-west:8080/products',
  pod1: 'http://set-1.set-west:8080/products',
  clusterset: `http://catalog.${SHOP}.svc.clusterset.local/products`,
} as const;

/** Answered by the pod itself, to the client itself. */
const isDirect = (record: RequestRecord): boolean => isOk(record) && record.caller?.clientId === CLIENT;
const isForwarded = (record: RequestRecord): boolean => isOk(record) && record.caller?.forwarded !== undefined;

suite('modes', () => {
  let federation: Federation;
  let east: HomeCluster;
  let west: HomeCluster;
  const plainLog = new AbortController();

  before(async () => {
    federation = await Federation.open();
    ({ east, west } = federation);
    await Promise.all([federation.deployShops(), federation.linkBoth()]);
    await west.apply(statefulSet('set'));
    await federation.customer('load', TARGETS, { rate: 10 });
  });

  after(async () => {
    plainLog.abort();
    await federation?.[Symbol.asyncDispose]();
  });

  test('a Service moves from its gateway to flat and back while it is used, and no request is lost', async () => {
    await labelService(west, 'catalog', { [EXPORTED]: 'true' });
    await serviceExists(east, 'catalog-west', true);
    await federation.request('catalog', 0, isForwarded);
    const from = Date.now();
    await labelService(west, 'catalog', { [EXPORTED]: 'remote-discovery' });
    await federation.request('catalog', from, (record) => isDirect(record) && record.caller?.forwarded === undefined);
    await labelService(west, 'catalog', { [EXPORTED]: 'true' });
    await federation.request('catalog', Date.now(), isForwarded);
    assert.deepEqual(failures(await federation.watch('catalog', 10, from)), []);
    await labelService(west, 'catalog', { [EXPORTED]: undefined });
    await serviceExists(east, 'catalog-west', false);
  });

  for (const [mode, label] of [
    ['through the gateway', 'true'],
    ['flat', 'remote-discovery'],
  ] as const) {
    test(`each pod of a stateful set is reached by its own name, ${mode}`, async () => {
      await labelService(west, 'set', { [EXPORTED]: label });
      await serviceExists(east, 'set-west', true);
      const from = Date.now();
      const [first, second] = await Promise.all([federation.request('pod0', from), federation.request('pod1', from)]);
      assert.deepEqual([first.pod, second.pod], ['set-0', 'set-1']);
      assert.equal(first.cluster, 'west');
      await scaleSet(west, 1);
      await federation.request('pod1', Date.now(), (record) => !isOk(record));
      await scaleSet(west, 2);
      await federation.request('pod1', Date.now(), isOk);
      await labelService(west, 'set', { [EXPORTED]: undefined });
      await serviceExists(east, 'set-west', false);
      await until(
        'nothing of it to be left',
        async () => !(await federation.mirrors(east)).some((name) => name.includes('set-')),
        { timeoutMs: patience(5000) },
      );
    });
  }

  test('who an export policy leaves out sees nothing of the Service, and the gateway refuses who remembers it', async () => {
    await labelService(west, 'catalog', { [EXPORTED]: 'true' });
    await federation.request('catalog', Date.now());
    await west.apply([exportPolicy([])]);
    await serviceExists(east, 'catalog-west', false);
    await west.apply([exportPolicy(['east'])]);
    await serviceExists(east, 'catalog-west', true);
    await federation.request('catalog', Date.now());
    await west.apply([exportPolicy(['north'])]);
    await serviceExists(east, 'catalog-west', false);
    await west.remove([exportPolicy(['north'])]);
    await serviceExists(east, 'catalog-west', true);
    await federation.request('catalog', Date.now());
    await labelService(west, 'catalog', { [EXPORTED]: undefined });
    await serviceExists(east, 'catalog-west', false);
  });

  test('the program at the target is told of its client, not of the gateway', async () => {
    await labelService(west, 'catalog', { [EXPORTED]: 'true' });
    const record = await federation.request('catalog', Date.now(), isForwarded);
    assert.equal(record.caller?.clientId, CLIENT);
    assert.match(record.caller?.forwarded ?? '', new RegExp(`by="?${GATEWAY}`));
    await labelService(west, 'catalog', { [EXPORTED]: undefined });
    await serviceExists(east, 'catalog-west', false);
  });

  test('a ServiceExport gives the Service one name in the whole clusterset, for programs with and without a proxy', async () => {
    await west.apply([serviceExport()]);
    const imported = await until(
      'the import to have an address',
      async () => {
        const found = await east.client.get(SERVICE_IMPORTS, { namespace: SHOP, name: 'catalog' });
        const isComplete = (found?.spec.ips ?? []).length > 0 && (found?.status?.clusters ?? []).length > 0;
        return isComplete ? found : undefined;
      },
      { timeoutMs: patience(10_000) },
    );
    assert.equal(imported.spec.type, 'ClusterSetIP');
    assert.deepEqual(imported.status?.clusters, [{ cluster: 'west' }]);
    const first = await federation.request('clusterset', Date.now());
    assert.equal(first.cluster, 'west');
    await startLoad(
      east,
      {
        name: 'plain',
        targets: { plain: TARGETS.clusterset },
        rate: 5,
        annotations: { 'linkerd.io/inject': 'disabled' },
      },
      federation.log,
      plainLog.signal,
      (error) => assert.fail(String(error)),
    );
    const plain = await federation.request('plain', Date.now());
    assert.equal(plain.cluster, 'west');

    await east.apply([serviceExport()]);
    for (const cluster of ['east', 'west'])
      await federation.request('clusterset', Date.now(), (record) => isOk(record) && record.cluster === cluster);
    await west.remove([serviceExport()]);
    await federation.request('clusterset', Date.now(), (record) => isOk(record) && record.cluster === 'east');
    await east.remove([serviceExport()]);
    for (const cluster of [east, west]) {
      await until(`the import in ${cluster.name} to be gone`, async () => (await importOf(cluster)) === undefined, {
        timeoutMs: patience(10_000),
      });
    }
    await scale(east, SHOP, 'plain', 0);
  });
});

async function importOf(cluster: HomeCluster): Promise<unknown> {
  try {
    return await cluster.client.get(SERVICE_IMPORTS, { namespace: SHOP, name: 'catalog' });
  } catch (error) {
    if (isKubeError(error, 'not_found')) return undefined;
    throw error;
  }
}

async function scaleSet(cluster: HomeCluster, replicas: number): Promise<void> {
  await cluster.apply(statefulSet('set', replicas));
}

function serviceExport(): Manifest {
  return {
    apiVersion: 'multicluster.x-k8s.io/v1beta1',
    kind: 'ServiceExport',
    metadata: { name: 'catalog', namespace: SHOP },
    spec: {},
  };
}

function exportPolicy(clusters: readonly string[]): Manifest {
  return {
    apiVersion: 'federation.mesh.dev/v1alpha1',
    kind: 'ExportPolicy',
    metadata: { name: 'catalog', namespace: SHOP },
    spec: { serviceSelector: { matchLabels: { app: 'catalog' } }, clusters },
  };
}

/** Catalogs that have names of their own. */
function statefulSet(name: string, replicas = 2): readonly Manifest[] {
  const labels = { app: name };
  const metadata = { name, namespace: SHOP, labels };
  return [
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata,
      spec: { clusterIP: 'None', selector: labels, ports: [{ name: 'http', port: 8080 }] },
    },
    {
      apiVersion: 'apps/v1',
      kind: 'StatefulSet',
      metadata,
      spec: {
        serviceName: name,
        replicas,
        podManagementPolicy: 'Parallel',
        selector: { matchLabels: labels },
        template: {
          metadata: { labels },
          spec: {
            serviceAccountName: 'catalog',
            terminationGracePeriodSeconds: 1,
            containers: [
              {
                name: 'main',
                image: 'shop:1',
                imagePullPolicy: 'IfNotPresent',
                args: ['catalog'],
                ports: [{ name: 'http', containerPort: 8080 }],
                env: [
                  { name: 'CLUSTER', valueFrom: { configMapKeyRef: { name: 'shop', key: 'cluster' } } },
                  { name: 'POD', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
                ],
                readinessProbe: { httpGet: { path: '/healthz', port: 8080 }, periodSeconds: 1, timeoutSeconds: 5 },
              },
            ],
          },
        },
      },
    },
  ];
}
