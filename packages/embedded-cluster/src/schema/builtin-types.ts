/**
 * Type schemas of the built-in kinds: the generated structure joined with the hand-kept markers, on first use.
 */
import { readFileSync } from 'node:fs';
import { ATOMIC_STRUCTS, FIELD_MARKERS, KEY_DEFAULTS } from './builtin-markers.ts';
import { ALWAYS_OTHERS, ALWAYS_STRUCTS, ALWAYS_TIMES, KEPT_WHEN_ZERO } from './builtin-presence.ts';
import { type GroupVersionKind, type ListType, type TypeSchema } from './types.ts';

interface GeneratedTypes {
  readonly types: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly kinds: Readonly<Record<string, string>>;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

interface Loaded {
  readonly generated: GeneratedTypes;
  readonly schemas: Map<string, TypeSchema>;
}

const PACKAGES: Readonly<Record<string, string>> = {
  'meta.v1': 'io.k8s.apimachinery.pkg.apis.meta.v1',
  'apiextensions.v1': 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1',
  'apiregistration.v1': 'io.k8s.kube-aggregator.pkg.apis.apiregistration.v1',
};

const SCALARS: Readonly<Record<string, TypeSchema>> = {
  s: { type: 'string' },
  b: { type: 'boolean' },
  i32: { type: 'integer', format: 'int32' },
  i64: { type: 'integer', format: 'int64' },
  f64: { type: 'number', format: 'double' },
  time: { type: 'string', format: 'date-time', nullable: true },
  micro: { type: 'string', format: 'date-time', nullable: true, micro: true },
  bytes: { type: 'string', format: 'byte' },
  ios: { intOrString: true },
  any: {},
};

/** Free-form values whose type the models only give as "any". */
const FREE_FORM: Readonly<Record<string, TypeSchema>> = {
  'meta.v1.ManagedFieldsEntry.fieldsV1': { type: 'object', preserveUnknownFields: true, mapType: 'atomic' },
};

// The generated file is read at first use only; what it becomes never changes afterwards.
let loaded: Loaded | undefined;

/** The type of a built-in kind (lists included), or undefined. */
export function schemaFor(gvk: GroupVersionKind): TypeSchema | undefined {
  const { generated } = load();
  const key = `${gvk.group}/${gvk.version}/${gvk.kind}`;
  return Object.hasOwn(generated.kinds, key) ? builtinType(generated.kinds[key] ?? '') : undefined;
}

/** A built-in struct by its short name, e.g. `core.v1.PodSpec` or `meta.v1.ObjectMeta`. */
export function builtinType(id: string): TypeSchema {
  const { generated, schemas } = load();
  const known = schemas.get(id);
  if (known !== undefined) return known;
  const fields = generated.types[id];
  if (fields === undefined) throw new RangeError(`no built-in type ${id}`);
  const properties: Record<string, TypeSchema> = {};
  const schema: Mutable<TypeSchema> = { type: 'object', typeName: publishedName(id), properties };
  schemas.set(id, schema);
  if (ATOMIC_STRUCTS.has(id)) schema.mapType = 'atomic';
  const required: string[] = [];
  for (const [name, code] of Object.entries(fields)) {
    if (code.endsWith('!')) required.push(name);
    properties[name] = fieldSchema(id, name, code.replace(/!$/, ''));
  }
  if (required.length > 0) schema.required = required;
  addPresence(id, schema, fields);
  return schema;
}

function addPresence(id: string, schema: Mutable<TypeSchema>, fields: Readonly<Record<string, string>>): void {
  const kept = words(KEPT_WHEN_ZERO[id]);
  const always = new Map<string, unknown>();
  for (const [name, code] of Object.entries(fields)) {
    if (code === '@meta.v1.ObjectMeta' || code === '@meta.v1.ListMeta') always.set(name, {});
    else if (code.endsWith('!') && !kept.includes(name)) always.set(name, ZERO_VALUES[code.replace(/!$/, '')] ?? null);
  }
  for (const name of words(ALWAYS_STRUCTS[id])) always.set(name, {});
  for (const name of words(ALWAYS_TIMES[id])) always.set(name, null);
  for (const name of words(ALWAYS_OTHERS[id])) always.set(name, ZERO_VALUES[fields[name] ?? ''] ?? null);
  if (kept.length > 0) schema.keptWhenZero = new Set(kept);
  if (always.size > 0) schema.alwaysPresent = always;
}

const ZERO_VALUES: Readonly<Record<string, unknown>> = { s: '', b: false, i32: 0, i64: 0, f64: 0, ios: 0 };

function words(text: string | undefined): readonly string[] {
  return text?.split(' ') ?? [];
}

/** The kinds that have a type, e.g. for the published documents. */
export function builtinKinds(): readonly GroupVersionKind[] {
  return Object.keys(load().generated.kinds).map((key) => {
    const [group = '', version = '', kind = ''] = key.split('/');
    return { group, version, kind };
  });
}

function load(): Loaded {
  loaded ??= {
    generated: JSON.parse(readFileSync(new URL('gen/builtin-types.json', import.meta.url), 'utf8')) as GeneratedTypes,
    schemas: new Map(),
  };
  return loaded;
}

function publishedName(id: string): string {
  const dot = id.lastIndexOf('.');
  const pkg = id.slice(0, dot);
  return `${PACKAGES[pkg] ?? `io.k8s.api.${pkg}`}.${id.slice(dot + 1)}`;
}

function fieldSchema(id: string, name: string, code: string): TypeSchema {
  const marker = FIELD_MARKERS[id]?.[name];
  const base = FREE_FORM[`${id}.${name}`] ?? typeOf(code, marker?.includes('quantity') ?? false);
  const fallback = KEY_DEFAULTS[`${id}.${name}`];
  if (marker === undefined && fallback === undefined) return base;
  const schema: Mutable<TypeSchema> = { ...base };
  if (fallback !== undefined) schema.default = fallback;
  for (const word of marker?.split('; ') ?? []) applyMarker(schema, word);
  return schema;
}

function applyMarker(schema: Mutable<TypeSchema>, marker: string): void {
  const [word, first, second] = marker.split(' ');
  if (word === 'set' || word === 'map') {
    schema.listType = word satisfies ListType;
    if (first !== undefined) schema.listMapKeys = first.split(',');
  } else if (word === 'atomic' || word === 'granular') {
    schema.mapType = word;
  } else if (word === 'patch') {
    if (first !== undefined) schema.patchStrategy = first;
    if (second !== undefined) schema.patchMergeKey = second;
  }
}

function typeOf(code: string, quantity: boolean): TypeSchema {
  if (code.startsWith('[]')) return { type: 'array', items: typeOf(code.slice(2), quantity) };
  if (code.startsWith('{}')) return { type: 'object', additionalProperties: typeOf(code.slice(2), quantity) };
  if (code.startsWith('@')) return builtinType(code.slice(1));
  if (quantity && code === 's') return { type: 'string', quantity: true };
  const scalar = SCALARS[code];
  if (scalar === undefined) throw new RangeError(`no built-in type code ${code}`);
  return scalar;
}
