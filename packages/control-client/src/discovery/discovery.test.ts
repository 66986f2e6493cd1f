import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { parseCidr } from '@mesh/model';
import { createNodeDriver } from '@mesh/net';
import { destination, durationFromMs, inbound, outbound, tcpAddress } from '@mesh/proxy-api';
import { silentLogger, systemClock } from '@mesh/runtime';
import * as fc from 'fast-check';
import { GrpcChannel } from '../grpc/channel.ts';
import { silentObserver } from '../grpc/observer.ts';
import { NO_STREAM_LIMITS } from '../grpc/watch.ts';
import { FakeControlPlane } from '../testing/fake-control-plane.ts';
import type { FakeStream } from '../testing/fake-control-plane.ts';
import { until } from '../testing/until.ts';
import { toInboundPolicy } from './convert-inbound.ts';
import { toOutboundPolicy } from './convert-outbound.ts';
import { defaultInboundPolicy } from './default-policy.ts';
import { createDiscovery } from './discovery.ts';
import type { Discovery, DiscoveryOptions } from './discovery.ts';
import { EndpointFold } from './endpoints.ts';
import type { EndpointSet, OutboundPolicy } from '@mesh/model';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).toReversed()) await clean();
});

/** A message from parts, typed loosely: tests also make wrong ones. */
function from<M>(type: { fromPartial(parts: never): M }, parts: object): M {
  return type.fromPartial(parts as never);
}

const PATH = 'catalog.shop.svc.cluster.local:80';
const networks = [parseCidr('10.0.0.0/8') ?? assert.fail()];

function discoveryOn(port: number, options: Partial<DiscoveryOptions> = {}): Discovery {
  const channel = new GrpcChannel(
    {
      target: { host: '127.0.0.1', port },
      security: { kind: 'plaintext' },
      backoff: { minMs: 5, maxMs: 10, jitterRatio: 0 },
    },
    {
      driver: createNodeDriver(),
      clock: systemClock,
      resolve: () => Promise.resolve(['127.0.0.1']),
      log: silentLogger,
      observer: silentObserver,
    },
  );
  const created = createDiscovery(
    {
      contextToken: '{"ns":"shop"}',
      workload: '{"ns":"shop","pod":"web-1"}',
      destinationLimits: NO_STREAM_LIMITS,
      policyLimits: NO_STREAM_LIMITS,
      profileNetworks: networks,
      defaultInboundPolicy: () => defaultInboundPolicy('deny', networks, 'detect', 10_000),
      outboundIdleMs: 30,
      ...options,
    },
    { destination: channel, policy: channel, clock: systemClock, log: silentLogger },
  );
  cleanups.push(() => channel.close());
  cleanups.push(() => created[Symbol.dispose]());
  return created;
}

async function fake(): Promise<{ readonly plane: FakeControlPlane; readonly port: number }> {
  const plane = new FakeControlPlane();
  const port = await plane.listen();
  cleanups.push(() => plane.stop());
  return { plane, port };
}

function add(...ips: readonly string[]): destination.Update {
  const addrs = ips.map((ip) =>
    from(destination.WeightedAddr, {
      addr: tcpAddress(ip, 8080),
      weight: 10_000,
      metricLabels: { pod: ip },
      tlsIdentity: { strategy: { $case: 'dnsLikeIdentity', value: { name: 'id' } } },
      protocolHint: { opaqueTransport: { inboundPort: 4143 } },
    }),
  );
  return { update: { $case: 'add', value: { addrs, metricLabels: { service: 'catalog' } } } };
}
function remove(...ips: readonly string[]): destination.Update {
  return { update: { $case: 'remove', value: { addrs: ips.flatMap((ip) => tcpAddress(ip, 8080) ?? []) } } };
}
const NONE: destination.Update = { update: { $case: 'noEndpoints', value: { exists: false } } };
const keys = (set: EndpointSet | undefined): string => [...(set?.keys() ?? ['unknown'])].join(' ');

