/** Lets everything that runs our images start anew, as `kubectl rollout restart` does: a tag that now means another image changes no pod. */
import { DEPLOYMENTS } from '@mesh/kube';
import type { KindHome, KindMember } from '../home/kind-home.ts';
import { MC_NAMESPACE } from '../home/install-mesh.ts';
import { rolloutDone } from '../home/rollout.ts';
import { SHOP } from '../home/shop.ts';

/** The control plane first: what comes after it is injected by the new one. */
const NAMESPACES_IN_ORDER = ['linkerd', MC_NAMESPACE, SHOP];

/** Resolves with the number of Deployments, when all of them are available again. */
export async function restartAll(home: KindHome): Promise<number> {
  const counts = await Promise.all(home.clusters.map(restartCluster));
  return counts.reduce((sum, count) => sum + count, 0);
}

async function restartCluster({ client }: KindMember): Promise<number> {
  let restarted = 0;
  for (const namespace of NAMESPACES_IN_ORDER) {
    const { items } = await client.list(DEPLOYMENTS, { namespace });
    const names = items.map((item) => item.metadata.name);
    // The annotation that kubectl uses, so that `kubectl rollout history` tells of it.
    const annotations = { 'kubectl.kubernetes.io/restartedAt': new Date().toISOString() };
    const body = { spec: { template: { metadata: { annotations } } } };
    for (const name of names) await client.patch(DEPLOYMENTS, { namespace, name }, { type: 'merge', body });
    await rolloutDone(client, namespace, names);
    restarted += names.length;
  }
  return restarted;
}
