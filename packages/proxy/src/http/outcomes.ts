/** What failures mean beyond the response that is made of them: for retries, and for the endpoint that they happened at. */
import type { Overdue, TryOutcome } from '@mesh/model';
import { FAILURES } from './rescue.ts';
import type { FailureCode } from './rescue.ts';

export const TIME_LIMIT_CODES: Readonly<Record<Overdue, FailureCode>> = {
  request: 'request_timeout',
  response: 'response_timeout',
  idle: 'idle_timeout',
  try: 'try_timeout',
};

/** An endpoint that lets these pass counts as one that failed, when all of the request was sent. */
export const TIME_LIMITS: ReadonlySet<FailureCode> = new Set(['request_timeout', 'response_timeout', 'try_timeout']);

/** Responses made here in place of a server's: a route may ask for another try. */
const OF_UPSTREAM: ReadonlySet<FailureCode> = new Set([
  'io',
  'connect',
  'connect_timeout',
  'bad_response',
  'response_head_timeout',
]);

/** What a response made here means for retries; undefined: it is none of the upstream's. */
export function outcomeOf(code: FailureCode): TryOutcome | undefined {
  if (code === 'failfast' || code === 'try_timeout') return { kind: code };
  if (code === 'overloaded' || code === 'queue_full') return { kind: 'overloaded' };
  return OF_UPSTREAM.has(code) ? { kind: 'response', status: FAILURES[code].status, grpcStatus: undefined } : undefined;
}
