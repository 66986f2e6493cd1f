/**
 * Types as OpenAPI components: of built-in structs under their published names, of custom resources under the reversed
 * group. OpenAPI v2 and v3 differ in where references point and in how nulls and alternatives are written.
 */
import { builtinType, schemaFor } from '../builtin-types.ts';
import { cloneJson, isObject, type JsonObject } from '../json.ts';
import { type TypeSchema } from '../types.ts';

export type OpenapiVersion = 2 | 3;

const INT_OR_STRING = 'io.k8s.apimachinery.pkg.util.intstr.IntOrString';
const QUANTITY = 'io.k8s.apimachinery.pkg.api.resource.Quantity';
const OBJECT_META = 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta';
const LIST_META = 'io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta';

/** A kind of a group and version, built in (without `schema`) or custom. */
export interface OpenapiKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  /** The `openAPIV3Schema` of a custom resource's version; absent for built-in kinds. */
  readonly schema?: JsonObject;
  readonly listKind?: string;
}

/** Collects the components of one document. */
export class Components {
  readonly #version: OpenapiVersion;
  readonly #schemas = new Map<string, JsonObject>();

  constructor(version: OpenapiVersion) {
    this.#version = version;
  }

  /** The collected components, sorted by name. */
  toJson(): JsonObject {
    return Object.fromEntries([...this.#schemas].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  reference(name: string): JsonObject {
    return { $ref: `${this.#version === 3 ? '#/components/schemas/' : '#/definitions/'}${name}` };
  }

  /** Adds a kind and its list; gives the names of both. */
  addKind(kind: OpenapiKind): { readonly name: string; readonly listName: string } | undefined {
    return kind.schema === undefined ? this.#addBuiltin(kind) : this.#addCustom(kind, kind.schema);
  }

  /** Adds a built-in struct by its short name, e.g. `meta.v1.Status`. */
  addType(id: string): string {
    return this.#add(builtinType(id));
  }

  #addBuiltin(kind: OpenapiKind): { name: string; listName: string } | undefined {
    const schema = schemaFor(kind);
    if (schema?.typeName === undefined) return undefined;
    const name = this.#add(schema);
    this.#mark(name, kind, kind.kind);
    const list = schemaFor({ ...kind, kind: `${kind.kind}List` });
    const listName = list === undefined ? name : this.#add(list);
    if (list !== undefined) this.#mark(listName, kind, `${kind.kind}List`);
    return { name, listName };
  }

  #addCustom(kind: OpenapiKind, raw: JsonObject): { name: string; listName: string } {
    const prefix = `${kind.group.split('.').reverse().join('.')}.${kind.version}`;
    const name = `${prefix}.${kind.kind}`;
    const listKind = kind.listKind ?? `${kind.kind}List`;
    const listName = `${prefix}.${listKind}`;
    this.#add(builtinType('meta.v1.ObjectMeta'));
    this.#add(builtinType('meta.v1.ListMeta'));
    const schema = this.#version === 3 ? cloneJson(raw) : toVersion2(cloneJson(raw));
    const properties: JsonObject = {
      apiVersion: { type: 'string' },
      kind: { type: 'string' },
      metadata: this.reference(OBJECT_META),
    };
    schema['properties'] = { ...(isObject(schema['properties']) ? schema['properties'] : {}), ...properties };
    this.#schemas.set(name, schema);
    this.#mark(name, kind, kind.kind);
    this.#schemas.set(listName, {
      type: 'object',
      required: ['items'],
      properties: {
        apiVersion: { type: 'string' },
        items: { type: 'array', items: this.reference(name) },
        kind: { type: 'string' },
        metadata: this.reference(LIST_META),
      },
    });
    this.#mark(listName, kind, listKind);
    return { name, listName };
  }

  #mark(name: string, { group, version }: OpenapiKind, kind: string): void {
    const schema = this.#schemas.get(name);
    if (schema === undefined) return;
    const mark = { group, version, kind };
    const known = Array.isArray(schema['x-kubernetes-group-version-kind'])
      ? (schema['x-kubernetes-group-version-kind'] as unknown[])
      : [];
    if (!known.some((other) => JSON.stringify(other) === JSON.stringify(mark)))
      schema['x-kubernetes-group-version-kind'] = [...known, mark];
  }

  #add(schema: TypeSchema): string {
    const name = schema.typeName ?? '';
    if (this.#schemas.has(name)) return name;
    const component: JsonObject = { type: 'object' };
    this.#schemas.set(name, component);
    if (schema.required !== undefined) component['required'] = schema.required;
    const properties: JsonObject = {};
    for (const [field, type] of Object.entries(schema.properties ?? {})) {
      const property = this.#convert(type);
      // Lists are atomic unless they say otherwise; the items of a list object are not managed at all.
      if (type.type === 'array' && type.listType === undefined && !(field === 'items' && name.endsWith('List')))
        property['x-kubernetes-list-type'] = 'atomic';
      properties[field] = property;
    }
    if (Object.keys(properties).length > 0) component['properties'] = properties;
    if (schema.mapType !== undefined) component['x-kubernetes-map-type'] = schema.mapType;
    return name;
  }

  #convert(schema: TypeSchema): JsonObject {
    const extensions = extensionsOf(schema);
    const named = this.#namedReference(schema);
    if (named !== undefined)
      return Object.keys(extensions).length === 0
        ? named
        : this.#version === 3
          ? { allOf: [named], ...extensions }
          : { ...named, ...extensions };
    const result: JsonObject = {};
    if (schema.type !== undefined) result['type'] = schema.type;
    if (schema.format !== undefined) result['format'] = schema.format;
    if (schema.default !== undefined && this.#version === 3) result['default'] = schema.default;
    if (schema.items !== undefined) result['items'] = this.#convert(schema.items);
    if (typeof schema.additionalProperties === 'object')
      result['additionalProperties'] = this.#convert(schema.additionalProperties);
    return { ...result, ...extensions };
  }

  #namedReference(schema: TypeSchema): JsonObject | undefined {
    if (schema.typeName !== undefined) return this.reference(this.#add(schema));
    if (schema.quantity === true && schema.type === 'string') {
      this.#schemas.set(
        QUANTITY,
        this.#version === 3 ? { oneOf: [{ type: 'string' }, { type: 'number' }] } : { type: 'string' },
      );
      return this.reference(QUANTITY);
    }
    if (schema.intOrString !== true) return undefined;
    this.#schemas.set(
      INT_OR_STRING,
      this.#version === 3
        ? { format: 'int-or-string', oneOf: [{ type: 'integer' }, { type: 'string' }] }
        : { type: 'string', format: 'int-or-string' },
    );
    return this.reference(INT_OR_STRING);
  }
}

