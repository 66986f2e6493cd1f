/** Validation of CustomResourceDefinitions themselves. (Kubernetes API reference, "CustomResourceDefinition v1".) */
import { forbidden, invalid, notSupported, required, type FieldError } from '../field-error.ts';
import { equalJson, isObject, listAt, objectAt, stringAt, type JsonObject } from '../json.ts';
import { dns1035LabelErrors, dnsSubdomainErrors } from '../names.ts';
import { objectsAt } from '../defaults/pod-spec.ts';
import { checkStructural } from './structural.ts';

const COLUMN_TYPES = ['boolean', 'date', 'integer', 'number', 'string'];
const COLUMN_FORMATS = ['byte', 'date', 'date-time', 'double', 'float', 'int32', 'int64', 'password'];

/** Validates a defaulted definition; its metadata is validated elsewhere. */
export function validateDefinition(definition: JsonObject): FieldError[] {
  const spec = objectAt(definition, 'spec');
  const names = objectAt(spec, 'names');
  const group = stringAt(spec, 'group') ?? '';
  const name = stringAt(definition, 'metadata', 'name') ?? '';
  const errors: FieldError[] = [];
  if (name !== `${stringAt(names, 'plural') ?? ''}.${group}`)
    errors.push(invalid('metadata.name', name, 'must be spec.names.plural+"."+spec.group'));
  if (group === '') errors.push(required('spec.group'));
  else if (dnsSubdomainErrors(group).length > 0)
    errors.push(...dnsSubdomainErrors(group).map((detail) => invalid('spec.group', group, detail)));
  else if (!group.includes('.')) errors.push(invalid('spec.group', group, 'should be a domain with at least one dot'));
  const scope = stringAt(spec, 'scope') ?? '';
  if (scope === '') errors.push(required('spec.scope'));
  else if (scope !== 'Cluster' && scope !== 'Namespaced')
    errors.push(notSupported('spec.scope', scope, ['Cluster', 'Namespaced']));
  if (spec['preserveUnknownFields'] === true)
    errors.push(
      invalid(
        'spec.preserveUnknownFields',
        true,
        'cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead',
      ),
    );
  errors.push(
    ...validateVersions(definition, objectsAt(spec, 'versions')),
    ...validateNames(names),
    ...validateConversion(objectAt(spec, 'conversion')),
  );
  return errors;
}

/** The versions that objects are stored in, which creation puts into the status. */
export function storageVersions(definition: JsonObject): string[] {
  return objectsAt(definition, 'spec', 'versions')
    .filter((version) => version['storage'] === true)
    .map((version) => stringAt(version, 'name') ?? '');
}

function validateVersions(definition: JsonObject, versions: readonly JsonObject[]): FieldError[] {
  const errors: FieldError[] = [];
  // Where all versions share one schema, columns or subresources, messages name the shared place.
  const shared = (key: string): boolean => versions.every((version) => equalJson(version[key], versions[0]?.[key]));
  const isShared = {
    schema: shared('schema'),
    subresources: shared('subresources'),
    columns: shared('additionalPrinterColumns'),
  };
  versions.forEach((version, index) => {
    const path = `spec.versions[${index}]`;
    const name = stringAt(version, 'name') ?? '';
    errors.push(...dns1035LabelErrors(name).map((detail) => invalid(`${path}.name`, name, detail)));
    if (version['deprecationWarning'] !== undefined && version['deprecated'] !== true)
      errors.push(
        invalid(`${path}.deprecationWarning`, version['deprecationWarning'], 'can only be set for deprecated versions'),
      );
  });
  const first = versions[0];
  if (first !== undefined && dns1035LabelErrors(stringAt(first, 'name') ?? '').length > 0) {
    const name = stringAt(first, 'name') ?? '';
    errors.push(...dns1035LabelErrors(name).map((detail) => invalid('spec.version', name, detail)));
  }
  versions.forEach((version, index) => {
    const path = `spec.versions[${index}]`;
    const schema = objectAt(version, 'schema')['openAPIV3Schema'];
    if (!isObject(schema)) errors.push(required(`${path}.schema.openAPIV3Schema`));
    else if (!isShared.schema || index === 0)
      errors.push(
        ...checkStructural(
          schema,
          isShared.schema ? 'spec.validation.openAPIV3Schema' : `${path}.schema.openAPIV3Schema`,
        ),
      );
    if (!isShared.subresources || index === 0)
      errors.push(
        ...validateSubresources(
          objectAt(version, 'subresources'),
          isShared.subresources ? 'spec.subresources' : `${path}.subresources`,
        ),
      );
    if (!isShared.columns || index === 0)
      errors.push(
        ...validateColumns(
          objectsAt(version, 'additionalPrinterColumns'),
          isShared.columns ? 'spec.additionalPrinterColumns' : `${path}.additionalPrinterColumns`,
        ),
      );
  });
  return [...errors, ...validateVersionSet(definition, versions)];
}

