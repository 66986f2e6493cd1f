/**
 * gRPC of all kinds, WebSocket and server-sent events, in one cluster and across two: programs notice nothing of the mesh between them. Their
 * gRPC probes pass, an ingress chooses Services by name, and the sidecar tells of requests where that is asked for.
 */
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { PODS } from '@mesh/kube';
import type { Manifest } from '@mesh/cli';
import type { HomeCluster } from '../../scripts/home/home.ts';
import { podsOf, rolloutDone } from '../../scripts/home/rollout.ts';
import { SHOP } from '../../scripts/home/shop.ts';
import { bound, Federation, patience, until } from './federation.ts';
import { bundleProgram } from './programs/bundle.ts';
import type { LiveResult } from './programs/live-client.ts';
import type { ExpectedAnswer } from './programs/http-client.ts';
import { EVENTS, GRPC_PORT, HEALTH_NAME, HTTP_PORT } from './programs/live-service.ts';

const NAMESPACE = 'e2e-live';
/** How the server knows its clients, wherever they are. */
const CLIENT = `live-client.${NAMESPACE}.serviceaccount.identity.linkerd.cluster.local`;
const INGRESS = `live-ingress.${NAMESPACE}.serviceaccount.identity.linkerd.cluster.local`;

interface Program {
  readonly name: string;
  readonly source: string;
  readonly args: readonly string[];
  /** On the pod. */
  readonly annotations?: Readonly<Record<string, string>>;
  /** Merged into the container. */
  readonly container?: Readonly<Record<string, unknown>>;
}

/** As the kubelet asks, once a second. */
const PROBES = {
  readinessProbe: { grpc: { port: GRPC_PORT }, periodSeconds: 1, timeoutSeconds: 5 },
  livenessProbe: { grpc: { port: GRPC_PORT, service: HEALTH_NAME }, periodSeconds: 1, timeoutSeconds: 5 },
};
/** A pod that lives this long was probed several times. */
const PROBED_MS = 5_000;

/** A program of one file on the shop's Node. */
function manifestsOf({ name, source, args, annotations = {}, container: more = {} }: Program): readonly Manifest[] {
  const labels = { app: name };
  const metadata = { name, namespace: NAMESPACE, labels };
  const container = {
    name: 'main',
    image: 'shop:1',
    imagePullPolicy: 'IfNotPresent',
    command: ['/usr/bin/node', '/etc/e2e/main.mjs', ...args],
    volumeMounts: [{ name: 'program', mountPath: '/etc/e2e' }],
    ...more,
  };
  return [
    { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { 'main.mjs': source } },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata,
      spec: {
        replicas: 1,
        selector: { matchLabels: labels },
        template: {
          metadata: { labels, annotations },
          spec: {
            serviceAccountName: name.startsWith('live-client') ? 'live-client' : name,
            terminationGracePeriodSeconds: 2,
            containers: [container],
            volumes: [{ name: 'program', configMap: { name } }],
          },
        },
      },
    },
  ];
}

function serviceAccount(name: string): Manifest {
  return { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace: NAMESPACE } };
}

function service(name: string, labels: Readonly<Record<string, string>> = {}): Manifest {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: NAMESPACE, labels },
    spec: {
      selector: { app: name },
      ports: [
        { name: 'http', port: HTTP_PORT },
        { name: 'grpc', port: GRPC_PORT },
      ],
    },
  };
}

const urlOf = (name: string): string => `http://${name}.${NAMESPACE}.svc.cluster.local:${HTTP_PORT}/`;

/** What an ingress sends, always to `live`: the names that it says decide. */
const INGRESS_REQUESTS: readonly ExpectedAnswer[] = [
  { name: 'no name', headers: {}, status: 200 },
  { name: 'the other cluster', headers: override('live-west'), status: 200 },
  { name: 'a closed service', headers: override('live-closed'), status: 403 },
  { name: 'nobody', headers: override('live-nobody'), status: 404 },
].map((request) => ({ ...request, url: urlOf('live') }));

function override(name: string): Readonly<Record<string, string>> {
  return { 'l5d-dst-override': new URL(urlOf(name)).host };
}

