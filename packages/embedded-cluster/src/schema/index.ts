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
export { decodeErrorText, decodeObject, duplicateFields, strictErrorText, zeroStruct } from './decode.ts';
export type { Decoded } from './decode.ts';
export { setDefaults } from './defaults/defaults.ts';
export {
  admitPod,
  hasStatusSubresource,
  prepareForCreate,
  prepareForStatusUpdate,
  prepareForUpdate,
  qosClass,
} from './defaults/prepare.ts';
export { isNamespacedKind, validateCreate, validateStatusUpdate, validateUpdate } from './validation/validate.ts';
export { validateMetadata, validateMetadataUpdate } from './validation/metadata.ts';
export type { MetadataOptions } from './validation/metadata.ts';
export { compileNode, compileSchema } from './crd/compile.ts';
export { decodeCustom, defaultObject, pruneObject } from './crd/default-prune.ts';
export type { DecodedCustom } from './crd/default-prune.ts';
export { storageVersions, validateDefinition } from './crd/definition.ts';
export { checkStructural } from './crd/structural.ts';
export { validateObject, validateValue } from './crd/validate-value.ts';
export {
  ApplyError,
  applyPatch,
  conflictStatus,
  isUnchanged,
  resetFields,
  updateManagers,
} from './apply/managed-fields.ts';
export type { ApplyInput, ApplyResult, Conflict, ManagerContext, UpdateInput } from './apply/managed-fields.ts';
export {
  cidrErrors,
  configKeyErrors,
  dns1035LabelErrors,
  dnsLabelErrors,
  dnsSubdomainErrors,
  ipErrors,
  labelKeyErrors,
  labelValueErrors,
  pathSegmentErrors,
  portNameErrors,
} from './names.ts';
export { canonicalQuantity, compareQuantities, formatQuantity, parseQuantity } from './quantity.ts';
export type { Quantity } from './quantity.ts';
export {
  fieldMatcher,
  formatLabelSelector,
  labelSelectorFrom,
  mapSelectorFrom,
  matchesLabels,
  parseFieldSelector,
  parseLabelSelector,
  SelectorError,
} from './selectors.ts';
export type { FieldRequirement, LabelOperator, LabelRequirement, LabelSelector } from './selectors.ts';
export { openapiPath, openapiV2, openapiV3, openapiV3Index } from './openapi/documents.ts';
export type { OpenapiResource } from './openapi/documents.ts';
export { selectPath } from './table/json-path.ts';
export { tableFor, tableForColumns } from './table/table.ts';
export type { ColumnDefinition, IncludeObject, PrinterColumn, TableOptions } from './table/table.ts';
export { ageOf, formatMicroTime, formatTime, humanDuration, parseTime } from './times.ts';
export { apiVersionOf, parseApiVersion } from './types.ts';
export type { GroupVersionKind, ListType, SchemaType, TypeSchema, ValidationRule } from './types.ts';
