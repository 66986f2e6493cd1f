/**
 * Server-side apply in small: remembers which leaf fields each manager applied, removes those that it
 * dropped, and finds conflicts between managers. Lists are atomic here, unlike in the real API.
 */
import type { ApplyOptions } from '../client.ts';
import type { KubeObject } from '../object.ts';

type Leaves = ReadonlyMap<string, unknown>;

export type ApplyResult = { readonly object: KubeObject } | { readonly conflicts: readonly string[] };

const SEPARATOR = '\u0000';
const IDENTITY = new Set(
  ['apiVersion', 'kind', 'name', 'namespace', 'uid', 'resourceVersion', 'generation', 'creationTimestamp'].map(String),
);

export class ApplyLedger {
  /** Per object, per manager. */
  readonly #applied = new Map<string, Map<string, Leaves>>();

  apply(id: string, current: KubeObject | undefined, wanted: KubeObject, options: ApplyOptions): ApplyResult {
    const managers = this.#applied.get(id) ?? new Map<string, Leaves>();
    const mine = leavesOf(wanted);
    const conflicts: string[] = [];
    for (const [manager, leaves] of managers) {
      if (manager === options.fieldManager) continue;
      for (const [path, value] of mine) {
        if (leaves.has(path) && JSON.stringify(leaves.get(path)) !== JSON.stringify(value)) {
          conflicts.push(`conflict with "${manager}": .${path.replaceAll(SEPARATOR, '.')}`);
        }
      }
    }
    if (conflicts.length > 0 && options.force !== true) return { conflicts };
    const result = structuredClone(current ?? { metadata: { name: wanted.metadata.name } }) as unknown as Record<
      string,
      unknown
    >;
    for (const path of managers.get(options.fieldManager)?.keys() ?? []) {
      const shared = [...managers].some(([manager, leaves]) => manager !== options.fieldManager && leaves.has(path));
      if (!mine.has(path) && !shared) removeAt(result, path);
    }
    for (const [path, value] of mine) setAt(result, path, value);
    managers.set(options.fieldManager, mine);
    this.#applied.set(id, managers);
    return {
      object: { ...result, metadata: { ...(result['metadata'] as KubeObject['metadata']), ...namesOf(wanted) } },
    };
  }

  forget(id: string): void {
    this.#applied.delete(id);
    this.#applied.delete(`${id}/status`);
  }
}

function namesOf(object: KubeObject): { name: string; namespace?: string } {
  const { name, namespace } = object.metadata;
  return namespace === undefined ? { name } : { name, namespace };
}

function leavesOf(object: KubeObject): Leaves {
  const leaves = new Map<string, unknown>();
  const visit = (node: unknown, path: readonly string[]): void => {
    const isMapping = typeof node === 'object' && node !== null && !Array.isArray(node) && Object.keys(node).length > 0;
    if (!isMapping) {
      leaves.set(path.join(SEPARATOR), node);
      return;
    }
    for (const [key, value] of Object.entries(node)) {
      const top = path.length === 0 || (path.length === 1 && path[0] === 'metadata');
      if (top && IDENTITY.has(key)) continue;
      visit(value, [...path, key]);
    }
  };
  visit(object, []);
  return leaves;
}

function setAt(root: Record<string, unknown>, path: string, value: unknown): void {
  const keys = path.split(SEPARATOR);
  const last = keys.pop() ?? '';
  let node = root;
  for (const key of keys) {
    const next = node[key];
    const child = typeof next === 'object' && next !== null && !Array.isArray(next) ? { ...next } : {};
    node[key] = child;
    node = child;
  }
  node[last] = value;
}

function removeAt(root: Record<string, unknown>, path: string): void {
  const keys = path.split(SEPARATOR);
  const last = keys.pop() ?? '';
  let node: Record<string, unknown> | undefined = root;
  for (const key of keys) node = node?.[key] as Record<string, unknown> | undefined;
  if (node !== undefined) delete node[last];
}
