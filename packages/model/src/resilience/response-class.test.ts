import assert from 'node:assert/strict';
import { test } from 'node:test';
import { classifyGrpc, classifyHttp, GRPC_STATUS_NAMES, isSuccess, parseGrpcStatus } from './response-class.ts';

test('HTTP fails from 500 to 599, and 429 is a word of its own', () => {
  for (const status of [200, 302, 404, 499, 600]) assert.equal(classifyHttp(status), 'success', String(status));
  for (const status of [500, 503, 599]) assert.equal(classifyHttp(status), 'failure', String(status));
  assert.equal(classifyHttp(429), 'rate_limited');
});

test('of gRPC’s codes the six that are the server’s fault are failures', () => {
  const failures = GRPC_STATUS_NAMES.filter((_, code) => classifyGrpc(code) === 'failure');
  assert.deepEqual(failures, [
    'UNKNOWN',
    'DEADLINE_EXCEEDED',
    'PERMISSION_DENIED',
    'INTERNAL',
    'UNAVAILABLE',
    'DATA_LOSS',
  ]);
  assert.equal(classifyGrpc(8), 'rate_limited');
  assert.equal(classifyGrpc(undefined), 'success', 'a stream that ends without a status');
});

test('what is no failure is a success', () => {
  assert.deepEqual(
    (['success', 'failure', 'rate_limited', 'none'] as const).map((one) => isSuccess(one)),
    [true, false, true, true],
  );
});

test('a status is read from its field, and unknown codes are UNKNOWN', () => {
  assert.equal(parseGrpcStatus('14'), 14);
  assert.equal(parseGrpcStatus('0'), 0);
  assert.equal(parseGrpcStatus('17'), 2);
  for (const bad of [undefined, '', ' 1', '-1', '1e1', 'OK']) assert.equal(parseGrpcStatus(bad), undefined);
});
