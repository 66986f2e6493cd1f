/**
 * Validation failures in the words of the API server, and the `Status` objects that carry them.
 * (Kubernetes API conventions, "Response Status Kind"; message forms observed on Kubernetes 1.34.)
 */
import { type JsonObject } from './json.ts';

/** The kinds of field failure and the `reason` that their causes carry. */
export const FIELD_ERROR_REASONS = {
  invalid: 'FieldValueInvalid',
  typeInvalid: 'FieldValueTypeInvalid',
  required: 'FieldValueRequired',
  duplicate: 'FieldValueDuplicate',
  notSupported: 'FieldValueNotSupported',
  forbidden: 'FieldValueForbidden',
  notFound: 'FieldValueNotFound',
  tooLong: 'FieldValueTooLong',
  tooMany: 'FieldValueTooMany',
} as const;

export type FieldErrorKind = keyof typeof FIELD_ERROR_REASONS;

export interface FieldError {
  readonly kind: FieldErrorKind;
  /** Dotted path such as `spec.ports[0].name`; `<nil>` for the object itself. */
  readonly field: string;
  readonly value?: unknown;
  readonly detail: string;
}

export interface StatusCause {
  readonly reason: string;
  readonly message: string;
  readonly field: string;
}

/** A `v1` `Status` with `status: Failure`. */
export interface StatusObject extends JsonObject {
  kind: 'Status';
  apiVersion: 'v1';
  metadata: JsonObject;
  status: 'Failure';
  message: string;
  reason?: string;
  details?: JsonObject;
  code: number;
}

/** A value that is wrong: "Invalid value: -1: must be greater than or equal to 0". */
export function invalid(field: string, value: unknown, detail: string): FieldError {
  return { kind: 'invalid', field, value, detail };
}
export function typeInvalid(field: string, value: unknown, detail: string): FieldError {
  return { kind: 'typeInvalid', field, value, detail };
}
export function required(field: string, detail = ''): FieldError {
  return { kind: 'required', field, detail };
}
export function duplicate(field: string, value: unknown): FieldError {
  return { kind: 'duplicate', field, value, detail: '' };
}
/** A value outside a closed set: `Unsupported value: "x": supported values: "a", "b"`. */
export function notSupported(field: string, value: unknown, allowed: readonly unknown[]): FieldError {
  const names = allowed.map((item) => (typeof item === 'string' ? goQuote(item) : goValue(item)));
  return { kind: 'notSupported', field, value, detail: `supported values: ${names.join(', ')}` };
}
export function forbidden(field: string, detail: string): FieldError {
  return { kind: 'forbidden', field, detail };
}
export function notFound(field: string, value: unknown): FieldError {
  return { kind: 'notFound', field, value, detail: '' };
}
/** Since Kubernetes 1.32 the value is not repeated: "Too long: may not be more than 63 bytes". */
export function tooLong(field: string, maxBytes: number): FieldError {
  return { kind: 'tooLong', field, detail: `may not be more than ${maxBytes} bytes` };
}
/** "Too many: 3: must have at most 2 items". */
export function tooMany(field: string, actual: number, max: number): FieldError {
  return { kind: 'tooMany', field, value: actual, detail: `must have at most ${max} item${max === 1 ? '' : 's'}` };
}

const KIND_TEXT: Readonly<Record<FieldErrorKind, string>> = {
  invalid: 'Invalid value',
  typeInvalid: 'Invalid value',
  required: 'Required value',
  duplicate: 'Duplicate value',
  notSupported: 'Unsupported value',
  forbidden: 'Forbidden',
  notFound: 'Not found',
  tooLong: 'Too long',
  tooMany: 'Too many',
};
const WITHOUT_VALUE: ReadonlySet<FieldErrorKind> = new Set(['required', 'forbidden', 'tooLong']);

/** The failure without its field: the `message` of a cause. */
export function fieldErrorBody(error: FieldError): string {
  const head = WITHOUT_VALUE.has(error.kind)
    ? KIND_TEXT[error.kind]
    : `${KIND_TEXT[error.kind]}: ${goValue(error.value)}`;
  return error.detail === '' ? head : `${head}: ${error.detail}`;
}

/** The failure as one line: "spec.replicas: Invalid value: -1: must be greater than or equal to 0". */
export function formatFieldError(error: FieldError): string {
  return `${error.field}: ${fieldErrorBody(error)}`;
}

export function causeOf(error: FieldError): StatusCause {
  return { reason: FIELD_ERROR_REASONS[error.kind], message: fieldErrorBody(error), field: error.field };
}

/** Several failures as one text: bracketed when there is more than one, repeated lines once. */
export function aggregate(messages: readonly string[]): string {
  const unique = [...new Set(messages)];
  return unique.length === 1 ? (unique[0] ?? '') : `[${unique.join(', ')}]`;
}

/** The 422 `Status` for field failures on one object; `name` is empty for an object without one. */
export function invalidStatus(
  kind: { readonly group: string; readonly kind: string },
  name: string,
  errors: readonly FieldError[],
): StatusObject {
  const groupKind = kind.group === '' ? kind.kind : `${kind.kind}.${kind.group}`;
  const details: JsonObject = {};
  if (name !== '') details['name'] = name;
  if (kind.group !== '') details['group'] = kind.group;
  if (kind.kind !== '') details['kind'] = kind.kind;
  details['causes'] = errors.map((error) => causeOf(error));
  const message = `${groupKind} ${goQuote(name)} is invalid${errors.length === 0 ? '' : `: ${aggregate(errors.map((error) => formatFieldError(error)))}`}`;
  return failure(422, 'Invalid', message, details);
}

/** A failure `Status`; `reason` empty leaves the reason out, as plain internal errors do. */
export function failure(code: number, reason: string, message: string, details?: JsonObject): StatusObject {
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message,
    ...(reason === '' ? {} : { reason }),
    ...(details === undefined ? {} : { details }),
    code,
  };
}

/** Go's `%q` for the text that occurs in messages. */
export function goQuote(text: string): string {
  return JSON.stringify(text).replaceAll('\u007f', '\\x7f');
}

/** How the API server prints a rejected value: strings quoted, numbers plain, structures as JSON. */
export function goValue(value: unknown): string {
  if (value === undefined || value === null) return 'null';
  if (typeof value === 'string') return goQuote(value);
  if (typeof value === 'object') return JSON.stringify(value);
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint') return String(value);
  return '';
}
