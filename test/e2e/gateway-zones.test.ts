/** A cluster with gateways in two zones: clients use the one of their own, the other one while that is away, and come back. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { DEPLOYMENTS, NODES, SERVICES } from '@mesh/kube';
import { okOutput } from '../../scripts/home/cli.ts';
import { MC_NAMESPACE } from '../../scripts/home/install-mesh.ts';
import { podsOf, rolloutDone } from '../../scripts/home/rollout.ts';
import { killWorkload, labelService, scale, serviceExists, SHOP } from '../../scripts/home/shop.ts';
import { bound, failures, Federation, patience, until } from './federation.ts';

const ZONE_LABEL = 'topology.kubernetes.io/zone';
const GATEWAY = 'linkerd-gateway';
/** A second gateway of west, in the zone of east's nodes. */
const NEAR = 'linkerd-gateway-near';
const ADMIN_PORT = 9994;

let federation: Federation;
let nearAddress: string;
let farAddress: string;
let zone: string;
/** Nodes that had no zone before. */
let labelled: readonly string[] = [];

before(async () => {
  federation = await Federation.open();
  await federation.deployShops();
  zone = await zoneOfEast();
  await deployNearGateway();
  [farAddress, nearAddress] = await Promise.all([addressOf(GATEWAY), addressOf(NEAR)]);
  await linkWithZones();
  await labelService(federation.west, 'catalog', { 'mirror.linkerd.io/exported': 'true' });
  await serviceExists(federation.east, 'catalog-west', true);
  await federation.customer('load', { west: 'http://web/browse?store=west' });
  await federation.request('west', 0);
});

after(async () => {
  if (federation === undefined) return;
  // Clusters of a home that stays keep nothing of this.
  const { east, west } = federation;
  await west.client.delete(DEPLOYMENTS, { namespace: MC_NAMESPACE, name: NEAR });
  await west.client.delete(SERVICES, { namespace: MC_NAMESPACE, name: NEAR });
  for (const name of labelled) await labelNode(east, name, null);
  await federation[Symbol.asyncDispose]();
});

/** All nodes of east are in one zone; where they tell none, they do meanwhile. */
async function zoneOfEast(): Promise<string> {
  const { items } = await federation.east.client.list(NODES);
  const told = items.find(({ metadata }) => metadata.labels?.[ZONE_LABEL] !== undefined)?.metadata.labels?.[ZONE_LABEL];
  const wanted = told ?? 'near';
  labelled = items
    .filter(({ metadata }) => metadata.labels?.[ZONE_LABEL] !== wanted)
    .map(({ metadata }) => metadata.name);
  for (const name of labelled) await labelNode(federation.east, name, wanted);
  return wanted;
}

async function labelNode({ client }: Federation['east'], name: string, value: string | null): Promise<void> {
  await client.patch(NODES, { name }, { type: 'merge', body: { metadata: { labels: { [ZONE_LABEL]: value } } } });
}

/** The same gateway once more, under an address of its own. */
async function deployNearGateway(): Promise<void> {
  const { client } = federation.west;
  const ref = { namespace: MC_NAMESPACE, name: GATEWAY };
  const [deployment, service] = await Promise.all([client.get(DEPLOYMENTS, ref), client.get(SERVICES, ref)]);
  assert.ok(deployment !== undefined && service !== undefined);
  const { template } = deployment.spec;
  const labels = { app: NEAR };
  const metadata = { name: NEAR, namespace: MC_NAMESPACE, labels };
  const pod = { ...template.metadata, labels: { ...template.metadata?.labels, ...labels } };
  await federation.west.apply([
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata,
      spec: { replicas: 1, selector: { matchLabels: labels }, template: { ...template, metadata: pod } },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata,
      spec: {
        type: 'LoadBalancer',
        selector: labels,
        ports: (service.spec?.ports ?? []).map(({ name, port, targetPort }) => ({ name, port, targetPort })),
      },
    },
  ]);
  await rolloutDone(client, MC_NAMESPACE, [NEAR]);
}

async function addressOf(name: string): Promise<string> {
  return until(
    `Service ${name} to get an address`,
    async () => {
      const service = await federation.west.client.get(SERVICES, { namespace: MC_NAMESPACE, name });
      return service?.status?.loadBalancer?.ingress?.[0]?.ip;
    },
    { timeoutMs: patience(30_000) },
  );
}

