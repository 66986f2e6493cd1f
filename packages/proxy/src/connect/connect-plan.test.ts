import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Endpoint } from '@mesh/model';
import { TransportHeaderReader } from '@mesh/wire';
import { planConnect, prefaceFor } from './connect-plan.ts';

const PLAIN: Endpoint = {
  address: { ip: '10.0.0.1', port: 8080 },
  weight: 1,
  tls: undefined,
  protocolHint: 'unknown',
  transportPort: undefined,
  authorityOverride: undefined,
  labels: {},
};
const CONVEYED = { clientIdentity: 'web.shop', clientCluster: 'east', hops: 2 };
const NOBODY: ReadonlySet<string> = new Set();

test('whom a gateway carries a connection on for is told to endpoints that take a transport header, and to no other', () => {
  const tls = { name: 'app.ns', serverName: 'app.ns' };
  const meshed = planConnect({ ...PLAIN, tls, transportPort: 4143 }, NOBODY);
  const result = new TransportHeaderReader().feed(prefaceFor(meshed, CONVEYED));
  assert.ok(result.kind === 'header');
  assert.deepEqual(result.header, { port: 8080, name: '', session: undefined, ...CONVEYED });
  assert.deepEqual(prefaceFor(meshed, {}), meshed.opaquePreface);
  for (const plain of [PLAIN, { ...PLAIN, tls }]) {
    assert.equal(prefaceFor(planConnect(plain, NOBODY), CONVEYED).length, 0);
  }
});
