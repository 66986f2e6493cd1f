/** In what a member of a federated Service differs from the member that decides. Pure. */
import type { Service } from '@mesh/kube';
import { copiedLabels } from './copy-rules.ts';
import type { Conflict } from './desired.ts';
import { isHeadless } from './remote-cluster.ts';
import { describePort, portsOf, samePort } from './service-ports.ts';

export interface Comparison {
  /** Who decides, such as `the local Service` or `cluster west`. */
  readonly decider: string;
  readonly model: Service;
  readonly member: Service;
  /** Label keys that do not travel from either. */
  readonly excludedLabels: readonly string[];
}

interface Divergence {
  readonly reason: string;
  /** One word, for the annotation on the federated Service. */
  readonly word: string;
  readonly detail: string;
}

export interface Divergences {
  readonly conflict: Conflict;
  /** What differs, one word each. */
  readonly words: readonly string[];
}

/** `undefined`: they agree. */
export function divergences(comparison: Comparison): Divergences | undefined {
  const { decider, model, member, excludedLabels } = comparison;
  const found = [
    headlessness(model, member),
    ports(model, member),
    appProtocols(model, member),
    affinity(model, member),
    labels(model, member, excludedLabels),
  ].filter((one) => one !== undefined);
  const [first] = found;
  if (first === undefined) return undefined;
  return {
    conflict: {
      reason: first.reason,
      message: `differs from ${decider}, which decides: ${found.map(({ detail }) => detail).join('; ')}`,
    },
    words: found.map(({ word }) => word),
  };
}

function headlessness(model: Service, member: Service): Divergence | undefined {
  if (isHeadless(model) === isHeadless(member)) return undefined;
  const kind = (service: Service): string => (isHeadless(service) ? 'headless' : 'with a cluster IP');
  return { reason: 'TypeDiffers', word: 'type', detail: `is ${kind(member)} instead of ${kind(model)}` };
}

function ports(model: Service, member: Service): Divergence | undefined {
  const wanted = portsOf(model);
  const own = portsOf(member);
  const missing = wanted.filter((port) => !own.some((other) => samePort(port, other)));
  const surplus = own.filter((port) => !wanted.some((other) => samePort(port, other)));
  if (missing.length === 0 && surplus.length === 0) return undefined;
  const parts = [
    ...(missing.length === 0
      ? []
      : [`takes no traffic at ${missing.map(describePort).join(', ')}, which it does not have`]),
    ...(surplus.length === 0 ? [] : [`its ${surplus.map(describePort).join(', ')} cannot be reached`]),
  ];
  return { reason: 'PortsDiffer', word: 'ports', detail: parts.join(' and ') };
}

function appProtocols(model: Service, member: Service): Divergence | undefined {
  const own = portsOf(member);
  const parts = portsOf(model).flatMap((port) => {
    const other = own.find((one) => samePort(port, one));
    if (other === undefined || (other.appProtocol ?? '') === (port.appProtocol ?? '')) return [];
    return [
      `${describePort(port)} has appProtocol "${other.appProtocol ?? ''}" instead of "${port.appProtocol ?? ''}"`,
    ];
  });
  if (parts.length === 0) return undefined;
  return { reason: 'AppProtocolDiffers', word: 'appProtocol', detail: parts.join(', ') };
}

function affinity(model: Service, member: Service): Divergence | undefined {
  const of = (service: Service): string => service.spec?.sessionAffinity ?? 'None';
  if (of(model) === of(member)) return undefined;
  return {
    reason: 'SessionAffinityDiffers',
    word: 'sessionAffinity',
    detail: `has sessionAffinity ${of(member)} instead of ${of(model)}`,
  };
}

function labels(model: Service, member: Service, excluded: readonly string[]): Divergence | undefined {
  const wanted = copiedLabels(model.metadata.labels, excluded);
  const own = copiedLabels(member.metadata.labels, excluded);
  const keys = [...new Set([...Object.keys(wanted), ...Object.keys(own)])].filter((key) => wanted[key] !== own[key]);
  if (keys.length === 0) return undefined;
  return { reason: 'LabelsDiffer', word: 'labels', detail: `other labels: ${keys.toSorted().join(', ')}` };
}
