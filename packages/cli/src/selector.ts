/** Label selectors as flags write them (`a=b,c in (d,e),!f`), turned into the object form that Links carry. */
import { parseSelector } from '@mesh/kube';
import type { LabelSelector, LabelSelectorRequirement } from '@mesh/kube';
import { CliError } from './errors.ts';

/** Equalities become `matchLabels`, as people write them by hand. @throws CliError `usage` naming the flag and the part at fault. */
export function selectorOf(text: string, flag: string): LabelSelector {
  const parsed = parseSelector(text);
  if ('problem' in parsed) throw new CliError({ code: 'usage', flag }, `${flag} ${text}: ${parsed.problem}`);
  const all = parsed.matchExpressions ?? [];
  const matchLabels = Object.fromEntries(all.filter(isEquality).map(({ key, values }) => [key, values?.[0] ?? '']));
  const matchExpressions = all.filter((requirement) => !isEquality(requirement));
  return {
    ...(Object.keys(matchLabels).length === 0 ? {} : { matchLabels }),
    ...(matchExpressions.length === 0 ? {} : { matchExpressions }),
  };
}

function isEquality(requirement: LabelSelectorRequirement): boolean {
  return requirement.operator === 'In' && requirement.values?.length === 1;
}
