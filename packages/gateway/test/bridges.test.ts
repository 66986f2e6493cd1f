/** Plain ports for clients without a proxy: from raw TCP through the own gateway and the peer's to a server, by mutual TLS in between. */
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { ENDPOINT_SLICES } from '@mesh/kube';
import { eventually } from '@mesh/kube/testing';
import { endpoint, endpointSet, inboundPolicy } from '../../proxy/src/testing/fakes.ts';
import { RawClient, tcpApp, TestAnchor, TestProxy } from '../../proxy/test/harness.ts';
import { AUTHORITY, GATEWAY_ID, TestGateway } from './gateway-harness.ts';

const NETWORK = '127.0.57';
const DERIVED = 'mesh-import-1.shop.svc.cluster.local:80';

/** West's gateway exports an echo; the gateway of east has bridges there. */
async function setup() {
  const anchor = await TestAnchor.create('root');
  const server = await new TestProxy(`${NETWORK}.1`, 'catalog', { gatewayIdentities: [GATEWAY_ID] }).start(anchor);
  const west = new TestGateway(`${NETWORK}.2`);
  const east = new TestGateway(`${NETWORK}.3`, {}, { clusterName: 'east', lingerMs: 50 });
  const echo = await tcpApp(server.ip, (socket) => void socket.pipe(socket));
  server.policies.get(echo.port).set(inboundPolicy({ protocol: 'opaque' }));
  west.export();
  west.serve(server, echo.port);
  await west.start(anchor);
  await east.start(anchor);
  const gatewayOf = (cluster: string, changes = {}) =>
    endpoint(west.traffic, {
      tls: { name: GATEWAY_ID, serverName: GATEWAY_ID },
      authorityOverride: AUTHORITY,
      labels: { target_cluster: cluster },
      ...changes,
    });
  east.endpoints.watch(DERIVED).set(endpointSet(gatewayOf('west')));
  const port = await freeBridgePort(east.traffic.ip);
  return {
    east,
    west,
    port,
    gatewayOf,
    bridge(changes: Readonly<Record<string, string>> = {}, name = 'bridge'): void {
      const annotations = {
        'federation.mesh.dev/bridge-target': 'shop/mesh-import-1',
        'federation.mesh.dev/bridge-cluster': 'west',
        'federation.mesh.dev/bridge-ports': `${port}:80`,
        ...changes,
      };
      const labels = { 'federation.mesh.dev/path': 'bridge' };
      const metadata = { name, namespace: 'shop', labels, annotations };
      east.api.seed(ENDPOINT_SLICES, { metadata, addressType: 'IPv4', endpoints: [] });
    },
    connect: (): RawClient => new RawClient({ ip: east.traffic.ip, port }),
    async [Symbol.asyncDispose]() {
      await east[Symbol.asyncDispose]();
      await west[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
      echo.close();
    },
  };
}

/** Bridge ports are given by the mirror: one of them that is free at the moment. */
async function freeBridgePort(ip: string): Promise<number> {
  for (let port = 20_000 + (process.pid % 5000); ; port += 1) {
    const probe = createServer();
    const found = await new Promise<number | undefined>((resolve) => {
      probe.once('error', () => resolve(undefined));
      probe.listen(port, ip, () => resolve((probe.address() as AddressInfo).port));
    });
    await new Promise((resolve) => probe.close(resolve));
    if (found !== undefined) return found;
  }
}

test('bytes of a client without a proxy cross both gateways and come back', async () => {
  await using there = await setup();
  there.bridge();
  await eventually('open', () => there.east.gateway.state.bridges.includes(there.port));
  const raw = there.connect();
  raw.socket.write('ping');
  await eventually('echo', () => raw.text === 'ping');
  raw.socket.end();
  await eventually('end', () => raw.ended);
  const { metrics } = there.west;
  assert.equal(
    metrics.sum('tcp_open_total', { direction: 'inbound', client_id: GATEWAY_ID, dst_service: 'catalog' }),
    1,
  );
  const labels = { direction: 'inbound', dst_target_cluster: 'west', dst_service: 'mesh-import-1' };
  assert.equal(there.east.metrics.sum('tcp_open_total', labels), 1);
});

test('only gateways of the one cluster get what comes to its port', async () => {
  await using there = await setup();
  there.bridge();
  const endpoints = there.east.endpoints.watch(DERIVED);
  const reset = async (): Promise<void> => {
    const raw = there.connect();
    raw.socket.write('ping');
    await eventually('reset', () => raw.closed);
    assert.equal(raw.text, '');
  };
  await eventually('open', () => there.east.gateway.state.bridges.includes(there.port));
  endpoints.set(endpointSet(there.gatewayOf('north')));
  await reset();
  endpoints.set(endpointSet(there.gatewayOf('west', { authorityOverride: undefined })));
  await reset();
  endpoints.set(endpointSet(there.gatewayOf('west')));
  const raw = there.connect();
  raw.socket.write('ping');
  await eventually('echo', () => raw.text === 'ping');
  raw.socket.destroy();
});

test('a port that nobody asks for any longer takes no connections, and lets go on what is open', async () => {
  await using there = await setup();
  there.bridge();
  await eventually('open', () => there.east.gateway.state.bridges.includes(there.port));
  const raw = there.connect();
  raw.socket.write('ping');
  await eventually('echo', () => raw.text === 'ping');
  there.east.api.remove(ENDPOINT_SLICES, 'shop/bridge');
  await eventually('closed', async () => {
    const late = there.connect();
    await eventually('decided', () => late.error !== undefined || late.socket.readyState === 'open');
    late.socket.destroy();
    return late.error === 'ECONNREFUSED';
  });
  raw.socket.write('pong');
  await eventually('goes on', () => raw.text === 'pingpong');
  there.bridge();
  await eventually('open again', () => there.east.gateway.state.bridges.includes(there.port));
  raw.socket.destroy();
});

test('a port that is for something else now sends there', async () => {
  await using there = await setup();
  there.bridge();
  await eventually('open', () => there.east.gateway.state.bridges.includes(there.port));
  there.bridge({ 'federation.mesh.dev/bridge-target': 'shop/mesh-import-2' });
  there.east.endpoints.watch('mesh-import-2.shop.svc.cluster.local:80').set(endpointSet(there.gatewayOf('west')));
  there.east.endpoints.watch(DERIVED).set(new Map());
  await eventually('echo', async () => {
    const raw = there.connect();
    raw.socket.write('ping');
    await eventually('answered or over', () => raw.text !== '' || raw.closed);
    raw.socket.destroy();
    return raw.text === 'ping';
  });
  assert.ok(there.east.metrics.sum('tcp_open_total', { direction: 'inbound', dst_service: 'mesh-import-2' }) >= 1);
});

test('clients of bridges are counted with those of the gateway, and drain waits for them', async () => {
  await using there = await setup();
  there.bridge();
  await eventually('open', () => there.east.gateway.state.bridges.includes(there.port));
  const raw = there.connect();
  raw.socket.write('ping');
  await eventually('echo', () => raw.text === 'ping');
  const drained = there.east.gateway.drain();
  await eventually('closed for others', async () => {
    const late = there.connect();
    await eventually('decided', () => late.error !== undefined || late.socket.readyState === 'open');
    late.socket.destroy();
    return late.error === 'ECONNREFUSED';
  });
  raw.socket.write('pong');
  await eventually('goes on', () => raw.text === 'pingpong');
  raw.socket.end();
  await drained;
});
