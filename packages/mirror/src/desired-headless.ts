/**
 * A headless Service behind a gateway, as Linkerd mirrors it: one Service with an address of its own per pod (an endpoint mirror), whose
 * endpoint is the gateway, and a headless Service that gives each of these addresses the pod's name. So one pod can be reached by name.
 * Pure.
 */
import type { EndpointSlice, Service } from '@mesh/kube';
import { copiedAnnotations } from './copy-rules.ts';
import type { Desired, DesiredPart } from './desired.ts';
import { gatewaySlices, remoteName } from './gateway-slices.ts';
import type { GatewayAddress } from './gateway-slices.ts';
import type { LinkPlan } from './link-plan.ts';
import {
  ANNOTATION_LINK,
  ANNOTATION_REMOTE_NAME,
  fullMirrorName,
  hashOf,
  LABEL_CLUSTER,
  LABEL_HEADLESS,
  LABEL_HEADLESS_MIRROR,
  LABEL_MANAGED_BY,
  LABEL_MIRRORED,
  LABEL_SERVICE_NAME,
  shortened,
  SLICE_MANAGER,
} from './names.ts';
import { isHostname } from './pod-slices.ts';
import type { RemoteService } from './remote-cluster.ts';
import { portsOf } from './service-ports.ts';

export interface EndpointMirror {
  readonly name: string;
  /** Absent until the API has given it one. */
  readonly clusterIp: string | undefined;
}

export interface HeadlessContext {
  /** The headless mirror without its specification. */
  readonly service: Service;
  readonly pods: ReadonlyMap<string, { readonly ready: boolean }>;
  readonly endpointMirror: (hostname: string) => EndpointMirror;
}

/** Names of the mirror of one pod: Linkerd's, and one for when another Service's pod of the same name has that. */
export function endpointMirrorNames(
  hostname: string,
  service: string,
  cluster: string,
): { readonly name: string; readonly otherwise: string } {
  const plain = `${hostname}-${cluster}`;
  return {
    name: shortened(plain),
    otherwise: `${plain.slice(0, 54)}-${hashOf(`${hostname}.${fullMirrorName(service, cluster)}`)}`,
  };
}

/** The pods that have names, ready or not. */
export function podsByName(remote: RemoteService): ReadonlyMap<string, { readonly ready: boolean }> {
  const pods = new Map<string, { readonly ready: boolean }>();
  for (const { endpoints } of remote.endpoints) {
    for (const { hostname, ready } of endpoints) {
      if (hostname === undefined || !isHostname(hostname)) continue;
      // Dual-stack pods are in two slices.
      pods.set(hostname, { ready: ready || pods.get(hostname)?.ready === true });
    }
  }
  return new Map([...pods].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

export function desiredHeadless(
  plan: LinkPlan,
  remote: RemoteService,
  addresses: readonly GatewayAddress[],
  { service: mirror, pods, endpointMirror }: HeadlessContext,
): Omit<Desired, 'outcome'> {
  const { name, namespace = '' } = mirror.metadata;
  const ports = portsOf(remote.service);
  const parts = [...pods].map(([hostname, { ready }]): DesiredPart => {
    const own = endpointMirror(hostname).name;
    const labels = { [LABEL_HEADLESS_MIRROR]: name };
    return {
      service: {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: {
          name: own,
          namespace,
          labels: { [LABEL_MIRRORED]: 'true', [LABEL_CLUSTER]: plan.cluster, ...labels },
          annotations: {
            ...copiedAnnotations(remote.service.metadata.annotations, plan.excludedAnnotations),
            [ANNOTATION_REMOTE_NAME]: remoteName(plan, remote.service.metadata, hostname),
            [ANNOTATION_LINK]: plan.key,
          },
        },
        spec: { type: 'ClusterIP', ports },
      },
      slices: gatewaySlices(plan, { service: remote.service, hasReady: ready }, addresses, {
        serviceName: own,
        sliceName: own,
        hostname,
        labels,
      }),
    };
  });
  const endpoints = [...pods].flatMap(([hostname, { ready }]) => {
    const { clusterIp } = endpointMirror(hostname);
    if (clusterIp === undefined || clusterIp === '') return [];
    return [{ addresses: [clusterIp], conditions: { ready, serving: ready, terminating: false }, hostname }];
  });
  const slice = (addressType: 'IPv4' | 'IPv6'): EndpointSlice => ({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: addressType === 'IPv4' ? name : `${name}-v6`,
      namespace,
      labels: {
        [LABEL_SERVICE_NAME]: name,
        [LABEL_MANAGED_BY]: SLICE_MANAGER,
        [LABEL_MIRRORED]: 'true',
        [LABEL_CLUSTER]: plan.cluster,
        [LABEL_HEADLESS]: '',
      },
      annotations: { [ANNOTATION_REMOTE_NAME]: remoteName(plan, remote.service.metadata) },
    },
    addressType,
    endpoints: endpoints.filter(({ addresses: [ip = ''] }) => ip.includes(':') === (addressType === 'IPv6')),
    // Clients dial the address of an endpoint mirror, which listens at the Service's ports.
    ports: ports.map((port) => ({
      name: port.name ?? '',
      protocol: port.protocol ?? 'TCP',
      port: port.port,
      ...(port.appProtocol === undefined ? {} : { appProtocol: port.appProtocol }),
    })),
  });
  const families = (['IPv4', 'IPv6'] as const).map(slice);
  return {
    service: { ...mirror, spec: { type: 'ClusterIP', clusterIP: 'None', ports } },
    // The first exists even when it is empty, so that readers see that the mirror has an owner.
    slices: families.filter((one, index) => index === 0 || one.endpoints.length > 0),
    parts,
  };
}
