/** Profiles: what a proxy should know about a destination besides its addresses. Pure over what it reads. */
import { keyOf } from '@mesh/kube';
import type { EndpointSlice, Pod, Service } from '@mesh/kube';
import { durationFromMs } from '@mesh/proxy-api';
import { destination } from '@mesh/proxy-api';

import { OPAQUE_PORTS } from '../annotations.ts';
import type { ClusterTables } from '../live/cluster-tables.ts';
import type { Reads } from '../live/table.ts';
import { status } from '../serving/call.ts';
import { answer, noAnswer } from '../serving/watch.ts';
import type { Answer } from '../serving/watch.ts';
import { opaquePortsOf, portsFrom } from '../workload.ts';
import { plainAddress, podAddress } from './endpoint.ts';
import { flatAddress, isOpaque, remoteRouteOf } from './remote-route.ts';
import type { EndpointSources, RoutedSlice } from './service-endpoints.ts';
import { ownFirst, zoneOf } from './service-endpoints.ts';
import type { Target } from './target.ts';

export type Profile = Answer<destination.DestinationProfile>;

export interface ProfileSources extends EndpointSources {
  readonly clusterDomain: string;
}

/** Linkerd's default: retry a fifth of the requests and at least ten a second. */
const RETRY_BUDGET: destination.RetryBudget = { retryRatio: 0.2, minRetriesPerSecond: 10, ttl: durationFromMs(10_000) };

export function profileFor(target: Target, sources: ProfileSources, reads: Reads): Profile {
  switch (target.kind) {
    case 'invalid':
      return noAnswer(status.INVALID_ARGUMENT, target.message);
    case 'ip':
      return profileForIp(target.ip, target.port, sources, reads);
    case 'service': {
      const service = sources.tables.services.get(keyOf({ namespace: target.namespace, name: target.service }), reads);
      if (target.hostname === undefined) {
        // A name whose Service does not exist (yet) has a profile all the same: discovery of its endpoints reports it missing.
        return serviceProfile(service, target.namespace, target.service, target.port, sources);
      }
      return profileForHostname(target.namespace, target.service, target.hostname, target.port, sources, reads);
    }
  }
}

function profileForHostname(
  namespace: string,
  service: string,
  hostname: string,
  port: number,
  sources: ProfileSources,
  reads: Reads,
): Profile {
  const slices = sources.tables.slices.byIndex('service', keyOf({ namespace, name: service }), reads);
  const pod = podByHostname(slices, namespace, hostname, sources, reads);
  if (pod !== undefined) return endpointProfile(pod, pod.status?.podIP ?? '', port, sources, reads);
  for (const { slice } of routed(slices)) {
    const ip = slice.endpoints?.find((endpoint) => endpoint.hostname === hostname)?.addresses[0];
    const imported = ip === undefined ? undefined : importedProfile([slice], ip, port, sources);
    if (imported !== undefined) return imported;
  }
  return noAnswer(status.NOT_FOUND, `Service ${namespace}/${service} has no pod called ${hostname}`);
}

function profileForIp(ip: string, port: number, sources: ProfileSources, reads: Reads): Profile {
  const { tables } = sources;
  const [service] = tables.services.byIndex('clusterIp', ip, reads);
  if (service !== undefined) {
    return serviceProfile(service, service.metadata.namespace ?? '', service.metadata.name, port, sources);
  }
  const pods = podsAt(ip, port, tables, reads);
  if (pods.length > 1) {
    const names = pods.map((pod) => keyOf(pod.metadata)).join(', ');
    return noAnswer(status.FAILED_PRECONDITION, `${ip}:${port} belongs to several pods: ${names}`);
  }
  const [pod] = pods;
  if (pod !== undefined) return endpointProfile(pod, ip, port, sources, reads);
  const imported = importedProfile(tables.slices.byIndex('importedIp', ip, reads), ip, port, sources);
  if (imported !== undefined) return imported;
  const endpoint = plainAddress(ip, port);
  return profile({
    ...EMPTY,
    retryBudget: RETRY_BUDGET,
    endpoint,
    opaqueProtocol: sources.config.defaultOpaquePorts.has(port),
  });
}