suite('protocols', () => {
  let federation: Federation;
  const results = new Map<string, readonly LiveResult[]>();

  before(async () => {
    federation = await Federation.open();
    const { east, west } = federation;
    const source = bundleProgram('live-server');
    const accessLog = { 'config.linkerd.io/access-log': 'json' };
    const server = { name: 'live', source, args: [], annotations: accessLog, container: PROBES };
    const closed = {
      ...server,
      name: 'live-closed',
      annotations: { 'config.linkerd.io/default-inbound-policy': 'deny' },
    };
    const ingress = {
      name: 'live-ingress',
      source: bundleProgram('http-client'),
      args: [JSON.stringify(INGRESS_REQUESTS)],
      annotations: { 'linkerd.io/inject': 'ingress' },
    };
    const client = bundleProgram('live-client');
    await Promise.all([federation.linkBoth(), federation.namespace(east, SHOP), federation.namespace(west, SHOP)]);
    for (const cluster of [east, west]) {
      await federation.namespace(cluster, NAMESPACE, { annotations: { 'linkerd.io/inject': 'enabled' } });
      const exported = service('live', { 'mirror.linkerd.io/exported': 'true' });
      await cluster.apply([serviceAccount('live'), serviceAccount('live-client'), exported, ...manifestsOf(server)]);
    }
    for (const { name } of [closed, ingress]) await east.apply([serviceAccount(name), service(name)]);
    await east.apply([...manifestsOf(closed), ...manifestsOf(ingress)]);
    await rolloutDone(west.client, NAMESPACE, ['live']);
    await rolloutDone(east.client, NAMESPACE, ['live', 'live-closed', 'live-ingress']);
    results.set('ingress', await resultsOf(east, 'live-ingress'));
    await Promise.all(
      ['live', 'live-west'].map(async (target) => {
        const name = `live-client-${target}`;
        await east.apply(manifestsOf({ name, source: client, args: [`${target}.${NAMESPACE}.svc.cluster.local`] }));
        await rolloutDone(east.client, NAMESPACE, [name]);
        results.set(target, await resultsOf(east, name));
      }),
    );
  });

  after(() => federation?.[Symbol.asyncDispose]());

  for (const { target, where } of [
    { target: 'live', where: 'in one cluster' },
    { target: 'live-west', where: 'across two clusters' },
  ]) {
    const detailOf = (name: string): unknown => results.get(target)?.find((result) => result.name === name)?.detail;

    test(`${where}, every kind of conversation is as without a mesh`, () => {
      const told = results.get(target) ?? [];
      assert.deepEqual(
        told.filter(({ error }) => error !== undefined),
        [],
      );
      assert.equal(told.length, 10, JSON.stringify(told));
    });

    test(`${where}, the server knows who calls, by HTTP/1.1 and by gRPC`, () => {
      assert.equal(detailOf('HTTP: who the server is told that we are'), CLIENT);
      assert.equal(detailOf('gRPC: a unary call with trailers'), CLIENT);
    });

    test(`${where}, server-sent events are not held back`, () => {
      const delaysMs = detailOf('server-sent events: each as it is sent') as readonly number[];
      // Held back until the next one, or until the end, an event is late by at least the time between two.
      const late = delaysMs.filter((delay) => delay >= bound(EVENTS.everyMs));
      assert.deepEqual(late, [], `delays ${delaysMs.join(', ')} ms`);
    });
  }

  test('an ingress reaches the Service that each request names, in this cluster or the other', () => {
    const told = results.get('ingress') ?? [];
    assert.deepEqual(
      told.filter(({ error }) => error !== undefined),
      [],
    );
    const detailOf = (name: string): unknown => told.find((result) => result.name === name)?.detail;
    assert.equal(detailOf('no name'), INGRESS);
    assert.equal(detailOf('the other cluster'), INGRESS);
    assert.deepEqual([detailOf('a closed service'), detailOf('nobody')], ['', '']);
  });

  test('gRPC probes pass, whatever the policy', async () => {
    const { client } = federation.east;
    for (const name of ['live', 'live-closed']) {
      const [pod] = await podsOf(client, NAMESPACE, `app=${name}`);
      assert.ok(pod !== undefined);
      const startedAt = Date.parse(pod.metadata.creationTimestamp ?? '');
      await until('the pod to have been probed for a while', () => Date.now() - startedAt > PROBED_MS, {
        timeoutMs: patience(PROBED_MS),
      });
      const { status } = (await client.get(PODS, { namespace: NAMESPACE, name: pod.metadata.name })) ?? {};
      assert.equal(status?.conditions?.find(({ type }) => type === 'Ready')?.status, 'True', name);
      assert.deepEqual(
        status.containerStatuses?.map(({ restartCount }) => restartCount),
        [0],
        name,
      );
    }
  });

  test('the sidecar tells of requests, with who sent them', async () => {
    const lines = await logOf(federation.east, 'live', 'linkerd-proxy', (line) => line.includes(INGRESS));
    const line = JSON.parse(lines.at(-1) ?? '') as Readonly<Record<string, unknown>>;
    assert.deepEqual(
      [line['client.id'], line['method'], line['uri'], line['status']],
      [INGRESS, 'GET', urlOf('live'), 200],
    );
  });
});

/** What a client told, to its last line. */
async function resultsOf(cluster: HomeCluster, name: string): Promise<readonly LiveResult[]> {
  const lines = await logOf(cluster, name, 'main', (line) => (JSON.parse(line) as LiveResult).name === 'end');
  return lines.slice(0, -1).map((line) => JSON.parse(line) as LiveResult);
}

/** The log of a workload's container, to the first line that is the last one wanted. */
async function logOf(
  cluster: HomeCluster,
  name: string,
  container: string,
  isLast: (line: string) => boolean,
): Promise<readonly string[]> {
  const [pod] = await podsOf(cluster.client, NAMESPACE, `app=${name}`);
  assert.ok(pod !== undefined);
  const lines: string[] = [];
  const stop = new AbortController();
  const ref = { namespace: NAMESPACE, name: pod.metadata.name };
  const followed = cluster.followLogs(ref, container, (line) => lines.push(line), stop.signal);
  followed.catch(() => undefined);
  try {
    await until(`${name} to tell the last of what it has to tell`, () => lines.some(isLast), {
      timeoutMs: patience(90_000),
    });
  } finally {
    stop.abort();
  }
  return lines.slice(0, lines.findIndex(isLast) + 1);
}
