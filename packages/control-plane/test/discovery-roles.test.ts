import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { connect as connectTcp } from 'node:net';
import { afterEach, test } from 'node:test';

import * as fc from 'fast-check';

import { ENDPOINT_SLICES, EVENTS, NODES, PODS, SERVICES } from '@mesh/kube';
import { eventually } from '@mesh/kube/testing';
import { parsePortSet, PortSet } from '@mesh/model';
import { formatTcpAddress, tcpAddress } from '@mesh/proxy-api';

import { runPolicy } from '../src/policy/role.ts';
import type { RunningRole } from '../src/role.ts';
import {
  channelTo,
  COMMON,
  FakeCluster,
  GET,
  GET_PROFILE,
  PLAINTEXT_GRPC,
  Stream,
  UNUSED_IDENTITY,
  WATCH,
  WATCH_PORT,
} from '../src/testing/harness.ts';
import { endpointOf, node, pod, service, slice } from '../src/testing/objects.ts';
import { ALL_NETWORKS } from '../src/policy/default-policies.ts';
import { runDestination } from '../src/destination/role.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).toReversed()) await clean();
});

const BASE = { ...COMMON, ...PLAINTEXT_GRPC, identity: UNUSED_IDENTITY, trustAnchorsFile: '' };
const REQUEST = {
  scheme: 'k8s',
  path: 'catalog.shop.svc.cluster.local:80',
  contextToken: '{"ns":"shop","nodeName":"n1"}',
};

test('a proxy is told of endpoints as the cluster changes, and keeps being told after its API was away', async () => {
  const cluster = await shop();
  const role = await destinationOn(cluster);
  const channel = connected(role);
  using stream = new Stream(channel, GET, REQUEST);
  await eventually('the first endpoints', () => stream.messages.length === 1);
  const client = cluster.client();
  cluster.api.goDown();
  using during = new Stream(channel, GET, REQUEST);
  await eventually('answers from what is known', () => during.messages.length === 1);
  cluster.api.comeBack();
  await client.replace(ENDPOINT_SLICES, slice('catalog', [endpointOf('catalog-2', '10.42.0.2')]));
  await eventually('the change', () => stream.messages.some((message) => message.update?.$case === 'remove'));
  assert.equal(stream.interruptions, 0);
});

test('profiles and policies are served from the same cluster', async () => {
  const cluster = await shop();
  const destinationRole = await destinationOn(cluster);
  const policyRole = await policyOn(cluster);
  const [profiles, policies] = [connected(destinationRole), connected(policyRole)];
  using profile = new Stream(profiles, GET_PROFILE, { ...REQUEST, path: '10.43.0.10:80' });
  using inbound = new Stream(policies, WATCH_PORT, { workload: '{"ns":"shop","pod":"catalog-1"}', port: 8080 });
  const addr = tcpAddress('10.43.0.10', 80) ?? assert.fail();
  using outbound = new Stream(policies, WATCH, { sourceWorkload: '', target: { $case: 'addr', value: addr } });
  const unknown = tcpAddress('10.42.7.7', 80) ?? assert.fail();
  using none = new Stream(policies, WATCH, { sourceWorkload: '', target: { $case: 'addr', value: unknown } });
  await eventually(
    'all answers',
    () =>
      profile.messages.length > 0 &&
      inbound.messages.length > 0 &&
      outbound.messages.length > 0 &&
      none.terminal !== undefined,
  );
  assert.equal(profile.messages[0]?.fullyQualifiedName, 'catalog.shop.svc.cluster.local');
  assert.equal(inbound.messages[0]?.labels['name'], 'all-unauthenticated');
  assert.equal(outbound.messages[0]?.protocol?.kind?.$case, 'detect');
  assert.equal(none.terminal, 5);
});

test('annotations of a Service are policy at once, and a bad one is told on the Service while the rest holds', async () => {
  const cluster = await shop();
  const client = cluster.client();
  const channel = connected(await policyOn(cluster));
  const addr = tcpAddress('10.43.0.10', 80) ?? assert.fail();
  using stream = new Stream(channel, WATCH, { sourceWorkload: '', target: { $case: 'addr', value: addr } });
  await eventually('the policy without annotations', () => stream.messages.length === 1);
  const annotations = {
    'retry.linkerd.io/http': '5xx',
    'retry.linkerd.io/limit': 'three',
    'timeout.linkerd.io/request': '2s',
    'balancer.linkerd.io/failure-accrual': 'unified',
  };
  await client.replace(SERVICES, service('catalog', { annotations }));
  await eventually('the policy with annotations', () => stream.messages.length === 2);
  const kind = stream.messages[1]?.protocol?.kind;
  assert.ok(kind?.$case === 'detect');
  for (const http of [kind.value.http1, kind.value.http2]) {
    const rule = http?.routes[0]?.rules[0];
    assert.equal(rule?.retry?.maxRetries, 1, 'the default, as the limit cannot be read');
    assert.deepEqual(rule.retry.conditions?.statusRanges, [{ start: 500, end: 599 }]);
    assert.equal(rule.timeouts?.request?.seconds, 2n);
    assert.equal(http?.failureAccrual?.kind?.$case, 'unified');
  }
  const [event] = await eventually('the event', async () => {
    const { items } = await client.list(EVENTS, { namespace: 'shop' });
    return items.length > 0 ? items : undefined;
  });
  assert.equal(event?.type, 'Warning');
  assert.equal(event?.reason, 'InvalidPolicyAnnotation');
  assert.deepEqual([event?.involvedObject.kind, event?.involvedObject.name], ['Service', 'catalog']);
  assert.match(event?.message ?? '', /retry\.linkerd\.io\/limit="three": write a whole number from 0 to 65535/);
});

