import assert from 'node:assert/strict';
import { test } from 'node:test';

import { parsePortSet, PortSet } from '@mesh/model';
import type { destination } from '@mesh/proxy-api';
import { formatTcpAddress } from '@mesh/proxy-api';

import { ClusterTables, trimPod } from '../live/cluster-tables.ts';
import { status } from '../serving/call.ts';
import { FakeSubscriber } from '../testing/fake-subscriber.ts';
import { endpointOf, node, pod, service, slice } from '../testing/objects.ts';
import { watchEndpoints, watchProfile } from './service.ts';

const CONFIG = {
  controlPlaneNamespace: 'linkerd',
  trustDomain: 'cluster.local',
  defaultOpaquePorts: portSet('3306,4444'),
  enableH2Upgrade: false,
};
const QUIET = { opened: () => ({ [Symbol.dispose]: () => undefined }), sent: () => undefined };
const CATALOG = 'catalog.shop.svc.cluster.local:80';

test('the first message holds every ready endpoint with identity, hints and labels', () => {
  const tables = shop();
  const { messages } = get(tables, CATALOG, { nodeName: 'n1' });
  const add = addOf(messages[0]);
  assert.equal(messages.length, 1);
  assert.deepEqual(add.metricLabels, { namespace: 'shop', service: 'catalog' });
  assert.deepEqual(addresses(add), ['10.42.0.1:8080', '10.42.0.2:8080']);
  const [first] = add.addrs;
  assert.equal(first?.weight, 10_000);
  const name = 'catalog.shop.serviceaccount.identity.linkerd.cluster.local';
  assert.deepEqual(first?.tlsIdentity, {
    strategy: { $case: 'dnsLikeIdentity', value: { name } },
    serverName: { name },
  });
  assert.deepEqual(first?.protocolHint, { protocol: undefined, opaqueTransport: { inboundPort: 4143 } });
  assert.deepEqual(first?.metricLabels, {
    pod: 'catalog-1',
    serviceaccount: 'catalog',
    control_plane_ns: 'linkerd',
    zone: 'a',
    zone_locality: 'local',
  });
  assert.equal(add.addrs[1]?.metricLabels['zone_locality'], 'remote');
});

test('changes arrive as differences, and nothing is sent when nothing about the endpoints changed', () => {
  const tables = shop();
  const subscriber = get(tables, CATALOG);
  subscriber.take();
  tables.pods.apply(pod('catalog-1', '10.42.0.1'));
  tables.services.apply(service('catalog', { labels: { touched: 'yes' } }));
  tables.queries.flush();
  assert.deepEqual(subscriber.take(), []);
  tables.pods.apply(pod('catalog-3', '10.42.0.3', { spec: { nodeName: 'n2' } }));
  tables.slices.apply(
    slice('catalog', [endpointOf('catalog-1', '10.42.0.1'), endpointOf('catalog-3', '10.42.0.3', { nodeName: 'n2' })]),
  );
  tables.queries.flush();
  const [add, remove] = subscriber.take();
  assert.deepEqual(addresses(addOf(add)), ['10.42.0.3:8080']);
  assert.deepEqual(remove?.update?.$case === 'remove' && remove.update.value.addrs.map(formatTcpAddress), [
    '10.42.0.2:8080',
  ]);
});

test('an endpoint is sent again when its pod becomes meshed', () => {
  const tables = shop();
  tables.pods.apply(pod('catalog-1', '10.42.0.1', { labels: {} }));
  const subscriber = get(tables, CATALOG);
  assert.equal(addOf(subscriber.take()[0]).addrs[0]?.tlsIdentity, undefined);
  tables.pods.apply(pod('catalog-1', '10.42.0.1'));
  tables.queries.flush();
  const add = addOf(subscriber.take()[0]);
  assert.deepEqual(addresses(add), ['10.42.0.1:8080']);
  assert.notEqual(add.addrs[0]?.tlsIdentity, undefined);
});

