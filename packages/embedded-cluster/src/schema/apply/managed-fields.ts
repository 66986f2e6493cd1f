/**
 * Field management: what every writer of an object owns, kept in `metadata.managedFields`, and server-side apply on it.
 * (KEP-555; Kubernetes documentation, "Server-Side Apply".)
 *
 * A manager is the writer's name with its operation (Apply or Update), API version and subresource.
 */
import { failure, type StatusObject } from '../field-error.ts';
import { canonicalJson, cloneJson, isObject, objectAt, stringAt, type JsonObject } from '../json.ts';
import { zeroStruct } from '../decode.ts';
import { type TypeSchema } from '../types.ts';
import { MeshError } from '@mesh/runtime';
import { cap, describe, hasEntries, readEntries, sameEntries, writeEntries, type Entry } from './entries.ts';
import { FieldSet } from './field-set.ts';
import {
  compare,
  DEDUCED,
  fieldsOf,
  isSame,
  mergeTyped,
  removeFields,
  typeErrors,
  withNamedParents,
  type Comparison,
} from './typed.ts';

/** Who writes, through what, and when. */
export interface ManagerContext {
  /** The field manager; for updates the API server falls back to the user agent's first part. */
  readonly manager: string;
  /** The API version of the request, e.g. `apps/v1`. */
  readonly apiVersion: string;
  readonly subresource?: string;
  /** The object's type; undefined for objects without one: their structure is deduced. */
  readonly schema: TypeSchema | undefined;
  /** RFC 3339 time of the request. */
  readonly now: string;
  /** Fields that this endpoint ignores, e.g. `status` for the main resource; see `resetFields`. */
  readonly reset?: readonly string[];
}

export interface ApplyInput extends ManagerContext {
  /** The stored object, or undefined when the apply creates it. */
  readonly live: JsonObject | undefined;
  /** The applied configuration as the client sent it. */
  readonly config: JsonObject;
  readonly force: boolean;
}

export interface Conflict {
  /** `"name"`, or `"name" using v1` with subresource where there is one: as messages name the other manager. */
  readonly with: string;
  readonly field: string;
}

export interface ApplyResult {
  /** The live object with the configuration laid over it and `managedFields` brought up to date; unusable on conflicts. */
  readonly object: JsonObject;
  readonly conflicts: readonly Conflict[];
  /** False when neither values nor ownership changed: nothing needs to be stored. */
  readonly hasChanged: boolean;
}

/** A configuration that is not a value of its type; `status` is the API server's answer. */
export class ApplyError extends MeshError<{ readonly code: 'apply_invalid' }> {
  override readonly name = 'ApplyError';
  readonly status: StatusObject;

  constructor(status: StatusObject) {
    super({ code: 'apply_invalid' }, status.message);
    this.status = status;
  }
}

const FIRST_MANAGER = 'before-first-apply';

/** Never owned by anybody. */
const STRIPPED = new FieldSet();
for (const path of [
  ['apiVersion'],
  ['kind'],
  ['metadata'],
  ...[
    'name',
    'namespace',
    'creationTimestamp',
    'selfLink',
    'uid',
    'clusterName',
    'generation',
    'managedFields',
    'resourceVersion',
  ].map((name) => ['metadata', name]),
]) {
  STRIPPED.insert(path.map((name) => `f:${name}`));
}

/** What the main resource or a subresource ignores: the main resource the status where it has its own endpoint, the status all else. */
export function resetFields(subresource: string | undefined, hasStatus: boolean): readonly string[] {
  if (subresource === 'status') return ['spec'];
  return subresource === undefined && hasStatus ? ['status'] : [];
}

/**
 * Applies a configuration.
 * @throws ApplyError when the configuration names its managed fields or does not fit the type.
 */
export function applyPatch(input: ApplyInput): ApplyResult {
  const schema = input.schema ?? DEDUCED;
  const config = withoutManagedFields(input);
  checkConfig(config, schema, input.apiVersion);
  const live = input.live ?? emptyObject(schema, config);
  let entries = readEntries(live);
  const bare = withoutManaged(live);
  if (entries.length === 0 && input.live !== undefined) entries = firstEntries(bare, schema, input);
  const before = entries.map((entry) => ({ ...entry }));

  const self = findEntry(entries, input, 'Apply');
  const last = self?.fields;
  const owned = fieldsOf(schema, config).difference(STRIPPED).without(resetSet(input.reset));
  const entry: Entry = self ?? {
    manager: input.manager,
    operation: 'Apply',
    apiVersion: input.apiVersion,
    subresource: input.subresource ?? '',
    time: undefined,
    fields: owned,
  };
  entry.fields = owned;
  entries = [...entries.filter((other) => other !== self), entry];

  let object = mergeTyped(schema, bare, config) as JsonObject;
  if (last !== undefined && !last.isEmpty()) object = prune(schema, object, last, entries);
  object = cloneJson(object);
  const comparison = without(compare(schema, bare, object), resetSet(input.reset));
  const conflicts = settle(entries, entry, comparison);
  if (conflicts.length > 0 && !input.force) return { object, conflicts, hasChanged: false };
  const hasOwnershipChanged = !sameEntries(before, entries);
  if (!isSame(comparison) || input.live === undefined) entry.time = input.now;
  entry.time ??= input.now;
  writeEntries(object, entries);
  if (input.manager === 'kubectl') renewLastApplied(object, config);
  return { object, conflicts: [], hasChanged: input.live === undefined || hasOwnershipChanged || !isSame(comparison) };
}

