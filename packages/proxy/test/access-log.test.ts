/** What the access log tells of requests, whoever answers them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MetricRegistry, systemClock } from '@mesh/runtime';
import { AccessLog } from '../src/access-log/access-log.ts';
import type { AccessLogFormat } from '../src/access-log/format.ts';
import { inboundPolicy } from '../src/testing/fakes.ts';
import { ask, httpApp, meshedEndpoint, RawClient, TestAnchor, TestProxy, until } from './harness.ts';

const PATH = 'app.ns.svc.cluster.local:80';
type Line = Readonly<Record<string, string | number>>;

function collect(format: AccessLogFormat): { readonly log: AccessLog; readonly lines: string[] } {
  const lines: string[] = [];
  const log = new AccessLog(format, {
    clock: systemClock,
    registry: new MetricRegistry(),
    write(bytes, done) {
      lines.push(...Buffer.from(bytes).toString().trimEnd().split('\n'));
      done(null, bytes.length);
    },
  });
  return { log, lines };
}

test('every request is told of when it is over, with who sent it and what came of it', async () => {
  const anchor = await TestAnchor.create('root');
  const { log, lines } = collect('json');
  await using client = await new TestProxy('127.0.50.1', 'web').start(anchor);
  await using server = await new TestProxy('127.0.50.2', 'app', {}, {}, log).start(anchor);
  const app = await httpApp('127.0.50.2', (req, res) => {
    req.resume();
    req.on('end', () => res.writeHead(req.url === '/lost' ? 404 : 200, { 'content-length': 4 }).end('four'));
  });
  client.routeTo(PATH, meshedEndpoint(server, app.port, { protocolHint: 'h2' }));
  const headers = { 'user-agent': 'test/1', 'x-request-id': 'trace-1' };
  await ask(client.outbound, { method: 'POST', path: '/buy?n=1', body: 'seven!!', headers });
  await ask(client.outbound, { path: '/lost' });
  await until('both lines', () => lines.length === 2);
  const [first, second] = lines.map((line) => JSON.parse(line) as Line);
  assert.match(String(first?.['client.addr']), /^127\.0\.0\.1:\d+$/);
  assert.equal(first?.['client.id'], client.identity.name);
  assert.deepEqual(
    ['method', 'uri', 'version', 'host', 'user_agent', 'trace_id', 'status', 'request_bytes', 'response_bytes'].map(
      (name) => first?.[name],
    ),
    ['POST', 'http://app.test/buy?n=1', 'HTTP/2.0', 'app.test', 'test/1', 'trace-1', 200, '7', '4'],
  );
  assert.ok(Number(first?.['total_ns']) >= Number(first?.['processing_ns']) && Number(first?.['total_ns']) > 0);
  assert.ok(Math.abs(Date.parse(String(first?.['timestamp'])) - Date.now()) < 60_000);
  assert.deepEqual([second?.['status'], second?.['trace_id']], [404, '']);
  await app.close();
});

test('requests that the proxy itself answers are told of, and those that clients leave', async () => {
  const { log, lines } = collect('apache');
  await using denied = await new TestProxy('127.0.50.1', 'app', {}, { authorizations: [] }, log).start(
    await TestAnchor.create('root'),
  );
  let hold: (() => void) | undefined;
  const app = await httpApp('127.0.50.1', (_req, res) => (hold = () => res.end()));
  denied.inboundDestination = { ip: '127.0.50.1', port: app.port };
  const from = '127.0.50.9';
  const refused = new RawClient(denied.inbound, from);
  refused.socket.write('GET /secret HTTP/1.0\r\nHost: a\r\n\r\n');
  await until('refused', () => lines.length === 1);
  assert.match(lines[0] ?? '', /^127\.0\.50\.9:\d+ - - \[\S+\] "GET http:\/\/a\/secret HTTP\/1\.0" 403 0$/);
  denied.policies.get(app.port).set(inboundPolicy());
  const gone = new RawClient(denied.inbound, from);
  gone.socket.write('GET /slow HTTP/1.1\r\nHost: a\r\n\r\n');
  await until('at the program', () => hold !== undefined);
  gone.socket.resetAndDestroy();
  await until('gone', () => lines.length === 2);
  assert.match(lines[1] ?? '', /"GET http:\/\/a\/slow HTTP\/1\.1" - 0$/);
  refused.socket.destroy();
  await app.close();
});

test('requests of one connection have a line each, in their order', async () => {
  const { log, lines } = collect('json');
  await using proxy = await new TestProxy('127.0.50.1', 'app', {}, {}, log).start(await TestAnchor.create('root'));
  const app = await httpApp('127.0.50.1', (req, res) => res.end(req.url));
  proxy.inboundDestination = { ip: '127.0.50.1', port: app.port };
  const raw = new RawClient(proxy.inbound);
  for (let n = 1; n <= 3; n += 1) raw.socket.write(`GET /${n} HTTP/1.1\r\nHost: a\r\nX-Request-Id: ${n}\r\n\r\n`);
  await until('three lines', () => lines.length === 3);
  const told = lines.map((line) => JSON.parse(line) as Line).map((line) => [line['uri'], line['trace_id']]);
  assert.deepEqual(
    told,
    [1, 2, 3].map((n) => [`http://a/${n}`, String(n)]),
  );
  raw.socket.destroy();
  await app.close();
});
