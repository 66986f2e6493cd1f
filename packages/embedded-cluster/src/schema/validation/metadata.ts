/** Validation of `metadata`: names, labels, annotations, finalizers, owners, and what may not change. */
import { duplicate, forbidden, invalid, required, tooLong, type FieldError } from '../field-error.ts';
import { equalJson, isObject, listAt, objectAt, type JsonObject } from '../json.ts';
import { labelKeyErrors, labelValueErrors, nameErrors } from '../names.ts';
import { objectsAt } from '../defaults/pod-spec.ts';

const ANNOTATIONS_BYTES_MAX = 256 * 1024;
const STANDARD_FINALIZERS = ['foregroundDeletion', 'orphan', 'kubernetes'];

/** What a kind demands of its names. */
export type NameCheck = (value: string) => string[];

export interface MetadataOptions {
  /** How messages name the metadata; `metadata` unless it is embedded. */
  readonly path?: string;
  /** Custom resources may have finalizers without a domain. */
  readonly isCustom?: boolean;
}

/** Validates metadata of an object; `isNamespaced` decides whether a namespace must be there. */
export function validateMetadata(
  metadata: JsonObject,
  isNamespaced: boolean,
  checkName: NameCheck,
  options: MetadataOptions = {},
): FieldError[] {
  const path = options.path ?? 'metadata';
  const errors: FieldError[] = [];
  const name = text(metadata['name']);
  const prefix = text(metadata['generateName']);
  if (prefix !== '')
    errors.push(
      ...nameErrors(checkName, prefix, true).map((detail) => invalid(`${path}.generateName`, prefix, detail)),
    );
  if (name === '') errors.push(required(`${path}.name`, 'name or generateName is required'));
  else errors.push(...nameErrors(checkName, name, false).map((detail) => invalid(`${path}.name`, name, detail)));
  if (isNamespaced && text(metadata['namespace']) === '') errors.push(required(`${path}.namespace`));
  if (!isNamespaced && text(metadata['namespace']) !== '')
    errors.push(forbidden(`${path}.namespace`, 'not allowed on this type'));
  return [...errors, ...validateCommonMetadata(metadata, path, options.isCustom === true)];
}

/** Labels, annotations, owners and finalizers; also of templates. */
function validateCommonMetadata(metadata: JsonObject, path: string, isCustom: boolean): FieldError[] {
  return [
    ...validateLabels(metadata['labels'], `${path}.labels`),
    ...validateAnnotations(metadata['annotations'], `${path}.annotations`),
    ...validateOwners(metadata, `${path}.ownerReferences`),
    ...validateFinalizers(listAt(metadata, 'finalizers'), `${path}.finalizers`, isCustom),
  ];
}

export function validateLabels(labels: unknown, path: string): FieldError[] {
  const errors: FieldError[] = [];
  if (!isObject(labels)) return errors;
  for (const key of Object.keys(labels)) {
    errors.push(...labelKeyErrors(key).map((detail) => invalid(path, key, detail)));
    const value = text(labels[key]);
    errors.push(...labelValueErrors(value).map((detail) => invalid(path, value, detail)));
  }
  return errors;
}

export function validateAnnotations(annotations: unknown, path: string): FieldError[] {
  const errors: FieldError[] = [];
  if (!isObject(annotations)) return errors;
  let bytes = 0;
  for (const key of Object.keys(annotations)) {
    errors.push(...labelKeyErrors(key.toLowerCase()).map((detail) => invalid(path, key, detail)));
    bytes += Buffer.byteLength(key) + Buffer.byteLength(text(annotations[key]));
  }
  if (bytes > ANNOTATIONS_BYTES_MAX) errors.push(tooLong(path, ANNOTATIONS_BYTES_MAX));
  return errors;
}

function validateOwners(metadata: JsonObject, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const owners = objectsAt(metadata, 'ownerReferences');
  let controller: JsonObject | undefined;
  for (const owner of owners) {
    if (text(owner['apiVersion']) === '') errors.push(invalid(`${path}.apiVersion`, '', 'version must not be empty'));
    for (const key of ['kind', 'name', 'uid'])
      if (text(owner[key]) === '') errors.push(invalid(`${path}.${key}`, '', 'must not be empty'));
    if (owner['apiVersion'] === 'v1' && owner['kind'] === 'Event')
      errors.push(invalid(path, owner, 'v1, Kind=Event is disallowed from being an owner'));
    if (owner['controller'] !== true) continue;
    if (controller !== undefined) {
      errors.push(
        invalid(
          path,
          owners,
          `Only one reference can have Controller set to true. Found "true" in references for ${text(controller['kind'])}/${text(controller['name'])} and ${text(owner['kind'])}/${text(owner['name'])}`,
        ),
      );
    }
    controller = owner;
  }
  return errors;
}

