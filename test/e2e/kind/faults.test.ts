/**
 * Parts of real clusters going away while customers send requests all the time. What is promised is counted: no request fails, unless a test says
 * which may.
 */
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { DEPLOYMENTS, LEASES, PODS } from '@mesh/kube';
import type { Manifest } from '@mesh/cli';
import { okOutput } from '../../../scripts/home/cli.ts';
import type { HomeCluster } from '../../../scripts/home/home.ts';
import { MC_NAMESPACE } from '../../../scripts/home/install-mesh.ts';
import { nodesOf } from '../../../scripts/home/kind-home.ts';
import type { KindHome, KindMember } from '../../../scripts/home/kind-home.ts';
import { runProgram } from '../../../scripts/home/program.ts';
import { podsOf, rolloutDone } from '../../../scripts/home/rollout.ts';
import { labelService, scale, serviceExists, SHOP } from '../../../scripts/home/shop.ts';
import { pause } from '../../../scripts/home/wait.ts';
import { failures, patience, until } from '../federation.ts';
import type { Federation } from '../federation.ts';
import { SHOP_IMAGE } from './images.ts';
import { signalApiServer } from './node-faults.ts';
import { deploy, isMeshed, openKindFederation, podOf, restart, SKIP } from './workloads.ts';

const CONTROL_PLANE = ['linkerd-identity', 'linkerd-destination', 'linkerd-proxy-injector'] as const;
const SHOP_PARTS = ['web', 'catalog', 'cart', 'pricing'] as const;
const INJECTOR = 'linkerd.io/control-plane-component=proxy-injector';
/** How long the control plane is away, `MESH_E2E_AWAY_S`: two minutes unless somebody is in a hurry. */
const AWAY_MS = awaySeconds(process.env['MESH_E2E_AWAY_S']) * 1000;
/** As long as nobody notices by other means: the log of the customers comes through the API, too. */
const API_PAUSE_MS = 15_000;

