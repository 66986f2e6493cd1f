/** The roles together, over mutual TLS, asked by the client that the sidecar uses. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, test } from 'node:test';

import {
  createCertifiedIdentity,
  createDiscovery,
  defaultInboundPolicy,
  NO_STREAM_LIMITS,
  staticTrust,
} from '@mesh/control-client';
import type { Discovery, WorkloadIdentity } from '@mesh/control-client';
import { ENDPOINT_SLICES, NODES, PODS, SERVICES } from '@mesh/kube';
import { eventually } from '@mesh/kube/testing';
import { parseCidr, PortSet } from '@mesh/model';
import { createNodeDriver } from '@mesh/net';
import { chainPem, createIssuer, createTrustAnchor, privateKeyPem } from '@mesh/pki';
import { silentLogger, systemClock } from '@mesh/runtime';

import { runDestination } from '../src/destination/role.ts';
import { runIdentity } from '../src/identity/role.ts';
import { ALL_NETWORKS } from '../src/policy/default-policies.ts';
import { runPolicy } from '../src/policy/role.ts';
import type { RunningRole } from '../src/role.ts';
import { channelTo, COMMON, FakeCluster } from '../src/testing/harness.ts';
import { endpointOf, node, pod, service, slice } from '../src/testing/objects.ts';

const SUFFIX = 'serviceaccount.identity.linkerd.cluster.local';
const CONTROL_PLANE = `linkerd-destination.linkerd.${SUFFIX}`;
const GATEWAY = `linkerd-gateway.linkerd-multicluster.${SUFFIX}`;

/** Names the policy that a sidecar has before the control plane says anything. */
const FALLBACK = { group: '', kind: 'fallback', namespace: '', name: 'fallback', port: 0, section: '' };

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).toReversed()) await clean();
});

test('a sidecar gets its identity, its policies and its endpoints from the three roles', async () => {
  const mesh = await startMesh();
  const { discovery, workload } = await sidecar(mesh);
  assert.equal(workload.current()?.name, `catalog.shop.${SUFFIX}`);

  const inbound = discovery.inbound.get(8080);
  await eventually(
    'the inbound policy',
    () => inbound.current?.server.name === 'all-unauthenticated' && inbound.current.routes.length > 0,
  );

  const outbound = discovery.outbound.resolve({ ip: '10.43.0.30', port: 80 });
  const policy = await eventually('the outbound policy', () => outbound.current);
  assert.ok(!('refused' in policy), JSON.stringify(policy));
  assert.equal(policy.parent.name, 'catalog-federated');
  assert.ok(policy.protocol.kind === 'detect');
  const backends = policy.protocol.http1[0]?.rules[0]?.backends;
  assert.ok(backends?.kind === 'first_available');
  const paths = backends.backends.map((one) => (one.target.kind === 'balancer' ? one.target.path : ''));
  assert.deepEqual(paths, ['catalog.shop.svc.cluster.local:80', 'catalog-federated.shop.svc.cluster.local:80']);

  const everywhere = discovery.endpoints.watch(paths[1] ?? '');
  await eventually('the endpoints', () => everywhere.current?.size === 2);
  const [local, remote] = ['10.42.0.1:8080', '172.18.0.5:4143'].map((key) => everywhere.current?.get(key));
  assert.deepEqual(local?.tls, { name: `catalog.shop.${SUFFIX}`, serverName: `catalog.shop.${SUFFIX}` });
  assert.equal(local?.transportPort, 4143);
  assert.equal(local?.labels['zone_locality'], 'local');
  assert.deepEqual(remote?.tls, { name: GATEWAY, serverName: GATEWAY });
  assert.equal(remote?.authorityOverride, 'catalog.shop.svc.west.local:80');
  assert.equal(remote?.labels['target_cluster'], 'west');
});

