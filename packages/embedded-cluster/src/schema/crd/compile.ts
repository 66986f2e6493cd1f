/**
 * From the `openAPIV3Schema` of a custom resource's version to the form of types that everything else here uses.
 */
import { builtinType } from '../builtin-types.ts';
import { isObject, listAt, type JsonObject } from '../json.ts';
import { type TypeSchema } from '../types.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Keywords whose values are taken over as they are. */
const PLAIN = [
  'type',
  'format',
  'description',
  'title',
  'pattern',
  'nullable',
  'default',
  'enum',
  'required',
  'minimum',
  'maximum',
  'exclusiveMinimum',
  'exclusiveMaximum',
  'multipleOf',
  'minLength',
  'maxLength',
  'minItems',
  'maxItems',
  'uniqueItems',
  'minProperties',
  'maxProperties',
] as const;
const RENAMED = {
  'x-kubernetes-int-or-string': 'intOrString',
  'x-kubernetes-preserve-unknown-fields': 'preserveUnknownFields',
  'x-kubernetes-embedded-resource': 'embeddedResource',
  'x-kubernetes-list-type': 'listType',
  'x-kubernetes-list-map-keys': 'listMapKeys',
  'x-kubernetes-map-type': 'mapType',
} as const;

const STRING: TypeSchema = { type: 'string' };

/**
 * Compiles the schema of a custom resource: the root gets `apiVersion`, `kind` and a typed `metadata`.
 * Call `checkStructural` before; on other schemas the result is best effort.
 */
export function compileSchema(openAPIV3Schema: unknown): TypeSchema {
  const root = compileNode(openAPIV3Schema);
  return withResourceFields({ ...root, type: 'object' });
}

function withResourceFields(schema: TypeSchema): TypeSchema {
  return {
    ...schema,
    properties: { ...schema.properties, apiVersion: STRING, kind: STRING, metadata: builtinType('meta.v1.ObjectMeta') },
  };
}

/** Compiles a part of a schema. */
export function compileNode(node: unknown): TypeSchema {
  if (!isObject(node)) return {};
  const schema: Record<string, unknown> = {};
  for (const key of PLAIN) if (node[key] !== undefined) schema[key] = node[key];
  for (const [key, name] of Object.entries(RENAMED)) if (node[key] !== undefined) schema[name] = node[key];
  if (isObject(node['properties'])) schema['properties'] = compileMap(node['properties']);
  if (isObject(node['additionalProperties']))
    schema['additionalProperties'] = compileNode(node['additionalProperties']);
  else if (typeof node['additionalProperties'] === 'boolean')
    schema['additionalProperties'] = node['additionalProperties'];
  if (isObject(node['items'])) schema['items'] = compileNode(node['items']);
  for (const key of ['allOf', 'anyOf', 'oneOf'] as const)
    if (Array.isArray(node[key])) schema[key] = listAt(node, key).map((part) => compileNode(part));
  if (isObject(node['not'])) schema['not'] = compileNode(node['not']);
  const rules = listAt(node, 'x-kubernetes-validations');
  if (rules.length > 0) schema['validations'] = rules;
  const compiled = schema as Mutable<TypeSchema>;
  return compiled.embeddedResource === true ? withResourceFields(compiled) : compiled;
}

function compileMap(properties: JsonObject): Record<string, TypeSchema> {
  return Object.fromEntries(Object.entries(properties).map(([name, schema]) => [name, compileNode(schema)]));
}
