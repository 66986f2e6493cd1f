/** gRPC statuses and the error that carries one. */
import { MeshError } from '@mesh/runtime';

/** The codes of gRPC, by their canonical names. */
export const GRPC_STATUS = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;

const NAMES = Object.keys(GRPC_STATUS);

/** How a call ended. */
export interface GrpcStatus {
  readonly code: number;
  /** From the server, or our own words; may be empty. */
  readonly message: string;
}

/** The canonical name of a code, as metrics and messages show it. */
export function grpcStatusName(code: number): string {
  return NAMES[code] ?? `CODE_${code}`;
}

export interface GrpcErrorInfo {
  readonly code: 'grpc_status';
  readonly status: number;
  readonly statusName: string;
  /** Full method path. */
  readonly method: string;
  /** The configured target, host:port. */
  readonly target: string;
}

/** A call that ended with another status than OK. */
export class GrpcError extends MeshError<GrpcErrorInfo> {
  override readonly name = 'GrpcError';
  static of(status: GrpcStatus, method: string, target: string): GrpcError {
    const statusName = grpcStatusName(status.code);
    return new GrpcError(
      { code: 'grpc_status', status: status.code, statusName, method, target },
      `${method} on ${target} ended with ${statusName}${status.message === '' ? '' : `: ${status.message}`}`,
    );
  }
}

/** `grpc-message` is percent-encoded UTF-8; what does not decode is kept as it came. */
export function decodeGrpcMessage(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** What an HTTP status means when there is no gRPC status (gRPC over HTTP/2, "HTTP to gRPC status code mapping"). */
export function statusOfHttp(httpStatus: number): number {
  switch (httpStatus) {
    case 400:
      return GRPC_STATUS.INTERNAL;
    case 401:
      return GRPC_STATUS.UNAUTHENTICATED;
    case 403:
      return GRPC_STATUS.PERMISSION_DENIED;
    case 404:
      return GRPC_STATUS.UNIMPLEMENTED;
    case 429:
    case 502:
    case 503:
    case 504:
      return GRPC_STATUS.UNAVAILABLE;
    default:
      return GRPC_STATUS.UNKNOWN;
  }
}

/** What a stream reset means (gRPC over HTTP/2, "Errors"). */
export function statusOfReset(h2Code: number): number {
  switch (h2Code) {
    case 0x7: // REFUSED_STREAM
      return GRPC_STATUS.UNAVAILABLE;
    case 0x8: // CANCEL
      return GRPC_STATUS.CANCELLED;
    case 0xb: // ENHANCE_YOUR_CALM
      return GRPC_STATUS.RESOURCE_EXHAUSTED;
    case 0xc: // INADEQUATE_SECURITY
      return GRPC_STATUS.PERMISSION_DENIED;
    default:
      return GRPC_STATUS.INTERNAL;
  }
}
