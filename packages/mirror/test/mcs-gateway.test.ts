/** Imports from peers behind a gateway: the mesh goes to the peer's gateway, everybody else through the own one. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ENDPOINT_SLICES, parseKey, SERVICES } from '@mesh/kube';
import type { EndpointSlice, ServicePort } from '@mesh/kube';
import { eventually } from '@mesh/kube/testing';
import { ClusterSet, HTTP } from '../src/testing/cluster-set.ts';
import type { SetCluster } from '../src/testing/cluster-set.ts';

/** Of the Links that the tests make. */
const GATEWAY_IP = '192.0.2.1';
const PATH = 'federation.mesh.dev/path';
const SERVICE_NAME = 'kubernetes.io/service-name';

async function behindGateway(ports: readonly ServicePort[] = [HTTP]) {
  const set = new ClusterSet(['east', 'west'], {});
  const [east, west] = [set.cluster('east'), set.cluster('west')];
  east.service('web', { 'web-e': '10.1.0.1' }, { spec: { ports } });
  east.export('web');
  gatewayPods(west, { '10.2.0.50': true });
  await set.start();
  return { set, east, west, [Symbol.asyncDispose]: () => set[Symbol.asyncDispose]() };
}

function gatewayPods(cluster: SetCluster, pods: Readonly<Record<string, boolean>>): void {
  cluster.api.seed<EndpointSlice>(ENDPOINT_SLICES, {
    metadata: {
      name: 'linkerd-gateway-abc',
      namespace: 'linkerd-multicluster',
      labels: { [SERVICE_NAME]: 'linkerd-gateway' },
    },
    addressType: 'IPv4',
    endpoints: Object.entries(pods).map(([address, ready]) => ({
      addresses: [address],
      conditions: { ready },
      nodeName: 'node-1',
    })),
    ports: [{ name: 'mc-gateway', port: 4143 }],
  });
}

function slice(cluster: SetCluster, path: string, source = 'east'): EndpointSlice | undefined {
  return cluster.slices('web', source).find(({ metadata }) => metadata.labels?.[PATH] === path);
}

function ready(found: EndpointSlice | undefined): Readonly<Record<string, boolean>> | undefined {
  if (found === undefined) return undefined;
  return Object.fromEntries(
    found.endpoints.map(({ addresses, conditions }) => [addresses[0], conditions?.ready === true]),
  );
}

const becomes = (cluster: SetCluster, path: string, wanted: Readonly<Record<string, boolean>>): Promise<boolean> =>
  eventually(`${path} slice`, () => {
    assert.deepEqual(ready(slice(cluster, path)), wanted);
    return true;
  });

