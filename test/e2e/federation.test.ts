/**
 * The life of a federation, told once and in order on two linked clusters: each test leaves things as it found them. The customer never stops, so
 * every test also shows what traffic saw.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { LEASES, PODS } from '@mesh/kube';
import type { HomeCluster } from '../../scripts/home/home.ts';
import { MC_NAMESPACE } from '../../scripts/home/install-mesh.ts';
import { podsOf, rolloutDone } from '../../scripts/home/rollout.ts';
import { killWorkload, labelService, scale, serviceExists, SHOP } from '../../scripts/home/shop.ts';
import { isOk } from '../../scripts/home/traffic.ts';
import { bound, failures, Federation, patience, until } from './federation.ts';

let federation: Federation;

before(async () => {
  federation = await Federation.open();
  await federation.deployShops();
  await federation.linkBoth();
  await federation.customer('load', { home: 'http://web/', west: 'http://web/browse?store=west' });
  await federation.request('home', 0);
});

after(() => federation?.[Symbol.asyncDispose]());

test('an exported service appears in the other cluster within a second and answers within two', async () => {
  const exportedAt = Date.now();
  await labelService(federation.west, 'catalog', { 'mirror.linkerd.io/exported': 'true' });
  await serviceExists(federation.east, 'catalog-west', true);
  assert.ok(Date.now() - exportedAt < bound(1000), `mirror took ${Date.now() - exportedAt} ms`);
  const first = await federation.request('west', exportedAt);
  assert.ok(first.at + first.ms - exportedAt < bound(2000), `first answer took ${first.at + first.ms - exportedAt} ms`);
  assert.equal(first.cluster, 'west');
});

test('crossing requests carry the verified identity of the client, not that of the gateway', async () => {
  const record = await federation.request('west', Date.now());
  assert.equal(record.caller?.clientId, 'web.shop.serviceaccount.identity.linkerd.cluster.local');
  assert.match(record.caller?.forwarded ?? '', /for="?web\.shop\.serviceaccount\.identity\.linkerd\.cluster\.local/);
});

test('the command line sees the link, the gateway and the endpoints', async () => {
  const check = await federation.east.mesh(['multicluster', 'check', '--wait', '5s']);
  assert.equal(check.code, 0, check.stdout);
  const gateways = await federation.east.mesh(['multicluster', 'gateways', '-o', 'json']);
  const [west] = JSON.parse(gateways.stdout) as readonly {
    clusterName: string;
    alive: boolean;
    numberOfServices: number;
    latency?: number;
  }[];
  assert.deepEqual(
    { ...west, latency: typeof west?.latency },
    { clusterName: 'west', alive: true, numberOfServices: 1, latency: 'number' },
  );
  const endpoints = await federation.east.mesh(['diagnostics', 'endpoints', 'catalog-west.shop.svc.cluster.local:80']);
  assert.equal(endpoints.code, 0, endpoints.stderr);
  const [web] = await podsOf(federation.east.client, SHOP, 'app=web');
  const name = web?.metadata.name ?? '';
  const metrics = await federation.east.mesh(['diagnostics', 'proxy-metrics', '-n', SHOP, 'deploy/web']);
  assert.equal(metrics.code, 0, metrics.stderr);
  assert.match(metrics.stdout, /response_total\{[^}]*direction="outbound"/);
  assert.match(metrics.stdout, /dst_target_cluster="west"/);
  const identity = await federation.east.mesh(['identity', '-n', SHOP, name]);
  assert.equal(identity.code, 0, identity.stderr);
  assert.match(identity.stdout, /DNS:web\.shop\.serviceaccount\.identity\.linkerd\.cluster\.local/);
  const core = await federation.east.mesh(['check', '--proxy', '--wait', '10s']);
  assert.equal(core.code, 0, core.stdout);
});

test('un-exporting removes the mirror and leaves nothing behind', async () => {
  await labelService(federation.west, 'cart', { 'mirror.linkerd.io/exported': 'true' });
  await serviceExists(federation.east, 'cart-west', true);
  await labelService(federation.west, 'cart', { 'mirror.linkerd.io/exported': undefined });
  await serviceExists(federation.east, 'cart-west', false);
  await until(
    'no trace of cart-west',
    async () => !(await federation.mirrors(federation.east)).some((name) => name.includes('cart-west')),
    {
      timeoutMs: patience(5000),
    },
  );
});

test('an active-active service stays at home, survives the death of the local side, and comes home again', async () => {
  for (const cluster of federation.home.clusters)
    await labelService(cluster, 'catalog', { 'mirror.linkerd.io/federated': 'member' });
  await Promise.all(federation.home.clusters.map((cluster) => serviceExists(cluster, 'catalog-federated', true)));
  await federation.customer('load-federated', { federated: 'http://web/browse?store=federated' });
  // The federated Service exists before both of its members are in it.
  await federation.request('federated', 0, (record) => isOk(record) && record.cluster === 'east');
  const calm = await federation.watch('federated', 25);
  assert.deepEqual(failures(calm), []);
  assert.ok(
    calm.every((record) => record.cluster === 'east'),
    'requests left home although home was healthy',
  );

  const killedAt = await killWorkload(federation.east, SHOP, 'catalog', 'app=catalog');
  // It died somewhere between; how long that takes is the home's affair.
  const deadAt = Date.now();
  await federation.request('federated', killedAt, (record) => isOk(record) && record.cluster === 'west');
  await federation.watch('federated', 50, killedAt + 1000);
  const touched = federation.requests('federated', 0).filter((record) => record.at + record.ms >= killedAt);
  const inFlight = touched.filter((record) => record.at < deadAt).length;
  assert.ok(failures(touched).length <= inFlight, failures(touched).join('\n'));

  await scale(federation.east, SHOP, 'catalog', 1);
  await rolloutDone(federation.east.client, SHOP, ['catalog']);
  const readyAt = Date.now();
  await federation.request('federated', readyAt, (record) => isOk(record) && record.cluster === 'east');
  const back = await federation.watch('federated', 25);
  assert.deepEqual(failures(back), []);
  assert.ok(back.every((record) => record.cluster === 'east'));
});

test('the crash of the program alone, behind a living sidecar, costs no request but those under way', async () => {
  const [pod] = await podsOf(federation.east.client, SHOP, 'app=catalog');
  assert.ok(pod !== undefined);
  await federation.east.killContainer({ namespace: SHOP, name: pod.metadata.name }, 'catalog', 'SIGKILL');
  const killedAt = Date.now();
  const later = await federation.watch('federated', 50, killedAt);
  assert.deepEqual(failures(later.filter((record) => record.at > killedAt)), []);
  await rolloutDone(federation.east.client, SHOP, ['catalog']);
  await federation.request('federated', Date.now(), (record) => isOk(record) && record.cluster === 'east');
});

test('a dead gateway is noticed, does not disturb home traffic, and heals', async () => {
  const killedAt = await killWorkload(federation.west, MC_NAMESPACE, 'linkerd-gateway', 'app=linkerd-gateway');
  await federation.condition(federation.east, 'west', 'GatewayAlive', 'False');
  assert.ok(Date.now() - killedAt < bound(10_000), `noticed after ${Date.now() - killedAt} ms`);
  await until(
    'the mirror to lose its ready endpoints',
    async () => (await federation.readyAddresses(federation.east, 'catalog-west')).length === 0,
    {
      timeoutMs: patience(5000),
    },
  );
  const home = await federation.watch('federated', 25);
  assert.deepEqual(failures(home), []);

  await scale(federation.west, MC_NAMESPACE, 'linkerd-gateway', 1);
  await federation.condition(federation.east, 'west', 'GatewayAlive', 'True');
  const first = await federation.request('west', Date.now());
  assert.equal(first.cluster, 'west');
});

for (const [name, label] of [
  ['linkerd-identity', 'linkerd.io/control-plane-component=identity'],
  ['linkerd-destination', 'linkerd.io/control-plane-component=destination'],
  ['linkerd-proxy-injector', 'linkerd.io/control-plane-component=proxy-injector'],
] as const) {
  test(`proxies keep serving while ${name} is away, and it heals by itself`, async () => {
    const startedAt = Date.now();
    await scale(federation.east, 'linkerd', name, 0);
    await until(
      `${name} to be gone`,
      async () => (await podsOf(federation.east.client, 'linkerd', label)).length === 0,
      { timeoutMs: patience(10_000) },
    );
    await federation.watch('home', 25);
    await federation.watch('west', 25);
    await scale(federation.east, 'linkerd', name, 1);
    await rolloutDone(federation.east.client, 'linkerd', [name]);
    await federation.watch('home', 25);
    await federation.watch('west', 25);
    assert.deepEqual(
      [...failures(federation.requests('home', startedAt)), ...failures(federation.requests('west', startedAt))],
      [],
    );
  });
}

for (const [component, containers] of [
  ['identity', ['identity']],
  ['destination', ['destination', 'policy']],
  ['proxy-injector', ['proxy-injector']],
] as const) {
  test(`killed processes of ${component} are restarted and no request is lost`, async () => {
    const startedAt = Date.now();
    const label = `linkerd.io/control-plane-component=${component}`;
    await killAndHeal(federation.east, 'linkerd', label, containers);
    await federation.watch('west', 25);
    assert.deepEqual(
      [...failures(federation.requests('home', startedAt)), ...failures(federation.requests('west', startedAt))],
      [],
    );
  });
}

test('a killed gateway process is restarted and used again without help', async () => {
  await killAndHeal(federation.west, MC_NAMESPACE, 'app=linkerd-gateway', ['gateway']);
  await federation.condition(federation.east, 'west', 'GatewayAlive', 'True');
  await federation.request('west', Date.now());
  const later = await federation.watch('west', 25);
  assert.deepEqual(failures(later), []);
});

/** Kills containers of a workload's pod and waits until the node has restarted them and all of the pod is ready. */
async function killAndHeal(
  cluster: HomeCluster,
  namespace: string,
  labelSelector: string,
  containers: readonly string[],
): Promise<void> {
  const [pod] = await podsOf(cluster.client, namespace, labelSelector);
  assert.ok(pod !== undefined);
  const ref = { namespace, name: pod.metadata.name };
  for (const container of containers) await cluster.killContainer(ref, container, 'SIGKILL');
  await until(
    `${ref.name} to have been restarted`,
    async () => {
      const statuses = (await cluster.client.get(PODS, ref))?.status?.containerStatuses ?? [];
      return statuses.every((status) => status.ready && (status.restartCount > 0 || !containers.includes(status.name)));
    },
    { timeoutMs: patience(20_000) },
  );
}

