/** One cluster of several, made anew: what a person does who lost one. */
import { nodesOf } from '../home/kind-home.ts';
import type { SidecarRuntime } from '../home/kind-home.ts';
import { runProgram } from '../home/program.ts';
import { createClusters, deleteClusters, giveClustersetNetwork, joinPodNetworks } from './clusters.ts';
import { loadImages } from './load-images.ts';

export interface RemakeOptions {
  /** Clusters whose pods reach its pods. */
  readonly others: readonly string[];
  readonly runtime: SidecarRuntime;
  /** Runs when the old cluster is gone. */
  readonly whileGone: () => Promise<void>;
}

/** Deletes the cluster and makes one of the same name with as many nodes of the same image: our images on them, no mesh. */
export async function remakeCluster(name: string, { others, runtime, whileGone }: RemakeOptions): Promise<void> {
  const nodes = await nodesOf(name);
  const inspected = await runProgram('docker', ['inspect', '-f', '{{.Config.Image}}', ...nodes]);
  const [nodeImage] = inspected.trim().split('\n');
  await deleteClusters([name]);
  await whileGone();
  await createClusters({ names: [name], nodes: nodes.length, nodeImage });
  await loadImages([name], runtime);
  await joinPodNetworks([...others, name]);
  await giveClustersetNetwork([name]);
}
