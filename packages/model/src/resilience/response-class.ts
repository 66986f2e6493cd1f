/**
 * Was a response a success? One rule for metrics, failure accrual and load: HTTP 500-599 is a failure; of a gRPC
 * response its status decides, wherever it stood. A gRPC stream that ends without a status counts as a success.
 */

export type ResponseClass =
  | 'success'
  | 'failure'
  /** 429 or RESOURCE_EXHAUSTED: no fault, but a share of these means that the endpoint should get less. */
  | 'rate_limited'
  /** Nothing was learned: never sent, or given up by the client before the answer. */
  | 'none';

/** By number (gRPC status codes). */
export const GRPC_STATUS_NAMES = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
] as const;

export const GRPC_CODE = {
  unknown: 2,
  deadlineExceeded: 4,
  permissionDenied: 7,
  resourceExhausted: 8,
  internal: 13,
  unavailable: 14,
  dataLoss: 15,
} as const;

const GRPC_FAILURES: ReadonlySet<number> = new Set([
  GRPC_CODE.unknown,
  GRPC_CODE.deadlineExceeded,
  GRPC_CODE.permissionDenied,
  GRPC_CODE.internal,
  GRPC_CODE.unavailable,
  GRPC_CODE.dataLoss,
]);

export function classifyHttp(status: number): ResponseClass {
  if (status >= 500 && status < 600) return 'failure';
  return status === 429 ? 'rate_limited' : 'success';
}

/** @param code Of trailers or head; undefined: there was none. */
export function classifyGrpc(code: number | undefined): ResponseClass {
  if (code === undefined) return 'success';
  if (GRPC_FAILURES.has(code)) return 'failure';
  return code === GRPC_CODE.resourceExhausted ? 'rate_limited' : 'success';
}

/** The metric label of a class that says something: what is not a failure is a success. */
export function isSuccess(responseClass: ResponseClass): boolean {
  return responseClass !== 'failure';
}

/** Reads a `grpc-status` field; undefined: there is none, or it is no number of a code. Codes above 16 are UNKNOWN. */
export function parseGrpcStatus(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d{1,5}$/.test(text)) return undefined;
  const code = Number(text);
  return code < GRPC_STATUS_NAMES.length ? code : GRPC_CODE.unknown;
}
