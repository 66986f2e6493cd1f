/** The ServiceImport of a united Service, its status, and the Service that lends it its address. Pure. */
import type { Condition, OwnerReference, Service, ServiceImport, ServicePort } from '@mesh/kube';
import { LABEL_SERVICE_IMPORT } from '../exports/names.ts';
import { rfc3339 } from '../link-facts.ts';
import { isSame } from '../merge.ts';
import { SLICE_MANAGER } from '../names.ts';
import { importPort } from './constituent.ts';
import type { ImportPort } from './constituent.ts';
import { derivedName, LABEL_MANAGER } from './names.ts';
import type { Union } from './union.ts';

export interface ImportRef {
  readonly name: string;
  readonly namespace: string;
}

/** What the cluster lends: the addresses of the derived Service, in their order. */
export interface Lent {
  readonly ips: readonly string[];
  readonly ipFamilies: readonly string[];
}

export const NOTHING_LENT: Lent = { ips: [], ipFamilies: [] };

export function isOurImport(object: ServiceImport): boolean {
  return object.metadata.labels?.[LABEL_MANAGER] === SLICE_MANAGER;
}

export function isOurDerived(service: Service, importName: string): boolean {
  return service.metadata.labels?.[LABEL_SERVICE_IMPORT] === importName;
}

/** @param lent Absent while there is no derived Service, and for headless ones. */
export function desiredImport(ref: ImportRef, union: Union, lent: Lent | undefined): ServiceImport {
  const usable = lent === undefined ? undefined : usableOf(lent, union.ipFamilies);
  const families = usable === undefined || usable.ipFamilies.length === 0 ? union.ipFamilies : usable.ipFamilies;
  return {
    apiVersion: 'multicluster.x-k8s.io/v1beta1',
    kind: 'ServiceImport',
    metadata: {
      ...ref,
      labels: { ...union.labels, [LABEL_MANAGER]: SLICE_MANAGER },
      annotations: union.annotations,
    },
    spec: {
      type: union.isHeadless ? 'Headless' : 'ClusterSetIP',
      ports: union.ports.map(importPort),
      ...(usable === undefined || usable.ips.length === 0 ? {} : { ips: usable.ips }),
      ipFamilies: families,
      sessionAffinity: union.sessionAffinity,
      ...given('sessionAffinityConfig', union.sessionAffinityConfig),
      ...given('internalTrafficPolicy', union.internalTrafficPolicy),
      ...given('trafficDistribution', union.trafficDistribution),
    },
  };
}

/** `undefined`: nothing differs. */
export function mergeImport(desired: ServiceImport, live: ServiceImport): ServiceImport | undefined {
  const same =
    isSame(desired.spec, live.spec) &&
    isSame(desired.metadata.labels ?? {}, live.metadata.labels ?? {}) &&
    isSame(desired.metadata.annotations ?? {}, live.metadata.annotations ?? {});
  if (same) return undefined;
  const { labels = {}, annotations = {} } = desired.metadata;
  return { ...live, metadata: { ...live.metadata, labels, annotations }, spec: desired.spec };
}

/**
 * A Service without selector, whose endpoints are our slices. It takes every family that the cluster has, since a family can be left unused
 * but not added without moving the address.
 */
export function desiredDerived(ref: ImportRef, owner: OwnerReference, union: Union): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name: derivedName(ref),
      namespace: ref.namespace,
      labels: { [LABEL_SERVICE_IMPORT]: ref.name },
      ownerReferences: [owner],
    },
    spec: {
      type: 'ClusterIP',
      ipFamilyPolicy: 'PreferDualStack',
      ports: derivedPorts(union.ports),
      sessionAffinity: union.sessionAffinity,
      ...given('sessionAffinityConfig', union.sessionAffinityConfig),
      internalTrafficPolicy: union.internalTrafficPolicy ?? 'Cluster',
      ...given('trafficDistribution', union.trafficDistribution),
    },
  };
}

/** `undefined`: nothing that we decide about differs. Addresses and families stay as they were given. */
export function mergeDerived(desired: Service, live: Service): Service | undefined {
  const { ports, sessionAffinity, sessionAffinityConfig, internalTrafficPolicy, trafficDistribution } =
    desired.spec ?? {};
  const had = live.spec ?? {};
  const { selector: _dropped, trafficDistribution: _old, sessionAffinityConfig: _config, ...rest } = had;
  const same =
    isSame(ports, (had.ports ?? []).map(comparablePort)) &&
    isSame(sessionAffinity, had.sessionAffinity ?? 'None') &&
    (sessionAffinity === 'None' || isSame(sessionAffinityConfig, had.sessionAffinityConfig)) &&
    isSame(internalTrafficPolicy, had.internalTrafficPolicy ?? 'Cluster') &&
    isSame(trafficDistribution, had.trafficDistribution) &&
    Object.keys(had.selector ?? {}).length === 0 &&
    isSame(
      desired.metadata.ownerReferences?.map(({ uid }) => uid),
      live.metadata.ownerReferences?.map(({ uid }) => uid),
    );
  if (same) return undefined;
  return {
    ...live,
    metadata: {
      ...live.metadata,
      labels: { ...live.metadata.labels, ...desired.metadata.labels },
      ownerReferences: desired.metadata.ownerReferences ?? [],
    },
    spec: {
      ...rest,
      ports: ports ?? [],
      ...given('sessionAffinity', sessionAffinity),
      ...given('sessionAffinityConfig', sessionAffinityConfig),
      ...given('internalTrafficPolicy', internalTrafficPolicy),
      ...given('trafficDistribution', trafficDistribution),
    },
  };
}