function validateVersionSet(definition: JsonObject, versions: readonly JsonObject[]): FieldError[] {
  const errors: FieldError[] = [];
  const shown = versions.map((version) => ({
    Name: version['name'],
    Served: version['served'],
    Storage: version['storage'],
    Deprecated: version['deprecated'] ?? false,
    DeprecationWarning: version['deprecationWarning'] ?? null,
    Schema: null,
    Subresources: null,
    AdditionalPrinterColumns: null,
    SelectableFields: null,
  }));
  const names = versions.map((version) => version['name']);
  if (new Set(names).size !== names.length)
    errors.push(invalid('spec.versions', shown, 'must contain unique version names'));
  const stored = storageVersions(definition);
  if (stored.length !== 1)
    errors.push(invalid('spec.versions', shown, 'must have exactly one version marked as storage version'));
  const recorded = objectAt(definition, 'status')['storedVersions'];
  const recordedNames = Array.isArray(recorded) ? (recorded as unknown[]) : [];
  if (recordedNames.length === 0)
    return [...errors, invalid('status.storedVersions', recorded ?? null, 'must have at least one stored version')];
  const last = stored[stored.length - 1];
  if (last !== undefined && !recordedNames.includes(last))
    errors.push(invalid('status.storedVersions', recordedNames, `must have the storage version ${last}`));
  recordedNames.forEach((name, index) => {
    if (!names.includes(name))
      errors.push(
        invalid(
          `status.storedVersions[${index}]`,
          name,
          'missing from spec.versions; it was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in that version and removes it from status.storedVersions',
        ),
      );
  });
  return errors;
}

function validateNames(names: JsonObject): FieldError[] {
  const errors: FieldError[] = [];
  for (const key of ['plural', 'singular', 'kind', 'listKind'] as const) {
    const name = stringAt(names, key) ?? '';
    const isKind = key === 'kind' || key === 'listKind';
    if (name === '') errors.push(required(`spec.names.${key}`));
    else
      errors.push(
        ...dns1035LabelErrors(isKind ? name.toLowerCase() : name).map((detail) =>
          invalid(
            `spec.names.${key}`,
            name,
            isKind ? `may have mixed case, but should otherwise match: ${detail}` : detail,
          ),
        ),
      );
  }
  listAt(names, 'shortNames').forEach((name, index) =>
    errors.push(
      ...dns1035LabelErrors(String(name)).map((detail) => invalid(`spec.names.shortNames[${index}]`, name, detail)),
    ),
  );
  listAt(names, 'categories').forEach((name, index) =>
    errors.push(
      ...dns1035LabelErrors(String(name)).map((detail) => invalid(`spec.names.categories[${index}]`, name, detail)),
    ),
  );
  if (names['kind'] !== undefined && names['kind'] === names['listKind'])
    errors.push(invalid('spec.names.listKind', names['listKind'], 'kind and listKind may not be the same'));
  return errors;
}

