/**
 * `--set a.b=c`, `--set-string`, `--set-file` and `--values`: changes to a values object, checked against the description of its values,
 * so that a misspelt name or a bad value is an error and not a silent default.
 */
import { parse } from 'yaml';
import { messageOf } from '@mesh/runtime';
import { CliError } from '../errors.ts';
import { reasonForAbsence } from './absent.ts';
import { nearest } from './nearest.ts';
import { faultOf, isMap } from './spec.ts';
import type { GroupSpec, LeafSpec } from './spec.ts';

type Tree = Readonly<Record<string, unknown>>;
/** A name in a map, or an index in a list. */
type Step = string | number;

/** `text` is `path=value[,path=value…]`, Helm's grammar: `\,` and `\.` escape, `{a,b}` is a list, `a[0].b` an item's field. */
export function applySet<V extends object>(
  spec: GroupSpec,
  values: V,
  text: string,
  as: 'typed' | 'string' = 'typed',
): V {
  let result = values;
  for (const part of splitOutside(text, ',')) {
    const equals = part.indexOf('=');
    if (equals <= 0) {
      throw new CliError(
        { code: 'bad_value', field: part },
        `--set ${part}: expected NAME=VALUE, such as proxy.logLevel=info`,
      );
    }
    result = assign(spec, result, part.slice(0, equals), scalar(part.slice(equals + 1), as));
  }
  return result;
}

/** Sets one value at a dotted path. @throws CliError `bad_value` when no such value exists or the value is not allowed. */
export function assign<V extends object>(spec: GroupSpec, values: V, path: string, value: unknown): V {
  const steps = splitOutside(path, '.').flatMap(stepsOf);
  return assignInGroup(spec, values as Tree, steps, [], value, spec) as V;
}

/** Merges a `--values` file as Helm does: maps deeply, lists as a whole, and `null` takes an entry of a map away. */
export function mergeFile<V extends object>(spec: GroupSpec, values: V, text: string, file: string): V {
  let tree: unknown;
  try {
    tree = parse(text);
  } catch (error) {
    throw new CliError({ code: 'bad_value', field: file }, `${file} is not YAML: ${messageOf(error)}`);
  }
  if (tree === null || tree === undefined) return values;
  if (!isMap(tree)) throw new CliError({ code: 'bad_value', field: file }, `${file} must hold a map of values`);
  return mergeTree(spec, values as Tree, tree, [], spec) as V;
}

function mergeTree(group: GroupSpec, into: Tree, from: Tree, prefix: readonly Step[], root: GroupSpec): Tree {
  let result = into;
  for (const [name, value] of Object.entries(from)) {
    const path = [...prefix, name];
    const field = Object.hasOwn(group.fields, name) ? group.fields[name] : undefined;
    if (field === undefined) {
      refuseUnknown(path, value, root);
      continue;
    }
    if (value === null) continue; // As Helm has it: the default stays.
    if (field.kind === 'group') {
      if (!isMap(value)) throw bad(path, `is ${JSON.stringify(value)}: give a map of ${namesOf(field)}`);
      result = { ...result, [name]: mergeTree(field, result[name] as Tree, value, path, root) };
    } else {
      const laid = field.kind === 'map' && isMap(value) ? mergeOpen(result[name], value) : value;
      result = { ...result, [name]: checked(field, path, laid) };
    }
  }
  return result;
}

function mergeOpen(into: unknown, from: Tree): Tree {
  const merged: Record<string, unknown> = isMap(into) ? { ...into } : {};
  for (const [name, value] of Object.entries(from)) {
    if (value === null) delete merged[name];
    else merged[name] = isMap(value) ? mergeOpen(merged[name], value) : value;
  }
  return merged;
}

function assignInGroup(
  group: GroupSpec,
  tree: Tree,
  steps: readonly Step[],
  prefix: readonly Step[],
  value: unknown,
  root: GroupSpec,
): Tree {
  const [name = '', ...rest] = steps;
  const path = [...prefix, name];
  const field = typeof name === 'string' && Object.hasOwn(group.fields, name) ? group.fields[name] : undefined;
  if (field === undefined) {
    refuseUnknown([...prefix, ...steps], value, root);
    return tree;
  }
  if (field.kind === 'group') {
    if (rest.length > 0) {
      return { ...tree, [name]: assignInGroup(field, tree[name] as Tree, rest, path, value, root) };
    }
    throw bad(path, `is a group: set one of ${namesOf(field)}`);
  }
  const open = field.kind === 'list' || field.kind === 'map';
  if (rest.length > 0 && !open) refuseUnknown([...prefix, ...steps], value, root);
  return { ...tree, [name]: checked(field, path, assignOpen(tree[name], rest, value)) };
}

