/**
 * The JSONPath of printer columns, scale paths and `kubectl`: fields, indexes, slices, wildcards, unions, recursive
 * descent and simple filters. (Kubernetes documentation, "JSONPath Support".) What cannot be read selects nothing.
 */
import { isObject, ownValue } from '../json.ts';

type Step =
  | { readonly kind: 'field'; readonly name: string }
  | { readonly kind: 'wildcard' | 'descend' }
  | { readonly kind: 'index'; readonly index: number }
  | {
      readonly kind: 'slice';
      readonly from: number | undefined;
      readonly to: number | undefined;
      readonly step: number;
    }
  | { readonly kind: 'union'; readonly names: readonly string[] }
  | { readonly kind: 'filter'; readonly path: readonly Step[]; readonly operator: string; readonly value: unknown };

/** All values that a path such as `.spec.list[?(@.name=='a')].value` selects, in order. */
export function selectPath(path: string, value: unknown): unknown[] {
  const steps = parsePath(path);
  return steps === undefined ? [] : select(steps, [value]);
}

function select(steps: readonly Step[], start: readonly unknown[]): unknown[] {
  let values = [...start];
  for (const step of steps) values = values.flatMap((value) => advance(step, value));
  return values;
}

function advance(step: Step, value: unknown): unknown[] {
  switch (step.kind) {
    case 'field': {
      const found = isObject(value) ? ownValue(value, step.name) : undefined;
      return found === undefined ? [] : [found];
    }
    case 'wildcard':
      return Array.isArray(value) ? value : isObject(value) ? Object.values(value) : [];
    case 'descend':
      return descendants(value);
    case 'index': {
      if (!Array.isArray(value)) return [];
      const at = step.index < 0 ? value.length + step.index : step.index;
      return at >= 0 && at < value.length ? [value[at]] : [];
    }
    case 'slice':
      return Array.isArray(value)
        ? value.slice(step.from, step.to).filter((_item, index) => index % step.step === 0)
        : [];
    case 'union':
      return isObject(value)
        ? step.names.map((name) => ownValue(value, name)).filter((item) => item !== undefined)
        : [];
    case 'filter':
      return Array.isArray(value) ? value.filter((item) => matches(step, item)) : [];
    default:
      return [];
  }
}

function descendants(value: unknown): unknown[] {
  const children = Array.isArray(value) ? (value as unknown[]) : isObject(value) ? Object.values(value) : [];
  return [value, ...children.flatMap((child) => descendants(child))];
}

function matches(step: Extract<Step, { kind: 'filter' }>, item: unknown): boolean {
  const [left] = select(step.path, [item]);
  if (left === undefined) return false;
  switch (step.operator) {
    case '':
      return true;
    case '==':
      return left === step.value;
    case '!=':
      return left !== step.value;
    default:
      return compares(left, step.operator, step.value);
  }
}

function compares(left: unknown, operator: string, right: unknown): boolean {
  if (typeof left !== typeof right || (typeof left !== 'number' && typeof left !== 'string')) return false;
  const order = left < (right as string | number) ? -1 : left > (right as string | number) ? 1 : 0;
  return operator === '<' ? order < 0 : operator === '<=' ? order <= 0 : operator === '>' ? order > 0 : order >= 0;
}

/** Reads a path, with or without braces and `$`; undefined when it is not one. */
function parsePath(path: string): Step[] | undefined {
  const text = path
    .trim()
    .replace(/^\{(.*)\}$/s, '$1')
    .replace(/^\$/, '');
  const steps: Step[] = [];
  let at = 0;
  while (at < text.length) {
    if (text.startsWith('..', at)) {
      steps.push({ kind: 'descend' });
      at += text[at + 2] === '[' ? 2 : 1;
      continue;
    }
    if (text[at] === '.') {
      const match = /\.(\*|(?:[^.[\]\\]|\\.)+)/y;
      match.lastIndex = at;
      const found = match.exec(text);
      if (found === null) {
        if (text === '.') return steps;
        return undefined;
      }
      const name = (found[1] ?? '').replaceAll(/\\(.)/g, '$1');
      steps.push(name === '*' ? { kind: 'wildcard' } : { kind: 'field', name });
      at = match.lastIndex;
      continue;
    }
    const end = closing(text, at);
    if (text[at] !== '[' || end < 0) return undefined;
    const step = parseBracket(text.slice(at + 1, end).trim());
    if (step === undefined) return undefined;
    steps.push(step);
    at = end + 1;
  }
  return steps;
}

/** The bracket that closes the one at `start`, quotes and nesting respected. */
function closing(text: string, start: number): number {
  let depth = 0;
  let quote = '';
  for (let at = start; at < text.length; at += 1) {
    const char = text[at] ?? '';
    if (quote !== '') {
      if (char === '\\') at += 1;
      else if (char === quote) quote = '';
    } else if (char === "'" || char === '"') quote = char;
    else if (char === '[') depth += 1;
    else if (char === ']') {
      depth -= 1;
      if (depth === 0) return at;
    }
  }
  return -1;
}

function parseBracket(body: string): Step | undefined {
  if (body === '*') return { kind: 'wildcard' };
  if (/^-?\d+$/.test(body)) return { kind: 'index', index: Number(body) };
  const slice = /^(-?\d*):(-?\d*)(?::(\d+))?$/.exec(body);
  if (slice !== null) {
    const bound = (text: string | undefined): number | undefined =>
      text === undefined || text === '' ? undefined : Number(text);
    return { kind: 'slice', from: bound(slice[1]), to: bound(slice[2]), step: Math.max(1, bound(slice[3]) ?? 1) };
  }
  if (/^(?:'[^']*'|"[^"]*")(?:\s*,\s*(?:'[^']*'|"[^"]*"))*$/.test(body)) {
    const names = [...body.matchAll(/'([^']*)'|"([^"]*)"/g)].map((match) => match[1] ?? match[2] ?? '');
    return { kind: 'union', names };
  }
  const filter = /^\?\(\s*@(.*?)\s*(?:(==|!=|<=|>=|<|>)\s*(.*?))?\s*\)$/s.exec(body);
  if (filter === null) return undefined;
  const path = parsePath(filter[1] ?? '');
  return path === undefined
    ? undefined
    : { kind: 'filter', path, operator: filter[2] ?? '', value: literal(filter[3] ?? '') };
}

function literal(text: string): unknown {
  const quoted = /^(['"])(.*)\1$/s.exec(text);
  if (quoted !== null) return quoted[2];
  if (text === 'true' || text === 'false') return text === 'true';
  return text !== '' && !Number.isNaN(Number(text)) ? Number(text) : text;
}
