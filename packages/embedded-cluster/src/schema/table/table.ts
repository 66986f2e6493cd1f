/**
 * Tables: the answer to `Accept: application/json;as=Table`, from which `kubectl get` prints.
 * (Kubernetes API concepts, "Receiving resources as Tables".)
 */
import { isObject, objectAt, stringAt, type JsonObject } from '../json.ts';
import { ageOf } from '../times.ts';
import { apiVersionOf, type GroupVersionKind } from '../types.ts';
import { BUILTIN_TABLES } from './builtin-tables.ts';
import { type Cell } from './cells.ts';
import { selectPath } from './json-path.ts';

export interface ColumnDefinition {
  readonly name: string;
  readonly type: string;
  readonly format: string;
  readonly description: string;
  /** 0 always shown, 1 only with `-o wide`. */
  readonly priority: number;
}

/** A column of a custom resource (`additionalPrinterColumns`). */
export interface PrinterColumn {
  readonly name: string;
  readonly type: string;
  readonly jsonPath: string;
  readonly format?: string;
  readonly description?: string;
  readonly priority?: number;
}

/** What of each object comes with its row: `includeObject` of the request. */
export type IncludeObject = 'None' | 'Metadata' | 'Object';

export interface TableOptions {
  /** For ages, milliseconds since the epoch. */
  readonly nowMs: number;
  /** `Metadata` unless the client asks otherwise. */
  readonly includeObject?: IncludeObject;
  /** The list's metadata: resourceVersion, continue, remainingItemCount. */
  readonly metadata?: JsonObject;
}

const NAME_COLUMN: ColumnDefinition = {
  name: 'Name',
  type: 'string',
  format: 'name',
  description: 'Name of the object, unique within its namespace.',
  priority: 0,
};

/** The table of built-in objects; kinds without columns of their own show name and creation time. */
export function tableFor(gvk: GroupVersionKind, objects: readonly JsonObject[], options: TableOptions): JsonObject {
  const table = BUILTIN_TABLES[`${apiVersionOf(gvk)}/${gvk.kind}`];
  if (table === undefined) {
    const columns = [NAME_COLUMN, column('Created At|date')];
    return assemble(
      columns,
      objects,
      (object) => [nameOf(object), stringAt(object, 'metadata', 'creationTimestamp') ?? '<unknown>'],
      options,
    );
  }
  const names = table.columns.map((text) => (text === 'Name' ? NAME_COLUMN : column(text)));
  return assemble(names, objects, (object) => table.cells(object, options.nowMs), options);
}

/** The table of a custom resource; without columns of its own, name and age. */
export function tableForColumns(
  columns: readonly PrinterColumn[] | undefined,
  objects: readonly JsonObject[],
  options: TableOptions,
): JsonObject {
  const shown: readonly PrinterColumn[] =
    columns === undefined || columns.length === 0
      ? [{ name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp', description: 'Time since creation.' }]
      : columns;
  const definitions = [
    NAME_COLUMN,
    ...shown.map(({ name, type, format = '', description = '', priority = 0 }) => ({
      name,
      type,
      format,
      description,
      priority,
    })),
  ];
  return assemble(
    definitions,
    objects,
    (object) => [nameOf(object), ...shown.map((definition) => customCell(definition, object, options.nowMs))],
    options,
  );
}

/** `Name|type|priority` to a column; the type defaults to string, the priority to 0. */
function column(text: string): ColumnDefinition {
  const [name = '', type = 'string', priority = '0'] = text.split('|');
  return {
    name,
    type: type === '' ? 'string' : type,
    format: name === 'Name' || name === 'Attacher' ? 'name' : '',
    description: name,
    priority: Number(priority),
  };
}

function assemble(
  columnDefinitions: readonly ColumnDefinition[],
  objects: readonly JsonObject[],
  cells: (object: JsonObject) => readonly Cell[],
  options: TableOptions,
): JsonObject {
  return {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata: options.metadata ?? {},
    columnDefinitions,
    rows: objects.map((object) => ({
      cells: cells(object),
      object: rowObject(object, options.includeObject ?? 'Metadata'),
    })),
  };
}

function rowObject(object: JsonObject, include: IncludeObject): JsonObject | null {
  if (include === 'None') return null;
  if (include === 'Object') return object;
  return { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: objectAt(object, 'metadata') };
}

function nameOf(object: JsonObject): string {
  return stringAt(object, 'metadata', 'name') ?? '';
}

/** A cell of a column: the first value that its path selects, or null when there is none of the column's type. */
function customCell(definition: PrinterColumn, object: JsonObject, nowMs: number): Cell {
  const [value] = selectPath(definition.jsonPath, object);
  if (value === undefined || value === null) return null;
  switch (definition.type) {
    case 'integer':
      return typeof value === 'number' ? Math.trunc(value) : null;
    case 'number':
      return typeof value === 'number' ? value : null;
    case 'boolean':
      return typeof value === 'boolean' ? value : null;
    case 'date':
      return typeof value === 'string' ? dateCell(value, nowMs) : null;
    default:
      return typeof value === 'string' ? value : sortedJson(value);
  }
}

function dateCell(value: string, nowMs: number): string {
  const age = ageOf(value, nowMs);
  return age === '<unknown>' ? '<invalid>' : age;
}

function sortedJson(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) =>
    isObject(item) ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1))) : item,
  );
}