suite('faults', { skip: SKIP }, () => {
  let federation: Federation;
  let home: KindHome;
  let east: KindMember;

  before(async () => {
    ({ federation, home } = await openKindFederation());
    east = home.cluster('east');
    await Promise.all([federation.deployShops(), federation.linkBoth()]);
    await labelService(federation.west, 'catalog', { 'mirror.linkerd.io/exported': 'true' });
    await serviceExists(east, 'catalog-west', true);
    const targets = { home: 'http://web/', west: 'http://web/browse?store=west' };
    // Where it is not among those that go with a node.
    const [node] = await nodesOf('east');
    await federation.customer('load', targets, { node });
    await federation.request('home', 0);
    await federation.request('west', 0);
    await calm();
  });

  after(() => federation?.[Symbol.asyncDispose]());

  /** Resolves once traffic flows as it should, so that a test is not charged with what one before it left. */
  async function calm(): Promise<void> {
    await until(
      'a second without a failed request',
      async () => {
        const from = Date.now();
        const seen = [...(await federation.watch('home', 25, from)), ...(await federation.watch('west', 25, from))];
        return failures(seen).length === 0;
      },
      { timeoutMs: patience(20_000), everyMs: 100 },
    );
  }

  /** All of both targets since then, once both have gone on for a while after the fault. */
  async function failedSince(fromMs: number): Promise<readonly string[]> {
    const now = Date.now();
    await federation.watch('home', 50, now);
    await federation.watch('west', 50, now);
    return [...failures(federation.requests('home', fromMs)), ...failures(federation.requests('west', fromMs))];
  }

  test('a rolling restart of every part of the shop costs no request', async () => {
    const startedAt = Date.now();
    for (const name of SHOP_PARTS) {
      await restart(east, SHOP, name);
      await oldPodsGone(east, SHOP, name);
    }
    assert.deepEqual(await failedSince(startedAt), []);
  });

  test('a pod that is deleted with its grace finishes what it has begun', async () => {
    await scale(east, SHOP, 'web', 2);
    await rolloutDone(east.client, SHOP, ['web']);
    await calm();
    const startedAt = Date.now();
    const [first] = await podsOf(east.client, SHOP, 'app=web');
    assert.ok(first !== undefined);
    await east.client.delete(PODS, { namespace: SHOP, name: first.metadata.name });
    await oldPodsGone(east, SHOP, 'web');
    assert.deepEqual(await failedSince(startedAt), []);
    await scale(east, SHOP, 'web', 1);
    await oldPodsGone(east, SHOP, 'web');
  });

  test('a drained node costs no request', async (t) => {
    const [, worker] = await nodesOf('east');
    if (worker === undefined) {
      t.skip('east has one node: npm run kind -- up --nodes 2');
      return;
    }
    const kubectl = (...args: string[]) =>
      runProgram('kubectl', ['--kubeconfig', home.kubeconfig, '--context', 'east', ...args]);
    const budgets = await replicate();
    try {
      await calm();
      const startedAt = Date.now();
      await kubectl('drain', worker, '--ignore-daemonsets', '--delete-emptydir-data', '--timeout=180s');
      assert.deepEqual(await podsOn(worker), [], `${worker} still runs these`);
      await rolloutDone(east.client, SHOP, SHOP_PARTS);
      assert.deepEqual(await failedSince(startedAt), []);
    } finally {
      await kubectl('uncordon', worker);
      await east.remove(budgets);
      // An upgrade keeps what an earlier one has chosen.
      await upgrade('--set', 'controllerReplicas=1', '--set', 'enablePodDisruptionBudget=false');
      await east.remove(okOutput(await east.mesh(['prune']), 'mesh prune'));
      await Promise.all(SHOP_PARTS.map((name) => scale(east, SHOP, name, 1)));
    }
    for (const name of SHOP_PARTS) await oldPodsGone(east, SHOP, name);
  });

  /**
   * Two of everything that requests in `east` need, of which evictions may take one at a time: an eviction does not wait for the pod that comes
   * instead. Resolves with the budgets.
   */
  async function replicate(): Promise<readonly Manifest[]> {
    await upgrade('--set', 'controllerReplicas=2', '--set', 'enablePodDisruptionBudget=true');
    await Promise.all(SHOP_PARTS.map((name) => scale(east, SHOP, name, 2)));
    const budgets = SHOP_PARTS.map((name) => ({
      apiVersion: 'policy/v1',
      kind: 'PodDisruptionBudget',
      metadata: { name, namespace: SHOP },
      spec: { maxUnavailable: 1, selector: { matchLabels: { app: name } } },
    }));
    await east.apply(budgets);
    await rolloutDone(east.client, 'linkerd', CONTROL_PLANE);
    await rolloutDone(east.client, SHOP, SHOP_PARTS);
    return budgets;
  }

  async function upgrade(...values: readonly string[]): Promise<void> {
    const printed = await east.mesh(['upgrade', ...east.installFlags, ...values]);
    await east.apply(okOutput(printed, 'mesh upgrade'));
    await rolloutDone(east.client, 'linkerd', CONTROL_PLANE);
  }

  /** Pods of the node that a drain takes: those of the mesh and of the shop. */
  async function podsOn(node: string): Promise<readonly string[]> {
    const namespaces = ['linkerd', MC_NAMESPACE, SHOP];
    const lists = await Promise.all(namespaces.map((namespace) => east.client.list(PODS, { namespace })));
    const there = lists.flatMap(({ items }) => items).filter((pod) => pod.spec.nodeName === node);
    return there.map((pod) => pod.metadata.name);
  }

  test(`traffic does not notice that the control plane is away for ${AWAY_MS / 1000} s`, async () => {
    const startedAt = Date.now();
    await Promise.all(CONTROL_PLANE.map((name) => scale(east, 'linkerd', name, 0)));
    await until('no pod of the control plane', async () => (await podsOf(east.client, 'linkerd', '')).length === 0, {
      timeoutMs: patience(15_000),
    });
    await pause(AWAY_MS);
    await Promise.all(CONTROL_PLANE.map((name) => scale(east, 'linkerd', name, 1)));
    await rolloutDone(east.client, 'linkerd', CONTROL_PLANE);
    assert.deepEqual(await failedSince(startedAt), []);
  });

  test('a changed Service is known soon after the control plane is back', async () => {
    await restart(east, SHOP, 'catalog');
    await oldPodsGone(east, SHOP, 'catalog');
    const [pod] = await podsOf(east.client, SHOP, 'app=catalog');
    await federation.request('home', Date.now(), (record) => record.pod === pod?.metadata.name);
  });

  test('traffic does not notice an API server that hangs', async () => {
    const startedAt = Date.now();
    await Promise.all(home.clusters.map((cluster) => signalApiServer(cluster, 'STOP')));
    try {
      await pause(API_PAUSE_MS);
    } finally {
      await Promise.all(home.clusters.map((cluster) => signalApiServer(cluster, 'CONT')));
    }
    await Promise.all(home.clusters.map(apiWorks));
    assert.deepEqual(await failedSince(startedAt), []);
  });

  test('traffic does not notice an API server that is killed, and everything finds the new one', async () => {
    const startedAt = Date.now();
    // One at a time: two that start fill two cores for seconds, and nobody else's requests would be answered either.
    for (const cluster of home.clusters) {
      await signalApiServer(cluster, 'KILL');
      await apiWorks(cluster);
    }
    await labelService(federation.west, 'pricing', { 'mirror.linkerd.io/exported': 'true' });
    await mirrored('pricing-west', true);
    await labelService(federation.west, 'pricing', { 'mirror.linkerd.io/exported': undefined });
    await mirrored('pricing-west', false);
    assert.deepEqual(await failedSince(startedAt), []);
  });

  async function apiWorks(cluster: HomeCluster): Promise<void> {
    await until(
      `the API of ${cluster.name} to answer`,
      async () => (await cluster.client.list(LEASES)).items.length > 0,
      { timeoutMs: patience(30_000), everyMs: 250 },
    );
  }

  async function mirrored(name: string, present: boolean): Promise<void> {
    await until(
      `mirror ${name} to ${present ? 'appear' : 'go'}`,
      async () => ((await federation.service(east, name)) !== undefined) === present,
      { timeoutMs: patience(30_000), everyMs: 100 },
    );
  }

  test('of two gateways one is deleted and no request fails', async () => {
    await scale(federation.west, MC_NAMESPACE, 'linkerd-gateway', 2);
    await rolloutDone(federation.west.client, MC_NAMESPACE, ['linkerd-gateway']);
    try {
      await calm();
      const startedAt = Date.now();
      const [gateway] = await podsOf(federation.west.client, MC_NAMESPACE, 'app=linkerd-gateway');
      assert.ok(gateway !== undefined);
      await federation.west.client.delete(PODS, { namespace: MC_NAMESPACE, name: gateway.metadata.name });
      await podGone(federation.west, MC_NAMESPACE, gateway.metadata.name);
      await rolloutDone(federation.west.client, MC_NAMESPACE, ['linkerd-gateway']);
      assert.deepEqual(await failedSince(startedAt), []);
    } finally {
      await scale(federation.west, MC_NAMESPACE, 'linkerd-gateway', 1);
    }
  });

  test('the only gateway is deleted: home goes on without a failure, the other cluster answers again by itself', async () => {
    await until(
      'one gateway',
      async () => (await podsOf(federation.west.client, MC_NAMESPACE, 'app=linkerd-gateway')).length === 1,
      { timeoutMs: patience(15_000) },
    );
    await calm();
    const startedAt = Date.now();
    const [gateway] = await podsOf(federation.west.client, MC_NAMESPACE, 'app=linkerd-gateway');
    await federation.west.client.delete(PODS, { namespace: MC_NAMESPACE, name: gateway?.metadata.name ?? '' });
    await podGone(federation.west, MC_NAMESPACE, gateway?.metadata.name ?? '');
    await rolloutDone(federation.west.client, MC_NAMESPACE, ['linkerd-gateway']);
    await calm();
    assert.deepEqual(failures(federation.requests('home', startedAt)), []);
    await federation.condition(east, 'west', 'GatewayAlive', 'True');
  });

  test('while no injector runs, pods start without sidecar, and the API server counts it', async () => {
    const namespace = 'e2e-no-injector';
    await federation.namespace(east, namespace, { annotations: { 'linkerd.io/inject': 'enabled' } });
    const counted = await failedOpen(east);
    await scale(east, 'linkerd', 'linkerd-proxy-injector', 0);
    await until(
      'no injector',
      async () => (await east.client.list(PODS, { namespace: 'linkerd', labelSelector: INJECTOR })).items.length === 0,
      { timeoutMs: patience(15_000) },
    );
    const sleeper = {
      name: 'sleeper',
      namespace,
      image: SHOP_IMAGE,
      command: ['/usr/bin/node', '-e', 'setInterval(() => undefined, 1000)'],
    };
    try {
      await deploy(east, [sleeper]);
      assert.ok(!isMeshed(await podOf(east, namespace, 'sleeper')));
      assert.ok((await failedOpen(east)) > counted, 'apiserver_admission_webhook_fail_open_count did not grow');
    } finally {
      await scale(east, 'linkerd', 'linkerd-proxy-injector', 1);
    }
    await rolloutDone(east.client, 'linkerd', ['linkerd-proxy-injector']);
    // The API server asks again once the node knows the way to the new injector.
    await until(
      'a pod to be meshed again',
      async () => {
        await restart(east, namespace, 'sleeper');
        await oldPodsGone(east, namespace, 'sleeper');
        return isMeshed(await podOf(east, namespace, 'sleeper'));
      },
      { timeoutMs: patience(15_000), everyMs: 1000 },
    );
  });
});