/** The addresses of a derived Service. */
export function lentBy(derived: Service | undefined): Lent {
  const { clusterIP, clusterIPs, ipFamilies } = derived?.spec ?? {};
  const ips = (clusterIPs ?? (clusterIP === undefined ? [] : [clusterIP])).filter((ip) => ip !== '' && ip !== 'None');
  return { ips, ipFamilies: ipFamilies ?? ips.map((ip) => (ip.includes(':') ? 'IPv6' : 'IPv4')) };
}

/** A Service with several ports needs names for all; an import does not. */
export function derivedPortName(port: ImportPort, all: readonly ImportPort[]): string {
  if (port.name !== '' || all.length === 1) return port.name;
  return `port-${port.port}-${port.protocol.toLowerCase()}`;
}

export interface StatusInput {
  readonly clusters: readonly string[];
  readonly isHeadless: boolean;
  readonly lent: Lent;
  /** Families that all exports share. */
  readonly ipFamilies: readonly string[];
  /** Why the derived Service cannot be as it should. */
  readonly problem: string | undefined;
}

export function importStatus(live: ServiceImport, input: StatusInput, nowMs: number): ServiceImport['status'] {
  const before = live.status?.conditions ?? [];
  const finding = readyFinding(input);
  const previous = before.find(({ type }) => type === 'Ready');
  const ready: Condition = {
    type: 'Ready',
    ...finding,
    lastTransitionTime: previous?.status === finding.status ? previous.lastTransitionTime : rfc3339(nowMs),
    ...given('observedGeneration', live.metadata.generation),
  };
  return {
    clusters: input.clusters.map((cluster) => ({ cluster })),
    conditions: [...before.filter(({ type }) => type !== 'Ready'), ready],
  };
}

function readyFinding(input: StatusInput): Pick<Condition, 'status' | 'reason' | 'message'> {
  if (input.problem !== undefined) return { status: 'False', reason: 'Pending', message: input.problem };
  if (input.isHeadless) return { status: 'True', reason: 'Ready', message: '' };
  if (input.lent.ips.length === 0) {
    return { status: 'False', reason: 'Pending', message: 'the cluster has not given an address yet' };
  }
  if (usableOf(input.lent, input.ipFamilies).ips.length === 0) {
    const [wanted, has] = [input.ipFamilies.join(', '), input.lent.ipFamilies.join(', ')];
    return {
      status: 'False',
      reason: 'IPFamilyNotSupported',
      message: `the Service is exported with ${wanted}, and this cluster has only ${has}: export it with a family that both have`,
    };
  }
  return { status: 'True', reason: 'Ready', message: '' };
}

function usableOf(lent: Lent, families: readonly string[]): Lent {
  const usable = lent.ips
    .map((ip, index) => ({ ip, family: lent.ipFamilies[index] ?? '' }))
    .filter(({ family }) => families.includes(family));
  return { ips: usable.map(({ ip }) => ip), ipFamilies: usable.map(({ family }) => family) };
}

function derivedPorts(ports: readonly ImportPort[]): readonly ServicePort[] {
  return ports.map((port) => {
    const name = derivedPortName(port, ports);
    return {
      ...(name === '' ? {} : { name }),
      protocol: port.protocol as 'TCP',
      port: port.port,
      targetPort: port.port,
      ...given('appProtocol', port.appProtocol),
    };
  });
}

function comparablePort({ name, protocol, port, targetPort, appProtocol }: ServicePort): ServicePort {
  return {
    ...(name === undefined || name === '' ? {} : { name }),
    protocol: protocol ?? 'TCP',
    port,
    targetPort: targetPort ?? port,
    ...given('appProtocol', appProtocol),
  };
}

/** Absent rather than `undefined`: the API stores no such thing. */
function given<K extends string, V>(key: K, value: V | undefined): { readonly [P in K]?: V } {
  return (value === undefined ? {} : { [key]: value }) as { readonly [P in K]?: V };
}
