/** One address as discovery tells it: who is there, how to reach it, and the labels of its metrics. */
import type { Endpoint, Pod } from '@mesh/kube';
import type { PortSet } from '@mesh/model';
import { durationFromMs, tcpAddress } from '@mesh/proxy-api';
import type { destination } from '@mesh/proxy-api';

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
export const PROXY_OWN_PORTS: ReadonlySet<number> = new Set([4190, 4191]);

/** What meshed clients are told about HTTP/2 connections to meshed peers. */
export const MESHED_HTTP2: destination.Http2ClientParams = {
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
        ? identityOfName(identityOf(pod, config.trustDomain), true)
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

/** @param withServerName Its server takes the name as SNI, too; gateways are asked for it in any case. */
export function identityOfName(name: string, withServerName: boolean): destination.TlsIdentity {
  if (name.includes('://'))
    return { strategy: { $case: 'uriLikeIdentity', value: { uri: name } }, serverName: undefined };
  return {
    strategy: { $case: 'dnsLikeIdentity', value: { name } },
    serverName: withServerName ? { name } : undefined,
  };
}