/** The Deployment has as many pods as it wants, those that are ending included. */
async function oldPodsGone(cluster: HomeCluster, namespace: string, name: string): Promise<void> {
  await until(
    `the old pods of ${namespace}/${name} to be gone`,
    async () => {
      const deployment = await cluster.client.get(DEPLOYMENTS, { namespace, name });
      const { items } = await cluster.client.list(PODS, { namespace, labelSelector: `app=${name}` });
      return (
        items.length === (deployment?.spec.replicas ?? 1) && deployment?.status?.availableReplicas === items.length
      );
    },
    { timeoutMs: patience(20_000), everyMs: 250 },
  );
}

async function podGone(cluster: HomeCluster, namespace: string, name: string): Promise<void> {
  await until(
    `pod ${namespace}/${name} to be gone`,
    async () => (await cluster.client.get(PODS, { namespace, name })) === undefined,
    { timeoutMs: patience(20_000), everyMs: 100 },
  );
}

/** How many pods the API server let through because the injector did not answer. */
async function failedOpen(cluster: HomeCluster): Promise<number> {
  const { text } = await cluster.client.raw('/metrics');
  return text
    .split('\n')
    .filter((line) => line.startsWith('apiserver_admission_webhook_fail_open_count{') && /linkerd/.test(line))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}

function awaySeconds(value: string | undefined): number {
  if (value === undefined || value === '') return 120;
  const seconds = Number(value);
  if (Number.isFinite(seconds) && seconds >= 1 && seconds <= 600) return seconds;
  throw new Error(`MESH_E2E_AWAY_S is ${JSON.stringify(value)}: give seconds, 1 to 600`);
}
