/** The interface to one cluster's API. Implementations: `RestClient` over HTTPS, `FakeApi` in the testing door. */
import type { ResourceKind } from './kinds.ts';
import type { KubeObject, ObjectRef } from './object.ts';

export interface ListOptions {
  /** Absent: all namespaces. */
  readonly namespace?: string | undefined;
  /** In the API's string form, such as `app=web,tier!=db`; see `formatSelector`. */
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ListResult<T> {
  readonly items: readonly T[];
  /** Where a watch continues from. */
  readonly resourceVersion: string;
}

export type WatchEvent<T> =
  | { readonly type: 'added' | 'modified' | 'deleted'; readonly object: T }
  /** Nothing changed up to this version. */
  | { readonly type: 'bookmark'; readonly resourceVersion: string };

export interface WatchOptions extends ListOptions {
  readonly resourceVersion: string;
  /** The server ends the watch after this many seconds. */
  readonly timeoutSeconds?: number;
}

export interface WriteOptions {
  readonly signal?: AbortSignal | undefined;
  readonly fieldManager?: string;
  readonly dryRun?: boolean;
}

export interface ApplyOptions extends WriteOptions {
  readonly fieldManager: string;
  /** Take over fields that other managers own. */
  readonly force?: boolean;
}

export type PatchType = 'json' | 'merge' | 'strategic';

export interface Patch {
  readonly type: PatchType;
  readonly body: unknown;
  /** Patch the status subresource instead. */
  readonly subresource?: 'status' | 'scale';
}

export interface DeleteOptions {
  readonly signal?: AbortSignal | undefined;
  readonly preconditions?: { readonly uid?: string | undefined; readonly resourceVersion?: string | undefined };
  readonly propagationPolicy?: 'Background' | 'Foreground' | 'Orphan';
  readonly gracePeriodSeconds?: number;
}

export interface RawRequest {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly body?: unknown;
  readonly contentType?: string;
  readonly accept?: string;
  readonly signal?: AbortSignal | undefined;
}

export interface RawResponse {
  readonly status: number;
  readonly text: string;
}

/** Every method rejects with a `KubeError`, or with the signal's reason when aborted. */
export interface KubeClient extends Disposable {
  /** The API server's URL, for messages. */
  readonly server: string;
  /** `undefined` when there is no such object. */
  get<T extends KubeObject>(kind: ResourceKind<T>, ref: ObjectRef, signal?: AbortSignal): Promise<T | undefined>;
  /** The whole list; fetched in chunks inside. */
  list<T extends KubeObject>(kind: ResourceKind<T>, options?: ListOptions): Promise<ListResult<T>>;
  /** One watch request. Ends normally when the server ends it; rejects with `gone` when the version expired. */
  watch<T extends KubeObject>(kind: ResourceKind<T>, options: WatchOptions): AsyncIterable<WatchEvent<T>>;
  create<T extends KubeObject>(kind: ResourceKind<T>, object: T, options?: WriteOptions): Promise<T>;
  /** PUT; rejects with `conflict` when `metadata.resourceVersion` is not the current one. */
  replace<T extends KubeObject>(kind: ResourceKind<T>, object: T, options?: WriteOptions): Promise<T>;
  replaceStatus<T extends KubeObject>(kind: ResourceKind<T>, object: T, options?: WriteOptions): Promise<T>;
  /** Server-side apply. */
  apply<T extends KubeObject>(kind: ResourceKind<T>, object: T, options: ApplyOptions): Promise<T>;
  applyStatus<T extends KubeObject>(kind: ResourceKind<T>, object: T, options: ApplyOptions): Promise<T>;
  patch<T extends KubeObject>(kind: ResourceKind<T>, ref: ObjectRef, patch: Patch, options?: WriteOptions): Promise<T>;
  /** False when there was nothing to delete. */
  delete(kind: ResourceKind, ref: ObjectRef, options?: DeleteOptions): Promise<boolean>;
  /** Any path, such as `/version` or `/readyz`. Rejects only when there is no answer: the caller judges the status. */
  raw(path: string, request?: RawRequest): Promise<RawResponse>;
}
