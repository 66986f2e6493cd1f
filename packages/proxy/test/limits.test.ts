/** What clients and servers can make grow, or hold for ever, has an end. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { HTTP_ENGINE_DEFAULTS } from '../src/http/engine.ts';
import type { HttpEngineOptions } from '../src/http/engine.ts';
import { endpoint } from '../src/testing/fakes.ts';
import { httpApp, RawClient, tcpApp, TestAnchor, TestProxy, until } from './harness.ts';
import { h2App, H2Client } from './http2-harness.ts';

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

const HALF_A_RESPONSE_HEAD = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-half: ';
const INTERIM = 'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n';

test('a server that begins an HTTP/1 response head and does not end it is left: 504, counted; one that thinks is not', async () => {
  await using proxy = await limited({ headTimeoutMs: 100 });
  let asked = 0;
  let left = 0;
  const app = await tcpApp('127.0.47.2', (socket) => {
    socket.on('error', () => undefined);
    socket.on('close', () => (left += 1));
    socket.on('data', (bytes: Buffer) => {
      asked += 1;
      if (bytes.includes('/interim')) socket.write(INTERIM + HALF_A_RESPONSE_HEAD);
      else if (bytes.includes('/half')) socket.write(HALF_A_RESPONSE_HEAD);
    });
  });
  proxy.routeTo(PATH, endpoint({ ip: '127.0.47.2', port: app.port }));
  const patient = new RawClient(proxy.outbound);
  patient.socket.write('GET /thinks HTTP/1.1\r\nhost: app.test\r\n\r\n');
  await until('the thinking one is asked', () => asked === 1, DEADLINE_MS);
  for (const path of ['/half', '/interim']) {
    const raw = new RawClient(proxy.outbound);
    raw.socket.write(`GET ${path} HTTP/1.1\r\nhost: app.test\r\n\r\n`);
    await until('the answer', () => raw.ended, DEADLINE_MS);
    assert.match(raw.text, /HTTP\/1\.1 504 [^]*l5d-proxy-error: the response head did not arrive in time/);
    raw.socket.destroy();
  }
  await until('its connections are closed', () => left === 2, DEADLINE_MS);
  assert.equal(proxy.metrics.sum('outbound_http_errors_total', { error: 'response_head_timeout' }), 2);
  assert.equal(patient.text, '');
  patient.socket.destroy();
  app.close();
});

test('what the program of an inbound sidecar owes of a head is limited as well, and a head in two pieces is none of it', async () => {
  const limits = { ...HTTP_ENGINE_DEFAULTS, headTimeoutMs: 3000 };
  await using proxy = await new TestProxy('127.0.47.1', 'app', { inboundHttp: limits }).start(
    await TestAnchor.create('root'),
  );
  const app = await tcpApp(proxy.ip, (socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (bytes: Buffer) => {
      socket.write(HALF_A_RESPONSE_HEAD);
      if (!bytes.includes('/half')) setImmediate(() => socket.write('no\r\n\r\nok'));
    });
  });
  proxy.inboundDestination = { ip: proxy.ip, port: app.port };
  const raw = new RawClient(proxy.inbound);
  raw.socket.write('GET /pieces HTTP/1.1\r\nhost: app.test\r\n\r\n');
  await until('the answer in pieces', () => raw.text.endsWith('\r\n\r\nok'), DEADLINE_MS);
  raw.socket.write('GET /half HTTP/1.1\r\nhost: app.test\r\n\r\n');
  await until('the end', () => raw.ended, DEADLINE_MS);
  assert.match(raw.text, /okHTTP\/1\.1 504 /);
  assert.equal(proxy.metrics.sum('inbound_http_errors_total', { error: 'response_head_timeout' }), 1);
  raw.socket.destroy();
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

const NO_BODY_YET = 'POST / HTTP/1.1\r\nhost: app.test\r\ncontent-length: 10\r\n\r\n';
const HALF_A_BODY = `${NO_BODY_YET}half`;
const HALF_A_CHUNK = 'POST / HTTP/1.1\r\nhost: app.test\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhal';
const WHOLE_CHUNK = 'POST / HTTP/1.1\r\nhost: app.test\r\ntransfer-encoding: chunked\r\n\r\n5\r\nwhole\r\n';

test('a request body of declared length that stops is a 408; one whose next chunk takes its time is none', async () => {
  await using proxy = await limited({ bodyTimeoutMs: 100 });
  const app = await httpApp('127.0.47.2', (req, res) => void req.resume().on('end', () => res.end('all of it')));
  proxy.routeTo(PATH, endpoint({ ip: '127.0.47.2', port: app.port }));
  const patient = new RawClient(proxy.outbound);
  patient.socket.write(WHOLE_CHUNK);
  await until('the first chunk is read', () => patient.socket.bytesWritten === WHOLE_CHUNK.length, DEADLINE_MS);
  for (const stopped of [NO_BODY_YET, HALF_A_BODY, HALF_A_CHUNK]) {
    const raw = new RawClient(proxy.outbound);
    raw.socket.write(stopped);
    await until('the answer', () => raw.ended, DEADLINE_MS);
    assert.match(raw.text, /^HTTP\/1\.1 408 [^]*l5d-proxy-error: the request body stopped before its end/);
    raw.socket.destroy();
  }
  assert.equal(proxy.metrics.sum('outbound_http_errors_total', { error: 'body_timeout' }), 3);
  assert.equal(patient.text, '');
  patient.socket.write('0\r\n\r\n');
  await until('the patient one is served', () => patient.text.includes('all of it'), DEADLINE_MS);
  patient.socket.destroy();
  await app.close();
});

test('an HTTP/2 request that declared its length is held to it, a stream is not', async () => {
  await using proxy = await limited({ bodyTimeoutMs: 100 });
  const app = await h2App('127.0.47.2', (stream) => {
    stream.respond({ ':status': 200 });
    stream.on('data', (bytes: Buffer) => stream.write(bytes));
    stream.on('end', () => stream.end());
  });
  proxy.routeTo(PATH, endpoint({ ip: '127.0.47.2', port: app.port }));
  const client = new H2Client(proxy.outbound);
  const chat = client.request({ ':method': 'POST' }, false);
  chat.write('hello');
  assert.equal(String((await once(chat, 'data'))[0]), 'hello');
  for (let request = 0; request < 2; request += 1) {
    const stopped = client.request({ ':method': 'POST', 'content-length': '10' }, false);
    stopped.on('error', () => undefined);
    stopped.write('half');
    await new Promise((resolve) => stopped.once('close', resolve));
    const cut = (): number => proxy.metrics.sum('outbound_http_errors_total', { error: 'body_timeout' });
    assert.equal(cut(), request + 1);
  }
  chat.write('still here');
  assert.equal(String((await once(chat, 'data'))[0]), 'still here');
  client.close();
  await app.close();
});

test('a client that does not read its response loses it in the end, over both versions of HTTP', async () => {
  await using proxy = await limited({ unreadTimeoutMs: 200 });
  const body = Buffer.alloc(64 * 1024 * 1024);
  const app = await httpApp('127.0.47.2', (_req, res) => res.end(body));
  proxy.routeTo(PATH, endpoint({ ip: '127.0.47.2', port: app.port }));
  const cut = (): number => proxy.metrics.sum('outbound_http_errors_total', { error: 'unread_timeout' });
  const raw = new RawClient(proxy.outbound);
  raw.socket.pause();
  raw.socket.write('GET / HTTP/1.1\r\nhost: app.test\r\n\r\n');
  await until('the first is cut', () => cut() === 1, DEADLINE_MS);
  raw.socket.resume();
  await until('it hears of it', () => raw.closed, DEADLINE_MS);
  assert.equal(raw.error, 'ECONNRESET');
  await app.close();
  const second = await h2App('127.0.47.2', (stream) => {
    stream.respond({ ':status': 200 });
    stream.end(body);
  });
  proxy.routeTo(PATH, endpoint({ ip: '127.0.47.2', port: second.port }));
  const client = new H2Client(proxy.outbound);
  const unread = client.request();
  unread.on('error', () => undefined);
  await once(unread, 'response');
  await until('the second is cut', () => cut() === 2, DEADLINE_MS);
  assert.equal((await client.ask({ ':method': 'HEAD' })).headers[':status'], 200, 'the connection goes on');
  client.close();
  await second.close();
});

test('a client that sends requests ahead and does not read stops being served, not the memory', async () => {
  await using proxy = await limited({});
  let hits = 0;
  const answer = Buffer.alloc(60_000, 'x');
  const app = await httpApp('127.0.47.2', (_req, res) => {
    hits += 1;
    res.end(answer);
  });
  proxy.routeTo(PATH, endpoint({ ip: '127.0.47.2', port: app.port }));
  const REQUESTS = 1500;
  const raw = new RawClient(proxy.outbound);
  raw.socket.pause();
  raw.socket.write('GET / HTTP/1.1\r\nhost: app.test\r\n\r\n'.repeat(REQUESTS));
  let before = -1;
  let same = 0;
  await until(
    'nothing moves any more',
    () => {
      same = hits > 0 && hits === before ? same + 1 : 0;
      before = hits;
      return same > 50;
    },
    DEADLINE_MS,
  );
  // What the kernel's buffers of both ends take.
  assert.ok(hits < REQUESTS / 3, `${hits} were served`);
  let bytes = 0;
  raw.socket.removeAllListeners('data');
  raw.socket.on('data', (chunk: Buffer) => (bytes += chunk.length));
  raw.socket.resume();
  await until('all are served', () => hits === REQUESTS && bytes > REQUESTS * answer.length, DEADLINE_MS);
  raw.socket.destroy();
  await app.close();
});

test('clients that give up their requests do not bring down the connection that others are on', async () => {
  await using proxy = await limited({});
  let streams = 0;
  const app = await h2App('127.0.47.2', (stream, headers) => {
    streams += 1;
    if (headers[':path'] === '/fast') stream.respond({ ':status': 200 }, { endStream: true });
    else stream.respond({ ':status': 200 });
  });
  proxy.routeTo(PATH, endpoint({ ip: '127.0.47.2', port: app.port }));
  const lasting = new H2Client(proxy.outbound);
  const stays = lasting.request({ ':path': '/stays' });
  let lost = false;
  stays.on('error', () => (lost = true));
  stays.on('close', () => (lost = true));
  await once(stays, 'response');
  // More than a server on nghttp2 bears on one connection, from more than one client as ours has limits as well.
  for (let round = 0; round < 14; round += 1) {
    const hasty = new H2Client(proxy.outbound);
    const before = streams;
    for (let n = 0; n < 100; n += 1) hasty.request({ ':path': '/slow' }).on('error', () => undefined);
    await until('the program has all of them', () => streams === before + 100, DEADLINE_MS);
    hasty.close();
    assert.equal((await lasting.ask({ ':path': '/fast' })).headers[':status'], 200);
  }
  assert.equal(lost, false);
  lasting.close();
  await app.close();
});
