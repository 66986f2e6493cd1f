/** Every mistake that a person can make in linking clusters gives one condition that names the object, the cause and the fix; nothing else stops. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { LINKS, SECRETS, SERVICES } from '@mesh/kube';
import type { Link, Service } from '@mesh/kube';
import { linkClusters, MC_NAMESPACE } from '../../scripts/home/install-mesh.ts';
import { serviceExists, SHOP } from '../../scripts/home/shop.ts';
import { bound, Federation, patience, until } from './federation.ts';

let federation: Federation;
let folder: string;

before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'mesh-bad-input-'));
  federation = await Federation.open();
  for (const cluster of federation.home.clusters) {
    await federation.namespace(cluster, SHOP);
  }
  await linkClusters(federation.east, federation.west);
});

after(async () => {
  await federation?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

/** The good Link stays good, whatever else is wrong. */
async function othersStillWork(): Promise<void> {
  await federation.condition(federation.east, 'west', 'Reachable', 'True');
  await federation.condition(federation.east, 'west', 'GatewayAlive', 'True');
}

async function applyService(
  name: string,
  spec: Service['spec'],
  labels: Readonly<Record<string, string>>,
  namespace = SHOP,
): Promise<void> {
  await federation.west.apply([{ apiVersion: 'v1', kind: 'Service', metadata: { name, namespace, labels }, spec }]);
}

/** What the Link says about one exported Service. */
async function mirrorCondition(name: string, message: RegExp, namespace = SHOP) {
  return until(
    `a status of ${namespace}/${name} on the Link with ${message}`,
    async () => {
      const link = await federation.link(federation.east, 'west');
      const item = link?.status?.mirrorServices?.find(
        (one) => one.remoteRef.name === name && one.remoteRef.namespace === namespace,
      );
      return item?.conditions.find(
        (condition) => condition.type === 'Mirrored' && condition.status === 'False' && message.test(condition.message),
      );
    },
    { timeoutMs: patience(15_000) },
  );
}

const EXPORTED = { 'mirror.linkerd.io/exported': 'true' };
const PORTS = [{ name: 'http', port: 80 }];

/** A copy of the good Link under another name, changed. */
async function badLink(name: string, change: (link: Link) => Link, kubeconfig?: string): Promise<void> {
  const good = await federation.link(federation.east, 'west');
  assert.ok(good !== undefined);
  const spec = { ...good.spec, targetClusterName: name, clusterCredentialsSecret: `cluster-credentials-${name}` };
  const link = change({ metadata: { name, namespace: MC_NAMESPACE }, spec });
  if (kubeconfig !== undefined) {
    await federation.east.apply([
      {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name: `cluster-credentials-${name}`, namespace: MC_NAMESPACE },
        type: 'mirror.linkerd.io/remote-kubeconfig',
        data: { kubeconfig: Buffer.from(kubeconfig).toString('base64') },
      },
    ]);
  }
  await federation.east.client.create(LINKS, { apiVersion: 'multicluster.linkerd.io/v1alpha3', kind: 'Link', ...link });
}

async function goodKubeconfig(): Promise<string> {
  const secret = await federation.east.client.get(SECRETS, {
    namespace: MC_NAMESPACE,
    name: 'cluster-credentials-west',
  });
  return Buffer.from(secret?.data?.['kubeconfig'] ?? '', 'base64').toString('utf8');
}

async function removeLink(name: string): Promise<void> {
  await federation.east.client.delete(LINKS, { namespace: MC_NAMESPACE, name });
  await until(`Link ${name} to be gone`, async () => (await federation.link(federation.east, name)) === undefined, {
    timeoutMs: patience(10_000),
  });
}

test('a Link whose Secret is missing names it, and goes without trouble', async () => {
  await badLink('nosecret', (link) => link);
  await federation.condition(federation.east, 'nosecret', 'CredentialsValid', 'False', {
    message: /cluster-credentials-nosecret does not exist/,
  });
  await othersStillWork();
  await removeLink('nosecret');
});

test('a malformed Secret is named, and a repaired one acts within ten seconds', async () => {
  await badLink('malformed', (link) => link, 'this: [is no kubeconfig');
  await federation.condition(federation.east, 'malformed', 'CredentialsValid', 'False', {
    message: /cluster-credentials-malformed.*generate the Link again/s,
  });
  const body = { data: { kubeconfig: Buffer.from(await goodKubeconfig()).toString('base64') } };
  const repairedAt = Date.now();
  await federation.east.client.patch(
    SECRETS,
    { namespace: MC_NAMESPACE, name: 'cluster-credentials-malformed' },
    { type: 'merge', body },
  );
  await federation.condition(federation.east, 'malformed', 'Reachable', 'True');
  assert.ok(Date.now() - repairedAt < bound(10_000));
  await removeLink('malformed');
});

