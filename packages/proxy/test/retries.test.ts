/** What routes ask for: other tries, and time limits. */
import assert from 'node:assert/strict';
import type { RequestListener } from 'node:http';
import { test } from 'node:test';
import { endpoint, endpointSet } from '../src/testing/fakes.ts';
import { GrpcClient, grpcApp, status } from './grpc-harness.ts';
import type { GrpcApp } from './grpc-harness.ts';
import { ask, httpApp, RawClient, TestAnchor, TestProxy, until } from './harness.ts';
import { h2App, H2Client } from './http2-harness.ts';
import { policyWith, ROUTED_PATH as PATH } from './rules-harness.ts';
import type { Rules } from './rules-harness.ts';

const IPS = ['127.0.46.2', '127.0.46.3'] as const;
const DEADLINE_MS = 60_000;

interface Shop extends AsyncDisposable {
  readonly proxy: TestProxy;
  /** Requests that each program saw. */
  readonly hits: readonly number[];
  count(name: string, labels?: Record<string, string>): number;
}

/** A proxy in front of one program per handler. */
async function shop(rules: Rules, ...handlers: readonly RequestListener[]): Promise<Shop> {
  const proxy = await new TestProxy('127.0.46.1', 'web').start(await TestAnchor.create('root'));
  const hits = handlers.map(() => 0);
  const apps = await Promise.all(
    handlers.map((handler, index) =>
      httpApp(IPS[index] ?? assert.fail(), (req, res) => {
        hits[index] = (hits[index] ?? 0) + 1;
        handler(req, res);
      }),
    ),
  );
  proxy.discovery.resolve(proxy.destination).set(policyWith(rules));
  proxy.endpoints
    .watch(PATH)
    .set(endpointSet(...apps.map((app, index) => endpoint({ ip: IPS[index] ?? '', port: app.port }))));
  return {
    proxy,
    hits,
    count: (name, labels) => proxy.metrics.sum(name, labels),
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]();
      for (const app of apps) await app.close();
    },
  };
}

const answers =
  (code: number, body = ''): RequestListener =>
  (_req, res) =>
    void res.writeHead(code).end(body);
const hangs: RequestListener = () => undefined;
const hangsUp: RequestListener = (_req, res) => void res.destroy();

test('a status of the policy is asked for again, at another endpoint, and the client sees only the success', async () => {
  await using there = await shop({ retry: {} }, answers(503), answers(200, 'fine'));
  for (let request = 0; request < 20; request += 1) {
    const answer = await ask(there.proxy.outbound);
    assert.deepEqual([answer.status, answer.body], [200, 'fine']);
  }
  const [bad = 0, good = 0] = there.hits;
  assert.equal(good, 20);
  assert.ok(bad > 0, 'the failing one was asked, too');
  assert.equal(there.count('outbound_http_route_retry_requests_total'), bad);
  assert.equal(there.count('outbound_http_route_retry_successes_total'), bad);
  assert.equal(there.count('outbound_http_route_backend_requests_total'), 20 + bad);
  assert.equal(there.count('outbound_http_route_request_statuses_total', { http_status: '200', error: '' }), 20);
  assert.equal(there.count('outbound_http_route_backend_response_statuses_total', { http_status: '503' }), bad);
});

test('after the last retry the answer stands', async () => {
  await using there = await shop({ retry: {} }, answers(503, 'sorry'));
  const answer = await ask(there.proxy.outbound);
  assert.deepEqual([answer.status, answer.body], [503, 'sorry']);
  assert.deepEqual(there.hits, [3]);
  assert.equal(there.count('outbound_http_route_retry_limit_exceeded_total'), 1);
  assert.equal(there.count('outbound_http_route_retry_successes_total'), 0);
});

test('other statuses stand, and nothing is sent again without a policy', async () => {
  await using picky = await shop({ retry: {} }, answers(500));
  assert.equal((await ask(picky.proxy.outbound)).status, 500);
  assert.deepEqual(picky.hits, [1]);
  await using plain = await shop({}, answers(503));
  assert.equal((await ask(plain.proxy.outbound)).status, 503);
  assert.deepEqual(plain.hits, [1]);
});

test('a request with a body is sent again with all of it, whatever its method', async () => {
  const echo: RequestListener = (req, res) => void req.pipe(res);
  await using there = await shop({ retry: {} }, answers(503), echo);
  for (let request = 0; request < 10; request += 1) {
    const answer = await ask(there.proxy.outbound, { method: 'POST', body: `order ${request}` });
    assert.deepEqual([answer.status, answer.body], [200, `order ${request}`]);
  }
});

