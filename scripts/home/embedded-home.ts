/** Embedded clusters as a home: nothing but loopback addresses and processes of this machine. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createCluster, mergeKubeconfigs } from '@mesh/embedded-cluster';
import type { Cluster } from '@mesh/embedded-cluster';
import { ApiMember } from './api-member.ts';
import type { Home, HomeCluster, PodRef } from './home.ts';
import { memberOf } from './home.ts';
import { images } from './images.ts';

/** Every address of an embedded cluster is in here. */
const CLUSTER_NETWORKS = '127.0.0.0/8';

/** Starts the clusters in parallel; a failed start leaves nothing behind. */
export async function openEmbeddedHome(options: {
  readonly clusters: readonly string[];
  readonly signal?: AbortSignal;
}): Promise<Home> {
  const folder = await mkdtemp(path.join(process.env['XDG_RUNTIME_DIR'] ?? tmpdir(), 'mesh-home-'));
  const stack = new AsyncDisposableStack();
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  try {
    const programs = images();
    const started = await Promise.allSettled(options.clusters.map((name) => createCluster({ name, images: programs })));
    for (const each of started) if (each.status === 'fulfilled') stack.use(each.value);
    const clusters = started.map((each) => {
      if (each.status === 'rejected') throw each.reason;
      return each.value;
    });
    options.signal?.throwIfAborted();
    const kubeconfig = path.join(folder, 'kubeconfig');
    await writeKubeconfig(kubeconfig, clusters);
    const members = clusters.map((cluster) => stack.use(new EmbeddedMember(cluster, kubeconfig)));
    const recreate = async (name: string, whileGone?: () => Promise<void>): Promise<HomeCluster> => {
      const old = memberOf(clusters, name);
      const { addresses } = old;
      // At once, as with its machines: nobody in it tells that the others go.
      await old.apiServer.stop();
      await old.stop();
      try {
        await whileGone?.();
      } finally {
        const next = stack.use(await createCluster({ name, images: programs, addresses }));
        clusters.splice(clusters.indexOf(old), 1, next);
        await writeKubeconfig(kubeconfig, clusters);
        const at = members.findIndex((member) => member.name === name);
        members.splice(at, 1, stack.use(new EmbeddedMember(next, kubeconfig)));
      }
      return memberOf(members, name);
    };
    return {
      kind: 'embedded',
      kubeconfig,
      folder,
      clusters: members,
      cluster: (name) => memberOf(members, name),
      recreate,
      [Symbol.asyncDispose]: () => stack.disposeAsync(),
    };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

async function writeKubeconfig(file: string, clusters: readonly Cluster[]): Promise<void> {
  await writeFile(file, mergeKubeconfigs(clusters.map((cluster) => cluster.kubeconfig)), { mode: 0o600 });
}

class EmbeddedMember extends ApiMember implements HomeCluster {
  readonly installFlags: readonly string[] = ['--set', `clusterNetworks=${CLUSTER_NETWORKS}`];
  readonly linkFlags: readonly string[] = [];
  readonly #cluster: Cluster;

  constructor(cluster: Cluster, kubeconfig: string) {
    super(cluster.name, kubeconfig);
    this.#cluster = cluster;
  }

  extensionFlags(): Promise<readonly string[]> {
    return Promise.resolve(['--set', `peerNetworks=${CLUSTER_NETWORKS}`]);
  }

  async killContainer(pod: PodRef, container: string, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    this.#cluster.killContainer(pod.namespace, pod.name, container, signal);
  }

  stopApiServer(): Promise<void> {
    return this.#cluster.apiServer.stop();
  }

  startApiServer(): Promise<void> {
    return this.#cluster.apiServer.start();
  }
}
