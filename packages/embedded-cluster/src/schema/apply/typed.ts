/**
 * Walks of values along their types: which fields a value has, how two values differ, how one is laid over the other,
 * and what is left when fields are taken away. Lists are whole values unless their type says set or map; maps and
 * structs are split into fields unless their type says atomic; values of unknown type are split as far as objects go.
 */
import { canonicalJson, equalJson, isObject, ownValue, setOwn, type JsonObject } from '../json.ts';
import { type TypeSchema } from '../types.ts';
import { FieldSet, fieldStep, keyStep, valueStep } from './field-set.ts';

/** The type of everything below a field that preserves unknown fields, and of objects without a schema. */
export const DEDUCED: TypeSchema = { preserveUnknownFields: true };

interface FieldType {
  readonly schema: TypeSchema;
  /** Whether the type names the field; keys of free maps are not named. */
  readonly isNamed: boolean;
}

/** The type of one field of an object. */
export function fieldType(schema: TypeSchema, name: string): FieldType {
  const { properties, additionalProperties } = schema;
  if (properties !== undefined && Object.hasOwn(properties, name))
    return { schema: properties[name] ?? {}, isNamed: true };
  if (typeof additionalProperties === 'object') return { schema: additionalProperties, isNamed: false };
  return { schema: DEDUCED, isNamed: false };
}

/** How a value of a type is split: into fields, into items, or not at all. */
function shapeOf(schema: TypeSchema, ...values: readonly unknown[]): 'map' | 'list' | 'leaf' {
  if (schema.mapType === 'atomic') return 'leaf';
  if (schema.type === 'object') return 'map';
  if (schema.type === 'array') return schema.listType === 'set' || schema.listType === 'map' ? 'list' : 'leaf';
  if (
    schema.type === undefined &&
    schema.preserveUnknownFields === true &&
    values.every((value) => value === undefined || isObject(value)) &&
    values.some((value) => isObject(value))
  )
    return 'map';
  return 'leaf';
}

/** The step of a list item, and undefined when it has none of its keys. */
export function itemStep(schema: TypeSchema, item: unknown): string | undefined {
  if (schema.listType === 'set') return valueStep(item);
  if (!isObject(item)) return undefined;
  const keys: JsonObject = {};
  for (const key of schema.listMapKeys ?? []) {
    const value = ownValue(item, key) ?? schema.items?.properties?.[key]?.default ?? zeroKey(schema, key);
    if (value !== undefined) keys[key] = value;
  }
  return Object.keys(keys).length === 0 ? undefined : keyStep(keys);
}

/** Built-in structs have a zero value for a key that is left out. */
function zeroKey(schema: TypeSchema, key: string): unknown {
  if (schema.items?.typeName === undefined) return undefined;
  const type = schema.items.properties?.[key]?.type;
  return type === 'string' ? '' : type === 'integer' ? 0 : undefined;
}

function itemsByStep(schema: TypeSchema, list: unknown): Map<string, unknown> {
  const items = new Map<string, unknown>();
  if (!Array.isArray(list)) return items;
  list.forEach((item: unknown, index) => items.set(itemStep(schema, item) ?? `i:${index}`, item));
  return items;
}

const isEmptyMap = (value: unknown): boolean => !isObject(value) || Object.keys(value).length === 0;

/** The fields that a value sets: what an applier owns. */
export function fieldsOf(schema: TypeSchema, value: unknown): FieldSet {
  const set = new FieldSet();
  collectFields(schema, value, set);
  return set;
}

function collectFields(schema: TypeSchema, value: unknown, set: FieldSet): void {
  switch (shapeOf(schema, value)) {
    case 'leaf':
      set.owned = true;
      return;
    case 'map':
      if (!isObject(value)) return;
      for (const name of Object.keys(value)) {
        const field = fieldType(schema, name);
        const child = set.descend(fieldStep(name));
        const item = value[name];
        collectFields(field.schema, item, child);
        if (item === null || (isObject(item) && Object.keys(item).length === 0) || !field.isNamed) child.owned = true;
        if (child.isEmpty()) set.children.delete(fieldStep(name));
      }
      return;
    default:
      if (!Array.isArray(value)) return;
      for (const [step, item] of itemsByStep(schema, value)) {
        const child = set.descend(step);
        if (schema.items !== undefined) collectFields(schema.items, item, child);
        child.owned = true;
      }
  }
}

/** What changed between two values. */
export interface Comparison {
  readonly added: FieldSet;
  readonly modified: FieldSet;
  readonly removed: FieldSet;
}