async function linkWithZones(): Promise<void> {
  const { east, west } = federation;
  const peer = ['--peer', east.name];
  await west.apply(okOutput(await west.mesh(['multicluster', 'allow', ...peer]), 'mesh multicluster allow'));
  const zones = `${farAddress}=elsewhere,${nearAddress}=${zone}`;
  const gateway = ['--gateway-addresses', `${farAddress},${nearAddress}`, '--gateway-zones', zones];
  const argv = ['multicluster', 'link', '--cluster-name', west.name, ...peer, ...gateway, ...west.linkFlags];
  await east.apply(okOutput(await west.mesh(argv), 'mesh multicluster link'));
  await federation.condition(east, west.name, 'GatewayAlive', 'True', { message: new RegExp(`in zone ${zone}`) });
}

const ready = async (): Promise<readonly string[]> =>
  [...(await federation.readyAddresses(federation.east, 'catalog-west'))].sort();

/** Requests for the catalog that came in at a gateway of west; 0 while it is away. */
async function served(gateway: string): Promise<number> {
  const { client } = federation.west;
  let count = 0;
  for (const pod of await podsOf(client, MC_NAMESPACE, `app=${gateway}`)) {
    const path = `/api/v1/namespaces/${MC_NAMESPACE}/pods/${pod.metadata.name}:${ADMIN_PORT}/proxy/metrics`;
    const { text } = await client.raw(path);
    for (const [, labels = '', value = ''] of text.matchAll(/^request_total\{([^}]*)\} (\d+)/gm)) {
      if (/direction="inbound"/.test(labels) && /dst_service="catalog"/.test(labels)) count += Number(value);
    }
  }
  return count;
}

/** Requests that each gateway got while `count` of them were made without a failure. */
async function shares(count: number): Promise<{ readonly near: number; readonly far: number }> {
  const before = { near: await served(NEAR), far: await served(GATEWAY) };
  assert.deepEqual(failures(await federation.watch('west', count)), []);
  return { near: (await served(NEAR)) - before.near, far: (await served(GATEWAY)) - before.far };
}

/** Endpoints of the mirror among which the customer's sidecar chooses. */
async function choices(): Promise<number> {
  const { stdout } = await federation.east.mesh(['diagnostics', 'proxy-metrics', '-n', SHOP, 'deploy/web']);
  const found = [...stdout.matchAll(/^outbound_http_balancer_endpoints\{([^}]*)\} (\d+)/gm)];
  return found.reduce(
    (sum, [, labels = '', value]) => sum + (labels.includes('"catalog-west"') ? Number(value) : 0),
    0,
  );
}

/** Until the sidecar knows, too: it has one gateway, and its requests go there. */
async function allAt(gateway: 'near' | 'far'): Promise<void> {
  const other = gateway === 'near' ? 'far' : 'near';
  await until('one gateway in the sidecar', async () => (await choices()) === 1, { timeoutMs: patience(30_000) });
  await until(
    `all requests at the ${gateway} gateway`,
    async () => {
      const seen = await shares(25);
      if (seen[gateway] > 0 && seen[other] === 0) return true;
      throw new Error(JSON.stringify(seen));
    },
    { timeoutMs: patience(30_000) },
  );
}

test('while both gateways are alive, clients use that of their own zone', async () => {
  assert.deepEqual(await ready(), [farAddress, nearAddress].sort());
  await allAt('near');
});

test('when it dies, the other one takes over within two seconds', async () => {
  await killWorkload(federation.west, MC_NAMESPACE, NEAR, `app=${NEAR}`);
  const goneAt = Date.now();
  await until('the near address to be out', async () => (await ready()).join() === farAddress, {
    timeoutMs: patience(10_000),
    everyMs: 20,
  });
  await federation.request('west', Date.now());
  assert.ok(Date.now() - goneAt < bound(2000), `answered after ${Date.now() - goneAt} ms`);
  await allAt('far');
});

test('and when it is back, clients come back to it', async () => {
  await scale(federation.west, MC_NAMESPACE, NEAR, 1);
  await rolloutDone(federation.west.client, MC_NAMESPACE, [NEAR]);
  await allAt('near');
  assert.deepEqual(await ready(), [farAddress, nearAddress].sort());
});