test('a killed mirror controller is replaced and catches up with what it missed', async () => {
  const [pod] = await podsOf(federation.east.client, MC_NAMESPACE, 'component=linkerd-service-mirror');
  assert.ok(pod !== undefined);
  await federation.east.killContainer({ namespace: MC_NAMESPACE, name: pod.metadata.name }, 'mirror', 'SIGKILL');
  await labelService(federation.west, 'pricing', { 'mirror.linkerd.io/exported': 'true' });
  await serviceExists(federation.east, 'pricing-west', true);
  await labelService(federation.west, 'pricing', { 'mirror.linkerd.io/exported': undefined });
  await serviceExists(federation.east, 'pricing-west', false);
});

test('a sidecar that is killed comes back with its pod serving', async () => {
  const [pod] = await podsOf(federation.east.client, SHOP, 'app=web');
  assert.ok(pod !== undefined);
  await federation.east.killContainer({ namespace: SHOP, name: pod.metadata.name }, 'linkerd-proxy', 'SIGKILL');
  const killedAt = Date.now();
  await federation.request('home', killedAt + 1000);
  const later = await federation.watch('home', 25);
  assert.deepEqual(failures(later), []);
});

test('traffic does not notice that both API servers are away for a while', async () => {
  const startedAt = Date.now();
  await Promise.all(federation.home.clusters.map((cluster) => cluster.stopApiServer()));
  try {
    // The log comes through the API too, so what was sent meanwhile is read afterwards.
    await new Promise((resolve) => setTimeout(resolve, 2000));
  } finally {
    await Promise.all(federation.home.clusters.map((cluster) => cluster.startApiServer()));
  }
  await until('the API to answer', async () => (await federation.east.client.list(LEASES)).items.length > 0, {
    timeoutMs: patience(10_000),
  });
  await labelService(federation.west, 'pricing', { 'mirror.linkerd.io/exported': 'true' });
  await serviceExists(federation.east, 'pricing-west', true);
  await labelService(federation.west, 'pricing', { 'mirror.linkerd.io/exported': undefined });
  await serviceExists(federation.east, 'pricing-west', false);
  assert.ok(Date.now() - startedAt < bound(30_000));
  // The log was caught up with by now: everything that was sent while nobody answered for the API.
  const meanwhile = await federation.watch('home', 25, startedAt);
  assert.deepEqual(failures(meanwhile), []);
});

test('unlinking removes every mirror and both credentials', async () => {
  const manifests = await federation.east.mesh(['multicluster', 'unlink', '--cluster-name', 'west']);
  assert.equal(manifests.code, 0, manifests.stderr);
  await federation.east.remove(manifests.stdout);
  await until(
    'every mirror of west to be gone',
    async () => !(await federation.mirrors(federation.east)).some((name) => name.endsWith('-west')),
    {
      timeoutMs: patience(10_000),
    },
  );
  assert.equal(await federation.link(federation.east, 'west'), undefined);
  const uninstall = await federation.east.mesh(['multicluster', 'uninstall']);
  assert.equal(uninstall.code, 0, uninstall.stderr);
});
