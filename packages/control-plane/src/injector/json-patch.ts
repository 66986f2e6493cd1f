/** The JSON Patch (RFC 6902) between two documents, small where additions are additions. */

export interface PatchOperation {
  readonly op: 'add' | 'remove' | 'replace';
  readonly path: string;
  readonly value?: unknown;
}

export function jsonPatch(before: unknown, after: unknown, path = ''): readonly PatchOperation[] {
  if (equal(before, after)) return [];
  if (Array.isArray(before) && Array.isArray(after)) return listPatch(before, after, path);
  if (!isRecord(before) || !isRecord(after)) return [{ op: 'replace', path, value: after }];
  const operations: PatchOperation[] = [];
  for (const key of Object.keys(before)) {
    if (own(before, key) !== undefined && own(after, key) === undefined)
      operations.push({ op: 'remove', path: `${path}/${escapeKey(key)}` });
  }
  for (const [key, value] of Object.entries(after)) {
    if (value === undefined) continue;
    const at = `${path}/${escapeKey(key)}`;
    if (own(before, key) === undefined) operations.push({ op: 'add', path: at, value });
    else operations.push(...jsonPatch(own(before, key), value, at));
  }
  return operations;
}

/** Elements put in front or at the end are added one by one; anything else replaces the list. */
function listPatch(before: readonly unknown[], after: readonly unknown[], path: string): readonly PatchOperation[] {
  const added = after.length - before.length;
  if (added > 0 && before.every((value, index) => equal(value, after[index]))) {
    return after.slice(before.length).map((value) => ({ op: 'add', path: `${path}/-`, value }));
  }
  if (added > 0 && before.every((value, index) => equal(value, after[index + added]))) {
    return after.slice(0, added).map((value, index) => ({ op: 'add', path: `${path}/${index}`, value }));
  }
  return [{ op: 'replace', path, value: after }];
}

function equal(a: unknown, b: unknown): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Keys are data: `constructor` or `__proto__` must not reach the prototype. */
function own(record: Record<string, unknown>, key: string): unknown {
  return Object.hasOwn(record, key) ? record[key] : undefined;
}

/** RFC 6901 §3. */
function escapeKey(key: string): string {
  return key.replaceAll('~', '~0').replaceAll('/', '~1');
}
