/** A pod's metrics, fetched through the API server's pod proxy: no port-forward, and the user's own rights decide. */
import { isKubeError, PODS } from '@mesh/kube';
import type { KubeClient, Pod } from '@mesh/kube';
import { messageOf } from '@mesh/runtime';
import { CliError } from './errors.ts';

/** The Prometheus text of one pod's admin port. @throws CliError `cluster` naming pod, port and cause. */
export async function podMetricsText(
  client: KubeClient,
  ref: { readonly namespace: string; readonly name: string },
  port: number,
): Promise<string> {
  const where = `pod ${ref.namespace}/${ref.name}, port ${port}`;
  try {
    const { status, text } = await client.raw(
      `/api/v1/namespaces/${ref.namespace}/pods/${ref.name}:${port}/proxy/metrics`,
    );
    if (status === 200) return text;
    throw new CliError(
      { code: 'cluster' },
      `no metrics from ${where}: the API server answered ${status} (${firstLine(text)})`,
    );
  } catch (error) {
    if (!isKubeError(error)) throw error;
    throw new CliError({ code: 'cluster' }, `no metrics from ${where}: ${messageOf(error)}`, { cause: error });
  }
}

/** Running pods with a sidecar, or those of one workload. */
export async function listPods(
  client: KubeClient,
  namespace: string | undefined,
  labelSelector?: string,
): Promise<readonly Pod[]> {
  const { items } = await client.list(PODS, { namespace, labelSelector });
  return items
    .filter((pod) => pod.status?.phase === 'Running')
    .sort((a, b) =>
      `${a.metadata.namespace}/${a.metadata.name}`.localeCompare(`${b.metadata.namespace}/${b.metadata.name}`),
    );
}

export function isMeshed(pod: Pod): boolean {
  return [...(pod.spec.initContainers ?? []), ...pod.spec.containers].some(
    (container) => container.name === 'linkerd-proxy',
  );
}

function firstLine(text: string): string {
  try {
    const status: unknown = JSON.parse(text);
    if (typeof status === 'object' && status !== null && 'message' in status) return String(status.message);
  } catch {
    // Not a Status object: show what there is.
  }
  return text.split('\n', 1)[0]?.slice(0, 200) ?? '';
}
