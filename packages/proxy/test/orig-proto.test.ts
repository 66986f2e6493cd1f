import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { endpoint } from '../src/testing/fakes.ts';
import { httpApp, meshedEndpoint, RawClient, tcpApp, TestAnchor, TestProxy, until } from './harness.ts';

const PATH = 'app.ns.svc.cluster.local:80';
const TEST = 'bun' in process.versions ? ['test', '--timeout', '60000'] : ['--test'];
/** They say what HTTP/1 clients and programs see, whatever carries it between the proxies. */
const SUITES = ['pair', 'pair.fuzz', 'http', 'faults', 'undelivered', 'unreachable'];

for (const suite of SUITES) {
  test(`the ${suite} tests hold when HTTP/1 travels as HTTP/2`, { timeout: 300_000 }, async (context) => {
    const file = fileURLToPath(new URL(`${suite}.test.ts`, import.meta.url));
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const child = spawn(process.execPath, [...TEST, file], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...env, MESH_TEST_HINT: 'h2' },
      signal: context.signal,
    });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const [code] = (await once(child, 'close')) as [number | null];
    assert.equal(code, 0, output);
  });
}

interface Seen {
  text: string;
}

/** Two proxies with the hint, and a program that shows the bytes that it gets and gives those that it is told. */
async function carried(
  answer: string,
): Promise<
  AsyncDisposable & { readonly near: TestProxy; readonly far: TestProxy; readonly seen: Seen; readonly port: number }
> {
  const anchor = await TestAnchor.create('root');
  const near = await new TestProxy('127.0.44.1', 'web').start(anchor);
  const far = await new TestProxy('127.0.44.2', 'app').start(anchor);
  const seen: Seen = { text: '' };
  const app = await tcpApp(far.ip, (socket) => {
    let message = '';
    socket.on('data', (chunk: Buffer) => {
      seen.text += chunk.toString('latin1');
      message += chunk.toString('latin1');
      if (!/\r\n\r\n(?:[^]*0\r\n[^]*\r\n\r\n)?$/.test(message)) return;
      message = '';
      socket.write(answer);
    });
  });
  near.routeTo(PATH, meshedEndpoint(far, app.port, { protocolHint: 'h2' }));
  return {
    near,
    far,
    seen,
    port: app.port,
    async [Symbol.asyncDispose]() {
      app.close();
      await near[Symbol.asyncDispose]();
      await far[Symbol.asyncDispose]();
    },
  };
}

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';

test('the target’s form and the version arrive as they were', async () => {
  await using mesh = await carried(OK);
  const absolute = new RawClient(mesh.near.outbound);
  absolute.socket.write('GET http://shop.test/cart?x=1 HTTP/1.1\r\nHost: shop.test\r\nTE: trailers\r\n\r\n');
  await until('answered', () => absolute.text.endsWith('ok'));
  assert.match(mesh.seen.text, /^GET http:\/\/shop\.test\/cart\?x=1 HTTP\/1\.1\r\nhost: shop\.test\r\n/);
  assert.doesNotMatch(mesh.seen.text, /l5d-orig-proto/);
  assert.doesNotMatch(absolute.text, /l5d-orig-proto/);
  absolute.socket.destroy();
  mesh.seen.text = '';
  const old = new RawClient(mesh.near.outbound);
  old.socket.write('GET /old HTTP/1.0\r\n\r\n');
  await until('answered and closed', () => old.ended);
  assert.match(mesh.seen.text, /^GET \/old HTTP\/1\.0\r\n/);
  assert.match(old.text, /^HTTP\/1\.[01] 200 OK\r\n/);
  assert.equal(
    mesh.far.metrics.sum('inbound_tcp_transport_header_connections_total', { session_protocol: 'http2' }),
    1,
  );
  old.socket.destroy();
});

test('chunked bodies arrive chunked, with their trailers, in both directions', async () => {
  await using mesh = await carried(
    'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n5\r\nhello\r\n0\r\nx-sum: 7\r\n\r\n',
  );
  const client = new RawClient(mesh.near.outbound);
  client.socket.write(
    'POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ntrailer: x-check\r\n\r\n3\r\nabc\r\n0\r\nx-check: 9\r\n\r\n',
  );
  await until('answered', () => client.text.includes('x-sum: 7'));
  assert.match(mesh.seen.text, /transfer-encoding: chunked\r\n[^]*3\r\nabc\r\n0\r\nx-check: 9\r\n\r\n$/);
  assert.match(client.text, /transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx-sum: 7\r\n\r\n$/);
  client.socket.destroy();
});

test('an upgrade and a program without proxy keep HTTP/1, whatever the hint says', async () => {
  await using mesh = await carried('HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\nhi');
  const client = new RawClient(mesh.near.outbound);
  client.socket.write('GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n');
  await until('upgraded', () => client.text.endsWith('hi'));
  assert.equal(
    mesh.far.metrics.sum('inbound_tcp_transport_header_connections_total', { session_protocol: 'http1' }),
    1,
  );
  client.socket.destroy();
  const web = await httpApp(mesh.far.ip, (req, res) => res.end(req.httpVersion));
  mesh.near.routeTo(PATH, endpoint({ ip: mesh.far.ip, port: web.port }, { protocolHint: 'h2' }));
  const plain = new RawClient(mesh.near.outbound);
  plain.socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
  await until('answered', () => plain.text.endsWith('1.1'));
  plain.socket.destroy();
  await web.close();
});

test('only a proxy may say that its request was HTTP/1: of a program’s word nothing is left', async () => {
  await using mesh = await carried(OK);
  const client = new RawClient(mesh.near.outbound);
  client.socket.write('GET / HTTP/1.1\r\nhost: a\r\nl5d-orig-proto: HTTP/1.0\r\n\r\n');
  await until('answered', () => client.text.endsWith('ok'));
  assert.match(mesh.seen.text, /^GET \/ HTTP\/1\.1\r\n/);
  assert.doesNotMatch(mesh.seen.text, /orig-proto/);
  client.socket.destroy();
});