function folded(): { readonly fold: EndpointFold; readonly current: () => EndpointSet | undefined } {
  let current: EndpointSet | undefined;
  const sink = {
    get current() {
      return current;
    },
    set: (value: EndpointSet) => (current = value),
  };
  return { fold: new EndpointFold(sink), current: () => current };
}

test('the first add of a stream replaces the set, later ones change it', () => {
  const { fold, current } = folded();
  fold.apply(remove('10.0.0.1'));
  assert.equal(current(), undefined);
  fold.apply(add('10.0.0.1', '10.0.0.2'));
  const kept = current()?.get('10.0.0.2:8080');
  assert.deepEqual(kept, {
    address: { ip: '10.0.0.2', port: 8080 },
    weight: 10_000,
    tls: { name: 'id', serverName: 'id' },
    protocolHint: 'unknown',
    transportPort: 4143,
    authorityOverride: undefined,
    labels: { service: 'catalog', pod: '10.0.0.2' },
  });
  fold.apply(remove('10.0.0.1'));
  fold.apply(add('10.0.0.3'));
  assert.equal(keys(current()), '10.0.0.2:8080 10.0.0.3:8080');
  fold.restart();
  assert.equal(keys(current()), '10.0.0.2:8080 10.0.0.3:8080');
  fold.apply(remove('10.0.0.2'));
  assert.equal(keys(current()), '10.0.0.2:8080 10.0.0.3:8080');
  fold.apply(add('10.0.0.2', '10.0.0.4'));
  assert.equal(keys(current()), '10.0.0.2:8080 10.0.0.4:8080');
  assert.equal(current()?.get('10.0.0.2:8080'), kept, 'an unchanged endpoint stays the same object');
  fold.apply(NONE);
  assert.equal(keys(current()), '');
});

test('endpoints follow the stream, one stream for all holders, and it ends after idleness', async () => {
  const { plane, port } = await fake();
  const streams: FakeStream<destination.GetDestination, destination.Update>[] = [];
  plane.get = (stream) => {
    streams.push(stream);
    stream.send(add('10.0.0.1'));
  };
  const discovery = discoveryOn(port);
  const first = discovery.endpoints.watch(PATH);
  const second = discovery.endpoints.watch(PATH);
  await until('endpoints', () => first.current !== undefined);
  assert.equal(second.current, first.current);
  assert.deepEqual(streams[0]?.request, { scheme: 'k8s', path: PATH, contextToken: '{"ns":"shop"}' });
  let changes = 0;
  first.onChange(() => (changes += 1));
  streams[0].send(add('10.0.0.2'));
  await until('the change', () => changes >= 1);
  first.release();
  first.release();
  second.release();
  await until('the stream to end', () => streams[0]?.cancelled === true);
  assert.equal(streams.length, 1);
});

test('what is known stays while the control plane is away, and is replaced when it is back', async () => {
  const { plane, port } = await fake();
  plane.get = (stream) => stream.send(add('10.0.0.1'));
  const discovery = discoveryOn(port);
  const endpoints = discovery.endpoints.watch(PATH);
  await until('endpoints', () => endpoints.current !== undefined);
  await plane.stop();
  const again = new FakeControlPlane();
  again.get = (stream) => stream.send(add('10.0.0.9'));
  assert.equal(keys(endpoints.current), '10.0.0.1:8080');
  await again.listen(port);
  cleanups.push(() => again.stop());
  await until('the new set', () => keys(endpoints.current) === '10.0.0.9:8080');
});

