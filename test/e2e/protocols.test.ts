/** gRPC of all kinds, WebSocket and server-sent events, in one cluster and across two: programs notice nothing of the mesh between them. */
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import type { Manifest } from '@mesh/cli';
import type { HomeCluster } from '../../scripts/home/home.ts';
import { podsOf, rolloutDone } from '../../scripts/home/rollout.ts';
import { SHOP } from '../../scripts/home/shop.ts';
import { bound, Federation, patience, until } from './federation.ts';
import { bundleProgram } from './programs/bundle.ts';
import type { LiveResult } from './programs/live-client.ts';
import { EVENTS, GRPC_PORT, HTTP_PORT } from './programs/live-service.ts';

const NAMESPACE = 'e2e-live';
/** How the server knows its clients: in its own cluster by their names, across clusters by the gateway's. */
const CLIENT = `live-client.${NAMESPACE}.serviceaccount.identity.linkerd.cluster.local`;
const GATEWAY = 'linkerd-gateway.linkerd-multicluster.serviceaccount.identity.linkerd.cluster.local';

interface Program {
  readonly name: string;
  readonly source: string;
  readonly args: readonly string[];
}

/** A program of one file on the shop's Node. */
function manifestsOf({ name, source, args }: Program): readonly Manifest[] {
  const labels = { app: name };
  const metadata = { name, namespace: NAMESPACE, labels };
  const container = {
    name: 'main',
    image: 'shop:1',
    imagePullPolicy: 'IfNotPresent',
    command: ['/usr/bin/node', '/etc/e2e/main.mjs', ...args],
    volumeMounts: [{ name: 'program', mountPath: '/etc/e2e' }],
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
          metadata: { labels },
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

const SERVICE: Manifest = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'live', namespace: NAMESPACE, labels: { 'mirror.linkerd.io/exported': 'true' } },
  spec: {
    selector: { app: 'live' },
    ports: [
      { name: 'http', port: HTTP_PORT },
      { name: 'grpc', port: GRPC_PORT },
    ],
  },
};

suite('protocols', () => {
  let federation: Federation;
  const results = new Map<string, readonly LiveResult[]>();

  before(async () => {
    federation = await Federation.open();
    const { east, west } = federation;
    const server = { name: 'live', source: bundleProgram('live-server'), args: [] };
    const client = bundleProgram('live-client');
    await Promise.all([federation.linkBoth(), federation.namespace(east, SHOP), federation.namespace(west, SHOP)]);
    for (const cluster of [east, west]) {
      await federation.namespace(cluster, NAMESPACE, { annotations: { 'linkerd.io/inject': 'enabled' } });
      await cluster.apply([serviceAccount('live'), serviceAccount('live-client'), SERVICE, ...manifestsOf(server)]);
    }
    await Promise.all([east, west].map((cluster) => rolloutDone(cluster.client, NAMESPACE, ['live'])));
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

  for (const { target, where, client } of [
    { target: 'live', where: 'in one cluster', client: CLIENT },
    { target: 'live-west', where: 'across two clusters', client: GATEWAY },
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
      assert.equal(detailOf('HTTP: who the server is told that we are'), client);
      assert.equal(detailOf('gRPC: a unary call with trailers'), client);
    });

    test(`${where}, server-sent events are not held back`, () => {
      const delaysMs = detailOf('server-sent events: each as it is sent') as readonly number[];
      // Held back until the next one, or until the end, an event is late by at least the time between two.
      const late = delaysMs.filter((delay) => delay >= bound(EVENTS.everyMs));
      assert.deepEqual(late, [], `delays ${delaysMs.join(', ')} ms`);
    });
  }
});

/** What a client told, to its last line. */
async function resultsOf(cluster: HomeCluster, name: string): Promise<readonly LiveResult[]> {
  const [pod] = await podsOf(cluster.client, NAMESPACE, `app=${name}`);
  assert.ok(pod !== undefined);
  const told: LiveResult[] = [];
  const stop = new AbortController();
  const ref = { namespace: NAMESPACE, name: pod.metadata.name };
  const followed = cluster.followLogs(ref, 'main', (line) => told.push(JSON.parse(line) as LiveResult), stop.signal);
  followed.catch(() => undefined);
  try {
    await until(
      `${name} to be through, it has told ${told.length} cases`,
      () => told.some((result) => result.name === 'end'),
      { timeoutMs: patience(90_000) },
    );
  } finally {
    stop.abort();
  }
  return told.filter((result) => result.name !== 'end');
}
