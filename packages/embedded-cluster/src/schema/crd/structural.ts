/**
 * Whether the schema of a custom resource is structural: every field has a type that no combination of alternatives
 * changes. (Kubernetes documentation, "Specifying a structural schema".)
 */
import { forbidden, invalid, notSupported, required, type FieldError } from '../field-error.ts';
import { cloneJson, isObject, listAt, objectAt, stringAt, type JsonObject } from '../json.ts';
import { compileNode } from './compile.ts';
import { defaultObject, pruneObject } from './default-prune.ts';
import { patternOf, validateValue } from './validate-value.ts';

const TYPES = ['array', 'boolean', 'integer', 'number', 'object', 'string'];
const UNSUPPORTED = ['definitions', 'dependencies', 'patternProperties', '$ref', 'additionalItems', 'id'];

/**
 * Everything that is wrong with a schema.
 * @param path How messages name the schema, e.g. `spec.validation.openAPIV3Schema`.
 */
export function checkStructural(schema: unknown, path: string): FieldError[] {
  if (!isObject(schema)) return [required(path)];
  const errors: FieldError[] = [];
  const type = stringAt(schema, 'type') ?? '';
  if (type === '') errors.push(required(`${path}.type`, 'must not be empty at the root'));
  else if (type !== 'object') errors.push(invalid(`${path}.type`, type, 'must be object at the root'));
  if (schema['nullable'] === true) errors.push(forbidden(`${path}.nullable`, 'nullable cannot be true at the root'));
  errors.push(...checkMetadata(objectAt(schema, 'properties')['metadata'], `${path}.properties[metadata]`));
  return [...errors, ...checkNode(schema, path, { isRoot: true, needsType: false })];
}

interface Position {
  readonly isRoot?: boolean;
  readonly needsType: boolean;
}

function checkMetadata(metadata: unknown, path: string): FieldError[] {
  if (!isObject(metadata)) return [];
  const allowed = new Set(['type', 'properties', 'description']);
  const names = Object.keys(objectAt(metadata, 'properties'));
  const isFine =
    Object.keys(metadata).every((key) => allowed.has(key)) &&
    names.every((name) => name === 'name' || name === 'generateName');
  return isFine
    ? []
    : [
        forbidden(
          path,
          'must not specify anything other than name and generateName, but metadata is implicitly specified',
        ),
      ];
}

/** One schema node and everything below it. */
function checkNode(node: JsonObject, path: string, position: Position): FieldError[] {
  const errors: FieldError[] = [];
  const type = stringAt(node, 'type') ?? '';
  const isFree = node['x-kubernetes-int-or-string'] === true || node['x-kubernetes-preserve-unknown-fields'] === true;
  errors.push(...checkChildren(node, path));
  for (const key of UNSUPPORTED)
    if (node[key] !== undefined) errors.push(forbidden(`${path}.${key}`, `${key} is not supported`));
  if (node['uniqueItems'] === true)
    errors.push(
      forbidden(
        `${path}.uniqueItems`,
        'uniqueItems cannot be set to true since the runtime complexity becomes quadratic',
      ),
    );
  if (isObject(node['properties']) && (isObject(node['additionalProperties']) || node['additionalProperties'] === true))
    errors.push(forbidden(`${path}.additionalProperties`, 'additionalProperties and properties are mutual exclusive'));
  if (type === '' && position.needsType && !isFree)
    errors.push(required(`${path}.type`, 'must not be empty for specified object fields'));
  else if (type !== '' && !TYPES.includes(type)) errors.push(notSupported(`${path}.type`, type, TYPES));
  if (type === 'array') {
    if (node['items'] === undefined) errors.push(required(`${path}.items`, 'must be specified'));
    else if (Array.isArray(node['items']))
      errors.push(forbidden(`${path}.items`, 'items must be a schema object and not an array'));
  }
  const { pattern } = node;
  if (typeof pattern === 'string' && patternOf(pattern) === undefined)
    errors.push(
      invalid(
        `${path}.pattern`,
        pattern,
        `must be a valid regular expression, but isn't: error parsing regexp: ${regexpProblem(pattern)}`,
      ),
    );
  errors.push(...checkExtensions(node, path), ...checkLists(node, path), ...checkCombinations(node, path));
  // A default is only judged in a schema that is sound otherwise.
  if (errors.length === 0 && node['default'] !== undefined) errors.push(...checkDefault(node, path));
  return errors;
}

