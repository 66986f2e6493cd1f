import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCidr } from '@mesh/model';
import type { Cidr } from '@mesh/model';
import { PeerNetworks } from './peer-networks.ts';
import type { RemoteService } from './remote-cluster.ts';

function remote(addressType: 'IPv4' | 'IPv6', addresses: readonly string[]): RemoteService {
  return {
    service: { metadata: { name: 'web', namespace: 'shop' } },
    hasReady: true,
    isKnown: true,
    endpoints: [
      { addressType, ports: [], endpoints: addresses.map((address) => ({ addresses: [address], ready: true })) },
    ],
  };
}

const admitted = (networks: PeerNetworks, service: RemoteService): readonly string[] =>
  networks.admitted(service).endpoints.flatMap(({ endpoints }) => endpoints.flatMap(({ addresses }) => addresses));

test('what can be no host of a peer is left out', () => {
  const networks = new PeerNetworks([]);
  const bad = ['127.0.0.1', '169.254.169.254', '0.0.0.0', '224.0.0.1', '255.255.255.255', 'fd00::1', 'localhost', ''];
  assert.deepEqual(admitted(networks, remote('IPv4', [...bad, '10.1.0.1', '192.168.0.1'])), [
    '10.1.0.1',
    '192.168.0.1',
  ]);
  const bad6 = ['::1', '::', 'fe80::1', 'ff02::1', '10.1.0.1', '::ffff:127.0.0.1'];
  assert.deepEqual(admitted(networks, remote('IPv6', [...bad6, 'fd00::1'])), ['fd00::1']);
});

test('with networks given, these and nothing else count', () => {
  const networks = new PeerNetworks(['10.8.0.0/16', '127.0.0.0/8'].map((text) => parseCidr(text) as Cidr));
  assert.deepEqual(admitted(networks, remote('IPv4', ['10.8.1.1', '10.9.1.1', '127.1.2.3'])), [
    '10.8.1.1',
    '127.1.2.3',
  ]);
});

test('the answer for the same list is the same list', () => {
  const networks = new PeerNetworks([]);
  const service = remote('IPv4', ['10.1.0.1']);
  const [first, second] = [networks.admitted(service), networks.admitted(service)];
  assert.equal(first.endpoints[0]?.endpoints, second.endpoints[0]?.endpoints);
});
