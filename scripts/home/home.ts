/**
 * A place where clusters live: the demo and the end-to-end scenarios are written against this interface, whether the clusters are embedded
 * ones on this machine or real ones made by kind.
 */
import type { ClusterAccess, KubeClient } from '@mesh/kube';
import type { Manifest } from '@mesh/cli';

export interface Home extends AsyncDisposable {
  readonly kind: 'embedded' | 'kind';
  /** One kubeconfig file with a context per cluster. */
  readonly kubeconfig: string;
  readonly clusters: readonly HomeCluster[];
  /** For files that belong to the home, such as its trust anchor: kept as long as the clusters are. */
  readonly folder: string;
  cluster(name: string): HomeCluster;
  /**
   * Takes a cluster away for good and makes a new one of its name: empty, with an authority, keys and UIDs of its own, and its API where the
   * old one's was. `whileGone` runs when the old one is gone and the new one is not there yet.
   */
  recreate(name: string, whileGone?: () => Promise<void>): Promise<HomeCluster>;
}

/** What ran and what it said. */
export interface CliResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface HomeCluster {
  readonly name: string;
  readonly client: KubeClient;
  readonly access: ClusterAccess;
  /** Values that this home needs beyond the defaults, as `--set` arguments of `mesh install`. */
  readonly installFlags: readonly string[];
  /** The same of `mesh multicluster install`. */
  extensionFlags(): Promise<readonly string[]>;
  /** Flags of `mesh multicluster link` that other clusters need to reach this one. */
  readonly linkFlags: readonly string[];
  /** Runs the command line against this cluster. */
  mesh(argv: readonly string[], stdin?: string): Promise<CliResult>;
  /** `kubectl apply -f -`: server-side apply in the given order. */
  apply(manifests: string | readonly Manifest[]): Promise<void>;
  /** `kubectl delete -f -`, waiting until each object is gone. */
  remove(manifests: string | readonly Manifest[]): Promise<void>;
  /** Lines of a container's log as they come, until the signal. */
  followLogs(
    pod: PodRef,
    container: string,
    onLine: (line: string) => void,
    signal: AbortSignal,
    sinceSeconds?: number,
  ): Promise<void>;
  /** Ends a container's process; the node restarts it as it would after a crash. */
  killContainer(pod: PodRef, container: string, signal: 'SIGKILL' | 'SIGTERM'): Promise<void>;
  /** The API server going away and coming back with the same state. */
  stopApiServer(): Promise<void>;
  startApiServer(): Promise<void>;
}

/** @throws Error with the names that there are. */
export function memberOf<M extends { readonly name: string }>(members: readonly M[], name: string): M {
  const found = members.find((member) => member.name === name);
  if (found !== undefined) return found;
  throw new Error(`no cluster ${name}; there are ${members.map((member) => member.name).join(', ')}`);
}

export interface PodRef {
  readonly namespace: string;
  readonly name: string;
}
