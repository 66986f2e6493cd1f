/**
 * Decoding of built-in objects as the API server's typed decoder does it: wrong types are refused with its words,
 * unknown fields are dropped and reported, nulls and empty values disappear or take their zero form, quantities, times
 * and base64 become canonical.
 */
import { goJsonKind, isObject, setOwn, type JsonObject } from './json.ts';
import { canonicalQuantity, QUANTITY_ERROR } from './quantity.ts';
import { canonicalMicroTime, canonicalTime } from './times.ts';
import { type TypeSchema } from './types.ts';

export interface Decoded {
  readonly object: JsonObject;
  /** `unknown field "spec.foo"`, in the order of the document: warnings, or one strict decoding error. */
  readonly unknownFields: readonly string[];
  /** The first thing that does not fit the type; the object is not usable then. */
  readonly error?: string;
}

interface Context {
  readonly unknownFields: string[];
}

/** Where a value stands: a chain of steps to the root, written out only when something is wrong. */
interface Place {
  readonly parent: Place | undefined;
  /** The struct that has the field; undefined for items and keys of free maps. */
  readonly struct: TypeSchema | undefined;
  readonly step: string | number;
}

class DecodeFailure extends Error {
  override readonly name = 'DecodeFailure';
}

/** Decodes a parsed JSON document of a built-in type; the input is not changed. */
export function decodeObject(schema: TypeSchema, document: JsonObject): Decoded {
  const context: Context = { unknownFields: [] };
  try {
    const object = decodeStruct(schema, document, undefined, context);
    return { object, unknownFields: context.unknownFields };
  } catch (error) {
    if (error instanceof DecodeFailure)
      return { object: {}, unknownFields: context.unknownFields, error: error.message };
    throw error;
  }
}

/** `ConfigMap in version "v1" cannot be handled as a ConfigMap: …`, the 400 of a decoding error. */
export function decodeErrorText(kind: string, version: string, detail: string): string {
  return `${kind} in version "${version}" cannot be handled as a ${kind}: ${detail}`;
}

/** The detail of the 400 for unknown and duplicate fields under strict field validation. */
export function strictErrorText(unknownFields: readonly string[]): string {
  return `strict decoding error: ${unknownFields.join(', ')}`;
}

function decodeStruct(schema: TypeSchema, value: JsonObject, parent: Place | undefined, context: Context): JsonObject {
  const result: JsonObject = {};
  const properties = schema.properties ?? {};
  for (const key of Object.keys(value)) {
    const place: Place = { parent, struct: schema, step: key };
    const field = Object.hasOwn(properties, key) ? properties[key] : undefined;
    if (field === undefined) {
      context.unknownFields.push(`unknown field ${JSON.stringify(indexedPath(place))}`);
      continue;
    }
    const decoded = decodeValue(field, value[key], place, context);
    if (decoded !== undefined && !isLeftOut(schema, key, decoded)) result[key] = decoded;
  }
  addAlwaysPresent(schema, result);
  return result;
}

/** `spec.containers[0].name`, with keys of free maps like fields. */
function indexedPath(place: Place): string {
  const before = place.parent === undefined ? '' : indexedPath(place.parent);
  if (typeof place.step === 'number') return `${before}[${place.step}]`;
  return before === '' ? place.step : `${before}.${place.step}`;
}

/** `Container.spec.containers.tty`: the last struct, and the fields without indexes and keys. */
function structPath(place: Place): string {
  let struct: TypeSchema | undefined;
  const fields: string[] = [];
  for (let at: Place | undefined = place; at !== undefined; at = at.parent) {
    if (at.struct === undefined) continue;
    struct ??= at.struct;
    fields.unshift(String(at.step));
  }
  return `${struct === undefined ? '' : shortName(struct)}.${fields.join('.')}`;
}

function isLeftOut(schema: TypeSchema, key: string, value: unknown): boolean {
  if (
    schema.keptWhenZero?.has(key) === true ||
    schema.alwaysPresent?.has(key) === true ||
    schema.properties?.[key]?.type === undefined
  )
    return false;
  return (
    value === '' ||
    value === 0 ||
    value === false ||
    (Array.isArray(value) && value.length === 0) ||
    (isFreeMap(schema.properties?.[key]) && isObject(value) && Object.keys(value).length === 0)
  );
}

