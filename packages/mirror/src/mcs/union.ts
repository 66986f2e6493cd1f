/**
 * What an import is when several clusters export the Service: the oldest export decides about the whole Service, ports are united, and every
 * difference is a conflict that all of them report (KEP-1645, "Constraints and Conflict Resolution"). The order in which exports became known
 * does not matter, so all clusters come to the same result. Pure.
 */
import type { ServiceImport } from '@mesh/kube';
import { isSame } from '../merge.ts';
import { isSamePort, normalPorts } from './constituent.ts';
import type { Constituent, ImportPort } from './constituent.ts';

/** In the order in which they are joined in a reason. */
export const CONFLICT_REASONS = [
  'PortConflict',
  'TypeConflict',
  'SessionAffinityConflict',
  'SessionAffinityConfigConflict',
  'LabelsConflict',
  'AnnotationsConflict',
  'InternalTrafficPolicyConflict',
  'TrafficDistributionConflict',
  'IPFamilyConflict',
] as const;
export type ConflictReason = (typeof CONFLICT_REASONS)[number];

export interface Conflict {
  readonly reason: ConflictReason;
  readonly message: string;
}

type Whole = Pick<
  Constituent,
  | 'isHeadless'
  | 'ipFamilies'
  | 'sessionAffinity'
  | 'sessionAffinityConfig'
  | 'internalTrafficPolicy'
  | 'trafficDistribution'
  | 'labels'
  | 'annotations'
>;

export interface Union extends Whole {
  readonly ports: readonly ImportPort[];
  /** Sorted by name. */
  readonly clusters: readonly string[];
  readonly conflicts: readonly Conflict[];
}

export interface UnionInput {
  readonly constituents: readonly Constituent[];
  /** Clusters that took part and cannot be heard now. */
  readonly unheard?: readonly string[];
  /** The import as it is: while somebody cannot be heard, it goes before all others, so that nothing changes under running traffic. */
  readonly live?: ServiceImport | undefined;
}

/** @returns `undefined` when nobody exports the Service. */
export function unite({ constituents, unheard = [], live }: UnionInput): Union | undefined {
  const byAge = constituents.toSorted(byAgeThenName);
  const [oldest] = byAge;
  const kept = unheard.length > 0 && live !== undefined ? wholeOf(live) : undefined;
  const decider = kept ?? oldest;
  if (decider === undefined) return undefined;
  const ports = unitePorts([
    ...(kept === undefined ? [] : [kept.ports]),
    ...byAge.map((constituent) => constituent.ports),
  ]);
  return {
    isHeadless: decider.isHeadless,
    ipFamilies: kept?.ipFamilies ?? sharedFamilies(byAge),
    sessionAffinity: decider.sessionAffinity,
    sessionAffinityConfig: decider.sessionAffinityConfig,
    internalTrafficPolicy: decider.internalTrafficPolicy,
    trafficDistribution: decider.trafficDistribution,
    labels: decider.labels,
    annotations: decider.annotations,
    ports,
    clusters: [...new Set([...byAge.map(({ cluster }) => cluster), ...unheard])].toSorted(),
    conflicts: oldest === undefined ? [] : conflictsOf(oldest, byAge, ports),
  };
}

/** The ports of the import that a cluster has: only they may send anything there. */
export function exposedPorts(union: Pick<Union, 'ports'>, own: readonly ImportPort[]): readonly ImportPort[] {
  return union.ports.filter((port) => own.some((one) => isSamePort(one, port)));
}

