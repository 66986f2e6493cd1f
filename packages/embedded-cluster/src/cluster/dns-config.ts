/**
 * The configuration of the cluster's DNS, where CoreDNS has it on a real cluster: ConfigMap `kube-system/coredns`. Of a Corefile only
 * the zones that are forwarded are followed here; the rest says what this DNS does anyway.
 */
import { hasReason } from '../api/status-error.ts';
import type { ClusterClient } from '../api/types.ts';
import { RESOURCES } from '../controllers/kinds.ts';

export const DNS_CONFIG = { namespace: 'kube-system', name: 'coredns', key: 'Corefile' } as const;

/** Leaves alone what is there. */
export async function ensureDnsConfig(client: ClusterClient, clusterDomain: string): Promise<void> {
  const corefile = `.:53 {
    errors
    kubernetes ${clusterDomain} in-addr.arpa {
        ttl 5
    }
    forward . /etc/resolv.conf
    reload
}
`;
  try {
    await client.create(RESOURCES.configMaps, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { namespace: DNS_CONFIG.namespace, name: DNS_CONFIG.name },
      data: { [DNS_CONFIG.key]: corefile },
    });
  } catch (error) {
    if (!hasReason(error, 'AlreadyExists')) throw error;
  }
}
