import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { cidrContains, parseCidr, parseIp } from '@mesh/model';
import { clustersetAddresses } from './clusterset-address.ts';

describe('addresses of the cluster set', () => {
  it('follow from the name alone, lie in the network, and differ by name', () => {
    for (const text of ['10.255.0.0/16', '172.20.4.0/22', 'fd00:1::/112']) {
      const network = parseCidr(text);
      assert.ok(network);
      const seen = new Set<string>();
      for (let index = 0; index < 200; index += 1) {
        const ref = { namespace: 'shop', name: `web-${index}` };
        const addresses = clustersetAddresses(ref, network);
        assert.deepEqual(clustersetAddresses(ref, network), addresses);
        for (const address of addresses) {
          const bytes = parseIp(address);
          assert.ok(bytes !== undefined && cidrContains(network, bytes), address);
          assert.ok(![0, 255].includes(bytes.at(-1) ?? 0) || text.includes(':'), address);
        }
        seen.add(addresses[0] ?? '');
      }
      assert.ok(seen.size > 150, `${seen.size} in ${text}`);
    }
  });

  it('are none without a network', () => {
    assert.deepEqual(clustersetAddresses({ namespace: 'shop', name: 'web' }, undefined), []);
  });
});
