/** The door of the API server. */
export { ApiServer } from './server.ts';
export type { ApiServerOptions } from './server.ts';
export { hasReason, KubeStatusError } from './status-error.ts';
export type { ClusterClient, KubeList, KubeObject, ResourceRef, WatchEvent } from './types.ts';
