/** Requests counted by their hosts, where that was asked for, and never without end. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HOSTNAMES_MAX } from '../src/route/hostname-rules.ts';
import { endpoint } from '../src/testing/fakes.ts';
import { ask, httpApp, RawClient, TestAnchor, TestProxy, until } from './harness.ts';

const PATH = 'app.ns.svc.cluster.local:80';
const STATUSES = 'outbound_http_route_request_statuses_total';

async function behind(hostnameLabels: boolean): Promise<TestProxy> {
  return new TestProxy('127.0.51.1', 'web', { hostnameLabels }).start(await TestAnchor.create('root'));
}

test('hosts are told apart, without their ports, whatever their case', async () => {
  await using proxy = await behind(true);
  const app = await httpApp('127.0.51.2', (_req, res) => res.end());
  proxy.routeTo(PATH, endpoint({ ip: '127.0.51.2', port: app.port }));
  for (const host of ['a.test', 'A.test:80', 'b.test.']) await ask(proxy.outbound, { headers: { host } });
  assert.equal(proxy.metrics.sum(STATUSES, { hostname: 'a.test' }), 2);
  assert.equal(proxy.metrics.sum(STATUSES, { hostname: 'b.test' }), 1);
  await app.close();
});

test('nobody who did not ask for it has series for hosts', async () => {
  await using proxy = await behind(false);
  const app = await httpApp('127.0.51.2', (_req, res) => res.end());
  proxy.routeTo(PATH, endpoint({ ip: '127.0.51.2', port: app.port }));
  await ask(proxy.outbound, { headers: { host: 'a.test' } });
  assert.equal(proxy.metrics.sum(STATUSES, { hostname: 'a.test' }), 0);
  assert.equal(proxy.metrics.sum(STATUSES), 1);
  await app.close();
});

test('a program that makes hosts up does not make series without end', async () => {
  await using proxy = await behind(true);
  const app = await httpApp('127.0.51.2', (_req, res) => res.end());
  proxy.routeTo(PATH, endpoint({ ip: '127.0.51.2', port: app.port }));
  const raw = new RawClient(proxy.outbound);
  const count = HOSTNAMES_MAX + 20;
  for (let n = 0; n < count; n += 1) raw.socket.write(`GET / HTTP/1.1\r\nHost: h${n}.test\r\n\r\n`);
  await until('all counted', () => proxy.metrics.sum(STATUSES) === count, 30_000);
  const told = Array.from({ length: count }, (_, n) => proxy.metrics.sum(STATUSES, { hostname: `h${n}.test` }));
  assert.equal(told.filter((of) => of > 0).length, HOSTNAMES_MAX);
  raw.socket.destroy();
  await app.close();
});
