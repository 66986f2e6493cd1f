/** What can go wrong between us and a Kubernetes API, as codes to switch on. */
import { MeshError } from '@mesh/runtime';

export type KubeErrorCode =
  | 'not_found' // 404
  | 'already_exists' // 409 AlreadyExists
  | 'conflict' // 409 Conflict: resourceVersion, precondition or field ownership
  | 'invalid' // 400, 422: the object or the request is refused
  | 'unauthorized' // 401: the credentials are not accepted
  | 'forbidden' // 403: RBAC or admission denies it
  | 'gone' // 410: the resourceVersion or continue token expired
  | 'too_many_requests' // 429
  | 'server_error' // 5xx
  | 'unreachable' // no connection: DNS, refused, reset, timeout
  | 'tls' // a connection, but the server's certificate is not acceptable (or ours to it)
  | 'protocol' // an answer that is not the Kubernetes API's
  | 'config'; // the kubeconfig cannot be used

export interface KubeErrorInfo {
  readonly code: KubeErrorCode;
  /** What the request was about, such as `services shop/catalog` or `kubeconfig`. */
  readonly object: string;
  /** HTTP status; 0 when there was no answer. */
  readonly status: number;
  /** `metav1.Status.reason` where the API gave one. */
  readonly reason?: string;
  /** `Retry-After`, in milliseconds. */
  readonly retryAfterMs?: number;
}

/** A failed call. `message` names the object, the cause and, where we know it, the fix. */
export class KubeError extends MeshError<KubeErrorInfo> {
  override readonly name = 'KubeError';
}

/** True when `error` is a {@link KubeError} with one of `codes` (with any, when none is given). */
export function isKubeError<C extends KubeErrorCode = KubeErrorCode>(
  error: unknown,
  ...codes: readonly C[]
): error is KubeError & { readonly code: C } {
  return error instanceof KubeError && (codes.length === 0 || (codes as readonly KubeErrorCode[]).includes(error.code));
}
