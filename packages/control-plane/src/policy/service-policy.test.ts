import assert from 'node:assert/strict';
import { test } from 'node:test';

import { durationToMs } from '@mesh/proxy-api';
import * as fc from 'fast-check';

import { service } from '../testing/objects.ts';
import { annotationProblems, PLAIN_SERVICE_POLICY, readServicePolicy } from './service-policy.ts';

test('without annotations there are no retries, no timeouts, no accrual, and plain load', () => {
  assert.deepEqual(PLAIN_SERVICE_POLICY.problems, []);
  assert.equal(PLAIN_SERVICE_POLICY.httpRetry, undefined);
  assert.equal(PLAIN_SERVICE_POLICY.grpcRetry, undefined);
  assert.equal(PLAIN_SERVICE_POLICY.timeouts, undefined);
  assert.equal(PLAIN_SERVICE_POLICY.failureAccrual, undefined);
  assert.equal(PLAIN_SERVICE_POLICY.load.$case, 'peakEwma');
});

test('HTTP retries have statuses, a limit, a time per try, and Linkerd’s body limit and back-off', () => {
  const { httpRetry, problems } = readServicePolicy({
    'retry.linkerd.io/http': '5xx, gateway-error,429,408-409',
    'retry.linkerd.io/limit': '3',
    'retry.linkerd.io/timeout': '400ms',
  });
  assert.deepEqual(problems, []);
  assert.deepEqual(httpRetry, {
    maxRetries: 3,
    maxRequestBytes: 65_536,
    conditions: {
      statusRanges: [
        { start: 500, end: 599 },
        { start: 502, end: 504 },
        { start: 429, end: 429 },
        { start: 408, end: 409 },
      ],
    },
    timeout: { seconds: 0n, nanos: 400_000_000 },
    backoff: {
      minBackoff: { seconds: 0n, nanos: 25_000_000 },
      maxBackoff: { seconds: 0n, nanos: 250_000_000 },
      jitterRatio: 1,
      respectRetryAfterHint: false,
    },
  });
});

test('gRPC retries name codes, once each by default', () => {
  const { grpcRetry } = readServicePolicy({ 'retry.linkerd.io/grpc': 'Unavailable,deadline-exceeded' });
  assert.equal(grpcRetry?.maxRetries, 1);
  assert.equal(grpcRetry?.timeout, undefined);
  assert.deepEqual(grpcRetry?.conditions, {
    cancelled: false,
    deadineExceeded: true,
    internal: false,
    resourceExhausted: false,
    unavailable: true,
  });
});

test('a limit of zero means no retries', () => {
  const policy = readServicePolicy({ 'retry.linkerd.io/http': '5xx', 'retry.linkerd.io/limit': '0' });
  assert.equal(policy.httpRetry, undefined);
  assert.deepEqual(policy.problems, []);
});

test('timeouts are read one by one; zero means none', () => {
  const { timeouts } = readServicePolicy({
    'timeout.linkerd.io/request': '2s',
    'timeout.linkerd.io/response': '0',
    'timeout.linkerd.io/idle': '500ms',
  });
  assert.deepEqual(timeouts, {
    request: { seconds: 2n, nanos: 0 },
    response: undefined,
    idle: { seconds: 0n, nanos: 500_000_000 },
  });
});

test('consecutive failure accrual has Linkerd’s defaults', () => {
  const { failureAccrual } = readServicePolicy({ 'balancer.linkerd.io/failure-accrual': 'consecutive' });
  assert.ok(failureAccrual?.kind?.$case === 'consecutiveFailures');
  const { maxFailures, backoff } = failureAccrual.kind.value;
  assert.equal(maxFailures, 7);
  assert.equal(durationToMs(backoff?.minBackoff ?? assert.fail()), 1000);
  assert.equal(durationToMs(backoff?.maxBackoff ?? assert.fail()), 60_000);
  assert.equal(backoff?.jitterRatio, 0.5);
});

test('unified failure accrual adds a success rate in a window', () => {
  const alpha = 'balancer.alpha.linkerd.io/failure-accrual-success-rate';
  const { failureAccrual, problems } = readServicePolicy({
    'balancer.linkerd.io/failure-accrual': 'unified',
    'balancer.linkerd.io/failure-accrual-consecutive-max-failures': '0',
    'balancer.linkerd.io/failure-accrual-consecutive-jitter-ratio': '0.25',
    [`${alpha}-threshold`]: '0.9',
    [`${alpha}-window`]: '30s',
    [`${alpha}-min-requests`]: '20',
    'balancer.alpha.linkerd.io/failure-accrual-honor-retry-after': 'true',
  });
  assert.deepEqual(problems, []);
  assert.ok(failureAccrual?.kind?.$case === 'unified');
  const { backoff, decay, ...rest } = failureAccrual.kind.value;
  assert.deepEqual(rest, { successRateThreshold: 0.9, minRequests: 20, maxConsecutiveFailures: 0 });
  assert.equal(durationToMs(decay ?? assert.fail()), 30_000);
  assert.equal(backoff?.jitterRatio, 0.25);
  assert.equal(backoff?.respectRetryAfterHint, true);
});