describe('an import from behind a gateway', () => {
  it('has the gateway for proxies, which kube-proxy does not see', async () => {
    await using both = await behindGateway();
    await becomes(both.west, 'mesh', { [GATEWAY_IP]: true });
    const { metadata, ports } = slice(both.west, 'mesh') ?? {};
    const derived = both.west.derived('web')?.metadata.name;
    assert.equal(metadata?.labels?.[SERVICE_NAME], undefined);
    assert.equal(metadata?.labels?.['federation.mesh.dev/service-name'], derived);
    assert.equal(metadata?.labels?.['mirror.linkerd.io/cluster-name'], 'east');
    assert.equal(metadata?.annotations?.['mirror.linkerd.io/remote-svc-fq-name'], 'web.shop.svc.cluster.local');
    assert.match(metadata?.annotations?.['mirror.linkerd.io/remote-gateway-identity'] ?? '', /^linkerd-gateway\./);
    assert.deepEqual(ports, [{ name: 'http', protocol: 'TCP', port: 4143 }]);
  });

  it('has the own gateway for everybody else, at a port of its own for each imported one', async () => {
    const ports: readonly ServicePort[] = [
      HTTP,
      { name: 'admin', port: 90, protocol: 'TCP' },
      { name: 'dns', port: 53, protocol: 'UDP' },
    ];
    await using both = await behindGateway(ports);
    await becomes(both.west, 'bridge', { '10.2.0.50': true });
    const found = slice(both.west, 'bridge');
    const derived = both.west.derived('web')?.metadata.name;
    assert.equal(found?.metadata.labels?.[SERVICE_NAME], derived);
    assert.equal(found?.metadata.annotations?.['federation.mesh.dev/bridge-target'], `shop/${derived}`);
    assert.equal(found?.metadata.annotations?.['federation.mesh.dev/bridge-cluster'], 'east');
    assert.equal(found?.endpoints[0]?.nodeName, 'node-1');
    const [http, admin, ...others] = found?.ports ?? [];
    assert.deepEqual([http?.name, admin?.name, others], ['http', 'admin', []], 'a gateway carries connections only');
    const numbers = [http?.port ?? 0, admin?.port ?? 0];
    assert.ok(numbers.every((port) => port >= 20_000 && port <= 29_999) && new Set(numbers).size === 2);
    assert.equal(
      found?.metadata.annotations?.['federation.mesh.dev/bridge-ports'],
      `${numbers[0]}:80,${numbers[1]}:90`,
    );
  });

  it('follows both gateways and the readiness behind them', async () => {
    await using both = await behindGateway();
    const { set, east, west } = both;
    await becomes(west, 'bridge', { '10.2.0.50': true });
    gatewayPods(west, { '10.2.0.50': false, '10.2.0.51': true });
    await becomes(west, 'bridge', { '10.2.0.50': false, '10.2.0.51': true });
    set.gateways.set(GATEWAY_IP, 'timeout');
    await becomes(west, 'mesh', { [GATEWAY_IP]: false });
    await becomes(west, 'bridge', {});
    set.gateways.set(GATEWAY_IP, undefined);
    await becomes(west, 'mesh', { [GATEWAY_IP]: true });
    await becomes(west, 'bridge', { '10.2.0.50': false, '10.2.0.51': true });
    east.service('web', {});
    await becomes(west, 'mesh', {});
    await becomes(west, 'bridge', {});
  });

  it('keeps its ports over restarts, and shares none with another import', async () => {
    await using both = await behindGateway();
    const { set, east, west } = both;
    await becomes(west, 'bridge', { '10.2.0.50': true });
    const before = slice(west, 'bridge')?.ports?.[0]?.port;
    await set.stop('west');
    east.service('other', { o: '10.1.0.2' });
    east.export('other');
    await set.start('west');
    const other = await eventually('other bridge', () =>
      west.slices('other', 'east').find(({ metadata }) => metadata.labels?.[PATH] === 'bridge'),
    );
    assert.equal(slice(west, 'bridge')?.ports?.[0]?.port, before);
    assert.notEqual(other.ports?.[0]?.port, before);
  });

  it("goes on following both gateways while the peer's API is away", async () => {
    await using both = await behindGateway();
    const { set, east, west } = both;
    await becomes(west, 'bridge', { '10.2.0.50': true });
    east.api.goDown();
    await set.stop('west');
    await set.start('west');
    gatewayPods(west, { '10.2.0.60': true });
    await becomes(west, 'bridge', { '10.2.0.60': true });
    set.gateways.set(GATEWAY_IP, 'timeout');
    await becomes(west, 'mesh', { [GATEWAY_IP]: false });
    await becomes(west, 'bridge', {});
  });

  it('goes pod to pod once the Link says so, and leaves nothing of the other way', async () => {
    await using both = await behindGateway();
    const { set, west } = both;
    await becomes(west, 'bridge', { '10.2.0.50': true });
    set.link('west', 'east', { path: 'flat' });
    await eventually('flat', () => {
      const slices = west.slices('web', 'east');
      assert.deepEqual(
        slices.map((one) => one.metadata.labels?.[PATH]),
        [undefined],
      );
      assert.deepEqual(slices[0]?.endpoints[0]?.addresses, ['10.1.0.1']);
      return true;
    });
  });

  it('never has the own pods behind the bridge: they are in slices of their own', async () => {
    await using both = await behindGateway();
    const { west } = both;
    west.service('web', { 'web-w': '10.2.0.1' });
    west.export('web');
    await eventually('three slices', () => west.slices('web').length === 3);
    assert.deepEqual(west.slices('web', 'west')[0]?.endpoints[0]?.addresses, ['10.2.0.1']);
    assert.ok(west.api.peek(SERVICES, `shop/${parseKey(west.derived('web')?.metadata.name ?? '').name}`));
  });
});
