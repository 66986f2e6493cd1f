import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import {
  cidrContains,
  formatCidr,
  formatIp,
  formatSocketAddress,
  isLoopback,
  parseCidr,
  parseIp,
  parseSocketAddress,
} from './ip.ts';

const ip = (text: string): Uint8Array => parseIp(text) ?? assert.fail(text);
const net = (text: string): NonNullable<ReturnType<typeof parseCidr>> => parseCidr(text) ?? assert.fail(text);

test('addresses of both versions are read and written in canonical form', () => {
  for (const [text, canonical] of [
    ['127.0.0.1', '127.0.0.1'],
    ['::', '::'],
    ['::1', '::1'],
    ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8'],
    ['fd00::', 'fd00::'],
    ['::ffff:10.1.2.3', '10.1.2.3'],
    ['64:ff9b::1.2.3.4', '64:ff9b::102:304'],
    ['1:0:3:4:5:6:7:8', '1:0:3:4:5:6:7:8'],
  ] as const)
    assert.equal(formatIp(ip(text)), canonical);
});

test('text that is not an address is refused', () => {
  for (const text of [
    '',
    '1.2.3',
    '1.2.3.256',
    '01.2.3.4',
    '1.2.3.4.5',
    ':',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '12345::',
    'fe80::1%eth0',
    '1.2.3.4::',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7::8:9',
  ])
    assert.equal(parseIp(text), undefined, text);
});

test('any bytes survive being written and read', () => {
  const bytes = fc.oneof(
    fc.uint8Array({ minLength: 4, maxLength: 4 }),
    fc.uint8Array({ minLength: 16, maxLength: 16 }).filter((b) => b[0] !== 0),
  );
  fc.assert(fc.property(bytes, (value) => assert.deepEqual(parseIp(formatIp(value)), value)));
});

test('garbage never crashes the parsers', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom(...Array.from('0123456789abcdef:./[]% ')), maxLength: 40 }),
      (text) => {
        parseIp(text);
        parseCidr(text);
        parseSocketAddress(text);
      },
    ),
  );
});

test('a network contains its addresses and no other', () => {
  assert.equal(cidrContains(net('10.0.0.0/8'), ip('10.255.0.1')), true);
  assert.equal(cidrContains(net('10.0.0.0/8'), ip('11.0.0.1')), false);
  assert.equal(cidrContains(net('172.16.0.0/12'), ip('172.31.255.255')), true);
  assert.equal(cidrContains(net('172.16.0.0/12'), ip('172.32.0.0')), false);
  assert.equal(cidrContains(net('0.0.0.0/0'), ip('8.8.8.8')), true);
  assert.equal(cidrContains(net('0.0.0.0/0'), ip('::1')), false);
  assert.equal(cidrContains(net('fd00::/8'), ip('fdab::1')), true);
  assert.equal(cidrContains(net('::1/128'), ip('::1')), true);
  assert.equal(cidrContains(net('10.0.0.0/8'), ip('::ffff:10.1.1.1')), true);
});

test('a bare address is the network of that host, host bits are cleared, long prefixes are refused', () => {
  assert.equal(formatCidr(net('10.1.2.3')), '10.1.2.3/32');
  assert.equal(formatCidr(net('10.1.2.3/16')), '10.1.0.0/16');
  for (const text of ['10.0.0.0/33', '::/129', '10.0.0.0/', '10.0.0.0/-1', 'x/8'])
    assert.equal(parseCidr(text), undefined);
});

test('socket addresses take brackets for version 6', () => {
  assert.deepEqual(parseSocketAddress('127.0.0.1:4140'), { host: '127.0.0.1', port: 4140 });
  assert.deepEqual(parseSocketAddress('[::1]:80'), { host: '::1', port: 80 });
  assert.equal(formatSocketAddress({ host: '::1', port: 80 }), '[::1]:80');
  for (const text of ['::1:80', 'localhost:80', '1.2.3.4', '1.2.3.4:65536', '1.2.3.4:'])
    assert.equal(parseSocketAddress(text), undefined, text);
});

test('loopback is 127/8 and ::1', () => {
  assert.equal(isLoopback(ip('127.8.9.1')), true);
  assert.equal(isLoopback(ip('::1')), true);
  assert.equal(isLoopback(ip('128.0.0.1')), false);
  assert.equal(isLoopback(ip('::2')), false);
});
