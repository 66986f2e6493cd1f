/** Endpoints that cannot be reached: refused at once, or, as with an address that no machine has any more, never answered. */
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { test } from 'node:test';
import type { Endpoint } from '@mesh/model';
import { DATA_PATH_DEFAULTS } from '../src/data-path.ts';
import type { DataPathOptions } from '../src/data-path.ts';
import { balanced, endpoint, endpointSet, outboundPolicy } from '../src/testing/fakes.ts';
import { ask, httpApp, identityName, RawClient, tcpApp, TestAnchor, TestProxy, until } from './harness.ts';

const PATH = 'app.ns.svc.cluster.local:80';
/** Longer than any test: what ends sooner did not wait for it. */
const NEVER_MS = 120_000;

/** A client proxy whose connection attempts end with the test only. */
const PATIENT: Partial<DataPathOptions> = {
  outboundHttp: { ...DATA_PATH_DEFAULTS.outboundHttp, connectTimeoutMs: NEVER_MS },
};

/** Looks like a sidecar that is not there: connections stay in their handshake. */
function silent(ip: string, port: number): Endpoint {
  const name = identityName('app');
  return endpoint({ ip, port }, { tls: { name, serverName: name }, transportPort: port });
}

async function refusedPort(ip: string): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, ip, resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const pending = (proxy: TestProxy, kind = 'http'): number =>
  proxy.metrics.sum(`outbound_${kind}_balancer_endpoints`, { endpoint_state: 'pending' });

test('requests leave an endpoint that does not answer connections for one that is ready, and none fails', async () => {
  const anchor = await TestAnchor.create('root');
  await using client = await new TestProxy('127.0.40.1', 'web', PATIENT).start(anchor);
  const gone = await tcpApp('127.0.40.2', () => undefined);
  const app = await httpApp('127.0.40.3', (req, res) => req.pipe(res));
  client.routeTo(PATH, silent('127.0.40.2', gone.port), endpoint({ ip: '127.0.40.3', port: app.port }));
  const answers = await Promise.all(
    Array.from({ length: 40 }, (_, i) => ask(client.outbound, { method: 'POST', body: `order ${i}` })),
  );
  assert.deepEqual(
    answers.map(({ status, body }) => `${status} ${body}`),
    Array.from({ length: 40 }, (_, i) => `200 order ${i}`),
  );
  assert.equal(pending(client), 1);
  gone.close();
  await app.close();
});

test('who waits for the connection to a single endpoint goes to another as soon as there is one', async () => {
  const anchor = await TestAnchor.create('root');
  await using client = await new TestProxy('127.0.40.1', 'web', PATIENT).start(anchor);
  let dialled = 0;
  const gone = await tcpApp('127.0.40.2', () => (dialled += 1));
  const only = silent('127.0.40.2', gone.port);
  client.routeTo(PATH, only);
  const first = ask(client.outbound);
  await until('dialled', () => dialled === 1);
  const app = await httpApp('127.0.40.3', (_req, res) => res.end('found'));
  client.endpoints.watch(PATH).set(endpointSet(only, endpoint({ ip: '127.0.40.3', port: app.port })));
  assert.equal((await first).body, 'found');
  gone.close();
  await app.close();
});

test('who waits for the connection to an endpoint that discovery takes away waits for the next one instead', async () => {
  const anchor = await TestAnchor.create('root');
  await using client = await new TestProxy('127.0.40.1', 'web', PATIENT).start(anchor);
  let dialled = 0;
  const gone = await tcpApp('127.0.40.2', () => (dialled += 1));
  client.discovery.resolve(client.destination).set(outboundPolicy(balanced(PATH, NEVER_MS)));
  client.endpoints.watch(PATH).set(endpointSet(silent('127.0.40.2', gone.port)));
  const waiting = Promise.all([ask(client.outbound), ask(client.outbound)]);
  await until('dialled', () => dialled === 2);
  client.endpoints.watch(PATH).set(endpointSet());
  await until('both wait', () => client.metrics.sum('outbound_http_balancer_queue_length') === 2);
  const app = await httpApp('127.0.40.3', (_req, res) => res.end('new'));
  client.endpoints.watch(PATH).set(endpointSet(endpoint({ ip: '127.0.40.3', port: app.port })));
  assert.deepEqual(
    (await waiting).map((answer) => answer.body),
    ['new', 'new'],
  );
  gone.close();
  await app.close();
});

test('opaque connections leave an endpoint that does not answer, too', async () => {
  const anchor = await TestAnchor.create('root');
  await using client = await new TestProxy('127.0.40.1', 'web', PATIENT).start(anchor);
  const gone = await tcpApp('127.0.40.2', () => undefined);
  const echo = await tcpApp('127.0.40.3', (socket) => socket.pipe(socket));
  client.routeTo(PATH, silent('127.0.40.2', gone.port), endpoint({ ip: '127.0.40.3', port: echo.port }));
  const clients = Array.from({ length: 10 }, () => new RawClient(client.outbound));
  for (const each of clients) each.socket.write('\0\0opaque\r\n');
  await until('all are echoed', () => clients.every((each) => each.text === '\0\0opaque\r\n'));
  for (const each of clients) each.socket.destroy();
  gone.close();
  echo.close();
});

test('one live endpoint among many dead ones serves every request', async () => {
  const anchor = await TestAnchor.create('root');
  await using client = await new TestProxy('127.0.40.1', 'web').start(anchor);
  const app = await httpApp('127.0.40.3', (_req, res) => res.end('alive'));
  const port = await refusedPort('127.0.40.4');
  const dead = Array.from({ length: 12 }, (_, i) => endpoint({ ip: `127.0.40.${i + 4}`, port }));
  client.routeTo(PATH, ...dead, endpoint({ ip: '127.0.40.3', port: app.port }));
  const answers = await Promise.all(Array.from({ length: 20 }, () => ask(client.outbound)));
  assert.deepEqual([...new Set(answers.map(({ status, body }) => `${status} ${body}`))], ['200 alive']);
  await app.close();
});

test('while requests wait an endpoint is tried again soon, not after a long back-off', async () => {
  const anchor = await TestAnchor.create('root');
  const backoff = { outboundConnectBackoff: { minMs: NEVER_MS, maxMs: NEVER_MS, jitterRatio: 0 } };
  await using client = await new TestProxy('127.0.40.1', 'web', backoff).start(anchor);
  const port = await refusedPort('127.0.40.2');
  client.discovery.resolve(client.destination).set(outboundPolicy(balanced(PATH, NEVER_MS)));
  client.endpoints.watch(PATH).set(endpointSet(endpoint({ ip: '127.0.40.2', port })));
  const answer = ask(client.outbound);
  await until('the request waits', () => client.metrics.sum('outbound_http_balancer_queue_length') === 1);
  const back = await listenAt('127.0.40.2', port);
  assert.equal((await answer).body, 'back');
  back.close();
});

function listenAt(ip: string, port: number): Promise<Server> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nback'));
  });
  server.unref();
  return new Promise((resolve) => server.listen(port, ip, () => resolve(server)));
}