test('every kind of policy that is sent is one that the sidecar accepts', async () => {
  const mesh = await startMesh();
  const client = mesh.cluster.client();
  const kinds = { h1: 'http', h2: 'kubernetes.io/h2c', db: 'linkerd.io/opaque', odd: 'something-else' };
  for (const [index, [name, appProtocol]] of Object.entries(kinds).entries()) {
    const ports = [{ name: 'p', port: 80, appProtocol }];
    await client.create(SERVICES, service(name, { clusterIP: `10.43.1.${index}`, ports }));
  }
  const policies = ['all-authenticated', 'cluster-authenticated', 'cluster-unauthenticated', 'deny', 'audit'];
  for (const name of policies) {
    await client.create(PODS, pod(name, '', { annotations: { 'config.linkerd.io/default-inbound-policy': name } }));
  }
  const { discovery } = await sidecar(mesh);
  const kindOf = async (ip: string, port: number): Promise<string> => {
    const watched = discovery.outbound.resolve({ ip, port });
    const found = await eventually(`the policy of ${ip}:${port}`, () => watched.current);
    return 'refused' in found ? `refused: ${found.refused}` : found.protocol.kind;
  };
  assert.equal(await kindOf('10.43.1.0', 80), 'http1');
  assert.equal(await kindOf('10.43.1.1', 80), 'http2');
  assert.equal(await kindOf('10.43.1.2', 80), 'opaque');
  assert.equal(await kindOf('10.43.1.3', 80), 'opaque');
  assert.equal(await kindOf('10.43.0.10', 80), 'detect');
  // A port that the Service lacks, an address outside of the cluster, and one inside that is no Service.
  assert.equal(await kindOf('10.43.0.10', 81), 'opaque');
  assert.equal(await kindOf('93.184.216.34', 443), 'detect');
  assert.equal(await kindOf('10.42.9.9', 8080), 'detect');
  for (const name of policies) {
    const { discovery: own } = await sidecar(mesh, name);
    const inbound = own.inbound.get(8080);
    await eventually(
      `the inbound policy ${name}`,
      () => inbound.current?.server.name === name && inbound.current.server.kind === 'default',
    );
    assert.equal(inbound.current?.authorizations.length === 0, name === 'deny');
  }
});

test('a sidecar reads retries, limits and failure accrual as the annotations of the Service say', async () => {
  const mesh = await startMesh();
  const { discovery } = await sidecar(mesh);
  const watched = discovery.outbound.resolve({ ip: '10.43.0.10', port: 80 });
  await eventually('the plain policy', () => watched.current);
  const balancer = 'balancer.linkerd.io/failure-accrual';
  const annotations = {
    'retry.linkerd.io/http': 'gateway-error,429',
    'retry.linkerd.io/limit': '3',
    'retry.linkerd.io/timeout': '400ms',
    'timeout.linkerd.io/request': '10s',
    'timeout.linkerd.io/idle': '1m',
    [balancer]: 'unified',
    [`${balancer}-consecutive-jitter-ratio`]: '0.25',
    'balancer.alpha.linkerd.io/failure-accrual-success-rate-threshold': '0.75',
    'balancer.alpha.linkerd.io/penalize-failures': 'true',
  };
  await mesh.cluster.client().replace(SERVICES, service('catalog', { annotations }));
  const rule = await eventually('the policy', () => {
    const { current } = watched;
    if (current === undefined || 'refused' in current || current.protocol.kind !== 'detect') return undefined;
    const [first] = current.protocol.http2[0]?.rules ?? [];
    return first?.retry === undefined ? undefined : first;
  });
  assert.deepEqual(rule.retry, {
    maxRetries: 3,
    maxRequestBytes: 65_536,
    statusRanges: [
      { start: 502, end: 504 },
      { start: 429, end: 429 },
    ],
    grpcCodes: new Set(),
    tryTimeoutMs: 400,
    backoff: { minMs: 25, maxMs: 250, jitterRatio: 1 },
  });
  assert.deepEqual(rule.timeouts, { requestMs: 10_000, responseMs: undefined, idleMs: 60_000 });
  assert.ok(rule.backends.kind === 'first_available');
  const [backend] = rule.backends.backends;
  assert.deepEqual(backend?.failureAccrual, {
    kind: 'unified',
    successRateThreshold: 0.75,
    windowMs: 10_000,
    minRequests: 5,
    maxConsecutiveFailures: 7,
    backoff: { minMs: 1000, maxMs: 60_000, jitterRatio: 0.25 },
  });
  assert.ok(backend.target.kind === 'balancer');
  assert.deepEqual(backend.target.ewma, {
    defaultRttMs: 30,
    decayMs: 10_000,
    penalty: { penaltyMs: 5000, maxRetryAfterMs: 300_000, decayMs: 10_000 },
  });
});

