/**
 * Strategic merge patch: a merge patch that knows, from the type's schema, which lists merge by key or as sets.
 *
 * Directives understood: `$patch` (replace, delete; in list items also merge), `$retainKeys`,
 * `$setElementOrder/<list>`, `$deleteFromPrimitiveList/<list>`. (Kubernetes community docs, "Strategic Merge Patch".)
 */
import {
  canonicalJson,
  cloneJson,
  equalJson,
  goJsonKind,
  isObject,
  ownValue,
  setOwn,
  type JsonObject,
} from './json.ts';
import { PatchError } from './patch-error.ts';
import { type TypeSchema } from './types.ts';

const DIRECTIVE = '$patch';
const RETAIN_KEYS = '$retainKeys';
const ORDER_PREFIX = '$setElementOrder/';
const DELETE_PREFIX = '$deleteFromPrimitiveList/';

/**
 * Applies a strategic merge patch to a copy of `document`.
 * @param schema The type of `document`; without one every list is replaced and every map merged.
 * @throws PatchError when the patch is not an object or holds a directive that does not fit.
 */
export function applyStrategicMergePatch(
  document: JsonObject,
  patch: unknown,
  schema: TypeSchema | undefined,
): JsonObject {
  if (!isObject(patch)) {
    throw new PatchError(
      'patch_malformed',
      patch === null || patch === undefined
        ? 'Invalid JSON Patch'
        : `json: cannot unmarshal ${goJsonKind(patch)} into Go value of type map[string]interface {}`,
    );
  }
  return mergeMap(cloneJson(document), cloneJson(patch), schema);
}

function mergeMap(original: JsonObject, patch: JsonObject, schema: TypeSchema | undefined): JsonObject {
  const directive = patch[DIRECTIVE];
  if (directive !== undefined) {
    if (directive === 'delete') return {};
    if (directive === 'replace') return without(patch, DIRECTIVE);
    throw new PatchError('patch_internal', `unknown patch type: ${printable(directive)} in map: ${goMap(patch)}`);
  }
  retainKeys(original, patch);
  orderLists(original, patch, schema);
  for (const key of Object.keys(patch).sort()) mergeField(original, key, patch[key], schema);
  return original;
}

function mergeField(original: JsonObject, patchKey: string, value: unknown, schema: TypeSchema | undefined): void {
  const isDeletion = patchKey.startsWith(DELETE_PREFIX);
  const key = isDeletion ? patchKey.slice(DELETE_PREFIX.length) : patchKey;
  const field = fieldSchema(schema, key);
  const current = ownValue(original, key);
  if (isDeletion) {
    if (!Array.isArray(current)) return;
    if (!Array.isArray(value)) throw badDirective(patchKey);
    original[key] = current.filter((item) => !value.some((gone) => equalJson(item, gone)));
    return;
  }
  if (value === null) {
    delete original[key];
    return;
  }
  if (current === undefined || current === null) {
    const settled = settle(value);
    if (settled !== undefined) setOwn(original, key, settled);
    return;
  }
  if (isObject(current) && isObject(value)) {
    setOwn(original, key, strategies(field).has('replace') ? value : mergeMap(current, value, field));
    return;
  }
  if (Array.isArray(current) && Array.isArray(value) && strategies(field).has('merge')) {
    setOwn(original, key, mergeList(current, value, field));
    return;
  }
  setOwn(original, key, value);
}

/**
 * A value that is new in the document: nulls ask for nothing there, and directives have nothing to act on, so objects
 * and items that carry `$patch` ask for nothing either.
 */
function settle(value: unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => settle(item)).filter((item) => item !== undefined);
  if (!isObject(value)) return value;
  if (value[DIRECTIVE] !== undefined) return undefined;
  const result: JsonObject = {};
  for (const key of Object.keys(value)) {
    if (value[key] === null || isDirective(key)) continue;
    const settled = settle(value[key]);
    if (settled !== undefined) setOwn(result, key, settled);
  }
  return result;
}

function isDirective(key: string): boolean {
  return key === DIRECTIVE || key === RETAIN_KEYS || key.startsWith(ORDER_PREFIX) || key.startsWith(DELETE_PREFIX);
}