test('no failures in a row at all means no consecutive accrual', () => {
  const policy = readServicePolicy({
    'balancer.linkerd.io/failure-accrual': 'consecutive',
    'balancer.linkerd.io/failure-accrual-consecutive-max-failures': '0',
  });
  assert.equal(policy.failureAccrual, undefined);
  assert.deepEqual(policy.problems, []);
});

test('failures can count as load', () => {
  const { load } = readServicePolicy({
    'balancer.alpha.linkerd.io/penalize-failures': 'true',
    'balancer.alpha.linkerd.io/load-biaser-penalty': '2s',
  });
  assert.ok(load.$case === 'penaltyPeakEwma');
  assert.equal(durationToMs(load.value.penalty ?? assert.fail()), 2000);
  assert.equal(durationToMs(load.value.maxRetryAfter ?? assert.fail()), 300_000);
});

test('a bad value counts as absent, and the problem names annotation, value and fix', () => {
  const cases: readonly (readonly [string, string, RegExp])[] = [
    [
      'retry.linkerd.io/http',
      '5x',
      /retry\.linkerd\.io\/http="5x": write statuses: 5xx, gateway-error, 503 or 500-504/,
    ],
    ['retry.linkerd.io/http', '504-500', /write statuses/],
    ['retry.linkerd.io/http', '', /write statuses/],
    ['retry.linkerd.io/grpc', 'not-found', /write cancelled, deadline-exceeded/],
    ['timeout.linkerd.io/request', '1.5s', /timeout\.linkerd\.io\/request="1\.5s": write a duration such as 250ms/],
    ['balancer.linkerd.io/failure-accrual', 'consecutif', /="consecutif": write consecutive or unified/],
    ['balancer.alpha.linkerd.io/penalize-failures', 'yes', /write true or false/],
    ['retry.linkerd.io/htpp', '5xx', /is not known and has no effect; did you mean retry\.linkerd\.io\/http\?/],
    ['retry.linkerd.io/limit', '2', /has no effect without retry\.linkerd\.io\/http or retry\.linkerd\.io\/grpc/],
    [
      'balancer.linkerd.io/failure-accrual-consecutive-max-failures',
      '3',
      /no effect without balancer\.linkerd\.io\/failure-accrual;/,
    ],
    [
      'balancer.alpha.linkerd.io/load-biaser-penalty',
      '3s',
      /no effect unless balancer\.alpha\.linkerd\.io\/penalize-failures is true/,
    ],
  ];
  for (const [name, value, expected] of cases) {
    const { problems, ...policy } = readServicePolicy({ [name]: value });
    assert.equal(problems.length, 1, `${name}=${value}: ${problems.join(' | ')}`);
    assert.match(problems[0] ?? '', expected);
    const { problems: _none, ...plain } = PLAIN_SERVICE_POLICY;
    assert.deepEqual(policy, plain, name);
  }
});

test('penalties that cross are both left at their defaults', () => {
  const { failureAccrual, problems } = readServicePolicy({
    'balancer.linkerd.io/failure-accrual': 'consecutive',
    'balancer.linkerd.io/failure-accrual-consecutive-min-penalty': '2m',
  });
  assert.match(
    problems[0] ?? '',
    /min-penalty="2m": the minimum penalty \(120000 ms\) is above the maximum \(60000 ms\)/,
  );
  assert.ok(failureAccrual?.kind?.$case === 'consecutiveFailures');
  assert.equal(durationToMs(failureAccrual.kind.value.backoff?.minBackoff ?? assert.fail()), 1000);
});

test('gRPC retries need a port that is known to be HTTP/2', () => {
  const annotations = { 'retry.linkerd.io/grpc': 'unavailable' };
  assert.match(
    annotationProblems(service('catalog', { annotations }))[0] ?? '',
    /needs a port with appProtocol kubernetes\.io\/h2c/,
  );
  const ports = [{ name: 'grpc', port: 80, appProtocol: 'kubernetes.io/h2c' }];
  assert.deepEqual(annotationProblems(service('catalog', { annotations, ports })), []);
});

test('whatever annotations say, there is a policy', () => {
  const names = [
    'retry.linkerd.io/http',
    'retry.linkerd.io/limit',
    'timeout.linkerd.io/idle',
    'balancer.linkerd.io/failure-accrual',
    'balancer.linkerd.io/failure-accrual-consecutive-min-penalty',
    'balancer.linkerd.io/failure-accrual-consecutive-jitter-ratio',
    'balancer.alpha.linkerd.io/failure-accrual-success-rate-window',
  ];
  const value = fc.oneof(fc.string(), fc.constantFrom('consecutive', 'unified', '5xx', '0', '3', '1s', '99999999999d'));
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom(...names), value), (annotations) => {
      const policy = readServicePolicy(annotations);
      const kind = policy.failureAccrual?.kind;
      if (kind === undefined) return;
      const { minBackoff, maxBackoff } = kind.value.backoff ?? assert.fail();
      assert.ok(durationToMs(minBackoff ?? assert.fail()) <= durationToMs(maxBackoff ?? assert.fail()));
    }),
  );
});