test('an unreachable peer is named with its address', async () => {
  const kubeconfig = (await goodKubeconfig()).replace(/https:\/\/[^\s"']+/, 'https://127.255.255.1:1');
  await badLink('unreachable', (link) => link, kubeconfig);
  await federation.condition(federation.east, 'unreachable', 'Reachable', 'False', { message: /127\.255\.255\.1:1/ });
  await othersStillWork();
  await removeLink('unreachable');
});

test('a refused token is told from an unreachable peer', async () => {
  const kubeconfig = (await goodKubeconfig()).replace(/token: .*/, 'token: nobody');
  await badLink('refused', (link) => link, kubeconfig);
  await federation.condition(federation.east, 'refused', 'CredentialsValid', 'False', { message: /refuses/ });
  await removeLink('refused');
});

test('a Link without gateway address says so', async () => {
  await badLink(
    'noaddress',
    (link) => ({ ...link, spec: { ...link.spec, gatewayAddress: '' } }),
    await goodKubeconfig(),
  );
  await federation.condition(federation.east, 'noaddress', 'GatewayAlive', 'False', { message: /gatewayAddress/ });
  await removeLink('noaddress');
});

test('a gateway with another identity than the Link says is not trusted', async () => {
  const identity = 'somebody.else.serviceaccount.identity.linkerd.cluster.local';
  await badLink(
    'impostor',
    (link) => ({ ...link, spec: { ...link.spec, gatewayIdentity: identity } }),
    await goodKubeconfig(),
  );
  await federation.condition(federation.east, 'impostor', 'GatewayAlive', 'False', {
    message: /gatewayIdentity|identity/,
  });
  await othersStillWork();
  await removeLink('impostor');
});

test('a Service that already has the name of a mirror is left alone and named', async () => {
  const own = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'taken-west', namespace: SHOP, labels: { mine: 'yes' } },
    spec: { ports: PORTS },
  };
  await federation.east.apply([own]);
  await applyService('taken', { ports: [{ name: 'http', port: 8080 }] }, EXPORTED);
  await mirrorCondition('taken', /taken-west/);
  const kept = await federation.service(federation.east, 'taken-west');
  assert.equal(kept?.metadata.labels?.['mine'], 'yes');
  assert.equal(kept?.spec?.ports?.[0]?.port, 80);
  await federation.west.client.delete(SERVICES, { namespace: SHOP, name: 'taken' });
  await until(
    'the status to go',
    async () => {
      const link = await federation.link(federation.east, 'west');
      return !(link?.status?.mirrorServices ?? []).some((one) => one.remoteRef.name === 'taken');
    },
    { timeoutMs: patience(10_000) },
  );
  assert.ok((await federation.service(federation.east, 'taken-west')) !== undefined);
});

test('an exported Service without ports is refused with a reason', async () => {
  await applyService('portless', { clusterIP: 'None', selector: { app: 'none' } }, EXPORTED);
  await mirrorCondition('portless', /no ports: add at least one/);
});

test('a name that would be too long is shortened, and the whole is in an annotation', async () => {
  const name = `n${'a'.repeat(59)}`;
  await applyService(name, { ports: PORTS }, EXPORTED);
  const mirror = await until(
    'a mirror',
    async () => {
      const { items } = await federation.east.client.list(SERVICES, { namespace: SHOP });
      return items.find(({ metadata }) => metadata.annotations?.['federation.mesh.dev/full-name'] === `${name}-west`);
    },
    { timeoutMs: patience(15_000) },
  );
  assert.equal(mirror.metadata.name.length, 63);
});

test('a namespace that is missing at home is named, and the mirror appears with it', async () => {
  await federation.namespace(federation.west, 'abroad');
  await applyService('far', { ports: PORTS }, EXPORTED, 'abroad');
  await mirrorCondition('far', /abroad/, 'abroad');
  await federation.namespace(federation.east, 'abroad');
  await until(
    'far-west',
    async () => (await federation.east.client.get(SERVICES, { namespace: 'abroad', name: 'far-west' })) !== undefined,
    {
      timeoutMs: patience(10_000),
    },
  );
});

test('after all that, a correct export still works', async () => {
  await othersStillWork();
  await applyService('fine', { ports: PORTS }, EXPORTED);
  await serviceExists(federation.east, 'fine-west', true);
});

test('a wrong kubeconfig, context or address is one clear error of the command line', async () => {
  const nowhere = path.join(folder, 'nowhere');
  const { runCli } = await import('../../scripts/home/cli.ts');
  const missing = await runCli(nowhere, 'east', ['check']);
  assert.equal(missing.code, 1);
  assert.match(`${missing.stdout}${missing.stderr}`, /nowhere/);
  const broken = path.join(folder, 'broken');
  await writeFile(broken, 'clusters: 3');
  assert.equal((await runCli(broken, 'east', ['multicluster', 'gateways'])).code, 1);
  const context = await runCli(federation.home.kubeconfig, 'south', ['multicluster', 'gateways']);
  assert.equal(context.code, 1);
  assert.match(context.stderr, /south/);
});