test('a thousand endpoints arrive complete in the first message', async () => {
  const cluster = await shop();
  const client = cluster.client();
  for (let part = 0; part < 10; part += 1) {
    const endpoints = Array.from({ length: 100 }, (_, index) => ({
      addresses: [`10.50.${part}.${index + 1}`],
      conditions: { ready: true },
    }));
    await client.create(ENDPOINT_SLICES, slice('catalog', endpoints, { name: `catalog-x${part}` }));
  }
  const channel = connected(await destinationOn(cluster));
  using stream = new Stream(channel, GET, REQUEST);
  const first = await eventually('the first message', () => stream.messages[0]);
  assert.equal(first.update?.$case === 'add' && first.update.value.addrs.length, 1002);
  assert.ok(
    first.update?.$case === 'add' && first.update.value.addrs.every((one) => formatTcpAddress(one.addr) !== undefined),
  );
});

test('metrics count streams, and a stop ends them at once so that clients go elsewhere', async () => {
  const cluster = await shop();
  const role = await destinationOn(cluster);
  const channel = connected(role);
  using stream = new Stream(channel, GET, REQUEST);
  await eventually('the first endpoints', () => stream.messages.length === 1);
  const text = await (await fetch(`http://127.0.0.1:${role.adminPort}/metrics`)).text();
  assert.match(text, /mesh_control_streams_open\{method="get"\} 1\n/);
  assert.match(text, /mesh_control_staleness_seconds 0\n/);
  const before = performance.now();
  await role[Symbol.asyncDispose]();
  assert.ok(performance.now() - before < 2_500);
  await eventually('the interruption', () => stream.interruptions > 0);
});

test('an unknown method is Unimplemented', async () => {
  const role = await destinationOn(await shop());
  const session = connectHttp2(`http://127.0.0.1:${role.port}`);
  cleanups.push(() => session.destroy());
  const call = session.request({ ':method': 'POST', ':path': '/no.Such/Method', 'content-type': 'application/grpc' });
  const headers = await new Promise<Record<string, unknown>>((resolve) => call.on('response', resolve));
  assert.equal(headers['grpc-status'], '12');
});

test('connections full of garbage harm nobody', async () => {
  const role = await destinationOn(await shop());
  const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
  await fc.assert(
    fc.asyncProperty(fc.boolean(), fc.uint8Array({ minLength: 1, maxLength: 500 }), async (withPreface, bytes) => {
      const socket = connectTcp(role.port, '127.0.0.1');
      socket.on('error', () => undefined);
      if (withPreface) socket.write(preface);
      socket.write(bytes);
      socket.end();
      socket.resume();
      await once(socket, 'close');
    }),
    { numRuns: 50 },
  );
  using stream = new Stream(connected(role), GET, REQUEST);
  await eventually('an answer', () => stream.messages.length === 1);
});

test('a message that cannot be read ends its stream alone', async () => {
  const role = await destinationOn(await shop());
  const session = connectHttp2(`http://127.0.0.1:${role.port}`);
  cleanups.push(() => session.destroy());
  const path = '/io.linkerd.proxy.destination.Destination/Get';
  const call = session.request({
    ':method': 'POST',
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  call.resume();
  // A length-prefixed message whose first field never ends.
  call.end(Buffer.from([0, 0, 0, 0, 2, 0x0a, 0xff]));
  const [trailers] = (await Promise.race([once(call, 'trailers'), once(call, 'response')])) as [
    Record<string, unknown>,
  ];
  assert.equal(trailers['grpc-status'], '13');
  using stream = new Stream(connected(role), GET, REQUEST);
  await eventually('an answer', () => stream.messages.length === 1);
});

async function shop(): Promise<FakeCluster> {
  const cluster = new FakeCluster();
  const client = cluster.client();
  await client.create(NODES, node('n1', 'a'));
  await client.create(SERVICES, service('catalog'));
  await client.create(PODS, pod('catalog-1', '10.42.0.1'));
  await client.create(PODS, pod('catalog-2', '10.42.0.2'));
  await client.create(
    ENDPOINT_SLICES,
    slice('catalog', [endpointOf('catalog-1', '10.42.0.1'), endpointOf('catalog-2', '10.42.0.2')]),
  );
  return cluster;
}

async function destinationOn(cluster: FakeCluster): Promise<RunningRole> {
  const endpoints = {
    controlPlaneNamespace: 'linkerd',
    trustDomain: 'cluster.local',
    defaultOpaquePorts: ports(''),
    enableH2Upgrade: false,
  };
  const role = await runDestination({ ...BASE, endpoints }, cluster.deps(), new AbortController().signal);
  cleanups.push(() => role[Symbol.asyncDispose]());
  return role;
}

async function policyOn(cluster: FakeCluster): Promise<RunningRole> {
  const policy = {
    clusterDomain: 'cluster.local',
    clusterNetworks: ALL_NETWORKS,
    defaultPolicy: 'all-unauthenticated',
    defaultOpaquePorts: ports(''),
    probeNetworks: ALL_NETWORKS,
  } as const;
  const role = await runPolicy({ ...BASE, policy }, cluster.deps(), new AbortController().signal);
  cleanups.push(() => role[Symbol.asyncDispose]());
  return role;
}

function connected(role: RunningRole): ReturnType<typeof channelTo> {
  const channel = channelTo(role.port);
  cleanups.push(() => channel.close());
  return channel;
}

function ports(text: string): PortSet {
  const set = parsePortSet(text);
  assert.ok(set instanceof PortSet);
  return set;
}