function isFreeMap(field: TypeSchema | undefined): boolean {
  return field?.type === 'object' && field.additionalProperties !== undefined;
}

/** Writes what is always written: at the end of decoding and after defaults. */
export function addAlwaysPresent(schema: TypeSchema, object: JsonObject): void {
  if (schema.alwaysPresent === undefined) return;
  for (const [key, zero] of schema.alwaysPresent) {
    if (object[key] !== undefined) continue;
    const field = schema.properties?.[key];
    object[key] = isObject(zero) && field !== undefined ? zeroStruct(field) : zero;
  }
}

/** The empty value of a struct, with what is always written inside. */
export function zeroStruct(schema: TypeSchema): JsonObject {
  const result: JsonObject = {};
  addAlwaysPresent(schema, result);
  return result;
}

function decodeValue(schema: TypeSchema, value: unknown, place: Place | undefined, context: Context): unknown {
  if (schema.quantity === true) return decodeQuantity(value);
  if (value === null || value === undefined) return undefined;
  if (schema.intOrString === true) return decodeIntOrString(value, place);
  switch (schema.type) {
    case 'object':
      return decodeObjectValue(schema, value, place, context);
    case 'array':
      return decodeList(schema, value, place, context);
    case 'string':
      return decodeString(schema, value, place);
    case 'boolean':
      if (typeof value !== 'boolean') throw mismatch(schema, value, place);
      return value;
    case 'integer':
    case 'number':
      return decodeNumber(schema, value, place);
    default:
      return value;
  }
}

function decodeObjectValue(schema: TypeSchema, value: unknown, place: Place | undefined, context: Context): unknown {
  if (!isObject(value)) throw mismatch(schema, value, place);
  if (schema.properties !== undefined) return decodeStruct(schema, value, place, context);
  const values = schema.additionalProperties;
  if (typeof values !== 'object') return value;
  const result: JsonObject = {};
  for (const key of Object.keys(value)) {
    const decoded = decodeValue(values, value[key], { parent: place, struct: undefined, step: key }, context);
    setOwn(result, key, decoded === undefined ? zeroOf(values) : decoded);
  }
  return result;
}

function decodeList(schema: TypeSchema, value: unknown, place: Place | undefined, context: Context): unknown {
  if (!Array.isArray(value)) throw mismatch(schema, value, place);
  const items = schema.items ?? {};
  return value.map((item: unknown, index) => {
    const decoded = decodeValue(items, item, { parent: place, struct: undefined, step: index }, context);
    return decoded === undefined ? zeroOf(items) : decoded;
  });
}

function zeroOf(schema: TypeSchema): unknown {
  if (schema.type === 'object') return schema.properties === undefined ? null : zeroStruct(schema);
  if (schema.type === 'string') return '';
  if (schema.type === 'boolean') return false;
  return schema.type === 'integer' || schema.type === 'number' ? 0 : null;
}

function decodeString(schema: TypeSchema, value: unknown, place: Place | undefined): string {
  if (typeof value !== 'string') throw mismatch(schema, value, place);
  if (schema.format === 'byte') {
    const clean = value.replaceAll(/[\r\n]/g, '');
    const at = base64ErrorAt(clean);
    if (at >= 0) throw new DecodeFailure(`illegal base64 data at input byte ${at}`);
    return clean;
  }
  if (schema.format !== 'date-time') return value;
  const result = schema.micro === true ? canonicalMicroTime(value) : canonicalTime(value);
  if ('error' in result) throw new DecodeFailure(result.error);
  return result.value;
}

/** The offset at which standard base64 decoding fails, or -1. */
function base64ErrorAt(text: string): number {
  const bad = text.search(/[^A-Za-z0-9+/]/);
  if (bad < 0) return text.length % 4 === 0 ? -1 : text.length - (text.length % 4);
  const padding = text.slice(bad);
  const rest = bad % 4;
  if ((rest === 2 && padding === '==') || (rest === 3 && padding === '=')) return -1;
  return bad;
}