function validateSubresources(subresources: JsonObject, path: string): FieldError[] {
  const scale = subresources['scale'];
  if (!isObject(scale)) return [];
  const errors: FieldError[] = [];
  for (const [key, prefix] of [
    ['specReplicasPath', '.spec.'],
    ['statusReplicasPath', '.status.'],
  ] as const) {
    const value = stringAt(scale, key) ?? '';
    const at = `${path}.scale.${key}`;
    if (value === '') errors.push(required(at));
    else if (!isSimplePath(value)) errors.push(invalid(at, value, 'must be a simple json path starting with .'));
    else if (!value.startsWith(prefix))
      errors.push(invalid(at, value, `should be a json path under ${prefix.slice(0, -1)}`));
  }
  return errors;
}

function isSimplePath(path: string): boolean {
  return path.startsWith('.');
}

function validateColumns(columns: readonly JsonObject[], path: string): FieldError[] {
  const errors: FieldError[] = [];
  columns.forEach((column, index) => {
    const at = `${path}[${index}]`;
    if ((stringAt(column, 'name') ?? '') === '') errors.push(required(`${at}.name`));
    const type = stringAt(column, 'type') ?? '';
    if (type === '') errors.push(required(`${at}.type`, `must be one of ${COLUMN_TYPES.join(',')}`));
    else if (!COLUMN_TYPES.includes(type))
      errors.push(invalid(`${at}.type`, type, `must be one of ${COLUMN_TYPES.join(',')}`));
    const format = stringAt(column, 'format') ?? '';
    if (format !== '' && !COLUMN_FORMATS.includes(format))
      errors.push(invalid(`${at}.format`, format, `must be one of ${COLUMN_FORMATS.join(',')}`));
    const jsonPath = stringAt(column, 'jsonPath') ?? '';
    if (jsonPath === '') errors.push(required(`${at}.JSONPath`));
    else if (!isSimplePath(jsonPath))
      errors.push(invalid(`${at}.JSONPath`, jsonPath, 'must be a simple json path starting with .'));
  });
  return errors;
}

function validateConversion(conversion: JsonObject): FieldError[] {
  const strategy = stringAt(conversion, 'strategy') ?? '';
  if (strategy === '') return [required('spec.conversion.strategy')];
  if (strategy !== 'None' && strategy !== 'Webhook')
    return [notSupported('spec.conversion.strategy', strategy, ['None', 'Webhook'])];
  const webhook = objectAt(conversion, 'webhook');
  if (strategy === 'None')
    return isObject(conversion['webhook'])
      ? [forbidden('spec.conversion.webhookClientConfig', 'should not be set when strategy is not set to Webhook')]
      : [];
  const errors: FieldError[] = [];
  if (!isObject(webhook['clientConfig']))
    errors.push(required('spec.conversion.webhookClientConfig', 'required when strategy is set to Webhook'));
  if (listAt(webhook, 'conversionReviewVersions').length === 0)
    errors.push(required('spec.conversion.conversionReviewVersions'));
  return errors;
}

/** Once established, the scope and the kind stay; group and plural are in the name. */
export function validateDefinitionUpdate(definition: JsonObject, old: JsonObject): FieldError[] {
  const errors: FieldError[] = [];
  const isEstablished = objectsAt(old, 'status', 'conditions').some(
    (condition) => condition['type'] === 'Established' && condition['status'] === 'True',
  );
  const fixed: readonly (readonly string[])[] = [
    ['group'],
    ['names', 'plural'],
    ...(isEstablished ? [['scope'], ['names', 'kind']] : []),
  ];
  for (const path of fixed) {
    const key = path[path.length - 1] ?? '';
    const value = objectAt(definition, 'spec', ...path.slice(0, -1))[key];
    if (!equalJson(value, objectAt(old, 'spec', ...path.slice(0, -1))[key]))
      errors.push(invalid(`spec.${path.join('.')}`, value ?? '', 'field is immutable'));
  }
  return errors;
}
