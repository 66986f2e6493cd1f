/** Embedded clusters as a home: nothing but loopback addresses and processes of this machine. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createCluster, mergeKubeconfigs } from '@mesh/embedded-cluster';
import type { Cluster } from '@mesh/embedded-cluster';
import { createKubeClient, loadKubeConfig } from '@mesh/kube';
import type { ClusterAccess, KubeClient } from '@mesh/kube';
import { parseManifests } from '@mesh/cli';
import type { Manifest } from '@mesh/cli';
import { applyAll, KindIndex, removeAll } from './apply.ts';
import { runCli } from './cli.ts';
import type { CliResult, Home, HomeCluster, PodRef } from './home.ts';
import { images } from './images.ts';
import { followLogs } from './logs.ts';

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
    await writeFile(kubeconfig, mergeKubeconfigs(clusters.map((cluster) => cluster.kubeconfig)), { mode: 0o600 });
    const members = clusters.map((cluster) => new EmbeddedMember(cluster, kubeconfig));
    for (const member of members) stack.defer(() => member.client[Symbol.dispose]());
    return {
      kind: 'embedded',
      kubeconfig,
      folder,
      clusters: members,
      cluster: (name) => {
        const found = members.find((member) => member.name === name);
        if (found === undefined) throw new Error(`no cluster ${name}; there are ${options.clusters.join(', ')}`);
        return found;
      },
      [Symbol.asyncDispose]: () => stack.disposeAsync(),
    };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

class EmbeddedMember implements HomeCluster {
  readonly name: string;
  readonly client: KubeClient;
  readonly access: ClusterAccess;
  readonly installFlags: readonly string[] = ['--set', `clusterNetworks=${CLUSTER_NETWORKS}`];
  readonly #cluster: Cluster;
  readonly #kubeconfig: string;
  readonly #kinds: KindIndex;

  constructor(cluster: Cluster, kubeconfig: string) {
    this.name = cluster.name;
    this.#cluster = cluster;
    this.#kubeconfig = kubeconfig;
    this.access = loadKubeConfig({ kubeconfig, context: cluster.name });
    this.client = createKubeClient(this.access);
    this.#kinds = new KindIndex(this.client);
  }

  mesh(argv: readonly string[], stdin = ''): Promise<CliResult> {
    return runCli(this.#kubeconfig, this.name, argv, stdin);
  }

  apply(manifests: string | readonly Manifest[]): Promise<void> {
    return applyAll(this.client, this.#kinds, objectsOf(manifests));
  }

  remove(manifests: string | readonly Manifest[]): Promise<void> {
    return removeAll(this.client, this.#kinds, objectsOf(manifests));
  }

  followLogs(
    pod: PodRef,
    container: string,
    onLine: (line: string) => void,
    signal: AbortSignal,
    sinceSeconds?: number,
  ): Promise<void> {
    return followLogs(this.access, pod, container, onLine, signal, sinceSeconds);
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

function objectsOf(manifests: string | readonly Manifest[]): readonly Manifest[] {
  return typeof manifests === 'string' ? parseManifests(manifests) : manifests;
}
