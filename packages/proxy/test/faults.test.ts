import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { freePort } from '@mesh/runtime/testing';
import { balanced, endpoint, endpointSet, inboundPolicy, meshTls, outboundPolicy } from '../src/testing/fakes.ts';
import {
  ask,
  httpApp,
  identityName,
  meshedEndpoint,
  RawClient,
  tcpApp,
  TestAnchor,
  TestProxy,
  until,
} from './harness.ts';
import type { Answer } from './harness.ts';

const PATH = 'app.ns.svc.cluster.local:80';
const OTHER = 'other.ns.svc.cluster.local:80';

test('an endpoint that refuses connections costs no request, and is used again once it is back', async () => {
  await using proxy = await new TestProxy('127.0.33.1', 'web').start(await TestAnchor.create('root'));
  const alive = await httpApp('127.0.33.2', (_req, res) => res.end('alive'));
  const port = await freePort('127.0.33.3');
  proxy.routeTo(PATH, endpoint({ ip: '127.0.33.2', port: alive.port }), endpoint({ ip: '127.0.33.3', port }));
  for (let i = 0; i < 40; i += 1) assert.equal((await ask(proxy.outbound)).body, 'alive');
  assert.equal(proxy.metrics.sum('outbound_http_balancer_endpoints', { endpoint_state: 'pending' }), 1);
  const back = await tcpApp('127.0.33.3', () => undefined);
  back.close();
  const revived = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nback'));
  });
  await new Promise<void>((resolve) => revived.listen(port, '127.0.33.3', resolve));
  await until('probed', () => proxy.metrics.sum('outbound_http_balancer_endpoints', { endpoint_state: 'ready' }) === 2);
  const answers = await Promise.all(Array.from({ length: 20 }, () => ask(proxy.outbound)));
  assert.deepEqual([...new Set(answers.map((answer) => answer.body))].toSorted(), ['alive', 'back']);
  revived.close();
  await alive.close();
});

test('without endpoints a request waits for the fail-fast timeout, then the next fails at once, until one is ready', async () => {
  await using proxy = await new TestProxy('127.0.33.1', 'web').start(await TestAnchor.create('root'));
  proxy.routeTo(PATH);
  const startedAt = performance.now();
  const first = await ask(proxy.outbound);
  assert.equal(first.status, 504);
  assert.ok(performance.now() - startedAt >= 290);
  assert.equal(first.headers['l5d-proxy-error'], 'service in fail-fast');
  const again = performance.now();
  assert.equal((await ask(proxy.outbound)).status, 504);
  assert.ok(performance.now() - again < 200, 'at once');
  const app = await httpApp('127.0.33.2', (_req, res) => res.end('ready'));
  proxy.endpoints.watch(PATH).set(endpointSet(endpoint({ ip: '127.0.33.2', port: app.port })));
  assert.equal((await ask(proxy.outbound)).body, 'ready');
  // Those who wait when an endpoint appears are served, not refused.
  proxy.endpoints.watch(PATH).set(endpointSet());
  const waiting = ask(proxy.outbound);
  await until('queued', () => proxy.metrics.sum('outbound_http_balancer_queue_length') === 1);
  proxy.endpoints.watch(PATH).set(endpointSet(endpoint({ ip: '127.0.33.2', port: app.port })));
  assert.equal((await waiting).body, 'ready');
  await app.close();
});

test('the first available backend serves: local until it is gone, then the other, and back', async () => {
  await using proxy = await new TestProxy('127.0.33.1', 'web').start(await TestAnchor.create('root'));
  const local = await httpApp('127.0.33.2', (_req, res) => res.end('local'));
  const remote = await httpApp('127.0.33.3', (_req, res) => res.end('remote'));
  proxy.discovery.resolve(proxy.destination).set(outboundPolicy(balanced(PATH), balanced(OTHER)));
  const at = (ip: string, port: number): ReturnType<typeof endpoint> => endpoint({ ip, port });
  proxy.endpoints.watch(PATH).set(endpointSet(at('127.0.33.2', local.port)));
  proxy.endpoints.watch(OTHER).set(endpointSet(at('127.0.33.3', remote.port)));
  assert.equal((await ask(proxy.outbound)).body, 'local');
  proxy.endpoints.watch(PATH).set(endpointSet());
  assert.equal((await ask(proxy.outbound)).body, 'remote');
  proxy.endpoints.watch(PATH).set(endpointSet(at('127.0.33.2', local.port)));
  assert.equal((await ask(proxy.outbound)).body, 'local');
  // A dead program behind a known endpoint: the connection attempt fails, the request does not.
  await local.close();
  for (let i = 0; i < 10; i += 1) assert.equal((await ask(proxy.outbound)).body, 'remote');
  await remote.close();
});

