/** The door of the API server. */
export { equalJson, cloneJson } from './json.ts';
export { ApiServer } from './server.ts';
export type { ApiServerOptions } from './server.ts';
export { labelSelectorTest } from './selectors.ts';
export { hasReason, KubeStatusError } from './status-error.ts';
export type {
  ClusterClient,
  DeleteOptions,
  KubeList,
  KubeObject,
  ListOptions,
  ObjectMeta,
  OwnerReference,
  PatchRequest,
  PatchType,
  PropagationPolicy,
  ResourceRef,
  Status,
  UserInfo,
  WatchEvent,
  WatchEventType,
  WatchOptions,
  WriteOptions,
} from './types.ts';
