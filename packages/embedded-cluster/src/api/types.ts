/** The shapes that every Kubernetes object, list, status and watch event has, and the client that speaks them. */

export interface OwnerReference {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  controller?: boolean;
  blockOwnerDeletion?: boolean;
}

export interface ManagedFieldsEntry {
  manager?: string;
  operation?: string;
  apiVersion?: string;
  time?: string;
  fieldsType?: string;
  fieldsV1?: Record<string, unknown>;
  subresource?: string;
}

export interface ObjectMeta {
  name?: string;
  generateName?: string;
  namespace?: string;
  uid?: string;
  resourceVersion?: string;
  generation?: number;
  creationTimestamp?: string | null;
  deletionTimestamp?: string;
  deletionGracePeriodSeconds?: number;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  ownerReferences?: OwnerReference[];
  finalizers?: string[];
  managedFields?: ManagedFieldsEntry[];
  selfLink?: string;
}

/** Any object of the API. Kind-specific fields are read by index and narrowed where they are used. */
export interface KubeObject {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
  [field: string]: unknown;
}

export interface ListMeta {
  resourceVersion?: string;
  continue?: string;
  remainingItemCount?: number;
}

export interface KubeList {
  apiVersion: string;
  kind: string;
  metadata: ListMeta;
  items: KubeObject[];
}

export interface StatusCause {
  reason?: string;
  message?: string;
  field?: string;
}

export interface StatusDetails {
  name?: string;
  group?: string;
  kind?: string;
  uid?: string;
  causes?: StatusCause[];
  retryAfterSeconds?: number;
}

/** `metav1.Status`, the body of every failure and of some deletions. */
export interface Status {
  kind: 'Status';
  apiVersion: 'v1';
  metadata: Record<string, unknown>;
  status: 'Success' | 'Failure';
  message?: string;
  reason?: string;
  details?: StatusDetails;
  code?: number;
}

export type WatchEventType = 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';

export interface WatchEvent {
  readonly type: WatchEventType;
  readonly object: KubeObject;
}

/** Names a resource as a URL does: group ('' for core), version and plural. */
export interface ResourceRef {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
}

/** Who asks, as authentication found it and authorization sees it. */
export interface UserInfo {
  readonly username: string;
  readonly uid?: string | undefined;
  readonly groups: readonly string[];
  readonly extra?: Readonly<Record<string, readonly string[]>> | undefined;
}

export type PatchType = 'json' | 'merge' | 'strategic' | 'apply';
export type PropagationPolicy = 'Orphan' | 'Background' | 'Foreground';

/** `metav1.DeleteOptions` without its type line. */
export interface DeleteOptions {
  gracePeriodSeconds?: number | undefined;
  propagationPolicy?: PropagationPolicy | undefined;
  orphanDependents?: boolean | undefined;
  preconditions?: { readonly uid?: string; readonly resourceVersion?: string } | undefined;
  dryRun?: readonly string[] | undefined;
}

export interface ListOptions {
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
  readonly limit?: number | undefined;
  readonly continue?: string | undefined;
  readonly resourceVersion?: string | undefined;
  readonly resourceVersionMatch?: string | undefined;
}

export interface WatchOptions {
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
  readonly resourceVersion?: string | undefined;
  readonly allowWatchBookmarks?: boolean | undefined;
  readonly sendInitialEvents?: boolean | undefined;
  readonly resourceVersionMatch?: string | undefined;
}

export interface WriteOptions {
  readonly subresource?: string | undefined;
  readonly fieldManager?: string | undefined;
  readonly dryRun?: boolean | undefined;
}

export interface PatchRequest extends WriteOptions {
  readonly type: PatchType;
  readonly body: unknown;
  readonly force?: boolean | undefined;
}

/**
 * The API without the wire: same semantics, authorization and admission as over HTTPS, acting as one user.
 * Every method rejects with `KubeStatusError`. Results are the caller's own copies.
 */
export interface ClusterClient {
  get(kind: ResourceRef, namespace: string | undefined, name: string, subresource?: string): Promise<KubeObject>;
  list(kind: ResourceRef, options?: ListOptions): Promise<KubeList>;
  /**
   * Calls `onEvent` in order until `signal` aborts, when it resolves. With no `resourceVersion` the existing objects come
   * first as ADDED. A version that history no longer holds gives one ERROR event (Status 410 Expired), then it resolves.
   */
  watch(
    kind: ResourceRef,
    options: WatchOptions,
    onEvent: (event: WatchEvent) => void,
    signal: AbortSignal,
  ): Promise<void>;
  create(kind: ResourceRef, object: KubeObject, options?: WriteOptions): Promise<KubeObject>;
  update(kind: ResourceRef, object: KubeObject, options?: WriteOptions): Promise<KubeObject>;
  updateStatus(kind: ResourceRef, object: KubeObject, options?: WriteOptions): Promise<KubeObject>;
  patch(kind: ResourceRef, namespace: string | undefined, name: string, patch: PatchRequest): Promise<KubeObject>;
  /** Resolves to the object while it still exists (finalizers, grace), else to a Success status or the last state. */
  delete(
    kind: ResourceRef,
    namespace: string | undefined,
    name: string,
    options?: DeleteOptions,
  ): Promise<KubeObject | Status>;
}