test('a request in flight when its server dies is sent once more if it is idempotent, and a 502 if it is not or the server dies again', async () => {
  await using proxy = await new TestProxy('127.0.33.1', 'web').start(await TestAnchor.create('root'));
  const seen: string[] = [];
  let dying = 1;
  const app = await tcpApp('127.0.33.2', (socket) =>
    socket.on('data', (chunk: Buffer) => {
      seen.push(chunk.toString('latin1').split(' ')[0] ?? '');
      dying -= 1;
      if (dying >= 0) socket.destroy();
      else socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok');
    }),
  );
  proxy.routeTo(PATH, endpoint({ ip: '127.0.33.2', port: app.port }));
  assert.equal((await ask(proxy.outbound)).status, 200);
  assert.deepEqual(seen.splice(0), ['GET', 'GET']);
  dying = 2;
  assert.equal((await ask(proxy.outbound)).status, 502);
  assert.deepEqual(seen.splice(0), ['GET', 'GET']);
  dying = 1;
  assert.equal((await ask(proxy.outbound, { method: 'POST', body: 'x' })).status, 502);
  assert.deepEqual(seen, ['POST']);
  app.close();
});

test('a kept connection that turns out closed is replaced for an idempotent request, and only for that', async () => {
  await using proxy = await new TestProxy('127.0.33.1', 'web').start(await TestAnchor.create('root'));
  const seen: string[] = [];
  const app = await tcpApp('127.0.33.2', (socket) => {
    let served = 0;
    socket.on('data', (chunk: Buffer) => {
      seen.push(chunk.toString('latin1').split(' ')[0] ?? '');
      served += 1;
      // The second request on a connection meets a server that just hung up.
      if (served > 1) socket.destroy();
      else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    });
  });
  proxy.routeTo(PATH, endpoint({ ip: '127.0.33.2', port: app.port }));
  assert.equal((await ask(proxy.outbound)).status, 200);
  assert.equal((await ask(proxy.outbound)).status, 200);
  assert.deepEqual(seen, ['GET', 'GET', 'GET']);
  assert.equal((await ask(proxy.outbound, { method: 'POST', body: 'x' })).status, 502);
  assert.deepEqual(seen, ['GET', 'GET', 'GET', 'POST']);
  app.close();
});

test('a response that breaks off is broken off for the client too', async () => {
  await using proxy = await new TestProxy('127.0.33.1', 'web').start(await TestAnchor.create('root'));
  const app = await tcpApp('127.0.33.2', (socket) =>
    socket.on('data', () => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart');
      socket.end();
    }),
  );
  proxy.routeTo(PATH, endpoint({ ip: '127.0.33.2', port: app.port }));
  await assert.rejects(ask(proxy.outbound));
  assert.equal(proxy.metrics.sum('response_total', { classification: 'failure' }), 1);
  app.close();
});

test('a program that is down is a 502 from its own sidecar, without details for strangers', async () => {
  const anchor = await TestAnchor.create('root');
  await using client = await new TestProxy('127.0.33.4', 'web').start(anchor);
  await using server = await new TestProxy('127.0.33.5', 'app').start(anchor);
  const port = await freePort(server.ip);
  client.routeTo(PATH, meshedEndpoint(server, port));
  const meshed = await ask(client.outbound);
  assert.equal(meshed.status, 502);
  assert.equal(meshed.headers['l5d-proxy-error'], 'connect failed');
  server.inboundDestination = { ip: server.ip, port };
  const stranger = await ask(server.inbound);
  assert.equal(stranger.status, 502);
  assert.equal(stranger.headers['l5d-proxy-error'], undefined);
});

