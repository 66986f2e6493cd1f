/** Makes and deletes the clusters themselves. */
import { CLUSTERSET_NETWORK_NAME, kindClusters, nodesOf } from '../home/kind-home.ts';
import { runProgram, tryProgram } from '../home/program.ts';
import { CLUSTERSET_NETWORK, kindConfig, planClusters, slotOf } from './plan.ts';
import type { ClusterPlan } from './plan.ts';
import { reviveClusters } from './revive.ts';

/** How long kind waits for the nodes of a new cluster to be Ready; other clusters start at the same time. */
const READY_TIMEOUT = '180s';

export interface CreateOptions {
  readonly names: readonly string[];
  readonly nodes: number;
  /** `undefined`: the one that kind brings. */
  readonly nodeImage: string | undefined;
}

export interface CreateOutcome {
  /** Names of the new clusters. */
  readonly created: readonly string[];
  /** Nodes that existed and had to be started. */
  readonly started: readonly string[];
}

/** Makes those that do not exist, at the same time; those that exist run afterwards. */
export async function createClusters(options: CreateOptions): Promise<CreateOutcome> {
  const existing = await kindClusters();
  const started = await reviveClusters(options.names.filter((name) => existing.includes(name)));
  const plans = planClusters(options.names, await slotsOf(existing));
  const missing = plans.filter(({ name }) => !existing.includes(name));
  const outcomes = await Promise.allSettled(missing.map((plan) => create(plan, options)));
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  await Promise.all(options.names.map(openControlPlane));
  return { created: missing.map(({ name }) => name), started };
}

async function create(plan: ClusterPlan, options: CreateOptions): Promise<void> {
  const image = options.nodeImage === undefined ? [] : ['--image', options.nodeImage];
  await runProgram(
    'kind',
    ['create', 'cluster', '--name', plan.name, '--config', '-', '--wait', READY_TIMEOUT, '--quiet', ...image],
    { stdin: kindConfig(plan, options.nodes) },
  );
}

/** Runs it in the cluster's control plane, as its administrator. */
function kubectl(cluster: string, args: readonly string[], stdin = ''): Promise<string> {
  const command = ['exec', '-i', `${cluster}-control-plane`, 'kubectl', '--kubeconfig', '/etc/kubernetes/admin.conf'];
  return runProgram('docker', [...command, ...args], { stdin });
}

/** As kind does for a node that is alone: with two nodes, one that is drained leaves somewhere to go. */
async function openControlPlane(name: string): Promise<void> {
  const node = `${name}-control-plane`;
  const taint = 'node-role.kubernetes.io/control-plane';
  const has = await kubectl(name, ['get', 'node', node, '-o', 'jsonpath={.spec.taints[*].key}']);
  if (!has.split(' ').includes(taint)) return;
  await kubectl(name, ['taint', 'nodes', node, `${taint}-`]);
}

/** Slots of clusters that exist, ours and others', so that a new one gets none of them. */
async function slotsOf(names: readonly string[]): Promise<ReadonlyMap<string, number>> {
  const slots = await Promise.all(
    names.map(async (name) => {
      const [cidr] = await podNetworks(name);
      return [name, cidr === undefined ? undefined : slotOf(cidr.cidr)] as const;
    }),
  );
  return new Map(slots.flatMap(([name, slot]) => (slot === undefined ? [] : [[name, slot] as const])));
}

/**
 * The network in which a ServiceImport has the same address in every cluster; Kubernetes before 1.33 has no API for it.
 * @returns Names of the clusters that have it now.
 */
export async function giveClustersetNetwork(names: readonly string[]): Promise<readonly string[]> {
  const object = {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'ServiceCIDR',
    metadata: { name: CLUSTERSET_NETWORK_NAME },
    spec: { cidrs: [CLUSTERSET_NETWORK] },
  };
  const have = await Promise.all(
    names.map(async (name) => {
      const api = JSON.parse(await kubectl(name, ['get', '--raw', `/apis/${object.apiVersion}`])) as ApiResources;
      if (!api.resources.some(({ kind }) => kind === object.kind)) return [];
      await kubectl(name, ['apply', '-f', '-'], JSON.stringify(object));
      return [name];
    }),
  );
  return have.flat();
}

/** Deletes those that exist; resolves with their names. */
export async function deleteClusters(names: readonly string[]): Promise<readonly string[]> {
  const existing = await kindClusters();
  const doomed = names.filter((name) => existing.includes(name));
  // One after the other: kind locks the user's kubeconfig and does not wait for the lock.
  for (const name of doomed) await runProgram('kind', ['delete', 'cluster', '--name', name]);
  return doomed;
}

interface PodNetwork {
  readonly cidr: string;
  readonly nodeIp: string;
}

interface ApiResources {
  readonly resources: readonly { readonly kind: string }[];
}

interface NodeList {
  readonly items: readonly {
    readonly spec: { readonly podCIDR?: string };
    readonly status: { readonly addresses: readonly { readonly type: string; readonly address: string }[] };
  }[];
}

/** Pod range and address of every node. */
async function podNetworks(cluster: string): Promise<readonly PodNetwork[]> {
  const { items } = JSON.parse(await kubectl(cluster, ['get', 'nodes', '-o', 'json'])) as NodeList;
  return items.flatMap(({ spec, status }) => {
    const nodeIp = status.addresses.find((each) => each.type === 'InternalIP')?.address;
    return spec.podCIDR === undefined || nodeIp === undefined ? [] : [{ cidr: spec.podCIDR, nodeIp }];
  });
}

/**
 * Pods of each cluster reach pods of the others by their own addresses, and are seen under their own. Repeating it is fine; after a
 * restart of a node it is needed.
 */
export async function joinPodNetworks(names: readonly string[]): Promise<void> {
  const networks = new Map(await Promise.all(names.map(async (name) => [name, await podNetworks(name)] as const)));
  await Promise.all(
    names.map(async (name) => {
      const foreign = names.filter((other) => other !== name).flatMap((other) => networks.get(other) ?? []);
      await Promise.all(
        (await nodesOf(name)).map((node) => Promise.all(foreign.map((network) => reach(node, network)))),
      );
    }),
  );
}

/**
 * kind's own network masquerades what leaves for a range that it does not know; the rule before it makes an exception. Node images
 * that refuse such traffic altogether have a program for it.
 */
async function reach(node: string, { cidr, nodeIp }: PodNetwork): Promise<void> {
  const exec = (...command: string[]): readonly string[] => ['exec', node, ...command];
  if ((await tryProgram('docker', exec('test', '-x', '/usr/local/bin/podnet'))).code === 0) {
    await runProgram('docker', exec('podnet', 'peer', cidr, nodeIp));
    return;
  }
  await runProgram('docker', exec('ip', 'route', 'replace', cidr, 'via', nodeIp));
  const rule = ['POSTROUTING', '-d', cidr, '-m', 'comment', '--comment', 'pods of another cluster', '-j', 'ACCEPT'];
  if ((await tryProgram('docker', exec('iptables', '-w', '-t', 'nat', '-C', ...rule))).code === 0) return;
  await runProgram('docker', exec('iptables', '-w', '-t', 'nat', '-I', ...rule));
}
