import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endpoint } from '../src/testing/fakes.ts';
import { httpApp, identityName, meshedEndpoint, RawClient, TestAnchor, TestProxy, until } from './harness.ts';
import { h2App, H2Client } from './http2-harness.ts';

const PATH = 'app.ns.svc.cluster.local:80';

test('a plain hop passes HTTP/2 on: head, body both ways, trailers, interim responses', async () => {
  const anchor = await TestAnchor.create('root');
  await using proxy = await new TestProxy('127.0.40.1', 'web').start(anchor);
  const app = await h2App(proxy.ip, (stream, headers) => {
    const chunks: Buffer[] = [];
    let trailers = {};
    stream.on('trailers', (got) => (trailers = { ...got }));
    stream.on('data', (chunk: Buffer) => void chunks.push(chunk));
    stream.on('end', () => {
      stream.additionalHeaders({ ':status': 103, link: '</style.css>; rel=preload' });
      stream.respond({ ':status': 201, 'x-path': headers[':path'] ?? '' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '42' }));
      stream.end(JSON.stringify({ body: Buffer.concat(chunks).toString(), trailers }));
    });
  });
  proxy.routeTo(PATH, endpoint({ ip: proxy.ip, port: app.port }));
  const client = new H2Client(proxy.outbound);
  const answer = await client.ask({ ':method': 'POST', ':path': '/cart?x=1' }, 'hello', { 'x-check': 'ok' });
  assert.equal(answer.headers[':status'], 201);
  assert.equal(answer.headers['x-path'], '/cart?x=1');
  assert.equal(answer.interim[0]?.['link'], '</style.css>; rel=preload');
  assert.deepEqual(JSON.parse(answer.body.toString()), { body: 'hello', trailers: { 'x-check': 'ok' } });
  assert.equal(answer.trailers['x-sum'], '42');
  assert.equal((await client.ask()).headers[':status'], 201);
  client.close();
  await app.close();
});

test('many clients share one mTLS connection between two proxies, and the program learns who asked', async () => {
  const anchor = await TestAnchor.create('root');
  await using client = await new TestProxy('127.0.40.1', 'web').start(anchor);
  await using server = await new TestProxy('127.0.40.2', 'app').start(anchor);
  const app = await h2App(server.ip, (stream, headers) => {
    stream.respond({ ':status': 200, 'x-client': headers['l5d-client-id'] ?? '' });
    stream.end(headers[':path']);
  });
  client.routeTo(PATH, meshedEndpoint(server, app.port));
  const clients = Array.from({ length: 8 }, () => new H2Client(client.outbound));
  const answers = await Promise.all(
    clients.flatMap((one, who) => Array.from({ length: 25 }, (_, at) => one.ask({ ':path': `/${who}/${at}` }))),
  );
  assert.deepEqual(
    answers.map(({ body }) => body.toString()),
    clients.flatMap((_, who) => Array.from({ length: 25 }, (__, at) => `/${who}/${at}`)),
  );
  assert.equal(answers[0]?.headers['x-client'], identityName('web'));
  assert.equal(client.metrics.sum('tcp_open_total', { peer: 'dst' }), 1);
  assert.equal(server.metrics.sum('tcp_open_total', { peer: 'src' }), 1);
  assert.equal(server.metrics.sum('tcp_open_total', { peer: 'dst' }), 1);
  assert.equal(server.metrics.sum('inbound_tcp_transport_header_connections_total', { session_protocol: 'http2' }), 1);
  await until(
    'counted',
    () => client.metrics.sum('response_total', { direction: 'outbound', status_code: '200' }) === 200,
  );
  assert.equal(client.metrics.sum('outbound_tcp_protocol_connections_total', { protocol: 'http/2' }), 8);
  for (const one of clients) one.close();
  await app.close();
});

test('large bodies cross in both directions at once', async () => {
  const anchor = await TestAnchor.create('root');
  await using client = await new TestProxy('127.0.40.1', 'web').start(anchor);
  await using server = await new TestProxy('127.0.40.2', 'app').start(anchor);
  const app = await h2App(server.ip, (stream) => {
    stream.respond({ ':status': 200 });
    stream.pipe(stream);
  });
  client.routeTo(PATH, meshedEndpoint(server, app.port));
  const body = Buffer.alloc(8 * 1024 * 1024, 'mesh');
  const one = new H2Client(client.outbound);
  const answers = await Promise.all([one.ask({ ':method': 'POST' }, body), one.ask({ ':method': 'POST' }, body)]);
  for (const answer of answers) assert.ok(answer.body.equals(body));
  one.close();
  await app.close();
});

test('a client that breaks the protocol or a limit gets GOAWAY, and is counted by the reason', async () => {
  const anchor = await TestAnchor.create('root');
  await using proxy = await new TestProxy('127.0.40.1', 'web').start(anchor);
  proxy.routeTo(PATH, endpoint({ ip: proxy.ip, port: 1 }));
  const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
  const settings = Buffer.from('000000040000000000', 'hex');
  const cases = [
    // DATA on stream 0.
    { reason: 'bad_stream_id', frames: Buffer.from('00000100000000000000', 'hex') },
    // HEADERS of GET http:// / with an upper-case field name: that stream alone.
    { reason: 'bad_field_name', frames: Buffer.from('0000080105000000018286844001410161', 'hex') },
    { reason: 'settings_flood', frames: Buffer.concat(Array.from({ length: 100 }, () => settings)) },
  ];
  for (const { reason, frames } of cases) {
    const client = new RawClient(proxy.outbound);
    client.socket.write(Buffer.concat([preface, settings, frames]));
    await until(reason, () => proxy.metrics.sum('outbound_http_errors_total', { error: reason }) === 1);
    client.socket.destroy();
  }
});

test('HTTP/2 never becomes HTTP/1: a program that speaks no HTTP/2 is a bad gateway', async () => {
  const anchor = await TestAnchor.create('root');
  await using proxy = await new TestProxy('127.0.40.1', 'web').start(anchor);
  let asked = 0;
  const app = await httpApp(proxy.ip, (_req, res) => {
    asked += 1;
    res.end();
  });
  proxy.routeTo(PATH, endpoint({ ip: proxy.ip, port: app.port }));
  const client = new H2Client(proxy.outbound);
  assert.equal((await client.ask()).headers[':status'], 502);
  assert.equal(asked, 0);
  client.close();
  await app.close();
});

test('another connection is opened only while a server takes no more streams on the first', async () => {
  const anchor = await TestAnchor.create('root');
  await using proxy = await new TestProxy('127.0.40.1', 'web').start(anchor);
  const held: (() => void)[] = [];
  const app = await h2App(
    proxy.ip,
    (stream) => {
      held.push(() => {
        stream.respond({ ':status': 200 });
        stream.end();
      });
    },
    { maxConcurrentStreams: 10 },
  );
  proxy.routeTo(PATH, endpoint({ ip: proxy.ip, port: app.port }));
  const client = new H2Client(proxy.outbound);
  const asked = Array.from({ length: 100 }, () => client.ask());
  await until('eight connections of ten streams', () => held.length === 80);
  assert.equal(proxy.metrics.sum('tcp_open_total', { peer: 'dst' }), 8);
  for (const answer of held.splice(0)) answer();
  await until('those that waited', () => held.length === 20);
  for (const answer of held) answer();
  for (const { headers } of await Promise.all(asked)) assert.equal(headers[':status'], 200);
  assert.equal(proxy.metrics.sum('tcp_open_total', { peer: 'dst' }), 8);
  client.close();
  await app.close();
});
