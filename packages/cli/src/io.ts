/** What a command may touch of the outside: streams, environment, and clusters. Tests and the demo pass their own. */
import type { ClusterAccess, KubeClient, KubeConfigOptions } from '@mesh/kube';

export interface CliIo {
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
  /** All of standard input. */
  readonly stdin: () => Promise<string>;
  readonly readFile: (path: string) => Promise<string>;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Opens a connection to the cluster that the flags choose; does no request yet. */
  readonly connect: (options: KubeConfigOptions) => Promise<Connection>;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
  /** Until it is disposed of, Ctrl-C gives the command time to take back what it made in a cluster. A second Ctrl-C does not wait. */
  readonly hold: () => Disposable;
}

export interface Connection extends Disposable {
  readonly client: KubeClient;
  readonly access: ClusterAccess;
}

/** The flags that every command has. */
export interface GlobalFlags {
  readonly linkerdNamespace: string;
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly as?: string;
  readonly asGroup?: readonly string[];
  readonly apiAddr?: string;
  readonly verbose: boolean;
}

/** How `connect` is told what the flags say. */
export function kubeConfigOptions(flags: GlobalFlags, env: CliIo['env']): KubeConfigOptions {
  return {
    kubeconfig: flags.kubeconfig,
    context: flags.context,
    as: flags.as,
    asGroups: flags.asGroup,
    apiServer: flags.apiAddr,
    env,
  };
}