test('pods of another control plane and skipped ports get no identity', () => {
  const tables = shop();
  tables.pods.apply(pod('catalog-1', '10.42.0.1', { labels: { 'linkerd.io/control-plane-ns': 'other' } }));
  tables.pods.apply(
    pod('catalog-2', '10.42.0.2', { annotations: { 'config.linkerd.io/skip-inbound-ports': '8000-8100' } }),
  );
  const [other, skipped] = addOf(get(tables, CATALOG).messages[0]).addrs;
  assert.equal(other?.tlsIdentity, undefined);
  assert.notEqual(other?.protocolHint, undefined);
  assert.equal(skipped?.tlsIdentity, undefined);
  assert.equal(skipped?.protocolHint, undefined);
});

test('opaque ports come from the pod’s annotation, by number or name, else from the defaults', () => {
  const tables = shop();
  tables.pods.apply(pod('catalog-1', '10.42.0.1', { annotations: { 'config.linkerd.io/opaque-ports': 'http' } }));
  const [opaque, plain] = addOf(get(tables, CATALOG).messages[0]).addrs;
  assert.equal(opaque?.protocolHint?.protocol?.$case, 'opaque');
  assert.equal(plain?.protocolHint?.protocol, undefined);
});

test('a Service without endpoints says so at once', () => {
  const tables = shop();
  tables.slices.apply(slice('catalog', [endpointOf('catalog-1', '10.42.0.1', { conditions: { ready: false } })]));
  const subscriber = get(tables, CATALOG);
  assert.deepEqual(subscriber.take(), [{ update: { $case: 'noEndpoints', value: { exists: true } } }]);
  tables.slices.apply(slice('catalog', [endpointOf('catalog-1', '10.42.0.1')]));
  tables.queries.flush();
  assert.deepEqual(addresses(addOf(subscriber.take()[0])), ['10.42.0.1:8080']);
});

test('a missing Service is NotFound; one that goes away empties its clients and fills them when it returns', () => {
  const tables = shop();
  assert.equal(get(tables, 'nothing.shop.svc.cluster.local:80').failure?.code, status.NOT_FOUND);
  const subscriber = get(tables, CATALOG);
  subscriber.take();
  tables.services.remove(service('catalog'));
  tables.queries.flush();
  assert.deepEqual(subscriber.take(), [{ update: { $case: 'noEndpoints', value: { exists: false } } }]);
  tables.services.apply(service('catalog'));
  tables.queries.flush();
  assert.deepEqual(addresses(addOf(subscriber.take()[0])), ['10.42.0.1:8080', '10.42.0.2:8080']);
});

test('what is no cluster name is InvalidArgument', () => {
  const tables = shop();
  tables.services.apply(service('outside', { spec: { type: 'ExternalName', externalName: 'example.com' } }));
  for (const path of [
    '',
    'example.com:80',
    '10.42.0.1:80',
    'a.b.c.d.svc.cluster.local',
    'catalog.shop.svc.cluster.local:0',
    'outside.shop.svc.cluster.local',
  ]) {
    assert.equal(get(tables, path).failure?.code, status.INVALID_ARGUMENT, path);
  }
});

test('named target ports follow each slice, and a port that the Service lacks is taken as it is', () => {
  const tables = shop();
  tables.services.apply(service('catalog', { ports: [{ name: 'web', port: 80, targetPort: 'http' }] }));
  tables.slices.apply(
    slice('catalog', [endpointOf('catalog-1', '10.42.0.1')], { ports: [{ name: 'web', port: 9090 }] }),
  );
  assert.deepEqual(addresses(addOf(get(tables, CATALOG).messages[0])), ['10.42.0.1:9090']);
  assert.deepEqual(addresses(addOf(get(tables, 'catalog.shop.svc.cluster.local:81').messages[0])), ['10.42.0.1:81']);
});

