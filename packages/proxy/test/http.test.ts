import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { LINGER_MS } from '../src/http/session.ts';
import { balanced, endpoint, outboundPolicy } from '../src/testing/fakes.ts';
import { ask, httpApp, meshedEndpoint, RawClient, tcpApp, TestAnchor, TestProxy, until } from './harness.ts';

const PATH = 'app.ns.svc.cluster.local:80';

/** A client-side proxy in front of a plain program: the shortest way to see what the HTTP engine does. */
async function single(ip: string): Promise<TestProxy> {
  return new TestProxy(ip, 'web').start(await TestAnchor.create('root'));
}

test('pipelined requests are answered in order, bodies included', async () => {
  await using proxy = await single('127.0.32.1');
  const app = await httpApp('127.0.32.2', (req, res) => {
    let body = '';
    req.on('data', (chunk: Buffer) => (body += chunk.toString()));
    req.on('end', () => res.end(`[${req.method} ${req.url} ${body}]`));
  });
  proxy.routeTo(PATH, endpoint({ ip: '127.0.32.2', port: app.port }));
  const raw = new RawClient(proxy.outbound);
  const chunked = 'POST /2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n';
  const sized = 'PUT /3 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nxy';
  raw.socket.write(
    `GET /1 HTTP/1.1\r\nHost: a\r\n\r\n${chunked}${sized}GET /4 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`,
  );
  await until('all answers', () => raw.ended);
  assert.deepEqual(raw.text.match(/\[.*?\]/g), ['[GET /1 ]', '[POST /2 abc]', '[PUT /3 xy]', '[GET /4 ]']);
  assert.equal(proxy.metrics.sum('response_total', { status_code: '200' }), 4);
  await app.close();
});

test('an ambiguous request is answered with 400, the connection closed, and no byte of it forwarded', async () => {
  await using proxy = await single('127.0.32.1');
  let heard = 0;
  const app = await tcpApp('127.0.32.2', (socket) => socket.on('data', (chunk: Buffer) => (heard += chunk.length)));
  proxy.routeTo(PATH, endpoint({ ip: '127.0.32.2', port: app.port }));
  for (const fields of [
    'Host: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n',
    'Host: a\r\nContent-Length: 4\r\nContent-Length: 5\r\n',
    'Host: a\r\nHost: b\r\n',
    'Host: a\r\nTransfer-Encoding: xchunked\r\n',
    'Host: a\r\nX: 1\n',
  ]) {
    const raw = new RawClient(proxy.outbound);
    raw.socket.write(`POST / HTTP/1.1\r\n${fields}\r\n0\r\n\r\n`);
    await until('refused', () => raw.ended);
    assert.match(raw.text, /^HTTP\/1\.1 400 /);
    assert.match(raw.text, /connection: close/);
    raw.socket.destroy();
  }
  assert.equal(heard, 0);
  app.close();
});

test('a broken chunked body cuts the exchange on both sides', async () => {
  await using proxy = await single('127.0.32.1');
  const closed: boolean[] = [];
  const app = await tcpApp('127.0.32.2', (socket) => {
    socket.resume();
    socket.on('close', () => closed.push(true));
  });
  proxy.routeTo(PATH, endpoint({ ip: '127.0.32.2', port: app.port }));
  const raw = new RawClient(proxy.outbound);
  raw.socket.write('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n');
  await until('forwarded', () => proxy.metrics.sum('tcp_write_bytes_total', { peer: 'dst' }) > 0);
  raw.socket.write('zz\r\n');
  await until('cut', () => closed.length === 1 && (raw.ended || raw.closed));
  assert.match(raw.text, /^HTTP\/1\.1 400 /);
  raw.socket.destroy();
  app.close();
});

