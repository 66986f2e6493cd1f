/** Clients behind a gateway: policies of the target hold for them, and nobody else can pretend to be one (ADR 0020). */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import type { InboundPolicy } from '@mesh/model';
import { MetricRegistry, systemClock } from '@mesh/runtime';
import { encodeTransportHeader } from '@mesh/wire';
import { AccessLog } from '../src/access-log/access-log.ts';
import { inboundPolicy, meshTls } from '../src/testing/fakes.ts';
import { askAs, connectAs, GATEWAY, H2As } from './conveyed-harness.ts';
import { h2App } from './http2-harness.ts';
import { ask, httpApp, identityName, meshedEndpoint, tcpApp, TestAnchor, TestProxy, until } from './harness.ts';

const WEB = identityName('web');
const OTHER = identityName('other');
const ONLY_WEB: Partial<InboundPolicy> = { authorizations: [meshTls([WEB])] };
const TRUSTING = { gatewayIdentities: [GATEWAY] };
const from = (identity: string, cluster = 'east'): Record<string, string> => ({
  'l5d-client-identity': identity,
  'l5d-client-cluster': cluster,
});

const seenFields = (headers: Record<string, unknown>): readonly unknown[] => [
  headers['l5d-client-id'],
  headers['l5d-client-cluster'],
  headers['l5d-client-identity'],
];

/** Whether by FIN or by RST. */
function closed(socket: TLSSocket): Promise<unknown> {
  return until('the end of the connection', () => socket.closed);
}

async function jsonApp(ip: string) {
  return httpApp(ip, (req, res) => res.end(JSON.stringify(seenFields(req.headers))));
}

test('a policy for a client admits it through the gateway, and nobody else behind it', async () => {
  const anchor = await TestAnchor.create('root');
  await using server = await new TestProxy('127.0.71.1', 'app', TRUSTING, ONLY_WEB).start(anchor);
  const app = await jsonApp(server.ip);
  const asGateway = (headers: Record<string, string> = {}) => askAs(GATEWAY, anchor, server, app.port, headers);
  const admitted = await asGateway(from(WEB));
  assert.equal(admitted.status, 200);
  assert.deepEqual(JSON.parse(admitted.body), [WEB, 'east', null], 'the program learns who asks, and from where');
  const denied = await asGateway(from(OTHER));
  assert.equal(denied.status, 403);
  assert.equal(denied.headers['l5d-proxy-error'], 'unauthorized request on route');
  assert.equal((await asGateway()).status, 403, 'the gateway itself is not web');
  assert.equal((await asGateway({ 'l5d-client-cluster': 'east' })).status, 403);
  const behind = { client_id: GATEWAY, source_cluster: 'east' };
  assert.equal(server.metrics.sum('response_total', { ...behind, conveyed_client_id: WEB, status_code: '200' }), 1);
  assert.equal(server.metrics.sum('inbound_http_authz_deny_total', { ...behind, conveyed_client_id: OTHER }), 1);
  await app.close();
});

