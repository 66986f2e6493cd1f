import assert from 'node:assert/strict';
import test from 'node:test';
import { ENDPOINT_SLICES, EXPORTED_SERVICES, LINKS, PEERS, SERVICE_IMPORTS, SERVICES } from '@mesh/kube';
import { FakeApi } from '@mesh/kube/testing';
import { mesh } from '../../testing/harness.ts';
import { installed, link, MC } from '../../testing/multicluster-cluster.ts';

const SINCE = '2026-01-01T00:00:00Z';
const condition = (type: string, status: 'True' | 'False', message = '', reason = 'Test') => ({
  type,
  status,
  reason,
  message,
  lastTransitionTime: SINCE,
});

function federated(): FakeApi {
  const api = installed();
  const base = link('west');
  api.seed(LINKS, {
    ...base,
    metadata: { ...base.metadata, annotations: { 'federation.mesh.dev/peer': 'east' } },
    status: {
      conditions: [
        condition('Reachable', 'True'),
        condition('CredentialsValid', 'True', 'accepted until 2026-01-02T00:00:00Z; renewed'),
        condition('GatewayAlive', 'False', 'connection refused', 'ConnectionRefused'),
        condition('ViewCurrent', 'True'),
      ],
      mirrorServices: [
        {
          controllerName: 'linkerd.io/service-mirror',
          remoteRef: { namespace: 'shop', name: 'cart' },
          conditions: [condition('Mirrored', 'False', 'namespace shop does not exist here', 'MissingNamespace')],
        },
        {
          controllerName: 'linkerd.io/service-mirror',
          remoteRef: { namespace: 'shop', name: 'catalog' },
          conditions: [condition('Mirrored', 'True')],
        },
      ],
    },
  });
  api.seed(PEERS, {
    metadata: { namespace: MC, name: 'north' },
    spec: {},
    status: { peer: { clusterName: 'north-1', version: '0.1.0', renewTime: SINCE }, exporter: { exports: 2 } },
  });
  for (const [namespace, ready] of [
    [MC, true],
    ['mesh-peer-north', true],
  ] as const) {
    api.seed(EXPORTED_SERVICES, {
      metadata: { namespace, name: 'web.shop' },
      spec: { service: { namespace: 'shop', name: 'web' }, modes: ['gateway'], ports: [], ready },
    });
  }
  const own = { 'endpointslice.kubernetes.io/managed-by': 'service-mirror.mesh.dev' };
  api.seed(SERVICES, {
    metadata: {
      namespace: 'shop',
      name: 'catalog-west',
      labels: { 'mirror.linkerd.io/mirrored-service': 'true', 'mirror.linkerd.io/cluster-name': 'west' },
    },
  });
  api.seed(ENDPOINT_SLICES, {
    metadata: { namespace: 'shop', name: 'a', labels: { ...own, 'kubernetes.io/service-name': 'catalog-west' } },
    addressType: 'IPv4',
    endpoints: [{ addresses: ['192.0.2.1'], conditions: { ready: false } }, { addresses: ['192.0.2.2'] }],
  });
  api.seed(SERVICE_IMPORTS, {
    metadata: { namespace: 'shop', name: 'web' },
    spec: { type: 'ClusterSetIP', ports: [] },
    status: { clusters: [{ cluster: 'west' }, { cluster: 'north' }] },
  });
  return api;
}

test('one view has links, peers, exports and imports, and every problem in full', async () => {
  const { code, stdout } = await mesh('mc status', { api: federated() });
  assert.equal(code, 0);
  assert.equal(
    stdout,
    [
      'CLUSTER (context west)',
      '',
      'LINK  PEER  REACHABLE  CREDENTIALS                 GATEWAY            VIEW  SERVICES',
      'west  east  yes        until 2026-01-02T00:00:00Z  ConnectionRefused  yes   1/2',
      '',
      'PEER   CLUSTER  VERSION  SEES  SEEN',
      'north  north-1  0.1.0    2     2026-01-01T00:00:00Z',
      '',
      'EXPORT    AS       READY  TO',
      'shop/web  gateway  yes    all',
      '',
      'IMPORT             KIND    FROM        ENDPOINTS',
      'shop/catalog-west  mirror  west        1',
      'shop/web           import  west,north  0',
      '',
      '× link west: GatewayAlive: connection refused',
      '× link west: shop/cart: namespace shop does not exist here',
      '',
    ].join('\n'),
  );
});

test('programs get all of it', async () => {
  const { stdout } = await mesh('mc status -o json', { api: federated() });
  const { clusters } = JSON.parse(stdout) as { readonly clusters: readonly Record<string, readonly unknown[]>[] };
  assert.deepEqual(
    ['links', 'peers', 'exports', 'imports'].map((name) => clusters[0]?.[name]?.length),
    [1, 1, 1, 2],
  );
  const yaml = await mesh('mc status -o yaml', { api: federated() });
  assert.match(yaml.stdout, /^clusters:\n {2}- context: west/);
});

test('several clusters are shown side by side, and one that cannot be read is said', async () => {
  const { stdout } = await mesh('mc status --contexts east,west', { api: federated() });
  assert.match(stdout, /CLUSTER \(context east\)[^]*CLUSTER \(context west\)/);
  const down = federated();
  down.goDown();
  const failed = await mesh('mc status', { api: down });
  assert.equal(failed.code, 1);
  assert.match(failed.stdout, /×/);
});

test('a cluster without federation says so', async () => {
  const { code, stdout } = await mesh('mc status', { api: new FakeApi() });
  assert.equal(code, 0);
  assert.match(stdout, /no links, no peers, no exports, no imports/);
});
