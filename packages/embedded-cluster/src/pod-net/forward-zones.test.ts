import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseForwards } from './forward-zones.ts';

test('server blocks of other zones are forwarded, the root is not', () => {
  const corefile = `
    .:53 {
        errors
        kubernetes cluster.local in-addr.arpa ip6.arpa {
           pods insecure
        }
        forward . /etc/resolv.conf {
           max_concurrent 1000
        }
    }
    # forward . 192.0.2.9
    clusterset.local:53 {
        errors
        cache 10
        forward . 10.96.0.7 # the mesh
    }
    dns://Corp.Example., internal:5300 {
        forward . dns://192.0.2.1 192.0.2.2:5353 tls://192.0.2.3 {
            policy random
        }
    }
    quiet.example {
        errors
    }`;
  const first = { address: '192.0.2.1', port: 53 };
  const second = { address: '192.0.2.2', port: 5353 };
  assert.deepEqual(parseForwards(corefile), [
    { zone: 'clusterset.local', upstreams: [{ address: '10.96.0.7', port: 53 }] },
    { zone: 'corp.example', upstreams: [first, second] },
    { zone: 'internal', upstreams: [first, second] },
  ]);
});

test('garbage forwards nothing', () => {
  for (const text of ['', '}', '{', 'a {\n forward\n}', 'a {\nforward . name.example\n}', '}}}\na {\n}']) {
    assert.deepEqual(parseForwards(text), []);
  }
});