function validateFinalizers(finalizers: readonly unknown[], path: string, isCustom: boolean): FieldError[] {
  const errors: FieldError[] = [];
  for (const finalizer of finalizers)
    errors.push(...labelKeyErrors(text(finalizer)).map((detail) => invalid(path, finalizer, detail)));
  finalizers.forEach((finalizer, index) => {
    if (
      !isCustom &&
      typeof finalizer === 'string' &&
      !finalizer.includes('/') &&
      !STANDARD_FINALIZERS.includes(finalizer)
    ) {
      errors.push(
        invalid(`${path}[${index}]`, finalizer, 'name is neither a standard finalizer name nor is it fully qualified'),
      );
    }
  });
  if (finalizers.includes('orphan') && finalizers.includes('foregroundDeletion')) {
    errors.push(invalid(path, finalizers, 'finalizer orphan and foregroundDeletion cannot be both set'));
  }
  return errors;
}

const IMMUTABLE = [
  'name',
  'namespace',
  'uid',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
] as const;

/** What an update may not change in metadata; the server keeps system fields before it asks. */
export function validateMetadataUpdate(
  metadata: JsonObject,
  old: JsonObject,
  options: MetadataOptions = {},
): FieldError[] {
  const path = options.path ?? 'metadata';
  const errors: FieldError[] = [];
  if (old['deletionTimestamp'] !== undefined) {
    const added = listAt(metadata, 'finalizers').filter((finalizer) => !listAt(old, 'finalizers').includes(finalizer));
    if (added.length > 0)
      errors.push(
        forbidden(
          `${path}.finalizers`,
          `no new finalizers can be added if the object is being deleted, found new finalizers []string{${added.map((item) => JSON.stringify(item)).join(', ')}}`,
        ),
      );
  }
  for (const key of IMMUTABLE) {
    if (!equalJson(metadata[key], old[key]))
      errors.push(
        invalid(
          `${path}.${key}`,
          metadata[key] ?? (key === 'name' || key === 'namespace' || key === 'uid' ? '' : null),
          'field is immutable',
        ),
      );
  }
  return [...errors, ...validateCommonMetadata(metadata, path, options.isCustom === true)];
}

/** A `LabelSelector` object. */
export function validateLabelSelector(selector: unknown, path: string): FieldError[] {
  const errors: FieldError[] = [];
  if (!isObject(selector)) return errors;
  const labels = objectAt(selector, 'matchLabels');
  for (const key of Object.keys(labels)) {
    errors.push(...labelKeyErrors(key).map((detail) => invalid(`${path}.matchLabels`, key, detail)));
    errors.push(
      ...labelValueErrors(text(labels[key])).map((detail) => invalid(`${path}.matchLabels`, text(labels[key]), detail)),
    );
  }
  objectsAt(selector, 'matchExpressions').forEach((expression, index) => {
    const at = `${path}.matchExpressions[${index}]`;
    const values = listAt(expression, 'values');
    switch (expression['operator']) {
      case 'In':
      case 'NotIn':
        if (values.length === 0)
          errors.push(required(`${at}.values`, "must be specified when `operator` is 'In' or 'NotIn'"));
        break;
      case 'Exists':
      case 'DoesNotExist':
        if (values.length > 0)
          errors.push(forbidden(`${at}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"));
        break;
      default:
        errors.push(invalid(`${at}.operator`, text(expression['operator']), 'not a valid selector operator'));
    }
    const key = text(expression['key']);
    errors.push(...labelKeyErrors(key).map((detail) => invalid(`${at}.key`, key, detail)));
    values.forEach((value, place) =>
      errors.push(...labelValueErrors(text(value)).map((detail) => invalid(`${at}.values[${place}]`, value, detail))),
    );
  });
  return errors;
}

export function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** Reports the second and later occurrences of a value. */
export function duplicates(values: readonly (readonly [path: string, value: string])[]): FieldError[] {
  const seen = new Set<string>();
  const errors: FieldError[] = [];
  for (const [path, value] of values) {
    if (seen.has(value)) errors.push(duplicate(path, value));
    seen.add(value);
  }
  return errors;
}

export function atLeastZero(object: JsonObject, key: string, path: string): FieldError[] {
  const value = object[key];
  return typeof value === 'number' && value < 0
    ? [invalid(`${path}.${key}`, value, 'must be greater than or equal to 0')]
    : [];
}
