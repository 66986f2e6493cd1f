import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { freePort } from '@mesh/runtime/testing';
import { GrpcClient, grpcApp, Metadata, status } from './grpc-harness.ts';
import type { GrpcApp, GrpcHandlers, ServiceError } from './grpc-harness.ts';
import { identityName, meshedEndpoint, TestAnchor, TestProxy, until } from './harness.ts';

const PATH = 'app.ns.svc.cluster.local:80';

interface Pair extends AsyncDisposable {
  readonly near: TestProxy;
  readonly far: TestProxy;
  readonly app: GrpcApp;
  readonly client: GrpcClient;
}

async function pair(handlers: GrpcHandlers): Promise<Pair> {
  const anchor = await TestAnchor.create('root');
  const near = await new TestProxy('127.0.41.1', 'web').start(anchor);
  const far = await new TestProxy('127.0.41.2', 'app').start(anchor);
  const app = await grpcApp(far.ip, handlers);
  near.routeTo(PATH, meshedEndpoint(far, app.port));
  const client = new GrpcClient(near.outbound);
  return {
    near,
    far,
    app,
    client,
    async [Symbol.asyncDispose]() {
      client.close();
      app.close();
      await near[Symbol.asyncDispose]();
      await far[Symbol.asyncDispose]();
    },
  };
}

const failure = (call: Promise<unknown>): Promise<ServiceError> =>
  call.then(
    () => assert.fail('the call succeeded'),
    (error: unknown) => error as ServiceError,
  );

test('unary calls cross with metadata both ways, also as trailers, and the program learns who asked', async () => {
  await using mesh = await pair({
    unary(call, done) {
      const head = new Metadata();
      head.set('x-client', call.metadata.get('l5d-client-id')[0] ?? '');
      head.set('x-bin-bin', call.metadata.get('x-own-bin')[0] ?? '');
      call.sendMetadata(head);
      const trailers = new Metadata();
      trailers.set('x-cost', '42');
      done(null, Buffer.concat([Buffer.from('echo '), call.request]), trailers);
    },
  });
  const metadata = new Metadata();
  metadata.set('x-own-bin', Buffer.from([0, 1, 255]));
  const answer = await mesh.client.unary('hello', metadata);
  assert.equal(answer.message.toString(), 'echo hello');
  assert.deepEqual(answer.metadata.get('x-client'), [identityName('web')]);
  assert.deepEqual(answer.metadata.get('x-bin-bin'), [Buffer.from([0, 1, 255])]);
  assert.deepEqual(answer.trailers.get('x-cost'), ['42']);
  for (const { metrics } of [mesh.near, mesh.far]) {
    await until(
      'counted',
      () => metrics.sum('response_total', { status_code: '200', grpc_status: '0', classification: 'success' }) === 1,
    );
  }
});

test('an error of the program arrives with its code and message, and counts by its code', async () => {
  await using mesh = await pair({
    unary: (call, done) =>
      done({ code: call.request.toString() === 'lost' ? status.NOT_FOUND : status.INTERNAL, details: 'as asked ✓' }),
  });
  const notFound = await failure(mesh.client.unary('lost'));
  assert.deepEqual([notFound.code, notFound.details], [status.NOT_FOUND, 'as asked ✓']);
  assert.equal((await failure(mesh.client.unary('broken'))).code, status.INTERNAL);
  const { metrics } = mesh.near;
  await until('counted', () => metrics.sum('response_total', { status_code: '200' }) === 2);
  assert.equal(metrics.sum('response_total', { grpc_status: '5', classification: 'success' }), 1);
  assert.equal(metrics.sum('response_total', { grpc_status: '13', classification: 'failure' }), 1);
});