test('a headless Service answers for one pod by hostname', () => {
  const tables = shop();
  tables.slices.apply(
    slice('catalog', [
      endpointOf('catalog-1', '10.42.0.1', { hostname: 'db-0' }),
      endpointOf('catalog-2', '10.42.0.2'),
    ]),
  );
  assert.deepEqual(addresses(addOf(get(tables, `db-0.${CATALOG}`).messages[0])), ['10.42.0.1:8080']);
});

test('zone hints keep a client in its zone, unless one endpoint has none or none is meant for it', () => {
  const tables = shop();
  const hinted = (name: string, ip: string, zone: string) =>
    endpointOf(name, ip, { hints: { forZones: [{ name: zone }] } });
  tables.slices.apply(slice('catalog', [hinted('catalog-1', '10.42.0.1', 'a'), hinted('catalog-2', '10.42.0.2', 'b')]));
  const seenFrom = (nodeName: string) => addresses(addOf(get(tables, CATALOG, { nodeName }).messages[0]));
  assert.deepEqual(seenFrom('n1'), ['10.42.0.1:8080']);
  assert.deepEqual(seenFrom('n2'), ['10.42.0.2:8080']);
  assert.deepEqual(seenFrom('unknown'), ['10.42.0.1:8080', '10.42.0.2:8080']);
  tables.slices.apply(slice('catalog', [hinted('catalog-1', '10.42.0.1', 'a'), endpointOf('catalog-2', '10.42.0.2')]));
  assert.deepEqual(seenFrom('n1'), ['10.42.0.1:8080', '10.42.0.2:8080']);
});

test('internalTrafficPolicy Local keeps a client on its node', () => {
  const tables = shop();
  tables.services.apply(service('catalog', { spec: { internalTrafficPolicy: 'Local' } }));
  assert.deepEqual(addresses(addOf(get(tables, CATALOG, { nodeName: 'n2' }).messages[0])), ['10.42.0.2:8080']);
});

test('a mirror leads through its gateway, with the gateway’s identity and the name behind it', () => {
  const tables = shop();
  addMirror(tables);
  const add = addOf(get(tables, 'catalog-west.shop.svc.cluster.local:80').messages[0]);
  assert.deepEqual(add.metricLabels, {
    namespace: 'shop',
    service: 'catalog-west',
    target_cluster: 'west',
    target_service: 'catalog',
    target_service_namespace: 'shop',
  });
  assert.deepEqual(addresses(add), ['172.18.0.5:4143']);
  assert.deepEqual(add.addrs[0]?.tlsIdentity, {
    strategy: { $case: 'dnsLikeIdentity', value: { name: GATEWAY } },
    serverName: undefined,
  });
  assert.deepEqual(add.addrs[0]?.authorityOverride, { authorityOverride: 'catalog.shop.svc.west.local:80' });
  assert.equal(add.addrs[0]?.protocolHint, undefined);
});

test('a federated Service is the union of its local member and of members behind gateways', () => {
  const tables = shop();
  tables.services.apply(
    service('catalog-federated', {
      clusterIP: '10.43.0.30',
      annotations: { 'multicluster.linkerd.io/local-discovery': 'catalog' },
    }),
  );
  tables.slices.apply(gatewaySlice('catalog-federated'));
  const subscriber = get(tables, 'catalog-federated.shop.svc.cluster.local:80', { nodeName: 'n1' });
  const add = addOf(subscriber.take()[0]);
  assert.deepEqual(new Set(addresses(add)), new Set(['10.42.0.1:8080', '10.42.0.2:8080', '172.18.0.5:4143']));
  const remote = add.addrs.find((one) => formatTcpAddress(one.addr) === '172.18.0.5:4143');
  assert.equal(remote?.metricLabels['target_cluster'], 'west');
  tables.slices.apply(slice('catalog', []));
  tables.queries.flush();
  const [update] = subscriber.take();
  assert.equal(update?.update?.$case === 'remove' && update.update.value.addrs.length, 2);
});

