/** The conditions of a ServiceExport (KEP-1645): is it valid, is it exported, and does it differ from other clusters' exports. Pure. */
import type { Condition, ServiceExport } from '@mesh/kube';
import { rfc3339 } from '../link-facts.ts';
import type { Refusal } from './constituent.ts';
import { CONFLICT_REASONS } from './union.ts';
import type { Conflict } from './union.ts';

type Finding = Pick<Condition, 'type' | 'status' | 'reason' | 'message'>;

export interface ExportStatusInput {
  /** Why the Service cannot be exported. */
  readonly refusal: Refusal | undefined;
  /** Why the export has no effect in this cluster, with what to do. */
  readonly problem: string | undefined;
  readonly conflicts: readonly Conflict[];
  /** Some cluster that takes part cannot be heard: a conflict with it may go on. */
  readonly isPartial: boolean;
}

/** What a status can hold, and people read. */
const MESSAGE_MAX = 4_096;
const OURS: ReadonlySet<string> = new Set(['Valid', 'Ready', 'Conflict']);

export function exportConditions(live: ServiceExport, input: ExportStatusInput, nowMs: number): readonly Condition[] {
  const before = live.status?.conditions ?? [];
  const findings = findingsOf(input, before);
  return [
    ...before.filter(({ type }) => !OURS.has(type)),
    ...findings.map((finding): Condition => {
      const previous = before.find(({ type }) => type === finding.type);
      const { generation } = live.metadata;
      return {
        ...finding,
        lastTransitionTime: previous?.status === finding.status ? previous.lastTransitionTime : rfc3339(nowMs),
        ...(generation === undefined ? {} : { observedGeneration: generation }),
      };
    }),
  ];
}

function findingsOf(input: ExportStatusInput, before: readonly Condition[]): readonly Finding[] {
  const { refusal, problem } = input;
  if (refusal !== undefined) {
    return [
      { type: 'Valid', status: 'False', ...refusal },
      { type: 'Ready', status: 'False', reason: 'Pending', message: 'the export is not valid' },
    ];
  }
  return [
    { type: 'Valid', status: 'True', reason: 'Valid', message: '' },
    problem === undefined
      ? { type: 'Ready', status: 'True', reason: 'Ready', message: '' }
      : { type: 'Ready', status: 'False', reason: 'Failed', message: problem },
    conflictFinding(input, before),
  ];
}

function conflictFinding({ conflicts, isPartial }: ExportStatusInput, before: readonly Condition[]): Finding {
  const known = before.find(({ type }) => type === 'Conflict');
  if (conflicts.length === 0 && isPartial && known?.status === 'True') {
    const { status, reason, message } = known;
    return { type: 'Conflict', status, reason, message };
  }
  if (conflicts.length === 0) return { type: 'Conflict', status: 'False', reason: 'NoConflicts', message: '' };
  const reasons = CONFLICT_REASONS.filter((reason) => conflicts.some((conflict) => conflict.reason === reason));
  return {
    type: 'Conflict',
    status: 'True',
    reason: reasons.join(','),
    message: conflicts
      .map(({ message }) => message)
      .join('. ')
      .slice(0, MESSAGE_MAX),
  };
}
