import assert from 'node:assert/strict';
import { createServer as createHttp1 } from 'node:http';
import { createServer as createHttp2 } from 'node:http2';
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import type { AddressInfo, Server } from 'node:net';
import { test } from 'node:test';
import { grpcMessage } from '../lib/protocols.ts';
import type { Client, Outcomes } from './client.ts';
import { Http1Client } from './http1-client.ts';
import { Http2Client } from './http2-client.ts';

const HOST = '127.0.0.1';
const SMALL = Buffer.alloc(100, 'x');

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, HOST, resolve));
  return (server.address() as AddressInfo).port;
}

/** What became of `count` requests. */
async function outcomesOf(make: (outcomes: Outcomes) => Client, count: number): Promise<string[]> {
  const results: string[] = Array.from({ length: count }, () => '');
  const done = Promise.withResolvers<void>();
  let left = count;
  const finish = (index: number, what: string): void => {
    results[index] = what;
    left -= 1;
    if (left === 0) done.resolve();
  };
  const client = make({ answered: (index) => finish(index, 'answered'), failed: finish });
  await client.open();
  for (let index = 0; index < count; index += 1) client.send(index);
  await done.promise;
  client.close();
  return results;
}

test('more requests of HTTP/1.1 than connections are all answered, in turn', async (t) => {
  const server = createHttp1((_request, response) => response.end(SMALL));
  const port = await listening(server);
  t.after(() => server.close());
  const target = { host: HOST, port, protocol: 'http1', body: 'small', connections: 3 } as const;
  const results = await outcomesOf((outcomes) => new Http1Client(target, outcomes), 50);
  assert.deepEqual(new Set(results), new Set(['answered']));
});

test('an answer of HTTP/1.1 that is not the expected one fails with what it was, and the next request gets a new connection', async (t) => {
  let count = 0;
  const server = createHttp1((_request, response) => {
    count += 1;
    if (count === 1) response.writeHead(503).end();
    else response.end(count === 2 ? 'short' : SMALL);
  });
  const port = await listening(server);
  t.after(() => server.close());
  const target = { host: HOST, port, protocol: 'http1', body: 'small', connections: 1 } as const;
  const results = await outcomesOf((outcomes) => new Http1Client(target, outcomes), 3);
  assert.deepEqual(results, [
    'the answer was HTTP/1.1 503 Service Unavailable',
    "the answer's body has 5 bytes, not 100",
    'answered',
  ]);
});

test('more requests of HTTP/2 than the peer takes at a time are all answered', async (t) => {
  const server = createHttp2({ settings: { maxConcurrentStreams: 2 } }, (_request, response) => response.end(SMALL));
  const port = await listening(server);
  t.after(() => server.close());
  const target = { host: HOST, port, protocol: 'http2', body: 'small', connections: 2 } as const;
  const results = await outcomesOf((outcomes) => new Http2Client(target, outcomes), 40);
  assert.deepEqual(new Set(results), new Set(['answered']));
});

test('gRPC calls carry their message, and a status in place of one fails', async (t) => {
  const bodies: string[] = [];
  const server = createHttp2();
  server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () => {
      bodies.push(`${headers['content-type']} ${headers[':path']} ${Buffer.concat(chunks).length}`);
      if (bodies.length === 2) {
        stream.respond({ ':status': 200, 'grpc-status': '14' }, { endStream: true });
        return;
      }
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.end(grpcMessage(100));
    });
  });
  const port = await listening(server);
  t.after(() => server.close());
  const target = { host: HOST, port, protocol: 'grpc', body: 'small', connections: 1 } as const;
  const results = await outcomesOf((outcomes) => new Http2Client(target, outcomes), 3);
  assert.deepEqual(results.toSorted(), ['answered', 'answered', "the answer's body had 0 bytes, not 105"]);
  assert.equal(bodies[0], 'application/grpc /shop.Catalog/Get.grpc 23');
});

test('requests above the last that a GOAWAY names are sent anew, on another connection', async (t) => {
  let sessions = 0;
  const server = createHttp2((_request, response) => response.end(SMALL));
  server.on('session', (session) => {
    sessions += 1;
    if (sessions === 1) session.goaway(0, 0);
  });
  const port = await listening(server);
  t.after(() => server.close());
  const target = { host: HOST, port, protocol: 'http2', body: 'small', connections: 1 } as const;
  const results = await outcomesOf((outcomes) => new Http2Client(target, outcomes), 3);
  assert.deepEqual(new Set(results), new Set(['answered']));
  assert.ok(sessions > 1);
});