test('objects as sparse as the API sends them are read without harm', () => {
  const tables = shop();
  const metadata = { name: 'sparse', namespace: 'shop', labels: { 'kubernetes.io/service-name': 'sparse' } };
  for (const spec of [undefined, null, {}, { ports: null, clusterIP: 'None' }]) {
    tables.services.apply({ metadata, spec } as never);
    for (const parts of [
      {},
      { endpoints: null, ports: null },
      { endpoints: [{ addresses: ['10.0.0.1'], conditions: null, targetRef: null }] },
    ]) {
      tables.slices.apply({ metadata, addressType: 'IPv4', ...parts } as never);
      tables.queries.flush();
      const subscriber = get(tables, 'sparse.shop.svc.cluster.local:80');
      assert.equal(subscriber.messages.length, 1);
      subscriber.close();
      getProfile(tables, 'sparse.shop.svc.cluster.local:80').close();
    }
  }
  for (const object of [
    { metadata: { name: 'p', namespace: 'shop' }, spec: {} },
    {
      metadata: { name: 'p', namespace: 'shop', labels: null, annotations: null },
      spec: { containers: [{ name: 'a', ports: null, env: null }] },
      status: {},
    },
    {
      metadata: { name: 'p', namespace: 'shop' },
      spec: { containers: null, initContainers: null },
      status: { podIP: '10.0.0.9', podIPs: null, phase: 'Running' },
    },
  ]) {
    tables.pods.apply(trimPod(object as never));
    getProfile(tables, '10.0.0.9:80').close();
  }
});

test('a slow client gets the newest state, not every state', () => {
  const tables = shop();
  const subscriber = new FakeSubscriber<destination.Update>();
  subscriber.keepsUp = false;
  watchEndpoints(request(CATALOG), subscriber, sources(tables), QUIET);
  for (let round = 0; round < 50; round += 1) {
    tables.slices.apply(slice('catalog', [endpointOf('catalog-1', `10.42.1.${round + 1}`)]));
    tables.queries.flush();
  }
  assert.equal(subscriber.take().length, 1);
  subscriber.drain();
  const [add, remove] = subscriber.take();
  assert.deepEqual(addresses(addOf(add)), ['10.42.1.50:8080']);
  assert.equal(remove?.update?.$case === 'remove' && remove.update.value.addrs.length, 2);
});

test('clients of one Service share one computation, and leave nothing behind', () => {
  const tables = shop();
  const clients = Array.from({ length: 5 }, () => get(tables, CATALOG, { nodeName: 'n1' }));
  assert.equal(tables.queries.size, 2);
  for (const client of clients) client.close();
  assert.equal(tables.queries.size, 0);
});

test('a profile by cluster IP names the Service and says whether its port is opaque', () => {
  const tables = shop();
  tables.services.apply(service('db', { clusterIP: '10.43.0.20', ports: [{ port: 3306 }, { port: 5555 }] }));
  const profile = profileOf(tables, '10.43.0.20:3306');
  assert.equal(profile.fullyQualifiedName, 'db.shop.svc.cluster.local');
  assert.equal(profile.opaqueProtocol, true);
  assert.equal(profile.retryBudget?.minRetriesPerSecond, 10);
  assert.equal(profileOf(tables, '10.43.0.20:5555').opaqueProtocol, false);
  assert.equal(profileOf(tables, '10.43.0.20:1').fullyQualifiedName, '');
  tables.services.apply(
    service('db', {
      clusterIP: '10.43.0.20',
      ports: [{ port: 3306 }],
      annotations: { 'config.linkerd.io/opaque-ports': '' },
    }),
  );
  assert.equal(profileOf(tables, '10.43.0.20:3306').opaqueProtocol, false);
});