test('a gRPC port is read with conditions on codes', async () => {
  const mesh = await startMesh();
  const ports = [{ name: 'grpc', port: 80, appProtocol: 'kubernetes.io/h2c' }];
  const annotations = { 'retry.linkerd.io/grpc': 'unavailable,cancelled,internal' };
  await mesh.cluster.client().create(SERVICES, service('rpc', { clusterIP: '10.43.1.9', ports, annotations }));
  const { discovery } = await sidecar(mesh);
  const watched = discovery.outbound.resolve({ ip: '10.43.1.9', port: 80 });
  const policy = await eventually('the policy', () => watched.current);
  assert.ok(!('refused' in policy) && policy.protocol.kind === 'grpc');
  assert.deepEqual(policy.protocol.http2[0]?.rules[0]?.retry?.grpcCodes, new Set([1, 13, 14]));
});

test('a sidecar keeps what it knows while destination is away, and follows again when it is back', async () => {
  const mesh = await startMesh();
  const { discovery } = await sidecar(mesh);
  const endpoints = discovery.endpoints.watch('catalog.shop.svc.cluster.local:80');
  await eventually('the endpoints', () => endpoints.current?.size === 1);
  const { port } = mesh.destination;
  await mesh.destination[Symbol.asyncDispose]();
  await mesh.cluster
    .client()
    .replace(
      ENDPOINT_SLICES,
      slice('catalog', [endpointOf('catalog-1', '10.42.0.1'), endpointOf('catalog-2', '10.42.0.2')]),
    );
  assert.equal(endpoints.current?.size, 1);
  await mesh.startDestination(port);
  await eventually('both endpoints', () => endpoints.current?.size === 2);
});

test('a mirror that loses its gateway loses its endpoint, and gets it back', async () => {
  const mesh = await startMesh();
  const { discovery } = await sidecar(mesh);
  const endpoints = discovery.endpoints.watch('catalog-federated.shop.svc.cluster.local:80');
  await eventually('both members', () => endpoints.current?.size === 2);
  const client = mesh.cluster.client();
  await client.replace(ENDPOINT_SLICES, gatewaySlice(false));
  await eventually('the local member alone', () => endpoints.current?.size === 1);
  await client.replace(ENDPOINT_SLICES, gatewaySlice(true));
  await eventually('both members again', () => endpoints.current?.size === 2);
});

interface Mesh {
  readonly cluster: FakeCluster;
  readonly identity: RunningRole;
  readonly destination: RunningRole;
  readonly policy: RunningRole;
  readonly anchorsPem: string;
  readonly directory: string;
  readonly startDestination: (port: number) => Promise<RunningRole>;
}

async function startMesh(): Promise<Mesh> {
  const directory = await mkdtemp(join(tmpdir(), 'mesh-'));
  cleanups.push(() => rm(directory, { recursive: true, force: true }));
  const root = await createTrustAnchor({ commonName: 'root.linkerd.cluster.local' });
  const issuer = await createIssuer(root, { commonName: 'identity.linkerd.cluster.local' });
  const anchorsPem = chainPem([root.certificate]);
  const trustAnchorsFile = join(directory, 'anchors.pem');
  const issuerDir = join(directory, 'issuer');
  await mkdir(issuerDir);
  await writeFile(trustAnchorsFile, anchorsPem);
  await writeFile(join(issuerDir, 'crt.pem'), chainPem(issuer.chain));
  await writeFile(join(issuerDir, 'key.pem'), privateKeyPem(issuer.key));
  await writeFile(join(directory, 'token'), 'linkerd:linkerd-destination');
  await writeFile(join(directory, 'sidecar-token'), 'shop:catalog');
  const cluster = await shop();
  const signal = AbortSignal.timeout(20_000);
  const common = { ...COMMON, grpc: { host: '127.0.0.1', port: 0 }, plaintext: false, trustAnchorsFile };
  const started = async (starting: Promise<RunningRole>): Promise<RunningRole> => {
    const role = await starting;
    cleanups.push(() => role[Symbol.asyncDispose]());
    return role;
  };
  const identity = await started(
    runIdentity({ ...common, issuerDir, lifetimeMs: 86_400_000, skewMs: 20_000 }, cluster.deps(), signal),
  );
  const client = {
    identityAddress: `identity.example:${identity.port}`,
    identityName: `linkerd-identity.linkerd.${SUFFIX}`,
    tokenFile: join(directory, 'token'),
    ownName: CONTROL_PLANE,
  };
  const endpoints = {
    controlPlaneNamespace: 'linkerd',
    trustDomain: 'cluster.local',
    defaultOpaquePorts: PortSet.EMPTY,
    enableH2Upgrade: false,
  };
  const startDestination = (port: number): Promise<RunningRole> =>
    started(
      runDestination(
        { ...common, grpc: { host: '127.0.0.1', port }, identity: client, endpoints },
        cluster.deps(),
        signal,
      ),
    );
  const policyConfig = {
    clusterDomain: 'cluster.local',
    clusterNetworks: ['10.0.0.0/8'].flatMap((text) => parseCidr(text) ?? []),
    defaultPolicy: 'all-unauthenticated',
    defaultOpaquePorts: PortSet.EMPTY,
    probeNetworks: ALL_NETWORKS,
  } as const;
  const [destination, policy] = await Promise.all([
    startDestination(0),
    started(runPolicy({ ...common, identity: client, policy: policyConfig }, cluster.deps(), signal)),
  ]);
  return { cluster, identity, destination, policy, anchorsPem, directory, startDestination };
}

