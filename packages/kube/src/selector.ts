/** Label selectors: evaluation, and the string form of list and watch requests. */
import type { LabelSelector, LabelSelectorRequirement } from './object.ts';

type Labels = Readonly<Record<string, string>> | undefined;

/** True for `undefined` and for selectors without requirements. Kubernetes lets an empty one match everything; Links let it match nothing. */
export function isEmptySelector(selector: LabelSelector | undefined): boolean {
  if (selector === undefined) return true;
  return Object.keys(selector.matchLabels ?? {}).length === 0 && (selector.matchExpressions ?? []).length === 0;
}

/** `metav1.LabelSelector` semantics: all requirements hold; an empty selector matches everything. */
export function matchesSelector(selector: LabelSelector, labels: Labels): boolean {
  for (const [key, value] of Object.entries(selector.matchLabels ?? {})) {
    if (labels?.[key] !== value) return false;
  }
  return (selector.matchExpressions ?? []).every((requirement) => matchesRequirement(requirement, labels));
}

function matchesRequirement(requirement: LabelSelectorRequirement, labels: Labels): boolean {
  const value = labels?.[requirement.key];
  switch (requirement.operator) {
    case 'In':
      return value !== undefined && (requirement.values ?? []).includes(value);
    case 'NotIn':
      return value === undefined || !(requirement.values ?? []).includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    default:
      // An operator of a later API version: matching nothing is the safe reading.
      return false;
  }
}

/** The query form, such as `app=web,tier notin (db,cache),!legacy`. */
export function formatSelector(selector: LabelSelector): string {
  const equalities = Object.entries(selector.matchLabels ?? {}).map(([key, value]) => `${key}=${value}`);
  const expressions = (selector.matchExpressions ?? []).map(({ key, operator, values }) => {
    switch (operator) {
      case 'In':
        return `${key} in (${(values ?? []).join(',')})`;
      case 'NotIn':
        return `${key} notin (${(values ?? []).join(',')})`;
      case 'Exists':
        return key;
      default:
        return `!${key}`;
    }
  });
  return [...equalities, ...expressions].join(',');
}

/** Reads the query form. Returns a sentence when `text` is not a selector. */
export function parseSelector(text: string): LabelSelector | { readonly problem: string } {
  const matchExpressions: LabelSelectorRequirement[] = [];
  // Commas inside parentheses belong to a value list.
  for (const part of text.split(/,(?![^(]*\))/)) {
    const term = part.trim();
    if (term === '') continue;
    const requirement = parseTerm(term);
    if (requirement === undefined)
      return {
        problem: `"${term}" is not a label requirement; write key=value, key!=value, key in (a,b), key or !key`,
      };
    matchExpressions.push(requirement);
  }
  return { matchExpressions };
}

const KEY = String.raw`[A-Za-z0-9](?:[-A-Za-z0-9_./]*[A-Za-z0-9])?`;
const SET = new RegExp(String.raw`^(${KEY})\s+(in|notin)\s+\(([^()]*)\)$`);
const EQUALITY = new RegExp(String.raw`^(${KEY})\s*(==|=|!=)\s*([-A-Za-z0-9_.]*)$`);
const PRESENCE = new RegExp(String.raw`^(!?)\s*(${KEY})$`);

function parseTerm(term: string): LabelSelectorRequirement | undefined {
  const set = SET.exec(term);
  if (set !== null) {
    const values = (set[3] ?? '').split(',').map((value) => value.trim());
    return { key: set[1] ?? '', operator: set[2] === 'in' ? 'In' : 'NotIn', values };
  }
  const equality = EQUALITY.exec(term);
  if (equality !== null) {
    return { key: equality[1] ?? '', operator: equality[2] === '!=' ? 'NotIn' : 'In', values: [equality[3] ?? ''] };
  }
  const presence = PRESENCE.exec(term);
  if (presence === null) return undefined;
  return { key: presence[2] ?? '', operator: presence[1] === '!' ? 'DoesNotExist' : 'Exists' };
}
