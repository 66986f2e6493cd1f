/** Calls that fail after the head of their answer was sent: their status comes in trailers. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { ServerHttp2Stream } from 'node:http2';
import { test } from 'node:test';
import type { RetryPolicy } from '@mesh/model';
import { H2_ERROR, H2Connection } from '@mesh/wire';
import type { H2Stream } from '@mesh/wire';
import { endpoint, endpointSet } from '../src/testing/fakes.ts';
import { tcpApp, TestAnchor, TestProxy, until } from './harness.ts';
import { answerOf, h2App, H2Client } from './http2-harness.ts';
import { policyWith, ROUTED_PATH } from './rules-harness.ts';

const IP = '127.0.48.2';
const DEADLINE_MS = 60_000;
const HEAD = { ':status': 200, 'content-type': 'application/grpc' };
const CALL = { ':method': 'POST', 'content-type': 'application/grpc' };
const UNAVAILABLE = '14';

interface Program extends AsyncDisposable {
  readonly proxy: TestProxy;
  readonly client: H2Client;
  /** Calls that it saw. */
  calls(): number;
}

/** @param answer To the nth call, from 1 on, once all of it came or, with `early`, at its head. */
async function program(
  answer: (stream: ServerHttp2Stream, call: number) => void,
  retry: Partial<RetryPolicy> = {},
  early = false,
): Promise<Program> {
  const proxy = await new TestProxy('127.0.48.1', 'web').start(await TestAnchor.create('root'));
  let calls = 0;
  const app = await h2App(IP, (stream) => {
    calls += 1;
    const call = calls;
    stream.resume();
    if (early) answer(stream, call);
    else stream.once('end', () => answer(stream, call));
  });
  proxy.discovery
    .resolve(proxy.destination)
    .set(policyWith({ retry: { statusRanges: [], grpcCodes: new Set([14]), ...retry } }, 'grpc'));
  proxy.endpoints.watch(ROUTED_PATH).set(endpointSet(endpoint({ ip: IP, port: app.port })));
  const client = new H2Client(proxy.outbound);
  return {
    proxy,
    client,
    calls: () => calls,
    async [Symbol.asyncDispose]() {
      client.close();
      await app.close();
      await proxy[Symbol.asyncDispose]();
    },
  };
}

