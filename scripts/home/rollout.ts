/** Waiting for workloads, as `kubectl rollout status` does. */
import { DEPLOYMENTS, PODS } from '@mesh/kube';
import type { ContainerStatus, Deployment, KubeClient, Pod } from '@mesh/kube';

const ROLLOUT_TIMEOUT_MS = 180_000;

/** All replicas of all these Deployments are of the present spec and available. Watches, so that waiting costs nothing. */
export async function rolloutDone(
  client: KubeClient,
  namespace: string,
  names: readonly string[],
  signal?: AbortSignal,
): Promise<void> {
  const deadline = AbortSignal.timeout(ROLLOUT_TIMEOUT_MS);
  const stop = signal === undefined ? deadline : AbortSignal.any([signal, deadline]);
  const seen = new Map<string, Deployment>();
  const waiting = (): readonly string[] =>
    names.filter((name) => {
      const deployment = seen.get(name);
      return deployment === undefined || !isDone(deployment);
    });
  try {
    for (;;) {
      const { items, resourceVersion } = await client.list(DEPLOYMENTS, { namespace, signal: stop });
      seen.clear();
      for (const item of items) seen.set(item.metadata.name, item);
      if (waiting().length === 0) return;
      // A watch that ends or breaks is opened again from a fresh list.
      for await (const event of client.watch(DEPLOYMENTS, { namespace, resourceVersion, signal: stop })) {
        if (event.type === 'bookmark') continue;
        if (event.type === 'deleted') seen.delete(event.object.metadata.name);
        else seen.set(event.object.metadata.name, event.object);
        if (waiting().length === 0) return;
      }
    }
  } catch (error) {
    signal?.throwIfAborted();
    if (!deadline.aborted) throw error;
    const reasons = await Promise.all(waiting().map((name) => whyNot(client, namespace, name, seen.get(name))));
    throw new Error(
      `waited ${ROLLOUT_TIMEOUT_MS / 1000} s for Deployments in namespace ${namespace}: ${reasons.join('; ')}`,
      {
        cause: error,
      },
    );
  }
}

export function isDone(deployment: Deployment): boolean {
  const wanted = deployment.spec.replicas ?? 1;
  const status = deployment.status ?? {};
  return (
    (status.observedGeneration ?? 0) >= (deployment.metadata.generation ?? 0) &&
    (status.updatedReplicas ?? 0) === wanted &&
    (status.replicas ?? 0) === wanted &&
    (status.availableReplicas ?? 0) === wanted
  );
}

/** Running pods of a workload by its `app` label, newest last. */
export async function podsOf(client: KubeClient, namespace: string, labelSelector: string): Promise<readonly Pod[]> {
  const { items } = await client.list(PODS, { namespace, labelSelector });
  return items
    .filter((pod) => pod.metadata.deletionTimestamp === undefined && pod.status?.phase === 'Running')
    .sort((a, b) => (a.metadata.creationTimestamp ?? '').localeCompare(b.metadata.creationTimestamp ?? ''));
}

/** What stands in the way, from the pods' own words. */
async function whyNot(
  client: KubeClient,
  namespace: string,
  name: string,
  deployment: Deployment | undefined,
): Promise<string> {
  if (deployment === undefined) return `${name} does not exist`;
  const { items } = await client.list(PODS, { namespace });
  const own = items.filter((pod) => pod.metadata.name.startsWith(`${name}-`));
  if (own.length === 0) {
    const messages = deployment.status?.conditions?.map((condition) => condition.message ?? '') ?? [];
    return `${name} has no pods (${messages.join('; ')})`;
  }
  const reasons = own.flatMap((pod) => [
    ...(pod.status?.conditions ?? [])
      .filter(({ type, status }) => type === 'PodScheduled' && status === 'False')
      .map(({ message }) => `${pod.metadata.name} has no node (${message ?? 'nobody says why'})`),
    ...[...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])]
      .filter((status) => !status.ready)
      .map((status) => `${pod.metadata.name}/${status.name} ${stateOf(status)}, restarts ${status.restartCount}`),
  ]);
  return reasons.length === 0 ? `${name} has ${own.length} pods, all ready` : reasons.join('; ');
}

function stateOf(status: ContainerStatus): string {
  const { waiting, terminated, running } = status.state ?? {};
  if (waiting !== undefined)
    return `${waiting.reason ?? 'waiting'}${waiting.message === undefined ? '' : ` (${waiting.message})`}`;
  if (terminated !== undefined) return `ended with ${terminated.exitCode}`;
  return running === undefined ? 'not started' : 'running but not ready';
}
