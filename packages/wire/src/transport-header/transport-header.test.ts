import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeTransportHeader, TRANSPORT_HEADER_BYTES_MAX, TransportHeaderReader } from './transport-header.ts';
import type { TransportHeaderResult } from './transport-header.ts';

const feedAll = (bytes: Uint8Array): TransportHeaderResult => new TransportHeaderReader().feed(bytes);

/** As a reader sees one that says no more than where it wants to go. */
const ALONE = { clientIdentity: '', clientCluster: '', hops: 0 };

const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?$/);
const dnsName = fc.array(label, { minLength: 1, maxLength: 8 }).map((labels) => labels.join('.'));
const spiffeId = fc
  .tuple(dnsName, fc.array(fc.stringMatching(/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,80}$/), { minLength: 1, maxLength: 8 }))
  .map(([domain, path]) => `spiffe://${domain}/${path.join('/')}`);

const header = fc.record({
  port: fc.integer({ min: 1, max: 65535 }),
  name: fc.constantFrom('', 'catalog.shop.svc.cluster.local', 'a-b.c_d.svc.'),
  session: fc.constantFrom(undefined, 'http1' as const, 'http2' as const),
  clientIdentity: fc.oneof(fc.constant(''), dnsName, spiffeId),
  clientCluster: fc.oneof(fc.constant(''), dnsName),
  hops: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff_ffff })),
});

test('the bytes are those that other proxies write', () => {
  const bytes = encodeTransportHeader({ port: 8084, name: '', session: 'http2' });
  assert.equal(Buffer.from(bytes.subarray(0, 23)).toString(), 'transport.l5d.io/v1\r\n\r\n');
  assert.equal(Buffer.from(bytes.subarray(23)).toString('hex'), '0000000708943f1a021200');
});

test('who the client is follows in fields that other proxies skip', () => {
  const bytes = encodeTransportHeader({
    port: 80,
    name: '',
    session: undefined,
    clientIdentity: 'a.b',
    clientCluster: 'east',
    hops: 300,
  });
  // Keys: field * 8 + wire type, as varints. 1001: ca 3e, 1002: d2 3e, 1003: d8 3e.
  assert.equal(Buffer.from(bytes.subarray(27)).toString('hex'), '0850ca3e03612e62d23e0465617374d83eac02');
  const plain = encodeTransportHeader({ port: 80, name: '', session: undefined });
  assert.equal(plain.length, 27 + 2);
  const result = feedAll(plain);
  assert.deepEqual(result.kind === 'header' && result.header, { port: 80, name: '', session: undefined, ...ALONE });
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
  const text = (key: string, value: string): string =>
    `0801${key}${Buffer.from([value.length]).toString('hex')}${Buffer.from(value, 'latin1').toString('hex')}`;
  for (const identity of [
    'Web.shop',
    'web..shop',
    'web.shop.',
    'a b',
    'caf\u00e9',
    '-a',
    'spiffe://td',
    'spiffe://td/../x',
  ])
    assert.equal(error(framed(text('ca3e', identity))), 'bad_client_identity', identity);
  for (const cluster of ['East', 'a,b', 'east\n', '.']) {
    assert.equal(error(framed(text('d23e', cluster))), 'bad_client_cluster', cluster);
  }
  assert.equal(error(framed('0801d83e8080808010')), 'bad_hops');
  assert.throws(() => encodeTransportHeader({ port: 0, name: '', session: undefined }), RangeError);
  assert.throws(() => encodeTransportHeader({ port: 1, name: 'a b', session: undefined }), RangeError);
  const more = (fields: object): (() => Uint8Array) => {
    return () => encodeTransportHeader({ port: 1, name: '', session: undefined, ...fields });
  };
  assert.throws(more({ clientIdentity: 'A' }), RangeError);
  assert.throws(more({ clientIdentity: 'a.'.repeat(127) }), RangeError);
  assert.throws(more({ clientIdentity: `spiffe://td/${'a'.repeat(2048)}` }), RangeError);
  assert.throws(more({ clientCluster: 'a/b' }), RangeError);
  for (const hops of [-1, 1.5, 2 ** 32, Number.NaN]) assert.throws(more({ hops }), RangeError);
});

test('garbage never throws', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
      feedAll(bytes);
      feedAll(Buffer.concat([Buffer.from('transport.l5d.io/v1\r\n\r\n\0\0\0'), bytes]));
    }),
  );
});
