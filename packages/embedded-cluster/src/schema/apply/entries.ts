/** The entries of `metadata.managedFields`: reading, writing in the API server's order, naming, and bounding their number. */
import { isObject, listAt, objectAt, stringAt, type JsonObject } from '../json.ts';
import { FieldSet } from './field-set.ts';

/** What one manager owns. */
export interface Entry {
  readonly manager: string;
  readonly operation: string;
  readonly apiVersion: string;
  readonly subresource: string;
  time: string | undefined;
  fields: FieldSet;
  /** What `fields` was read from: written again as long as `fields` is the same set. */
  readonly source?: { readonly fields: FieldSet; readonly json: unknown };
}

/** Managers that update rather than apply are merged into one beyond this many. */
const UPDATE_MANAGERS_MAX = 10;
const CAPPED_MANAGER = 'ancient-changes';
/** How messages name a manager: updaters with the version that they wrote. */
export function describe({ manager, operation, apiVersion, subresource }: Entry): string {
  const through = subresource === '' ? '' : ` with subresource ${JSON.stringify(subresource)}`;
  return `${JSON.stringify(manager)}${through}${operation === 'Update' ? ` using ${apiVersion}` : ''}`;
}

/** Whether anything is recorded at all. */
export function hasEntries(object: JsonObject): boolean {
  return listAt(object, 'metadata', 'managedFields').some((entry) => isObject(entry) && Object.keys(entry).length > 0);
}

export function readEntries(object: JsonObject): Entry[] {
  return listAt(object, 'metadata', 'managedFields')
    .filter((entry) => isObject(entry))
    .filter((entry) => Object.keys(entry).length > 0)
    .map((entry) => {
      const fields = FieldSet.from(entry['fieldsV1']);
      return {
        manager: stringAt(entry, 'manager') ?? '',
        operation: stringAt(entry, 'operation') ?? 'Update',
        apiVersion: stringAt(entry, 'apiVersion') ?? '',
        subresource: stringAt(entry, 'subresource') ?? '',
        time: stringAt(entry, 'time'),
        fields,
        source: { fields, json: entry['fieldsV1'] },
      };
    });
}

export function writeEntries(object: JsonObject, entries: readonly Entry[]): void {
  const metadata = objectAt(object, 'metadata');
  if (entries.length === 0) {
    delete metadata['managedFields'];
    return;
  }
  object['metadata'] = metadata;
  metadata['managedFields'] = [...entries].sort(compareEntries).map((entry) => ({
    manager: entry.manager,
    operation: entry.operation,
    apiVersion: entry.apiVersion,
    ...(entry.time === undefined ? {} : { time: entry.time }),
    fieldsType: 'FieldsV1',
    fieldsV1: entry.source?.fields === entry.fields ? entry.source.json : entry.fields.toJson(),
    ...(entry.subresource === '' ? {} : { subresource: entry.subresource }),
  }));
}

/** Appliers first, then by time, name, version and subresource. */
function compareEntries(a: Entry, b: Entry): number {
  return (
    order(a.operation, b.operation) ||
    order(a.time ?? '', b.time ?? '') ||
    order(a.manager, b.manager) ||
    order(a.apiVersion, b.apiVersion) ||
    order(a.subresource, b.subresource)
  );
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

export function sameEntries(a: readonly Entry[], b: readonly Entry[]): boolean {
  return (
    a.length === b.length &&
    a.every((entry) =>
      b.some(
        (other) =>
          other.manager === entry.manager &&
          other.operation === entry.operation &&
          other.apiVersion === entry.apiVersion &&
          other.subresource === entry.subresource &&
          other.fields.equals(entry.fields),
      ),
    )
  );
}

/** Bounds the list: the oldest updaters become one. */
export function cap(entries: Entry[]): Entry[] {
  const updaters = entries
    .filter((entry) => entry.operation === 'Update')
    .sort((a, b) => order(a.time ?? '', b.time ?? ''));
  if (updaters.length <= UPDATE_MANAGERS_MAX) return entries;
  const oldest = new Set(updaters.slice(0, updaters.length - UPDATE_MANAGERS_MAX + 1));
  const merged: Entry[] = [];
  for (const entry of oldest) {
    const same = merged.find((other) => other.apiVersion === entry.apiVersion);
    if (same === undefined)
      merged.push({
        manager: CAPPED_MANAGER,
        operation: 'Update',
        apiVersion: entry.apiVersion,
        subresource: '',
        time: entry.time,
        fields: entry.fields,
      });
    else {
      same.fields = same.fields.union(entry.fields);
      same.time = entry.time;
    }
  }
  return [...entries.filter((entry) => !oldest.has(entry)), ...merged];
}
