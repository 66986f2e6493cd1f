/** What the verbs do, step by step; each step can be repeated. */
import { LINKS, NAMESPACES, NODES, PODS, SERVICES } from '@mesh/kube';
import type { Pod } from '@mesh/kube';
import type { KindHome, KindMember, SidecarRuntime } from '../home/kind-home.ts';
import { gatewayAddress, installMesh, linkClusters, MC_NAMESPACE, persistentTrust } from '../home/install-mesh.ts';
import { deployShop, labelService, serviceExists, SHOP } from '../home/shop.ts';
import { until } from '../home/wait.ts';
import { ensureAddresses } from './addresses.ts';
import { createClusters, giveClustersetNetwork, joinPodNetworks } from './clusters.ts';
import { buildMissing, imagesFor, loadImages, tagOf } from './load-images.ts';
import { restartAll } from './restart.ts';
import { answerFrom } from './shop-check.ts';

export interface Settings {
  readonly clusters: readonly string[];
  readonly nodes: number;
  readonly runtime: SidecarRuntime;
  readonly nodeImage: string | undefined;
  readonly home: () => Promise<KindHome>;
}

export interface Step {
  readonly title: string;
  /** Resolves with what came of it. */
  readonly run: () => Promise<string>;
}

const READY_TIMEOUT_MS = 180_000;

export function imageSteps(settings: Settings): readonly Step[] {
  return [{ title: 'images', run: () => images(settings) }];
}

export function clusterSteps(settings: Settings): readonly Step[] {
  return [
    { title: 'clusters', run: () => clusters(settings) },
    { title: 'pod networks', run: () => podNetworks(settings) },
  ];
}

export function loadSteps(settings: Settings): readonly Step[] {
  return [{ title: 'load', run: () => load(settings) }];
}

export function restartSteps(settings: Settings): readonly Step[] {
  return [
    { title: 'restart', run: async () => `${await restartAll(await settings.home())} Deployments are available again` },
  ];
}

export function installSteps(settings: Settings): readonly Step[] {
  return [{ title: 'install', run: () => install(settings) }];
}

export function linkSteps(settings: Settings): readonly Step[] {
  return [{ title: 'link', run: () => link(settings) }];
}

export function shopSteps(settings: Settings): readonly Step[] {
  return [
    { title: 'shop', run: () => shop(settings) },
    { title: 'answer', run: () => answers(settings) },
  ];
}

async function images({ runtime }: Settings): Promise<string> {
  const built = await buildMissing(runtime);
  return built.length === 0 ? `${imagesFor(runtime).map(tagOf).join(', ')} are there` : `built ${built.join(', ')}`;
}

async function clusters({ clusters: names, nodes, nodeImage }: Settings): Promise<string> {
  const { created, started } = await createClusters({ names, nodes, nodeImage });
  const kept = names.filter((name) => !created.includes(name));
  return [
    ...(created.length > 0 ? [`made ${created.join(', ')}`] : []),
    ...(kept.length > 0 ? [`${kept.join(', ')} existed`] : []),
    ...(started.length > 0 ? [`started ${started.join(', ')} again`] : []),
  ].join('; ');
}

async function podNetworks({ clusters: names }: Settings): Promise<string> {
  await joinPodNetworks(names);
  const shared = await giveClustersetNetwork(names);
  const lacking = names.filter((name) => !shared.includes(name));
  return [
    'pods reach pods of every cluster',
    ...(lacking.length === 0
      ? []
      : [`no ServiceCIDR in ${lacking.join(', ')}: imports have addresses of their own there`]),
  ].join('; ');
}

async function load({ clusters: names, runtime }: Settings): Promise<string> {
  await loadImages(names, runtime);
  return imagesFor(runtime).map(tagOf).join(', ');
}

async function install({ home: open }: Settings): Promise<string> {
  const home = await open();
  const trust = await persistentTrust(home);
  await Promise.all(
    home.clusters.map((cluster) =>
      Promise.all([installMesh(cluster, trust.get(cluster.name) ?? []), addressesOnceInstalled(cluster)]),
    ),
  );
  const addresses = await Promise.all(home.clusters.map((cluster) => gatewayAddress(cluster)));
  return home.clusters.map((cluster, index) => `${cluster.name}'s gateway is at ${addresses[index]}`).join(', ');
}

