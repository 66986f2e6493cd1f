/**
 * Validation of custom resources by their schema, with the API server's texts. All OpenAPI v3 keywords that structural
 * schemas allow; `x-kubernetes-validations` is not evaluated (see README).
 */
import { duplicate, invalid, notSupported, required, tooMany, typeInvalid, type FieldError } from '../field-error.ts';
import { canonicalJson, equalJson, isObject, stringAt, type JsonObject } from '../json.ts';
import { type TypeSchema } from '../types.ts';
import { validateMetadata } from '../validation/metadata.ts';
import { formatError } from './formats.ts';

/** Validates a pruned and defaulted custom resource; metadata is validated by `validateMetadata`. */
export function validateObject(schema: TypeSchema, object: unknown): FieldError[] {
  const errors: FieldError[] = [];
  const byKeyword = validateValue(schema, object, '');
  errors.push(...byKeyword);
  errors.push(...validateLists(schema, object, ''), ...validateEmbedded(schema, object, ''));
  return errors;
}

/** Validates one value by its keywords, e.g. a default; `path` is how messages name it. */
export function validateValue(schema: TypeSchema, value: unknown, path: string): FieldError[] {
  if (schema.typeName !== undefined) return [];
  if (value === null && schema.nullable === true) return [];
  const errors: FieldError[] = [];
  const wrongType = typeError(schema, value, path);
  if (wrongType !== undefined) {
    const more = typeof value === 'number' && schema.type === 'integer' ? numberErrors(schema, value, path) : [];
    return [wrongType, ...more, ...enumErrors(schema, value, path)];
  }
  if (isObject(value)) errors.push(...objectErrors(schema, value, path));
  if (Array.isArray(value)) errors.push(...listErrors(schema, value, path));
  if (typeof value === 'string') errors.push(...stringErrors(schema, value, path));
  if (typeof value === 'number') errors.push(...numberErrors(schema, value, path));
  errors.push(...enumErrors(schema, value, path));
  errors.push(...combinationErrors(schema, value, path));
  return errors;
}

function enumErrors(schema: TypeSchema, value: unknown, path: string): FieldError[] {
  if (schema.enum === undefined || value === null) return [];
  return schema.enum.some((allowed) => equalJson(allowed, value)) ? [] : [notSupported(path, value, schema.enum)];
}

function typeName(value: unknown): string {
  if (value === null || value === undefined) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
  return typeof value;
}

function typeError(schema: TypeSchema, value: unknown, path: string): FieldError | undefined {
  const actual = typeName(value);
  const wrong = (expected: string): FieldError =>
    typeInvalid(path, actual, `${path} in body must be of type ${expected}: "${actual}"`);
  if (schema.intOrString === true)
    return actual === 'integer' || actual === 'string' ? undefined : wrong('integer,string');
  if (schema.type === undefined || schema.type === actual) return undefined;
  if (schema.type === 'number' && actual === 'integer') return undefined;
  return wrong(schema.type);
}

function objectErrors(schema: TypeSchema, value: JsonObject, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const count = Object.keys(value).length;
  if (schema.minProperties !== undefined && count < schema.minProperties)
    errors.push(invalid(path, count, `${path} in body should have at least ${schema.minProperties} properties`));
  if (schema.maxProperties !== undefined && count > schema.maxProperties)
    errors.push(tooMany(path, count, schema.maxProperties));
  for (const name of schema.required ?? []) if (!Object.hasOwn(value, name)) errors.push(required(join(path, name)));
  for (const name of Object.keys(value)) {
    const field =
      schema.properties !== undefined && Object.hasOwn(schema.properties, name)
        ? schema.properties[name]
        : schema.additionalProperties;
    if (typeof field === 'object') errors.push(...validateValue(field, value[name], join(path, name)));
  }
  return errors;
}

