export type {
  ApplyOptions,
  DeleteOptions,
  KubeClient,
  ListOptions,
  ListResult,
  Patch,
  PatchType,
  RawRequest,
  RawResponse,
  WatchEvent,
  WatchOptions,
  WriteOptions,
} from './client.ts';
export type * from './core-types.ts';
export { isKubeError, KubeError } from './errors.ts';
export type { KubeErrorCode, KubeErrorInfo } from './errors.ts';
export * from './kinds.ts';
export type * from './link.ts';
export type * from './mesh-types.ts';
export { keyOf, parseKey } from './object.ts';
export type {
  Condition,
  KubeObject,
  LabelSelector,
  LabelSelectorRequirement,
  ObjectMeta,
  ObjectRef,
  OwnerReference,
  UnknownObject,
} from './object.ts';
