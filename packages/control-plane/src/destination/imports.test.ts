import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { EndpointSlice } from '@mesh/kube';
import { parsePortSet, PortSet } from '@mesh/model';
import type { destination } from '@mesh/proxy-api';
import { formatTcpAddress } from '@mesh/proxy-api';

import { ClusterTables } from '../live/cluster-tables.ts';
import { FakeSubscriber } from '../testing/fake-subscriber.ts';
import { endpointOf, node, pod, service, slice } from '../testing/objects.ts';
import { watchEndpoints, watchProfile } from './service.ts';

const QUIET = { opened: () => ({ [Symbol.dispose]: () => undefined }), sent: () => undefined };
const GATEWAY = 'linkerd-gateway.linkerd-multicluster.serviceaccount.identity.linkerd.cluster.local';
const IDENTITY = 'catalog.shop.serviceaccount.identity.mesh.west.example';
const FLAT = 'catalog-west.shop.svc.cluster.local:80';

test('pods of another cluster are dialled themselves, with their identity and their proxies’ port', () => {
  const tables = cluster();
  addFlat(tables);
  const add = addOf(get(tables, FLAT));
  assert.deepEqual(add.metricLabels, {
    namespace: 'shop',
    service: 'catalog-west',
    target_cluster: 'west',
    target_service: 'catalog',
    target_service_namespace: 'shop',
  });
  assert.deepEqual(addresses(add), ['10.99.0.1:8080', '10.99.0.2:8080']);
  const [first, second] = add.addrs;
  assert.deepEqual(first?.tlsIdentity, {
    strategy: { $case: 'dnsLikeIdentity', value: { name: IDENTITY } },
    serverName: { name: IDENTITY },
  });
  assert.deepEqual(first?.protocolHint, {
    protocol: { $case: 'h2', value: {} },
    opaqueTransport: { inboundPort: 5143 },
  });
  assert.equal(first?.authorityOverride, undefined);
  assert.deepEqual(first?.metricLabels, {
    target_cluster: 'west',
    target_service: 'catalog',
    target_service_namespace: 'shop',
    serviceaccount: 'catalog',
    control_plane_ns: 'mesh',
    zone: 'a',
    zone_locality: 'local',
  });
  assert.equal(second?.metricLabels['zone_locality'], 'unknown');
});

test('a mirror without slices has no endpoints, whoever made it', () => {
  const tables = cluster();
  tables.services.apply(service('catalog-west', { labels: { 'multicluster.linkerd.io/remote-discovery': 'west' } }));
  assert.deepEqual(get(tables, FLAT).messages, [{ update: { $case: 'noEndpoints', value: { exists: true } } }]);
});

test('opaque ports of the pods or of the Service are told, and pods without a proxy are dialled plainly', () => {
  const tables = cluster();
  addFlat(tables, { annotations: { 'federation.mesh.dev/opaque-ports': '8080' } });
  assert.equal(addOf(get(tables, FLAT)).addrs[0]?.protocolHint?.protocol?.$case, 'opaque');
  assert.equal(profileOf(tables, '10.99.0.1:8080').opaqueProtocol, true);
  addFlat(tables);
  assert.equal(profileOf(tables, '10.99.0.1:8080').opaqueProtocol, false);
  tables.services.apply(flatService({ 'config.linkerd.io/opaque-ports': '80' }));
  assert.equal(addOf(get(tables, FLAT)).addrs[0]?.protocolHint?.protocol?.$case, 'opaque');
  const plain = flatSlice();
  tables.slices.apply({ ...plain, metadata: { ...plain.metadata, annotations: {} } });
  const [first] = addOf(get(tables, FLAT)).addrs;
  assert.equal(first?.tlsIdentity, undefined);
  assert.equal(first?.protocolHint, undefined);
  assert.equal(first?.metricLabels['target_cluster'], 'west');
});

test('pods and nodes here that are called like those of another cluster have nothing to do with its endpoints', () => {
  const tables = cluster();
  tables.pods.apply(pod('catalog-1', '10.42.0.1', { spec: { serviceAccountName: 'other' } }));
  const named = flatSlice();
  tables.slices.apply({
    ...named,
    endpoints: named.endpoints.map((endpoint) => endpointOf('catalog-1', endpoint.addresses[0] ?? '')),
  });
  tables.services.apply(flatService());
  const [first] = addOf(get(tables, FLAT)).addrs;
  assert.equal(nameOf(first), IDENTITY);
  assert.equal(first?.metricLabels['zone'], '');
});