const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';

/** Keeps the annotation of client-side apply in step, so that `kubectl` may go back to it. */
function renewLastApplied(object: JsonObject, config: JsonObject): void {
  const annotations = objectAt(object, 'metadata', 'annotations');
  if (annotations[LAST_APPLIED] === undefined) return;
  const applied = cloneJson(config);
  const own = objectAt(applied, 'metadata', 'annotations');
  delete own[LAST_APPLIED];
  if (Object.keys(own).length === 0) delete objectAt(applied, 'metadata')['annotations'];
  annotations[LAST_APPLIED] = `${canonicalJson(applied)}\n`;
}

export interface UpdateInput extends ManagerContext {
  /** The stored object, or undefined on creation. */
  readonly before: JsonObject | undefined;
  /** The object as the client wants it, decoded and defaulted, before admission changes it. */
  readonly after: JsonObject;
}

/**
 * Records an update, patch or creation: the changed fields belong to the manager, and to nobody else any more.
 * @returns `after` with `metadata.managedFields`; the input is not changed.
 */
export function updateManagers(input: UpdateInput): JsonObject {
  const schema = input.schema ?? DEDUCED;
  const { before } = input;
  const object = cloneJson(input.after);
  if (isReset(input.after)) return withoutManaged(object);
  // A client that leaves the ownership out does not change it.
  const metadata = objectAt(object, 'metadata');
  if (!hasEntries(object) && before !== undefined && hasEntries(before))
    metadata['managedFields'] = cloneJson(objectAt(before, 'metadata')['managedFields']);
  // What was never recorded is not recorded by an update either.
  if (before !== undefined && !hasEntries(before)) return object;
  const bare = before === undefined ? emptyObject(schema, input.after) : withoutManaged(before);
  const comparison = without(compare(schema, bare, withoutManaged(object)), resetSet(input.reset));
  if (isSame(comparison)) return object;
  const taken = comparison.added.union(comparison.modified).difference(STRIPPED);
  const entries = readEntries(object);
  settle(entries, undefined, comparison);
  if (!taken.isEmpty()) {
    const self = findEntry(entries, input, 'Update');
    if (self === undefined) {
      const { manager, apiVersion, subresource = '', now } = input;
      entries.push({ manager, operation: 'Update', apiVersion, subresource, time: now, fields: taken });
    } else {
      self.fields = self.fields.union(taken);
      self.time = input.now;
    }
  }
  writeEntries(object, cap(entries));
  return object;
}

/** The 409 that lists the conflicts of an apply. */
export function conflictStatus(conflicts: readonly Conflict[]): StatusObject {
  const byManager = new Map<string, string[]>();
  for (const { with: manager, field } of conflicts) byManager.set(manager, [...(byManager.get(manager) ?? []), field]);
  const first = conflicts[0];
  const detail =
    conflicts.length === 1 && first !== undefined
      ? `conflict with ${first.with}: ${first.field}`
      : [...byManager.keys()]
          .sort()
          .map(
            (manager) =>
              `conflicts with ${manager}:\n${(byManager.get(manager) ?? []).map((field) => `- ${field}`).join('\n')}`,
          )
          .join('\n');
  const message = `Apply failed with ${conflicts.length} conflict${conflicts.length === 1 ? '' : 's'}: ${detail}`;
  const causes = conflicts.map((conflict) => ({
    reason: 'FieldManagerConflict',
    message: `conflict with ${conflict.with}`,
    field: conflict.field,
  }));
  return failure(409, 'Conflict', message, { causes });
}

function withoutManagedFields({ config }: ApplyInput): JsonObject {
  const metadata = config['metadata'];
  if (isObject(metadata) && metadata['managedFields'] !== undefined && metadata['managedFields'] !== null)
    throw new ApplyError(failure(400, 'BadRequest', 'metadata.managedFields must be nil'));
  return config;
}

