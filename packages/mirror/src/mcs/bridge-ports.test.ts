import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { EndpointSlice } from '@mesh/kube';
import { BRIDGE_PORT_MAX, BRIDGE_PORT_MIN, BridgePorts } from './bridge-ports.ts';
import type { BridgeOwner } from './bridge-ports.ts';
import { ANNOTATION_BRIDGE_TARGET, LABEL_PATH, LABEL_SOURCE_CLUSTER } from './names.ts';

const owner = (target: string, cluster = 'west', portName = 'http'): BridgeOwner => ({ target, cluster, portName });

function slice(
  { target, cluster, portName }: BridgeOwner,
  port: number,
  createdAt = '2026-11-22T10:00:00Z',
): EndpointSlice {
  return {
    metadata: {
      name: `${target.replace('/', '-')}-${cluster}`,
      namespace: 'shop',
      creationTimestamp: createdAt,
      labels: { [LABEL_PATH]: 'bridge', [LABEL_SOURCE_CLUSTER]: cluster },
      annotations: { [ANNOTATION_BRIDGE_TARGET]: target },
    },
    addressType: 'IPv4',
    endpoints: [],
    ports: [{ name: portName, port }],
  };
}

describe('bridge ports', () => {
  it('are different for every owner, within the range, and stay with their owner', () => {
    const ports = new BridgePorts();
    const owners = Array.from({ length: 500 }, (_, index) => owner(`shop/mesh-import-${index}`));
    const first = ports.assign(owners, []);
    assert.equal(new Set(first).size, 500);
    for (const port of first) assert.ok(port !== undefined && port >= BRIDGE_PORT_MIN && port <= BRIDGE_PORT_MAX);
    assert.deepEqual(ports.assign(owners, []), first);
  });

  it('are found again in the slices by whoever leads next', () => {
    const ports = new BridgePorts();
    const [mine, other] = [owner('shop/a'), owner('shop/b')];
    ports.observe(slice(mine, 20_007), false);
    assert.deepEqual(ports.assign([mine], [slice(mine, 20_007)]), [20_007]);
    assert.notDeepEqual(ports.assign([other], []), [20_007]);
  });

  it("are the older slice's where two claim one", () => {
    const ports = new BridgePorts();
    const [old, young] = [owner('shop/b'), owner('shop/a')];
    const slices = [slice(young, 20_007, '2026-11-22T11:00:00Z'), slice(old, 20_007)];
    for (const one of slices) ports.observe(one, false);
    assert.deepEqual(ports.assign([old], slices), [20_007]);
    assert.notDeepEqual(ports.assign([young], slices), [20_007]);
  });

  it('are free once their slice is gone', () => {
    const ports = new BridgePorts();
    const mine = owner('shop/a');
    const given = ports.assign([mine], [])[0] ?? 0;
    ports.observe(slice(mine, given), false);
    ports.release('shop/a');
    ports.observe(slice(mine, given), true);
    const all = Array.from({ length: BRIDGE_PORT_MAX - BRIDGE_PORT_MIN + 1 }, (_, index) =>
      owner(`shop/${index}`, 'x'),
    );
    assert.ok(ports.assign(all, []).includes(given));
    assert.deepEqual(ports.assign([owner('shop/late')], []), [undefined], 'none is left');
  });
});