function regexpProblem(pattern: string): string {
  const opened = (pattern.match(/(?<!\\)\(/g) ?? []).length;
  const closed = (pattern.match(/(?<!\\)\)/g) ?? []).length;
  if (opened > closed) return `missing closing ): \`${pattern}\``;
  if (closed > opened) return `unexpected ): \`${pattern}\``;
  return /\[[^\]]*$/.test(pattern)
    ? `missing closing ]: \`${/\[[^\]]*$/.exec(pattern)?.[0] ?? pattern}\``
    : `invalid or unsupported Perl syntax: \`${pattern}\``;
}

function checkChildren(node: JsonObject, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const properties = objectAt(node, 'properties');
  for (const name of Object.keys(properties)) {
    const child = properties[name];
    if (isObject(child)) errors.push(...checkNode(child, `${path}.properties[${name}]`, { needsType: true }));
  }
  if (isObject(node['items'])) errors.push(...checkNode(node['items'], `${path}.items`, { needsType: true }));
  if (isObject(node['additionalProperties']))
    errors.push(...checkNode(node['additionalProperties'], `${path}.additionalProperties`, { needsType: true }));
  return errors;
}

function checkExtensions(node: JsonObject, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const type = stringAt(node, 'type') ?? '';
  if (node['x-kubernetes-preserve-unknown-fields'] === false)
    errors.push(invalid(`${path}.x-kubernetes-preserve-unknown-fields`, false, 'must be true or undefined'));
  if (node['x-kubernetes-embedded-resource'] === true) {
    if (type !== 'object')
      errors.push(invalid(`${path}.type`, type, 'must be object if x-kubernetes-embedded-resource is true'));
    if (
      node['x-kubernetes-preserve-unknown-fields'] !== true &&
      Object.keys(objectAt(node, 'properties')).length === 0
    ) {
      errors.push(
        required(
          `${path}.properties`,
          'must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields',
        ),
      );
    }
  }
  const mapType = node['x-kubernetes-map-type'];
  if (mapType !== undefined) {
    if (type !== 'object')
      errors.push(invalid(`${path}.type`, type, 'must be object if x-kubernetes-map-type is specified'));
    if (mapType !== 'atomic' && mapType !== 'granular')
      errors.push(notSupported(`${path}.x-kubernetes-map-type`, mapType, ['atomic', 'granular']));
  }
  listAt(node, 'x-kubernetes-validations').forEach((rule, index) => {
    if ((stringAt(rule, 'rule') ?? '').trim() === '')
      errors.push(required(`${path}.x-kubernetes-validations[${index}].rule`, 'rule is not specified'));
  });
  return errors;
}

function checkLists(node: JsonObject, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const type = stringAt(node, 'type') ?? '';
  const listType = node['x-kubernetes-list-type'];
  const keys = listAt(node, 'x-kubernetes-list-map-keys').map(String);
  const items = objectAt(node, 'items');
  if (listType === undefined) {
    if (keys.length > 0)
      errors.push(required(`${path}.x-kubernetes-list-type`, 'must be map if x-kubernetes-list-map-keys is non-empty'));
    return errors;
  }
  if (type !== 'array') return [invalid(`${path}.type`, type, 'must be array if x-kubernetes-list-type is specified')];
  if (listType !== 'atomic' && listType !== 'set' && listType !== 'map')
    return [notSupported(`${path}.x-kubernetes-list-type`, listType, ['atomic', 'set', 'map'])];
  if (listType === 'set') {
    const isGranular =
      (items['type'] === 'object' && items['x-kubernetes-map-type'] !== 'atomic') ||
      (items['type'] === 'array' &&
        items['x-kubernetes-list-type'] !== undefined &&
        items['x-kubernetes-list-type'] !== 'atomic');
    if (isGranular)
      errors.push(
        invalid(
          `${path}.items.x-kubernetes-map-type`,
          items['x-kubernetes-map-type'] ?? null,
          'must be atomic as item of a list with x-kubernetes-list-type=set',
        ),
      );
  }
  if (listType === 'map') errors.push(...checkMapList(items, keys, path));
  return errors;
}

