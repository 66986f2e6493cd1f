/**
 * The door of the API machinery's pure functions. Everything is tagged public: the server, the controllers and the tests
 * of this package take what they need.
 */
/** @public */
export { applyJsonPatch, JSON_PATCH_OPERATIONS_MAX } from './json-patch.ts';
/** @public */
export { applyMergePatch } from './merge-patch.ts';
/** @public */
export { applyStrategicMergePatch } from './strategic-merge-patch.ts';
/** @public */
export { PatchError } from './patch-error.ts';
/** @public */
export type { PatchErrorInfo } from './patch-error.ts';
/** @public */
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
/** @public */
export type { FieldError, FieldErrorKind, StatusCause, StatusObject } from './field-error.ts';
/** @public */
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
/** @public */
export type { JsonObject } from './json.ts';
/** @public */
export { builtinKinds, builtinType, schemaFor } from './builtin-types.ts';
/** @public */
export { decodeErrorText, decodeObject, duplicateFields, strictErrorText, zeroStruct } from './decode.ts';
/** @public */
export type { Decoded } from './decode.ts';
/** @public */
export { setDefaults } from './defaults/defaults.ts';
/** @public */
export {
  admitPod,
  hasStatusSubresource,
  prepareForCreate,
  prepareForStatusUpdate,
  prepareForUpdate,
  qosClass,
} from './defaults/prepare.ts';
/** @public */
export { isNamespacedKind, validateCreate, validateStatusUpdate, validateUpdate } from './validation/validate.ts';
/** @public */
export { validateMetadata, validateMetadataUpdate } from './validation/metadata.ts';
/** @public */
export type { MetadataOptions } from './validation/metadata.ts';
/** @public */
export { compileNode, compileSchema } from './crd/compile.ts';
/** @public */
export { decodeCustom, defaultObject, pruneObject } from './crd/default-prune.ts';
/** @public */
export type { DecodedCustom } from './crd/default-prune.ts';
/** @public */
export { storageVersions, validateDefinition } from './crd/definition.ts';
/** @public */
export { checkStructural } from './crd/structural.ts';
/** @public */
export { validateObject, validateValue } from './crd/validate-value.ts';
/** @public */
export { ApplyError, applyPatch, conflictStatus, resetFields, updateManagers } from './apply/managed-fields.ts';
/** @public */
export type { ApplyInput, ApplyResult, Conflict, ManagerContext, UpdateInput } from './apply/managed-fields.ts';
/** @public */
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
/** @public */
export { canonicalQuantity, compareQuantities, formatQuantity, parseQuantity } from './quantity.ts';
/** @public */
export type { Quantity } from './quantity.ts';
/** @public */
export {
  fieldMatcher,
  formatLabelSelector,
  labelSelectorFrom,
  matchesLabels,
  parseFieldSelector,
  parseLabelSelector,
  SelectorError,
} from './selectors.ts';
/** @public */
export type { FieldRequirement, LabelOperator, LabelRequirement, LabelSelector } from './selectors.ts';
/** @public */
export { openapiPath, openapiV2, openapiV3, openapiV3Index } from './openapi/documents.ts';
/** @public */
export type { OpenapiResource } from './openapi/documents.ts';
/** @public */
export { selectPath } from './table/json-path.ts';
/** @public */
export { tableFor, tableForColumns } from './table/table.ts';
/** @public */
export type { ColumnDefinition, IncludeObject, PrinterColumn, TableOptions } from './table/table.ts';
/** @public */
export { ageOf, formatMicroTime, formatTime, humanDuration, parseTime } from './times.ts';
/** @public */
export { apiVersionOf, parseApiVersion } from './types.ts';
/** @public */
export type { GroupVersionKind, ListType, SchemaType, TypeSchema, ValidationRule } from './types.ts';