test('an inbound port is ruled by the default until a valid policy arrives, and after the stream ends by the last one', async () => {
  const { plane, port } = await fake();
  const streams: FakeStream<inbound.PortSpec, inbound.Server>[] = [];
  plane.watchPort = (stream) => void streams.push(stream);
  const discovery = discoveryOn(port);
  const policy = discovery.inbound.get(8080);
  assert.equal(policy.current?.server.name, 'deny');
  await until('the stream', () => streams.length >= 1);
  assert.deepEqual(streams[0]?.request, { workload: '{"ns":"shop","pod":"web-1"}', port: 8080 });
  streams[0].send(from(inbound.Server, { labels: { name: 'no protocol' } }));
  streams[0].send(SERVER);
  await until('the policy', () => policy.current?.server.name === 'all-unauthenticated');
  streams[0].end();
  await until('the next stream', () => streams.length >= 2);
  streams[1]?.fail(3);
  streams[0].end();
  assert.equal(policy.current?.server.name, 'all-unauthenticated');
});

const SERVER = from(inbound.Server, {
  protocol: { kind: { $case: 'detect', value: { timeout: durationFromMs(10_000) } } },
  labels: { group: '', kind: 'default', name: 'all-unauthenticated' },
  authorizations: [
    {
      networks: [
        {
          net: { ip: tcpAddress('10.0.0.0', 1)?.ip, prefixLen: 8 },
          except: [{ ip: tcpAddress('10.9.0.0', 1)?.ip, prefixLen: 16 }],
        },
      ],
      authentication: {
        permit: {
          $case: 'meshTLS',
          value: {
            clients: {
              $case: 'identities',
              value: { identities: [{ name: 'a.b' }], suffixes: [{ parts: ['shop', 'local'] }, { parts: [] }] },
            },
          },
        },
      },
      metadata: { kind: { $case: 'default', value: 'all-authenticated' } },
    },
  ],
});

test('authorizations keep their networks, exceptions and identities', () => {
  const policy = toInboundPolicy(SERVER);
  const [first] = policy.authorizations;
  assert.equal(first?.networks[0]?.contains('10.1.2.3'), true);
  assert.equal(first.networks[0].contains('10.9.2.3'), false);
  assert.equal(first.networks[0].contains('11.1.2.3'), false);
  assert.deepEqual(first.authentication, { kind: 'mesh_tls', identities: ['a.b'], suffixes: ['shop.local', ''] });
});

test('inbound messages that break the contract are refused with the field’s name', () => {
  const cases: readonly (readonly [RegExp, object])[] = [
    [/protocol.kind/, { labels: { name: 'x' } }],
    [/detect.timeout/, { labels: { name: 'x' }, protocol: { kind: { $case: 'detect', value: {} } } }],
    [/labels.name/, { protocol: { kind: { $case: 'opaque', value: {} } } }],
    [
      /authorizations\[0\].networks/,
      { labels: { name: 'x' }, protocol: { kind: { $case: 'opaque', value: {} } }, authorizations: [{}] },
    ],
  ];
  for (const [pattern, message] of cases) assert.throws(() => toInboundPolicy(from(inbound.Server, message)), pattern);
});

const ref = (kind: string): object => ({
  kind: { $case: 'resource', value: { group: 'core', kind, name: 'catalog', namespace: 'shop', port: 80 } },
});
const backend = (path: string): object => ({
  metadata: ref('Service'),
  queue: { capacity: 100, failfastTimeout: durationFromMs(3000) },
  kind: {
    $case: 'balancer',
    value: {
      discovery: { kind: { $case: 'dst', value: { path } } },
      load: { $case: 'peakEwma', value: { defaultRtt: durationFromMs(30), decay: durationFromMs(10_000) } },
    },
  },
});
const distribution = { kind: { $case: 'firstAvailable' as const, value: { backends: [{ backend: backend(PATH) }] } } };
const http1 = {
  routes: [{ metadata: { kind: { $case: 'default' as const, value: 'http' } }, rules: [{ backends: distribution }] }],
};
const opaque = {
  routes: [{ metadata: { kind: { $case: 'default' as const, value: 'opaq' } }, rules: [{ backends: distribution }] }],
};
const POLICY = from(outbound.OutboundPolicy, {
  metadata: ref('Service'),
  protocol: { kind: { $case: 'detect', value: { timeout: durationFromMs(10_000), opaque, http1, http2: http1 } } },
});

