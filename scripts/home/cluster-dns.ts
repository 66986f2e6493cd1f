/** Makes the DNS of a cluster pass names of imported Services on, as docs/clusterset-dns.md tells people to. */
import { CONFIG_MAPS, DEPLOYMENTS, SERVICES } from '@mesh/kube';
import { okOutput } from './cli.ts';
import type { HomeCluster } from './home.ts';
import { rolloutDone } from './rollout.ts';
import { until } from './wait.ts';

const SERVICE = { namespace: 'linkerd-multicluster', name: 'linkerd-clusterset-dns' } as const;
const COREDNS = { namespace: 'kube-system', name: 'coredns' } as const;

/** Resolves when the configuration is in effect; changes nothing when it is already. */
export async function forwardClustersetNames(cluster: HomeCluster, signal?: AbortSignal): Promise<void> {
  const version = async (): Promise<string | undefined> =>
    (await cluster.client.get(CONFIG_MAPS, COREDNS))?.data?.['Corefile'];
  await until(
    `the name server of ${cluster.name} to get an address`,
    async () => ((await cluster.client.get(SERVICES, SERVICE))?.spec?.clusterIP ?? '') !== '',
    { timeoutMs: 60_000, ...(signal === undefined ? {} : { signal }) },
  );
  const before = await version();
  await cluster.apply(okOutput(await cluster.mesh(['multicluster', 'dns']), 'mesh multicluster dns'));
  if ((await version()) === before) return;
  // CoreDNS would notice by itself in a minute or two. An embedded cluster has no such Deployment, and follows at once.
  if ((await cluster.client.get(DEPLOYMENTS, COREDNS)) === undefined) return;
  const annotations = { 'kubectl.kubernetes.io/restartedAt': new Date().toISOString() };
  await cluster.client.patch(DEPLOYMENTS, COREDNS, {
    type: 'strategic',
    body: { spec: { template: { metadata: { annotations } } } },
  });
  await rolloutDone(cluster.client, COREDNS.namespace, [COREDNS.name], signal);
}
