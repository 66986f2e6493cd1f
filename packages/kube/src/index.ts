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
export type * from './federation-types.ts';
export type * from './link.ts';
export type * from './mcs-types.ts';
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
export { Controller, TerminalError } from './controller.ts';
export type { ControllerDeps, ControllerOptions, ReconcileResult } from './controller.ts';
export { EventRecorder, referenceTo } from './events.ts';
export type { EventNote, EventRecorderOptions } from './events.ts';
export { Informer, withoutManagedFields } from './informer.ts';
export type { Change, ChangeHandler, InformerDeps, InformerOptions, Store } from './informer.ts';
export { kubeConfigText, listContexts, loadKubeConfig } from './kubeconfig.ts';
export type { ClusterAccess, KubeConfigOptions } from './kubeconfig.ts';
export { kubeConfigToken, kubeConfigWithToken } from './kubeconfig-token.ts';
export type { Credentials, RequestAuth } from './credentials.ts';
export { DEFAULT_LEASE_DURATION_MS, DEFAULT_RENEW_MS, LeaderElection } from './leader-election.ts';
export type { LeaderElectionDeps, LeaderElectionOptions } from './leader-election.ts';
export { createKubeClient, pathOf } from './rest-client.ts';
export { formatSelector, isEmptySelector, matchesSelector, parseSelector } from './selector.ts';
export { DEFAULT_TRANSPORT_OPTIONS } from './transport.ts';
export type { TransportOptions } from './transport.ts';
export { WorkQueue } from './work-queue.ts';
export type { Priority } from './work-queue.ts';