test('slices for clients without a proxy are not for proxies, and those for proxies name their Service in a label of their own', () => {
  const tables = cluster();
  tables.services.apply(
    service('mesh-import-0123456789', {
      clusterIP: '10.43.0.77',
      labels: { 'federation.mesh.dev/service-import': 'catalog' },
    }),
  );
  const bridge = slice('mesh-import-0123456789', [{ addresses: ['10.42.0.50'], conditions: { ready: true } }], {
    name: 'bridge',
    labels: { 'federation.mesh.dev/path': 'bridge', 'multicluster.kubernetes.io/source-cluster': 'west' },
    ports: [{ name: 'http', port: 20_001 }],
  });
  const mesh: EndpointSlice = {
    ...bridge,
    metadata: {
      name: 'mesh',
      namespace: 'shop',
      labels: {
        'federation.mesh.dev/path': 'mesh',
        'federation.mesh.dev/service-name': 'mesh-import-0123456789',
        'multicluster.kubernetes.io/source-cluster': 'west',
      },
      annotations: {
        'mirror.linkerd.io/remote-gateway-identity': GATEWAY,
        'mirror.linkerd.io/remote-svc-fq-name': 'catalog.shop.svc.west.example',
      },
    },
    endpoints: [{ addresses: ['172.18.0.5'], conditions: { ready: true } }],
    ports: [{ name: 'http', port: 4143 }],
  };
  // The pods of this cluster that take part, as they are in the Service itself.
  const own = slice('mesh-import-0123456789', [endpointOf('catalog-1', '10.42.0.1')], {
    name: 'own',
    labels: { 'multicluster.kubernetes.io/source-cluster': 'east' },
  });
  tables.pods.apply(pod('catalog-1', '10.42.0.1'));
  for (const one of [bridge, mesh, own]) tables.slices.apply(one);
  const add = addOf(get(tables, 'mesh-import-0123456789.shop.svc.cluster.local:80'));
  assert.deepEqual(add.metricLabels, {
    namespace: 'shop',
    service: 'mesh-import-0123456789',
    service_import: 'catalog',
  });
  assert.deepEqual(addresses(add), ['10.42.0.1:8080', '172.18.0.5:4143']);
  assert.equal(add.addrs[0]?.metricLabels['pod'], 'catalog-1');
  assert.deepEqual(add.addrs[1]?.authorityOverride, { authorityOverride: 'catalog.shop.svc.west.example:80' });
  assert.equal(add.addrs[1]?.metricLabels['target_cluster'], 'west');
  assert.equal(
    profileOf(tables, '10.43.0.77:80').fullyQualifiedName,
    'mesh-import-0123456789.shop.svc.cluster.local',
    'its address is that of any Service',
  );
});

test('clients of headless Services find pods of another cluster by address and by hostname', () => {
  const tables = cluster();
  addFlat(tables);
  const profile = profileOf(tables, '10.99.0.2:8080');
  assert.equal(nameOf(profile.endpoint), IDENTITY);
  assert.deepEqual(profile.endpoint?.protocolHint?.opaqueTransport, { inboundPort: 5143 });
  assert.equal(profile.endpoint?.metricLabels['target_cluster'], 'west');
  assert.equal(formatTcpAddress(profile.endpoint?.addr), '10.99.0.2:8080');
  assert.equal(nameOf(profileOf(tables, '10.99.0.2:9999').endpoint), undefined, 'what is not exported is not known');
  assert.deepEqual(addresses(addOf(get(tables, `db-1.${FLAT}`))), ['10.99.0.2:8080']);
  const byName = profileOf(tables, 'db-1.catalog-west.shop.svc.cluster.local:8080');
  assert.equal(formatTcpAddress(byName.endpoint?.addr), '10.99.0.2:8080');
  assert.equal(nameOf(byName.endpoint), IDENTITY);
});

test('a profile by address follows the slices of the mirror', () => {
  const tables = cluster();
  const subscriber = getProfile(tables, '10.99.0.1:8080');
  assert.equal(nameOf(subscriber.take()[0]?.endpoint), undefined);
  addFlat(tables);
  tables.queries.flush();
  assert.equal(nameOf(subscriber.take()[0]?.endpoint), IDENTITY);
  tables.slices.remove(flatSlice());
  tables.queries.flush();
  assert.equal(nameOf(subscriber.take()[0]?.endpoint), undefined);
});

test('an address that several clusters have is always the same cluster’s, and this one’s first', () => {
  const identityIn = (name: string): string => `catalog.shop.serviceaccount.identity.linkerd.${name}.example`;
  const from = (name: string) =>
    flatSlice({
      name: `from-${name}`,
      cluster: name,
      annotations: { 'federation.mesh.dev/identity': identityIn(name) },
    });
  for (const order of [
    ['west', 'north'],
    ['north', 'west'],
  ]) {
    const tables = cluster();
    tables.services.apply(flatService());
    for (const name of order) tables.slices.apply(from(name));
    const add = addOf(get(tables, FLAT));
    assert.deepEqual(addresses(add), ['10.99.0.1:8080', '10.99.0.2:8080']);
    for (const one of add.addrs) assert.equal(nameOf(one), identityIn('north'));
    assert.equal(nameOf(profileOf(tables, '10.99.0.1:8080').endpoint), identityIn('north'));
    tables.services.apply(service('catalog'));
    tables.services.apply(flatService({ 'multicluster.linkerd.io/local-discovery': 'catalog' }));
    tables.pods.apply(pod('catalog-1', '10.99.0.1'));
    tables.slices.apply(slice('catalog', [endpointOf('catalog-1', '10.99.0.1')]));
    const own = addOf(get(tables, FLAT)).addrs.find((one) => formatTcpAddress(one.addr) === '10.99.0.1:8080');
    assert.equal(own?.metricLabels['pod'], 'catalog-1');
    assert.equal(profileOf(tables, '10.99.0.1:8080').endpoint?.metricLabels['pod'], 'catalog-1');
  }
});