/** Timestamps of the API have seconds; exports of the same second go by the cluster's name, which is the same everywhere. */
function byAgeThenName(a: Constituent, b: Constituent): number {
  return compare(a.createdAt, b.createdAt) || compare(a.cluster, b.cluster);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** First by name, then by protocol and number; who came first keeps both. */
function unitePorts(lists: readonly (readonly ImportPort[])[]): readonly ImportPort[] {
  const united: ImportPort[] = [];
  for (const port of lists.flat()) {
    const isTaken = united.some(
      (known) => known.name === port.name || (known.protocol === port.protocol && known.port === port.port),
    );
    if (!isTaken) united.push(port);
  }
  return united;
}

/** A family that only some backends have would reach only them. Exports without a common one go by the oldest. */
function sharedFamilies(byAge: readonly Constituent[]): readonly string[] {
  const first = byAge[0]?.ipFamilies ?? [];
  const shared = first.filter((family) => byAge.every(({ ipFamilies }) => ipFamilies.includes(family)));
  return shared.length === 0 ? first : shared;
}

function conflictsOf(
  oldest: Constituent,
  byAge: readonly Constituent[],
  ports: readonly ImportPort[],
): readonly Conflict[] {
  const portConflict = portConflictOf(byAge, ports);
  const whole: readonly (readonly [ConflictReason, string, (one: Constituent) => unknown])[] = [
    ['TypeConflict', 'headless', ({ isHeadless }) => isHeadless],
    ['SessionAffinityConflict', 'sessionAffinity', (one) => one.sessionAffinity],
    ['SessionAffinityConfigConflict', 'sessionAffinityConfig', affinityConfigOf(oldest)],
    ['LabelsConflict', 'exportedLabels', ({ labels }) => labels],
    ['AnnotationsConflict', 'exportedAnnotations', ({ annotations }) => annotations],
    ['InternalTrafficPolicyConflict', 'internalTrafficPolicy', (one) => one.internalTrafficPolicy ?? 'Cluster'],
    ['TrafficDistributionConflict', 'trafficDistribution', (one) => one.trafficDistribution],
    ['IPFamilyConflict', 'ipFamilies', ({ ipFamilies }) => ipFamilies.toSorted()],
  ];
  const differing = whole.flatMap(([reason, field, valueOf]): readonly Conflict[] => {
    const others = byAge.filter((one) => !isSame(valueOf(one), valueOf(oldest)));
    if (others.length === 0) return [];
    const said = others.map((one) => `${text(valueOf(one))} in ${one.cluster}`).join(', ');
    return [
      { reason, message: `${field} is ${text(valueOf(oldest))} in ${oldest.cluster}, which decides, but ${said}` },
    ];
  });
  return portConflict === undefined ? differing : [portConflict, ...differing];
}

/** Where the affinity itself differs, that is said already. */
function affinityConfigOf(oldest: Constituent): (one: Constituent) => unknown {
  return (one) =>
    one.sessionAffinity === oldest.sessionAffinity ? one.sessionAffinityConfig : oldest.sessionAffinityConfig;
}

/** Every cluster that does not have exactly the united ports gets only a part of the traffic. */
function portConflictOf(byAge: readonly Constituent[], ports: readonly ImportPort[]): Conflict | undefined {
  const sentences = byAge.flatMap((one) => {
    const missing = ports.filter((port) => !one.ports.some((own) => isSamePort(own, port)));
    const lost = one.ports.filter((own) => !ports.some((port) => isSamePort(own, port)));
    const protocols = one.ports.filter((own) =>
      ports.some((port) => isSamePort(own, port) && own.appProtocol !== port.appProtocol),
    );
    return [
      ...(missing.length === 0 ? [] : [`${one.cluster} has no port ${list(missing)} and gets no traffic on it`]),
      ...(lost.length === 0 ? [] : [`port ${list(lost)} of ${one.cluster} gives way to another of an older export`]),
      ...(protocols.length === 0
        ? []
        : [`appProtocol of port ${list(protocols)} of ${one.cluster} differs from an older export's`]),
    ];
  });
  return sentences.length === 0 ? undefined : { reason: 'PortConflict', message: sentences.join('; ') };
}

function list(ports: readonly ImportPort[]): string {
  return ports.map(({ name, port, protocol }) => `${name === '' ? '' : `${name} `}(${port}/${protocol})`).join(', ');
}

function text(value: unknown): string {
  return value === undefined ? 'not set' : JSON.stringify(value);
}

/** The import as if it were the oldest export. */
function wholeOf({ metadata, spec }: ServiceImport): Whole & { readonly ports: readonly ImportPort[] } {
  const ours = (key: string): boolean => key.startsWith('federation.mesh.dev/');
  const foreign = (entries: Readonly<Record<string, string>> | undefined): Readonly<Record<string, string>> =>
    Object.fromEntries(Object.entries(entries ?? {}).filter(([key]) => !ours(key)));
  return {
    isHeadless: spec.type === 'Headless',
    ipFamilies: spec.ipFamilies ?? [],
    sessionAffinity: spec.sessionAffinity ?? 'None',
    sessionAffinityConfig: spec.sessionAffinityConfig,
    internalTrafficPolicy: spec.internalTrafficPolicy,
    trafficDistribution: spec.trafficDistribution,
    labels: foreign(metadata.labels),
    annotations: foreign(metadata.annotations),
    ports: normalPorts(spec.ports ?? []),
  };
}
