import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { ServerHttp2Stream } from 'node:http2';
import { test } from 'node:test';
import { meshedEndpoint, TestAnchor, TestProxy, until } from './harness.ts';
import { h2App, H2Client } from './http2-harness.ts';

const PATH = 'app.ns.svc.cluster.local:80';
const BODY_BYTES = 100 * 1024 * 1024;
const CHUNK = Buffer.alloc(64 * 1024, 'x');
/** Three connections with a stream window each, what node:http2 queues at both ends, and the kernel's buffers. */
const HELD_BYTES_MAX = 8 * 1024 * 1024;

/** Writes as fast as it is let; returns how much that is so far. */
function pour(stream: ServerHttp2Stream | ReturnType<H2Client['request']>, bytes: number): { sent: number } {
  const state = { sent: 0 };
  const go = (): void => {
    while (state.sent < bytes) {
      state.sent += CHUNK.length;
      if (!stream.write(CHUNK)) {
        stream.once('drain', go);
        return;
      }
    }
    stream.end();
  };
  go();
  return state;
}

/** Nothing moves any more. */
async function stalled(state: { sent: number }): Promise<void> {
  let before = -1;
  let same = 0;
  await until('the writer is stopped', () => {
    same = state.sent === before ? same + 1 : 0;
    before = state.sent;
    // `until` looks again every few milliseconds.
    return state.sent > 0 && same > 50;
  });
}

function memory(): number {
  const { external, arrayBuffers, heapUsed } = process.memoryUsage();
  return external + arrayBuffers + heapUsed;
}

test('a client that does not read stops the server, not the memory; others on the same connections go on', async () => {
  const anchor = await TestAnchor.create('root');
  await using near = await new TestProxy('127.0.43.1', 'web').start(anchor);
  await using far = await new TestProxy('127.0.43.2', 'app').start(anchor);
  let poured = { sent: 0 };
  const app = await h2App(far.ip, (stream, headers) => {
    stream.respond({ ':status': 200 });
    if (headers[':path'] === '/large') poured = pour(stream, BODY_BYTES);
    else stream.end('small');
  });
  near.routeTo(PATH, meshedEndpoint(far, app.port));
  const slow = new H2Client(near.outbound);
  const other = new H2Client(near.outbound);
  const before = memory();
  const large = slow.request({ ':path': '/large' });
  await once(large, 'response');
  await stalled(poured);
  assert.ok(poured.sent < HELD_BYTES_MAX, `${poured.sent} bytes were taken`);
  assert.ok(memory() - before < 4 * HELD_BYTES_MAX);
  assert.equal((await other.ask()).body.toString(), 'small');
  assert.equal((await slow.ask()).body.toString(), 'small');
  let read = 0;
  large.on('data', (chunk: Buffer) => (read += chunk.length));
  await once(large, 'end');
  assert.equal(read, BODY_BYTES);
  slow.close();
  other.close();
  await app.close();
});

test('a program that does not read stops the client, not the memory; others on the same connections go on', async () => {
  const anchor = await TestAnchor.create('root');
  await using near = await new TestProxy('127.0.43.1', 'web').start(anchor);
  await using far = await new TestProxy('127.0.43.2', 'app').start(anchor);
  let upload: ServerHttp2Stream | undefined;
  const app = await h2App(far.ip, (stream, headers) => {
    if (headers[':path'] === '/upload') upload = stream;
    else {
      stream.respond({ ':status': 200 });
      stream.end('small');
    }
  });
  near.routeTo(PATH, meshedEndpoint(far, app.port));
  const client = new H2Client(near.outbound);
  const before = memory();
  const sending = client.request({ ':method': 'POST', ':path': '/upload' }, false);
  const poured = pour(sending, BODY_BYTES);
  await stalled(poured);
  assert.ok(poured.sent < HELD_BYTES_MAX, `${poured.sent} bytes were taken`);
  assert.ok(memory() - before < 4 * HELD_BYTES_MAX);
  assert.equal((await client.ask()).body.toString(), 'small');
  let read = 0;
  upload?.on('data', (chunk: Buffer) => (read += chunk.length));
  upload?.on('end', () => {
    upload?.respond({ ':status': 200 });
    upload?.end();
  });
  sending.resume();
  await once(sending, 'end');
  assert.equal(read, BODY_BYTES);
  client.close();
  await app.close();
});

test('clients that do not read may hold all of a connection’s window: others get another connection', async () => {
  const anchor = await TestAnchor.create('root');
  await using near = await new TestProxy('127.0.43.1', 'web').start(anchor);
  await using far = await new TestProxy('127.0.43.2', 'app').start(anchor);
  const poured: { sent: number }[] = [];
  const app = await h2App(far.ip, (stream, headers) => {
    stream.respond({ ':status': 200 });
    if (headers[':path'] === '/large') poured.push(pour(stream, 1024 * 1024));
    else stream.end('small');
  });
  near.routeTo(PATH, meshedEndpoint(far, app.port));
  const slow = new H2Client(near.outbound);
  const other = new H2Client(near.outbound);
  const larges = Array.from({ length: 40 }, () => slow.request({ ':path': '/large' }));
  await until('all are poured into', () => poured.length === larges.length);
  await stalled({
    get sent() {
      return poured.reduce((sum, { sent }) => sum + sent, 0);
    },
  });
  for (let at = 0; at < 5; at += 1) assert.equal((await other.ask()).body.toString(), 'small');
  const read = larges.map(async (large) => {
    let bytes = 0;
    large.on('data', (chunk: Buffer) => (bytes += chunk.length));
    await once(large, 'end');
    return bytes;
  });
  assert.deepEqual(new Set(await Promise.all(read)), new Set([1024 * 1024]));
  slow.close();
  other.close();
  await app.close();
});
