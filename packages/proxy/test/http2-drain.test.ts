import assert from 'node:assert/strict';
import { constants } from 'node:http2';
import { test } from 'node:test';
import { HTTP_ENGINE_DEFAULTS } from '../src/http/engine.ts';
import { HTTP2_DEFAULTS } from '../src/http/http2-options.ts';
import { endpoint } from '../src/testing/fakes.ts';
import { meshedEndpoint, RawClient, tcpApp, TestAnchor, TestProxy, until } from './harness.ts';
import { h2App, H2Client } from './http2-harness.ts';

/** The peers of these tests: the proxies are the same on both runtimes. */
const skip = 'bun' in process.versions ? 'node:http2 of Bun sends other reset codes than it is told' : false;
const PATH = 'app.ns.svc.cluster.local:80';

test('a draining proxy announces its end, finishes what is under way, and closes', async () => {
  const anchor = await TestAnchor.create('root');
  await using proxy = await new TestProxy('127.0.42.1', 'web').start(anchor);
  const held: (() => void)[] = [];
  const app = await h2App(proxy.ip, (stream) => {
    held.push(() => {
      stream.respond({ ':status': 200 });
      stream.end('done');
    });
  });
  proxy.routeTo(PATH, endpoint({ ip: proxy.ip, port: app.port }));
  const client = new H2Client(proxy.outbound);
  const idle = new H2Client(proxy.outbound);
  await until('connected', () => idle.session.remoteSettings.initialWindowSize !== undefined);
  const asked = Array.from({ length: 20 }, () => client.ask());
  await until('all are at the program', () => held.length === 20);
  const drained = proxy.drain.drain(30_000);
  await until('announced, then final', () => client.goaways.length === 2);
  assert.deepEqual(client.goaways, [2 ** 31 - 1, 39]);
  await until('who waits for nothing leaves at once', () => idle.closed);
  for (const answer of held) answer();
  for (const { headers, body } of await Promise.all(asked)) {
    assert.deepEqual([headers[':status'], body.toString()], [200, 'done']);
  }
  assert.equal(await drained, true);
  await until('closed', () => client.closed);
  await app.close();
});

test('while one of two sidecars drains and goes, no request is lost, with or without a body', async () => {
  const anchor = await TestAnchor.create('root');
  await using near = await new TestProxy('127.0.42.1', 'web').start(anchor);
  await using stays = await new TestProxy('127.0.42.2', 'app').start(anchor);
  await using leaves = await new TestProxy('127.0.42.3', 'app').start(anchor);
  const echo = (ip: string): ReturnType<typeof h2App> =>
    h2App(ip, (stream) => {
      stream.respond({ ':status': 200, 'x-ip': ip });
      stream.pipe(stream);
    });
  const apps = [await echo(stays.ip), await echo(leaves.ip)] as const;
  near.routeTo(PATH, meshedEndpoint(stays, apps[0].port), meshedEndpoint(leaves, apps[1].port));
  const client = new H2Client(near.outbound);
  const seen = new Set<string>();
  const run = { going: true };
  let served = 0;
  const load = async (who: number): Promise<void> => {
    for (let at = 0; run.going; at += 1) {
      const answer = await client.ask({ ':method': 'POST' }, `${who} ${at}`);
      assert.deepEqual([answer.headers[':status'], answer.body.toString()], [200, `${who} ${at}`]);
      seen.add(String(answer.headers['x-ip']));
      served += 1;
    }
  };
  const loads = Array.from({ length: 16 }, (_, who) => load(who));
  await until('both serve', () => seen.size === 2);
  const drained = leaves.drain.drain(30_000);
  assert.equal(await drained, true);
  const before = served;
  seen.clear();
  await until('the other serves on', () => served > before + 200);
  run.going = false;
  await Promise.all(loads);
  assert.deepEqual([...seen], [stays.ip]);
  client.close();
  for (const app of apps) await app.close();
});

test('a stream that a server refuses is sent elsewhere, whatever its method, with its body', { skip }, async () => {
  const anchor = await TestAnchor.create('root');
  await using proxy = await new TestProxy('127.0.42.1', 'web').start(anchor);
  let refused = 0;
  const shy = await h2App('127.0.42.2', (stream) => {
    refused += 1;
    stream.close(constants.NGHTTP2_REFUSED_STREAM);
  });
  const app = await h2App('127.0.42.3', (stream) => {
    stream.respond({ ':status': 200 });
    stream.pipe(stream);
  });
  proxy.routeTo(PATH, endpoint({ ip: '127.0.42.2', port: shy.port }), endpoint({ ip: '127.0.42.3', port: app.port }));
  const client = new H2Client(proxy.outbound);
  const body = 'x'.repeat(20_000);
  for (let at = 0; at < 20; at += 1) {
    const answer = await client.ask({ ':method': 'POST' }, body, { 'x-sum': '1' });
    assert.deepEqual([answer.headers[':status'], answer.body.toString()], [200, body]);
  }
  assert.ok(refused > 0, 'the shy one was tried');
  client.close();
  await shy.close();
  await app.close();
});

