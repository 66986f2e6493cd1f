/** What a gateway knows of its peers: who they are, what is exported to them, what those behind it are told of their clients. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:tls';
import type { TLSSocket } from 'node:tls';
import { test } from 'node:test';
import { EXPORT_POLICIES, PEERS } from '@mesh/kube';
import { eventually } from '@mesh/kube/testing';
import { encodeTransportHeader, TRANSPORT_ALPN } from '@mesh/wire';
import type { SentTransportHeader } from '@mesh/wire';
import { inboundPolicy, meshTls, opaquePolicy } from '../../proxy/src/testing/fakes.ts';
import { GrpcClient, grpcApp, status } from '../../proxy/test/grpc-harness.ts';
import type { ServiceError } from '../../proxy/test/grpc-harness.ts';
import {
  ask,
  httpApp,
  identityName,
  meshedEndpoint,
  RawClient,
  tcpApp,
  TestAnchor,
  TestProxy,
} from '../../proxy/test/harness.ts';
import { AUTHORITY, GATEWAY_ID, routeThrough, TestGateway } from './gateway-harness.ts';

const NETWORK = '127.0.56';
const WEB = identityName('web');
const HOST = 'catalog.shop.svc.cluster.local';

interface Situation {
  /** Of the client; signed by east. */
  readonly identity?: string;
  /** Issuers that Peers claim, before the gateway starts. */
  readonly peers?: (east: TestAnchor) => Readonly<Record<string, readonly string[]>>;
  readonly options?: ConstructorParameters<typeof TestGateway>[2];
}

/** Two clusters that share a trust domain; each has an issuer of its own. The client is in east, the gateway is west's. */
async function setup({ identity = WEB, peers = (east) => ({ east: [east.keyId] }), options = {} }: Situation = {}) {
  const east = await TestAnchor.create('east');
  const west = await TestAnchor.create('west');
  const trust = [east, west];
  const client = await new TestProxy(`${NETWORK}.1`, 'web').start(east);
  client.identity.install(await east.material({ dns: [identity] }, trust));
  const server = await new TestProxy(`${NETWORK}.2`, 'catalog', { gatewayIdentities: [GATEWAY_ID] }).start(west);
  const gateway = new TestGateway(`${NETWORK}.3`, {}, options);
  gateway.export();
  const announce = (name: string, issuers: readonly string[]): void => {
    gateway.api.seed(PEERS, {
      metadata: { name, namespace: 'linkerd-multicluster' },
      spec: {},
      status: { peer: { issuers: issuers.map((keyId) => ({ keyId })), renewTime: new Date().toISOString() } },
    });
  };
  for (const [name, issuers] of Object.entries(peers(east))) announce(name, issuers);
  await gateway.start(west, trust);
  routeThrough(client, gateway);
  const seen: Readonly<Record<string, unknown>>[] = [];
  const app = await httpApp(server.ip, (request, response) => {
    seen.push(request.headers);
    response.end('from west');
  });
  gateway.serve(server, app.port);
  const apps: { close(): void }[] = [];
  return {
    east,
    client,
    server,
    gateway,
    app,
    seen,
    announce,
    exportTo(...clusters: readonly string[]): void {
      gateway.api.seed(EXPORT_POLICIES, { metadata: { name: 'some', namespace: 'shop' }, spec: { clusters } });
    },
    /** A program that sends back what it gets. */
    async echo(): Promise<void> {
      const echo = await tcpApp(server.ip, (socket) => void socket.pipe(socket));
      apps.push(echo);
      server.policies
        .get(echo.port)
        .set(inboundPolicy({ ...server.policies.get(echo.port).current, protocol: 'opaque' }));
      gateway.serve(server, echo.port);
      client.discovery.resolve(client.destination).set(opaquePolicy('catalog-west.shop.svc.cluster.local:80'));
    },
    /** Admits only this identity, on all ports of the server. */
    admit(name: string, port: number): void {
      server.policies.get(port).set(inboundPolicy({ authorizations: [meshTls([name])] }));
    },
    /** A connection as a proxy of east opens it. */
    async open(header: Partial<SentTransportHeader> = {}): Promise<TLSSocket> {
      const { key, chain, trust: ca } = await east.material({ dns: [identity] }, trust);
      const { ip, port } = gateway.traffic;
      const socket = connect({
        host: ip,
        port,
        key,
        cert: chain,
        ca,
        servername: GATEWAY_ID,
        ALPNProtocols: [TRANSPORT_ALPN],
      });
      socket.on('error', () => undefined);
      await once(socket, 'secureConnect');
      socket.write(encodeTransportHeader({ port: 80, name: HOST, session: undefined, ...header }));
      return socket;
    },
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]();
      await client[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
      await app.close();
      for (const one of apps) one.close();
    },
  };
}