test('requests of several clients on one connection are told apart', async () => {
  const anchor = await TestAnchor.create('root');
  await using server = await new TestProxy('127.0.71.2', 'app', TRUSTING, ONLY_WEB).start(anchor);
  const app = await jsonApp(server.ip);
  const socket = await connectAs(GATEWAY, anchor, server, { port: app.port, session: 'http1' });
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const get = (identity: string): string => `GET / HTTP/1.1\r\nhost: a\r\nl5d-client-identity: ${identity}\r\n\r\n`;
  socket.write(get(WEB) + get(OTHER) + get(WEB));
  await until('three answers', () => text.match(/HTTP\/1\.1 (200|403)/g)?.length === 3);
  assert.deepEqual(text.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 200', 'HTTP/1.1 403', 'HTTP/1.1 200']);
  socket.destroy();
  await app.close();
});

test('streams of HTTP/2 and calls of gRPC are each those of their client', async () => {
  const anchor = await TestAnchor.create('root');
  await using server = await new TestProxy('127.0.71.3', 'app', TRUSTING, ONLY_WEB).start(anchor);
  const app = await h2App(server.ip, (stream, headers) => {
    stream.respond({ ':status': 200 });
    stream.end(JSON.stringify(seenFields(headers)));
  });
  using h2 = await H2As.over(await connectAs(GATEWAY, anchor, server, { port: app.port, session: 'http2' }));
  const [web, other, own, call, bad, twice] = await Promise.all([
    h2.ask(from(WEB)),
    h2.ask(from(OTHER)),
    h2.ask({}),
    h2.ask({ ...from(OTHER), ':method': 'POST', 'content-type': 'application/grpc' }),
    h2.ask({ ...from('Web!'), ':method': 'POST', 'content-type': 'application/grpc' }),
    h2.ask({ 'l5d-client-identity': [WEB, WEB] }),
  ]);
  assert.equal(web.headers[':status'], 200);
  assert.deepEqual(JSON.parse(web.body.toString()), [WEB, 'east', null]);
  assert.equal(other.headers[':status'], 403);
  assert.equal(own.headers[':status'], 403);
  assert.equal(call.headers['grpc-status'], '7');
  assert.equal(bad.headers['grpc-status'], '3');
  assert.equal(twice.headers[':status'], 400);
  await app.close();
});

test('opaque connections are those of the client that the transport header names', async () => {
  const anchor = await TestAnchor.create('root');
  await using server = await new TestProxy('127.0.71.4', 'db', TRUSTING, { ...ONLY_WEB, protocol: 'opaque' }).start(
    anchor,
  );
  const app = await tcpApp(server.ip, (socket) => socket.write('banner'));
  const open = (identity: string, header: { clientIdentity?: string; clientCluster?: string }) =>
    connectAs(identity, anchor, server, { port: app.port, session: undefined, ...header });
  const web = await open(GATEWAY, { clientIdentity: WEB, clientCluster: 'east' });
  const [banner] = (await once(web, 'data')) as [Buffer];
  assert.equal(banner.toString(), 'banner');
  for (const refused of [
    await open(GATEWAY, { clientIdentity: OTHER }),
    await open(GATEWAY, {}),
    await open(OTHER, { clientIdentity: WEB }),
  ]) {
    refused.on('data', () => assert.fail('nobody else gets a byte'));
    await closed(refused);
  }
  const labels = { client_id: GATEWAY, conveyed_client_id: WEB, source_cluster: 'east' };
  assert.equal(server.metrics.sum('tcp_open_total', { peer: 'src', ...labels }), 1);
  assert.equal(server.metrics.sum('inbound_tcp_authz_deny_total', {}), 3);
  // A policy that changes holds for the connections that are open.
  server.policies.get(app.port).set(inboundPolicy({ authorizations: [meshTls([OTHER])], protocol: 'opaque' }));
  await closed(web);
  assert.equal(server.metrics.sum('inbound_tcp_authz_terminate_total', labels), 1);
  app.close();
});

test('a policy that admits the gateway admits everybody behind it', async () => {
  const anchor = await TestAnchor.create('root');
  const policy = { authorizations: [meshTls([GATEWAY])] };
  await using server = await new TestProxy('127.0.71.5', 'app', TRUSTING, policy).start(anchor);
  const app = await jsonApp(server.ip);
  const answer = await askAs(GATEWAY, anchor, server, app.port, from(OTHER));
  assert.deepEqual([answer.status, JSON.parse(answer.body)], [200, [OTHER, 'east', null]]);
  const own = await askAs(GATEWAY, anchor, server, app.port);
  assert.deepEqual(JSON.parse(own.body), [GATEWAY, null, null]);
  const onlyCluster = await askAs(GATEWAY, anchor, server, app.port, { 'l5d-client-cluster': 'east' });
  assert.deepEqual(JSON.parse(onlyCluster.body), [GATEWAY, 'east', null]);
  await app.close();
});

test('who is no gateway cannot speak for others, not even to the program', async () => {
  const anchor = await TestAnchor.create('root');
  await using server = await new TestProxy('127.0.71.6', 'app', TRUSTING, ONLY_WEB).start(anchor);
  await using open = await new TestProxy('127.0.71.7', 'open', TRUSTING).start(anchor);
  await using client = await new TestProxy('127.0.71.8', 'other').start(anchor);
  const guarded = await jsonApp(server.ip);
  const app = await jsonApp(open.ip);
  assert.equal((await askAs(OTHER, anchor, server, guarded.port, from(WEB))).status, 403);
  const forged = await askAs(OTHER, anchor, open, app.port, from(WEB));
  assert.deepEqual(JSON.parse(forged.body), [OTHER, null, null]);
  using h2 = await H2As.over(await connectAs(OTHER, anchor, open, { port: app.port, session: 'http2' }));
  const overH2 = await h2.ask({ ...from(WEB), 'l5d-orig-proto': 'HTTP/1.1', host: 'app.test' });
  assert.deepEqual(JSON.parse(overH2.body.toString()), [OTHER, null, null]);
  // A program behind a sidecar, and one without.
  client.routeTo('app.ns.svc.cluster.local:80', meshedEndpoint(open, app.port));
  assert.deepEqual(JSON.parse((await ask(client.outbound, { headers: from(WEB) })).body), [OTHER, null, null]);
  open.inboundDestination = { ip: open.ip, port: app.port };
  assert.deepEqual(JSON.parse((await ask(open.inbound, { headers: from(WEB) })).body), [null, null, null]);
  await guarded.close();
  await app.close();
});

test('what a gateway says must be one name each', async () => {
  const anchor = await TestAnchor.create('root');
  await using server = await new TestProxy('127.0.71.9', 'app', TRUSTING).start(anchor);
  const app = await jsonApp(server.ip);
  for (const headers of [
    from('Web.Shop'),
    from(WEB, 'East!'),
    { 'l5d-client-identity': [WEB, OTHER] },
    { 'l5d-client-identity': '' },
    { 'l5d-client-cluster': 'a, b' },
  ]) {
    const answer = await askAs(GATEWAY, anchor, server, app.port, headers);
    assert.equal(answer.status, 400, JSON.stringify(headers));
  }
  assert.equal(server.metrics.sum('inbound_http_errors_total', { error: 'bad_client_identity' }), 5);
  const spiffe = await askAs(GATEWAY, anchor, server, app.port, from('spiffe://east.example/ns/shop/sa/web'));
  assert.deepEqual(JSON.parse(spiffe.body), ['spiffe://east.example/ns/shop/sa/web', 'east', null]);
  // An opaque connection: the same length with a name that is none, as no encoder of ours writes it.
  const good = encodeTransportHeader({ port: app.port, name: '', session: undefined, clientIdentity: 'a.b' });
  const socket = await connectAs(
    GATEWAY,
    anchor,
    server,
    Buffer.from(good.map((byte) => (byte === 0x62 ? 0x42 : byte))),
  );
  await closed(socket);
  assert.equal(server.metrics.sum('inbound_tcp_errors_total', { error: 'bad_client_identity' }), 1);
  await app.close();
});

test('the access log names the client behind the gateway', async () => {
  const lines: string[] = [];
  const log = new AccessLog('json', {
    clock: systemClock,
    registry: new MetricRegistry(),
    write(bytes, done) {
      lines.push(...Buffer.from(bytes).toString().trimEnd().split('\n'));
      done(null, bytes.length);
    },
  });
  const anchor = await TestAnchor.create('root');
  await using server = await new TestProxy('127.0.71.10', 'app', TRUSTING, {}, log).start(anchor);
  const app = await jsonApp(server.ip);
  await askAs(GATEWAY, anchor, server, app.port, from(WEB));
  await askAs(GATEWAY, anchor, server, app.port);
  await until('both lines', () => lines.length === 2);
  assert.deepEqual(
    lines.map((line) => (JSON.parse(line) as Record<string, unknown>)['client.id']),
    [WEB, GATEWAY],
  );
  await app.close();
});

test('a connection remembers a bounded number of clients, and decides rightly about all', async () => {
  const anchor = await TestAnchor.create('root');
  await using server = await new TestProxy('127.0.71.11', 'app', TRUSTING, ONLY_WEB).start(anchor);
  const app = await h2App(server.ip, (stream) => {
    stream.respond({ ':status': 200 }, { endStream: true });
  });
  using h2 = await H2As.over(await connectAs(GATEWAY, anchor, server, { port: app.port, session: 'http2' }));
  for (let round = 0; round < 3; round += 1) {
    assert.equal((await h2.ask(from(WEB))).headers[':status'], 200);
    const others = Array.from({ length: 100 }, (_, at) => identityName(`other-${round}-${at}`));
    const answers = await Promise.all(others.map((identity) => h2.ask(from(identity))));
    assert.deepEqual(new Set(answers.map((answer) => answer.headers[':status'])), new Set([403]));
  }
  assert.equal((await h2.ask(from(WEB))).headers[':status'], 200);
  await app.close();
});