test('a profile by pod IP carries the pod as endpoint; an unknown address carries itself', () => {
  const tables = shop();
  const own = profileOf(tables, '10.42.0.1:8080').endpoint;
  assert.equal(own?.metricLabels['namespace'], 'shop');
  assert.notEqual(own?.tlsIdentity, undefined);
  const unknown = profileOf(tables, '10.42.9.9:8080').endpoint;
  assert.equal(formatTcpAddress(unknown?.addr), '10.42.9.9:8080');
  assert.equal(unknown?.tlsIdentity, undefined);
  tables.pods.apply(pod('over', '10.42.9.9', { phase: 'Succeeded' }));
  assert.equal(profileOf(tables, '10.42.9.9:8080').endpoint?.tlsIdentity, undefined);
  tables.pods.apply(pod('twin', '10.42.0.1'));
  assert.equal(getProfile(tables, '10.42.0.1:8080').failure?.code, status.FAILED_PRECONDITION);
});

test('a profile follows the address when it becomes a Service', () => {
  const tables = shop();
  const subscriber = getProfile(tables, '10.43.0.99:80');
  subscriber.take();
  tables.services.apply(service('late', { clusterIP: '10.43.0.99' }));
  tables.queries.flush();
  assert.equal(subscriber.take()[0]?.fullyQualifiedName, 'late.shop.svc.cluster.local');
});

const GATEWAY = 'linkerd-gateway.linkerd-multicluster.serviceaccount.identity.linkerd.cluster.local';

function shop(): ClusterTables {
  const tables = new ClusterTables(throwError);
  tables.nodes.apply(node('n1', 'a'));
  tables.nodes.apply(node('n2', 'b'));
  tables.services.apply(service('catalog'));
  tables.pods.apply(pod('catalog-1', '10.42.0.1'));
  tables.pods.apply(pod('catalog-2', '10.42.0.2', { spec: { nodeName: 'n2' } }));
  tables.slices.apply(
    slice('catalog', [endpointOf('catalog-1', '10.42.0.1'), endpointOf('catalog-2', '10.42.0.2', { nodeName: 'n2' })]),
  );
  tables.queries.flush();
  return tables;
}

function gatewaySlice(serviceName: string) {
  return slice(serviceName, [{ addresses: ['172.18.0.5'], conditions: { ready: true } }], {
    name: `${serviceName}-west`,
    labels: { 'mirror.linkerd.io/cluster-name': 'west' },
    annotations: {
      'mirror.linkerd.io/remote-gateway-identity': GATEWAY,
      'mirror.linkerd.io/remote-svc-fq-name': 'catalog.shop.svc.west.local',
    },
    ports: [{ name: 'http', port: 4143 }],
  });
}

function addMirror(tables: ClusterTables): void {
  tables.services.apply(
    service('catalog-west', {
      clusterIP: '10.43.0.40',
      labels: { 'mirror.linkerd.io/cluster-name': 'west' },
      annotations: { 'mirror.linkerd.io/remote-svc-fq-name': 'catalog.shop.svc.west.local' },
    }),
  );
  tables.slices.apply(gatewaySlice('catalog-west'));
}

function sources(tables: ClusterTables) {
  return { tables, config: CONFIG, clusterDomain: 'cluster.local' };
}

function request(path: string, context: object = {}): destination.GetDestination {
  return { scheme: 'k8s', path, contextToken: JSON.stringify(context) };
}

function get(tables: ClusterTables, path: string, context: object = {}): FakeSubscriber<destination.Update> {
  const subscriber = new FakeSubscriber<destination.Update>();
  watchEndpoints(request(path, context), subscriber, sources(tables), QUIET);
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

function addOf(update: destination.Update | undefined): destination.WeightedAddrSet {
  assert.equal(update?.update?.$case, 'add');
  return update?.update?.$case === 'add' ? update.update.value : { addrs: [], metricLabels: {} };
}

function addresses(add: destination.WeightedAddrSet): (string | undefined)[] {
  return add.addrs.map((one) => formatTcpAddress(one.addr));
}

function portSet(text: string): PortSet {
  const set = parsePortSet(text);
  assert.ok(set instanceof PortSet);
  return set;
}

function throwError(key: string, error: unknown): never {
  throw new Error(`computation ${key} failed`, { cause: error });
}