function decodeNumber(schema: TypeSchema, value: unknown, place: Place | undefined): number {
  if (typeof value !== 'number') throw mismatch(schema, value, place);
  if (schema.type === 'integer') {
    const tooLarge =
      schema.format === 'int32' ? value > 2_147_483_647 || value < -2_147_483_648 : Math.abs(value) > 2 ** 63;
    if (!Number.isInteger(value) || tooLarge) throw mismatch(schema, value, place, ` ${value}`);
  }
  return value;
}

function decodeIntOrString(value: unknown, place: Place | undefined): number | string {
  if (typeof value === 'string') return value;
  if (typeof value !== 'number') throw mismatch({ type: 'integer', format: 'int32' }, value, place);
  return decodeNumber({ type: 'integer', format: 'int32' }, value, place);
}

function decodeQuantity(value: unknown): string {
  const text = canonicalQuantity(value);
  if (text === undefined) throw new DecodeFailure(QUANTITY_ERROR);
  return text;
}

function mismatch(schema: TypeSchema, value: unknown, place: Place | undefined, detail = ''): DecodeFailure {
  const where = place === undefined ? 'Go value' : `Go struct field ${structPath(place)}`;
  return new DecodeFailure(
    `json: cannot unmarshal ${goJsonKind(value)}${detail} into ${where} of type ${goType(schema)}`,
  );
}

function shortName(schema: TypeSchema): string {
  return schema.typeName?.split('.').pop() ?? '';
}

function goType(schema: TypeSchema): string {
  if (schema.typeName !== undefined) {
    const parts = schema.typeName.split('.');
    return `${parts[parts.length - 2] ?? ''}.${parts[parts.length - 1] ?? ''}`;
  }
  if (schema.quantity === true) return 'resource.Quantity';
  switch (schema.type) {
    case 'array':
      return `[]${goType(schema.items ?? {})}`;
    case 'object':
      return `map[string]${goType(typeof schema.additionalProperties === 'object' ? schema.additionalProperties : {})}`;
    case 'boolean':
      return 'bool';
    case 'integer':
      return schema.format ?? 'int64';
    case 'number':
      return 'float64';
    case 'string':
      return schema.format === 'byte' ? '[]uint8' : 'string';
    default:
      return 'interface {}';
  }
}

/**
 * The keys that occur twice in one object of a JSON text, as `duplicate field "spec.a[0].name"`.
 * A JSON parser keeps the last of them silently, so this reads the text itself.
 */
export function duplicateFields(text: string): readonly string[] {
  const found: string[] = [];
  const stack: Frame[] = [];
  let expectsKey = false;
  const token = /"(?:[^"\\]|\\.)*"|[{}[\],:]/gs;
  for (let match = token.exec(text); match !== null; match = token.exec(text)) {
    const top = stack[stack.length - 1];
    const symbol = match[0];
    if (symbol === '{') {
      stack.push({ keys: new Set(), key: '', index: -1 });
      expectsKey = true;
    } else if (symbol === '[') {
      stack.push({ keys: undefined, key: '', index: 0 });
      expectsKey = false;
    } else if (symbol === '}' || symbol === ']') {
      stack.pop();
      expectsKey = false;
    } else if (symbol === ',') {
      if (top?.keys === undefined && top !== undefined) top.index += 1;
      expectsKey = top?.keys !== undefined;
    } else if (symbol !== ':' && expectsKey && top?.keys !== undefined) {
      const key = JSON.parse(symbol) as string;
      top.key = key;
      if (top.keys.has(key)) found.push(`duplicate field ${JSON.stringify(pathOf(stack))}`);
      top.keys.add(key);
      expectsKey = false;
    }
  }
  return [...new Set(found)];
}

interface Frame {
  /** Undefined for a list. */
  readonly keys: Set<string> | undefined;
  key: string;
  index: number;
}

function pathOf(stack: readonly Frame[]): string {
  return stack
    .map((frame) => (frame.keys === undefined ? `[${frame.index}]` : `.${frame.key}`))
    .join('')
    .slice(1);
}
