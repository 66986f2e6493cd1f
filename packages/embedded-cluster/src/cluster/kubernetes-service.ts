/** The `kubernetes` Service of namespace `default`: how pods reach the API server. */
import { hasReason } from '../api/status-error.ts';
import type { ClusterClient, KubeObject } from '../api/types.ts';
import { RESOURCES } from '../controllers/kinds.ts';

export async function ensureKubernetesService(
  client: ClusterClient,
  clusterIp: string,
  server: { readonly address: string; readonly port: number },
): Promise<void> {
  const metadata = { name: 'kubernetes', namespace: 'default' };
  const labels = { component: 'apiserver', provider: 'kubernetes' };
  const ports = [{ name: 'https', port: server.port, protocol: 'TCP' }];
  const servicePorts = [{ name: 'https', port: 443, protocol: 'TCP', targetPort: server.port }];
  await ensure(client, RESOURCES.services, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { ...metadata, labels },
    spec: { type: 'ClusterIP', clusterIP: clusterIp, clusterIPs: [clusterIp], ports: servicePorts },
  });
  await ensure(client, RESOURCES.endpoints, {
    apiVersion: 'v1',
    kind: 'Endpoints',
    metadata: { ...metadata, labels: { 'endpointslice.kubernetes.io/skip-mirror': 'true' } },
    subsets: [{ addresses: [{ ip: server.address }], ports }],
  });
  await ensure(client, RESOURCES.endpointSlices, {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { ...metadata, labels: { 'kubernetes.io/service-name': 'kubernetes' } },
    addressType: 'IPv4',
    endpoints: [{ addresses: [server.address], conditions: { ready: true } }],
    ports,
  });
}

async function ensure(
  client: ClusterClient,
  resource: (typeof RESOURCES)[keyof typeof RESOURCES],
  object: KubeObject,
): Promise<void> {
  try {
    await client.create(resource, object);
  } catch (error) {
    if (!hasReason(error, 'AlreadyExists')) throw error;
    const { kind: _kind, apiVersion: _version, metadata: _metadata, ...body } = object;
    await client.patch(resource, 'default', 'kubernetes', { type: 'merge', body });
  }
}
