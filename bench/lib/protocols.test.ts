import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answerBytes, GRPC_REQUEST, grpcMessage } from './protocols.ts';

test('a gRPC message has its length in front and is one string field', () => {
  assert.equal(GRPC_REQUEST.toString('latin1'), `\0\0\0\0\x12\x0a\x10${'x'.repeat(16)}`);
  assert.equal(grpcMessage(1024 * 1024).length, answerBytes('grpc', '1m'));
  assert.deepEqual([...grpcMessage(1024 * 1024).subarray(0, 9)], [0, 0, 0x10, 0, 0, 0x0a, 0xfc, 0xff, 0x3f]);
});