test('a body that comes in pieces is sent again with all of them', async () => {
  let tries = 0;
  const fussy: RequestListener = (req, res) => {
    tries += 1;
    if (tries < 3) req.resume().on('end', () => res.writeHead(503).end());
    else req.pipe(res);
  };
  await using there = await shop({ retry: {} }, fussy);
  const client = new RawClient(there.proxy.outbound);
  client.socket.setNoDelay(true);
  client.socket.write('POST / HTTP/1.1\r\nhost: app.test\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n');
  for (const piece of ['5\r\nfirst\r', '\n6\r\nsecond\r\n', '0\r\n\r\n']) {
    const written = client.socket.bytesWritten;
    await until('the proxy has read what was sent', () => there.count('tcp_read_bytes_total') >= written);
    client.socket.write(piece);
  }
  await until('the end', () => client.ended, DEADLINE_MS);
  assert.match(client.text, /^HTTP\/1\.1 200 /);
  assert.match(client.text.replaceAll(/\r\n[0-9a-f]+\r\n/g, ''), /firstsecond/);
  assert.equal(tries, 3);
});

test('a body that is too long to be kept is sent once, over both versions of HTTP', async () => {
  const drains: RequestListener = (req, res) => {
    req.resume();
    req.on('end', () => res.writeHead(503).end());
  };
  const body = Buffer.alloc(1_000_000);
  await using there = await shop({ retry: {} }, drains);
  assert.equal((await ask(there.proxy.outbound, { method: 'POST', body })).status, 503);
  assert.deepEqual(there.hits, [1]);
  let streams = 0;
  const app = await h2App(IPS[0], (stream) => {
    streams += 1;
    stream.resume();
    stream.on('end', () => stream.respond({ ':status': 503 }, { endStream: true }));
  });
  there.proxy.endpoints.watch(PATH).set(endpointSet(endpoint({ ip: IPS[0], port: app.port })));
  const client = new H2Client(there.proxy.outbound);
  assert.equal((await client.ask({ ':method': 'POST' }, body)).headers[':status'], 503);
  assert.equal(streams, 1);
  assert.equal((await client.ask({ ':method': 'POST' }, body.subarray(0, 60_000))).headers[':status'], 503);
  assert.equal(streams, 1 + 3);
  client.close();
  await app.close();
});

test('a try that takes too long is left for another endpoint', async () => {
  await using there = await shop({ retry: { tryTimeoutMs: 100 } }, hangs, answers(200));
  await Promise.all(
    Array.from({ length: 10 }, async () => assert.equal((await ask(there.proxy.outbound)).status, 200)),
  );
  assert.ok((there.hits[0] ?? 0) > 0);
});

test('when every try takes too long the client is told, and its connection goes on', async () => {
  await using there = await shop({ retry: { tryTimeoutMs: 20, maxRetries: 1 } }, hangs);
  const client = new RawClient(there.proxy.outbound);
  client.socket.write('GET / HTTP/1.1\r\nhost: app.test\r\n\r\n');
  await until('the answer', () => client.text.includes('\r\n\r\n'), DEADLINE_MS);
  assert.match(client.text, /^HTTP\/1\.1 504 [^]*l5d-proxy-error: response headers timed out\r\n/);
  assert.doesNotMatch(client.text, /connection: close/);
  assert.deepEqual(there.hits, [2]);
  client.socket.destroy();
});

test('a connection that breaks counts as the 502 that it would become', async () => {
  await using there = await shop({ retry: {} }, hangsUp, answers(200));
  for (let request = 0; request < 10; request += 1)
    assert.equal((await ask(there.proxy.outbound, { method: 'POST', body: 'x' })).status, 200);
  await using without = await shop({ retry: { statusRanges: [{ start: 503, end: 503 }] } }, hangsUp);
  assert.equal((await ask(without.proxy.outbound, { method: 'POST', body: 'x' })).status, 502);
  assert.deepEqual(without.hits, [1]);
});

