import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { Endpoint, EndpointSlice } from '@mesh/kube';
import { PortSet } from '@mesh/model';
import type { destination } from '@mesh/proxy-api';
import { formatTcpAddress } from '@mesh/proxy-api';

import { ClusterTables } from '../live/cluster-tables.ts';
import { FakeSubscriber } from '../testing/fake-subscriber.ts';
import { endpointOf, node, pod, service, slice } from '../testing/objects.ts';
import { watchEndpoints } from './service.ts';

const QUIET = { opened: () => ({ [Symbol.dispose]: () => undefined }), sent: () => undefined };
const IDENTITY = 'linkerd-gateway.linkerd-multicluster.serviceaccount.identity.linkerd.cluster.local';
const MIRROR = 'catalog-west';
const UNION = 'catalog-federated';

const [NEAR, FAR, OTHER] = ['192.0.2.1', '192.0.2.2', '192.0.2.3'];

/** An address of a gateway as the mirror writes it. */
function gateway(ip: string, zone?: string, ready = true): Endpoint {
  return {
    addresses: [ip],
    conditions: { ready, serving: ready, terminating: false },
    ...(zone === undefined ? {} : { zone }),
    ...(zone === undefined || !ready ? {} : { hints: { forZones: [{ name: zone }] } }),
  };
}

function gatewaySlice(serviceName: string, cluster: string, endpoints: readonly Endpoint[]): EndpointSlice {
  return slice(serviceName, endpoints, {
    name: `${serviceName}-${cluster}`,
    labels: { 'mirror.linkerd.io/cluster-name': cluster },
    annotations: {
      'mirror.linkerd.io/remote-gateway-identity': IDENTITY,
      'mirror.linkerd.io/remote-svc-fq-name': `catalog.shop.svc.${cluster}.example`,
    },
    ports: [{ name: 'http', port: 4143 }],
  });
}

/** A cluster whose node `n1` is in zone a, `n2` in zone b. */
function cluster(...slices: readonly EndpointSlice[]): ClusterTables {
  const tables = new ClusterTables((key, error) => {
    throw new Error(`computation ${key} failed`, { cause: error });
  });
  tables.nodes.apply(node('n1', 'a'));
  tables.nodes.apply(node('n2', 'b'));
  for (const name of [MIRROR, UNION]) tables.services.apply(service(name));
  for (const one of slices) tables.slices.apply(one);
  tables.queries.flush();
  return tables;
}

function watch(tables: ClusterTables, name: string, nodeName: string): FakeSubscriber<destination.Update> {
  const subscriber = new FakeSubscriber<destination.Update>();
  const config = { controlPlaneNamespace: 'linkerd', trustDomain: 'cluster.local', enableH2Upgrade: true };
  const sources = { tables, config: { ...config, defaultOpaquePorts: PortSet.EMPTY }, clusterDomain: 'cluster.local' };
  const path = `${name}.shop.svc.cluster.local:80`;
  watchEndpoints({ scheme: 'k8s', path, contextToken: JSON.stringify({ nodeName }) }, subscriber, sources, QUIET);
  return subscriber;
}

/** Addresses that a client has after these messages, without their ports. */
function known(messages: readonly destination.Update[], before: readonly string[] = []): readonly string[] {
  const ips = new Set(before);
  const ipOf = (addr: Parameters<typeof formatTcpAddress>[0]): string => formatTcpAddress(addr)?.split(':')[0] ?? '';
  for (const { update } of messages) {
    if (update?.$case === 'add') for (const { addr } of update.value.addrs) ips.add(ipOf(addr));
    if (update?.$case === 'remove') for (const addr of update.value.addrs) ips.delete(ipOf(addr));
  }
  return [...ips].sort();
}

function seen(tables: ClusterTables, name: string, nodeName: string): readonly string[] {
  const subscriber = watch(tables, name, nodeName);
  subscriber.close();
  return known(subscriber.messages);
}

test('of the addresses of a gateway a client gets those of its own zone', () => {
  const tables = cluster(gatewaySlice(MIRROR, 'west', [gateway(NEAR, 'a'), gateway(FAR, 'b'), gateway(OTHER, 'b')]));
  assert.deepEqual(seen(tables, MIRROR, 'n1'), [NEAR]);
  assert.deepEqual(seen(tables, MIRROR, 'n2'), [FAR, OTHER]);
});

