/** Installing and removing, on a cluster that serves nothing else: what comes, what goes, and what users of Linkerd bring along. */
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { dynamicKind, LINKS, MUTATING_WEBHOOKS, SECRETS } from '@mesh/kube';
import type { KubeClient, KubeObject } from '@mesh/kube';
import { parseManifests } from '@mesh/cli';
import { KindIndex } from '../../scripts/home/apply.ts';
import { okOutput } from '../../scripts/home/cli.ts';
import { openEmbeddedHome } from '../../scripts/home/embedded-home.ts';
import type { Home, HomeCluster } from '../../scripts/home/home.ts';
import { createTrust, installMesh, MC_NAMESPACE } from '../../scripts/home/install-mesh.ts';
import { until } from '../../scripts/home/wait.ts';

const USERS_MANIFESTS = path.resolve(import.meta.dirname, '../../packages/cli/test/linkerd-manifests');

let home: Home;
let cluster: HomeCluster;
let atStart: ReadonlySet<string>;
let trust: readonly string[];

before(async () => {
  home = await openEmbeddedHome({ clusters: ['east'] });
  cluster = home.cluster('east');
  atStart = new Set(await everything(cluster.client));
  trust = (await createTrust(home)).get('east') ?? [];
  await installMesh(cluster, trust);
});
after(() => home[Symbol.asyncDispose]());

async function mesh(...argv: string[]): Promise<string> {
  return okOutput(await cluster.mesh(argv), `mesh ${argv.join(' ')}`);
}

test('manifests that users of Linkerd have apply as they are, and no field of them is dropped', async () => {
  const kinds = new KindIndex(cluster.client);
  const files = (await readdir(USERS_MANIFESTS)).filter((name) => name.endsWith('.yaml')).sort();
  const texts = await Promise.all(files.map((file) => readFile(path.join(USERS_MANIFESTS, file), 'utf8')));
  const objects = texts.flatMap((text, index) => parseManifests(text, files[index]));
  await cluster.apply(objects.toSorted((a, b) => Number(b.kind === 'Namespace') - Number(a.kind === 'Namespace')));
  for (const object of objects) {
    const { namespace, name = '' } = object.metadata;
    const live = await cluster.client.get(await kinds.resolve(object), { namespace, name });
    assertHolds(live, object, `${object.kind} ${name}`);
  }
});

/** Everything that `wanted` says is in `live`; what the cluster added is fine. */
function assertHolds(live: unknown, wanted: unknown, where: string): void {
  if (Array.isArray(wanted)) {
    assert.ok(Array.isArray(live), where);
    wanted.forEach((item, index) => assertHolds(live[index], item, `${where}[${index}]`));
  } else if (typeof wanted === 'object' && wanted !== null) {
    assert.ok(typeof live === 'object' && live !== null, `${where} is gone`);
    for (const [key, value] of Object.entries(wanted)) {
      assertHolds((live as Readonly<Record<string, unknown>>)[key], value, `${where}.${key}`);
    }
  } else assert.deepEqual(live, wanted, where);
}

test('an upgrade of what was just installed changes nothing, and leaves the certificate of the injector', async () => {
  const tls = { namespace: 'linkerd', name: 'linkerd-proxy-injector-k8s-tls' };
  const look = async () => ({
    secret: (await cluster.client.get(SECRETS, tls))?.data,
    webhook: (await cluster.client.get(MUTATING_WEBHOOKS, { name: 'linkerd-proxy-injector-webhook-config' }))?.metadata,
  });
  const first = await look();
  assert.ok(first.secret?.['tls.crt'] !== undefined);
  await cluster.apply(await mesh('upgrade'));
  const second = await look();
  assert.deepEqual(second.secret, first.secret);
  assert.equal(second.webhook?.resourceVersion, first.webhook?.resourceVersion);
});

test('a second install is refused', async () => {
  const { code, stderr } = await cluster.mesh(['install', ...trust]);
  assert.equal(code, 1);
  assert.match(stderr, /mesh upgrade/);
});

/** The Multi-Cluster Services API may be used by others, too, and its objects are the users': its definitions stay. */
const isStandard = (name: string): boolean => /\bmulticluster\.x-k8s\.io$/.test(name);

test('what was installed can be removed again, and nothing is left but the definitions of a standard', async () => {
  const left = async (): Promise<readonly string[]> =>
    (await everything(cluster.client)).filter((name) => !atStart.has(name) && !isStandard(name));
  assert.ok((await left()).includes('MutatingWebhookConfiguration /linkerd-proxy-injector-webhook-config'));
  const links = (await cluster.client.list(LINKS, { namespace: MC_NAMESPACE })).items;
  for (const { metadata } of links) {
    await cluster.remove(await mesh('multicluster', 'unlink', '--cluster-name', metadata.name));
  }
  await cluster.remove(await mesh('multicluster', 'uninstall'));
  await cluster.remove(await mesh('uninstall'));
  await cluster.remove([{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'bakery' } }]);
  await until('everything to be gone', async () => ((await left()).length === 0 ? true : undefined), {
    timeoutMs: 60_000,
    everyMs: 500,
  }).catch(async (error: unknown) => assert.deepEqual(await left(), [], String(error)));
});

test('after that it can be installed again', () => installMesh(cluster, trust));

/** `kind namespace/name` of every object of the cluster, but Events, which end by themselves. */
async function everything(client: KubeClient): Promise<readonly string[]> {
  const groups = (await json(client, '/apis')) as {
    readonly groups: readonly { readonly preferredVersion: { readonly groupVersion: string } }[];
  };
  const versions = ['v1', ...groups.groups.map((group) => group.preferredVersion.groupVersion)];
  const names: string[] = [];
  for (const version of versions) {
    const { resources = [] } = (await json(client, version === 'v1' ? '/api/v1' : `/apis/${version}`)) as {
      readonly resources?: readonly Resource[];
    };
    for (const { name, kind, namespaced, verbs = [] } of resources) {
      if (name.includes('/') || kind === 'Event' || !verbs.includes('list')) continue;
      const { items } = await client.list(dynamicKind(version, name, kind, namespaced));
      names.push(...items.map((item) => nameOf(kind, item)));
    }
  }
  return names;
}

interface Resource {
  readonly name: string;
  readonly kind: string;
  readonly namespaced: boolean;
  readonly verbs?: readonly string[];
}

function nameOf(kind: string, { metadata }: KubeObject): string {
  return `${kind} ${metadata.namespace ?? ''}/${metadata.name}`;
}

async function json(client: KubeClient, url: string): Promise<unknown> {
  const { status, text } = await client.raw(url);
  assert.equal(status, 200, url);
  return JSON.parse(text);
}
