import assert from 'node:assert/strict';
import { test } from 'node:test';
import { durationFromMs } from '@mesh/proxy-api';
import type { outbound } from '@mesh/proxy-api';
import { toEwma, toFailureAccrual, toRetry, toTimeouts } from './convert-resilience.ts';
import { InvalidMessage } from './invalid.ts';

const BACKOFF: outbound.ExponentialBackoff = {
  minBackoff: durationFromMs(25),
  maxBackoff: durationFromMs(250),
  jitterRatio: 1,
  respectRetryAfterHint: false,
};
const RETRY: outbound.HttpRoute_Retry = {
  maxRetries: 2,
  maxRequestBytes: 65_536,
  conditions: { statusRanges: [{ start: 500, end: 599 }] },
  timeout: durationFromMs(300),
  backoff: BACKOFF,
};

test('HTTP retries keep their ranges, gRPC retries become codes', () => {
  assert.deepEqual(toRetry(RETRY, 'retry'), {
    maxRetries: 2,
    maxRequestBytes: 65_536,
    statusRanges: [{ start: 500, end: 599 }],
    grpcCodes: new Set(),
    tryTimeoutMs: 300,
    backoff: { minMs: 25, maxMs: 250, jitterRatio: 1 },
  });
  const conditions = {
    cancelled: true,
    deadineExceeded: true,
    resourceExhausted: true,
    internal: true,
    unavailable: true,
  };
  assert.deepEqual(toRetry({ ...RETRY, conditions }, 'retry')?.grpcCodes, new Set([1, 4, 8, 13, 14]));
  assert.equal(toRetry(undefined, 'retry'), undefined);
});

test('retries that peers refuse are refused', () => {
  const refused = (changes: Partial<outbound.HttpRoute_Retry>, field: RegExp): void => {
    assert.throws(
      () => toRetry({ ...RETRY, ...changes }, 'retry'),
      (error) => error instanceof InvalidMessage && field.test(error.message),
    );
  };
  refused({ conditions: undefined }, /retry\.conditions/);
  refused({ maxRetries: 65_536 }, /max_retries/);
  for (const [start, end] of [
    [0, 500],
    [500, 600],
    [504, 500],
  ] as const)
    refused({ conditions: { statusRanges: [{ start, end }] } }, /status_ranges/);
  refused({ backoff: { ...BACKOFF, minBackoff: durationFromMs(300) } }, /backoff/);
  refused({ backoff: { ...BACKOFF, jitterRatio: 101 } }, /jitter_ratio/);
  refused({ backoff: { ...BACKOFF, maxBackoff: durationFromMs(0), minBackoff: durationFromMs(0) } }, /backoff/);
});

test('a timeout of zero is none, and the newer field wins', () => {
  const timeouts = { request: durationFromMs(0), response: durationFromMs(5), idle: undefined };
  assert.deepEqual(toTimeouts(timeouts, durationFromMs(7), 'rule'), {
    requestMs: 7,
    responseMs: 5,
    idleMs: undefined,
  });
  assert.equal(toTimeouts({ ...timeouts, request: durationFromMs(3) }, durationFromMs(7), 'rule').requestMs, 3);
});

test('failure accrual of both kinds is read, and checked as peers check it', () => {
  const consecutive = (backoff: outbound.ExponentialBackoff | undefined): outbound.FailureAccrual => ({
    kind: { $case: 'consecutiveFailures', value: { maxFailures: 7, backoff } },
    ejection: undefined,
  });
  assert.deepEqual(toFailureAccrual(consecutive(BACKOFF), 'accrual'), {
    kind: 'consecutive',
    maxFailures: 7,
    backoff: { minMs: 25, maxMs: 250, jitterRatio: 1 },
  });
  assert.throws(() => toFailureAccrual(consecutive(undefined), 'accrual'), InvalidMessage);
  assert.throws(() => toFailureAccrual({ kind: undefined, ejection: undefined }, 'accrual'), InvalidMessage);
  const unified = (changes: Partial<outbound.FailureAccrual_Unified>): outbound.FailureAccrual => ({
    kind: {
      $case: 'unified',
      value: {
        successRateThreshold: 0.8,
        decay: durationFromMs(10_000),
        minRequests: 5,
        maxConsecutiveFailures: 7,
        backoff: BACKOFF,
        ...changes,
      },
    },
    ejection: undefined,
  });
  assert.equal(toFailureAccrual(unified({}), 'accrual')?.kind, 'unified');
  assert.equal(toFailureAccrual(unified({ successRateThreshold: 0, decay: undefined }), 'accrual')?.kind, 'unified');
  for (const bad of [{ successRateThreshold: 1.1 }, { decay: durationFromMs(9) }, { minRequests: 1_000_001 }])
    assert.throws(() => toFailureAccrual(unified(bad), 'accrual'), InvalidMessage);
});

test('load with a penalty falls back to what peers assume', () => {
  const nothing = {
    defaultRtt: undefined,
    decay: undefined,
    penalty: undefined,
    maxRetryAfter: undefined,
    penaltyDecay: undefined,
  };
  assert.deepEqual(toEwma({ $case: 'penaltyPeakEwma', value: nothing }, 'load'), {
    defaultRttMs: 30,
    decayMs: 10_000,
    penalty: { penaltyMs: 5000, maxRetryAfterMs: 300_000, decayMs: 10_000 },
  });
  assert.throws(
    () => toEwma({ $case: 'peakEwma', value: { defaultRtt: durationFromMs(30), decay: undefined } }, 'load'),
    InvalidMessage,
  );
});
