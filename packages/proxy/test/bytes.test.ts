import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect as tlsConnect, createServer as createTlsServer } from 'node:tls';
import type { AddressInfo } from 'node:net';
import { dribbling } from '../../net/src/testing/tls-pair.ts';
import { opaquePolicy } from '../src/testing/fakes.ts';
import { identityName, meshedEndpoint, RawClient, tcpApp, TestAnchor, TestProxy, until } from './harness.ts';

const PATH = 'app.ns.svc.cluster.local:80';
const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';

type Sockets = Parameters<Parameters<typeof tcpApp>[1]>[0][];

/** Two proxies with an opaque port between a raw client and a program that does nothing by itself. */
async function opaquePair(clientIp: string, serverIp: string) {
  const anchor = await TestAnchor.create('root');
  const client = await new TestProxy(clientIp, 'web').start(anchor);
  const server = await new TestProxy(serverIp, 'db', {}, { protocol: 'opaque' }).start(anchor);
  const sockets: Sockets = [];
  const app = await tcpApp(server.ip, (socket) => void sockets.push(socket));
  client.discovery.resolve(client.destination).set(opaquePolicy(PATH));
  client.endpoints.watch(PATH).set(new Map([['x', meshedEndpoint(server, app.port)]]));
  const raw = new RawClient(client.outbound);
  raw.socket.write('hello');
  await until('connected', () => sockets.length === 1);
  const [socket] = sockets;
  assert.ok(socket);
  const heard = { text: '', ended: false, error: '' };
  socket.on('data', (chunk: Buffer) => (heard.text += chunk.toString()));
  socket.on('end', () => (heard.ended = true));
  socket.on('error', (error: NodeJS.ErrnoException) => (heard.error = error.code ?? 'unknown'));
  await until('first words', () => heard.text === 'hello');
  return {
    raw,
    socket,
    heard,
    async [Symbol.asyncDispose]() {
      app.close();
      raw.socket.destroy();
      await client[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

test('a program that ends its side first still hears what its client has to say', async () => {
  await using pair = await opaquePair('127.0.44.1', '127.0.44.2');
  const { raw, socket, heard } = pair;
  socket.end('that is all');
  await until('FIN has come through', () => raw.ended);
  assert.equal(raw.text, 'that is all');
  raw.socket.write(', but listen');
  await until('late words', () => heard.text === 'hello, but listen');
  assert.equal(heard.ended, false);
  raw.socket.end();
  await until('both ended', () => heard.ended && raw.closed);
  assert.equal(raw.error, undefined);
});

test('a reset passes through the pair as a reset, in both directions, also after the other side has ended', async () => {
  for (const halfClosed of [false, true]) {
    for (const from of ['client', 'program'] as const) {
      await using pair = await opaquePair('127.0.44.1', '127.0.44.2');
      const { raw, socket, heard } = pair;
      if (halfClosed) {
        (from === 'client' ? socket : raw.socket).end();
        await until('FIN has come through', () => (from === 'client' ? raw.ended : heard.ended));
      }
      if (from === 'client') raw.socket.resetAndDestroy();
      else socket.resetAndDestroy();
      await until(`reset by the ${from}, ${halfClosed ? 'half-closed' : 'open'}`, () =>
        from === 'client' ? heard.error === 'ECONNRESET' : raw.error === 'ECONNRESET',
      );
    }
  }
});

test('a program that speaks first on a port with detection is heard after one detection timeout, not two', async () => {
  const detectTimeoutMs = 1500;
  const anchor = await TestAnchor.create('root');
  await using server = await new TestProxy('127.0.44.2', 'db', {}, { detectTimeoutMs }).start(anchor);
  const app = await tcpApp(server.ip, (socket) => void socket.write('banner'));
  server.inboundDestination = { ip: server.ip, port: app.port };
  const startedAt = performance.now();
  const raw = new RawClient(server.inbound);
  await until('banner', () => raw.text === 'banner', 10_000);
  assert.ok(performance.now() - startedAt < 2 * detectTimeoutMs);
  assert.equal(server.metrics.sum('inbound_tcp_detect_http_results_total', { result: 'read_timeout' }), 1);
  raw.socket.destroy();
  app.close();
});

test('a connection that ends without a byte is counted as an error and never reaches the program', async () => {
  const anchor = await TestAnchor.create('root');
  await using server = await new TestProxy('127.0.44.2', 'db').start(anchor);
  let connections = 0;
  const app = await tcpApp(server.ip, () => (connections += 1));
  server.inboundDestination = { ip: server.ip, port: app.port };
  const raw = new RawClient(server.inbound);
  raw.socket.end();
  await until('closed', () => raw.closed);
  assert.equal(server.metrics.sum('inbound_tcp_detect_http_results_total', { result: 'error' }), 1);
  assert.equal(connections, 0);
  app.close();
});

test("TLS of the programs' own passes untouched both ways, its hello in single bytes", async () => {
  const anchor = await TestAnchor.create('root');
  const own = await TestAnchor.create('of the programs');
  await using client = await new TestProxy('127.0.44.1', 'web').start(anchor);
  await using server = await new TestProxy('127.0.44.2', 'app').start(anchor);
  const material = await own.material({ dns: ['app.example'] });
  const names: (string | undefined)[] = [];
  const app = createTlsServer({ key: material.key, cert: material.chain }, (socket) => {
    names.push((socket as { servername?: string }).servername);
    socket.on('error', () => undefined);
    socket.end('private');
  });
  app.unref();
  await new Promise<void>((resolve) => app.listen(0, server.ip, resolve));
  const { port } = app.address() as AddressInfo;
  client.routeTo(PATH, meshedEndpoint(server, port));
  for (const proxy of [server.inbound, client.outbound]) {
    // A plain client's connection is redirected; the peer's sidecar dials the inbound port itself.
    server.inboundDestination = proxy === server.inbound ? { ip: server.ip, port } : undefined;
    const relay = await dribbling(proxy.port, proxy.ip);
    const socket = tlsConnect({ host: '127.0.0.1', port: relay.port, ca: own.pem, servername: 'app.example' });
    let heard = '';
    socket.unref();
    let failure: string | undefined;
    socket.on('error', (error: NodeJS.ErrnoException) => (failure = error.code ?? error.message));
    socket.on('data', (chunk: Buffer) => (heard += chunk.toString()));
    await until('answer', () => heard === 'private' || failure !== undefined, 15_000);
    assert.equal(failure, undefined);
    socket.destroy();
    relay.server.close();
  }
  assert.deepEqual(names, ['app.example', 'app.example']);
  app.close();
});

test('TLS for the proxy itself is terminated, whatever segments its hello comes in', async () => {
  const anchor = await TestAnchor.create('root');
  await using server = await new TestProxy('127.0.44.2', 'app').start(anchor);
  const app = await tcpApp(server.ip, (socket) => {
    socket.on('data', (chunk: Buffer) => void socket.write(chunk));
  });
  server.inboundDestination = { ip: server.ip, port: app.port };
  const material = await anchor.material({ dns: [identityName('web')] });
  const relay = await dribbling(server.inbound.port, server.ip);
  const socket = tlsConnect({
    host: '127.0.0.1',
    port: relay.port,
    key: material.key,
    cert: material.chain,
    ca: material.trust,
    servername: server.identity.name,
    checkServerIdentity: () => undefined,
  });
  let heard = '';
  socket.on('data', (chunk: Buffer) => (heard += chunk.toString()));
  socket.on('error', () => undefined);
  socket.write('\u0000in the clear inside');
  await until('echo', () => heard === '\u0000in the clear inside', 15_000);
  assert.equal(server.metrics.sum('inbound_tcp_authz_allow_total', { client_id: identityName('web') }), 1);
  socket.destroy();
  relay.server.close();
  app.close();
});

test('the preface of HTTP/2 is recognized in any pieces', async () => {
  const anchor = await TestAnchor.create('root');
  await using server = await new TestProxy('127.0.44.2', 'app').start(anchor);
  const app = await tcpApp(server.ip, () => undefined);
  server.inboundDestination = { ip: server.ip, port: app.port };
  const relay = await dribbling(server.inbound.port, server.ip);
  const raw = new RawClient({ ip: '127.0.0.1', port: relay.port });
  raw.socket.write(Buffer.concat([Buffer.from(PREFACE), Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0])]));
  await until(
    'detected',
    () => server.metrics.sum('inbound_tcp_detect_http_results_total', { result: 'http/2' }) === 1,
  );
  raw.socket.destroy();
  relay.server.close();
  app.close();
});

test('who may not come in is told by an end while it says nothing, as probes need it, and by a reset when it speaks', async () => {
  const anchor = await TestAnchor.create('root');
  const policy = { protocol: 'opaque', authorizations: [] } as const;
  await using server = await new TestProxy('127.0.44.2', 'db', {}, policy).start(anchor);
  let connections = 0;
  const app = await tcpApp(server.ip, () => (connections += 1));
  server.inboundDestination = { ip: server.ip, port: app.port };
  const probe = new RawClient(server.inbound, '127.0.44.1');
  await until('the end', () => probe.ended);
  probe.socket.end();
  await until('closed', () => probe.closed);
  assert.equal(probe.error, undefined);
  const speaker = new RawClient(server.inbound, '127.0.44.1');
  await until('the end', () => speaker.ended);
  // A runtime whose peer has ended notices a reset when it writes.
  await until('reset', () => {
    if (!speaker.closed) speaker.socket.write('let me in');
    return speaker.closed;
  });
  assert.match(speaker.error ?? '', /ECONNRESET|EPIPE/);
  assert.equal(server.metrics.sum('inbound_tcp_authz_deny_total'), 2);
  assert.equal(connections, 0);
  app.close();
});