/** The installation waits for the gateway's address, which on some node images only we can give. */
export async function addressesOnceInstalled(cluster: KindMember): Promise<void> {
  await until(
    `the gateway's Service in ${cluster.name}`,
    async () =>
      (await cluster.client.get(SERVICES, { namespace: MC_NAMESPACE, name: 'linkerd-gateway' })) !== undefined,
    { timeoutMs: READY_TIMEOUT_MS, everyMs: 500 },
  );
  await ensureAddresses(cluster);
}

async function link({ home: open }: Settings): Promise<string> {
  const home = await open();
  const pairs = home.clusters.flatMap((source) =>
    home.clusters.filter((target) => target !== source).map((target) => [source, target] as const),
  );
  await Promise.all(pairs.map(([source, target]) => linkClusters(source, target)));
  return pairs.length === 0 ? 'one cluster has nothing to link' : `${pairs.length} links, all gateways alive`;
}

async function shop({ home: open }: Settings): Promise<string> {
  const home = await open();
  await Promise.all(home.clusters.map((cluster) => deployShop(cluster)));
  await Promise.all(
    home.clusters.map((cluster) => labelService(cluster, 'catalog', { 'mirror.linkerd.io/exported': 'true' })),
  );
  for (const source of home.clusters) {
    for (const target of home.clusters) {
      if (target !== source) await serviceExists(source, `catalog-${target.name}`, true);
    }
  }
  return 'web, catalog, cart and pricing in every cluster; catalog exported';
}

async function answers({ home: open }: Settings): Promise<string> {
  const home = await open();
  const [first, ...others] = home.clusters;
  if (first === undefined) return '';
  const asked = others.length === 0 ? ['catalog'] : others.map((other) => `catalog-${other.name}`);
  const seen = await Promise.all(
    asked.map(async (name) => {
      const answer = await answerFrom(first, home.kubeconfig, `http://${name}.${SHOP}/products`);
      return `${name} is answered by ${answer.cluster}`;
    }),
  );
  return `in ${first.name}: ${seen.join(', ')}`;
}

/** One line for each thing that a person would look at first. */
export async function statusLines(home: KindHome): Promise<readonly string[]> {
  const lines = await Promise.all(home.clusters.map(clusterStatus));
  return lines.flat();
}

async function clusterStatus(cluster: KindMember): Promise<readonly string[]> {
  const [nodes, pods, links, namespaces] = await Promise.all([
    cluster.client.list(NODES),
    cluster.client.list(PODS),
    cluster.client.list(LINKS).catch(() => ({ items: [] })),
    cluster.client.list(NAMESPACES),
  ]);
  const readyNodes = nodes.items.filter((node) =>
    node.status?.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True'),
  );
  const own = namespaces.items
    .map((namespace) => namespace.metadata.name)
    .filter((name) => ['linkerd', MC_NAMESPACE, SHOP].includes(name));
  const counts = own.map((name) => {
    const inside = pods.items.filter((pod) => pod.metadata.namespace === name);
    return `${name} ${inside.filter(isReady).length}/${inside.length} pods ready`;
  });
  const states = links.items.map((item) => {
    const alive = item.status?.conditions?.find((condition) => condition.type === 'GatewayAlive');
    return `link to ${item.metadata.name} ${alive?.status === 'True' ? 'alive' : `not alive (${alive?.message ?? 'unknown yet'})`}`;
  });
  return [
    `${cluster.name}  ${cluster.access.server}  ${readyNodes.length}/${nodes.items.length} nodes ready`,
    ...(counts.length === 0 ? ['no mesh installed'] : [...counts, ...states]).map((line) => `  ${line}`),
  ];
}

function isReady(pod: Pod): boolean {
  return (
    pod.status?.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True') ?? false
  );
}