const refusals = ({ gateway }: { readonly gateway: TestGateway }, family: 'http' | 'tcp', error: string): number =>
  gateway.metrics.sum(`inbound_${family}_errors_total`, { error, source_cluster: 'east' });

test('a client of a shared trust domain has the cluster whose issuer signed it, and the server is told who it is', async () => {
  await using there = await setup();
  there.admit(WEB, there.app.port);
  const forged = { 'l5d-client-identity': identityName('admin'), 'l5d-client-cluster': 'north' };
  assert.equal((await ask(there.client.outbound, { headers: forged })).status, 200);
  const [headers] = there.seen;
  assert.equal(headers?.['l5d-client-id'], WEB);
  assert.equal(headers?.['l5d-client-cluster'], 'east');
  assert.equal(headers?.['l5d-client-identity'], undefined);
  for (const direction of ['inbound', 'outbound'])
    assert.equal(
      there.gateway.metrics.sum('response_total', { direction, source_cluster: 'east', status_code: '200' }),
      1,
    );
  there.admit(identityName('somebody-else'), there.app.port);
  assert.equal((await ask(there.client.outbound)).status, 403);
});

test('policy at the server sees the client of opaque bytes, too', async () => {
  await using there = await setup();
  await there.echo();
  const echoed = async (): Promise<string> => {
    const raw = new RawClient(there.client.outbound);
    raw.socket.write('ping');
    await eventually('answered or over', () => raw.text !== '' || raw.ended || raw.closed);
    raw.socket.destroy();
    return raw.text;
  };
  assert.equal(await echoed(), 'ping');
  const [endpoint] = there.gateway.endpoints.watch(AUTHORITY).current?.values() ?? [];
  const only = (name: string): void =>
    there.server.policies
      .get(endpoint?.address.port ?? 0)
      .set(inboundPolicy({ protocol: 'opaque', authorizations: [meshTls([name])] }));
  only(WEB);
  assert.equal(await echoed(), 'ping');
  only(identityName('somebody-else'));
  assert.equal(await echoed(), '');
});

test('what is exported to others only is refused with the names of Service, port and peer, and counted for the peer', async () => {
  await using there = await setup();
  assert.equal((await ask(there.client.outbound)).status, 200);
  there.exportTo('north');
  await eventually('refused', async () => (await ask(there.client.outbound)).status === 403);
  const answer = await ask(there.client.outbound);
  assert.equal(
    answer.headers['l5d-proxy-error'],
    `port 80 of service ${HOST} is not exported to peer east: the ExportPolicies of its namespace say so`,
  );
  assert.ok(refusals(there, 'http', 'not_exported_to_peer') >= 2);
  there.exportTo('north', 'east');
  await eventually('allowed', async () => (await ask(there.client.outbound)).status === 200);
});

test('gRPC calls for what is exported to others only are denied in its own form', async () => {
  await using there = await setup();
  const app = await grpcApp(there.server.ip, { unary: (call, done) => done(null, call.request) });
  there.gateway.serve(there.server, app.port);
  there.exportTo('north');
  await eventually('refused', async () => (await ask(there.client.outbound)).status === 403);
  const grpc = new GrpcClient(there.client.outbound);
  const error = await grpc.unary('?').then(
    () => assert.fail('the call succeeded'),
    (cause: unknown) => cause as ServiceError,
  );
  assert.equal(error.code, status.PERMISSION_DENIED);
  assert.match(error.details, /port 80 of service catalog\.shop\..* is not exported to peer east/);
  grpc.close();
  app.close();
});

test('opaque connections are counted with the cluster that they come from, as they come and as they leave', async () => {
  await using there = await setup();
  await there.echo();
  const raw = new RawClient(there.client.outbound);
  raw.socket.write('ping');
  await eventually('echo', () => raw.text === 'ping');
  const sum = (name: string, direction: string): number =>
    there.gateway.metrics.sum(name, { direction, source_cluster: 'east' });
  for (const direction of ['inbound', 'outbound']) {
    assert.equal(sum('tcp_open_total', direction), 1, direction);
    assert.equal(sum('tcp_open_connections', direction), 1, direction);
    assert.equal(sum('tcp_read_bytes_total', direction), 4, direction);
  }
  const all = { direction: 'outbound' };
  assert.equal(there.gateway.metrics.sum('tcp_open_total', all), 1, 'once, not in two series');
  raw.socket.destroy();
  await eventually('over', () => sum('tcp_open_connections', 'outbound') === 0);
  assert.equal(sum('tcp_close_total', 'outbound'), 1);
});