/** Inside of the user's own maps and lists every name is allowed. */
function assignOpen(current: unknown, steps: readonly Step[], value: unknown): unknown {
  const [step, ...rest] = steps;
  if (step === undefined) return value;
  if (typeof step === 'number') {
    const items: unknown[] = Array.isArray(current) ? [...(current as unknown[])] : [];
    items[step] = assignOpen(items[step], rest, value);
    return Array.from(items, (item) => item ?? {});
  }
  const map = isMap(current) ? current : {};
  return { ...map, [step]: assignOpen(map[step], rest, value) };
}

function checked(spec: LeafSpec, path: readonly Step[], value: unknown): unknown {
  const plain =
    spec.kind === 'text' && (typeof value === 'number' || typeof value === 'boolean') ? String(value) : value;
  const fault = faultOf(spec, plain);
  if (fault === undefined) return plain;
  throw bad(path, `${fault} (${spec.about})`);
}

/** @throws CliError, but where a value of Linkerd's is set to what holds here anyway. */
function refuseUnknown(path: readonly Step[], value: unknown, root: GroupSpec): void {
  const name = pathText(path);
  const absence = reasonForAbsence(name, value);
  if (absence === 'holds') return;
  if (absence !== undefined) throw new CliError({ code: 'bad_value', field: name }, `value ${name}: ${absence}`);
  const close = nearest(name, leafPaths(root));
  throw new CliError(
    { code: 'bad_value', field: name },
    close === undefined
      ? `no value is called ${name}; known there: ${namesOf(groupAround(path, root))}`
      : `no value is called ${name}; did you mean ${close}? docs/install.md lists all`,
  );
}

function bad(path: readonly Step[], fault: string): CliError {
  const name = pathText(path);
  return new CliError({ code: 'bad_value', field: name }, `value ${name} ${fault}`);
}

/** The dotted path of every value and group. */
export function leafPaths(group: GroupSpec, prefix = ''): readonly string[] {
  return Object.entries(group.fields).flatMap(([name, field]) =>
    field.kind === 'group' ? [prefix + name, ...leafPaths(field, `${prefix}${name}.`)] : [prefix + name],
  );
}

/** The innermost group of the path that exists. */
function groupAround(path: readonly Step[], root: GroupSpec): GroupSpec {
  let group = root;
  for (const step of path) {
    const field = group.fields[step];
    if (field?.kind !== 'group') break;
    group = field;
  }
  return group;
}

/** The values of a tree of changes, each with its dotted path; the user's own maps and lists as a whole. */
export function leafValues(
  group: GroupSpec,
  tree: Tree,
  prefix = '',
): readonly (readonly [path: string, value: unknown])[] {
  return Object.entries(tree).flatMap(([name, value]) => {
    const field = group.fields[name];
    const path = `${prefix}${name.replaceAll('.', '\\.')}`;
    return field?.kind === 'group' && isMap(value) ? leafValues(field, value, `${path}.`) : [[path, value] as const];
  });
}

function namesOf(group: GroupSpec): string {
  return Object.keys(group.fields).join(', ');
}

function pathText(path: readonly Step[]): string {
  return path
    .map((step) => (typeof step === 'number' ? `[${step}]` : step))
    .join('.')
    .replaceAll('.[', '[');
}

/** `name[0][1]` is a name and two indexes. */
function stepsOf(text: string): readonly Step[] {
  const match = /^(.*?)((?:\[\d{1,4}\])*)$/s.exec(text);
  const name = (match?.[1] ?? text).replaceAll('\\.', '.');
  return [name, ...[...(match?.[2] ?? '').matchAll(/\[(\d+)\]/g)].map(([, index]) => Number(index))];
}

function scalar(text: string, as: 'typed' | 'string'): unknown {
  if (text.startsWith('{') && text.endsWith('}')) {
    const inner = text.slice(1, -1);
    return inner === '' ? [] : splitOutside(inner, ',').map((item) => scalar(item, as));
  }
  const plain = text.replaceAll('\\,', ',');
  if (as === 'string') return plain;
  if (plain === 'true' || plain === 'false') return plain === 'true';
  return /^-?(0|[1-9]\d{0,14})$/.test(plain) ? Number(plain) : plain;
}

/** Splits at `separator`, but not inside `{…}` and not where a backslash precedes it. */
function splitOutside(text: string, separator: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let part = '';
  for (let index = 0; index < text.length; index += 1) {
    const char = text[index] ?? '';
    if (char === '\\' && index + 1 < text.length) {
      part += char + (text[index + 1] ?? '');
      index += 1;
    } else if (char === separator && depth === 0) {
      parts.push(part);
      part = '';
    } else {
      if (char === '{') depth += 1;
      if (char === '}') depth -= 1;
      part += char;
    }
  }
  return [...parts, part];
}
