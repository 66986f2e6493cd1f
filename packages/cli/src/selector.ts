/** Label selectors as flags write them (`a=b,c in (d,e),!f`), turned into the object form of a Link. */
import { CliError } from './errors.ts';
import type { LabelSelectorJson } from './manifests/link.ts';

/** @throws CliError `usage` naming the flag and the part that is not a requirement. */
export function parseSelector(text: string, flag: string): LabelSelectorJson {
  const matchLabels: Record<string, string> = {};
  const matchExpressions: { key: string; operator: string; values?: readonly string[] }[] = [];
  for (const part of text.split(/,(?![^(]*\))/).map((item) => item.trim())) {
    if (part === '') continue;
    const set = /^([\w./-]+)\s+(in|notin)\s+\(([^)]*)\)$/.exec(part);
    const pair = /^([\w./-]+)\s*(==|=|!=)\s*([\w.-]*)$/.exec(part);
    const bare = /^(!?)\s*([\w./-]+)$/.exec(part);
    if (set !== null) {
      const values = (set[3] ?? '').split(',').map((value) => value.trim());
      matchExpressions.push({ key: set[1] ?? '', operator: set[2] === 'in' ? 'In' : 'NotIn', values });
    } else if (pair !== null && pair[2] === '!=') {
      matchExpressions.push({ key: pair[1] ?? '', operator: 'NotIn', values: [pair[3] ?? ''] });
    } else if (pair !== null) {
      matchLabels[pair[1] ?? ''] = pair[3] ?? '';
    } else if (bare !== null) {
      matchExpressions.push({ key: bare[2] ?? '', operator: bare[1] === '!' ? 'DoesNotExist' : 'Exists' });
    } else {
      throw new CliError(
        { code: 'usage', flag },
        `${flag} ${text}: "${part}" is not a label requirement; expected such as key=value or key in (a,b)`,
      );
    }
  }
  return {
    ...(Object.keys(matchLabels).length === 0 ? {} : { matchLabels }),
    ...(matchExpressions.length === 0 ? {} : { matchExpressions }),
  };
}