export function compare(schema: TypeSchema, before: unknown, after: unknown): Comparison {
  const comparison: Comparison = { added: new FieldSet(), modified: new FieldSet(), removed: new FieldSet() };
  compareAt(schema, before, after, [], comparison);
  comparison.added.owned = comparison.removed.owned = comparison.modified.owned = false;
  return comparison;
}

export function isSame(comparison: Comparison): boolean {
  return comparison.added.isEmpty() && comparison.modified.isEmpty() && comparison.removed.isEmpty();
}

function compareAt(
  schema: TypeSchema,
  before: unknown,
  after: unknown,
  path: readonly string[],
  out: Comparison,
): void {
  // Most of an object stays the same in most writes: equal parts need no walk.
  if (before !== undefined && equalJson(before, after)) return;
  const shape = shapeOf(schema, before ?? undefined, after ?? undefined);
  const isEmpty =
    shape === 'map'
      ? isEmptyMap(before) && isEmptyMap(after)
      : shape === 'list' && itemsByStep(schema, before).size === 0 && itemsByStep(schema, after).size === 0;
  if (shape === 'leaf' || isEmpty) {
    compareLeaf(before, after, path, out);
    return;
  }
  if (shape === 'map') {
    const left: JsonObject = isObject(before) ? before : {};
    const right: JsonObject = isObject(after) ? after : {};
    for (const name of new Set([...Object.keys(left), ...Object.keys(right)])) {
      compareAt(
        fieldType(schema, name).schema,
        ownValue(left, name),
        ownValue(right, name),
        [...path, fieldStep(name)],
        out,
      );
    }
  } else {
    const left = itemsByStep(schema, before);
    const right = itemsByStep(schema, after);
    for (const step of new Set([...left.keys(), ...right.keys()]))
      compareAt(schema.items ?? {}, left.get(step), right.get(step), [...path, step], out);
  }
  if (before === undefined) out.added.insert(path);
  else if (after === undefined) out.removed.insert(path);
}

function compareLeaf(before: unknown, after: unknown, path: readonly string[], out: Comparison): void {
  if (before === undefined && after === undefined) return;
  if (before === undefined) out.added.insert(path);
  else if (after === undefined) out.removed.insert(path);
  else if (!equalJson(before, after)) out.modified.insert(path);
}

/** Lays a configuration over a live value; the result shares structure with both. */
export function mergeTyped(schema: TypeSchema, live: unknown, config: unknown): unknown {
  if (config === undefined) return live;
  if (live === undefined) return config;
  const shape = shapeOf(schema, live ?? undefined, config ?? undefined);
  if (shape === 'map' && !(isEmptyMap(live) && isEmptyMap(config))) {
    const left: JsonObject = isObject(live) ? live : {};
    const right: JsonObject = isObject(config) ? config : {};
    const result: JsonObject = {};
    for (const name of new Set([...Object.keys(left), ...Object.keys(right)])) {
      setOwn(result, name, mergeTyped(fieldType(schema, name).schema, ownValue(left, name), ownValue(right, name)));
    }
    return result;
  }
  if (shape === 'list' && Array.isArray(live) && (Array.isArray(config) || config === null))
    return mergeLists(schema, live, config ?? []);
  return config;
}

/**
 * Both lists' items: those of the configuration in its order, those that only the live list has after the same
 * neighbours as before.
 */
function mergeLists(schema: TypeSchema, live: readonly unknown[], config: readonly unknown[]): unknown[] {
  const left = itemsByStep(schema, live);
  const right = itemsByStep(schema, config);
  const leftSteps = [...left.keys()];
  const rightSteps = [...right.keys()];
  const shared = rightSteps.filter((step) => left.has(step));
  const merged = new Set<string>();
  const result: unknown[] = [];
  const take = (step: string): void => {
    merged.add(step);
    result.push(mergeTyped(schema.items ?? {}, left.get(step), right.get(step)));
  };
  let l = 0;
  let r = 0;
  let nextShared = 0;
  while (l < leftSteps.length || r < rightSteps.length) {
    const leftStep = leftSteps[l];
    const rightStep = rightSteps[r];
    if (leftStep !== undefined && rightStep !== undefined) {
      if (leftStep === rightStep) {
        take(leftStep);
        l += 1;
        r += 1;
        nextShared += 1;
        continue;
      }
      // An item that both have, but out of turn: it comes where the configuration has it.
      if (right.has(leftStep) && nextShared < shared.length && shared[nextShared] !== leftStep) {
        l += 1;
        continue;
      }
    }
    if (leftStep !== undefined) {
      if (!right.has(leftStep)) {
        take(leftStep);
        l += 1;
        continue;
      }
      if (merged.has(leftStep)) l += 1;
    }
    if (rightStep !== undefined) {
      take(rightStep);
      r += 1;
      if (shared[nextShared] === rightStep) nextShared += 1;
    }
  }
  return result;
}