function retainKeys(original: JsonObject, patch: JsonObject): void {
  const retained = patch[RETAIN_KEYS];
  if (retained === undefined) return;
  delete patch[RETAIN_KEYS];
  if (!Array.isArray(retained)) throw badDirective(RETAIN_KEYS);
  for (const key of Object.keys(patch)) {
    if (patch[key] !== null && !key.startsWith('$') && !retained.includes(key)) {
      throw new PatchError(
        'patch_internal',
        `list in ${RETAIN_KEYS} must contain every key of the patch: "${key}" is missing`,
      );
    }
  }
  for (const key of Object.keys(original)) if (!retained.includes(key)) delete original[key];
}

/** Handles the lists for which the patch names the wanted order; takes them out of the patch. */
function orderLists(original: JsonObject, patch: JsonObject, schema: TypeSchema | undefined): void {
  for (const directive of Object.keys(patch).filter((key) => key.startsWith(ORDER_PREFIX))) {
    const order = patch[directive];
    delete patch[directive];
    const key = directive.slice(ORDER_PREFIX.length);
    if (!Array.isArray(order)) throw badDirective(directive);
    const field = fieldSchema(schema, key);
    const mergeKey = mergeKeyOf(field, order);
    const removedByPatch = patch[`${DELETE_PREFIX}${key}`];
    const current = ownValue(original, key);
    const listed = patch[key];
    if (listed === null) continue;
    if (Array.isArray(listed)) checkOrder(listed, order, mergeKey);
    delete patch[key];
    const base = Array.isArray(current) ? current : [];
    let merged: unknown[];
    if (Array.isArray(listed))
      merged = Array.isArray(current) ? mergeList(base, listed, field) : (settle(listed) as unknown[]);
    else merged = base;
    if (Array.isArray(removedByPatch))
      merged = merged.filter((item) => !removedByPatch.some((gone) => equalJson(item, gone)));
    if (!Array.isArray(current) && !Array.isArray(listed)) continue;
    const wanted = new Set(order.map((item) => identity(item, mergeKey)));
    const ordered = sortBy(
      merged.filter((item) => wanted.has(identity(item, mergeKey))),
      order,
      mergeKey,
    );
    const others = sortBy(
      merged.filter((item) => !wanted.has(identity(item, mergeKey))),
      base,
      mergeKey,
    );
    setOwn(original, key, interleave(others, ordered, base, mergeKey));
  }
}

function checkOrder(listed: readonly unknown[], order: readonly unknown[], mergeKey: string | undefined): void {
  const positions = new Map(order.map((item, index) => [identity(item, mergeKey), index]));
  let previous = -1;
  for (const item of listed) {
    if (isObject(item) && item[DIRECTIVE] === 'delete') continue;
    const position = positions.get(identity(item, mergeKey));
    if (position === undefined || position < previous) {
      throw new PatchError(
        'patch_internal',
        `The order in patch list:\n${goMap(listed)}\n doesn't match ${ORDER_PREFIX.slice(0, -1)} list:\n${goMap(order)}\n`,
      );
    }
    previous = position;
  }
}

/** Merges two lists of a field with merge strategy; `patch` items come in the patch's order, others keep their places. */
function mergeList(original: unknown[], patch: unknown[], field: TypeSchema | undefined): unknown[] {
  if (original.length === 0 && patch.length === 0) return original;
  const mergeKey = mergeKeyOf(field, [...patch, ...original]);
  if (mergeKey === undefined) {
    const merged = uniqueItems([...original, ...patch]);
    return arrange(merged, patch, original, undefined);
  }
  let base = original;
  const plain: unknown[] = [];
  let replaces = false;
  for (const item of patch) {
    if (!isObject(item))
      throw new PatchError('patch_failed', `expected a map with merge key ${mergeKey}, got ${goJsonKind(item)}`);
    const directive = item[DIRECTIVE];
    if (directive === undefined) {
      plain.push(item);
    } else if (directive === 'delete') {
      const gone = keyOf(item, mergeKey);
      base = base.filter((candidate) => identity(candidate, mergeKey) !== gone);
    } else if (directive === 'replace') {
      replaces = true;
      if (Object.keys(item).length > 1) plain.push(without(item, DIRECTIVE));
    } else if (directive === 'merge') {
      throw new PatchError('patch_internal', 'merging lists cannot yet be specified in the patch');
    } else {
      throw new PatchError('patch_internal', `unknown patch type: ${printable(directive)} in map: ${goMap(item)}`);
    }
  }
  if (replaces) return plain;
  const merged = [...base];
  for (const item of plain) {
    if (!isObject(item)) continue;
    const id = keyOf(item, mergeKey);
    const at = merged.findIndex((candidate) => identity(candidate, mergeKey) === id);
    const found = merged[at];
    if (isObject(found)) merged[at] = mergeMap(found, item, field?.items);
    // A new item is taken as it is; directives in it are unknown fields of its type.
    else merged.push(item);
  }
  return arrange(merged, plain, base, mergeKey);
}