test('a client gets all addresses where none is in its zone, where its zone is not known, and where one tells no zone', () => {
  const both = [gateway(NEAR, 'c'), gateway(FAR, 'b')];
  assert.deepEqual(seen(cluster(gatewaySlice(MIRROR, 'west', both)), MIRROR, 'n1'), [NEAR, FAR]);
  assert.deepEqual(seen(cluster(gatewaySlice(MIRROR, 'west', both)), MIRROR, 'nobody'), [NEAR, FAR]);
  const one = [gateway(NEAR, 'a'), gateway(FAR)];
  assert.deepEqual(seen(cluster(gatewaySlice(MIRROR, 'west', one)), MIRROR, 'n1'), [NEAR, FAR]);
});

test('a near gateway that dies gives way to the others, and is the only one again when it is back', () => {
  const state = (isNearAlive: boolean) =>
    gatewaySlice(MIRROR, 'west', [gateway(NEAR, 'a', isNearAlive), gateway(FAR, 'b'), gateway(OTHER, 'b')]);
  const tables = cluster(state(true));
  const subscriber = watch(tables, MIRROR, 'n1');
  const before = known(subscriber.take());
  assert.deepEqual(before, [NEAR]);
  tables.slices.apply(state(false));
  tables.queries.flush();
  const meanwhile = known(subscriber.take(), before);
  assert.deepEqual(meanwhile, [FAR, OTHER]);
  tables.slices.apply(state(true));
  tables.queries.flush();
  assert.deepEqual(known(subscriber.take(), meanwhile), [NEAR]);
});

test('a client learns of its zone when its node gets the label', () => {
  const tables = cluster(gatewaySlice(MIRROR, 'west', [gateway(NEAR, 'a'), gateway(FAR, 'b')]));
  const subscriber = watch(tables, MIRROR, 'late');
  const before = known(subscriber.take());
  assert.deepEqual(before, [NEAR, FAR]);
  tables.nodes.apply(node('late', 'b'));
  tables.queries.flush();
  assert.deepEqual(known(subscriber.take(), before), [FAR]);
});

test('zones choose among the gateways of one cluster, and take neither another cluster nor a pod of this one out of a union', () => {
  const tables = cluster(
    gatewaySlice(UNION, 'west', [gateway(NEAR, 'a'), gateway(FAR, 'b')]),
    gatewaySlice(UNION, 'north', [gateway(OTHER)]),
  );
  tables.pods.apply(pod('catalog-1', '10.42.0.1', { spec: { nodeName: 'n2' } }));
  tables.services.apply(service('catalog'));
  tables.slices.apply(slice('catalog', [endpointOf('catalog-1', '10.42.0.1', { nodeName: 'n2' })]));
  tables.services.apply(service(UNION, { annotations: { 'multicluster.linkerd.io/local-discovery': 'catalog' } }));
  tables.queries.flush();
  assert.deepEqual(seen(tables, UNION, 'n1'), ['10.42.0.1', NEAR, OTHER]);
  assert.deepEqual(seen(tables, UNION, 'n2'), ['10.42.0.1', FAR, OTHER]);
});

test("hints of this cluster's own endpoints do not depend on what gateways tell", () => {
  const hinted = (name: string, ip: string, zone: string) =>
    endpointOf(name, ip, { hints: { forZones: [{ name: zone }] } });
  const tables = cluster(gatewaySlice(UNION, 'west', [gateway(NEAR)]));
  for (const [name, ip] of [
    ['catalog-1', '10.42.0.1'],
    ['catalog-2', '10.42.0.2'],
  ] as const) {
    tables.pods.apply(pod(name, ip));
  }
  tables.slices.apply(slice(UNION, [hinted('catalog-1', '10.42.0.1', 'a'), hinted('catalog-2', '10.42.0.2', 'b')]));
  tables.queries.flush();
  assert.deepEqual(seen(tables, UNION, 'n1'), ['10.42.0.1', NEAR]);
});
