/** A small vocabulary for structural schemas (OpenAPI v3 as CustomResourceDefinitions use it). */
import type { CustomResourceDefinition, CustomResourceVersion } from '../core-types.ts';

export type Schema = Readonly<Record<string, unknown>>;

type Extra = Readonly<Record<string, unknown>>;

export const text = (extra: Extra = {}): Schema => ({ type: 'string', ...extra });
export const integer = (extra: Extra = {}): Schema => ({ type: 'integer', ...extra });
export const flag = (extra: Extra = {}): Schema => ({ type: 'boolean', ...extra });
export const choice = (values: readonly string[], extra: Extra = {}): Schema => ({
  type: 'string',
  enum: values,
  ...extra,
});
export const list = (items: Schema, extra: Extra = {}): Schema => ({ type: 'array', items, ...extra });
export const mapOf = (values: Schema, extra: Extra = {}): Schema => ({
  type: 'object',
  additionalProperties: values,
  ...extra,
});
export const intOrString = (extra: Extra = {}): Schema => ({ 'x-kubernetes-int-or-string': true, ...extra });
/** Any content: for the parts of a resource that another project defines and the policy role validates. */
export const open = (extra: Extra = {}): Schema => ({
  type: 'object',
  'x-kubernetes-preserve-unknown-fields': true,
  ...extra,
});

export function record(
  properties: Readonly<Record<string, Schema>>,
  required: readonly string[] = [],
  extra: Extra = {},
): Schema {
  return { type: 'object', ...(required.length === 0 ? {} : { required }), properties, ...extra };
}

/** `metav1.LabelSelector`. */
export const labelSelector: Schema = record({
  matchLabels: mapOf(text()),
  matchExpressions: list(
    record({ key: text(), operator: choice(['In', 'NotIn', 'Exists', 'DoesNotExist']), values: list(text()) }, [
      'key',
      'operator',
    ]),
  ),
});

/** `metav1.Condition`, keyed by type. */
export const conditions: Schema = list(
  record(
    {
      type: text({ maxLength: 316 }),
      status: choice(['True', 'False', 'Unknown']),
      reason: text({ minLength: 1, maxLength: 1024 }),
      message: text({ maxLength: 32768 }),
      lastTransitionTime: text({ format: 'date-time' }),
      observedGeneration: integer({ format: 'int64', minimum: 0 }),
    },
    ['type', 'status', 'reason', 'message', 'lastTransitionTime'],
  ),
  { 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['type'] },
);

export interface VersionOptions {
  readonly storage?: boolean;
  readonly served?: boolean;
  readonly status?: boolean;
  readonly columns?: readonly (readonly [name: string, type: string, jsonPath: string])[];
}

/** One version whose root object has `spec` (and `status`) of the given schemas. */
export function version(
  name: string,
  properties: Readonly<Record<string, Schema>>,
  options: VersionOptions = {},
): CustomResourceVersion {
  const root = record(
    { apiVersion: text(), kind: text(), metadata: { type: 'object' }, ...properties },
    'spec' in properties ? ['spec'] : [],
  );
  return {
    name,
    served: options.served ?? true,
    storage: options.storage ?? false,
    schema: { openAPIV3Schema: root },
    ...(options.status === true ? { subresources: { status: {} } } : {}),
    ...(options.columns === undefined
      ? {}
      : {
          additionalPrinterColumns: options.columns.map(([column, type, jsonPath]) => ({
            name: column,
            type,
            jsonPath,
          })),
        }),
  };
}

export function definition(
  group: string,
  kind: string,
  plural: string,
  versions: readonly CustomResourceVersion[],
  options: { readonly shortNames?: readonly string[]; readonly annotations?: Readonly<Record<string, string>> } = {},
): CustomResourceDefinition {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: {
      name: `${plural}.${group}`,
      annotations: { 'linkerd.io/created-by': 'mesh', ...options.annotations },
      labels: { 'linkerd.io/control-plane-ns': 'linkerd' },
    },
    spec: {
      group,
      scope: 'Namespaced',
      names: {
        kind,
        plural,
        singular: kind.toLowerCase(),
        listKind: `${kind}List`,
        ...(options.shortNames === undefined ? {} : { shortNames: options.shortNames }),
      },
      versions,
    },
  };
}