test('what belongs to one connection stays there, in both directions', async () => {
  await using proxy = await single('127.0.32.1');
  let seen: Record<string, unknown> = {};
  const app = await httpApp('127.0.32.2', (req, res) => {
    seen = req.headers;
    res.setHeader('connection', 'keep-alive, x-private');
    res.setHeader('keep-alive', 'timeout=5');
    res.setHeader('x-private', 'hop');
    res.setHeader('l5d-proxy-connection', 'close');
    res.end('ok');
  });
  proxy.routeTo(PATH, endpoint({ ip: '127.0.32.2', port: app.port }));
  const raw = new RawClient(proxy.outbound);
  const fields =
    'Connection: x-hop, keep-alive\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\nTE: trailers\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\nX-End: 2\r\n';
  raw.socket.write(`GET / HTTP/1.1\r\nHost: a\r\n${fields}\r\n`);
  await until('answer', () => raw.text.endsWith('ok'));
  assert.equal(seen['x-end'], '2');
  for (const name of ['x-hop', 'keep-alive', 'proxy-connection', 'te', 'upgrade', 'http2-settings']) {
    assert.equal(seen[name], undefined, name);
  }
  assert.doesNotMatch(raw.text, /x-private|keep-alive|l5d-proxy-connection/i);
  raw.socket.destroy();
  await app.close();
});