test('a client streams, a server streams, and both at the same time, message by message', async () => {
  await using mesh = await pair({
    upload(call, done) {
      let bytes = 0;
      call.on('data', (message: Buffer) => (bytes += message.length));
      call.on('end', () => done(null, Buffer.from(String(bytes))));
    },
    download(call) {
      for (let at = 0; at < Number(call.request.toString()); at += 1) call.write(Buffer.from(`message ${at}`));
      call.end();
    },
    chat(call) {
      call.on('data', (message: Buffer) => call.write(Buffer.from(`you said ${message.toString()}`)));
      call.on('end', () => call.end());
    },
  });
  const uploaded = Promise.withResolvers<string>();
  const upload = mesh.client.upload((error, answer) =>
    error === null ? uploaded.resolve(String(answer)) : uploaded.reject(error),
  );
  for (let at = 0; at < 100; at += 1) upload.write(Buffer.alloc(1000));
  upload.end();
  assert.equal(await uploaded.promise, '100000');

  const messages: string[] = [];
  const download = mesh.client.download('250');
  download.on('data', (message: Buffer) => messages.push(message.toString()));
  await once(download, 'end');
  assert.deepEqual(
    messages,
    Array.from({ length: 250 }, (_, at) => `message ${at}`),
  );

  const chat = mesh.client.chat();
  const heard: string[] = [];
  chat.on('data', (message: Buffer) => heard.push(message.toString()));
  for (let at = 0; at < 10; at += 1) {
    chat.write(Buffer.from(`word ${at}`));
    // Each answer comes while the call is open.
    await until('answer', () => heard.length === at + 1);
  }
  chat.end();
  await once(chat, 'end');
  assert.equal(heard.at(-1), 'you said word 9');
});

test('messages of 4 MB cross both ways, many at a time', async () => {
  await using mesh = await pair({ unary: (call, done) => done(null, call.request) });
  const message = Buffer.alloc(4 * 1024 * 1024, 'mesh');
  const answers = await Promise.all(Array.from({ length: 4 }, () => mesh.client.unary(message)));
  for (const answer of answers) assert.ok(answer.message.equals(message));
});

test('a deadline ends the call at the client and at the program', async () => {
  let cancelled = 0;
  await using mesh = await pair({
    unary(call) {
      call.on('cancelled', () => (cancelled += 1));
    },
  });
  // Long enough for a slow machine to get the call through.
  assert.equal((await failure(mesh.client.unary('never', new Metadata(), 3000))).code, status.DEADLINE_EXCEEDED);
  await until('the program hears it', () => cancelled === 1);
});

test('a cancelled stream ends at the program, and the connection goes on', async () => {
  let cancelled = 0;
  await using mesh = await pair({
    unary: (call, done) => done(null, call.request),
    chat(call) {
      call.on('data', (message: Buffer) => call.write(message));
      call.on('cancelled', () => (cancelled += 1));
    },
  });
  const chat = mesh.client.chat();
  const ended = Promise.withResolvers<ServiceError>();
  chat.on('error', (error: ServiceError) => ended.resolve(error));
  chat.write(Buffer.from('hello'));
  await once(chat, 'data');
  chat.cancel();
  assert.equal((await ended.promise).code, status.CANCELLED);
  await until('the program hears it', () => cancelled === 1);
  assert.equal((await mesh.client.unary('still there')).message.toString(), 'still there');
  assert.equal(mesh.near.metrics.sum('tcp_open_total', { peer: 'dst' }), 1);
});

test('what the proxies cannot do is told in gRPC’s own form', async () => {
  await using mesh = await pair({ unary: (call, done) => done(null, call.request) });
  mesh.near.routeTo(PATH, meshedEndpoint(mesh.far, await freePort(mesh.far.ip)));
  const refused = await failure(mesh.client.unary('anybody?'));
  assert.equal(refused.code, status.UNAVAILABLE);
  mesh.near.routeTo(PATH);
  const nobody = await failure(mesh.client.unary('anybody?'));
  assert.equal(nobody.code, status.DEADLINE_EXCEEDED);
  assert.match(nobody.details, /fail-fast/);
});

test('a response that breaks in its middle ends in trailers that say so', async () => {
  await using mesh = await pair({
    download(call) {
      call.write(Buffer.from('one'));
    },
  });
  const download = mesh.client.download('');
  const ended = Promise.withResolvers<ServiceError>();
  download.on('error', (error: ServiceError) => ended.resolve(error));
  await once(download, 'data');
  // The program dies: its connections are cut, not closed.
  mesh.app.close();
  const error = await ended.promise;
  assert.equal(error.code, status.UNAVAILABLE);
});
