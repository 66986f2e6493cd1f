/**
 * Addresses in other clusters, as the slices of the mirror describe them (ADR 0019): the gateway of a cluster, with the name of the Service
 * behind it, or the Service's pods themselves, with the identity that they share.
 */
import type { EndpointSlice, Service } from '@mesh/kube';
import { parseWorkloadIdentity } from '@mesh/model';
import type { PortSet } from '@mesh/model';
import type { destination } from '@mesh/proxy-api';

import {
  FEDERATION_IDENTITY,
  FEDERATION_INBOUND_PORT,
  FEDERATION_OPAQUE_PORTS,
  MIRROR_CLUSTER_NAME,
  OPAQUE_PORTS,
  REMOTE_DISCOVERY,
  REMOTE_FQ_NAME,
  REMOTE_GATEWAY_IDENTITY,
  REMOTE_SERVICE,
  SOURCE_CLUSTER,
} from '../annotations.ts';
import { portsFrom } from '../workload.ts';
import { identityOfName, MESHED_HTTP2, plainAddress, PROXY_OWN_PORTS } from './endpoint.ts';
import type { EndpointConfig } from './endpoint.ts';

interface RemoteService {
  /** `<svc>.<ns>.svc.<domain of the other cluster>`; "" when the slice does not say. */
  readonly fqName: string;
  /** "" when the slice does not say. */
  readonly cluster: string;
}

/** The Service stands behind the gateway at these addresses. */
export interface GatewayRoute extends RemoteService {
  readonly kind: 'gateway';
  readonly identity: string;
}

/** The addresses are the Service's pods. */
export interface FlatRoute extends RemoteService {
  readonly kind: 'flat';
  /** Of the pods; "" when they are not meshed. */
  readonly identity: string;
  /** Port of their proxies for opaque transport; undefined when the slice does not say. */
  readonly inboundPort: number | undefined;
  /** The pods' opaque ports; undefined: the defaults. */
  readonly opaquePorts: PortSet | undefined;
}

export type RemoteRoute = GatewayRoute | FlatRoute;

/** What a slice says about the other cluster; undefined for slices of this cluster's own endpoints. */
export function remoteRouteOf(slice: EndpointSlice): RemoteRoute | undefined {
  const { annotations = {}, labels = {} } = slice.metadata;
  const cluster = labels[MIRROR_CLUSTER_NAME] ?? labels[SOURCE_CLUSTER] ?? '';
  const remote: RemoteService = { fqName: annotations[REMOTE_FQ_NAME] ?? '', cluster };
  const gateway = annotations[REMOTE_GATEWAY_IDENTITY] ?? '';
  if (gateway !== '') return { kind: 'gateway', ...remote, identity: gateway };
  const identity = annotations[FEDERATION_IDENTITY] ?? '';
  if (identity === '' && labels[MIRROR_CLUSTER_NAME] === undefined) return undefined;
  const opaquePorts = annotations[FEDERATION_OPAQUE_PORTS];
  return {
    kind: 'flat',
    ...remote,
    identity,
    inboundPort: portNumber(annotations[FEDERATION_INBOUND_PORT]),
    opaquePorts: opaquePorts === undefined ? undefined : portsFrom(opaquePorts),
  };
}

/** @param servicePort The port that the client asked for: the name at the gateway keeps it. */
export function gatewayAddress(
  route: GatewayRoute,
  ip: string,
  port: number,
  servicePort: number,
  config: EndpointConfig,
): destination.WeightedAddr | undefined {
  const plain = plainAddress(ip, port);
  if (plain === undefined) return undefined;
  return {
    ...plain,
    metricLabels: targetLabels(route),
    tlsIdentity: identityOfName(route.identity, false),
    protocolHint: config.enableH2Upgrade
      ? { protocol: { $case: 'h2', value: {} }, opaqueTransport: undefined }
      : undefined,
    authorityOverride: route.fqName === '' ? undefined : { authorityOverride: `${route.fqName}:${servicePort}` },
  };
}

/** @param opaque The Service says so of the port that the client asked for. */
export function flatAddress(
  route: FlatRoute,
  ip: string,
  port: number,
  opaque: boolean,
  config: EndpointConfig,
): destination.WeightedAddr | undefined {
  const plain = plainAddress(ip, port);
  if (plain === undefined) return undefined;
  const metricLabels = { ...targetLabels(route), ...workloadLabels(route.identity) };
  if (route.identity === '') return { ...plain, metricLabels };
  return {
    ...plain,
    metricLabels,
    tlsIdentity: identityOfName(route.identity, true),
    protocolHint: flatHint(route, port, opaque || isOpaque(route, port, config), config),
    http2: MESHED_HTTP2,
  };
}

export function isOpaque(route: FlatRoute, port: number, config: EndpointConfig): boolean {
  return (route.opaquePorts ?? config.defaultOpaquePorts).has(port);
}

/** Labels that tell which Service of which cluster stands behind an address. */
export function targetLabels({ fqName, cluster }: RemoteService): Record<string, string> {
  const [service = '', namespace = ''] = fqName.split('.');
  return {
    ...(cluster === '' ? {} : { target_cluster: cluster }),
    ...(service === '' ? {} : { target_service: service, target_service_namespace: namespace }),
  };
}

/** The other cluster's Service that a mirror stands for; undefined for Services of this cluster. */
export function mirroredBy(service: Service): RemoteService | undefined {
  const { name, namespace = '', labels = {}, annotations = {} } = service.metadata;
  const cluster = labels[MIRROR_CLUSTER_NAME] ?? labels[REMOTE_DISCOVERY];
  const flatName =
    labels[REMOTE_DISCOVERY] === undefined ? undefined : `${labels[REMOTE_SERVICE] ?? name}.${namespace}`;
  const fqName = annotations[REMOTE_FQ_NAME] ?? flatName;
  return cluster === undefined || fqName === undefined ? undefined : { cluster, fqName };
}

/** The Service itself says that its port is opaque. */
export function isOpaqueService(service: Service, port: number): boolean {
  const annotation = service.metadata.annotations?.[OPAQUE_PORTS];
  return annotation !== undefined && portsFrom(annotation).has(port);
}

function flatHint(route: FlatRoute, port: number, opaque: boolean, config: EndpointConfig): destination.ProtocolHint {
  const { inboundPort } = route;
  const h2 = config.enableH2Upgrade && !opaque;
  return {
    protocol: opaque ? { $case: 'opaque', value: {} } : h2 ? { $case: 'h2', value: {} } : undefined,
    opaqueTransport: inboundPort === undefined || PROXY_OWN_PORTS.has(port) ? undefined : { inboundPort },
  };
}

function workloadLabels(identity: string): Record<string, string> {
  const workload = parseWorkloadIdentity(identity);
  return workload === undefined
    ? {}
    : { serviceaccount: workload.serviceAccount, control_plane_ns: workload.controlPlaneNamespace };
}

function portNumber(text: string | undefined): number | undefined {
  const port = /^\d{1,5}$/.test(text ?? '') ? Number(text) : 0;
  return port >= 1 && port <= 65_535 ? port : undefined;
}
