import assert from 'node:assert/strict';
import { test } from 'node:test';
import { opaquePolicy } from '../src/testing/fakes.ts';
import {
  ask,
  httpApp,
  identityName,
  meshedEndpoint,
  RawClient,
  tcpApp,
  TestAnchor,
  TestProxy,
  until,
} from './harness.ts';

const PATH = 'app.ns.svc.cluster.local:80';

test('a request crosses two proxies with mTLS, and the program learns who asked', async () => {
  const anchor = await TestAnchor.create('root');
  await using client = await new TestProxy('127.0.31.1', 'web').start(anchor);
  await using server = await new TestProxy('127.0.31.2', 'app').start(anchor);
  const app = await httpApp(server.ip, (req, res) => {
    const chunks: Buffer[] = [];
    req.on('data', (chunk: Buffer) => void chunks.push(chunk));
    req.on('end', () => {
      const { method, url, headers } = req;
      res.end(JSON.stringify({ method, url, headers, body: Buffer.concat(chunks).toString() }));
    });
  });
  client.routeTo(PATH, meshedEndpoint(server, app.port));
  const answer = await ask(client.outbound, {
    method: 'POST',
    path: '/cart?x=1',
    body: 'hello',
    headers: { 'l5d-client-id': 'admin.ns', 'x-own': 'kept' },
  });
  const seen = JSON.parse(answer.body) as {
    method: string;
    url: string;
    headers: Record<string, string>;
    body: string;
  };
  assert.equal(answer.status, 200);
  assert.equal(seen.method, 'POST');
  assert.equal(seen.url, '/cart?x=1');
  assert.equal(seen.body, 'hello');
  assert.equal(seen.headers['host'], 'app.test');
  assert.equal(seen.headers['x-own'], 'kept');
  assert.equal(seen.headers['l5d-client-id'], identityName('web'));
  assert.equal(
    client.metrics.sum('request_total', { direction: 'outbound', tls: 'true', server_id: identityName('app') }),
    1,
  );
  assert.equal(
    server.metrics.sum('response_total', {
      direction: 'inbound',
      client_id: identityName('web'),
      status_code: '200',
      classification: 'success',
    }),
    1,
  );
  assert.equal(server.metrics.sum('inbound_http_authz_allow_total', { authz_name: 'all-unauthenticated' }), 1);
  await app.close();
});

test('connections are kept and shared: many requests, few handshakes, chunked and empty bodies', async () => {
  const anchor = await TestAnchor.create('root');
  await using client = await new TestProxy('127.0.31.1', 'web').start(anchor);
  await using server = await new TestProxy('127.0.31.2', 'app').start(anchor);
  const app = await httpApp(server.ip, (req, res) => {
    if (req.url === '/empty') res.writeHead(204).end();
    else if (req.url === '/chunked') {
      res.write('part one, ');
      res.end('part two');
    } else req.pipe(res);
  });
  client.routeTo(PATH, meshedEndpoint(server, app.port));
  for (let i = 0; i < 20; i += 1) {
    assert.equal((await ask(client.outbound, { path: '/chunked' })).body, 'part one, part two');
    assert.equal((await ask(client.outbound, { path: '/empty' })).status, 204);
    assert.equal((await ask(client.outbound, { method: 'HEAD', path: '/chunked' })).body, '');
    const body = 'x'.repeat(200_000);
    assert.equal((await ask(client.outbound, { method: 'PUT', body })).body, body);
  }
  assert.equal(client.metrics.sum('tcp_open_total', { peer: 'dst' }), 1);
  assert.equal(server.metrics.sum('tcp_open_total', { peer: 'src' }), 1);
  await app.close();
});

test('opaque bytes cross both ways with half-close, and a server may speak first on an opaque port', async () => {
  const anchor = await TestAnchor.create('root');
  await using client = await new TestProxy('127.0.31.1', 'web').start(anchor);
  await using server = await new TestProxy('127.0.31.2', 'db', {}, { protocol: 'opaque' }).start(anchor);
  const app = await tcpApp(server.ip, (socket) => {
    socket.write('banner\n');
    let heard = '';
    socket.on('data', (chunk: Buffer) => (heard += chunk.toString()));
    socket.on('end', () => socket.end(`heard ${heard}`));
  });
  client.discovery.resolve(client.destination).set(opaquePolicy(PATH));
  client.endpoints.watch(PATH).set(new Map([['x', meshedEndpoint(server, app.port)]]));
  const raw = new RawClient(client.outbound);
  await until('banner', () => raw.text === 'banner\n');
  raw.socket.end('\u0000\u0001query');
  await until('answer', () => raw.closed || raw.ended);
  assert.equal(raw.text, 'banner\nheard \u0000\u0001query');
  await until('counted', () => server.metrics.sum('tcp_close_total', { peer: 'src' }) === 1);
  assert.equal(server.metrics.sum('inbound_tcp_authz_allow_total', { client_id: identityName('web') }), 1);
  assert.equal(server.metrics.sum('inbound_tcp_transport_header_connections_total', { session_protocol: '' }), 1);
  app.close();
});
