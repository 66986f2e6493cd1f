/**
 * Clusters that live longer than a scenario: brought to the state that every scenario starts from, whatever an earlier one (or one that was
 * interrupted) left. Only what scenarios make is touched: the shop, namespaces with the tests' label, Links.
 */
import { CONFIG_MAPS, isKubeError, LINKS, NAMESPACES, SERVICES } from '@mesh/kube';
import type { KubeClient } from '@mesh/kube';
import { okOutput } from '../../scripts/home/cli.ts';
import type { Home, HomeCluster } from '../../scripts/home/home.ts';
import { installMesh, MC_NAMESPACE, persistentTrust } from '../../scripts/home/install-mesh.ts';
import type { TrustFlags } from '../../scripts/home/install-mesh.ts';
import type { KindHome, KindMember } from '../../scripts/home/kind-home.ts';
import { SHOP } from '../../scripts/home/shop.ts';
import { until } from '../../scripts/home/wait.ts';
import { mendNodes } from './kind/node-faults.ts';

/** Makes the trust of a home: anchors and issuers, as flags of `mesh install`. */
export type TrustMaker = (home: Home) => Promise<TrustFlags>;

/** Marks namespaces that scenarios make. */
export const TEST_LABEL = { key: 'federation.mesh.dev/e2e', value: 'true' } as const;

const DELETION_TIMEOUT_MS = 180_000;
/** The controller takes its mirrors back sooner than this; one that cannot any more is not waited for. */
const UNLINK_TIMEOUT_MS = 30_000;

/**
 * The mesh of these sources' manifests in every cluster, all parts available; no Link, no shop, no test's namespace.
 *
 * @param trust Absent: the present trust when all clusters share it, else that of the home's folder.
 */
export async function establishMesh(home: KindHome, trust?: TrustMaker): Promise<void> {
  await Promise.all(home.clusters.map(mendNodes));
  await removeTraces(home);
  const roots = await Promise.all(home.clusters.map(trustRoots));
  const shared = roots[0] !== undefined && roots.every((root) => root === roots[0]);
  const keep = trust === undefined && shared;
  if (!keep) await Promise.all(home.clusters.map(uninstall));
  const flags = keep ? new Map<string, readonly string[]>() : await (trust ?? persistentTrust)(home);
  await Promise.all(home.clusters.map((cluster) => installMesh(cluster, flags.get(cluster.name) ?? [])));
}

/** Resolves when all that scenarios made is gone. */
export async function removeTraces(home: KindHome): Promise<void> {
  await Promise.all(
    home.clusters.map(async (cluster) => {
      await removeLinks(cluster);
      await removeNamespaces(cluster);
    }),
  );
}

async function removeNamespaces({ name, client }: HomeCluster): Promise<void> {
  const { items } = await client.list(NAMESPACES, { labelSelector: `${TEST_LABEL.key}=${TEST_LABEL.value}` });
  const doomed = [SHOP, ...items.map((item) => item.metadata.name)];
  await Promise.all(doomed.map((namespace) => client.delete(NAMESPACES, { name: namespace })));
  await Promise.all(doomed.map((namespace) => namespaceGone(client, name, namespace)));
}

async function namespaceGone(client: KubeClient, cluster: string, name: string): Promise<void> {
  await until(
    `namespace ${name} in ${cluster} to be gone`,
    async () => (await client.get(NAMESPACES, { name })) === undefined,
    { timeoutMs: DELETION_TIMEOUT_MS, everyMs: 500 },
  );
}

/** Deletes Links with their credentials and mirrors, also those whose controller does not run. */
async function removeLinks(cluster: HomeCluster): Promise<void> {
  const { client } = cluster;
  const links = await linksOf(client);
  for (const link of links) {
    await cluster
      .remove(
        okOutput(await cluster.mesh(['multicluster', 'unlink', '--cluster-name', link]), 'mesh multicluster unlink'),
      )
      .catch(async () => {
        const ref = { namespace: MC_NAMESPACE, name: link };
        await client.patch(LINKS, ref, { type: 'merge', body: { metadata: { finalizers: null } } });
      });
  }
  await until(`the Links of ${cluster.name} to be gone`, async () => (await linksOf(client)).length === 0, {
    timeoutMs: UNLINK_TIMEOUT_MS,
    everyMs: 250,
  });
  const { items } = await client.list(SERVICES, { labelSelector: 'mirror.linkerd.io/mirrored-service=true' });
  for (const { metadata } of items) {
    await client.delete(SERVICES, { namespace: metadata.namespace ?? '', name: metadata.name });
  }
}

async function linksOf(client: KubeClient): Promise<readonly string[]> {
  try {
    return (await client.list(LINKS, { namespace: MC_NAMESPACE })).items.map((link) => link.metadata.name);
  } catch (error) {
    // The definition comes with the mesh.
    if (isKubeError(error, 'not_found')) return [];
    throw error;
  }
}

/** What the cluster trusts; `undefined` where no mesh is installed. */
async function trustRoots({ client }: KindMember): Promise<string | undefined> {
  const roots = await client.get(CONFIG_MAPS, { namespace: 'linkerd', name: 'linkerd-identity-trust-roots' });
  return roots?.data?.['ca-bundle.crt'];
}

/** As a person would: the extension first, then the control plane. */
export async function uninstall(cluster: HomeCluster): Promise<void> {
  for (const argv of [
    ['multicluster', 'uninstall'],
    ['uninstall', '--force'],
  ]) {
    const printed = await cluster.mesh(argv);
    if (printed.code === 0) await cluster.remove(printed.stdout);
  }
  for (const name of [MC_NAMESPACE, 'linkerd']) await namespaceGone(cluster.client, cluster.name, name);
}
