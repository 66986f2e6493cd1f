import assert from 'node:assert/strict';
import { test } from 'node:test';
import { freePort } from '@mesh/runtime/testing';
import { balanced, endpoint, endpointSet, outboundPolicy } from '../src/testing/fakes.ts';
import { ask, httpApp, meshedEndpoint, TestAnchor, TestProxy } from './harness.ts';

const PATH = 'app.ns.svc.cluster.local:80';
const OTHER = 'other.ns.svc.cluster.local:80';

test('a program that is down behind its sidecar costs no request while another endpoint lives, with or without a body', async () => {
  const anchor = await TestAnchor.create('root');
  await using client = await new TestProxy('127.0.38.1', 'web').start(anchor);
  await using alive = await new TestProxy('127.0.38.2', 'app').start(anchor);
  await using down = await new TestProxy('127.0.38.3', 'app').start(anchor);
  const app = await httpApp(alive.ip, (req, res) => req.pipe(res));
  client.routeTo(PATH, meshedEndpoint(alive, app.port), meshedEndpoint(down, await freePort(down.ip)));
  for (let i = 0; i < 40; i += 1) {
    const answer = await ask(client.outbound, { method: 'POST', body: `order ${i}` });
    assert.deepEqual([answer.status, answer.body], [200, `order ${i}`]);
  }
  assert.ok(down.metrics.sum('inbound_http_errors_total', { error: 'connect' }) > 0, 'the dead one was tried');
  await app.close();
});

test('many requests at once all find the endpoint that lives, while connections to the dead one keep opening', async () => {
  const anchor = await TestAnchor.create('root');
  await using client = await new TestProxy('127.0.38.1', 'web').start(anchor);
  await using alive = await new TestProxy('127.0.38.2', 'app').start(anchor);
  await using down = await new TestProxy('127.0.38.3', 'app').start(anchor);
  const app = await httpApp(alive.ip, (_req, res) => setTimeout(() => res.end('alive'), 5));
  const both = [meshedEndpoint(down, await freePort(down.ip)), meshedEndpoint(alive, app.port)] as const;
  client.discovery.resolve(client.destination).set(outboundPolicy(balanced(PATH), balanced(OTHER)));
  client.endpoints.watch(PATH).set(endpointSet(both[0]));
  client.endpoints.watch(OTHER).set(endpointSet(...both));
  for (let burst = 0; burst < 5; burst += 1) {
    const answers = await Promise.all(Array.from({ length: 40 }, () => ask(client.outbound)));
    assert.deepEqual([...new Set(answers.map(({ status, body }) => `${status} ${body}`))], ['200 alive']);
  }
  await app.close();
});

test('the first backend whose program is down gives way to the next', async () => {
  const anchor = await TestAnchor.create('root');
  await using client = await new TestProxy('127.0.38.1', 'web').start(anchor);
  await using home = await new TestProxy('127.0.38.2', 'app').start(anchor);
  const away = await httpApp('127.0.38.4', (_req, res) => res.end('away'));
  client.discovery.resolve(client.destination).set(outboundPolicy(balanced(PATH), balanced(OTHER)));
  client.endpoints.watch(PATH).set(endpointSet(meshedEndpoint(home, await freePort(home.ip))));
  client.endpoints.watch(OTHER).set(endpointSet(endpoint({ ip: '127.0.38.4', port: away.port })));
  for (let i = 0; i < 10; i += 1) assert.equal((await ask(client.outbound)).body, 'away');
  await away.close();
});

test('no program can make its clients repeat a request, and none sees what proxies tell each other', async () => {
  const anchor = await TestAnchor.create('root');
  await using client = await new TestProxy('127.0.38.1', 'web').start(anchor);
  await using server = await new TestProxy('127.0.38.2', 'app').start(anchor);
  let asked = 0;
  const liar = await httpApp(server.ip, (_req, res) => {
    asked += 1;
    res.writeHead(502, { 'mesh-undelivered': 'connect' }).end();
  });
  client.routeTo(PATH, meshedEndpoint(server, liar.port));
  const meshed = await ask(client.outbound);
  assert.deepEqual([meshed.status, meshed.headers['mesh-undelivered'], asked], [502, undefined, 1]);
  // Without a certificate to believe in, the field means nothing.
  client.routeTo(PATH, endpoint({ ip: server.ip, port: liar.port }));
  const plain = await ask(client.outbound);
  assert.deepEqual([plain.status, plain.headers['mesh-undelivered'], asked], [502, undefined, 2]);
  await liar.close();
});

test('with nowhere else to go the answer stands', async () => {
  const anchor = await TestAnchor.create('root');
  await using client = await new TestProxy('127.0.38.1', 'web').start(anchor);
  await using server = await new TestProxy('127.0.38.2', 'app').start(anchor);
  client.routeTo(PATH, meshedEndpoint(server, await freePort(server.ip)));
  const answer = await ask(client.outbound);
  assert.deepEqual([answer.status, answer.headers['mesh-undelivered']], [502, undefined]);
});
