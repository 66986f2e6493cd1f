import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Endpoint } from '@mesh/kube';
import { gatewayEndpoints } from './gateway-slices.ts';
import type { GatewayAddress } from './gateway-slices.ts';

const A: GatewayAddress = { ip: '192.0.2.1', alive: true, zone: 'a' };
const B: GatewayAddress = { ip: '2001:db8::1', alive: true, zone: 'b' };

/** By address: its zone, and the zone that it is hinted for. */
function zonesOf(...addresses: readonly GatewayAddress[]): Readonly<Record<string, readonly (string | undefined)[]>> {
  const hint = ({ hints }: Endpoint): string | undefined => hints?.forZones?.map(({ name }) => name).join();
  return Object.fromEntries(gatewayEndpoints(addresses).map((one) => [one.addresses[0], [one.zone, hint(one)]]));
}

test('every address is hinted for its own zone when all have one, whatever their families', () => {
  assert.deepEqual(zonesOf(A, B), { [A.ip]: ['a', 'a'], [B.ip]: ['b', 'b'] });
});

test('an address that is dead or drained is hinted for nobody', () => {
  assert.deepEqual(zonesOf({ ...A, alive: false }, B), { [A.ip]: ['a', undefined], [B.ip]: ['b', 'b'] });
  assert.deepEqual(zonesOf({ ...A, draining: true }, B), { [A.ip]: ['a', undefined], [B.ip]: ['b', 'b'] });
});

test('while an address that takes new connections has no zone, none tells one', () => {
  const unknown: GatewayAddress = { ip: '192.0.2.3', alive: true };
  const none = [undefined, undefined];
  assert.deepEqual(zonesOf(A, unknown), { [A.ip]: none, [unknown.ip]: none });
  assert.deepEqual(zonesOf(A, { ...unknown, alive: false }), { [A.ip]: ['a', 'a'], [unknown.ip]: none });
  assert.deepEqual(gatewayEndpoints([unknown]), [
    { addresses: [unknown.ip], conditions: { ready: true, serving: true, terminating: false } },
  ]);
});