test('a client that leaves during the pause takes its retry along', async () => {
  await using there = await shop({ retry: { backoff: { minMs: 200, maxMs: 200, jitterRatio: 0 } } });
  const client = new H2Client(there.proxy.outbound);
  const app = await h2App(IPS[1], (stream) => stream.respond({ ':status': 503 }, { endStream: true }));
  let streams = 0;
  app.server.on('stream', () => (streams += 1));
  there.proxy.endpoints.watch(PATH).set(endpointSet(endpoint({ ip: IPS[1], port: app.port })));
  const gone = client.request();
  gone.on('error', () => undefined);
  await until('the decision', () => there.count('outbound_http_route_retry_requests_total') === 1, DEADLINE_MS);
  gone.close(8);
  // Another request that pauses as long ends later.
  assert.equal((await client.ask()).headers[':status'], 503);
  assert.equal(streams, 1 + 3);
  client.close();
  await app.close();
});

test('the limit of the whole request holds through all tries', async () => {
  await using there = await shop(
    { retry: { maxRetries: 1000, backoff: { minMs: 50, maxMs: 50, jitterRatio: 0 } }, timeouts: { requestMs: 300 } },
    answers(503),
  );
  const answer = await ask(there.proxy.outbound);
  assert.equal(answer.status, 504);
  assert.equal(answer.headers['l5d-proxy-error'], 'request timed out');
  assert.ok((there.hits[0] ?? 0) > 1);
});

test('a response must be complete in time after its request, and one that has begun is broken off', async () => {
  await using late = await shop({ timeouts: { responseMs: 100 } }, hangs);
  const answer = await ask(late.proxy.outbound);
  assert.deepEqual([answer.status, answer.headers['l5d-proxy-error']], [504, 'response timed out']);
  const drips: RequestListener = (_req, res) => {
    res.writeHead(200);
    const timer = setInterval(() => res.write('x'), 10);
    res.on('close', () => clearInterval(timer));
  };
  await using endless = await shop({ timeouts: { responseMs: 200 } }, drips);
  await assert.rejects(ask(endless.proxy.outbound));
});

test('a slow upload is no late response, and a stream that moves is not idle', async () => {
  const reads: RequestListener = (req, res) => {
    req.resume();
    req.on('end', () => res.end('done'));
  };
  await using there = await shop({ timeouts: { responseMs: 1500, idleMs: 1500 } }, reads);
  const client = new RawClient(there.proxy.outbound);
  client.socket.write('POST / HTTP/1.1\r\nhost: app.test\r\ncontent-length: 8\r\n\r\n');
  for (let sent = 0; sent < 8; sent += 1) {
    // A slow client is what this is about: the upload takes longer than the limits, each pause less.
    await new Promise((resolve) => setTimeout(resolve, 250));
    client.socket.write('x');
  }
  await until('the answer', () => client.text.endsWith('done'), DEADLINE_MS);
  assert.match(client.text, /^HTTP\/1\.1 200 /);
  client.socket.destroy();
});

test('a stream in which nothing moves ends: with 504 before the head, broken off after it', async () => {
  await using silent = await shop({ timeouts: { idleMs: 100 } }, hangs);
  const answer = await ask(silent.proxy.outbound);
  assert.deepEqual([answer.status, answer.headers['l5d-proxy-error']], [504, 'stream was idle for too long']);
  await using stuck = await shop({ timeouts: { idleMs: 100 } }, (_req, res) => void res.writeHead(200).write('x'));
  await assert.rejects(ask(stuck.proxy.outbound));
});

test('streams of HTTP/2 have the same rules', async () => {
  await using there = await shop({ retry: { tryTimeoutMs: 500 }, timeouts: { requestMs: 1500 } });
  let streams = 0;
  const app = await h2App(IPS[0], (stream) => {
    streams += 1;
    if (streams < 3) stream.respond({ ':status': 503 }, { endStream: true });
    else if (streams === 3) stream.respond({ ':status': 200 }, { endStream: true });
  });
  there.proxy.endpoints.watch(PATH).set(endpointSet(endpoint({ ip: IPS[0], port: app.port })));
  const client = new H2Client(there.proxy.outbound);
  assert.equal((await client.ask({ ':method': 'POST' }, 'body')).headers[':status'], 200);
  assert.equal(streams, 3);
  const late = await client.ask();
  assert.equal(late.headers[':status'], 504);
  assert.match(String(late.headers['l5d-proxy-error']), /timed out/);
  client.close();
  await app.close();
});

