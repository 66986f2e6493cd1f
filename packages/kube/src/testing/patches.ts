/** RFC 7386 merge patch and RFC 6902 JSON patch, on plain JSON values. */

type Json = Record<string, unknown>;

export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isMapping(patch)) return patch;
  const result: Json = isMapping(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = mergePatch(result[key], value);
  }
  return result;
}

interface Operation {
  readonly op: 'add' | 'remove' | 'replace' | 'test' | 'move' | 'copy';
  readonly path: string;
  readonly from?: string;
  readonly value?: unknown;
}

/** @throws Error when a path does not exist or a test fails. */
export function jsonPatch(target: unknown, patch: unknown): unknown {
  const document = { root: structuredClone(target) };
  for (const operation of patch as readonly Operation[]) run(document, operation);
  return document.root;
}

function run(document: { root: unknown }, operation: Operation): void {
  switch (operation.op) {
    case 'add':
    case 'replace':
      set(document, operation.path, operation.value, operation.op);
      break;
    case 'remove':
      remove(document, operation.path);
      break;
    case 'copy':
      set(document, operation.path, structuredClone(read(document, operation.from ?? '')), 'add');
      break;
    case 'move': {
      const value = read(document, operation.from ?? '');
      remove(document, operation.from ?? '');
      set(document, operation.path, value, 'add');
      break;
    }
    case 'test':
      if (JSON.stringify(read(document, operation.path)) !== JSON.stringify(operation.value)) {
        throw new Error(`test failed at ${operation.path}`);
      }
      break;
    default:
      throw new Error(`unknown JSON patch operation ${String(operation.op)}`);
  }
}

function locate(document: { root: unknown }, pointer: string): { parent: Json | unknown[]; key: string } {
  const keys = [
    'root',
    ...pointer
      .split('/')
      .slice(1)
      .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~')),
  ];
  const last = keys.pop() ?? '';
  let parent: unknown = document;
  for (const key of keys) parent = (parent as Json | undefined)?.[key];
  if (typeof parent !== 'object' || parent === null) throw new Error(`no such path ${pointer}`);
  return { parent: parent as Json | unknown[], key: last };
}

function read(document: { root: unknown }, pointer: string): unknown {
  const { parent, key } = locate(document, pointer);
  return (parent as Json)[key];
}

function set(document: { root: unknown }, pointer: string, value: unknown, op: 'add' | 'replace'): void {
  const { parent, key } = locate(document, pointer);
  if (Array.isArray(parent)) {
    const index = key === '-' ? parent.length : Number(key);
    parent.splice(index, op === 'replace' ? 1 : 0, value);
  } else parent[key] = value;
}

function remove(document: { root: unknown }, pointer: string): void {
  const { parent, key } = locate(document, pointer);
  if (Array.isArray(parent)) parent.splice(Number(key), 1);
  else if (key in parent) delete parent[key];
  else throw new Error(`no such path ${pointer}`);
}

function isMapping(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
