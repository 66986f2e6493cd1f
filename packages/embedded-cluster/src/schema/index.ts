/** The door of the API machinery's pure functions. */
export { applyJsonPatch, JSON_PATCH_OPERATIONS_MAX } from './json-patch.ts';
export { applyMergePatch } from './merge-patch.ts';
export { applyStrategicMergePatch } from './strategic-merge-patch.ts';
export { PatchError } from './patch-error.ts';
export type { PatchErrorInfo } from './patch-error.ts';
export {
  aggregate,
  causeOf,
  duplicate,
  failure,
  FIELD_ERROR_REASONS,
  fieldErrorBody,
  forbidden,
  formatFieldError,
  goQuote,
  goValue,
  invalid,
  invalidStatus,
  notFound,
  notSupported,
  required,
  tooLong,
  tooMany,
  typeInvalid,
} from './field-error.ts';
export type { FieldError, FieldErrorKind, StatusCause, StatusObject } from './field-error.ts';
export {
  canonicalJson,
  cloneJson,
  equalJson,
  isObject,
  listAt,
  numberAt,
  objectAt,
  stringAt,
  valueAt,
} from './json.ts';
export type { JsonObject } from './json.ts';
export { builtinKinds, builtinType, schemaFor } from './builtin-types.ts';
export { apiVersionOf, parseApiVersion } from './types.ts';
export type { GroupVersionKind, ListType, SchemaType, TypeSchema, ValidationRule } from './types.ts';
