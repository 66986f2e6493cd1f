/** Waiting for workloads, as `kubectl rollout status` does. */
import { DEPLOYMENTS, PODS } from '@mesh/kube';
import type { Deployment, KubeClient, Pod } from '@mesh/kube';
import { until } from './wait.ts';

const ROLLOUT_TIMEOUT_MS = 60_000;

/** All replicas of all these Deployments are of the present spec and available. */
export async function rolloutDone(
  client: KubeClient,
  namespace: string,
  names: readonly string[],
  signal?: AbortSignal,
): Promise<void> {
  await Promise.all(
    names.map((name) =>
      until(
        `deployment ${namespace}/${name} to be available`,
        async () => {
          const deployment = await client.get(DEPLOYMENTS, { namespace, name });
          if (deployment !== undefined && isDone(deployment)) return true;
          throw new Error(await whyNot(client, namespace, deployment));
        },
        { timeoutMs: ROLLOUT_TIMEOUT_MS, everyMs: 40, ...(signal === undefined ? {} : { signal }) },
      ),
    ),
  );
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
async function whyNot(client: KubeClient, namespace: string, deployment: Deployment | undefined): Promise<string> {
  if (deployment === undefined) return 'it does not exist';
  const { items } = await client.list(PODS, { namespace });
  const own = items.filter((pod) => pod.metadata.name.startsWith(`${deployment.metadata.name}-`));
  const reasons = own.flatMap((pod) =>
    [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])]
      .filter((status) => !status.ready)
      .map((status) => {
        const { waiting, terminated, running } = status.state ?? {};
        const state =
          waiting === undefined
            ? terminated === undefined
              ? running === undefined
                ? 'not started'
                : 'running but not ready'
              : `ended with ${terminated.exitCode}`
            : `${waiting.reason ?? 'waiting'}${waiting.message === undefined ? '' : ` (${waiting.message})`}`;
        return `${pod.metadata.name}/${status.name} ${state}, restarts ${status.restartCount}`;
      }),
  );
  return reasons.length === 0 ? `${own.length} pods, no reason given` : reasons.join('; ');
}
