/** What clients and servers can make grow, or hold for ever, has an end. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HTTP_ENGINE_DEFAULTS } from '../src/http/engine.ts';
import type { HttpEngineOptions } from '../src/http/engine.ts';
import { endpoint } from '../src/testing/fakes.ts';
import { RawClient, tcpApp, TestAnchor, TestProxy, until } from './harness.ts';
import { H2Client } from './http2-harness.ts';

const PATH = 'app.ns.svc.cluster.local:80';
const DEADLINE_MS = 60_000;
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
const SETTINGS = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
const SETTINGS_ACK = Buffer.from([0, 0, 0, 4, 1, 0, 0, 0, 0]);
/** :method GET, :scheme http, :path /, without END_HEADERS. */
const HALF_A_HEAD = Buffer.from([0, 0, 3, 1, 1, 0, 0, 0, 1, 0x82, 0x86, 0x84]);

/** A sidecar with other limits for what its program sends. */
async function limited(limits: Partial<HttpEngineOptions>): Promise<TestProxy> {
  const proxy = new TestProxy('127.0.47.1', 'web', { outboundHttp: { ...HTTP_ENGINE_DEFAULTS, ...limits } });
  return proxy.start(await TestAnchor.create('root'));
}

test('an HTTP/2 client that begins a header block and does not end it hears GOAWAY, and is counted', async () => {
  await using proxy = await limited({ headTimeoutMs: 100 });
  proxy.routeTo(PATH, endpoint({ ip: '127.0.47.2', port: 9 }));
  const raw = new RawClient(proxy.outbound);
  raw.socket.write(Buffer.concat([PREFACE, SETTINGS, SETTINGS_ACK, HALF_A_HEAD]));
  await until('the end', () => raw.ended, DEADLINE_MS);
  assert.ok(raw.text.includes('frame_timeout'), 'the reason is in GOAWAY');
  assert.equal(proxy.metrics.sum('outbound_http_errors_total', { error: 'frame_timeout' }), 1);
  raw.socket.destroy();
});

test('a server that begins a header block and does not end it is left, and its requests fail', async () => {
  await using proxy = await limited({ headTimeoutMs: 100 });
  const app = await tcpApp('127.0.47.2', (socket) => {
    socket.write(Buffer.concat([SETTINGS, SETTINGS_ACK, HALF_A_HEAD]));
  });
  proxy.routeTo(PATH, endpoint({ ip: '127.0.47.2', port: app.port }));
  const client = new H2Client(proxy.outbound);
  assert.equal((await client.ask()).headers[':status'], 502);
  client.close();
  app.close();
});

test('a client with too many connections is turned away, counted, and let in again when it has fewer', async () => {
  const proxy = new TestProxy('127.0.47.1', 'app', { connectionsPerClientMax: 2 }, { protocol: 'opaque' });
  await using server = await proxy.start(await TestAnchor.create('root'));
  const app = await tcpApp(server.ip, (socket) => socket.write('hi'));
  server.inboundDestination = { ip: server.ip, port: app.port };
  const first = new RawClient(server.inbound, '127.0.47.3');
  const second = new RawClient(server.inbound, '127.0.47.3');
  await until('both are served', () => first.text === 'hi' && second.text === 'hi', DEADLINE_MS);
  const third = new RawClient(server.inbound, '127.0.47.3');
  await until('turned away', () => third.ended, DEADLINE_MS);
  assert.equal(third.text, '');
  assert.equal(server.metrics.sum('inbound_tcp_errors_total', { error: 'client_connections' }), 1);
  const other = new RawClient(server.inbound, '127.0.47.4');
  await until('another client is served', () => other.text === 'hi', DEADLINE_MS);
  first.socket.resetAndDestroy();
  const open = (): number => server.metrics.sum('tcp_open_connections', { direction: 'inbound', peer: 'src' });
  await until('the first is gone', () => open() === 2, DEADLINE_MS);
  const again = new RawClient(server.inbound, '127.0.47.3');
  await until('served again', () => again.text === 'hi', DEADLINE_MS);
  for (const raw of [second, third, other, again]) raw.socket.destroy();
  app.close();
});
