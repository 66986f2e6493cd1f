/**
 * Clusters that kind made as a home: real nodes (containers of Docker), real images, the real command line. The clusters exist
 * before and after; `scripts/kind-multicluster` makes and deletes them.
 */
import { mkdir, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { PODS } from '@mesh/kube';
import { parse, stringify } from 'yaml';
import { ApiMember } from './api-member.ts';
import { lockFile } from './file-lock.ts';
import type { Home, HomeCluster, PodRef } from './home.ts';
import { memberOf } from './home.ts';
import { runProgram } from './program.ts';

export type SidecarRuntime = 'bun' | 'node';

export interface KindHomeOptions {
  readonly clusters: readonly string[];
  /** Where the kubeconfig and the trust anchor are kept. */
  readonly folder: string;
  readonly runtime: SidecarRuntime;
  /** Waits until no other exclusive home of this folder is open: for who changes what others look at. */
  readonly exclusive?: boolean;
  /** Deletes a cluster, waits for what never fails, and makes another of its name with everything but the mesh. Absent: clusters stay. */
  readonly remake?: (name: string, whileGone: () => Promise<void>) => Promise<void>;
}

/** The longest scenario takes a fraction of this. */
const EXCLUSIVE_TIMEOUT_MS = 30 * 60_000;

/** @throws Error naming the clusters that kind does not have. */
export async function openKindHome(options: KindHomeOptions): Promise<KindHome> {
  await using stack = new AsyncDisposableStack();
  if (options.exclusive === true) {
    stack.use(
      await lockFile(`${options.folder}.lock`, {
        timeoutMs: EXCLUSIVE_TIMEOUT_MS,
        onWait: (holder) => void process.stderr.write(`kind: waiting for process ${holder}, which uses the clusters\n`),
      }),
    );
  }
  const existing = await kindClusters();
  const missing = options.clusters.filter((name) => !existing.includes(name));
  if (missing.length > 0) {
    throw new Error(
      `kind has no cluster ${missing.join(', ')}: run npm run kind -- up --clusters ${options.clusters.join(',')}`,
    );
  }
  await mkdir(options.folder, { recursive: true, mode: 0o700 });
  // Other sets of clusters have a file of their own.
  const kubeconfig = path.join(options.folder, `kubeconfig-${options.clusters.join('-')}`);
  await writeKubeconfig(kubeconfig, options.clusters);
  const members = options.clusters.map((name) => stack.use(new KindMember(name, kubeconfig, options.runtime)));
  const open = stack.move();
  const recreate = async (name: string, whileGone?: () => Promise<void>): Promise<KindMember> => {
    if (options.remake === undefined) throw new Error('the clusters of this home stay: open it with remake');
    const at = members.indexOf(memberOf(members, name));
    const meanwhile: PromiseSettledResult<void>[] = [];
    await options.remake(name, async () => {
      meanwhile.push(...(await Promise.allSettled([whileGone?.()])));
    });
    // Also when something went wrong meanwhile: others find the new cluster then.
    await writeKubeconfig(kubeconfig, options.clusters);
    const made = open.use(new KindMember(name, kubeconfig, options.runtime));
    members.splice(at, 1, made);
    for (const outcome of meanwhile) if (outcome.status === 'rejected') throw outcome.reason;
    return made;
  };
  return {
    kind: 'kind',
    kubeconfig,
    folder: options.folder,
    clusters: members,
    cluster: (name) => memberOf(members, name),
    recreate,
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  };
}

export interface KindHome extends Home {
  readonly clusters: readonly KindMember[];
  cluster(name: string): KindMember;
  recreate(name: string, whileGone?: () => Promise<void>): Promise<KindMember>;
}

/** Names of all clusters that kind has on this machine. */
export async function kindClusters(): Promise<readonly string[]> {
  return (await runProgram('kind', ['get', 'clusters'])).split('\n').filter((line) => line !== '');
}

/** Node containers of a cluster, the control plane first. */
export async function nodesOf(cluster: string): Promise<readonly string[]> {
  const names = (await runProgram('kind', ['get', 'nodes', '--name', cluster]))
    .split('\n')
    .filter((line) => line !== '');
  const isControl = (name: string): boolean => name.endsWith('-control-plane');
  return [...names.filter(isControl), ...names.filter((name) => !isControl(name)).toSorted()];
}

export class KindMember extends ApiMember implements HomeCluster {
  readonly installFlags: readonly string[];
  readonly linkFlags: readonly string[];
  readonly #controlPlane: string;

  constructor(name: string, kubeconfig: string, runtime: SidecarRuntime) {
    super(name, kubeconfig);
    this.#controlPlane = `${name}-control-plane`;
    this.installFlags = ['--set', `proxy.runtime=${runtime}`];
    // Docker's name service knows the node, and the API server's certificate has its name.
    this.linkFlags = ['--api-server-address', `https://${this.#controlPlane}:6443`];
  }

  /** Imports have the same address in every cluster, where `scripts/kind-multicluster` could give the clusters a network for them. */
  async extensionFlags(): Promise<readonly string[]> {
    const { status, text } = await this.client.raw(
      `/apis/networking.k8s.io/v1/servicecidrs/${CLUSTERSET_NETWORK_NAME}`,
    );
    if (status !== 200) return [];
    const [network = ''] = (JSON.parse(text) as ServiceCidr).spec.cidrs;
    return ['--set', `clustersetNetwork=${network}`];
  }

  /** Kills every process of the container, found by its cgroup on the node that runs it. */
  async killContainer(pod: PodRef, container: string, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const found = await this.client.get(PODS, pod);
    const statuses = [...(found?.status?.initContainerStatuses ?? []), ...(found?.status?.containerStatuses ?? [])];
    const id = statuses.find((status) => status.name === container)?.containerID?.replace(/^.*:\/\//, '');
    const node = found?.spec.nodeName;
    if (id === undefined || id === '' || node === undefined) {
      throw new Error(`${this.name} runs no container ${container} of ${pod.namespace}/${pod.name}`);
    }
    const script =
      'for f in $(grep -l "$1" /proc/[0-9]*/cgroup 2>/dev/null); do p=${f#/proc/}; kill -s "$2" "${p%/cgroup}"; done';
    await runProgram('docker', ['exec', node, 'sh', '-c', script, 'kill', id, signal.replace('SIG', '')]);
  }

  /** Nobody reaches the API server, and connections that say something are reset; its state and the pods stay. */
  async stopApiServer(): Promise<void> {
    await this.#rejectApi('-I');
  }

  async startApiServer(): Promise<void> {
    await this.#rejectApi('-D');
  }

  async #rejectApi(action: '-I' | '-D'): Promise<void> {
    const rule = ['INPUT', '-p', 'tcp', '--dport', '6443', '-j', 'REJECT', '--reject-with', 'tcp-reset'];
    await runProgram('docker', ['exec', this.#controlPlane, 'iptables', '-w', action, ...rule]);
  }
}

/** The ServiceCIDR that all clusters have alike. */
export const CLUSTERSET_NETWORK_NAME = 'mesh-clusterset';

interface ServiceCidr {
  readonly spec: { readonly cidrs: readonly string[] };
}

interface Kubeconfig {
  readonly clusters: readonly { readonly cluster: unknown }[];
  readonly users: readonly { readonly user: unknown }[];
}

interface NamedConfig {
  readonly name: string;
  readonly cluster: unknown;
  readonly user: unknown;
}

async function contextOf(name: string): Promise<NamedConfig> {
  const config = parse(await runProgram('kind', ['get', 'kubeconfig', '--name', name])) as Kubeconfig;
  return { name, cluster: config.clusters[0]?.cluster, user: config.users[0]?.user };
}

/** At once: whoever shares the folder reads it meanwhile. */
async function writeKubeconfig(file: string, clusters: readonly string[]): Promise<void> {
  const configs = await Promise.all(clusters.map((name) => contextOf(name)));
  const written = `${file}.${process.pid}`;
  await writeFile(written, mergedKubeconfig(configs), { mode: 0o600 });
  await rename(written, file);
}

/** One file with a context per cluster, called like the cluster. */
function mergedKubeconfig(configs: readonly NamedConfig[]): string {
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: configs.map(({ name, cluster }) => ({ name, cluster })),
    users: configs.map(({ name, user }) => ({ name, user })),
    contexts: configs.map(({ name }) => ({ name, context: { cluster: name, user: name } })),
    'current-context': configs[0]?.name ?? '',
  });
}