/** Takes fields away; a structure that loses everything becomes null, as on the API server. */
export function removeFields(schema: TypeSchema, value: unknown, set: FieldSet): unknown {
  if (set.children.size === 0) return value;
  const shape = shapeOf(schema, value);
  if (shape === 'map' && isObject(value) && Object.keys(value).length > 0) {
    const result: JsonObject = {};
    for (const name of Object.keys(value)) {
      const node = set.children.get(fieldStep(name));
      if (node?.owned === true) continue;
      setOwn(
        result,
        name,
        node === undefined ? value[name] : removeFields(fieldType(schema, name).schema, value[name], node),
      );
    }
    return Object.keys(result).length === 0 ? null : result;
  }
  if (shape === 'list' && Array.isArray(value) && value.length > 0) {
    const result: unknown[] = [];
    value.forEach((item: unknown, index) => {
      const node = set.children.get(itemStep(schema, item) ?? `i:${index}`);
      if (node?.owned === true) return;
      result.push(node === undefined ? item : removeFields(schema.items ?? {}, item, node));
    });
    return result.length === 0 ? null : result;
  }
  return value;
}

/** The set with every named field on the way to a member as a member, too. */
export function withNamedParents(set: FieldSet, schema: TypeSchema): FieldSet {
  const result = new FieldSet();
  result.owned = set.owned;
  for (const [step, child] of set.children) {
    const isField = step.startsWith('f:');
    const field = isField ? fieldType(schema, step.slice(2)) : { schema: schema.items ?? DEDUCED, isNamed: false };
    const copy = withNamedParents(child, field.schema);
    if (isField && field.isNamed && child.children.size > 0) copy.owned = true;
    result.children.set(step, copy);
  }
  return result;
}

/** What is wrong with a configuration as a value of its type, e.g. `.data.x: expected string, got …`. */
export function typeErrors(schema: TypeSchema, value: unknown, path = ''): string[] {
  if (value === null || value === undefined) return [];
  if (schema.intOrString === true || schema.quantity === true) return [];
  switch (schema.type) {
    case 'object':
      return objectErrors(schema, value, path);
    case 'array':
      return listErrors(schema, value, path);
    case 'string':
      return typeof value === 'string'
        ? []
        : [`${path}: expected string, got &value.valueUnstructured{Value:${plain(value)}}`];
    case 'boolean':
      return typeof value === 'boolean' ? [] : [`${path}: expected boolean, got &{${plain(value)}}`];
    case 'integer':
    case 'number':
      return typeof value === 'number' ? [] : [`${path}: expected numeric (int or float), got ${typeof value}`];
    default:
      return [];
  }
}

function objectErrors(schema: TypeSchema, value: unknown, path: string): string[] {
  if (!isObject(value)) return [`${path}: expected map, got &{${plain(value)}}`];
  const errors: string[] = [];
  const isOpen =
    schema.preserveUnknownFields === true ||
    schema.additionalProperties !== undefined ||
    schema.embeddedResource === true;
  for (const name of Object.keys(value)) {
    const field = fieldType(schema, name);
    if (!field.isNamed && !isOpen) errors.push(`${path}.${name}: field not declared in schema`);
    else errors.push(...typeErrors(field.schema, value[name], `${path}.${name}`));
  }
  return errors;
}

function listErrors(schema: TypeSchema, value: unknown, path: string): string[] {
  if (!Array.isArray(value)) return [`${path}: expected list, got &{${plain(value)}}`];
  const errors: string[] = [];
  const seen = new Set<string>();
  value.forEach((item: unknown, index) => {
    const isKeyed = schema.listType === 'set' || schema.listType === 'map';
    const step = isKeyed ? itemStep(schema, item) : undefined;
    if (isKeyed && step === undefined) {
      errors.push(
        `${path}: element ${index}: associative list with keys has an element that omits all key fields [${(schema.listMapKeys ?? []).map((key) => JSON.stringify(key)).join(' ')}] (and doesn't have default values for any key fields)`,
      );
      return;
    }
    const name = step === undefined ? `[${index}]` : itemText(step);
    if (step !== undefined && seen.has(step)) errors.push(`${path}: duplicate entries for key ${name}`);
    if (step !== undefined) seen.add(step);
    if (schema.items !== undefined) errors.push(...typeErrors(schema.items, item, `${path}${name}`));
  });
  return errors;
}

function itemText(step: string): string {
  if (step.startsWith('v:')) return `[=${step.slice(2)}]`;
  const keys = JSON.parse(step.slice(2)) as JsonObject;
  return `[${Object.keys(keys)
    .map((key) => `${key}=${canonicalJson(keys[key])}`)
    .join(',')}]`;
}

function plain(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