function join(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`;
}

function listErrors(schema: TypeSchema, value: readonly unknown[], path: string): FieldError[] {
  const errors: FieldError[] = [];
  if (schema.minItems !== undefined && value.length < schema.minItems)
    errors.push(invalid(path, value.length, `${path} in body should have at least ${schema.minItems} items`));
  if (schema.maxItems !== undefined && value.length > schema.maxItems)
    errors.push(tooMany(path, value.length, schema.maxItems));
  const { items } = schema;
  if (items !== undefined)
    value.forEach((item, index) => errors.push(...validateValue(items, item, `${path}[${index}]`)));
  return errors;
}

function stringErrors(schema: TypeSchema, value: string, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const length = codePoints(value);
  // Only the first of these is reported.
  if (schema.maxLength !== undefined && length > schema.maxLength)
    errors.push({ kind: 'tooLong', field: path, detail: `may not be more than ${schema.maxLength} bytes` });
  else if (schema.minLength !== undefined && length < schema.minLength)
    errors.push(invalid(path, value, `${path} in body should be at least ${schema.minLength} chars long`));
  else if (schema.pattern !== undefined && patternOf(schema.pattern)?.test(value) === false)
    errors.push(invalid(path, value, `${path} in body should match '${schema.pattern}'`));
  if (schema.format !== undefined && formatError(schema.format, value))
    errors.push(typeInvalid(path, value, `${path} in body must be of type ${schema.format}: ${JSON.stringify(value)}`));
  return errors;
}

/** Lengths count code points, as Go's rune count does. */
function codePoints(value: string): number {
  let count = 0;
  for (const _point of value) count += 1;
  return count;
}

/** A pattern in RE2 syntax as a JavaScript expression, as far as the two agree; undefined when it cannot be read. */
export function patternOf(pattern: string): RegExp | undefined {
  const flags = /^\(\?([ims]+)\)/.exec(pattern);
  const body = (flags === null ? pattern : pattern.slice(flags[0].length))
    .replaceAll('\\z', '$')
    .replaceAll('\\A', '^')
    .replaceAll('(?P<', '(?<');
  for (const mode of ['u', '']) {
    try {
      return new RegExp(body, `${flags?.[1] ?? ''}${mode}`);
    } catch {
      // Not readable in this mode: try the next one.
    }
  }
  return undefined;
}

function numberErrors(schema: TypeSchema, value: number, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const { minimum, maximum, multipleOf } = schema;
  if (multipleOf !== undefined && !isMultiple(value, multipleOf))
    errors.push(invalid(path, value, `${path} in body should be a multiple of ${multipleOf}`));
  if (maximum !== undefined) {
    if (schema.exclusiveMaximum === true ? value >= maximum : value > maximum)
      errors.push(
        invalid(
          path,
          value,
          `${path} in body should be less than ${schema.exclusiveMaximum === true ? '' : 'or equal to '}${maximum}`,
        ),
      );
  }
  if (minimum !== undefined) {
    if (schema.exclusiveMinimum === true ? value <= minimum : value < minimum)
      errors.push(
        invalid(
          path,
          value,
          `${path} in body should be greater than ${schema.exclusiveMinimum === true ? '' : 'or equal to '}${minimum}`,
        ),
      );
  }
  if (schema.format === 'int32' && (value > 2_147_483_647 || value < -2_147_483_648))
    errors.push(typeInvalid(path, value, `${path} in body must be of type int32: ${JSON.stringify(value)}`));
  return errors;
}

function isMultiple(value: number, of: number): boolean {
  const ratio = value / of;
  return Math.abs(ratio - Math.round(ratio)) < 1e-9;
}

function combinationErrors(schema: TypeSchema, value: unknown, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const about = (text: string): FieldError => ({
    kind: 'invalid',
    field: '<nil>',
    value: '',
    detail: `${JSON.stringify(path)} ${text}`,
  });
  const isTypeChoice = schema.intOrString === true;
  if (schema.anyOf !== undefined && !isTypeChoice) {
    const results = schema.anyOf.map((part) => validateValue(part, value, path));
    if (!results.some((result) => result.length === 0))
      errors.push(about('must validate at least one schema (anyOf)'), ...(bestOf(results) ?? []));
  }
  if (schema.oneOf !== undefined) {
    const results = schema.oneOf.map((part) => validateValue(part, value, path));
    const valid = results.filter((result) => result.length === 0).length;
    if (valid === 0)
      errors.push(about('must validate one and only one schema (oneOf). Found none valid'), ...(bestOf(results) ?? []));
    else if (valid > 1)
      errors.push(about(`must validate one and only one schema (oneOf). Found ${valid} valid alternatives`));
  }
  if (schema.allOf !== undefined) {
    const results = schema.allOf.map((part) => validateValue(part, value, path));
    const wrong = results.filter((result) => result.length > 0);
    if (wrong.length > 0) errors.push(...wrong.flat(), about('must validate all the schemas (allOf)'));
  }
  if (schema.not !== undefined && validateValue(schema.not, value, path).length === 0)
    errors.push(about('must not validate the schema (not)'));
  return errors;
}

/** Of several failed alternatives, the first with the fewest failures is reported. */
function bestOf(results: readonly FieldError[][]): FieldError[] | undefined {
  let best: FieldError[] | undefined;
  for (const result of results) if (best === undefined || result.length < best.length) best = result;
  return best;
}

/** The items of sets and keyed lists must be unique. */
function validateLists(schema: TypeSchema, value: unknown, path: string): FieldError[] {
  const errors: FieldError[] = [];
  if (Array.isArray(value)) {
    if (schema.listType === 'set' || schema.listType === 'map') {
      const seen = new Set<string>();
      value.forEach((item: unknown, index) => {
        const key = schema.listType === 'set' ? item : keyOf(schema, item);
        const text = canonicalJson(key);
        if (seen.has(text)) errors.push(duplicate(`${path}[${index}]`, key));
        seen.add(text);
      });
    }
    const { items } = schema;
    if (items !== undefined)
      value.forEach((item, index) => errors.push(...validateLists(items, item, `${path}[${index}]`)));
    return errors;
  }
  if (!isObject(value)) return errors;
  for (const name of Object.keys(value)) {
    const field = schema.properties?.[name] ?? schema.additionalProperties;
    if (typeof field === 'object' && field.typeName === undefined)
      errors.push(...validateLists(field, value[name], join(path, name)));
  }
  return errors;
}

function keyOf(schema: TypeSchema, item: unknown): JsonObject {
  const key: JsonObject = {};
  if (isObject(item)) for (const name of schema.listMapKeys ?? []) if (item[name] !== undefined) key[name] = item[name];
  return key;
}

/** Embedded resources need a version, a kind and sound metadata. */
function validateEmbedded(schema: TypeSchema, value: unknown, path: string): FieldError[] {
  const errors: FieldError[] = [];
  if (Array.isArray(value)) {
    const { items } = schema;
    if (items !== undefined)
      value.forEach((item, index) => errors.push(...validateEmbedded(items, item, `${path}[${index}]`)));
    return errors;
  }
  if (!isObject(value)) return errors;
  if (schema.embeddedResource === true && path !== '') {
    for (const key of ['apiVersion', 'kind'])
      if ((stringAt(value, key) ?? '') === '') errors.push(required(`${path}.${key}`));
    const metadata = value['metadata'];
    if (isObject(metadata))
      errors.push(
        ...validateMetadata({ name: 'x', ...metadata, namespace: undefined }, false, () => [], {
          path: `${path}.metadata`,
          isCustom: true,
        }),
      );
  }
  for (const name of Object.keys(value)) {
    const field = schema.properties?.[name] ?? schema.additionalProperties;
    if (typeof field === 'object' && field.typeName === undefined)
      errors.push(...validateEmbedded(field, value[name], join(path, name)));
  }
  return errors;
}
