/**
 * The one form that type information takes: built-in kinds, custom resources and deduced objects alike.
 *
 * A built-in struct is one `TypeSchema` object that all its users share, so the graph may be cyclic
 * (JSONSchemaProps); walk it along a value, never by itself.
 */

export type SchemaType = 'object' | 'array' | 'string' | 'integer' | 'number' | 'boolean';

/** How the items of a list are told apart (`x-kubernetes-list-type`). */
export type ListType = 'atomic' | 'set' | 'map';

/** One `x-kubernetes-validations` rule, as stored; see the README for what is evaluated. */
export interface ValidationRule {
  readonly rule: string;
  readonly message?: string;
  readonly messageExpression?: string;
  readonly reason?: string;
  readonly fieldPath?: string;
  readonly optionalOldSelf?: boolean;
}

export interface TypeSchema {
  /** Absent: any JSON value. */
  readonly type?: SchemaType;
  readonly format?: string;
  /** The published name of a built-in struct, e.g. `io.k8s.api.core.v1.PodSpec`. */
  readonly typeName?: string;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, TypeSchema>>;
  /** Values of a map with free keys; `true` allows any value. */
  readonly additionalProperties?: TypeSchema | boolean;
  readonly items?: TypeSchema;
  readonly required?: readonly string[];
  readonly nullable?: boolean;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];

  /** Built-in structs: optional scalars that stay when zero, and fields that are always written (with what they hold when unset). */
  readonly keptWhenZero?: ReadonlySet<string>;
  readonly alwaysPresent?: ReadonlyMap<string, unknown>;

  readonly intOrString?: boolean;
  /** A Kubernetes quantity ("100m", "1Gi"): numbers are accepted and stored as text. */
  readonly quantity?: boolean;
  /** A time with six digits of fraction. */
  readonly micro?: boolean;
  readonly preserveUnknownFields?: boolean;
  readonly embeddedResource?: boolean;
  readonly listType?: ListType;
  readonly listMapKeys?: readonly string[];
  readonly mapType?: 'granular' | 'atomic';
  /** Strategic merge patch: the key that identifies the items of a list, and `merge`, `replace`, `retainKeys` or both. */
  readonly patchMergeKey?: string;
  readonly patchStrategy?: string;

  readonly title?: string;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: boolean;
  readonly exclusiveMaximum?: boolean;
  readonly multipleOf?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly uniqueItems?: boolean;
  readonly minProperties?: number;
  readonly maxProperties?: number;
  readonly allOf?: readonly TypeSchema[];
  readonly anyOf?: readonly TypeSchema[];
  readonly oneOf?: readonly TypeSchema[];
  readonly not?: TypeSchema;
  readonly validations?: readonly ValidationRule[];
}

/** Group, version and kind; the core group is the empty string. */
export interface GroupVersionKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

/** `v1` or `apps/v1`. */
export function apiVersionOf(gvk: { readonly group: string; readonly version: string }): string {
  return gvk.group === '' ? gvk.version : `${gvk.group}/${gvk.version}`;
}

/** Splits `v1` or `apps/v1` into group and version. */
export function parseApiVersion(apiVersion: string): { group: string; version: string } {
  const slash = apiVersion.indexOf('/');
  return slash < 0
    ? { group: '', version: apiVersion }
    : { group: apiVersion.slice(0, slash), version: apiVersion.slice(slash + 1) };
}