test('cancellation and resets pass through in both directions, each to its own stream', { skip }, async () => {
  const anchor = await TestAnchor.create('root');
  await using near = await new TestProxy('127.0.42.1', 'web').start(anchor);
  await using far = await new TestProxy('127.0.42.2', 'app').start(anchor);
  const aborted: number[] = [];
  const app = await h2App(far.ip, (stream, headers) => {
    if (headers[':path'] === '/reset') {
      stream.respond({ ':status': 200 });
      stream.write('half');
      stream.once('data', () => stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM));
    } else if (headers[':path'] === '/early') stream.close(constants.NGHTTP2_INADEQUATE_SECURITY);
    else if (headers[':path'] === '/wait') stream.on('close', () => aborted.push(stream.rstCode));
    else {
      stream.respond({ ':status': 200 });
      stream.end('fine');
    }
  });
  near.routeTo(PATH, meshedEndpoint(far, app.port));
  const client = new H2Client(near.outbound);
  const waiting = client.request({ ':method': 'POST', ':path': '/wait' }, false);
  waiting.on('error', () => undefined);
  const reset = client.request({ ':method': 'POST', ':path': '/reset' }, false);
  reset.on('error', () => undefined);
  reset.once('data', () => reset.write('more'));
  await until('reset by the program', () => reset.closed);
  assert.equal(reset.rstCode, constants.NGHTTP2_ENHANCE_YOUR_CALM);
  const early = client.request({ ':path': '/early' });
  early.on('error', () => undefined);
  await until('reset before an answer', () => early.closed);
  assert.equal(early.rstCode, constants.NGHTTP2_INADEQUATE_SECURITY);
  waiting.close(constants.NGHTTP2_CANCEL);
  await until('the program hears it', () => aborted.length === 1);
  assert.deepEqual(aborted, [constants.NGHTTP2_CANCEL]);
  assert.equal((await client.ask()).body.toString(), 'fine');
  assert.equal(near.metrics.sum('tcp_open_total', { peer: 'dst' }), 1);
  client.close();
  await app.close();
});

test('an answer before the end of the request ends the request too', async () => {
  const anchor = await TestAnchor.create('root');
  await using near = await new TestProxy('127.0.42.1', 'web').start(anchor);
  await using far = await new TestProxy('127.0.42.2', 'app').start(anchor);
  const app = await h2App(far.ip, (stream) => {
    stream.respond({ ':status': 413 });
    stream.end('too much');
  });
  near.routeTo(PATH, meshedEndpoint(far, app.port));
  const client = new H2Client(near.outbound);
  for (let at = 0; at < 5; at += 1) {
    const upload = client.request({ ':method': 'POST' }, false);
    let status: unknown;
    let body = '';
    upload.on('error', () => undefined);
    upload.on('response', (headers) => (status = headers[':status']));
    upload.on('data', (chunk: Buffer) => (body += chunk.toString()));
    upload.write(Buffer.alloc(300_000));
    await until('over', () => upload.closed);
    assert.deepEqual([status, body], [413, 'too much']);
  }
  assert.equal(near.metrics.sum('tcp_open_total', { peer: 'dst' }), 1);
  client.close();
  await app.close();
});

test('a server that has fallen silent is found out by a PING, and its requests are answered', async () => {
  const anchor = await TestAnchor.create('root');
  const client2 = { ...HTTP2_DEFAULTS.client, keepAlive: { intervalMs: 300, timeoutMs: 300, whileIdle: true } };
  const outboundHttp = { ...HTTP_ENGINE_DEFAULTS, http2: { ...HTTP2_DEFAULTS, client: client2 } };
  await using proxy = await new TestProxy('127.0.42.1', 'web', { outboundHttp }).start(anchor);
  const silent = await tcpApp('127.0.42.2', () => undefined);
  proxy.routeTo(PATH, endpoint({ ip: '127.0.42.2', port: silent.port }));
  const client = new H2Client(proxy.outbound);
  const answer = await client.ask({ ':method': 'POST' }, 'anybody?');
  assert.equal(answer.headers[':status'], 502);
  client.close();
  silent.close();
});

test('a client that has fallen silent is found out by a PING, and its request given up', async () => {
  const anchor = await TestAnchor.create('root');
  const server = { ...HTTP2_DEFAULTS.server, keepAlive: { intervalMs: 300, timeoutMs: 300, whileIdle: true } };
  const outboundHttp = { ...HTTP_ENGINE_DEFAULTS, http2: { ...HTTP2_DEFAULTS, server } };
  await using proxy = await new TestProxy('127.0.42.1', 'web', { outboundHttp }).start(anchor);
  let opened = 0;
  let closed = 0;
  const app = await h2App(proxy.ip, (stream) => {
    opened += 1;
    stream.on('close', () => (closed += 1));
  });
  proxy.routeTo(PATH, endpoint({ ip: proxy.ip, port: app.port }));
  // Preface, SETTINGS, and HEADERS of GET http://a/ from the static table: nothing after that, no answer to PING.
  const silent = new RawClient(proxy.outbound);
  silent.socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
  silent.socket.write(Buffer.from('000000040000000000', 'hex'));
  silent.socket.write(Buffer.from('000006010500000001828684410161', 'hex'));
  await until('at the program', () => opened === 1);
  await until('given up', () => closed === 1 && silent.closed);
  await app.close();
});