test('a server with another identity gets no byte of the request', async () => {
  const anchor = await TestAnchor.create('root');
  await using client = await new TestProxy('127.0.33.4', 'web').start(anchor);
  await using server = await new TestProxy('127.0.33.5', 'impostor').start(anchor);
  let heard = 0;
  const app = await tcpApp(server.ip, (socket) => socket.on('data', () => (heard += 1)));
  const tls = { name: identityName('app'), serverName: server.identity.name };
  client.routeTo(PATH, meshedEndpoint(server, app.port, { tls }));
  assert.equal((await ask(client.outbound)).status, 504);
  assert.equal(heard, 0);
  assert.equal(server.metrics.sum('inbound_tcp_transport_header_connections_total'), 0);
  app.close();
});

test('trust rotates under load without a failed request, and the removed anchor is refused afterwards', async () => {
  const before = await TestAnchor.create('before');
  const after = await TestAnchor.create('after');
  await using client = await new TestProxy('127.0.33.4', 'web').start(before);
  await using server = await new TestProxy('127.0.33.5', 'app').start(before);
  const app = await httpApp(server.ip, (_req, res) => res.end('ok'));
  client.routeTo(PATH, meshedEndpoint(server, app.port));
  const stop = new AbortController();
  const answers: Answer[] = [];
  const load = (async () => {
    while (!stop.signal.aborted) answers.push(await ask(client.outbound));
  })();
  const install = async (proxy: TestProxy, issuer: TestAnchor, trust: readonly TestAnchor[]): Promise<void> => {
    proxy.identity.install(await issuer.material({ dns: [proxy.identity.name] }, trust));
    // New endpoints mean new connections: each step is proven by fresh handshakes.
    const serial = String(answers.length);
    client.endpoints.watch(PATH).set(endpointSet(meshedEndpoint(server, app.port, { labels: { serial } })));
    const count = answers.length;
    await until('more answers', () => answers.length > count + 5);
  };
  await until('load', () => answers.length > 5);
  await install(server, before, [before, after]);
  await install(client, before, [before, after]);
  await install(client, after, [before, after]);
  await install(server, after, [before, after]);
  await install(server, after, [after]);
  await install(client, after, [after]);
  stop.abort();
  await load;
  assert.ok(answers.every((answer) => answer.status === 200));
  const late = await new TestProxy('127.0.33.6', 'late').start(before);
  late.identity.install(await before.material({ dns: [late.identity.name] }, [before, after]));
  late.routeTo(PATH, meshedEndpoint(server, app.port));
  assert.notEqual((await ask(late.outbound)).status, 200);
  await late[Symbol.asyncDispose]();
  await app.close();
});

test('policy decides per request and per connection, at once when it changes', async () => {
  const anchor = await TestAnchor.create('root');
  await using client = await new TestProxy('127.0.33.4', 'web').start(anchor);
  await using server = await new TestProxy('127.0.33.5', 'app').start(anchor);
  const app = await httpApp(server.ip, (_req, res) => res.end('ok'));
  client.routeTo(PATH, meshedEndpoint(server, app.port));
  const policy = server.policies.get(app.port);
  policy.set(inboundPolicy({ authorizations: [meshTls([], ['ns.serviceaccount.identity.linkerd.cluster.local'])] }));
  assert.equal((await ask(client.outbound)).status, 200);
  server.inboundDestination = { ip: server.ip, port: app.port };
  assert.equal((await ask(server.inbound, { from: client.ip })).status, 403, 'a client without identity');
  server.inboundDestination = undefined;
  policy.set(inboundPolicy({ authorizations: [meshTls([identityName('admin')])] }));
  const denied = await ask(client.outbound);
  assert.equal(denied.status, 403);
  policy.set(inboundPolicy({ authorizations: [] }));
  assert.equal((await ask(client.outbound)).status, 403, 'no authorization denies');
  policy.set(inboundPolicy({ authorizations: [meshTls([], [''])] }));
  assert.equal((await ask(client.outbound)).status, 200, 'any identity');
  assert.equal(server.metrics.sum('inbound_http_authz_deny_total'), 3);
  await app.close();
});