test('tunnels to what is no longer exported to their peer are cut, and new ones are reset', async () => {
  await using there = await setup();
  await there.echo();
  const raw = new RawClient(there.client.outbound);
  raw.socket.write('ping');
  await eventually('echo', () => raw.text === 'ping');
  there.exportTo('*');
  raw.socket.write('pong');
  await eventually('goes on', () => raw.text === 'pingpong');
  there.exportTo('north');
  await eventually('cut', () => raw.closed);
  const late = new RawClient(there.client.outbound);
  late.socket.write('ping');
  await eventually('reset', () => late.closed);
  assert.equal(late.text, '');
  assert.ok(refusals(there, 'tcp', 'not_exported_to_peer') >= 1);
});

test('once all linked clusters said who they are, nobody else is admitted', async () => {
  await using there = await setup({ peers: () => ({ north: ['0123'] }) });
  assert.ok((await ask(there.client.outbound)).status >= 502);
  assert.ok(there.gateway.metrics.sum('inbound_tcp_errors_total', { error: 'not_a_peer', client_id: WEB }) > 0);
  there.announce('east', [there.east.keyId]);
  await eventually('admitted', async () => (await ask(there.client.outbound)).status === 200);
});

test('before that, a client that nobody claims gets what is exported to all', async () => {
  await using there = await setup({ peers: () => ({ north: [] }) });
  assert.equal((await ask(there.client.outbound)).status, 200);
  there.exportTo('east');
  await eventually('refused', async () => (await ask(there.client.outbound)).status === 403);
});

test('a gateway of another cluster has the same name, and is no loop', async () => {
  await using there = await setup({ identity: GATEWAY_ID });
  assert.equal(
    (await ask(there.client.outbound, { headers: { forwarded: `by=${GATEWAY_ID};cluster=north` } })).status,
    200,
  );
  const circles = Array.from({ length: 4 }, (_, at) => `by=${GATEWAY_ID};cluster=c${at}`).join(', ');
  assert.equal((await ask(there.client.outbound, { headers: { forwarded: circles } })).status, 508);
});

test('opaque connections that passed too many gateways are reset', async () => {
  await using there = await setup();
  await there.echo();
  const good = await there.open({ hops: 3 });
  good.write('ping');
  const [chunk] = (await once(good, 'data')) as [Buffer];
  assert.equal(chunk.toString(), 'ping');
  good.destroy();
  const bad = await there.open({ hops: 4 });
  await eventually('reset', () => bad.destroyed);
  assert.equal(refusals(there, 'tcp', 'loop'), 1);
});

test('one pod of a headless Service is reached by its own name', async () => {
  await using there = await setup();
  const other = await httpApp(there.server.ip, (_request, response) => response.end('db-1'));
  there.gateway.export('db', undefined, 80, { clusterIP: 'None' });
  there.gateway.endpoints
    .watch('db-1.db.shop.svc.cluster.local:80')
    .set(new Map([['one', meshedEndpoint(there.server, other.port)]]));
  routeThrough(there.client, there.gateway, 'db-1.db.shop.svc.cluster.local:80');
  await eventually('found', async () => (await ask(there.client.outbound)).body === 'db-1');
  const labels = { direction: 'inbound', dst_service: 'db', authority: 'db.shop.svc.cluster.local:80' };
  assert.equal(there.gateway.metrics.sum('response_total', { ...labels, status_code: '200' }), 1);
  await other.close();
});

test('nothing goes on to another gateway', async () => {
  await using there = await setup();
  there.gateway.serve(there.server, there.app.port, { authorityOverride: AUTHORITY });
  assert.equal((await ask(there.client.outbound)).status, 504);
});

test('one client address has no more connections than it may', async () => {
  await using there = await setup({ options: { connectionsPerClientMax: 2 } });
  const [first] = await Promise.all([there.open(), there.open()]);
  await assert.rejects(there.open());
  assert.equal(there.gateway.metrics.sum('inbound_tcp_errors_total', { error: 'client_connections' }), 1);
  first.destroy();
  await eventually('room again', async () => {
    const socket = await there.open().catch(() => undefined);
    socket?.destroy();
    return socket !== undefined;
  });
});
