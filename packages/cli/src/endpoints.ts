/**
 * What discovery works from for one Service: its endpoint slices, with gateways marked as such. Read from the API rather than from the
 * destination service, so that it works with no more than a kubeconfig; the two agree unless discovery lags.
 */
import { ENDPOINT_SLICES, SERVICES } from '@mesh/kube';
import type { EndpointSlice, KubeClient, Pod, Service } from '@mesh/kube';
import { CliError } from './errors.ts';

export interface Authority {
  readonly service: string;
  readonly namespace: string;
  readonly port: number;
}

export interface DiscoveredEndpoint {
  readonly namespace: string;
  readonly ip: string;
  readonly port: number;
  /** Empty for an address that is no pod of this cluster, such as a peer's gateway. */
  readonly pod: string;
  readonly service: string;
  readonly ready: boolean;
  /** The identity that proxies demand there, when it is a gateway. */
  readonly gatewayIdentity?: string;
}

/** `svc.ns.svc.domain:port`, `svc.ns:port`. @throws CliError `usage` */
export function parseAuthority(text: string): Authority {
  const match = /^([a-z0-9-]+)\.([a-z0-9-]+)(?:\.svc(?:\.[a-z0-9.-]+)?)?:(\d{1,5})$/.exec(text);
  if (match === null) {
    throw new CliError(
      { code: 'usage' },
      `${text} is not a service authority; expected such as web.shop.svc.cluster.local:80`,
    );
  }
  return { service: match[1] ?? '', namespace: match[2] ?? '', port: Number(match[3]) };
}

export async function discoverEndpoints(
  client: KubeClient,
  authority: Authority,
  pods: readonly Pod[],
): Promise<readonly DiscoveredEndpoint[]> {
  const { namespace, service: name } = authority;
  const service = await client.get(SERVICES, { namespace, name });
  if (service === undefined) {
    throw new CliError(
      { code: 'missing_object', kind: 'Service', name: `${namespace}/${name}` },
      `no Service ${namespace}/${name}`,
    );
  }
  const portName = portNameOf(service, authority);
  const { items } = await client.list(ENDPOINT_SLICES, {
    namespace,
    labelSelector: `kubernetes.io/service-name=${name}`,
  });
  return items
    .flatMap((slice) => endpointsOf(slice, authority, portName, pods))
    .sort((a, b) => a.ip.localeCompare(b.ip, undefined, { numeric: true }));
}

function portNameOf(service: Service, authority: Authority): string {
  const ports = service.spec?.ports ?? [];
  const port = ports.find((item) => item.port === authority.port);
  if (port === undefined) {
    const known = ports.map((item) => item.port).join(', ');
    throw new CliError(
      { code: 'usage' },
      `Service ${authority.namespace}/${authority.service} has no port ${authority.port}; its ports: ${known === '' ? 'none' : known}`,
    );
  }
  return port.name ?? '';
}

function endpointsOf(
  slice: EndpointSlice,
  authority: Authority,
  portName: string,
  pods: readonly Pod[],
): readonly DiscoveredEndpoint[] {
  const port = slice.ports?.find((item) => (item.name ?? '') === portName)?.port;
  if (port === undefined) return [];
  const gatewayIdentity = slice.metadata.annotations?.['mirror.linkerd.io/remote-gateway-identity'];
  return slice.endpoints.flatMap((endpoint) =>
    endpoint.addresses.map((ip) => ({
      namespace: authority.namespace,
      ip,
      port,
      pod:
        endpoint.targetRef?.kind === 'Pod'
          ? (endpoint.targetRef.name ?? '')
          : (pods.find((pod) => pod.status?.podIP === ip)?.metadata.name ?? ''),
      service: `${authority.service}.${authority.namespace}`,
      ready: endpoint.conditions?.ready !== false,
      ...(gatewayIdentity === undefined ? {} : { gatewayIdentity }),
    })),
  );
}
