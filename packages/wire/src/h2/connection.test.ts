import assert from 'node:assert/strict';
import * as http2 from 'node:http2';
import { duplexPair } from 'node:stream';
import type { Duplex } from 'node:stream';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { H2_ERROR, H2_PREFACE } from './codes.ts';
import { H2Connection } from './connection.ts';
import type { H2Handlers } from './handlers.ts';
import { fieldValue } from './message-rules.ts';
import type { H2Stream } from './stream.ts';

type Log = string[];

/** Handlers that write down each event, and answer requests with `answer`. */
function recorder(
  log: Log,
  write: (bytes: Uint8Array) => void,
  answer?: (connection: H2Connection<string>, stream: H2Stream<string>) => void,
): { handlers: H2Handlers<string>; readonly attach: (connection: H2Connection<string>) => void } {
  let owner: H2Connection<string>;
  return {
    attach: (connection) => (owner = connection),
    handlers: {
      write: (_, parts) => write(Buffer.concat(parts)),
      headers(stream, fields, kind, end) {
        log.push(`${kind} ${stream.id} ${fields.join(' ')}${end ? ' end' : ''}`);
        if (end) answer?.(owner, stream);
      },
      data(stream, bytes, end) {
        log.push(`data ${stream.id} ${bytes.length}${end ? ' end' : ''}`);
        owner.consume(stream, bytes.length);
        if (end) answer?.(owner, stream);
      },
      reset: (stream, code, byPeer) => log.push(`reset ${stream.id} ${code} ${byPeer}`),
      writable: () => undefined,
      goaway: (_, last, code) => log.push(`goaway ${last} ${code}`),
      pong: () => log.push('pong'),
      settings: () => undefined,
      failed: (_, code) => log.push(`failed ${code}`),
    },
  };
}

function create(
  role: 'client' | 'server',
  log: Log,
  write: (bytes: Uint8Array) => void,
  answer?: Parameters<typeof recorder>[2],
): H2Connection<string> {
  const recording = recorder(log, write, answer);
  const connection = new H2Connection<string>({ role, initStream: () => 'peer' }, recording.handlers);
  recording.attach(connection);
  return connection;
}

const REQUEST = [':method', 'POST', ':scheme', 'http', ':path', '/a', ':authority', 'x'];

/** Runs client and server against each other, cutting what they send into pieces of `cut` bytes; returns both logs. */
function converse(cut: number): { client: Log; server: Log } {
  const client: Log = [];
  const server: Log = [];
  const toServer: Uint8Array[] = [];
  const toClient: Uint8Array[] = [];
  const a = create('client', client, (bytes) => toServer.push(bytes));
  const b = create(
    'server',
    server,
    (bytes) => toClient.push(bytes),
    (connection, stream) => {
      connection.respond(stream, [':status', '200', 'content-type', 'text/plain'], false);
      connection.send(stream, new Uint8Array(100_000).fill(0x61), false);
      connection.sendTrailers(stream, ['grpc-status', '0']);
    },
  );
  a.start();
  b.start();
  const stream = a.request(REQUEST, 's', false);
  assert.ok(stream);
  a.send(stream, new TextEncoder().encode('hello'), true);
  a.ping();
  const pump = (queue: Uint8Array[], target: H2Connection<string>): void => {
    for (const bytes of queue.splice(0))
      for (let at = 0; at < bytes.length; at += cut) target.receive(bytes.subarray(at, at + cut), 0);
  };
  while (toServer.length + toClient.length > 0) {
    pump(toServer, b);
    pump(toClient, a);
  }
  return { client: joinData(client), server: joinData(server) };
}

/** DATA events may be cut differently, and a PONG overtakes: sums up consecutive data and leaves pongs out. */
function joinData(log: Log): Log {
  const joined: Log = [];
  for (const line of log) {
    const [, head = '', bytes = '', end = ''] = /^(data \d+ )(\d+)(.*)$/.exec(line) ?? [];
    const last = joined.at(-1) ?? '';
    if (head !== '' && last.startsWith(head))
      joined[joined.length - 1] = `${head}${Number(last.slice(head.length)) + Number(bytes)}${end}`;
    else if (line !== 'pong') joined.push(line);
  }
  return joined;
}