test('an opaque connection that is no longer allowed is cut', async () => {
  const anchor = await TestAnchor.create('root');
  await using server = await new TestProxy('127.0.33.5', 'db').start(anchor);
  const app = await tcpApp(server.ip, (socket) => socket.write('hi'));
  server.inboundDestination = { ip: server.ip, port: app.port };
  const policy = server.policies.get(app.port);
  policy.set(inboundPolicy({ protocol: 'opaque' }));
  const raw = new RawClient(server.inbound, '127.0.33.4');
  await until('connected', () => raw.text === 'hi');
  policy.set(inboundPolicy({ protocol: 'opaque', authorizations: [meshTls([], [''])] }));
  await until('cut', () => raw.closed);
  assert.equal(raw.error, 'ECONNRESET');
  assert.equal(server.metrics.sum('inbound_tcp_authz_terminate_total'), 1);
  const again = new RawClient(server.inbound, '127.0.33.4');
  await until('refused', () => again.ended);
  assert.equal(again.text, '');
  again.socket.destroy();
  app.close();
});

test('drain finishes what is in flight, says goodbye, and takes nothing new', async () => {
  const anchor = await TestAnchor.create('root');
  await using client = await new TestProxy('127.0.33.4', 'web').start(anchor);
  await using server = await new TestProxy('127.0.33.5', 'app').start(anchor);
  let answer: (() => void) | undefined;
  const app = await httpApp(server.ip, (_req, res) => {
    answer = () => res.end('finished');
  });
  client.routeTo(PATH, meshedEndpoint(server, app.port));
  const inFlight = ask(client.outbound);
  const idle = new RawClient(client.outbound);
  await until('in flight', () => answer !== undefined);
  await until('idle client accepted', () => client.metrics.sum('tcp_open_total', { peer: 'src' }) === 2);
  idle.socket.end();
  const drained = Promise.all([client.drain.drain(5000), server.drain.drain(5000)]);
  await assert.rejects(ask(client.outbound));
  answer?.();
  const last = await inFlight;
  assert.equal(last.body, 'finished');
  assert.equal(last.headers.connection, 'close');
  assert.deepEqual(await drained, [true, true]);
  await app.close();
});

test('a service behind a gateway gets its authority and its name in the transport header, and a sidecar refuses such a name', async () => {
  const anchor = await TestAnchor.create('root');
  await using client = await new TestProxy('127.0.33.4', 'web').start(anchor);
  await using server = await new TestProxy('127.0.33.5', 'gateway').start(anchor);
  const override = 'catalog.shop.svc.cluster.local:8080';
  client.routeTo(
    PATH,
    endpoint(server.inbound, {
      tls: { name: server.identity.name, serverName: server.identity.name },
      authorityOverride: override,
    }),
  );
  assert.equal((await ask(client.outbound)).status, 502);
  await until('refused', () => server.metrics.sum('inbound_tcp_errors_total', { error: 'not_a_gateway' }) > 0);
});

test('no peer reaches the ports of the proxy itself', async () => {
  const anchor = await TestAnchor.create('root');
  await using client = await new TestProxy('127.0.33.4', 'web').start(anchor);
  await using server = await new TestProxy('127.0.33.5', 'app', { refusedPorts: [4191] }).start(anchor);
  for (const port of [4191, server.inbound.port]) {
    client.routeTo(PATH, meshedEndpoint(server, port));
    assert.equal((await ask(client.outbound)).status, 502);
  }
  assert.equal(server.metrics.sum('inbound_tcp_errors_total', { error: 'port_not_reachable' }) > 0, true);
  assert.equal(server.metrics.sum('inbound_tcp_errors_total', { error: 'loop' }) > 0, true);
});

test('l5d-require-id sends the request to that identity or nowhere, and is not passed on', async () => {
  const anchor = await TestAnchor.create('root');
  await using client = await new TestProxy('127.0.33.4', 'web').start(anchor);
  await using server = await new TestProxy('127.0.33.5', 'app').start(anchor);
  const app = await httpApp(server.ip, (req, res) => res.end(String(req.headers['l5d-require-id'])));
  client.routeTo(PATH, meshedEndpoint(server, app.port));
  const right = await ask(client.outbound, { headers: { 'l5d-require-id': identityName('app') } });
  assert.equal(right.body, 'undefined');
  assert.equal((await ask(client.outbound, { headers: { 'l5d-require-id': identityName('x') } })).status, 502);
  await app.close();
});

