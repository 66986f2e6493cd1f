/**
 * JSON Patch (RFC 6902) with the API server's answers.
 *
 * Two leniencies of the API server are kept because clients meet them: `replace` of a missing object key sets it, and
 * `add` without `value` sets null. A patch that fails at any operation changes nothing.
 */
import { cloneJson, equalJson, goJsonKind, isObject, ownValue, setOwn, type JsonObject } from './json.ts';
import { PatchError } from './patch-error.ts';

/** The API server refuses longer patches. */
export const JSON_PATCH_OPERATIONS_MAX = 10_000;

const REJECTED = 'the server rejected our request due to an error in our request';

interface Root {
  document: unknown;
}

/**
 * Applies a JSON patch to a copy of `document`.
 * @throws PatchError `patch_malformed` when `patch` is not a list of operations, `patch_failed` when an operation does not fit.
 */
export function applyJsonPatch(document: unknown, patch: unknown): unknown {
  if (!Array.isArray(patch)) {
    throw new PatchError(
      'patch_malformed',
      `error decoding patch: json: cannot unmarshal ${goJsonKind(patch)} into Go value of type []handlers.jsonPatchOp`,
    );
  }
  if (patch.length > JSON_PATCH_OPERATIONS_MAX) {
    const message = `The allowed maximum operations in a JSON patch is ${JSON_PATCH_OPERATIONS_MAX}, got ${patch.length}`;
    const error = new PatchError('patch_malformed', message);
    error.status.code = 413;
    error.status.reason = 'RequestEntityTooLarge';
    throw error;
  }
  const root: Root = { document: cloneJson(document) };
  for (const operation of patch as unknown[]) {
    if (!isObject(operation)) {
      throw new PatchError(
        'patch_malformed',
        `error decoding patch: json: cannot unmarshal ${goJsonKind(operation)} into Go value of type handlers.jsonPatchOp`,
      );
    }
    applyOperation(root, operation);
  }
  return root.document;
}

function applyOperation(root: Root, operation: JsonObject): void {
  const path = pointer(operation['path']);
  switch (operation['op']) {
    case 'add':
      add(root, path, cloneJson(operation['value'] ?? null));
      return;
    case 'remove':
      remove(root, path);
      return;
    case 'replace':
      replace(root, path, cloneJson(operation['value'] ?? null));
      return;
    case 'move': {
      const from = pointer(operation['from']);
      if (isPrefix(from, path)) throw rejected();
      const value = read(root, from);
      remove(root, from);
      add(root, path, value);
      return;
    }
    case 'copy':
      add(root, path, cloneJson(read(root, pointer(operation['from'])) ?? null));
      return;
    case 'test': {
      const value = path.length === 0 ? root.document : readOrMissing(root, path);
      if (!equalJson(value ?? null, operation['value'] ?? null)) throw rejected();
      return;
    }
    default:
      throw rejected();
  }
}

/** RFC 6901; the part before the first slash is ignored, as the API server does. */
function pointer(path: unknown): string[] {
  if (typeof path !== 'string') throw rejected();
  return path
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function isPrefix(shorter: readonly string[], longer: readonly string[]): boolean {
  return shorter.length < longer.length && shorter.every((part, index) => part === longer[index]);
}

function container(root: Root, path: readonly string[]): JsonObject | unknown[] {
  let current = root.document;
  for (const part of path.slice(0, -1)) current = child(current, part);
  if (Array.isArray(current) || isObject(current)) return current;
  throw rejected();
}

function child(parent: unknown, part: string): unknown {
  if (Array.isArray(parent)) return parent[existingIndex(parent, part)];
  if (isObject(parent)) return ownValue(parent, part);
  throw rejected();
}

function existingIndex(list: readonly unknown[], part: string): number {
  const index = parseIndex(part, list.length);
  if (index >= list.length) throw rejected();
  return index;
}

/** Array indexes, negative ones counted from the end included. */
function parseIndex(part: string, length: number): number {
  if (!/^-?\d+$/.test(part)) throw rejected();
  const index = Number(part);
  if (index >= 0) return index;
  if (index < -length) throw rejected();
  return index + length;
}

function read(root: Root, path: readonly string[]): unknown {
  return path.length === 0 ? root.document : child(container(root, path), last(path));
}

/** For `test`: a missing container reads as missing only when its own parent exists. */
function readOrMissing(root: Root, path: readonly string[]): unknown {
  return child(container(root, path), last(path));
}

function add(root: Root, path: readonly string[], value: unknown): void {
  if (path.length === 0) {
    root.document = value;
    return;
  }
  const parent = container(root, path);
  const key = last(path);
  if (!Array.isArray(parent)) {
    setOwn(parent, key, value);
    return;
  }
  if (key === '-') {
    parent.push(value);
    return;
  }
  const index = key.startsWith('-') ? parseIndex(key, parent.length + 1) : parseIndex(key, parent.length);
  if (index > parent.length) throw rejected();
  parent.splice(index, 0, value);
}

function remove(root: Root, path: readonly string[]): void {
  if (path.length === 0) throw rejected();
  const parent = container(root, path);
  const key = last(path);
  if (Array.isArray(parent)) {
    parent.splice(existingIndex(parent, key), 1);
    return;
  }
  if (!Object.hasOwn(parent, key)) throw rejected();
  delete parent[key];
}

function replace(root: Root, path: readonly string[], value: unknown): void {
  if (path.length === 0) {
    root.document = value;
    return;
  }
  const parent = container(root, path);
  const key = last(path);
  if (Array.isArray(parent)) parent[existingIndex(parent, key)] = value;
  else setOwn(parent, key, value);
}

function last(path: readonly string[]): string {
  return path[path.length - 1] ?? '';
}

function rejected(): PatchError {
  return new PatchError('patch_failed', REJECTED);
}