test('an outbound policy keeps routes, backends and parameters, with keys that stay the same', () => {
  const policy = toOutboundPolicy(POLICY);
  assert.ok(policy.protocol.kind === 'detect');
  const [route] = policy.protocol.http1;
  assert.equal(route?.ref.name, 'http');
  const [rule] = route.rules;
  assert.ok(rule?.backends.kind === 'first_available');
  const [target] = rule.backends.backends;
  assert.deepEqual(target?.target, { kind: 'balancer', path: PATH, ewma: { defaultRttMs: 30, decayMs: 10_000 } });
  assert.deepEqual(target.queue, { capacity: 100, failfastTimeoutMs: 3000 });
  const again = toOutboundPolicy(POLICY);
  assert.deepEqual(again, policy);
});

test('outbound messages that break the contract are refused with the field’s name', () => {
  const detect = { timeout: durationFromMs(1), opaque, http1, http2: http1 };
  const broken = (value: object): outbound.OutboundPolicy =>
    from(outbound.OutboundPolicy, { metadata: ref('Service'), protocol: { kind: { $case: 'detect', value } } });
  const cases: readonly (readonly [RegExp, outbound.OutboundPolicy])[] = [
    [/: metadata/, { ...POLICY, metadata: undefined }],
    [
      /resource.namespace/,
      {
        ...POLICY,
        metadata: {
          kind: {
            $case: 'resource',
            value: { group: 'core', kind: 'Service', name: 'x', namespace: '', port: 0, section: '' },
          },
        },
      },
    ],
    [/protocol.kind/, { ...POLICY, protocol: undefined }],
    [/detect.timeout/, broken({ ...detect, timeout: undefined })],
    [/detect.http2/, broken({ ...detect, http2: undefined })],
    [/opaque.routes\[0\].rules/, broken({ ...detect, opaque: { routes: [{ ...opaque.routes[0], rules: [] }] } })],
    [/backends.kind/, broken({ ...detect, http1: { routes: [{ ...http1.routes[0], rules: [{}] }] } })],
  ];
  for (const [pattern, message] of cases) assert.throws(() => toOutboundPolicy(message), pattern);
});

const ADDRESS = { ip: '10.0.0.80', port: 80 };

test('a destination is resolved by policy and profile together; the profile makes it opaque', async () => {
  const { plane, port } = await fake();
  plane.watchOutbound = (stream) => stream.send(POLICY);
  const profiles: FakeStream<destination.GetDestination, destination.DestinationProfile>[] = [];
  plane.getProfile = (stream) => {
    profiles.push(stream);
    stream.send(from(destination.DestinationProfile, { fullyQualifiedName: 'catalog' }));
  };
  const resolved = discoveryOn(port).outbound.resolve(ADDRESS);
  await until('the policy', () => resolved.current !== undefined);
  assert.equal((resolved.current as OutboundPolicy).protocol.kind, 'detect');
  assert.equal(profiles[0]?.request.path, '10.0.0.80:80');
  profiles[0].send(from(destination.DestinationProfile, { opaqueProtocol: true }));
  await until('opacity', () => (resolved.current as OutboundPolicy).protocol.kind === 'opaque');
});

test('without a policy the profile’s endpoint is used, with its identity', async () => {
  const { plane, port } = await fake();
  plane.watchOutbound = (stream) => stream.fail(5);
  const endpoint = from(destination.WeightedAddr, {
    addr: tcpAddress('10.0.0.80', 80),
    tlsIdentity: { strategy: { $case: 'dnsLikeIdentity', value: { name: 'id' } } },
  });
  plane.getProfile = (stream) => stream.send(from(destination.DestinationProfile, { endpoint }));
  const resolved = discoveryOn(port).outbound.resolve(ADDRESS);
  await until('the policy', () => resolved.current !== undefined);
  const policy = resolved.current as OutboundPolicy;
  assert.equal(policy.parent.name, 'endpoint');
  assert.ok(policy.protocol.kind === 'detect' && policy.protocol.opaque.backends.kind === 'first_available');
  const target = policy.protocol.opaque.backends.backends[0]?.target;
  assert.equal(target?.kind === 'forward' ? target.endpoint.tls?.name : undefined, 'id');
});