/** Pods with an address of their own first; then those that take the port of their node. */
function podsAt(ip: string, port: number, tables: ClusterTables, reads: Reads): readonly Pod[] {
  const own = tables.pods.byIndex('ip', ip, reads).filter(isRunning);
  if (own.length > 0) return own;
  return tables.pods.byIndex('hostIp', ip, reads).filter((pod) => isRunning(pod) && takesHostPort(pod, port));
}

function takesHostPort(pod: Pod, port: number): boolean {
  return pod.spec.containers.some((container) =>
    container.ports?.some((one) =>
      pod.spec.hostNetwork === true ? one.containerPort === port : one.hostPort === port,
    ),
  );
}

function isRunning(pod: Pod): boolean {
  return pod.status?.phase === 'Running';
}

function serviceProfile(
  service: Service | undefined,
  namespace: string,
  name: string,
  port: number,
  sources: ProfileSources,
): Profile {
  if (service !== undefined && !(service.spec?.ports ?? []).some((one) => one.port === port)) return profile(EMPTY);
  const annotation = service?.metadata.annotations?.[OPAQUE_PORTS];
  const opaque = annotation === undefined ? sources.config.defaultOpaquePorts : portsFrom(annotation);
  return profile({
    ...EMPTY,
    retryBudget: RETRY_BUDGET,
    fullyQualifiedName: `${name}.${namespace}.svc.${sources.clusterDomain}`,
    opaqueProtocol: opaque.has(port),
    parentRef: {
      kind: { $case: 'resource', value: { group: 'core', kind: 'Service', name, namespace, section: '', port } },
    },
  });
}

function endpointProfile(pod: Pod, ip: string, port: number, sources: ProfileSources, reads: Reads): Profile {
  const address = podAddress(pod, ip, port, sources.config);
  const zone = zoneOf(pod.spec.nodeName ?? '', sources.tables, reads);
  const endpoint =
    address === undefined
      ? undefined
      : { ...address, metricLabels: { ...address.metricLabels, namespace: pod.metadata.namespace ?? '', zone } };
  return profile({
    ...EMPTY,
    retryBudget: RETRY_BUDGET,
    endpoint,
    opaqueProtocol: opaquePortsOf(pod, sources.config.defaultOpaquePorts).has(port),
  });
}

/** A pod of another cluster, at a port that some slice has: of its other ports nobody knows whether they skip its proxy. */
function importedProfile(
  slices: readonly EndpointSlice[],
  ip: string,
  port: number,
  { config }: ProfileSources,
): Profile | undefined {
  for (const { slice, route } of routed(slices)) {
    if (route?.kind !== 'flat' || slice.ports?.some((one) => one.port === port) !== true) continue;
    const found = slice.endpoints.find((endpoint) => endpoint.addresses.includes(ip));
    const address = found === undefined ? undefined : flatAddress(route, ip, port, false, config);
    if (found === undefined || address === undefined) continue;
    return profile({
      ...EMPTY,
      retryBudget: RETRY_BUDGET,
      endpoint: { ...address, metricLabels: { ...address.metricLabels, zone: found.zone ?? '' } },
      opaqueProtocol: isOpaque(route, port, config),
    });
  }
  return undefined;
}

function routed(slices: readonly EndpointSlice[]): readonly RoutedSlice[] {
  return slices.map((slice) => ({ slice, route: remoteRouteOf(slice) })).toSorted(ownFirst);
}

function podByHostname(
  slices: readonly EndpointSlice[],
  namespace: string,
  hostname: string,
  sources: ProfileSources,
  reads: Reads,
): Pod | undefined {
  for (const { slice, route } of routed(slices)) {
    if (route !== undefined) continue;
    const reference = slice.endpoints?.find((endpoint) => endpoint.hostname === hostname)?.targetRef;
    if (reference?.kind !== 'Pod') continue;
    const pod = sources.tables.pods.get(
      keyOf({ namespace: reference.namespace ?? namespace, name: reference.name ?? '' }),
      reads,
    );
    if (pod !== undefined) return pod;
  }
  return undefined;
}

const EMPTY: destination.DestinationProfile = destination.DestinationProfile.fromPartial({});

function profile(message: destination.DestinationProfile): Profile {
  return answer(destination.DestinationProfile, message);
}
