/** Are Deployments and pods as they should be? Shared by the control plane's checks and those of extensions. */
import { DEPLOYMENTS } from '@mesh/kube';
import type { ContainerStatus, Deployment, KubeClient, Pod } from '@mesh/kube';
import { isLive, nameOf } from './state.ts';

/** @throws Error saying how many replicas are wanted and there. */
export function assertAvailable(deployment: Deployment): void {
  const wanted = deployment.spec.replicas ?? 1;
  const ready = deployment.status?.availableReplicas ?? 0;
  if (ready > 0) return;
  const stuck = (deployment.status?.conditions ?? []).find(
    (condition) => condition.type === 'ReplicaFailure' && condition.status === 'True',
  );
  throw new Error(
    `deployment ${nameOf(deployment)} has ${ready} of ${wanted} replicas available${stuck?.message === undefined ? '' : `: ${stuck.message}`}`,
  );
}

export async function assertDeployments(
  client: KubeClient,
  namespace: string,
  names: readonly string[],
): Promise<void> {
  for (const name of names) {
    const deployment = await client.get(DEPLOYMENTS, { namespace, name });
    if (deployment === undefined) throw new Error(`deployment ${namespace}/${name} is missing`);
    assertAvailable(deployment);
  }
}

/** @throws Error with a line per container that is not ready, and why. */
export function assertPodsReady(pods: readonly Pod[], namespace: string): void {
  const live = pods.filter(isLive);
  if (live.length === 0) throw new Error(`no pods in namespace ${namespace} yet`);
  const unready = live.flatMap((pod) => {
    const statuses = pod.status?.containerStatuses ?? [];
    if (statuses.length === 0)
      return [`pod/${pod.metadata.name} has not started (${pod.status?.phase ?? 'no status'})`];
    return statuses
      .filter((status) => !status.ready)
      .map((status) => `pod/${pod.metadata.name} container ${status.name} is not ready${whyNotReady(status)}`);
  });
  if (unready.length > 0) throw new Error(unready.join('\n'));
}

/** @throws Error with the scheduler's words per pod. */
export function assertScheduled(pods: readonly Pod[]): void {
  const problems = pods.flatMap((pod) =>
    (pod.status?.conditions ?? [])
      .filter((condition) => condition.type === 'PodScheduled' && condition.reason === 'Unschedulable')
      .map((condition) => `pod/${pod.metadata.name}: ${condition.message ?? 'unschedulable'}`),
  );
  if (problems.length > 0) throw new Error(problems.join('\n'));
}

/** " (reason: message)", or "" when the kubelet gives none. */
export function whyNotReady(status: ContainerStatus): string {
  const { waiting, terminated } = status.state ?? {};
  const message = waiting?.message === undefined ? '' : `: ${waiting.message}`;
  if (waiting?.reason !== undefined) return ` (${waiting.reason}${message})`;
  return terminated === undefined ? '' : ` (ended with code ${terminated.exitCode})`;
}