test('pods of another cluster stay whatever this cluster’s topology asks for', () => {
  const tables = cluster();
  addFlat(tables);
  tables.services.apply({ ...flatService(), spec: { ...flatService().spec, internalTrafficPolicy: 'Local' } });
  assert.deepEqual(addresses(addOf(get(tables, FLAT))), ['10.99.0.1:8080', '10.99.0.2:8080']);
});

function cluster(): ClusterTables {
  const tables = new ClusterTables((key, error) => {
    throw new Error(`computation ${key} failed`, { cause: error });
  });
  tables.nodes.apply(node('n1', 'a'));
  tables.queries.flush();
  return tables;
}

function flatService(annotations: Record<string, string> = {}) {
  return service('catalog-west', {
    clusterIP: '10.43.0.41',
    labels: {
      'multicluster.linkerd.io/remote-discovery': 'west',
      'multicluster.linkerd.io/remote-service': 'catalog',
      'mirror.linkerd.io/cluster-name': 'west',
    },
    annotations,
  });
}

function flatSlice(
  options: {
    readonly name?: string;
    readonly cluster?: string;
    readonly annotations?: Record<string, string>;
  } = {},
): EndpointSlice {
  const { name = 'catalog-west-1', cluster: from = 'west', annotations } = options;
  return slice(
    'catalog-west',
    [
      { addresses: ['10.99.0.1'], conditions: { ready: true }, hostname: 'db-0', zone: 'a' },
      { addresses: ['10.99.0.2'], conditions: { ready: true }, hostname: 'db-1' },
      { addresses: ['10.99.0.3'], conditions: { ready: false }, hostname: 'db-2' },
    ],
    {
      name,
      labels: { 'mirror.linkerd.io/cluster-name': from },
      annotations: {
        'federation.mesh.dev/identity': IDENTITY,
        'federation.mesh.dev/inbound-port': '5143',
        'mirror.linkerd.io/remote-svc-fq-name': `catalog.shop.svc.${from}.example`,
        ...annotations,
      },
    },
  );
}

function addFlat(tables: ClusterTables, options: { readonly annotations?: Record<string, string> } = {}): void {
  tables.services.apply(flatService());
  tables.slices.apply(flatSlice(options));
}

function sources(tables: ClusterTables) {
  const defaultOpaquePorts = parsePortSet('3306');
  assert.ok(defaultOpaquePorts instanceof PortSet);
  const config = { controlPlaneNamespace: 'linkerd', trustDomain: 'cluster.local', defaultOpaquePorts };
  return { tables, config: { ...config, enableH2Upgrade: true }, clusterDomain: 'cluster.local' };
}

function request(path: string): destination.GetDestination {
  return { scheme: 'k8s', path, contextToken: JSON.stringify({ nodeName: 'n1' }) };
}

function get(tables: ClusterTables, path: string): FakeSubscriber<destination.Update> {
  const subscriber = new FakeSubscriber<destination.Update>();
  watchEndpoints(request(path), subscriber, sources(tables), QUIET);
  return subscriber;
}

function getProfile(tables: ClusterTables, path: string): FakeSubscriber<destination.DestinationProfile> {
  const subscriber = new FakeSubscriber<destination.DestinationProfile>();
  watchProfile(request(path), subscriber, sources(tables), QUIET);
  return subscriber;
}

function profileOf(tables: ClusterTables, path: string): destination.DestinationProfile {
  const [message] = getProfile(tables, path).messages;
  assert.ok(message);
  return message;
}

function addOf(subscriber: FakeSubscriber<destination.Update>): destination.WeightedAddrSet {
  const update = subscriber.messages[0]?.update;
  assert.equal(update?.$case, 'add');
  return update.value;
}

function addresses(add: destination.WeightedAddrSet): (string | undefined)[] {
  return add.addrs.map((one) => formatTcpAddress(one.addr));
}

function nameOf(address: destination.WeightedAddr | undefined): string | undefined {
  const strategy = address?.tlsIdentity?.strategy;
  return strategy?.$case === 'dnsLikeIdentity' ? strategy.value.name : undefined;
}