async function sidecar(
  mesh: Mesh,
  podName = 'catalog-1',
): Promise<{ readonly discovery: Discovery; readonly workload: WorkloadIdentity }> {
  const workload = createCertifiedIdentity(
    {
      name: `catalog.shop.${SUFFIX}`,
      service: { host: 'identity.example', port: mesh.identity.port },
      serviceName: `linkerd-identity.linkerd.${SUFFIX}`,
      tokenPath: join(mesh.directory, 'sidecar-token'),
      trust: staticTrust(mesh.anchorsPem),
    },
    {
      driver: createNodeDriver(),
      clock: systemClock,
      log: silentLogger,
      resolve: () => Promise.resolve(['127.0.0.1']),
      observer: { refreshed: () => undefined, installed: () => undefined },
    },
  );
  cleanups.push(() => workload[Symbol.asyncDispose]());
  await workload.start(AbortSignal.timeout(5_000));
  const security = { kind: 'tls', serverName: CONTROL_PLANE, context: () => workload.clientContext() } as const;
  const [destination, policy] = [channelTo(mesh.destination.port, security), channelTo(mesh.policy.port, security)];
  const discovery = createDiscovery(
    {
      contextToken: '{"ns":"shop","nodeName":"n1","pod":"catalog-1"}',
      workload: JSON.stringify({ ns: 'shop', pod: podName }),
      destinationLimits: NO_STREAM_LIMITS,
      policyLimits: NO_STREAM_LIMITS,
      profileNetworks: ALL_NETWORKS,
      defaultInboundPolicy: () => ({ ...defaultInboundPolicy('deny', [], 'detect', 10_000), server: FALLBACK }),
    },
    { destination, policy, clock: systemClock, log: silentLogger },
  );
  cleanups.push(() => {
    discovery[Symbol.dispose]();
    destination.close();
    policy.close();
  });
  return { discovery, workload };
}

async function shop(): Promise<FakeCluster> {
  const cluster = new FakeCluster();
  const client = cluster.client();
  await client.create(NODES, node('n1', 'a'));
  await client.create(SERVICES, service('catalog'));
  await client.create(PODS, pod('catalog-1', '10.42.0.1'));
  await client.create(ENDPOINT_SLICES, slice('catalog', [endpointOf('catalog-1', '10.42.0.1')]));
  const federated = { clusterIP: '10.43.0.30', annotations: { 'multicluster.linkerd.io/local-discovery': 'catalog' } };
  await client.create(SERVICES, service('catalog-federated', federated));
  await client.create(ENDPOINT_SLICES, gatewaySlice(true));
  return cluster;
}

function gatewaySlice(ready: boolean) {
  return slice('catalog-federated', [{ addresses: ['172.18.0.5'], conditions: { ready } }], {
    name: 'catalog-federated-west',
    labels: { 'mirror.linkerd.io/cluster-name': 'west' },
    annotations: {
      'mirror.linkerd.io/remote-gateway-identity': GATEWAY,
      'mirror.linkerd.io/remote-svc-fq-name': 'catalog.shop.svc.west.local',
    },
    ports: [{ name: 'http', port: 4143 }],
  });
}