function checkMapList(items: JsonObject, keys: readonly string[], path: string): FieldError[] {
  const errors: FieldError[] = [];
  if (keys.length === 0)
    errors.push(required(`${path}.x-kubernetes-list-map-keys`, 'must not be empty if x-kubernetes-list-type is map'));
  if (items['type'] !== 'object')
    return [
      ...errors,
      invalid(
        `${path}.items.type`,
        items['type'] ?? '',
        "must be object if parent array's x-kubernetes-list-type is map",
      ),
    ];
  const properties = objectAt(items, 'properties');
  for (const key of keys) {
    const property = properties[key];
    if (!isObject(property)) {
      errors.push(invalid(`${path}.x-kubernetes-list-map-keys`, keys, 'entries must all be names of item properties'));
      continue;
    }
    if (property['default'] === undefined && !listAt(items, 'required').includes(key)) {
      errors.push(
        required(
          `${path}.items.properties[${key}].default`,
          'this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property',
        ),
      );
    }
  }
  return errors.sort((a, b) => Number(b.field.endsWith('list-map-keys')) - Number(a.field.endsWith('list-map-keys')));
}

const NOT_IN_COMBINATIONS = [
  'description',
  'title',
  'type',
  'default',
  'additionalProperties',
  'nullable',
  'x-kubernetes-preserve-unknown-fields',
  'x-kubernetes-embedded-resource',
  'x-kubernetes-int-or-string',
  'x-kubernetes-list-type',
  'x-kubernetes-list-map-keys',
  'x-kubernetes-map-type',
];

/** Alternatives may only narrow values, never bring structure. */
function checkCombinations(node: JsonObject, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const isTypeChoice = node['x-kubernetes-int-or-string'] === true;
  for (const key of ['allOf', 'anyOf', 'oneOf']) {
    listAt(node, key).forEach((part, index) => {
      if (isObject(part)) errors.push(...checkNarrowing(part, `${path}.${key}[${index}]`, isTypeChoice));
    });
  }
  if (isObject(node['not'])) errors.push(...checkNarrowing(node['not'], `${path}.not`, false));
  return errors;
}

function checkNarrowing(node: JsonObject, path: string, mayHaveType: boolean): FieldError[] {
  const errors: FieldError[] = [];
  const properties = objectAt(node, 'properties');
  for (const name of Object.keys(properties)) {
    const child = properties[name];
    if (isObject(child)) errors.push(...checkNarrowing(child, `${path}.properties[${name}]`, false));
  }
  if (isObject(node['items'])) errors.push(...checkNarrowing(node['items'], `${path}.items`, false));
  for (const key of NOT_IN_COMBINATIONS) {
    if (node[key] === undefined || (key === 'type' && mayHaveType)) continue;
    errors.push(forbidden(`${path}.${key}`, 'must be empty to be structural'));
  }
  return [
    ...errors,
    ...(mayHaveType && node['anyOf'] !== undefined
      ? checkCombinations({ ...node, 'x-kubernetes-int-or-string': true }, path)
      : checkCombinations(node, path)),
  ];
}

/** A default must be a value of its own field. */
function checkDefault(node: JsonObject, path: string): FieldError[] {
  const at = `${path}.default`;
  const value = cloneJson(node['default']);
  const schema = compileNode(node);
  if (value === null) return [];
  if (isObject(value)) {
    const pruned = cloneJson(value);
    if (pruneObject(schema, pruned).length > 0) return [invalid(at, value, 'must not have unknown fields')];
    defaultObject(schema, value);
  }
  return validateValue(schema, value, '').map((error) => ({
    ...error,
    field: error.field === '' ? at : `${at}.${error.field}`,
  }));
}
