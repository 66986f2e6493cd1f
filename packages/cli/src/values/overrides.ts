/**
 * `--set a.b=c`, `--set-string`, `--set-file` and `--values`: changes to a values object, checked against its shape, so that a
 * misspelt name is an error and not a silent default.
 */
import { parse } from 'yaml';
import { CliError } from '../errors.ts';

type Tree = Record<string, unknown>;

/** `text` is `path=value[,path=value…]`, Helm's grammar: `\,` and `\.` escape, `{a,b}` is a list. */
export function applySet<V extends object>(values: V, text: string, as: 'typed' | 'string' = 'typed'): V {
  let result = values;
  for (const part of splitOutside(text, ',')) {
    const equals = part.indexOf('=');
    if (equals <= 0) {
      throw new CliError(
        { code: 'bad_value', field: part },
        `--set ${part}: expected NAME=VALUE, such as proxy.logLevel=info`,
      );
    }
    result = assign(result, part.slice(0, equals), scalar(part.slice(equals + 1), as));
  }
  return result;
}

/** Sets one value at a dotted path. @throws CliError `bad_value` when no such value exists or the type differs. */
export function assign<V extends object>(values: V, path: string, value: unknown): V {
  const names = splitOutside(path, '.').map((name) => name.replaceAll('\\.', '.'));
  return descend(values as Tree, names, path, value) as V;
}

/** Merges a `--values` file: objects deeply, everything else replaced. */
export function mergeFile<V extends object>(values: V, text: string, file: string): V {
  let tree: unknown;
  try {
    tree = parse(text);
  } catch (error) {
    throw new CliError(
      { code: 'bad_value', field: file },
      `${file} is not YAML: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
  if (tree === null || tree === undefined) return values;
  if (!isTree(tree)) throw new CliError({ code: 'bad_value', field: file }, `${file} must hold a map of values`);
  return merge(values as Tree, tree, '') as V;
}

function merge(into: Tree, from: Tree, prefix: string): Tree {
  let result = into;
  for (const [name, value] of Object.entries(from)) {
    const path = prefix === '' ? name : `${prefix}.${name}`;
    const current = result[name];
    const next =
      isTree(value) && isTree(current) && !isOpenMap(path)
        ? merge(current, value, path)
        : check(result, name, path, value);
    result = { ...result, [name]: next };
  }
  return result;
}

function descend(tree: Tree, names: readonly string[], path: string, value: unknown, prefix = ''): Tree {
  const [name = '', ...rest] = names;
  if (rest.length === 0) return { ...tree, [name]: check(tree, name, path, value, prefix) };
  const child = tree[name];
  if (!isTree(child)) throw unknownValue(path, tree);
  return { ...tree, [name]: descend(child, rest, path, value, prefix === '' ? name : `${prefix}.${name}`) };
}

function check(
  tree: Tree,
  name: string,
  path: string,
  value: unknown,
  parent = path.split('.').slice(0, -1).join('.'),
): unknown {
  if (isOpenMap(parent)) return value;
  if (!(name in tree)) throw unknownValue(path, tree);
  const current = tree[name];
  if (typeof current === 'string' && (typeof value === 'number' || typeof value === 'boolean')) return String(value);
  const same = Array.isArray(current) ? Array.isArray(value) : typeof current === typeof value && !Array.isArray(value);
  if (!same) {
    const wanted = Array.isArray(current) ? 'a list' : `a ${typeof current === 'object' ? 'map' : typeof current}`;
    throw new CliError(
      { code: 'bad_value', field: path },
      `value ${path}: ${JSON.stringify(value)} given, ${wanted} needed`,
    );
  }
  return value;
}

/** Maps whose keys are the user's, not ours. */
function isOpenMap(path: string): boolean {
  return /(^|\.)(nodeSelector|serviceAnnotations|namespaceSelector|objectSelector)$/.test(path);
}

function unknownValue(path: string, tree: Tree): CliError {
  return new CliError(
    { code: 'bad_value', field: path },
    `no value is called ${path}; known here: ${Object.keys(tree).sort().join(', ')}`,
  );
}

function scalar(text: string, as: 'typed' | 'string'): unknown {
  if (text.startsWith('{') && text.endsWith('}')) {
    const inner = text.slice(1, -1);
    return inner === '' ? [] : splitOutside(inner, ',').map((item) => scalar(item, as));
  }
  const plain = text.replaceAll('\\,', ',');
  if (as === 'string') return plain;
  if (plain === 'true' || plain === 'false') return plain === 'true';
  return /^-?(0|[1-9]\d*)$/.test(plain) ? Number(plain) : plain;
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

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
