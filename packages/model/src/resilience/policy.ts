/** What a route or a backend promises about failures: retries, timeouts, and when an endpoint is left alone. */
import type { BackoffOptions } from '../balance/backoff.ts';

/** Which answers are asked for again, how often, and with what pauses. */
export interface RetryPolicy {
  /** Tries after the first one. */
  readonly maxRetries: number;
  /** Requests with a longer body are sent once. */
  readonly maxRequestBytes: number;
  /** Inclusive ranges of HTTP status. */
  readonly statusRanges: readonly StatusRange[];
  /** Numbers of gRPC status. */
  readonly grpcCodes: ReadonlySet<number>;
  /** One try's response head must be there within this; undefined: no limit. */
  readonly tryTimeoutMs: number | undefined;
  /** Undefined: at once. */
  readonly backoff: BackoffOptions | undefined;
}

export interface StatusRange {
  readonly start: number;
  readonly end: number;
}

/** Milliseconds; undefined: no limit. */
export interface RouteTimeouts {
  /** The whole exchange, retries included. */
  readonly requestMs: number | undefined;
  /** From the end of the request to the end of the response. */
  readonly responseMs: number | undefined;
  /** Between two frames of whichever direction. */
  readonly idleMs: number | undefined;
}

export const NO_TIMEOUTS: RouteTimeouts = { requestMs: undefined, responseMs: undefined, idleMs: undefined };

/** When an endpoint is shut out, and for how long before it is tried again. */
export type FailureAccrualPolicy =
  | { readonly kind: 'consecutive'; readonly maxFailures: number; readonly backoff: BackoffOptions }
  | {
      readonly kind: 'unified';
      /** 0..1; 0: the success rate does not count. */
      readonly successRateThreshold: number;
      readonly windowMs: number;
      /** Fewer answers in the window say nothing about the rate. */
      readonly minRequests: number;
      /** 0: failures in a row do not count. */
      readonly maxConsecutiveFailures: number;
      readonly backoff: BackoffOptions;
    };

/** How load is measured; with `penalty`, failures make an endpoint look slow. */
export interface EwmaPolicy {
  readonly defaultRttMs: number;
  readonly decayMs: number;
  readonly penalty?: PenaltyPolicy;
}

export interface PenaltyPolicy {
  /** What one failure adds to the response time that is assumed. */
  readonly penaltyMs: number;
  /** `Retry-After` of a failed response is honoured up to this. */
  readonly maxRetryAfterMs: number;
  /** Time constant with which a penalty fades. */
  readonly decayMs: number;
}