test('outside of the profile networks nothing is asked of profiles, and the address itself is used', async () => {
  const { plane, port } = await fake();
  plane.watchOutbound = (stream) => stream.fail(5);
  plane.getProfile = () => assert.fail('asked for a profile');
  const resolved = discoveryOn(port).outbound.resolve({ ip: '192.0.2.1', port: 443 });
  await until('the policy', () => resolved.current !== undefined);
  const { protocol } = resolved.current as OutboundPolicy;
  const target =
    protocol.kind === 'detect' && protocol.opaque.backends.kind === 'first_available'
      ? protocol.opaque.backends.backends[0]?.target
      : undefined;
  assert.deepEqual(target?.kind === 'forward' ? target.endpoint.address : undefined, { ip: '192.0.2.1', port: 443 });
});

test('a refused or unusable policy refuses the destination, and a name without profile too', async () => {
  const { plane, port } = await fake();
  plane.getProfile = (stream) => stream.fail(3);
  const discovery = discoveryOn(port);
  plane.watchOutbound = (stream) => stream.fail(3, 'no');
  const refused = discovery.outbound.resolve(ADDRESS);
  await until('the refusal', () => refused.current !== undefined);
  assert.deepEqual(refused.current, { refused: 'INVALID_ARGUMENT: no' });
  plane.watchOutbound = (stream) => stream.send(from(outbound.OutboundPolicy, {}));
  const unusable = discovery.outbound.resolve({ ip: '10.0.0.81', port: 80 });
  await until('the refusal', () => unusable.current !== undefined);
  assert.match(JSON.stringify(unusable.current), /metadata is missing/);
  plane.watchOutbound = (stream) => stream.fail(5);
  const unknown = discovery.outbound.resolveAuthority('x.example:80');
  await until('the refusal', () => unknown.current !== undefined);
  assert.deepEqual(unknown.current, { refused: 'no such destination' });
});

test('a found policy does not wait for ever for a silent profile', async () => {
  const { plane, port } = await fake();
  plane.watchOutbound = (stream) => stream.send(POLICY);
  const resolved = discoveryOn(port).outbound.resolve(ADDRESS);
  await until('the policy', () => resolved.current !== undefined);
});

test('garbage never crashes decoding and conversion', () => {
  const attempt = (run: () => unknown): void => {
    try {
      run();
    } catch (error) {
      assert.ok(error instanceof Error);
    }
  };
  const seeds = [
    outbound.OutboundPolicy.encode(POLICY).finish(),
    inbound.Server.encode(SERVER).finish(),
    destination.Update.encode(add('10.0.0.1', '10.0.0.2')).finish(),
  ];
  const mutated = fc
    .tuple(
      fc.constantFrom(...seeds),
      fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 6 }),
      fc.nat(),
    )
    .map(([seed, edits, cut]) => {
      const bytes = seed.slice(0, cut % 3 === 0 ? cut % seed.length : seed.length);
      for (const [at, value] of edits) if (bytes.length > 0) bytes[at % bytes.length] = value;
      return bytes;
    });
  fc.assert(
    fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 100 })), (bytes) => {
      attempt(() => toOutboundPolicy(outbound.OutboundPolicy.decode(bytes)));
      attempt(() => toInboundPolicy(inbound.Server.decode(bytes)));
      attempt(() => {
        const { fold } = folded();
        fold.apply(destination.Update.decode(bytes));
      });
    }),
    { numRuns: 3000 },
  );
});