function extensionsOf(schema: TypeSchema): JsonObject {
  const result: JsonObject = {};
  if (schema.listType !== undefined) result['x-kubernetes-list-type'] = schema.listType;
  if (schema.listMapKeys !== undefined) result['x-kubernetes-list-map-keys'] = schema.listMapKeys;
  if (schema.patchMergeKey !== undefined) result['x-kubernetes-patch-merge-key'] = schema.patchMergeKey;
  if (schema.patchStrategy !== undefined) result['x-kubernetes-patch-strategy'] = schema.patchStrategy;
  if (
    schema.mapType !== undefined &&
    (schema.typeName === undefined || schema.mapType === 'granular') &&
    schema.preserveUnknownFields !== true
  )
    result['x-kubernetes-map-type'] = schema.mapType;
  return result;
}

/** Keywords that OpenAPI v2 does not have. */
const ONLY_VERSION_3 = ['nullable', 'oneOf', 'anyOf', 'not', 'default'];

/** The v2 form of a custom resource's schema: what v2 cannot say is left out. */
function toVersion2(schema: JsonObject): JsonObject {
  for (const key of ONLY_VERSION_3) delete schema[key];
  if (schema['x-kubernetes-preserve-unknown-fields'] === true && schema['properties'] === undefined)
    delete schema['type'];
  for (const key of ['properties', 'patternProperties']) {
    const children = schema[key];
    if (isObject(children)) for (const child of Object.values(children)) if (isObject(child)) toVersion2(child);
  }
  for (const key of ['items', 'additionalProperties']) {
    const child = schema[key];
    if (isObject(child)) toVersion2(child);
  }
  return schema;
}
