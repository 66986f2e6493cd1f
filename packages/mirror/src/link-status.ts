/**
 * The status of a Link in Linkerd's shape: one item per Service with the condition `Mirrored`, and ours: `Conflict` on members of federated
 * Services that differ from the one that decides, and conditions of the Link as a whole. Pure.
 */
import type { Condition, Link, LinkStatus, MirrorCondition, MirroredServiceStatus } from '@mesh/kube';
import { parseKey } from '@mesh/kube';
import type { Outcome } from './desired.ts';
import { conditionsFrom } from './link-conditions.ts';
import { rfc3339 } from './link-facts.ts';
import type { Finding, MirrorSummary } from './link-facts.ts';
import { CONTROLLER_NAME, federatedName, mirrorName } from './names.ts';

/**
 * Items per list: an object may not exceed 1.5 MB in etcd, and an item takes about 400 bytes. Failures come first, so that they are
 * always shown; the count of all is in the condition ServicesMirrored.
 */
export const STATUS_ITEMS_MAX = 1_000;

/** By `namespace/name` of the Service at the peer. */
export type Outcomes = ReadonlyMap<string, Outcome>;

export interface StatusInput {
  readonly cluster: string;
  readonly mirrors: Outcomes;
  readonly federated: Outcomes;
  readonly findings: readonly Finding[];
  readonly nowMs: number;
}

export function summarize(mirrors: Outcomes, federated: Outcomes): MirrorSummary {
  let mirrored = 0;
  let failed = 0;
  let firstFailure: string | undefined;
  for (const outcomes of [mirrors, federated]) {
    for (const [key, { reason, message }] of outcomes) {
      if (reason === 'Mirrored') {
        mirrored += 1;
        continue;
      }
      failed += 1;
      // The alphabetically first, so that the message does not change with the order of events.
      const text = `${key}: ${message}`;
      if (firstFailure === undefined || text < firstFailure) firstFailure = text;
    }
  }
  return { mirrored, failed, firstFailure };
}

export function desiredStatus(link: Link, input: StatusInput): LinkStatus {
  const previous = link.status;
  const localNames = {
    mirrors: (name: string) => mirrorName(name, input.cluster),
    federated: federatedName,
  };
  return {
    mirrorServices: items(input.mirrors, previous?.mirrorServices ?? [], localNames.mirrors, input.nowMs),
    federatedServices: items(input.federated, previous?.federatedServices ?? [], localNames.federated, input.nowMs),
    conditions: conditionsFrom(input.findings, previous?.conditions ?? [], input.nowMs, link.metadata.generation),
  };
}

function items(
  outcomes: Outcomes,
  previous: readonly MirroredServiceStatus[],
  localName: (name: string) => string,
  nowMs: number,
): readonly MirroredServiceStatus[] {
  const before = new Map(previous.map((item) => [`${item.remoteRef.namespace}/${item.remoteRef.name}`, item]));
  const sorted = [...outcomes].sort(([keyA, a], [keyB, b]) => rank(a) - rank(b) || (keyA < keyB ? -1 : 1));
  return sorted.slice(0, STATUS_ITEMS_MAX).map(([key, outcome]) => {
    const { name, namespace = '' } = parseKey(key);
    const isMirrored = outcome.reason === 'Mirrored';
    const ref = { group: '', kind: 'Service', namespace };
    const mirrored: Unsettled = {
      type: 'Mirrored',
      status: isMirrored ? 'True' : 'False',
      reason: outcome.reason,
      message: outcome.message,
      ...(isMirrored ? { localRef: { ...ref, name: localName(name) } } : {}),
    };
    const conditions: readonly Unsettled[] =
      outcome.conflict === undefined
        ? [mirrored]
        : [mirrored, { type: 'Conflict', status: 'True', ...outcome.conflict }];
    const previously = before.get(key)?.conditions ?? [];
    return {
      controllerName: CONTROLLER_NAME,
      remoteRef: { ...ref, name },
      conditions: conditions.map((condition) => ({
        ...condition,
        lastTransitionTime: sinceOf(
          previously.find(({ type }) => type === condition.type),
          condition.status,
          nowMs,
        ),
      })),
    };
  });
}

/** A condition that does not know yet since when it holds. */
type Unsettled = Omit<MirrorCondition, 'lastTransitionTime'>;

function rank(outcome: Outcome): number {
  return outcome.reason === 'Mirrored' ? 1 : 0;
}

function sinceOf(before: MirrorCondition | undefined, status: Condition['status'], nowMs: number): string {
  return before?.status === status ? before.lastTransitionTime : rfc3339(nowMs);
}
