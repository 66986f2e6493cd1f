/** Which mirror of each linked cluster is called to prove that traffic passes its gateway. */
import { ENDPOINT_SLICES, LINKS, SERVICES } from '@mesh/kube';
import type { EndpointSlice, Link, Service, ServicePort } from '@mesh/kube';
import type { ProbeTarget } from '../../probe/client.ts';
import type { CheckState } from '../state.ts';

export interface GatewayTarget {
  readonly cluster: string;
  readonly gatewayIdentity: string;
  /** Absent when there is nothing to call; then `problem` says why. */
  readonly url?: string;
  readonly problem?: string;
}

/** One per Link with a gateway, by cluster. */
export async function gatewayTargets(state: CheckState): Promise<readonly GatewayTarget[]> {
  const client = await state.client();
  const [links, mirrors, slices, { clusterDomain }] = await Promise.all([
    client.list(LINKS),
    client.list(SERVICES, { labelSelector: 'mirror.linkerd.io/mirrored-service=true,mirror.linkerd.io/cluster-name' }),
    client.list(ENDPOINT_SLICES, { labelSelector: 'mirror.linkerd.io/mirrored-service=true' }),
    state.config(),
  ]);
  return links.items
    .filter((link) => (link.spec.gatewayAddress ?? '') !== '')
    .map((link) => targetOf(link, mirrors.items, slices.items, clusterDomain))
    .sort((a, b) => a.cluster.localeCompare(b.cluster));
}

export function probeTargets(targets: readonly GatewayTarget[]): readonly ProbeTarget[] {
  return targets.flatMap(({ cluster, url }) => (url === undefined ? [] : [{ name: cluster, url }]));
}

function targetOf(
  link: Link,
  mirrors: readonly Service[],
  slices: readonly EndpointSlice[],
  clusterDomain: string,
): GatewayTarget {
  const cluster = link.spec.targetClusterName ?? link.metadata.name;
  const base = { cluster, gatewayIdentity: link.spec.gatewayIdentity ?? '' };
  const own = mirrors.filter((service) => service.metadata.labels?.['mirror.linkerd.io/cluster-name'] === cluster);
  if (own.length === 0)
    return {
      ...base,
      problem: `no service of ${cluster} is mirrored here; label one mirror.linkerd.io/exported=true there`,
    };
  const ready = own.filter((service) => slices.some((slice) => isReadySliceOf(slice, service)));
  if (ready.length === 0)
    return { ...base, problem: `none of the ${own.length} mirror services of ${cluster} has a ready endpoint` };
  const found = ready
    .flatMap((service) => (service.spec?.ports ?? []).map((port) => ({ service, port, rank: httpRank(port) })))
    .filter(({ rank }) => rank > 0)
    .sort((a, b) => b.rank - a.rank || a.service.metadata.name.localeCompare(b.service.metadata.name))[0];
  if (found === undefined)
    return {
      ...base,
      problem: `no mirror service of ${cluster} has a port that looks like HTTP (appProtocol http, a name that begins with http, or port 80 or 8080)`,
    };
  const { name, namespace = '' } = found.service.metadata;
  return { ...base, url: `http://${name}.${namespace}.svc.${clusterDomain}:${found.port.port}/` };
}

function isReadySliceOf(slice: EndpointSlice, service: Service): boolean {
  return (
    slice.metadata.namespace === service.metadata.namespace &&
    slice.metadata.labels?.['kubernetes.io/service-name'] === service.metadata.name &&
    slice.endpoints.some((endpoint) => endpoint.conditions?.ready !== false)
  );
}

/** A port of a Service or of a ServiceImport. */
type AnyPort = Pick<ServicePort, 'name' | 'appProtocol' | 'port'> & { readonly protocol?: string };

/** The port where a GET is most likely understood; undefined when it is nowhere. */
export function httpPortOf(ports: readonly AnyPort[]): AnyPort | undefined {
  return ports
    .map((port) => ({ port, rank: httpRank(port) }))
    .filter(({ rank }) => rank > 0)
    .sort((a, b) => b.rank - a.rank)[0]?.port;
}

/** How likely a GET is understood there; 0: better not tried. */
function httpRank(port: AnyPort): number {
  if ((port.protocol ?? 'TCP') !== 'TCP') return 0;
  if (port.appProtocol !== undefined) return /^http\/?(1\.1)?$/i.test(port.appProtocol) ? 3 : 0;
  if (/^http(?!s|2)/.test(port.name ?? '')) return 2;
  return [80, 8080].includes(port.port) && !/grpc|h2c|https|http2/.test(port.name ?? '') ? 1 : 0;
}