test('an opaque endpoint that was down is probed without a word, and used again', async () => {
  await using proxy = await new TestProxy('127.0.33.1', 'web').start(await TestAnchor.create('root'));
  const port = await freePort('127.0.33.3');
  const policy = outboundPolicy(balanced(PATH));
  assert.ok(policy.protocol.kind === 'detect');
  proxy.discovery
    .resolve(proxy.destination)
    .set({ ...policy, protocol: { kind: 'opaque', opaque: policy.protocol.opaque } });
  proxy.endpoints.watch(PATH).set(endpointSet(endpoint({ ip: '127.0.33.3', port })));
  const lost = new RawClient(proxy.outbound);
  await until('refused', () => lost.closed);
  assert.equal(lost.error, 'ECONNRESET');
  const heard: string[] = [];
  const revived = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => {
      heard.push(chunk.toString());
      socket.end('answer');
    });
  });
  await new Promise<void>((resolve) => revived.listen(port, '127.0.33.3', resolve));
  await until('ready', () => proxy.metrics.sum('outbound_tcp_balancer_endpoints', { endpoint_state: 'ready' }) === 1);
  assert.deepEqual(heard, []);
  const found = new RawClient(proxy.outbound);
  found.socket.end('question');
  await until('answered', () => found.ended);
  assert.equal(found.text, 'answer');
  assert.deepEqual(heard, ['question']);
  revived.close();
});

test('a policy that turns opaque leaves open HTTP connections as they are', async () => {
  await using proxy = await new TestProxy('127.0.33.1', 'web').start(await TestAnchor.create('root'));
  const app = await httpApp('127.0.33.2', (_req, res) => res.end('ok'));
  proxy.routeTo(PATH, endpoint({ ip: '127.0.33.2', port: app.port }));
  const raw = new RawClient(proxy.outbound);
  raw.socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await until('first', () => raw.text.endsWith('ok'));
  const policy = outboundPolicy(balanced(PATH));
  assert.ok(policy.protocol.kind === 'detect');
  const { opaque } = policy.protocol;
  proxy.discovery.resolve(proxy.destination).set({ ...policy, protocol: { kind: 'opaque', opaque } });
  raw.text = '';
  raw.socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await until('second', () => raw.text.endsWith('ok'));
  assert.match(raw.text, /^HTTP\/1\.1 200 /);
  raw.socket.destroy();
  await app.close();
});

test('many clients at once share few handshakes, and all are answered', async () => {
  const anchor = await TestAnchor.create('root');
  await using client = await new TestProxy('127.0.33.4', 'web').start(anchor);
  await using server = await new TestProxy('127.0.33.5', 'app').start(anchor);
  const app = await httpApp(server.ip, (_req, res) => res.end('ok'));
  client.routeTo(PATH, meshedEndpoint(server, app.port));
  const answers = await Promise.all(Array.from({ length: 200 }, () => ask(client.outbound)));
  assert.ok(answers.every((answer) => answer.status === 200));
  assert.ok(client.metrics.sum('tcp_open_total', { peer: 'dst' }) < 200);
  await until('all closed', () => client.metrics.sum('tcp_open_connections', { peer: 'src' }) === 0);
  await app.close();
});

test('a route that matches nothing is a 404 and counted, and requests are counted per route and backend', async () => {
  const anchor = await TestAnchor.create('root');
  await using client = await new TestProxy('127.0.33.4', 'web').start(anchor);
  await using server = await new TestProxy('127.0.33.5', 'app').start(anchor);
  const app = await httpApp(server.ip, (_req, res) => res.end('ok'));
  client.routeTo(PATH, meshedEndpoint(server, app.port));
  const only = {
    ref: { group: '', kind: 'default', namespace: '', name: 'probe', port: 0, section: '' },
    hosts: [],
    matches: [{ path: { kind: 'exact' as const, value: '/live' }, method: undefined, headers: [], query: [] }],
    authorizations: [],
  };
  server.policies.get(app.port).set(inboundPolicy({ routes: [only] }));
  assert.equal((await ask(client.outbound, { path: '/live' })).status, 200);
  assert.equal((await ask(client.outbound, { path: '/else' })).status, 404);
  assert.equal(server.metrics.sum('inbound_http_route_not_found_total'), 1);
  assert.equal(client.metrics.sum('outbound_http_route_backend_requests_total', { backend_name: 'app' }), 2);
  await app.close();
});