test('an upgrade becomes a tunnel with half-close, also across two proxies', async () => {
  const anchor = await TestAnchor.create('root');
  await using client = await new TestProxy('127.0.32.3', 'web').start(anchor);
  await using server = await new TestProxy('127.0.32.4', 'app').start(anchor);
  const app = await tcpApp(server.ip, (socket) => {
    let heard = '';
    socket.on('data', (chunk: Buffer) => {
      heard += chunk.toString('latin1');
      if (heard.endsWith('\r\n\r\n')) {
        heard = '';
        socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhi');
      }
    });
    socket.on('end', () => socket.end(`<${heard}>`));
  });
  client.routeTo(PATH, meshedEndpoint(server, app.port));
  const raw = new RawClient(client.outbound);
  raw.socket.write('GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
  await until('switched', () => raw.text.endsWith('hi'));
  assert.match(raw.text, /^HTTP\/1\.1 101 /);
  assert.match(raw.text, /connection: upgrade/i);
  raw.socket.end('tunnelled');
  await until('over', () => raw.ended);
  assert.match(raw.text, /hi<tunnelled>$/);
  app.close();
});

test('100-continue passes through, and the body follows', async () => {
  await using proxy = await single('127.0.32.1');
  const app = await httpApp('127.0.32.2', (req, res) => req.pipe(res));
  proxy.routeTo(PATH, endpoint({ ip: '127.0.32.2', port: app.port }));
  const raw = new RawClient(proxy.outbound);
  raw.socket.write('POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n');
  await until('continue', () => raw.text.startsWith('HTTP/1.1 100 Continue\r\n'));
  raw.socket.write('body');
  await until('answer', () => raw.text.includes('HTTP/1.1 200') && raw.text.includes('body'));
  raw.socket.destroy();
  await app.close();
});

test('an HTTP/1.0 client gets its answer until the connection ends', async () => {
  await using proxy = await single('127.0.32.1');
  const app = await httpApp('127.0.32.2', (_req, res) => res.end('old'));
  proxy.routeTo(PATH, endpoint({ ip: '127.0.32.2', port: app.port }));
  const raw = new RawClient(proxy.outbound);
  raw.socket.write('GET / HTTP/1.0\r\n\r\n');
  await until('answer and end', () => raw.ended);
  assert.match(raw.text, /old$/);
  await app.close();
});

test('a response that ends with its connection is passed on and ended the same way', async () => {
  await using proxy = await single('127.0.32.1');
  const app = await tcpApp('127.0.32.2', (socket) =>
    socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\n\r\nuntil the end')),
  );
  proxy.routeTo(PATH, endpoint({ ip: '127.0.32.2', port: app.port }));
  const answer = await ask(proxy.outbound);
  assert.equal(answer.body, 'until the end');
  assert.equal(answer.headers.connection, 'close');
  app.close();
});

test('a client that reads slowly stops the server, and a large upload to a slow server stops the client', async () => {
  await using proxy = await single('127.0.32.1');
  const total = 64 * 1024 * 1024;
  let written = 0;
  const app = await httpApp('127.0.32.2', (req, res) => {
    if (req.method === 'GET') {
      res.setHeader('content-length', total);
      const block = Buffer.alloc(256 * 1024);
      const push = (): void => {
        while (written < total) {
          written += block.length;
          if (!res.write(block)) {
            res.once('drain', push);
            return;
          }
        }
        res.end();
      };
      push();
    }
  });
  proxy.routeTo(PATH, endpoint({ ip: '127.0.32.2', port: app.port }));
  const reader = new RawClient(proxy.outbound);
  reader.socket.pause();
  reader.socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  let before = -1;
  await until('the server is stopped', () => {
    const stalled = written > 0 && written === before;
    before = written;
    return stalled;
  });
  assert.ok(written < total, 'backpressure reached the server');
  reader.socket.resume();
  await until('all of it', () => reader.text.length >= total, 20_000);
  reader.socket.destroy();

  const writer = new RawClient(proxy.outbound);
  writer.socket.write(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${total}\r\n\r\n`);
  let sent = 0;
  const block = Buffer.alloc(256 * 1024);
  while (sent < total && writer.socket.write(block)) sent += block.length;
  await until('forwarding', () => proxy.metrics.sum('tcp_write_bytes_total', { peer: 'dst' }) > 0);
  assert.ok(writer.socket.writableLength > 0, 'backpressure reached the client');
  writer.socket.destroy();
  await app.close();
});

test('the endless head of a slow client is cut with 408', async () => {
  const anchor = await TestAnchor.create('root');
  const defaults = (await import('../src/http/engine.ts')).HTTP_ENGINE_DEFAULTS;
  await using proxy = await new TestProxy('127.0.32.1', 'web', {
    outboundHttp: { ...defaults, headTimeoutMs: 100 },
  }).start(anchor);
  proxy.routeTo(PATH, endpoint({ ip: '127.0.32.2', port: 9 }));
  const raw = new RawClient(proxy.outbound);
  raw.socket.write('GET / HTTP/1.1\r\nHost: a\r\nX: ');
  await until('cut', () => raw.ended, 5000);
  assert.match(raw.text, /^HTTP\/1\.1 408 /);
  raw.socket.destroy();
});

test('a client that reads the last response of its connection slowly gets all of it', async () => {
  await using proxy = await single('127.0.32.1');
  const body = Buffer.alloc(3_000_000, 'x');
  const app = await httpApp('127.0.32.2', (_req, res) =>
    res.writeHead(200, { 'content-length': body.length }).end(body),
  );
  proxy.routeTo(PATH, endpoint({ ip: '127.0.32.2', port: app.port }));
  const raw = new RawClient(proxy.outbound);
  raw.socket.write('GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n');
  await once(raw.socket, 'data');
  raw.socket.pause();
  // The client's slowness is what this is about: longer than the proxy waits for clients that have nothing left to read.
  await new Promise((resolve) => setTimeout(resolve, LINGER_MS + 1000));
  raw.socket.resume();
  await until('the end', () => raw.ended || raw.closed, 60_000);
  assert.equal(raw.error, undefined);
  assert.ok(raw.text.length > body.length);
  raw.socket.destroy();
  await app.close();
});

test('detection waits for a first line in pieces, knows HTTP/2, passes other bytes on, and gives a silent client up to the server', async () => {
  await using proxy = await single('127.0.32.1');
  const app = await tcpApp('127.0.32.2', (socket) => {
    socket.write('hello ');
    socket.on('data', (chunk: Buffer) => socket.write(chunk));
  });
  const web = await httpApp('127.0.32.2', (req, res) => res.end(`served ${req.url}`));
  proxy.routeTo(PATH, endpoint({ ip: '127.0.32.2', port: web.port }));
  const pieces = new RawClient(proxy.outbound);
  for (const piece of ['G', 'ET /p', 'ath HT', 'TP/1', '.1\r\nHo', 'st: a\r\n\r', '\n']) {
    pieces.socket.write(piece);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await until('served', () => pieces.text.includes('served /path'));
  pieces.socket.destroy();

  proxy.destination = { ip: '10.0.0.2', port: 81 };
  proxy.routeTo('tcp.ns.svc.cluster.local:81', endpoint({ ip: '127.0.32.2', port: app.port }));
  const h2 = new RawClient(proxy.outbound);
  h2.socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
  // A frame of type SETTINGS: the proxy itself speaks HTTP/2.
  await until('settings', () => h2.text.charCodeAt(3) === 4);
  const binary = new RawClient(proxy.outbound);
  binary.socket.write(Buffer.from([0, 1, 2, 3]));
  await until('echoed', () => binary.text === 'hello \u0000\u0001\u0002\u0003');
  const silent = new RawClient(proxy.outbound);
  await until('the server speaks after the detection timeout', () => silent.text === 'hello ');
  assert.equal(proxy.metrics.sum('outbound_tcp_detect_http_results_total', { result: 'http/2' }), 1);
  assert.equal(proxy.metrics.sum('outbound_tcp_detect_http_results_total', { result: 'not_http' }), 1);
  assert.equal(proxy.metrics.sum('outbound_tcp_detect_http_results_total', { result: 'read_timeout' }), 1);
  for (const client of [h2, binary, silent]) client.socket.destroy();
  app.close();
  await web.close();
});

test('a destination waits for discovery, and is reset when it is refused or is the proxy itself', async () => {
  await using proxy = await single('127.0.32.1');
  const app = await httpApp('127.0.32.2', (_req, res) => res.end('found'));
  const pending = ask(proxy.outbound);
  await until('asked', () => proxy.discovery.resolve(proxy.destination).watchers === 1);
  proxy.routeTo(PATH, endpoint({ ip: '127.0.32.2', port: app.port }));
  assert.equal((await pending).body, 'found');
  proxy.destination = { ip: '10.9.9.9', port: 1 };
  proxy.discovery.resolve(proxy.destination).set({ refused: 'invalid_argument' });
  await assert.rejects(ask(proxy.outbound));
  proxy.destination = proxy.outbound;
  await assert.rejects(ask(proxy.outbound));
  assert.equal(proxy.metrics.sum('outbound_tcp_errors_total', { error: 'loop' }), 1);
  await app.close();
});

test('routes choose by path, method and header, and an unmatched request is a 404', async () => {
  await using proxy = await single('127.0.32.1');
  const app = await httpApp('127.0.32.2', (_req, res) => res.end('default'));
  const policy = outboundPolicy(balanced(PATH));
  if (policy.protocol.kind !== 'detect') throw new Error('unexpected');
  const [route] = policy.protocol.http1;
  const rule = route?.rules[0];
  if (route === undefined || rule === undefined) throw new Error('unexpected');
  const match = { path: { kind: 'prefix' as const, value: '/api' }, method: undefined, headers: [], query: [] };
  const failing = {
    ...rule,
    matches: [{ ...match, method: 'DELETE' }],
    filters: [{ kind: 'failure' as const, status: 418, message: 'no' }],
  };
  const http1 = [{ ...route, rules: [{ ...rule, matches: [match] }, failing] }];
  proxy.discovery.resolve(proxy.destination).set({ ...policy, protocol: { ...policy.protocol, http1 } });
  proxy.endpoints.watch(PATH).set(new Map([['x', endpoint({ ip: '127.0.32.2', port: app.port })]]));
  assert.equal((await ask(proxy.outbound, { path: '/api/x?y=1' })).body, 'default');
  assert.equal((await ask(proxy.outbound, { path: '/apiary' })).status, 404);
  assert.equal((await ask(proxy.outbound, { path: '/api', method: 'DELETE' })).status, 418);
  await app.close();
});
