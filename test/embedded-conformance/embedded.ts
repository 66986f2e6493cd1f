/** The embedded cluster as a target of the program. */
import { createCluster } from '@mesh/embedded-cluster';
import { targetOf, type Target } from './api-caller.ts';

export interface EmbeddedTarget extends AsyncDisposable {
  readonly target: Target;
  readonly kubeconfig: string;
}

export async function startEmbedded(): Promise<EmbeddedTarget> {
  const cluster = await createCluster({ name: 'conformance', images: {} });
  return {
    target: targetOf(cluster.kubeconfig),
    kubeconfig: cluster.kubeconfig,
    [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
  };
}