/** Head, messages, trailers. */
function answerWith(stream: ServerHttp2Stream, status: string, ...messages: readonly string[]): void {
  stream.respond(HEAD, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': status }));
  for (const message of messages) stream.write(message);
  stream.end();
}

test('a call that fails behind its head is sent again, and the client sees only the success', async () => {
  await using there = await program((stream, call) =>
    call < 3 ? answerWith(stream, UNAVAILABLE) : answerWith(stream, '0', 'message'),
  );
  const answer = await there.client.ask(CALL, 'question');
  assert.equal(answer.trailers['grpc-status'], '0');
  assert.equal(answer.body.toString(), 'message');
  assert.equal(there.calls(), 3);
  const count = (name: string): number => there.proxy.metrics.sum(name);
  assert.equal(count('outbound_grpc_route_retry_requests_total'), 2);
  assert.equal(count('outbound_grpc_route_retry_successes_total'), 1);
  assert.equal(count('outbound_grpc_route_request_statuses_total'), 1);
});

test('a call that fails behind its head without a message is sent again, too, as often as the policy says', async () => {
  await using there = await program((stream) => answerWith(stream, UNAVAILABLE));
  const answer = await there.client.ask(CALL, 'question');
  assert.equal(answer.trailers['grpc-status'], UNAVAILABLE);
  assert.equal(there.calls(), 3);
  assert.equal(there.proxy.metrics.sum('outbound_grpc_route_retry_limit_exceeded_total'), 0, 'the last was not held');
});

/** A server whose writes are ours to divide. @param answer To the nth call, from 1 on. */
function rawApp(
  answer: (server: H2Connection<null>, stream: H2Stream<null>, call: number) => void,
): ReturnType<typeof tcpApp> {
  let calls = 0;
  return tcpApp(IP, (socket) => {
    const server = new H2Connection<null>(
      { role: 'server', initStream: () => null },
      {
        write: (_, parts) => void socket.write(Buffer.concat(parts)),
        headers(stream) {
          calls += 1;
          answer(server, stream, calls);
        },
        data() {},
        reset() {},
        writable() {},
        goaway() {},
        pong() {},
        settings() {},
        failed: () => void socket.destroy(),
      },
    );
    server.start();
    socket.on('data', (bytes: Buffer) => server.receive(bytes, 0));
  });
}

/** Head, message and trailers in one write. */
function answerAtOnce(server: H2Connection<null>, stream: H2Stream<null>, status: string): void {
  server.cork();
  server.respond(stream, [':status', '200', 'content-type', 'application/grpc'], false);
  server.send(stream, Buffer.from('message'), false);
  server.sendTrailers(stream, ['grpc-status', status]);
  server.uncork();
}

test('a message with the trailers right behind it does not keep a call from being sent again', async () => {
  await using there = await program(() => assert.fail('the other one is asked'));
  let calls = 0;
  const app = await rawApp((server, stream, call) => {
    calls = call;
    answerAtOnce(server, stream, call < 3 ? UNAVAILABLE : '0');
  });
  there.proxy.endpoints.watch(ROUTED_PATH).set(endpointSet(endpoint({ ip: IP, port: app.port })));
  const answer = await there.client.ask(CALL);
  assert.deepEqual([answer.trailers['grpc-status'], answer.body.toString(), calls], ['0', 'message', 3]);
  app.close();
});

test('other codes stand, and come through whole', async () => {
  await using there = await program((stream) => answerWith(stream, '5', 'one', 'two'));
  const answer = await there.client.ask(CALL, 'question');
  assert.deepEqual([answer.trailers['grpc-status'], answer.body.toString()], ['5', 'onetwo']);
  assert.equal(there.calls(), 1);
});

test('a stream that takes its time gets its head after a moment and its first message at once', async () => {
  const streams: ServerHttp2Stream[] = [];
  await using there = await program((stream) => {
    stream.respond(HEAD, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': UNAVAILABLE }));
    streams.push(stream);
  });
  const call = there.client.request(CALL);
  const whole = answerOf(call);
  await once(call, 'response');
  assert.equal(streams.length, 1, 'the head comes while the server says nothing more');
  streams[0]?.write('first');
  const [chunk] = (await once(call, 'data')) as [Buffer];
  assert.equal(chunk.toString(), 'first');
  streams[0]?.end();
  assert.equal((await whole).trailers['grpc-status'], UNAVAILABLE);
  assert.equal(there.calls(), 1, 'what was begun is not sent again');
});

test('a client that still sends gets the head at once: it may be waiting for it', async () => {
  await using there = await program((stream) => stream.respond(HEAD), {}, true);
  const call = there.client.request(CALL, false);
  const startedAt = performance.now();
  await once(call, 'response');
  // Not exact on a slow machine: what is measured is that nobody waited for a message that never comes.
  assert.ok(performance.now() - startedAt < DEADLINE_MS);
  call.close();
});

test('a head that was held and whose stream is refused is an answer that never came', async () => {
  await using there = await program(() => assert.fail('the other one is asked'));
  const app = await rawApp((server, stream, call) => {
    if (call > 1) return answerAtOnce(server, stream, '0');
    server.respond(stream, [':status', '200', 'content-type', 'application/grpc'], false);
    setImmediate(() => server.reset(stream, H2_ERROR.refusedStream));
  });
  there.proxy.endpoints.watch(ROUTED_PATH).set(endpointSet(endpoint({ ip: IP, port: app.port })));
  const answer = await there.client.ask(CALL);
  assert.deepEqual([answer.trailers['grpc-status'], answer.body.toString()], ['0', 'message']);
  app.close();
});

test('a client that leaves while the head is held takes the call along', async () => {
  const closed: number[] = [];
  await using there = await program((stream) => {
    stream.respond(HEAD);
    stream.on('close', () => closed.push(stream.rstCode));
  });
  const call = there.client.request(CALL);
  call.on('error', () => undefined);
  await until('the program has it', () => there.calls() === 1, DEADLINE_MS);
  call.close(8);
  await until('the program hears of it', () => closed.length === 1, DEADLINE_MS);
  assert.deepEqual(closed, [8]);
});

test('the policy says how long a body may be that is sent again', async () => {
  const refuse = (stream: ServerHttp2Stream): void =>
    stream.respond({ ...HEAD, 'grpc-status': UNAVAILABLE }, { endStream: true });
  for (const { bytes, maxRequestBytes, calls } of [
    { bytes: 150_000, maxRequestBytes: 200_000, calls: 3 },
    { bytes: 150_000, maxRequestBytes: 100_000, calls: 1 },
    { bytes: 2000, maxRequestBytes: 1000, calls: 1 },
    { bytes: 1000, maxRequestBytes: 1000, calls: 3 },
  ]) {
    await using there = await program(refuse, { maxRequestBytes });
    await there.client.ask(CALL, Buffer.alloc(bytes));
    assert.equal(there.calls(), calls, `${bytes} of ${maxRequestBytes}`);
  }
});
