import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { Call } from './call.ts';
import { frameMessage, MessageReader } from './message.ts';
import { decodeGrpcMessage } from './status.ts';
import type { GrpcStatus } from './status.ts';

const messages = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 6 });

test('messages survive being framed and cut anywhere, empty ones too', () => {
  fc.assert(
    fc.property(messages, fc.integer({ min: 1, max: 50 }), (sent, cut) => {
      const bytes = Buffer.concat(sent.map(frameMessage));
      const received: Uint8Array[] = [];
      const reader = new MessageReader((message) => received.push(message));
      for (let at = 0; at < bytes.length; at += cut) assert.equal(reader.read(bytes.subarray(at, at + cut)), undefined);
      assert.deepEqual(received, sent);
      assert.equal(reader.isClean, true);
    }),
  );
});

test('a message above the limit, or a compressed one, is refused before it is held', () => {
  const reader = new MessageReader(() => assert.fail('a message'), 10);
  assert.equal(reader.read(Uint8Array.of(0, 0, 0, 0, 11)), 'too_large');
  assert.equal(new MessageReader(() => undefined).read(Uint8Array.of(1, 0, 0, 0, 0)), 'compressed');
});

test('whatever a server sends, a call ends once, with a status, and never throws', () => {
  const method = {
    path: '/a.B/C',
    encode: () => new Uint8Array(),
    decode(bytes: Uint8Array): number {
      if (bytes.length > 3) throw new Error('not a message');
      return bytes.length;
    },
  };
  const fields = fc.array(
    fc.tuple(
      fc.constantFrom(':status', 'content-type', 'grpc-status', 'grpc-message'),
      fc.oneof(fc.constantFrom('200', '503', 'application/grpc', '0', '5', '99', '-1', '%zz'), fc.string()),
    ),
    { maxLength: 5 },
  );
  const event = fc.oneof(
    fc.tuple(fc.constant('head'), fields, fc.boolean()),
    fc.tuple(fc.constant('data'), fc.uint8Array({ maxLength: 12 }), fc.constant(false)),
    fc.tuple(fc.constant('trailers'), fields, fc.constant(true)),
    fc.tuple(fc.constant('broken'), fc.nat({ max: 20 }), fc.constant(true)),
  );
  fc.assert(
    fc.property(fc.array(event, { maxLength: 8 }), (events) => {
      const ends: GrpcStatus[] = [];
      let finished = 0;
      const call = new Call(
        method,
        new Uint8Array(),
        'x:1',
        {
          opened: () => undefined,
          message: () => assert.equal(ends.length, 0, 'a message after the end'),
          end: (status) => ends.push(status),
        },
        () => (finished += 1),
      );
      for (const [kind, payload, end] of events) {
        if (kind === 'head') call.head((payload as [string, string][]).flat(), end);
        else if (kind === 'data') call.data(payload);
        else if (kind === 'trailers') call.trailers((payload as [string, string][]).flat());
        else call.broken(payload);
      }
      call.broken(0);
      assert.deepEqual([ends.length, finished], [1, 1]);
      assert.ok(Number.isInteger(ends[0]?.code));
    }),
    { numRuns: 1000 },
  );
});

test('a grpc-message that does not decode is kept as it came', () => {
  assert.equal(decodeGrpcMessage('na%C3%AFve'), 'naïve');
  assert.equal(decodeGrpcMessage('%zz'), '%zz');
});
