/** What is the same for a cluster of any home, because it goes through the cluster's API. */
import { createKubeClient, loadKubeConfig } from '@mesh/kube';
import type { ClusterAccess, KubeClient } from '@mesh/kube';
import { parseManifests } from '@mesh/cli';
import type { Manifest } from '@mesh/cli';
import { applyAll, KindIndex, removeAll } from './apply.ts';
import { runCli } from './cli.ts';
import type { CliResult, PodRef } from './home.ts';
import { followLogs } from './logs.ts';

export class ApiMember implements Disposable {
  readonly name: string;
  readonly client: KubeClient;
  readonly access: ClusterAccess;
  readonly #kubeconfig: string;
  readonly #kinds: KindIndex;

  /** @param kubeconfig File with a context that is called like the cluster. */
  constructor(name: string, kubeconfig: string) {
    this.name = name;
    this.#kubeconfig = kubeconfig;
    this.access = loadKubeConfig({ kubeconfig, context: name });
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

  [Symbol.dispose](): void {
    this.client[Symbol.dispose]();
  }
}

function objectsOf(manifests: string | readonly Manifest[]): readonly Manifest[] {
  return typeof manifests === 'string' ? parseManifests(manifests) : manifests;
}
