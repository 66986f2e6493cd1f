/** Pods on their way: made, waited for, asked about, removed. */
import { PODS } from '@mesh/kube';
import type { ContainerStatus, Pod } from '@mesh/kube';
import type { Manifest } from '@mesh/cli';
import type { KindMember } from '../../scripts/home/kind-home.ts';
import { until } from '../../scripts/home/wait.ts';
import { nodeFigures } from './node-figures.ts';
import type { ContainerFigures } from './node-figures.ts';
import { NAMESPACE, SIDECAR } from './variants.ts';

const READY_TIMEOUT_MS = 180_000;

/**
 * Applies one pod and resolves when a watch says that it is Ready, with the milliseconds from sending the request: both ends on one
 * clock, and finer than the whole seconds that the API keeps.
 */
export async function timeToReady(cluster: KindMember, pod: Manifest): Promise<number> {
  const name = pod.metadata.name ?? '';
  const signal = AbortSignal.timeout(READY_TIMEOUT_MS);
  const { resourceVersion } = await cluster.client.list(PODS, { namespace: NAMESPACE });
  const startedAt = performance.now();
  const applied = cluster.apply([pod]);
  // Its failure is told below, after the watch has ended.
  applied.catch(() => undefined);
  const selected = { namespace: NAMESPACE, fieldSelector: `metadata.name=${name}`, resourceVersion, signal };
  for await (const event of cluster.client.watch(PODS, selected)) {
    if (event.type === 'bookmark' || !isReady(event.object)) continue;
    const ms = performance.now() - startedAt;
    await applied;
    return ms;
  }
  await applied;
  throw new Error(`the watch for pod ${name} ended before it was Ready`);
}

/** Applies all and waits until each is Ready. */
export async function startPods(cluster: KindMember, pods: readonly Manifest[]): Promise<void> {
  await cluster.apply(pods);
  const names = pods.map((pod) => pod.metadata.name);
  await until(
    `${pods.length} pods of namespace ${NAMESPACE} to be Ready`,
    async () => {
      const { items } = await cluster.client.list(PODS, { namespace: NAMESPACE });
      return names.every((name) => items.some((pod) => pod.metadata.name === name && isReady(pod)));
    },
    { timeoutMs: READY_TIMEOUT_MS, everyMs: 250 },
  );
}

/** Figures of the sidecars of these pods, which are all on `node`, in the pods' order. */
export async function sidecarFigures(
  cluster: KindMember,
  node: string,
  pods: readonly string[],
): Promise<readonly ContainerFigures[]> {
  const { items } = await cluster.client.list(PODS, { namespace: NAMESPACE });
  const ids = pods.map((name) => {
    const found = items.find((pod) => pod.metadata.name === name);
    const id = sidecarOf(found)?.containerID?.replace(/^.*:\/\//, '') ?? '';
    if (id === '') throw new Error(`pod ${NAMESPACE}/${name} runs no ${SIDECAR}: does the injector work?`);
    return id;
  });
  return nodeFigures(node, ids);
}

/** What the sidecar of the pod has written so far. */
export async function sidecarLog(cluster: KindMember, pod: string): Promise<string> {
  const { status, text } = await cluster.client.raw(
    `/api/v1/namespaces/${NAMESPACE}/pods/${pod}/log?container=${SIDECAR}`,
  );
  if (status !== 200) throw new Error(`the log of ${SIDECAR} of pod ${pod} cannot be read: ${status} ${text}`);
  return text;
}

/** The image that the node runs as the sidecar of the pod, by its digest. */
export async function sidecarImage(cluster: KindMember, pod: string): Promise<string> {
  return sidecarOf(await cluster.client.get(PODS, { namespace: NAMESPACE, name: pod }))?.imageID ?? '';
}

function sidecarOf(pod: Pod | undefined): ContainerStatus | undefined {
  return [...(pod?.status?.initContainerStatuses ?? []), ...(pod?.status?.containerStatuses ?? [])].find(
    (status) => status.name === SIDECAR,
  );
}

function isReady(pod: Pod): boolean {
  return pod.status?.conditions?.some((each) => each.type === 'Ready' && each.status === 'True') ?? false;
}
