/** A peer's gateway as the endpoint of a mirror: what proxies send there carries the name of the Service that it is for. Pure. */
import type { Endpoint, EndpointPort, EndpointSlice, ServicePort } from '@mesh/kube';
import type { LinkPlan } from './link-plan.ts';
import {
  ANNOTATION_GATEWAY_IDENTITY,
  ANNOTATION_REMOTE_NAME,
  fullyQualified,
  LABEL_CLUSTER,
  LABEL_MANAGED_BY,
  LABEL_MIRRORED,
  LABEL_SERVICE_NAME,
  SLICE_MANAGER,
} from './names.ts';
import type { RemoteService } from './remote-cluster.ts';
import { portsOf, samePort } from './service-ports.ts';

/** One address of a peer's gateway. */
export interface GatewayAddress {
  readonly ip: string;
  readonly alive: boolean;
  /** It left its name: no new connections. */
  readonly draining?: boolean;
  /** As nodes are labelled; absent where nobody told. */
  readonly zone?: string | undefined;
}

export interface GatewaySliceNames {
  readonly serviceName: string;
  readonly sliceName: string;
  /** Only ports that are among these. */
  readonly onlyPorts?: readonly ServicePort[];
  /** One pod of the Service, by its host name. */
  readonly hostname?: string;
  readonly labels?: Readonly<Record<string, string>>;
}

/**
 * The addresses as endpoints. When every one that takes new connections has a zone, each is hinted for the clients of its own (KEP-2433, whose
 * readers heed hints only where all ready endpoints have some). One that is dead or drained is hinted for nobody: clients of its zone turn to
 * the others.
 */
export function gatewayEndpoints(addresses: readonly GatewayAddress[]): readonly Endpoint[] {
  const takesNew = ({ alive, draining = false }: GatewayAddress): boolean => alive && !draining;
  const tellsZones = addresses.filter(takesNew).every(({ zone }) => zone !== undefined);
  return addresses.map((address) => {
    const { ip, alive, draining = false, zone } = address;
    const ready = takesNew(address);
    return {
      addresses: [ip],
      conditions: { ready, serving: alive, terminating: draining },
      ...(tellsZones && zone !== undefined ? { zone } : {}),
      ...(tellsZones && zone !== undefined && ready ? { hints: { forZones: [{ name: zone }] } } : {}),
    };
  });
}

/** True for endpoints that may be in a slice of that family. */
export function isOfFamily(
  { addresses: [address = ''] }: Endpoint,
  addressType: EndpointSlice['addressType'],
): boolean {
  return address.includes(':') === (addressType === 'IPv6');
}

/** One slice per address family, without endpoints while the peer has none ready. */
export function gatewaySlices(
  plan: LinkPlan,
  remote: Pick<RemoteService, 'service' | 'hasReady'>,
  addresses: readonly GatewayAddress[],
  names: GatewaySliceNames,
): readonly EndpointSlice[] {
  const { gateway } = plan;
  if (gateway === undefined) return [];
  const all = gatewayEndpoints(addresses);
  const families = [
    { addressType: 'IPv4' as const, suffix: '' },
    { addressType: 'IPv6' as const, suffix: '-v6' },
  ].map((family) => ({ ...family, endpoints: all.filter((one) => isOfFamily(one, family.addressType)) }));
  // The IPv4 slice exists even when it is empty, so that readers see that the mirror has an owner.
  return families
    .filter(({ addressType, endpoints }) => endpoints.length > 0 || (addressType === 'IPv4' && all.length === 0))
    .map(({ addressType, suffix, endpoints }) => ({
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: {
        name: names.sliceName + suffix,
        namespace: remote.service.metadata.namespace ?? '',
        labels: {
          [LABEL_SERVICE_NAME]: names.serviceName,
          [LABEL_MANAGED_BY]: SLICE_MANAGER,
          [LABEL_MIRRORED]: 'true',
          [LABEL_CLUSTER]: plan.cluster,
          ...names.labels,
        },
        annotations: {
          [ANNOTATION_REMOTE_NAME]: remoteName(plan, remote.service.metadata, names.hostname),
          [ANNOTATION_GATEWAY_IDENTITY]: gateway.identity,
        },
      },
      addressType,
      endpoints: remote.hasReady ? endpoints : [],
      ports: portsOf(remote.service)
        .filter((port) => names.onlyPorts === undefined || names.onlyPorts.some((wanted) => samePort(wanted, port)))
        .map((port): EndpointPort => ({
          name: port.name ?? '',
          protocol: port.protocol ?? 'TCP',
          port: gateway.port,
          ...(port.appProtocol === undefined ? {} : { appProtocol: port.appProtocol }),
        })),
    }));
}

/** `<svc>.<ns>.svc.<domain>`, or `<hostname>.<svc>.<ns>.svc.<domain>` for one pod of it. */
export function remoteName(
  plan: LinkPlan,
  { name, namespace = '' }: { readonly name: string; readonly namespace?: string },
  hostname?: string,
): string {
  const service = fullyQualified(name, namespace, plan.domain);
  return hostname === undefined ? service : `${hostname}.${service}`;
}
