import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseGatewayZones } from './gateway-zones.ts';

const HOSTS = ['192.0.2.1', '2001:db8::1', 'gw.example'];

function parsed(text: string): { readonly zones: object; readonly problems: readonly string[] } {
  const problems: string[] = [];
  const zones = Object.fromEntries(parseGatewayZones(text, HOSTS, problems));
  return { zones, problems };
}

test('addresses and names have the zones that are written behind them', () => {
  assert.deepEqual(parsed('192.0.2.1=eu-1a, 2001:db8::1=eu-1b,gw.example = eu-1c'), {
    zones: { '192.0.2.1': 'eu-1a', '2001:db8::1': 'eu-1b', 'gw.example': 'eu-1c' },
    problems: [],
  });
  assert.deepEqual(parsed(''), { zones: {}, problems: [] });
});

test('each part that cannot be used is named with its reason, and the others count', () => {
  const { zones, problems } = parsed(
    'eu-1a,192.0.2.9=eu-1a,gw.example=,192.0.2.1=eu-1a,192.0.2.1=eu-1b,2001:db8::1=a b',
  );
  assert.deepEqual(zones, { '192.0.2.1': 'eu-1a' });
  const expected = [
    /holds "eu-1a": write ADDRESS=ZONE/,
    /names "192\.0\.2\.9", which is not in spec\.gatewayAddress/,
    /"gw\.example" is in zone "", which is no zone's name: copy the label topology\.kubernetes\.io\/zone/,
    /"192\.0\.2\.1" is in "eu-1a" and in "eu-1b": leave one; "eu-1a" is used/,
    /"2001:db8::1" is in zone "a b"/,
  ];
  assert.equal(problems.length, expected.length);
  for (const [index, pattern] of expected.entries()) {
    assert.match(problems[index] ?? '', pattern);
    assert.match(problems[index] ?? '', /^annotation federation\.mesh\.dev\/gateway-zones /);
  }
});

test('whatever the text is, zones are of known addresses, and what is not read is told', () => {
  const part = fc.oneof(fc.constantFrom(...HOSTS.map((host) => `${host}=a`)), fc.string());
  fc.assert(
    fc.property(fc.array(part), (parts) => {
      const text = parts.join(',');
      const problems: string[] = [];
      const zones = parseGatewayZones(text, HOSTS, problems);
      for (const [host] of zones) assert.ok(HOSTS.includes(host));
      const isEmpty = text.split(',').every((one) => one.trim() === '');
      assert.equal(zones.length === 0 && problems.length === 0, isEmpty);
    }),
  );
});
