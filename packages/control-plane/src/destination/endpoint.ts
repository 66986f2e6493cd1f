/** One address as discovery tells it: who is there, how to reach it, and the labels of its metrics. */
import type { Endpoint, EndpointSlice, Pod } from '@mesh/kube';
import type { PortSet } from '@mesh/model';
import { durationFromMs, tcpAddress } from '@mesh/proxy-api';
import type { destination } from '@mesh/proxy-api';

import { MIRROR_CLUSTER_NAME, REMOTE_FQ_NAME, REMOTE_GATEWAY_IDENTITY } from '../annotations.ts';
import {
  controlPlaneOf,
  identityOf,
  opaquePortsOf,
  ownerOf,
  proxyInboundPort,
  serviceAccountOf,
  skippedInboundPorts,
} from '../workload.ts';

export interface EndpointConfig {
  readonly controlPlaneNamespace: string;
  readonly trustDomain: string;
  readonly defaultOpaquePorts: PortSet;
  /** Tell proxies to speak HTTP/2 to each other, whatever the application speaks. */
  readonly enableH2Upgrade: boolean;
}

/** All endpoints weigh the same; the number leaves room for weights below and above. */
export const ENDPOINT_WEIGHT = 10_000;

/** Ports of a sidecar's own servers, which take no transport header. */
const PROXY_OWN_PORTS: ReadonlySet<number> = new Set([4190, 4191]);

/** What meshed clients are told about HTTP/2 connections to meshed peers. */
const MESHED_HTTP2: destination.Http2ClientParams = {
  flowControl: undefined,
  keepAlive: { interval: durationFromMs(10_000), timeout: durationFromMs(3_000), whileIdle: true },
  internals: undefined,
};

/** The message for a pod's port, or undefined when `ip` is no address. */
export function podAddress(
  pod: Pod,
  ip: string,
  port: number,
  config: EndpointConfig,
): destination.WeightedAddr | undefined {
  const addr = tcpAddress(ip, port);
  if (addr === undefined) return undefined;
  const meshed = controlPlaneOf(pod) !== '' && !skippedInboundPorts(pod).has(port);
  return {
    addr,
    weight: ENDPOINT_WEIGHT,
    metricLabels: podLabels(pod),
    tlsIdentity:
      meshed && controlPlaneOf(pod) === config.controlPlaneNamespace
        ? dnsIdentity(identityOf(pod, config.trustDomain), true)
        : undefined,
    protocolHint: meshed ? hintFor(pod, port, config) : undefined,
    authorityOverride: undefined,
    http2: meshed ? MESHED_HTTP2 : undefined,
    resourceRef: undefined,
  };
}

/** The message for an address that belongs to no pod that we know. */
export function plainAddress(ip: string, port: number): destination.WeightedAddr | undefined {
  const addr = tcpAddress(ip, port);
  return addr === undefined
    ? undefined
    : {
        addr,
        weight: ENDPOINT_WEIGHT,
        metricLabels: {},
        tlsIdentity: undefined,
        protocolHint: undefined,
        authorityOverride: undefined,
        http2: undefined,
        resourceRef: undefined,
      };
}

/** A Service of another cluster, reached through that cluster's gateway. */
export interface GatewayRoute {
  readonly identity: string;
  /** `<svc>.<ns>.svc.<domain of the other cluster>`. */
  readonly fqName: string;
  readonly cluster: string;
}

/** What a slice's annotations say about a gateway; undefined for slices of this cluster's own endpoints. */
export function gatewayRouteOf(slice: EndpointSlice): GatewayRoute | undefined {
  const { annotations = {}, labels = {} } = slice.metadata;
  const identity = annotations[REMOTE_GATEWAY_IDENTITY];
  if (identity === undefined || identity === '') return undefined;
  return { identity, fqName: annotations[REMOTE_FQ_NAME] ?? '', cluster: labels[MIRROR_CLUSTER_NAME] ?? '' };
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
    tlsIdentity: dnsIdentity(route.identity, false),
    protocolHint: config.enableH2Upgrade
      ? { protocol: { $case: 'h2', value: {} }, opaqueTransport: undefined }
      : undefined,
    authorityOverride: route.fqName === '' ? undefined : { authorityOverride: `${route.fqName}:${servicePort}` },
  };
}

/** Labels that tell which Service of which cluster stands behind a gateway. */
export function targetLabels(route: GatewayRoute): Record<string, string> {
  const [service = '', namespace = ''] = route.fqName.split('.');
  return {
    ...(route.cluster === '' ? {} : { target_cluster: route.cluster }),
    ...(service === '' ? {} : { target_service: service, target_service_namespace: namespace }),
  };
}

/** Absent conditions count as ready (KEP-752). */
export function isReady(endpoint: Endpoint): boolean {
  return endpoint.conditions?.ready !== false;
}

function podLabels(pod: Pod): Record<string, string> {
  const owner = ownerOf(pod);
  const hash = pod.metadata.labels?.['pod-template-hash'];
  const controlPlane = controlPlaneOf(pod);
  return {
    pod: pod.metadata.name,
    ...(owner === undefined ? {} : { [owner.label]: owner.name }),
    serviceaccount: serviceAccountOf(pod),
    ...(controlPlane === '' ? {} : { control_plane_ns: controlPlane }),
    ...(hash === undefined ? {} : { pod_template_hash: hash }),
  };
}

function hintFor(pod: Pod, port: number, config: EndpointConfig): destination.ProtocolHint {
  const opaque = opaquePortsOf(pod, config.defaultOpaquePorts).has(port);
  const h2 = config.enableH2Upgrade && !opaque;
  return {
    protocol: opaque ? { $case: 'opaque', value: {} } : h2 ? { $case: 'h2', value: {} } : undefined,
    opaqueTransport: PROXY_OWN_PORTS.has(port) ? undefined : { inboundPort: proxyInboundPort(pod) },
  };
}

function dnsIdentity(name: string, withServerName: boolean): destination.TlsIdentity {
  return {
    strategy: { $case: 'dnsLikeIdentity', value: { name } },
    serverName: withServerName ? { name } : undefined,
  };
}
