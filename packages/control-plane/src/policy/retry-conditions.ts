/** Which responses are asked for again, as Linkerd's annotations spell it. */
import { durationFromMs } from '@mesh/proxy-api';
import type { outbound } from '@mesh/proxy-api';

/** A longer request body is not kept, and such a request is sent once. Linkerd's. */
export const RETRY_BODY_BYTES_MAX = 65_536;

/** Linkerd's: short, since a client waits, and spread, since many may retry at once. */
export function backoff(): outbound.ExponentialBackoff {
  return {
    minBackoff: durationFromMs(25),
    maxBackoff: durationFromMs(250),
    jitterRatio: 1,
    respectRetryAfterHint: false,
  };
}

const NAMED_RANGES: Readonly<Record<string, outbound.HttpRoute_Retry_Conditions_StatusRange>> = {
  '5xx': { start: 500, end: 599 },
  'gateway-error': { start: 502, end: 504 },
};

/** `5xx`, `gateway-error`, codes and ranges, separated by commas; undefined when any part is none of these. */
export function conditionsOfHttp(text: string): outbound.HttpRoute_Retry_Conditions | undefined {
  const statusRanges = listOf(text, statusRange);
  return statusRanges === undefined ? undefined : { statusRanges };
}

function statusRange(word: string): outbound.HttpRoute_Retry_Conditions_StatusRange | undefined {
  const named = NAMED_RANGES[word];
  if (named !== undefined) return named;
  const [, first = '', last = first] = /^(\d{3})(?:-(\d{3}))?$/.exec(word) ?? [];
  const [start, end] = [Number(first), Number(last)];
  return start >= 100 && end <= 599 && start <= end ? { start, end } : undefined;
}

const GRPC_CONDITIONS: Readonly<Record<string, keyof outbound.GrpcRoute_Retry_Conditions>> = {
  cancelled: 'cancelled',
  'deadline-exceeded': 'deadineExceeded',
  internal: 'internal',
  'resource-exhausted': 'resourceExhausted',
  unavailable: 'unavailable',
};

/** Names of gRPC codes, separated by commas; undefined when any is unknown. */
export function conditionsOfGrpc(text: string): outbound.GrpcRoute_Retry_Conditions | undefined {
  const names = listOf(text, (word) => GRPC_CONDITIONS[word]);
  if (names === undefined) return undefined;
  const conditions = {
    cancelled: false,
    deadineExceeded: false,
    resourceExhausted: false,
    internal: false,
    unavailable: false,
  };
  for (const name of names) conditions[name] = true;
  return conditions;
}

/** Undefined also for an empty list: a condition that never holds is a mistake. */
function listOf<T>(text: string, parse: (word: string) => T | undefined): T[] | undefined {
  const parsed = text.split(',').map((word) => parse(word.trim().toLowerCase()));
  const values = parsed.filter((value) => value !== undefined);
  return values.length === parsed.length ? values : undefined;
}
