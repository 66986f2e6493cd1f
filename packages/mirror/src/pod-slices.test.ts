import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EndpointSlice, ExportedEndpoint } from '@mesh/kube';
import fc from 'fast-check';
import { podSlices, SLICE_ENDPOINTS_MAX } from './pod-slices.ts';

const PORTS = [{ name: 'http', port: 8080, protocol: 'TCP' }];

function slicesOf(endpoints: readonly ExportedEndpoint[], live: readonly EndpointSlice[]): readonly EndpointSlice[] {
  return podSlices({
    endpoints: [{ addressType: 'IPv4', ports: PORTS, endpoints }],
    live,
    name: 'web-west',
    namespace: 'shop',
    labels: {},
    annotations: {},
  });
}

function addressesOf(slices: readonly EndpointSlice[]): readonly string[] {
  return slices.flatMap(({ endpoints }) => endpoints.map(({ addresses }) => addresses[0] ?? ''));
}

const endpoint = fc.record({
  addresses: fc.nat(400).map((at) => [`10.0.${Math.floor(at / 250)}.${(at % 250) + 1}`]),
  ready: fc.boolean(),
  identity: fc.constantFrom('web.shop', 'db.shop'),
});

test('whatever came before, each address is in one slice, no slice is too large, and what stays where it is', () => {
  fc.assert(
    fc.property(fc.array(fc.array(endpoint, { maxLength: 300 }), { minLength: 1, maxLength: 6 }), (rounds) => {
      let live: readonly EndpointSlice[] = [];
      for (const round of rounds) {
        const unique = [...new Map(round.map((one) => [one.addresses[0], one])).values()];
        const next = slicesOf(unique, live);
        const addresses = addressesOf(next);
        assert.equal(addresses.length, unique.length);
        assert.deepEqual(new Set(addresses), new Set(addressesOf(slicesOf(unique, []))));
        assert.ok(next.every(({ endpoints }) => endpoints.length > 0 && endpoints.length <= SLICE_ENDPOINTS_MAX));
        assert.equal(new Set(next.map(({ metadata }) => metadata.name)).size, next.length);
        for (const before of live) {
          const after = next.find(({ metadata }) => metadata.name === before.metadata.name);
          // An address that is reached as before has not moved.
          const group = next.filter(
            ({ metadata }) =>
              metadata.annotations?.['federation.mesh.dev/identity'] ===
              before.metadata.annotations?.['federation.mesh.dev/identity'],
          );
          for (const address of addressesOf([before])) {
            const stays = addressesOf(group).includes(address);
            assert.ok(!stays || (after !== undefined && addressesOf([after]).includes(address)), address);
          }
        }
        assert.deepEqual(slicesOf(unique, next), slicesOf(unique.toReversed(), next));
        live = next;
      }
    }),
    { numRuns: 60 },
  );
});

test('an identity that is none is not taken over', () => {
  const [slice] = slicesOf([{ addresses: ['10.0.0.1'], ready: true, identity: 'Not An Identity' }], []);
  assert.equal(slice?.metadata.annotations?.['federation.mesh.dev/identity'], undefined);
});
