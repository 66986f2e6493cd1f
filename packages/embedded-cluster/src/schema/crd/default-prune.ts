/** Defaults and pruning of custom resources by their structural schema. (Kubernetes documentation, "CustomResourceDefinitions".) */
import { decodeObject, zeroStruct } from '../decode.ts';
import { builtinType } from '../builtin-types.ts';
import { cloneJson, isObject, type JsonObject } from '../json.ts';
import { type TypeSchema } from '../types.ts';

/** Fills a custom resource in place. A null where nulls are not allowed counts as absent when the field has a default. */
export function defaultObject(schema: TypeSchema, value: unknown): void {
  if (Array.isArray(value)) {
    if (schema.items !== undefined) for (const item of value) defaultObject(schema.items, item);
    return;
  }
  if (!isObject(value)) return;
  for (const [name, field] of Object.entries(schema.properties ?? {})) {
    if (field.typeName !== undefined) continue;
    if (field.default !== undefined && (value[name] === undefined || (value[name] === null && field.nullable !== true)))
      value[name] = cloneJson(field.default);
    if (value[name] !== undefined) defaultObject(field, value[name]);
  }
  const { additionalProperties } = schema;
  if (typeof additionalProperties !== 'object') return;
  for (const name of Object.keys(value)) {
    if (schema.properties?.[name] !== undefined) continue;
    if (value[name] === null && additionalProperties.nullable !== true && additionalProperties.default !== undefined)
      value[name] = cloneJson(additionalProperties.default);
    defaultObject(additionalProperties, value[name]);
  }
}

/** Drops nulls of fields that may not be null and have no default; they mean "not set" to many clients. */
export function dropNulls(schema: TypeSchema, value: unknown): void {
  if (Array.isArray(value)) {
    if (schema.items !== undefined) for (const item of value) dropNulls(schema.items, item);
    return;
  }
  if (!isObject(value)) return;
  for (const [name, field] of Object.entries(schema.properties ?? {})) {
    if (value[name] === null && field.nullable !== true && field.default === undefined && field.type !== undefined)
      delete value[name];
    else if (value[name] !== undefined) dropNulls(field, value[name]);
  }
  if (typeof schema.additionalProperties === 'object')
    for (const name of Object.keys(value)) dropNulls(schema.additionalProperties, value[name]);
}

/**
 * Removes fields that the schema does not know, in place.
 * @returns The paths of the removed fields in order, e.g. `spec.map[0].zz`.
 */
export function pruneObject(schema: TypeSchema, value: JsonObject): readonly string[] {
  const pruned: string[] = [];
  prune(schema, value, '', pruned);
  return pruned;
}

function prune(schema: TypeSchema, value: unknown, path: string, pruned: string[]): void {
  if (Array.isArray(value)) {
    value.forEach((item, index) =>
      prune(schema.items ?? (schema.preserveUnknownFields === true ? schema : {}), item, `${path}[${index}]`, pruned),
    );
    return;
  }
  if (!isObject(value)) return;
  const isOpen = schema.preserveUnknownFields === true;
  for (const name of Object.keys(value).sort()) {
    const at = path === '' ? name : `${path}.${name}`;
    const field =
      schema.properties !== undefined && Object.hasOwn(schema.properties, name) ? schema.properties[name] : undefined;
    if (field?.typeName !== undefined) continue;
    if (field !== undefined) prune(field, value[name], at, pruned);
    else if (typeof schema.additionalProperties === 'object')
      prune(schema.additionalProperties, value[name], at, pruned);
    else if (!isOpen && schema.additionalProperties !== true) {
      pruned.push(at);
      delete value[name];
    }
  }
}

/** The result of reading a custom resource as a client sent it. */
export interface DecodedCustom {
  readonly object: JsonObject;
  /** `unknown field "spec.foo"`, for warnings or the strict error. */
  readonly unknownFields: readonly string[];
  /** What does not fit the types of `metadata`: the text of a 400. */
  readonly error?: string;
}

/** Reads a custom resource: a typed `metadata`, everything else pruned and defaulted. The input is not changed. */
export function decodeCustom(schema: TypeSchema, document: JsonObject): DecodedCustom {
  const object = cloneJson(document);
  const unknown: string[] = [];
  const problem = decodeMetadata(object, unknown, 'metadata');
  if (problem !== undefined) return { object, unknownFields: [], error: problem };
  const pruned = pruneObject(schema, object).map((path) => `unknown field ${JSON.stringify(path)}`);
  const embedded = decodeEmbedded(schema, object, unknown);
  if (embedded !== undefined) return { object, unknownFields: [], error: embedded };
  defaultObject(schema, object);
  dropNulls(schema, object);
  return { object, unknownFields: [...unknown, ...pruned] };
}

function decodeMetadata(object: JsonObject, unknown: string[], path: string): string | undefined {
  const metadata = object['metadata'];
  if (metadata === undefined || metadata === null) {
    object['metadata'] = zeroStruct(builtinType('meta.v1.ObjectMeta'));
    return undefined;
  }
  const wrapper: TypeSchema = {
    type: 'object',
    typeName: 'meta.v1.ObjectMeta',
    properties: builtinType('meta.v1.ObjectMeta').properties ?? {},
    ...pickPresence(),
  };
  if (!isObject(metadata))
    return `json: cannot unmarshal ${Array.isArray(metadata) ? 'array' : typeof metadata} into Go value of type v1.ObjectMeta`;
  const decoded = decodeObject(wrapper, metadata);
  if (decoded.error !== undefined) return decoded.error;
  object['metadata'] = decoded.object;
  unknown.push(...decoded.unknownFields.map((text) => text.replace('unknown field "', `unknown field "${path}.`)));
  return undefined;
}

function pickPresence(): Pick<TypeSchema, 'keptWhenZero' | 'alwaysPresent'> {
  const { keptWhenZero, alwaysPresent } = builtinType('meta.v1.ObjectMeta');
  return {
    ...(keptWhenZero === undefined ? {} : { keptWhenZero }),
    ...(alwaysPresent === undefined ? {} : { alwaysPresent }),
  };
}

function decodeEmbedded(schema: TypeSchema, value: unknown, unknown: string[], path = ''): string | undefined {
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) {
      const problem =
        schema.items === undefined ? undefined : decodeEmbedded(schema.items, item, unknown, `${path}[${index}]`);
      if (problem !== undefined) return problem;
    }
    return undefined;
  }
  if (!isObject(value)) return undefined;
  if (path !== '' && schema.embeddedResource === true && value['metadata'] !== undefined) {
    const problem = decodeMetadata(value, unknown, `${path}.metadata`);
    if (problem !== undefined) return problem;
  }
  for (const [name, field] of Object.entries(schema.properties ?? {})) {
    if (field.typeName !== undefined || value[name] === undefined) continue;
    const problem = decodeEmbedded(field, value[name], unknown, path === '' ? name : `${path}.${name}`);
    if (problem !== undefined) return problem;
  }
  if (typeof schema.additionalProperties !== 'object') return undefined;
  for (const name of Object.keys(value)) {
    const problem = decodeEmbedded(schema.additionalProperties, value[name], unknown, `${path}.${name}`);
    if (problem !== undefined) return problem;
  }
  return undefined;
}
