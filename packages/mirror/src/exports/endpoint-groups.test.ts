import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Endpoint, EndpointSlice, Pod } from '@mesh/kube';
import { endpointGroups, hasReady } from './endpoint-groups.ts';
import type { EndpointGroup } from './endpoint-groups.ts';

interface PodOptions {
  readonly annotations?: Readonly<Record<string, string>>;
  readonly controlPlane?: string;
  readonly listen?: string;
}

function pod(name: string, { annotations = {}, controlPlane = 'linkerd', listen }: PodOptions = {}): Pod {
  const env = listen === undefined ? [] : [{ name: 'LINKERD2_PROXY_INBOUND_LISTEN_ADDR', value: listen }];
  return {
    metadata: {
      name,
      namespace: 'shop',
      uid: `uid-${name}`,
      annotations,
      labels: controlPlane === '' ? {} : { 'linkerd.io/control-plane-ns': controlPlane },
    },
    spec: {
      serviceAccountName: 'catalog',
      containers: [{ name: 'app', ports: [{ name: 'admin', containerPort: 9000 }] }],
      initContainers: [{ name: 'linkerd-proxy', env }],
    },
  };
}

function endpoint(name: string, address: string, more: Partial<Endpoint> = {}): Endpoint {
  return { addresses: [address], targetRef: { kind: 'Pod', namespace: 'shop', name, uid: `uid-${name}` }, ...more };
}

function slice(endpoints: readonly Endpoint[], more: Partial<EndpointSlice> = {}): EndpointSlice {
  const ports = [
    { name: 'http', port: 8080 },
    { name: 'admin', port: 9000 },
  ];
  return { metadata: { name: 'catalog-abc', namespace: 'shop' }, addressType: 'IPv4', endpoints, ports, ...more };
}

function groupsOf(
  slices: readonly EndpointSlice[],
  pods: readonly Pod[] = [],
  isAllowed: (port: string) => boolean = () => true,
): readonly EndpointGroup[] {
  const byKey = new Map(pods.map((one) => [`shop/${one.metadata.name}`, one]));
  return endpointGroups(
    {
      slices,
      pod: (key) => byKey.get(key),
      zone: (node) => (node === 'node-1' ? 'zone-a' : undefined),
      controlPlaneNamespace: 'linkerd',
      trustDomain: 'cluster.local',
    },
    isAllowed,
  );
}

test('a meshed pod comes with its identity and the ports of its sidecar', () => {
  const annotations = { 'config.linkerd.io/opaque-ports': '5432,admin,8000-8010' };
  const [group] = groupsOf(
    [slice([endpoint('a', '10.1.0.1', { zone: 'zone-b', hostname: 'a-0' })])],
    [pod('a', { annotations, listen: '0.0.0.0:4443' })],
  );
  assert.deepEqual(group?.endpoints, [
    {
      addresses: ['10.1.0.1'],
      ready: true,
      hostname: 'a-0',
      zone: 'zone-b',
      podName: 'a',
      identity: 'catalog.shop.serviceaccount.identity.linkerd.cluster.local',
      inboundPort: 4443,
      opaquePorts: '5432,8000-8010,9000',
    },
  ]);
  assert.deepEqual(group.ports, [
    { name: 'admin', port: 9000, protocol: 'TCP' },
    { name: 'http', port: 8080, protocol: 'TCP' },
  ]);
});

test('a pod outside of our mesh has no identity', () => {
  const [group] = groupsOf(
    [slice([endpoint('a', '10.1.0.1', { nodeName: 'node-1' }), endpoint('b', '10.1.0.2')])],
    [pod('a', { controlPlane: '' }), pod('b', { controlPlane: 'other' })],
  );
  assert.deepEqual(group?.endpoints, [
    { addresses: ['10.1.0.1'], ready: true, zone: 'zone-a', podName: 'a' },
    { addresses: ['10.1.0.2'], ready: true, podName: 'b' },
  ]);
});

test('a pod that is not known, or is another of the same name, stays out rather than be reached in plain text', () => {
  const renewed = { ...pod('b'), metadata: { ...pod('b').metadata, uid: 'another' } };
  assert.deepEqual(groupsOf([slice([endpoint('a', '10.1.0.1'), endpoint('b', '10.1.0.2')])], [renewed]), []);
});

test('addresses that somebody keeps by hand need no pod', () => {
  const byHand = slice([{ addresses: ['192.0.2.7'] }, { addresses: ['192.0.2.8'], conditions: { ready: false } }]);
  assert.deepEqual(groupsOf([byHand])[0]?.endpoints, [
    { addresses: ['192.0.2.7'], ready: true },
    { addresses: ['192.0.2.8'], ready: false },
  ]);
});

test('a port that skips the sidecar is told apart, without identity', () => {
  const annotations = { 'config.linkerd.io/skip-inbound-ports': '9000' };
  const groups = groupsOf([slice([endpoint('a', '10.1.0.1')])], [pod('a', { annotations })]);
  const byPort = new Map(
    groups.map(({ ports, endpoints }) => [ports.map(({ name }) => name).join(), endpoints[0]?.identity]),
  );
  assert.deepEqual(
    byPort,
    new Map([
      ['admin', undefined],
      ['http', 'catalog.shop.serviceaccount.identity.linkerd.cluster.local'],
    ]),
  );
});

test('only ports that peers may use are told of, and slices without any are left out', () => {
  const groups = groupsOf([slice([endpoint('a', '10.1.0.1')])], [pod('a')], (port) => port === 'http');
  assert.deepEqual(
    groups.map(({ ports }) => ports.map(({ name }) => name)),
    [['http']],
  );
  assert.deepEqual(
    groupsOf([slice([endpoint('a', '10.1.0.1')])], [pod('a')], () => false),
    [],
  );
});

test('families are apart, names that are not addresses are left out, and doubles count once', () => {
  const groups = groupsOf(
    [
      slice([endpoint('a', '10.1.0.1', { conditions: { ready: false } })]),
      slice([endpoint('a', '10.1.0.1')]),
      slice([endpoint('a', 'fd00::1')], { addressType: 'IPv6' }),
      slice([{ addresses: ['example.org'] }], { addressType: 'FQDN' }),
    ],
    [pod('a')],
  );
  assert.deepEqual(
    groups.map(({ addressType, endpoints }) => [
      addressType,
      endpoints.map(({ addresses, ready }) => [...addresses, ready]),
    ]),
    [
      ['IPv4', [['10.1.0.1', true]]],
      ['IPv6', [['fd00::1', true]]],
    ],
  );
});

test('a Service is ready when any endpoint is', () => {
  const down = endpoint('a', '10.1.0.1', { conditions: { ready: false } });
  assert.equal(hasReady([slice([down])]), false);
  assert.equal(hasReady([slice([down]), slice([endpoint('b', '10.1.0.2')])]), true);
  assert.equal(hasReady([]), false);
});