test('gRPC routes retry by the status of the call, and say so in gRPC’s words', async () => {
  const proxy = await new TestProxy('127.0.46.1', 'web').start(await TestAnchor.create('root'));
  let calls = 0;
  const app: GrpcApp = await grpcApp(IPS[0], {
    unary(call, done) {
      calls += 1;
      if (call.request.toString() === 'busy' || calls === 1) done({ code: status.UNAVAILABLE, details: 'not yet' });
      else if (call.request.toString() === 'wrong') done({ code: status.INVALID_ARGUMENT, details: 'never' });
      else done(null, call.request);
    },
  });
  proxy.discovery
    .resolve(proxy.destination)
    .set(policyWith({ retry: { statusRanges: [], grpcCodes: new Set([14]), maxRetries: 2 } }, 'grpc'));
  proxy.endpoints.watch(PATH).set(endpointSet(endpoint({ ip: IPS[0], port: app.port })));
  const client = new GrpcClient(proxy.outbound);
  assert.equal((await client.unary('hello')).message.toString(), 'hello');
  assert.equal(calls, 2);
  assert.equal(proxy.metrics.sum('outbound_grpc_route_retry_successes_total'), 1);
  await assert.rejects(client.unary('wrong'), { code: status.INVALID_ARGUMENT });
  assert.equal(calls, 3, 'other codes stand');
  await assert.rejects(client.unary('busy'), { code: status.UNAVAILABLE, details: 'not yet' });
  assert.equal(calls, 6);
  assert.equal(proxy.metrics.sum('outbound_grpc_route_retry_limit_exceeded_total'), 1);
  assert.equal(proxy.metrics.sum('outbound_grpc_route_request_statuses_total', { grpc_status: '14' }), 1);
  client.close();
  app.close();
  await proxy[Symbol.asyncDispose]();
});

test('a stream that the server refuses is sent again: nothing of it was processed', async () => {
  await using there = await shop({ retry: {} });
  let streams = 0;
  const app = await h2App(IPS[0], (stream) => {
    streams += 1;
    // REFUSED_STREAM.
    if (streams < 3) stream.close(7);
    else stream.respond({ ':status': 200 }, { endStream: true });
  });
  there.proxy.endpoints.watch(PATH).set(endpointSet(endpoint({ ip: IPS[0], port: app.port })));
  const client = new H2Client(there.proxy.outbound);
  assert.equal((await client.ask({ ':method': 'POST' }, 'body')).headers[':status'], 200);
  assert.equal(streams, 3);
  client.close();
  await app.close();
});

test('whatever servers do, each request has one answer, and each try is counted once', async () => {
  let seed = 42;
  const next = (below: number): number => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
  const moody: RequestListener = (req, res) => {
    const mood = next(8);
    req.on('error', () => undefined);
    if (mood === 0) res.destroy();
    else if (mood === 1) res.writeHead(503).end('busy');
    else if (mood === 2) req.resume();
    else if (mood === 3) req.resume().on('end', () => res.writeHead(504).end());
    else if (mood === 4) res.writeHead(200, { 'content-length': 10 }).write('short', () => res.destroy());
    else req.pipe(res);
  };
  const rules = { retry: { tryTimeoutMs: 400, maxRetries: 3 }, timeouts: { requestMs: 20_000 } };
  await using there = await shop(rules, moody, moody);
  const answered: string[] = [];
  const REQUESTS = 100;
  const one = async (index: number): Promise<void> => {
    const body = Buffer.alloc(next(3) === 0 ? 100_000 : next(2000), String(index % 10));
    try {
      const answer = await ask(there.proxy.outbound, { method: next(2) === 0 ? 'POST' : 'PUT', body });
      if (answer.status === 200) assert.equal(answer.body, body.toString());
      answered.push(String(answer.status));
    } catch {
      answered.push('broken off');
    }
  };
  for (let batch = 0; batch < REQUESTS; batch += 20)
    await Promise.all(Array.from({ length: 20 }, (_, index) => one(batch + index)));
  assert.equal(answered.length, REQUESTS);
  assert.ok(answered.filter((status) => status === '200').length > REQUESTS / 4, answered.join(' '));
  const finished = (): number => there.count('outbound_http_route_request_statuses_total');
  await until('all requests to be counted', () => finished() === REQUESTS, DEADLINE_MS);
  const tries = there.count('outbound_http_route_backend_requests_total');
  assert.equal(tries, there.count('outbound_http_balancer_queue_requests_total'));
  assert.ok(there.count('outbound_http_route_backend_response_statuses_total') <= tries);
  const retried = there.count('outbound_http_route_retry_requests_total');
  assert.ok(retried > 0 && tries >= REQUESTS + retried, `${tries} tries, ${retried} retries`);
});
