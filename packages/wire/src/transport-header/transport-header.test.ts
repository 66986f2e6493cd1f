import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeTransportHeader, TRANSPORT_HEADER_BYTES_MAX, TransportHeaderReader } from './transport-header.ts';
import type { TransportHeaderResult } from './transport-header.ts';

const feedAll = (bytes: Uint8Array): TransportHeaderResult => new TransportHeaderReader().feed(bytes);

const header = fc.record({
  port: fc.integer({ min: 1, max: 65535 }),
  name: fc.constantFrom('', 'catalog.shop.svc.cluster.local', 'a-b.c_d.svc.'),
  session: fc.constantFrom(undefined, 'http1' as const, 'http2' as const),
});

test('the bytes are those that other proxies write', () => {
  const bytes = encodeTransportHeader({ port: 8084, name: '', session: 'http2' });
  assert.equal(Buffer.from(bytes.subarray(0, 23)).toString(), 'transport.l5d.io/v1\r\n\r\n');
  assert.equal(Buffer.from(bytes.subarray(23)).toString('hex'), '0000000708943f1a021200');
});

test('what is written is read back, however it is cut, with what follows it', () => {
  fc.assert(
    fc.property(header, fc.uint8Array({ maxLength: 20 }), fc.nat(), (written, rest, at) => {
      const bytes = Buffer.concat([encodeTransportHeader(written), rest]);
      const reader = new TransportHeaderReader();
      const point = at % (bytes.length - rest.length);
      assert.equal(reader.feed(bytes.subarray(0, point)).kind, 'incomplete');
      const result = reader.feed(bytes.subarray(point));
      assert.ok(result.kind === 'header');
      assert.deepEqual(result.header, { ...written });
      assert.deepEqual(Buffer.from(result.rest), Buffer.from(rest));
    }),
  );
});

test('unknown fields are skipped', () => {
  const known = Buffer.from('08943f', 'hex');
  const unknown = Buffer.from('2a0361626330053d01020304410102030405060708', 'hex');
  const message = Buffer.concat([unknown, known, unknown]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(message.length);
  const result = feedAll(Buffer.concat([Buffer.from('transport.l5d.io/v1\r\n\r\n'), length, message]));
  assert.ok(result.kind === 'header');
  assert.equal(result.header.port, 8084);
});

test('what is not a header is refused with its reason', () => {
  const framed = (hex: string, length?: number): Buffer => {
    const message = Buffer.from(hex, 'hex');
    const size = Buffer.alloc(4);
    size.writeUInt32BE(length ?? message.length);
    return Buffer.concat([Buffer.from('transport.l5d.io/v1\r\n\r\n'), size, message]);
  };
  const error = (bytes: Uint8Array): string => {
    const result = feedAll(bytes);
    return result.kind === 'error' ? result.error : result.kind;
  };
  assert.equal(error(Buffer.from('GET / HTTP/1.1\r\n')), 'bad_prefix');
  assert.equal(error(framed('', TRANSPORT_HEADER_BYTES_MAX)), 'too_large');
  assert.equal(error(framed('')), 'bad_port');
  assert.equal(error(framed('08808004')), 'bad_port');
  assert.equal(error(framed('080112022e2e')), 'bad_name');
  assert.equal(error(framed('080112ff')), 'bad_message');
  assert.equal(error(framed('08')), 'bad_message');
  assert.equal(error(framed('0f')), 'bad_message');
  assert.throws(() => encodeTransportHeader({ port: 0, name: '', session: undefined }), RangeError);
  assert.throws(() => encodeTransportHeader({ port: 1, name: 'a b', session: undefined }), RangeError);
});

test('garbage never throws', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
      feedAll(bytes);
      feedAll(Buffer.concat([Buffer.from('transport.l5d.io/v1\r\n\r\n\0\0\0'), bytes]));
    }),
  );
});
