import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseClustersetDnsConfig } from './config.ts';

test('without configuration it serves clusterset.local on port 5353 of every address', () => {
  const config = parseClustersetDnsConfig({});
  assert.equal(config.zone, 'clusterset.local');
  assert.deepEqual(config.address, { host: '0.0.0.0', port: 5353 });
  assert.deepEqual(config.adminAddress, { host: '0.0.0.0', port: 9993 });
  assert.equal(config.lingerMs, 3000);
});

test('in a pod with IPv6 it listens on both families', () => {
  const config = parseClustersetDnsConfig({ _pod_ips: '10.0.0.1,fd00::1' });
  assert.deepEqual(config.address, { host: '::', port: 5353 });
  assert.deepEqual(
    config.serverAddresses.map((address) => address.length),
    [4, 16],
  );
});

test('every problem is told', () => {
  assert.throws(
    () =>
      parseClustersetDnsConfig({ MESH_DNS_ZONE: 'not a zone', MESH_DNS_ADDRESS: '5353', MESH_SHUTDOWN_LINGER: 'long' }),
    /MESH_DNS_ZONE is "not a zone": give a domain.*\n.*MESH_DNS_ADDRESS.*\n.*MESH_SHUTDOWN_LINGER/,
  );
  assert.equal(parseClustersetDnsConfig({ MESH_DNS_ZONE: 'Mesh.Example.' }).zone, 'mesh.example');
});
