/** HTTP/2 and gRPC from a sidecar through a gateway to a sidecar, and HTTP/1 that travels as HTTP/2. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { GrpcClient, grpcApp, status } from '../../proxy/test/grpc-harness.ts';
import type { GrpcHandlers, ServiceError } from '../../proxy/test/grpc-harness.ts';
import { ask, httpApp, identityName, until } from '../../proxy/test/harness.ts';
import { h2App, H2Client } from '../../proxy/test/http2-harness.ts';
import { converse, webSocketApp } from '../../proxy/test/websocket-harness.ts';
import { AUTHORITY, GATEWAY_ID, routeThrough, startHome } from './gateway-harness.ts';
import type { Home } from './gateway-harness.ts';

const setup = (): Promise<Home> => startHome('127.0.45');

async function grpcHome(handlers: GrpcHandlers): Promise<Home & { readonly grpc: GrpcClient }> {
  const home = await setup();
  const app = await grpcApp(home.server.ip, handlers);
  home.gateway.serve(home.server, app.port);
  const grpc = new GrpcClient(home.client.outbound);
  return {
    ...home,
    grpc,
    async [Symbol.asyncDispose]() {
      grpc.close();
      app.close();
      await home[Symbol.asyncDispose]();
    },
  };
}

test('an HTTP/2 request crosses the gateway with its new authority, and says whom it passed', async () => {
  await using home = await setup();
  const app = await h2App(home.server.ip, (stream, headers) => {
    stream.respond({ ':status': 200 });
    stream.end(JSON.stringify(headers));
  });
  home.gateway.serve(home.server, app.port);
  const client = new H2Client(home.client.outbound);
  const answer = await client.ask({ ':path': '/item/1', forwarded: 'for=browser', 'l5d-client-id': 'forged' });
  const seen = JSON.parse(answer.body.toString()) as Record<string, string>;
  assert.equal(answer.headers[':status'], 200);
  assert.equal(seen[':path'], '/item/1');
  assert.equal(seen[':authority'], AUTHORITY);
  assert.equal(seen['host'], undefined);
  assert.equal(seen['l5d-client-id'], GATEWAY_ID);
  assert.equal(
    seen['forwarded'],
    `for=browser, by=${GATEWAY_ID};for=${identityName('web')};host="${AUTHORITY}";proto=https;cluster=west`,
  );
  const { metrics } = home.gateway;
  assert.equal(
    metrics.sum('inbound_tcp_transport_header_connections_total', {
      session_protocol: 'http2',
      target_name: 'catalog.shop.svc.cluster.local',
    }),
    1,
  );
  await until(
    'counted',
    () =>
      metrics.sum('response_total', { direction: 'inbound', status_code: '200', client_id: identityName('web') }) === 1,
  );
  client.close();
  await app.close();
});

test('gRPC of all kinds crosses the gateway, all calls on one connection per leg', async () => {
  await using home = await grpcHome({
    unary: (call, done) => done(null, call.request),
    upload(call, done) {
      let bytes = 0;
      call.on('data', (message: Buffer) => (bytes += message.length));
      call.on('end', () => done(null, Buffer.from(String(bytes))));
    },
    download(call) {
      for (let at = 0; at < 100; at += 1) call.write(Buffer.from(`message ${at}`));
      call.end();
    },
    chat(call) {
      call.on('data', (message: Buffer) => call.write(message));
      call.on('end', () => call.end());
    },
  });
  const calls = Array.from({ length: 50 }, (_, at) => home.grpc.unary(`call ${at}`));
  assert.deepEqual(
    (await Promise.all(calls)).map(({ message }) => message.toString()),
    calls.map((_, at) => `call ${at}`),
  );
  const large = Buffer.alloc(4 * 1024 * 1024, 'mesh');
  assert.ok((await home.grpc.unary(large)).message.equals(large));
  const uploaded = Promise.withResolvers<string>();
  const upload = home.grpc.upload((error, answer) =>
    error === null ? uploaded.resolve(String(answer)) : uploaded.reject(error),
  );
  for (let at = 0; at < 50; at += 1) upload.write(Buffer.alloc(1000));
  upload.end();
  assert.equal(await uploaded.promise, '50000');
  let messages = 0;
  const download = home.grpc.download('');
  download.on('data', () => (messages += 1));
  await once(download, 'end');
  assert.equal(messages, 100);
  const chat = home.grpc.chat();
  for (const word of ['one', 'two', 'three']) {
    chat.write(Buffer.from(word));
    const [echo] = (await once(chat, 'data')) as [Buffer];
    assert.equal(echo.toString(), word);
  }
  chat.end();
  await once(chat, 'end');
  assert.equal(home.gateway.metrics.sum('tcp_open_total', { direction: 'inbound', peer: 'src' }), 1);
  assert.equal(home.gateway.metrics.sum('tcp_open_total', { direction: 'outbound', peer: 'dst' }), 1);
  await until('counted', () => home.gateway.metrics.sum('response_total', { grpc_status: '0' }) >= 54);
});

test('what the gateway refuses is told in the form of gRPC, and of HTTP to others', async () => {
  await using home = await grpcHome({ unary: (call, done) => done(null, call.request) });
  routeThrough(home.client, home.gateway, 'secret.shop.svc.cluster.local:80');
  const refused = await home.grpc.unary('?').then(
    () => assert.fail('the call succeeded'),
    (error: unknown) => error as ServiceError,
  );
  assert.equal(refused.code, status.NOT_FOUND);
  const client = new H2Client(home.client.outbound);
  assert.equal((await client.ask()).headers[':status'], 404);
  routeThrough(home.client, home.gateway);
  const again = await client.ask({ forwarded: `by=${GATEWAY_ID};for=x;cluster=west` });
  assert.equal(again.headers[':status'], 508);
  const loop = await client.ask({
    ':method': 'POST',
    'content-type': 'application/grpc',
    te: 'trailers',
    forwarded: `by=${GATEWAY_ID};for=x;cluster=west`,
  });
  assert.deepEqual([loop.headers[':status'], loop.headers['grpc-status']], [200, String(status.ABORTED)]);
  client.close();
});

test('HTTP/1 travels as HTTP/2 on either leg, on both, or on none, and arrives as HTTP/1', async () => {
  await using home = await setup();
  const app = await httpApp(home.server.ip, (req, res) => {
    const chunks: Buffer[] = [];
    req.on('data', (chunk: Buffer) => void chunks.push(chunk));
    req.on('end', () => res.end(`${req.httpVersion} ${req.headers.host} ${Buffer.concat(chunks).toString()}`));
  });
  for (const [near, far] of [
    ['h2', 'h2'],
    ['h2', 'unknown'],
    ['unknown', 'h2'],
    ['unknown', 'unknown'],
  ] as const) {
    routeThrough(home.client, home.gateway, AUTHORITY, { protocolHint: near });
    home.gateway.serve(home.server, app.port, { protocolHint: far });
    const answer = await ask(home.client.outbound, { method: 'POST', body: 'hello' });
    assert.deepEqual([answer.status, answer.body], [200, `1.1 ${AUTHORITY} hello`], `${near} ${far}`);
    assert.equal(answer.headers['l5d-orig-proto'], undefined);
  }
  const sessions = (version: string): number =>
    home.gateway.metrics.sum('inbound_tcp_transport_header_connections_total', { session_protocol: version });
  assert.deepEqual([sessions('http2') > 0, sessions('http1') > 0], [true, true]);
  await app.close();
});

test('WebSockets cross the gateway', async () => {
  await using home = await setup();
  const app = await webSocketApp(home.server.ip);
  home.gateway.serve(home.server, app.port);
  const { heard, closeCode } = await converse(home.client.outbound, ['one', 'two', 'three']);
  assert.deepEqual([heard, closeCode], [['one', 'two', 'three'], 4321]);
  app.close();
});