function arrange(
  merged: readonly unknown[],
  patch: readonly unknown[],
  original: readonly unknown[],
  mergeKey: string | undefined,
): unknown[] {
  const patched = new Set(patch.map((item) => identity(item, mergeKey)));
  const fromPatch = sortBy(
    merged.filter((item) => patched.has(identity(item, mergeKey))),
    patch,
    mergeKey,
  );
  const others = sortBy(
    merged.filter((item) => !patched.has(identity(item, mergeKey))),
    original,
    mergeKey,
  );
  return interleave(others, fromPatch, original, mergeKey);
}

function sortBy(items: readonly unknown[], order: readonly unknown[], mergeKey: string | undefined): unknown[] {
  const positions = new Map<string, number>();
  order.forEach((item, index) => positions.set(identity(item, mergeKey), index));
  const place = (item: unknown): number => positions.get(identity(item, mergeKey)) ?? order.length;
  return [...items].sort((a, b) => place(a) - place(b));
}

/** Joins two ordered lists: an item that only the server has goes first when it stood before the patched one. */
function interleave(
  others: readonly unknown[],
  patched: readonly unknown[],
  serverOrder: readonly unknown[],
  mergeKey: string | undefined,
): unknown[] {
  const positions = new Map<string, number>();
  serverOrder.forEach((item, index) => {
    const id = identity(item, mergeKey);
    if (!positions.has(id)) positions.set(id, index);
  });
  const result: unknown[] = [];
  let left = 0;
  let right = 0;
  while (left < others.length && right < patched.length) {
    const leftPlace = positions.get(identity(others[left], mergeKey));
    const rightPlace = positions.get(identity(patched[right], mergeKey));
    if (leftPlace !== undefined && rightPlace !== undefined && leftPlace < rightPlace) result.push(others[left++]);
    else result.push(patched[right++]);
  }
  return [...result, ...others.slice(left), ...patched.slice(right)];
}

function mergeKeyOf(field: TypeSchema | undefined, items: readonly unknown[]): string | undefined {
  if (!items.some((item) => isObject(item))) return undefined;
  if (field?.patchMergeKey === undefined)
    throw new PatchError('patch_internal', 'cannot merge lists without merge key for a list of maps');
  return field.patchMergeKey;
}

function keyOf(item: JsonObject, mergeKey: string): string {
  if (item[mergeKey] === undefined)
    throw new PatchError('patch_internal', `map: ${goMap(item)} does not contain declared merge key: ${mergeKey}`);
  return identity(item, mergeKey);
}

function identity(item: unknown, mergeKey: string | undefined): string {
  if (mergeKey === undefined || !isObject(item)) return canonicalJson(item);
  return canonicalJson(item[mergeKey]);
}

function uniqueItems(items: readonly unknown[]): unknown[] {
  const seen = new Set<string>();
  return items.filter((item) => {
    const id = canonicalJson(item);
    if (seen.has(id)) return false;
    seen.add(id);
    return true;
  });
}

function fieldSchema(schema: TypeSchema | undefined, key: string): TypeSchema | undefined {
  if (schema === undefined) return undefined;
  if (schema.properties !== undefined && Object.hasOwn(schema.properties, key)) return schema.properties[key];
  return typeof schema.additionalProperties === 'object' ? schema.additionalProperties : undefined;
}

function strategies(field: TypeSchema | undefined): ReadonlySet<string> {
  return new Set(field?.patchStrategy?.split(',') ?? []);
}

function without(object: JsonObject, key: string): JsonObject {
  const { [key]: _gone, ...rest } = object;
  return rest;
}

function badDirective(key: string): PatchError {
  return new PatchError('patch_internal', `invalid value of directive ${key}: it must be a list`);
}

function printable(value: unknown): string {
  return typeof value === 'string' ? value : goMap(value);
}

/** Go's `%v` of JSON data, as it appears in the API server's messages. */
export function goMap(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((item) => goMap(item)).join(' ')}]`;
  if (isObject(value)) {
    return `map[${Object.keys(value)
      .sort()
      .map((key) => `${key}:${goMap(value[key])}`)
      .join(' ')}]`;
  }
  if (value === null || value === undefined) return '<nil>';
  return typeof value === 'string' ? value : JSON.stringify(value);
}
