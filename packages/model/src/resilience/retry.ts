/** Should a request be sent again, and when? Pure: knows no protocol, keeps no state. */
import { backoffMs } from '../balance/backoff.ts';
import type { RetryBudget } from './retry-budget.ts';
import type { RetryPolicy } from './policy.ts';

/** How one try of a request ended. */
export type TryOutcome =
  /** A response head, made by the server or by this proxy (502 for a broken connection, 504 for a slow connect). */
  | { readonly kind: 'response'; readonly status: number; readonly grpcStatus: number | undefined }
  /** No response head within the policy's `tryTimeoutMs`. */
  | { readonly kind: 'try_timeout' }
  /** The server promised that it did nothing with the request (RFC 9113 §8.7). */
  | { readonly kind: 'refused_stream' }
  /** Nothing was ready to take the request: another backend may be by now. */
  | { readonly kind: 'failfast' }
  /** Too much to do here: more tries would only add to it. */
  | { readonly kind: 'overloaded' };

export interface RetryFacts {
  /** Retries of this request so far. */
  readonly retries: number;
  /** The request's body, whole or as far as it was sent, is at hand and not longer than `maxRequestBytes`. */
  readonly replayable: boolean;
  /** An endpoint is ready to take the retry. */
  readonly ready: boolean;
  readonly nowMs: number;
}

export type RetryDecision =
  | { readonly kind: 'retry'; readonly afterMs: number }
  /** The outcome stands. `success`: it is none that the policy retries; `limit`, `budget`, `not_ready`, `body`: it would be, but. */
  | { readonly kind: 'stand'; readonly why: 'success' | 'limit' | 'budget' | 'not_ready' | 'body' };

const STAND = {
  success: { kind: 'stand', why: 'success' },
  limit: { kind: 'stand', why: 'limit' },
  budget: { kind: 'stand', why: 'budget' },
  not_ready: { kind: 'stand', why: 'not_ready' },
  body: { kind: 'stand', why: 'body' },
} as const satisfies Record<string, RetryDecision>;

/** @param random Uniform in [0, 1). */
export function decideRetry(
  policy: RetryPolicy,
  outcome: TryOutcome,
  facts: RetryFacts,
  budget: RetryBudget,
  random: () => number,
): RetryDecision {
  if (!isRetryable(policy, outcome)) return STAND.success;
  if (!facts.replayable) return STAND.body;
  if (facts.retries >= policy.maxRetries) return STAND.limit;
  if (!facts.ready) return STAND.not_ready;
  if (!budget.withdraw(facts.nowMs)) return STAND.budget;
  return {
    kind: 'retry',
    afterMs: policy.backoff === undefined ? 0 : backoffMs(policy.backoff, facts.retries, random),
  };
}

/** The policy asks for another try after this. */
export function isRetryable(policy: RetryPolicy, outcome: TryOutcome): boolean {
  switch (outcome.kind) {
    case 'response':
      return (
        (outcome.grpcStatus !== undefined && policy.grpcCodes.has(outcome.grpcStatus)) ||
        policy.statusRanges.some(({ start, end }) => outcome.status >= start && outcome.status <= end)
      );
    case 'try_timeout':
    case 'refused_stream':
    case 'failfast':
      return true;
    case 'overloaded':
      return false;
  }
}