function checkConfig(config: JsonObject, schema: TypeSchema, apiVersion: string): void {
  const errors = typeErrors(schema, config);
  if (errors.length === 0) return;
  const name = stringAt(config, 'metadata', 'name') ?? '';
  const namespace = stringAt(config, 'metadata', 'namespace') ?? '';
  const version = apiVersion.includes('/') ? apiVersion : `/${apiVersion}`;
  const detail = errors.length === 1 ? errors[0] : `errors:\n${errors.map((error) => `  ${error}`).join('\n')}`;
  throw new ApplyError(
    failure(
      500,
      '',
      `failed to create typed patch object (${namespace}/${name}; ${version}, Kind=${stringAt(config, 'kind') ?? ''}): ${detail}`,
    ),
  );
}

/** What an object of the type is before anybody wrote it: the structs that are always there. */
function emptyObject(schema: TypeSchema, like: JsonObject): JsonObject {
  return { ...zeroStruct(schema), apiVersion: like['apiVersion'], kind: like['kind'] };
}

/** An object that nobody's fields were recorded for: all that it has belongs to a placeholder. */
function firstEntries(live: JsonObject, schema: TypeSchema, context: ManagerContext): Entry[] {
  const { added, modified } = compare(schema, emptyObject(schema, live), live);
  const fields = added.union(modified).difference(STRIPPED);
  return fields.isEmpty()
    ? []
    : [
        {
          manager: FIRST_MANAGER,
          operation: 'Update',
          apiVersion: context.apiVersion,
          subresource: '',
          time: context.now,
          fields,
        },
      ];
}

/**
 * Takes away what the applier owned and no longer applies, unless another manager owns it: first everything that it
 * owned, then back comes what others own and what it never owned by itself.
 */
function prune(schema: TypeSchema, merged: JsonObject, last: FieldSet, entries: readonly Entry[]): JsonObject {
  const lastNamed = withNamedParents(last, schema);
  const all = withNamedParents(fieldsOf(schema, merged), schema);
  const named = (value: unknown): FieldSet => withNamedParents(fieldsOf(schema, value), schema);
  let managed = new FieldSet();
  for (const { fields } of entries) managed = managed.union(fields);
  const bare = removeFields(schema, merged, lastNamed);
  const kept = named(bare).union(withNamedParents(managed, schema));
  const withOwned = removeFields(schema, merged, all.difference(kept));
  const gone = all.difference(named(withOwned)).intersection(lastNamed);
  return (removeFields(schema, merged, gone) ?? {}) as JsonObject;
}

/** Takes changed and removed fields from the other managers; gives the fields that they would lose by changed values. */
function settle(entries: Entry[], self: Entry | undefined, comparison: Comparison): Conflict[] {
  const changed = comparison.modified.union(comparison.added);
  const conflicts: Conflict[] = [];
  for (const entry of entries) {
    if (entry === self) continue;
    const lost = entry.fields.intersection(changed);
    conflicts.push(...lost.paths().map((field) => ({ with: describe(entry), field })));
    if (!lost.isEmpty()) entry.fields = entry.fields.difference(lost);
    if (!comparison.removed.isEmpty()) entry.fields = entry.fields.difference(comparison.removed);
  }
  for (let index = entries.length - 1; index >= 0; index -= 1)
    if (entries[index]?.fields.isEmpty() === true) entries.splice(index, 1);
  return conflicts;
}

function without(comparison: Comparison, ignored: FieldSet): Comparison {
  return {
    added: comparison.added.without(ignored),
    modified: comparison.modified.without(ignored),
    removed: comparison.removed.without(ignored),
  };
}

function resetSet(reset: readonly string[] | undefined): FieldSet {
  const set = new FieldSet();
  for (const path of reset ?? []) set.insert(path.split('.').map((name) => `f:${name}`));
  return set;
}

function findEntry(entries: readonly Entry[], context: ManagerContext, operation: string): Entry | undefined {
  return entries.find(
    (entry) =>
      entry.manager === context.manager &&
      entry.operation === operation &&
      entry.apiVersion === context.apiVersion &&
      entry.subresource === (context.subresource ?? ''),
  );
}

/** A client clears all ownership by writing a list with one empty entry, or no list elements at all. */
function isReset(object: JsonObject): boolean {
  const managed = objectAt(object, 'metadata')['managedFields'];
  return Array.isArray(managed) && managed.every((entry) => isObject(entry) && Object.keys(entry).length === 0);
}

function withoutManaged(object: JsonObject): JsonObject {
  const metadata = object['metadata'];
  if (!isObject(metadata)) return object;
  const { managedFields: _gone, ...rest } = metadata;
  return { ...object, metadata: rest };
}
