/** A policy at the target that admits one client only, asked through a gateway that others use too: whatever they speak. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '@mesh/kube/testing';
import { inboundPolicy, meshTls, opaquePolicy } from '../../proxy/src/testing/fakes.ts';
import { GrpcClient, grpcApp, Metadata, status } from '../../proxy/test/grpc-harness.ts';
import { ask, httpApp, identityName, RawClient, tcpApp, TestAnchor, TestProxy } from '../../proxy/test/harness.ts';
import { h2App, H2Client } from '../../proxy/test/http2-harness.ts';
import { GATEWAY_ID, routeThrough, TestGateway } from './gateway-harness.ts';

const WEB = identityName('web');
const FORGED = { 'l5d-client-identity': WEB, 'l5d-client-cluster': 'east', 'l5d-client-id': WEB };
const ROUNDS = 5;

/** Two clients, one gateway, and a server that admits `web` alone. */
async function setup(network: string) {
  const anchor = await TestAnchor.create('root');
  const web = await new TestProxy(`${network}.1`, 'web').start(anchor);
  const other = await new TestProxy(`${network}.2`, 'other').start(anchor);
  const trusting = { gatewayIdentities: [GATEWAY_ID] };
  const server = await new TestProxy(`${network}.3`, 'catalog', trusting).start(anchor);
  const gateway = new TestGateway(`${network}.4`);
  gateway.export();
  await gateway.start(anchor);
  for (const client of [web, other]) routeThrough(client, gateway);
  return {
    web,
    other,
    server,
    gateway,
    /** Requests of all clients share one HTTP/2 connection between the gateway and the server's sidecar. */
    serve(port: number, protocol: 'detect' | 'opaque' = 'detect'): void {
      server.policies.get(port).set(inboundPolicy({ protocol, authorizations: [meshTls([WEB])] }));
      gateway.serve(server, port, { protocolHint: protocol === 'opaque' ? 'opaque' : 'h2' });
    },
    async [Symbol.asyncDispose]() {
      for (const one of [gateway, web, other, server]) await one[Symbol.asyncDispose]();
    },
  };
}

test('HTTP/1: web passes, others do not, and saying that one is web does not help', async () => {
  await using there = await setup('127.0.72');
  const app = await httpApp(there.server.ip, (request, response) =>
    response.end(String(request.headers['l5d-client-id'])),
  );
  there.serve(app.port);
  for (let round = 0; round < ROUNDS; round += 1) {
    const [admitted, denied] = await Promise.all([
      ask(there.web.outbound),
      ask(there.other.outbound, { headers: FORGED }),
    ]);
    assert.deepEqual([admitted.status, admitted.body], [200, WEB]);
    assert.equal(denied.status, 403);
  }
  assert.equal(there.server.metrics.sum('tcp_open_total', { peer: 'src', client_id: GATEWAY_ID }), 1);
  const denials = { client_id: GATEWAY_ID, conveyed_client_id: identityName('other') };
  assert.equal(there.server.metrics.sum('inbound_http_authz_deny_total', denials), ROUNDS);
  await app.close();
});

test('HTTP/2 and gRPC: the same', async () => {
  await using there = await setup('127.0.73');
  const plain = await h2App(there.server.ip, (stream, headers) => {
    stream.respond({ ':status': 200 });
    stream.end(headers['l5d-client-id']);
  });
  there.serve(plain.port);
  const [h2Web, h2Other] = [new H2Client(there.web.outbound), new H2Client(there.other.outbound)];
  const [admitted, denied] = await Promise.all([h2Web.ask(), h2Other.ask(FORGED)]);
  assert.deepEqual([admitted.headers[':status'], admitted.body.toString()], [200, WEB]);
  assert.equal(denied.headers[':status'], 403);
  for (const client of [h2Web, h2Other]) client.close();
  const grpc = await grpcApp(there.server.ip, { unary: (call, done) => done(null, call.request) });
  there.serve(grpc.port);
  const [web, other] = [new GrpcClient(there.web.outbound), new GrpcClient(there.other.outbound)];
  assert.equal((await web.unary('ping')).message.toString(), 'ping');
  const forged = new Metadata();
  for (const [name, value] of Object.entries(FORGED)) forged.set(name, value);
  await assert.rejects(other.unary('ping', forged), { code: status.PERMISSION_DENIED });
  for (const client of [web, other]) client.close();
  grpc.close();
  await plain.close();
});

test('opaque bytes: the same', async () => {
  await using there = await setup('127.0.74');
  const app = await tcpApp(there.server.ip, (socket) => socket.pipe(socket));
  there.serve(app.port, 'opaque');
  const hears = async (client: TestProxy): Promise<string> => {
    client.discovery.resolve(client.destination).set(opaquePolicy('catalog-west.shop.svc.cluster.local:80'));
    const raw = new RawClient(client.outbound);
    raw.socket.write('ping');
    await eventually('answered or over', () => raw.text !== '' || raw.ended || raw.closed);
    raw.socket.destroy();
    return raw.text;
  };
  for (let round = 0; round < ROUNDS; round += 1) {
    assert.deepEqual(await Promise.all([hears(there.web), hears(there.other)]), ['ping', '']);
  }
  app.close();
});
