import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { gatewayZonesText, readGatewayZones } from './gateway-zones.ts';

const ADDRESSES = ['192.0.2.1', '2001:db8::1', 'gw.example'];

test('addresses and names have the zones that are written behind them', () => {
  assert.deepEqual(readGatewayZones('192.0.2.1=eu-1a, 2001:db8::1=eu-1b,gw.example = eu-1c', ADDRESSES), {
    zones: [
      ['192.0.2.1', 'eu-1a'],
      ['2001:db8::1', 'eu-1b'],
      ['gw.example', 'eu-1c'],
    ],
    problems: [],
  });
  assert.deepEqual(readGatewayZones('', ADDRESSES), { zones: [], problems: [] });
});

test('each part that cannot be used is named with its reason, and the others count', () => {
  const { zones, problems } = readGatewayZones(
    'eu-1a,gw.example=a=b,192.0.2.9=eu-1a,gw.example=,192.0.2.1=eu-1a,192.0.2.1=eu-1b,2001:db8::1=a b',
    ADDRESSES,
  );
  assert.deepEqual(zones, [['192.0.2.1', 'eu-1a']]);
  const expected = [
    /^"eu-1a" is not ADDRESS=ZONE/,
    /^"gw\.example=a=b" is not ADDRESS=ZONE/,
    /^"192\.0\.2\.9" is not among the gateway's addresses; write it as it is there: 192\.0\.2\.1, 2001:db8::1, gw\.example/,
    /^"" is no zone's name; give gw\.example the label topology\.kubernetes\.io\/zone/,
    /^192\.0\.2\.1 is in "eu-1a" and in "eu-1b"; give it one zone/,
    /^"a b" is no zone's name/,
  ];
  assert.equal(problems.length, expected.length);
  for (const [index, pattern] of expected.entries()) assert.match(problems[index] ?? '', pattern);
});

test('whatever the text is, zones are of known addresses, what is not read is told, and what is read is written the same', () => {
  const part = fc.oneof(fc.constantFrom(...ADDRESSES.map((address) => `${address}=a`)), fc.string());
  fc.assert(
    fc.property(fc.array(part), (parts) => {
      const text = parts.join(',');
      const { zones, problems } = readGatewayZones(text, ADDRESSES);
      for (const [address] of zones) assert.ok(ADDRESSES.includes(address));
      const isEmpty = text.split(',').every((one) => one.trim() === '');
      assert.equal(zones.length === 0 && problems.length === 0, isEmpty);
      assert.deepEqual(readGatewayZones(gatewayZonesText(zones), ADDRESSES), { zones, problems: [] });
    }),
  );
});
