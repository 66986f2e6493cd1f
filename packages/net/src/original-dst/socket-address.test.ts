import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SocketAddress } from 'node:net';
import fc from 'fast-check';
import { isIpv4, readSocketAddress, SOCKET_ADDRESS_BYTES } from './socket-address.ts';

function ipv4(ip: readonly number[], port: number): Uint8Array {
  const bytes = new Uint8Array(SOCKET_ADDRESS_BYTES);
  bytes.set([2, 0, port >> 8, port & 0xff, ...ip]);
  return bytes;
}
function ipv6(ip: readonly number[], port: number): Uint8Array {
  const bytes = new Uint8Array(SOCKET_ADDRESS_BYTES);
  bytes.set([10, 0, port >> 8, port & 0xff, 0, 0, 0, 0, ...ip]);
  return bytes;
}
function groups(...values: readonly number[]): number[] {
  return values.flatMap((value) => [value >> 8, value & 0xff]);
}

test('an IPv4 socket address is read', () => {
  const bytes = ipv4([10, 21, 0, 255], 65_000);
  assert.deepEqual(readSocketAddress(bytes), { ip: '10.21.0.255', port: 65_000 });
  assert.ok(isIpv4(bytes));
});

test('IPv6 addresses are written in their one canonical form', () => {
  const cases: readonly [readonly number[], string][] = [
    [groups(0xfd00, 0, 0, 0, 0, 0, 0, 1), 'fd00::1'],
    [groups(0, 0, 0, 0, 0, 0, 0, 1), '::1'],
    [groups(0, 0, 0, 0, 0, 0, 0, 0), '::'],
    [groups(0x2001, 0xdb8, 0, 1, 0, 0, 0, 0xabc), '2001:db8:0:1::abc'],
    [groups(0x2001, 0, 0, 1, 0, 0, 1, 1), '2001::1:0:0:1:1'],
    [groups(1, 0, 2, 3, 4, 5, 6, 7), '1:0:2:3:4:5:6:7'],
    [groups(1, 2, 3, 4, 5, 6, 0, 0), '1:2:3:4:5:6::'],
  ];
  for (const [ip, text] of cases) {
    assert.deepEqual(readSocketAddress(ipv6(ip, 80)), { ip: text, port: 80 });
    assert.equal(isIpv4(ipv6(ip, 80)), false);
  }
});

test('an IPv4-mapped address is IPv4', () => {
  const bytes = ipv6([...groups(0, 0, 0, 0, 0, 0xffff), 10, 0, 0, 7], 443);
  assert.deepEqual(readSocketAddress(bytes), { ip: '10.0.0.7', port: 443 });
  assert.ok(isIpv4(bytes));
});

test('another family is no address', () => {
  assert.equal(readSocketAddress(new Uint8Array(SOCKET_ADDRESS_BYTES)), undefined);
});

test('every IPv6 address comes out as the runtime writes it', () => {
  const group = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff }));
  fc.assert(
    fc.property(fc.array(group, { minLength: 8, maxLength: 8 }), (values) => {
      const text = readSocketAddress(ipv6(groups(...values), 1))?.ip ?? '';
      const [high] = values;
      // Those are printed with a dotted tail (deprecated form), which no pod has.
      if (values.slice(0, 5).every((value) => value === 0)) return;
      const { address } = new SocketAddress({ address: values.map((v) => v.toString(16)).join(':'), family: 'ipv6' });
      assert.equal(text, address, String(high));
    }),
  );
});
