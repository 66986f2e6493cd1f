import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EndpointSlice } from '@mesh/kube';
import { planBridges } from './bridge-plan.ts';

function slice(name: string, annotations: Readonly<Record<string, string>>, createdAt = '2026-01-01'): EndpointSlice {
  return {
    metadata: {
      name,
      namespace: 'shop',
      creationTimestamp: createdAt,
      annotations: Object.fromEntries(
        Object.entries(annotations).map(([key, value]) => [`federation.mesh.dev/bridge-${key}`, value]),
      ),
    },
    addressType: 'IPv4',
    endpoints: [],
  };
}

const EAST = { target: 'shop/mesh-import-1', cluster: 'east', ports: '20001:80,20002:443' };

test('each port of a slice goes to a port of the Service, at one cluster', () => {
  const { targets, problems } = planBridges([slice('a', EAST)]);
  const target = { namespace: 'shop', service: 'mesh-import-1', cluster: 'east' };
  assert.deepEqual(
    [...targets],
    [
      [20001, { ...target, port: 80 }],
      [20002, { ...target, port: 443 }],
    ],
  );
  assert.deepEqual(problems, []);
});

test('of two slices that want one port the older has it, and the other is told of', () => {
  const late = slice('a', { ...EAST, cluster: 'north', ports: '20001:80,20003:80' }, '2026-02-01');
  const { targets, problems } = planBridges([late, slice('b', EAST), slice('c', EAST, '2026-03-01')]);
  assert.equal(targets.get(20001)?.cluster, 'east');
  assert.equal(targets.get(20003)?.cluster, 'north');
  assert.deepEqual(problems, ["endpoint slice shop/a: port 20001 is shop/mesh-import-1:80 of east's"]);
});

test('slices that say nothing usable are left out, with the reason', () => {
  const wrong = [
    { target: 'mesh-import-1' },
    { target: 'other/mesh-import-1' },
    { cluster: '' },
    { ports: '19999:80' },
    { ports: '20001' },
    { ports: '20001:0' },
  ];
  for (const change of wrong) {
    const { targets, problems } = planBridges([slice('a', { ...EAST, ...change })]);
    assert.deepEqual([targets.size, problems.length], [0, 1], JSON.stringify(change));
  }
});
