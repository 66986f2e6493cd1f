/** Retries, timeouts and failure accrual of outbound policies, with the checks that proxies make of them. */
import type { BackoffOptions, EwmaPolicy, FailureAccrualPolicy, RetryPolicy, RouteTimeouts } from '@mesh/model';
import type { Duration, httpRoute, outbound } from '@mesh/proxy-api';
import { optionalMs, toMs } from './convert-shared.ts';
import { InvalidMessage, required } from './invalid.ts';

const RETRIES_MAX = 65_535;
const MIN_REQUESTS_MAX = 1_000_000;
const WINDOW_MIN_MS = 10;

/** What peers fall back to. */
const DEFAULT_RTT_MS = 30;
const DECAY_MS = 10_000;
const PENALTY_MS = 5_000;
const RETRY_AFTER_MAX_MS = 300_000;

/** The message and the field are as far as they were read: HTTP and gRPC have the same, but for the conditions. */
export function toRetry(
  retry: outbound.HttpRoute_Retry | outbound.GrpcRoute_Retry | undefined,
  field: string,
): RetryPolicy | undefined {
  if (retry === undefined) return undefined;
  const conditions = required(retry.conditions, `${field}.conditions`);
  if (retry.maxRetries > RETRIES_MAX)
    throw InvalidMessage.at(`${field}.max_retries`, `is ${retry.maxRetries}, more than ${RETRIES_MAX}`);
  return {
    maxRetries: retry.maxRetries,
    maxRequestBytes: retry.maxRequestBytes,
    statusRanges: 'statusRanges' in conditions ? toRanges(conditions.statusRanges, `${field}.conditions`) : [],
    grpcCodes: 'statusRanges' in conditions ? NO_CODES : toGrpcCodes(conditions),
    tryTimeoutMs: limit(retry.timeout, `${field}.timeout`),
    backoff: retry.backoff === undefined ? undefined : toBackoff(retry.backoff, `${field}.backoff`),
  };
}

const NO_CODES: ReadonlySet<number> = new Set();

function toRanges(
  ranges: readonly outbound.HttpRoute_Retry_Conditions_StatusRange[],
  field: string,
): RetryPolicy['statusRanges'] {
  return ranges.map(({ start, end }) => {
    if (start < 1 || end > 599 || start > end)
      throw InvalidMessage.at(`${field}.status_ranges`, `has ${start}-${end}, which is no range within 1-599`);
    return { start, end };
  });
}

function toGrpcCodes(conditions: outbound.GrpcRoute_Retry_Conditions): ReadonlySet<number> {
  const codes: readonly (readonly [boolean, number])[] = [
    [conditions.cancelled, 1],
    [conditions.deadineExceeded, 4],
    [conditions.resourceExhausted, 8],
    [conditions.internal, 13],
    [conditions.unavailable, 14],
  ];
  return new Set(codes.flatMap(([wanted, code]) => (wanted ? [code] : [])));
}

/** @param older The field that held the request timeout before there were three of them. */
export function toTimeouts(
  timeouts: httpRoute.Timeouts | undefined,
  older: Duration | undefined,
  field: string,
): RouteTimeouts {
  return {
    requestMs: limit(timeouts?.request, `${field}.timeouts.request`) ?? limit(older, `${field}.request_timeout`),
    responseMs: limit(timeouts?.response, `${field}.timeouts.response`),
    idleMs: limit(timeouts?.idle, `${field}.timeouts.idle`),
  };
}

/** Zero means no limit (GEP-1742). */
function limit(duration: Duration | undefined, field: string): number | undefined {
  const ms = optionalMs(duration, field);
  return ms === 0 ? undefined : ms;
}

export function toFailureAccrual(
  accrual: outbound.FailureAccrual | undefined,
  field: string,
): FailureAccrualPolicy | undefined {
  if (accrual === undefined) return undefined;
  const kind = required(accrual.kind, `${field}.kind`);
  const here = `${field}.${kind.$case === 'unified' ? 'unified' : 'consecutive_failures'}`;
  const backoff = toBackoff(required(kind.value.backoff, `${here}.backoff`), `${here}.backoff`);
  if (kind.$case === 'consecutiveFailures')
    return { kind: 'consecutive', maxFailures: kind.value.maxFailures, backoff };
  const { successRateThreshold, minRequests, maxConsecutiveFailures } = kind.value;
  const windowMs = optionalMs(kind.value.decay, `${here}.decay`) ?? 0;
  if (!(successRateThreshold >= 0 && successRateThreshold <= 1))
    throw InvalidMessage.at(`${here}.success_rate_threshold`, `is ${successRateThreshold}, not within 0 and 1`);
  if (successRateThreshold > 0 && windowMs < WINDOW_MIN_MS)
    throw InvalidMessage.at(`${here}.decay`, `is ${windowMs} ms, less than ${WINDOW_MIN_MS} ms`);
  if (minRequests > MIN_REQUESTS_MAX)
    throw InvalidMessage.at(`${here}.min_requests`, `is ${minRequests}, more than ${MIN_REQUESTS_MAX}`);
  return { kind: 'unified', successRateThreshold, windowMs, minRequests, maxConsecutiveFailures, backoff };
}

export function toEwma(load: NonNullable<outbound.Backend_BalanceP2c['load']>, field: string): EwmaPolicy {
  if (load.$case === 'peakEwma')
    return {
      defaultRttMs: toMs(load.value.defaultRtt, `${field}.peak_ewma.default_rtt`),
      decayMs: toMs(load.value.decay, `${field}.peak_ewma.decay`),
    };
  const here = `${field}.penalty_peak_ewma`;
  const { defaultRtt, decay, penalty, maxRetryAfter, penaltyDecay } = load.value;
  return {
    defaultRttMs: optionalMs(defaultRtt, `${here}.default_rtt`) ?? DEFAULT_RTT_MS,
    decayMs: optionalMs(decay, `${here}.decay`) ?? DECAY_MS,
    penalty: {
      penaltyMs: optionalMs(penalty, `${here}.penalty`) ?? PENALTY_MS,
      maxRetryAfterMs: optionalMs(maxRetryAfter, `${here}.max_retry_after`) ?? RETRY_AFTER_MAX_MS,
      decayMs: optionalMs(penaltyDecay, `${here}.penalty_decay`) ?? DECAY_MS,
    },
  };
}

function toBackoff(backoff: outbound.ExponentialBackoff, field: string): BackoffOptions {
  const minMs = toMs(backoff.minBackoff, `${field}.min_backoff`);
  const maxMs = toMs(backoff.maxBackoff, `${field}.max_backoff`);
  if (maxMs <= 0 || minMs > maxMs)
    throw InvalidMessage.at(field, `goes from ${minMs} ms to ${maxMs} ms; the maximum must be above 0 and no less`);
  const { jitterRatio } = backoff;
  if (!(jitterRatio >= 0 && jitterRatio <= 100))
    throw InvalidMessage.at(`${field}.jitter_ratio`, `is ${jitterRatio}, not within 0 and 100`);
  return { minMs, maxMs, jitterRatio };
}
