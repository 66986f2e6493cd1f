/** Failures as Kubernetes words them: one constructor per `metav1.StatusReason`. */
import { MeshError } from '@mesh/runtime';
import type { Status, StatusCause, StatusDetails } from './types.ts';

export interface KubeStatusInfo {
  readonly code: 'kube_status';
  readonly httpCode: number;
  readonly reason: string | undefined;
}

/** An API failure; `status` is the body that a client sees, `httpCode` its HTTP status. */
export class KubeStatusError extends MeshError<KubeStatusInfo> {
  override readonly name = 'KubeStatusError';
  readonly status: Status;

  constructor(status: Status) {
    super({ code: 'kube_status', httpCode: status.code ?? 500, reason: status.reason }, status.message);
    this.status = status;
  }

  get httpCode(): number {
    return this.info.httpCode;
  }

  get reason(): string | undefined {
    return this.info.reason;
  }
}

/** True for a {@link KubeStatusError} with that reason (`NotFound`, `AlreadyExists`, `Conflict`, …). */
export function hasReason(error: unknown, reason: string): error is KubeStatusError {
  return error instanceof KubeStatusError && error.reason === reason;
}

/** What errors need to know of a resource to name it. */
export interface ResourceName {
  readonly group: string;
  readonly plural: string;
}

/** `deployments.apps`, or `pods` for the core group. */
export function qualified(resource: ResourceName): string {
  return resource.group === '' ? resource.plural : `${resource.plural}.${resource.group}`;
}

export function failure(
  code: number,
  reason: string | undefined,
  message: string,
  details?: StatusDetails,
): KubeStatusError {
  return new KubeStatusError({
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message,
    ...(reason === undefined ? {} : { reason }),
    ...(details === undefined ? {} : { details }),
    code,
  });
}

function named(resource: ResourceName, name: string): StatusDetails {
  return {
    ...(name === '' ? {} : { name }),
    ...(resource.group === '' ? {} : { group: resource.group }),
    kind: resource.plural,
  };
}

export function notFound(resource: ResourceName, name: string): KubeStatusError {
  return failure(404, 'NotFound', `${qualified(resource)} "${name}" not found`, named(resource, name));
}

/** The answer to a path that no resource serves. */
export function pathNotFound(): KubeStatusError {
  return failure(404, 'NotFound', 'the server could not find the requested resource', {});
}

/** The answer below a group or version that isn't served: plain text, not a Status. */
export class PageNotFound extends KubeStatusError {}

export function pageNotFound(): KubeStatusError {
  const { status } = pathNotFound();
  return new PageNotFound({ ...status, message: '404 page not found' });
}

export function alreadyExists(resource: ResourceName, name: string, isGoing = false): KubeStatusError {
  const message = `${isGoing ? 'object is being deleted: ' : ''}${qualified(resource)} "${name}" already exists`;
  return failure(409, 'AlreadyExists', message, named(resource, name));
}

export function conflict(resource: ResourceName, name: string, why: string): KubeStatusError {
  const message = `Operation cannot be fulfilled on ${qualified(resource)} "${name}": ${why}`;
  return failure(409, 'Conflict', message, named(resource, name));
}

export function badRequest(message: string): KubeStatusError {
  return failure(400, 'BadRequest', message);
}

export function unauthorized(): KubeStatusError {
  return failure(401, 'Unauthorized', 'Unauthorized');
}

export function forbidden(resource: ResourceName, name: string, why: string): KubeStatusError {
  const subject = name === '' ? qualified(resource) : `${qualified(resource)} "${name}"`;
  return failure(403, 'Forbidden', `${subject} is forbidden: ${why}`, named(resource, name));
}

export function gone(message: string): KubeStatusError {
  return failure(410, 'Expired', message);
}

export function methodNotAllowed(_resource: ResourceName, _verb: string): KubeStatusError {
  return failure(405, 'MethodNotAllowed', 'the server does not allow this method on the requested resource', {});
}

export function notAcceptable(available: string): KubeStatusError {
  return failure(
    406,
    'NotAcceptable',
    `406: Not Acceptable

Available representations: ${available}`,
    {},
  );
}

/** A patch type that the resource doesn't take. */
export function unsupportedPatchType(): KubeStatusError {
  return failure(415, 'UnsupportedMediaType', '415: Unsupported Media Type', {});
}

export function unsupportedMediaType(accepted: string): KubeStatusError {
  const message = `the body of the request was in an unknown format - accepted media types include: ${accepted}`;
  return failure(415, 'UnsupportedMediaType', message);
}

export function internalError(message: string): KubeStatusError {
  return failure(500, 'InternalError', `Internal error occurred: ${message}`, { causes: [{ message }] });
}

export function notImplemented(message: string): KubeStatusError {
  return failure(501, 'NotImplemented', message);
}

export function tooManyRequests(message: string, causes?: readonly StatusCause[]): KubeStatusError {
  return failure(429, 'TooManyRequests', message, causes === undefined ? undefined : { causes: [...causes] });
}

/** One problem of a field, worded as `field.Error` is. */
export interface FieldProblem {
  readonly reason: string;
  readonly field: string;
  readonly message: string;
}

/** 422 with one cause per field; several problems are bracketed, as an aggregate prints. */
export function invalid(
  kind: { group: string; kind: string },
  name: string,
  problems: readonly FieldProblem[],
): KubeStatusError {
  const texts = [...new Set(problems.map((problem) => `${problem.field}: ${problem.message}`))];
  const joined = texts.length === 1 ? texts[0] : `[${texts.join(', ')}]`;
  const title = kind.group === '' ? kind.kind : `${kind.kind}.${kind.group}`;
  return failure(422, 'Invalid', `${title} "${name}" is invalid: ${joined}`, {
    ...(name === '' ? {} : { name }),
    ...(kind.group === '' ? {} : { group: kind.group }),
    ...(kind.kind === '' ? {} : { kind: kind.kind }),
    causes: problems.map((problem) => ({ reason: problem.reason, message: problem.message, field: problem.field })),
  });
}

export const OBJECT_MODIFIED =
  'the object has been modified; please apply your changes to the latest version and try again';