test('an exchange with bodies and trailers gives the same events however the bytes are split', () => {
  const whole = converse(1 << 30);
  assert.deepEqual(whole.server, ['head 1 :method POST :scheme http :path /a :authority x', 'data 1 5 end']);
  assert.deepEqual(whole.client, [
    'head 1 :status 200 content-type text/plain',
    'data 1 100000',
    'trailers 1 grpc-status 0 end',
  ]);
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40 }), (cut) => assert.deepEqual(converse(cut), whole)),
    { numRuns: 10 },
  );
});

function plug(connection: H2Connection<string>, side: Duplex): void {
  side.on('data', (bytes: Uint8Array) => connection.receive(bytes, 0));
}

test('it understands a node:http2 server: bodies above the window both ways, trailers, ping', async () => {
  const [near, far] = duplexPair();
  const server = http2.createServer();
  server.on('stream', (stream: http2.ServerHttp2Stream) => {
    let bytes = 0;
    stream.on('data', (chunk: Uint8Array) => (bytes += chunk.length));
    stream.on('end', () => {
      stream.respond({ ':status': 200, 'x-bytes': String(bytes) }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.end(Buffer.alloc(300_000, 0x62));
    });
  });
  server.emit('connection', far);
  const log: Log = [];
  const done = Promise.withResolvers<void>();
  const client = create(
    'client',
    log,
    (bytes) => near.write(bytes),
    () => done.resolve(),
  );
  plug(client, near);
  client.start();
  const stream = client.request(REQUEST, 's', false);
  assert.ok(stream);
  assert.equal(client.send(stream, new Uint8Array(250_000), true), false);
  client.ping();
  await done.promise;
  const joined = joinData(log);
  assert.ok(log.includes('pong'));
  assert.match(joined.find((line) => line.startsWith('head')) ?? '', /x-bytes 250000/);
  assert.ok(joined.includes('data 1 300000'));
  assert.equal(joined.at(-1), 'trailers 1 grpc-status 0 end');
  assert.equal(client.streamCount, 0);
  near.destroy();
  far.destroy();
});

test('it serves a node:http2 client, several streams at once', async () => {
  const [near, far] = duplexPair();
  const log: Log = [];
  const server = create(
    'server',
    log,
    (bytes) => near.write(bytes),
    (connection, stream) => {
      connection.respond(stream, [':status', '200'], false);
      connection.send(stream, new Uint8Array(200_000), true);
    },
  );
  plug(server, near);
  server.start();
  const session = http2.connect('http://x', { createConnection: () => far });
  const sizes = await Promise.all(
    [1, 2, 3].map(
      (n) =>
        new Promise<number>((resolve, reject) => {
          const request = session.request({ ':path': `/${n}` });
          let bytes = 0;
          request.on('data', (chunk: Uint8Array) => (bytes += chunk.length));
          request.on('end', () => resolve(bytes));
          request.on('error', reject);
        }),
    ),
  );
  assert.deepEqual(sizes, [200_000, 200_000, 200_000]);
  session.destroy();
  near.destroy();
});

/** Frame bytes by hand. */
function frame(type: number, flags: number, id: number, payload: readonly number[] = []): Uint8Array {
  const n = payload.length;
  return Uint8Array.of(n >> 16, n >> 8, n, type, flags, id >>> 24, id >>> 16, id >>> 8, id, ...payload);
}
const SETTINGS = frame(4, 0, 0);
const OK_HEAD = frame(1, 4, 1, [0x88]);

function clientWithStream(log: Log): H2Connection<string> {
  const client = create('client', log, () => undefined);
  client.start();
  client.request(REQUEST, 's', true);
  return client;
}

test('violations end the connection with the code that the RFC gives', () => {
  const cases: readonly (readonly [string, readonly Uint8Array[], number])[] = [
    ['a first frame that is not SETTINGS', [OK_HEAD], H2_ERROR.protocol],
    ['DATA on stream 0', [SETTINGS, frame(0, 0, 0)], H2_ERROR.protocol],
    ['DATA on an idle stream', [SETTINGS, frame(0, 0, 5)], H2_ERROR.protocol],
    ['SETTINGS of odd length', [frame(4, 0, 0, [0])], H2_ERROR.frameSize],
    ['SETTINGS on a stream', [frame(4, 0, 1)], H2_ERROR.protocol],
    ['an ACK with payload', [SETTINGS, frame(4, 1, 0, [0, 1, 0, 0, 0, 0])], H2_ERROR.frameSize],
    ['a window above the limit in SETTINGS', [frame(4, 0, 0, [0, 4, 0x80, 0, 0, 0])], H2_ERROR.flowControl],
    ['a frame size below the minimum', [frame(4, 0, 0, [0, 5, 0, 0, 0, 1])], H2_ERROR.protocol],
    ['a short PING', [SETTINGS, frame(6, 0, 0, [1])], H2_ERROR.frameSize],
    ['a window update of 0 on the connection', [SETTINGS, frame(8, 0, 0, [0, 0, 0, 0])], H2_ERROR.protocol],
    ['a window above the limit', [SETTINGS, frame(8, 0, 0, [0x7f, 0xff, 0xff, 0xff])], H2_ERROR.flowControl],
    ['a push promise', [SETTINGS, frame(5, 4, 1, [0, 0, 0, 2])], H2_ERROR.protocol],
    ['CONTINUATION without HEADERS', [SETTINGS, frame(9, 4, 1)], H2_ERROR.protocol],
    [
      'another frame inside a header block',
      [SETTINGS, frame(1, 0, 1, [0x88]), frame(6, 0, 0, Array(8).fill(0))],
      H2_ERROR.protocol,
    ],
    ['an undecodable header block', [SETTINGS, frame(1, 4, 1, [0x80])], H2_ERROR.compression],
    ['padding longer than the frame', [SETTINGS, OK_HEAD, frame(0, 8, 1, [9, 0])], H2_ERROR.protocol],
    ['HEADERS on stream 0', [SETTINGS, frame(1, 4, 0, [0x88])], H2_ERROR.protocol],
    ['a frame above the announced size', [SETTINGS, Uint8Array.of(0xff, 0, 0, 0, 0, 0, 0, 0, 1)], H2_ERROR.frameSize],
  ];
  for (const [name, frames, code] of cases) {
    const log: Log = [];
    const client = clientWithStream(log);
    for (const bytes of frames) client.receive(bytes, 0);
    assert.equal(log.at(-1), `failed ${code}`, name);
    assert.ok(
      log.some((line) => line.startsWith('reset 1')),
      name,
    );
  }
});

test('malformed messages reset only their stream', () => {
  const cases: readonly (readonly [string, readonly Uint8Array[]])[] = [
    ['a response without status', [frame(1, 4, 1, [0x0f, 0x10, 0x01, 0x61])]],
    ['data before the head', [frame(0, 0, 1, [1])]],
    ['trailers without end', [OK_HEAD, frame(1, 4, 1, [0x88])]],
    ['an upper-case name', [frame(1, 4, 1, [0x88, 0x00, 0x01, 0x41, 0x01, 0x61])]],
    ['a body longer than content-length', [frame(1, 4, 1, [0x88, 0x0f, 0x0d, 0x01, 0x31]), frame(0, 0, 1, [1, 2])]],
    ['a window update of 0', [OK_HEAD, frame(8, 0, 1, [0, 0, 0, 0])]],
  ];
  for (const [name, frames] of cases) {
    const log: Log = [];
    const client = clientWithStream(log);
    for (const bytes of [SETTINGS, ...frames]) client.receive(bytes, 0);
    assert.equal(log.at(-1), `reset 1 ${H2_ERROR.protocol} false`, name);
    assert.equal(client.failed, false, name);
  }
});

test('floods of frames that move nothing end the connection', () => {
  for (const flood of [SETTINGS, frame(6, 0, 0, Array(8).fill(0)), frame(0, 0, 1)]) {
    const log: Log = [];
    const client = clientWithStream(log);
    client.receive(SETTINGS, 0);
    client.receive(OK_HEAD, 0);
    for (let n = 0; n < 1100; n += 1) client.receive(flood, 0);
    assert.equal(log.at(-1), `failed ${H2_ERROR.enhanceYourCalm}`);
  }
  const log: Log = [];
  const client = clientWithStream(log);
  client.receive(SETTINGS, 0);
  client.receive(frame(1, 0, 1, [0x88]), 0);
  for (let n = 0; n < 100; n += 1) client.receive(frame(9, 0, 1), 0);
  assert.equal(log.at(-1), `failed ${H2_ERROR.enhanceYourCalm}`);
});

test('GOAWAY refuses the streams that the peer did not process and keeps the others', () => {
  const log: Log = [];
  const client = clientWithStream(log);
  client.request(REQUEST, 's', true);
  client.receive(SETTINGS, 0);
  client.receive(frame(7, 0, 0, [0, 0, 0, 1, 0, 0, 0, 0]), 0);
  assert.deepEqual(log, [`reset 3 ${H2_ERROR.refusedStream} true`, 'goaway 1 0']);
  assert.equal(client.canRequest, false);
  client.receive(frame(1, 5, 1, [0x88]), 0);
  assert.equal(log.at(-1), 'head 1 :status 200 end');
});

test('the limit of concurrent streams is kept', () => {
  const client = clientWithStream([]);
  client.receive(frame(4, 0, 0, [0, 3, 0, 0, 0, 1]), 0);
  assert.equal(client.request(REQUEST, 's', true), undefined);
});

test('informational responses come before the head', () => {
  const log: Log = [];
  const client = clientWithStream(log);
  client.receive(SETTINGS, 0);
  client.receive(frame(1, 4, 1, [0x08, 0x03, 0x31, 0x30, 0x33]), 0);
  client.receive(OK_HEAD, 0);
  assert.deepEqual(log, ['informational 1 :status 103', 'head 1 :status 200']);
});

test('garbage never crashes either role', () => {
  const type = fc.integer({ min: 0, max: 11 });
  const anyFrame = fc
    .tuple(type, fc.integer({ min: 0, max: 255 }), fc.constantFrom(0, 1, 2, 3, 5), fc.uint8Array({ maxLength: 40 }))
    .map(([kind, flags, id, payload]) => frame(kind, flags, id, [...payload]));
  const chunk = fc.oneof(
    { weight: 4, arbitrary: anyFrame },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 60 }) },
  );
  fc.assert(
    fc.property(fc.array(chunk, { maxLength: 30 }), fc.boolean(), (chunks, asServer) => {
      const log: Log = [];
      const target = asServer
        ? create(
            'server',
            log,
            () => undefined,
            (connection, stream) => connection.respond(stream, [':status', '204'], true),
          )
        : clientWithStream(log);
      if (asServer) target.receive(H2_PREFACE, 0);
      target.receive(SETTINGS, 0);
      for (const bytes of chunks) target.receive(bytes, 0);
      target.abort();
      assert.equal(target.streamCount, 0);
      assert.equal(fieldValue([], 'x'), undefined);
    }),
    { numRuns: 1500 },
  );
});

