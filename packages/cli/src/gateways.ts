/**
 * The state of gateways as the mirror controller sees it. Its metrics are asked first (they have the latency); without them the
 * conditions on the Links say as much as they can.
 */
import { LEASES, LINKS, SERVICES } from '@mesh/kube';
import type { KubeClient, Link } from '@mesh/kube';
import { isMirrorPod, MIRROR_ADMIN_PORT } from './mirror-pod.ts';
import { parseMetrics } from './metrics-text.ts';
import type { Sample } from './metrics-text.ts';
import { listPods, podMetricsText } from './pod-metrics.ts';

export interface GatewayState {
  readonly clusterName: string;
  readonly alive: boolean;
  readonly numberOfServices: number;
  /** Milliseconds of the last successful probe; absent while down or unknown. */
  readonly latency?: number;
}

/** Links with a gateway, by cluster name. */
export async function gatewayStates(client: KubeClient): Promise<readonly GatewayState[]> {
  const [links, mirrors] = await Promise.all([
    client.list(LINKS),
    client.list(SERVICES, { labelSelector: 'mirror.linkerd.io/mirrored-service=true' }),
  ]);
  const withGateway = links.items.filter((link) => (link.spec.gatewayAddress ?? '') !== '');
  const samples = withGateway.length === 0 ? [] : await leaderSamples(client, withGateway[0]?.metadata.namespace ?? '');
  return withGateway
    .map((link) => {
      const clusterName = link.spec.targetClusterName ?? link.metadata.name;
      const metric = (name: string): number | undefined =>
        samples.find((sample) => sample.name === name && sample.labels['target_cluster_name'] === clusterName)?.value;
      const alive = metric('gateway_alive') === undefined ? conditionAlive(link) : metric('gateway_alive') === 1;
      const latency = alive ? metric('gateway_latency') : undefined;
      return {
        clusterName,
        alive,
        numberOfServices: mirrors.items.filter(
          (service) => service.metadata.labels?.['mirror.linkerd.io/cluster-name'] === clusterName,
        ).length,
        ...(latency === undefined ? {} : { latency: Math.round(latency) }),
      };
    })
    .sort((a, b) => a.clusterName.localeCompare(b.clusterName));
}

/** What the controller wrote onto the Link. */
export function conditionAlive(link: Link): boolean {
  return (
    link.status?.conditions?.some((condition) => condition.type === 'GatewayAlive' && condition.status === 'True') ??
    false
  );
}

/** Only the leader probes; with no metrics to be had (no right to the pod proxy) there are none, and conditions must do. */
async function leaderSamples(client: KubeClient, namespace: string): Promise<readonly Sample[]> {
  const pods = (await listPods(client, namespace)).filter(isMirrorPod);
  const leases = await client.list(LEASES, { namespace }).catch(() => undefined);
  const holders = new Set(leases?.items.map((lease) => lease.spec?.holderIdentity ?? '') ?? []);
  const ordered = [...pods].sort((a, b) => Number(holders.has(b.metadata.name)) - Number(holders.has(a.metadata.name)));
  for (const pod of ordered) {
    try {
      const text = await podMetricsText(client, { namespace, name: pod.metadata.name }, MIRROR_ADMIN_PORT);
      const samples = parseMetrics(text);
      if (samples.some((sample) => sample.name === 'gateway_alive')) return samples;
    } catch {
      // The next pod may answer.
    }
  }
  return [];
}
