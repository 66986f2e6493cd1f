/** Inbound requests counted by whom they are for, where that was asked for, and never without end. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AUTHORITIES_MAX } from '../src/route/inbound-port.ts';
import { httpApp, RawClient, TestAnchor, TestProxy, until } from './harness.ts';
import { h2App, H2Client } from './http2-harness.ts';

const DEADLINE_MS = 30_000;

async function inFrontOf(port: number, authorityLabels: boolean): Promise<TestProxy> {
  const proxy = await new TestProxy('127.0.56.1', 'app', { authorityLabels }).start(await TestAnchor.create('root'));
  proxy.inboundDestination = { ip: proxy.ip, port };
  return proxy;
}

test('authorities are told apart as clients write them, whatever their case, of either version of HTTP', async () => {
  const app = await httpApp('127.0.56.1', (_req, res) => res.end());
  await using proxy = await inFrontOf(app.port, true);
  const raw = new RawClient(proxy.inbound);
  const hosts = ['a.test', 'A.test', 'a.test:80', 'b.test'];
  for (const host of hosts) raw.socket.write(`GET / HTTP/1.1\r\nhost: ${host}\r\n\r\n`);
  const total = (authority?: string): number =>
    proxy.metrics.sum('response_total', { direction: 'inbound', ...(authority === undefined ? {} : { authority }) });
  await until('all are counted', () => total() === 4, DEADLINE_MS);
  assert.deepEqual([total('a.test'), total('a.test:80'), total('b.test')], [2, 1, 1]);
  assert.equal(proxy.metrics.sum('request_total', { direction: 'inbound', authority: 'a.test' }), 2);
  raw.socket.destroy();
  await app.close();
  const second = await h2App('127.0.56.1', (stream) => stream.respond({ ':status': 200 }, { endStream: true }));
  proxy.inboundDestination = { ip: proxy.ip, port: second.port };
  const client = new H2Client(proxy.inbound);
  await client.ask({ ':authority': 'c.test' });
  await client.ask({ ':authority': 'd.test' });
  await until('both are counted', () => total('c.test') === 1 && total('d.test') === 1, DEADLINE_MS);
  client.close();
  await second.close();
});

test('without being asked for there is no such label', async () => {
  const app = await httpApp('127.0.56.1', (_req, res) => res.end());
  await using proxy = await inFrontOf(app.port, false);
  const raw = new RawClient(proxy.inbound);
  raw.socket.write('GET / HTTP/1.1\r\nhost: a.test\r\n\r\n');
  await until('it is counted', () => proxy.metrics.sum('request_total', { direction: 'inbound' }) === 1, DEADLINE_MS);
  assert.equal(proxy.metrics.sum('request_total', { direction: 'inbound', authority: 'a.test' }), 0);
  raw.socket.destroy();
  await app.close();
});

test('clients that make authorities up do not make series without end, on however many connections', async () => {
  const app = await httpApp('127.0.56.1', (_req, res) => res.end());
  await using proxy = await inFrontOf(app.port, true);
  const total = (labels = {}): number => proxy.metrics.sum('request_total', { direction: 'inbound', ...labels });
  const each = AUTHORITIES_MAX / 2 + 10;
  for (const connection of [0, 1, 2]) {
    const raw = new RawClient(proxy.inbound);
    for (let n = 0; n < each; n += 1) raw.socket.write(`GET / HTTP/1.1\r\nhost: h${n}.c${connection}.test\r\n\r\n`);
    await until('all are counted', () => total() === each * (connection + 1), DEADLINE_MS);
    raw.socket.destroy();
  }
  assert.equal(total({ authority: '' }), 3 * each - AUTHORITIES_MAX);
  await app.close();
});