/** `:status 200` and `content-length: 5` as a block. */
const OK_OF_5 = [0x88, 0x0f, 0x0d, 0x01, 0x35];

test('whether an answer may have content follows method and status, as in HTTP/1.1', () => {
  const status = (text: string): number[] => [0x08, 3, ...Buffer.from(text)];
  const cases: readonly (readonly [string, string, readonly Uint8Array[], string])[] = [
    ['HEAD may tell a length', 'HEAD', [frame(1, 5, 1, OK_OF_5)], 'head 1 :status 200 content-length 5 end'],
    [
      'HEAD has no content',
      'HEAD',
      [frame(1, 4, 1, OK_OF_5), frame(0, 1, 1, [1])],
      `reset 1 ${H2_ERROR.protocol} false`,
    ],
    ['GET keeps its promise', 'GET', [frame(1, 5, 1, OK_OF_5)], `reset 1 ${H2_ERROR.protocol} false`],
    [
      '304 may tell a length',
      'GET',
      [frame(1, 5, 1, [...status('304'), 0x0f, 0x0d, 1, 0x35])],
      'head 1 :status 304 content-length 5 end',
    ],
    [
      '204 may not',
      'GET',
      [frame(1, 5, 1, [...status('204'), 0x0f, 0x0d, 1, 0x35])],
      `reset 1 ${H2_ERROR.protocol} false`,
    ],
    [
      '204 has no content',
      'GET',
      [frame(1, 4, 1, status('204')), frame(0, 1, 1, [1])],
      `reset 1 ${H2_ERROR.protocol} false`,
    ],
    ['101 does not exist', 'GET', [frame(1, 4, 1, status('101'))], `reset 1 ${H2_ERROR.protocol} false`],
    ['1xx is not the end', 'GET', [frame(1, 5, 1, status('103'))], `reset 1 ${H2_ERROR.protocol} false`],
    ['600 is no status', 'GET', [frame(1, 5, 1, status('600'))], `reset 1 ${H2_ERROR.protocol} false`],
    ['a tunnel has no length', 'CONNECT', [frame(1, 4, 1, OK_OF_5), frame(0, 0, 1, [1, 2, 3, 4, 5, 6])], 'data 1 6'],
    [
      'trailers come once the body is whole',
      'GET',
      [frame(1, 4, 1, OK_OF_5), frame(1, 5, 1, [0, 1, 0x78, 1, 0x31])],
      `reset 1 ${H2_ERROR.protocol} false`,
    ],
  ];
  for (const [name, method, frames, expected] of cases) {
    const log: Log = [];
    const client = create('client', log, () => undefined);
    client.start();
    const target = method === 'CONNECT' ? [':authority', 'a:1'] : [':scheme', 'http', ':path', '/'];
    client.request([':method', method, ...target], 's', true);
    for (const bytes of [SETTINGS, ...frames]) client.receive(bytes, 0);
    assert.equal(log.at(-1), expected, name);
  }
});

test('a server may not allow pushes, and a second GOAWAY may not name a later stream', () => {
  const push: Log = [];
  clientWithStream(push).receive(frame(4, 0, 0, [0, 2, 0, 0, 0, 1]), 0);
  assert.equal(push.at(-1), `failed ${H2_ERROR.protocol}`);
  const twice: Log = [];
  const client = clientWithStream(twice);
  for (const last of [0x7f, 1, 3])
    client.receive(Buffer.concat([SETTINGS, frame(7, 0, 0, [0, 0, 0, last, 0, 0, 0, 0])]), 0);
  assert.deepEqual(twice.slice(0, 2), ['goaway 127 0', 'goaway 1 0']);
  assert.equal(twice.at(-1), `failed ${H2_ERROR.protocol}`);
});

test('what is corked leaves in one write', () => {
  const writes: Uint8Array[] = [];
  const client = create('client', [], (bytes) => writes.push(bytes));
  client.start();
  client.receive(SETTINGS, 0);
  writes.length = 0;
  client.cork();
  for (let n = 0; n < 5; n += 1) client.request(REQUEST, 's', true);
  assert.equal(writes.length, 0);
  client.uncork();
  assert.equal(writes.length, 1);
});

test('headers that are longer than a frame go in several, and large bodies between small ones stay in order', () => {
  const log: Log = [];
  const server = create('server', log, () => undefined);
  server.start();
  const client = create('client', [], (bytes) => server.receive(bytes, 0));
  client.start();
  const value = 'v'.repeat(20_000);
  const stream = client.request([...REQUEST, 'x', value], 's', false);
  assert.ok(stream);
  client.cork();
  client.send(stream, new Uint8Array(10), false);
  client.send(stream, new Uint8Array(16_000), false);
  client.send(stream, new Uint8Array(10), true);
  client.uncork();
  assert.equal(log[0], `head 1 ${REQUEST.join(' ')} x ${value}`);
  assert.deepEqual(log.slice(1), ['data 1 10', 'data 1 16000', 'data 1 10 end']);
});
