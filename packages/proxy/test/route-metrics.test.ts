/** What routes export after traffic of both kinds: names and labels as linkerd2-proxy was seen to export them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ask, httpApp, meshedEndpoint, RawClient, tcpApp, TestAnchor, TestProxy, until } from './harness.ts';

const PATH = 'app.ns.svc.cluster.local:80';
const DEADLINE_MS = 60_000;
/** Looks like no HTTP. */
const OPAQUE = Buffer.from([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);

/** Label names of each metric that was bound. */
function shapes(proxy: TestProxy): ReadonlyMap<string, ReadonlySet<string>> {
  const seen = new Map<string, Set<string>>();
  for (const key of proxy.metrics.values.keys()) {
    const [name, labels] = JSON.parse(key) as [string, Record<string, string>];
    seen.set(name, (seen.get(name) ?? new Set()).union(new Set(Object.keys(labels))));
  }
  return seen;
}

const sixOf = (prefix: string): readonly string[] =>
  ['group', 'kind', 'namespace', 'name', 'port', 'section_name'].map((label) => `${prefix}_${label}`);
const ROUTE = ['group', 'kind', 'namespace', 'name'].map((label) => `route_${label}`);

test('HTTP is counted by route, backend, endpoint and zone on the near side, by server and route on the far side', async () => {
  const anchor = await TestAnchor.create('root');
  await using near = await new TestProxy('127.0.48.1', 'web').start(anchor);
  await using far = await new TestProxy('127.0.48.2', 'app').start(anchor);
  const app = await httpApp(far.ip, (req, res) => void req.pipe(res));
  near.routeTo(PATH, meshedEndpoint(far, app.port, { labels: { zone_locality: 'local', pod: 'app-1' } }));
  for (const body of ['one', 'two']) await ask(near.outbound, { method: 'POST', body });
  const near2 = { http_status: '200', error: '' };
  assert.equal(near.metrics.sum('outbound_http_route_request_statuses_total', near2), 2);
  assert.equal(near.metrics.sum('outbound_http_route_backend_response_statuses_total', near2), 2);
  assert.equal(near.metrics.sum('outbound_http_route_backend_requests_total'), 2);
  assert.equal(near.metrics.sum('outbound_http_balancer_queue_requests_total'), 2);
  assert.equal(near.metrics.sum('request_total', { dst_zone_locality: 'local', dst_pod: 'app-1' }), 2);
  for (const op of ['Send', 'Recv'])
    assert.ok(near.metrics.sum('outbound_tcp_transfer_cost_bytes_total', { op, zone_locality: 'local' }) > 0, op);
  assert.equal(far.metrics.sum('inbound_http_requests_total', { parent_port: String(app.port) }), 2);
  assert.equal(far.metrics.sum('inbound_http_statuses_total', { http_status: '200' }), 2);
  assert.equal(far.metrics.sum('request_total', { srv_port: String(app.port) }), 2);
  const seen = shapes(near);
  const of = (name: string): ReadonlySet<string> => seen.get(name) ?? assert.fail(name);
  assert.deepEqual(
    of('outbound_http_route_backend_requests_total'),
    new Set([...sixOf('parent'), ...ROUTE, ...sixOf('backend')]),
  );
  assert.deepEqual(
    of('outbound_http_balancer_queue_requests_total'),
    new Set([...sixOf('parent'), ...sixOf('backend')]),
  );
  await app.close();
});

test('opaque connections are counted by route when they begin and when they end, with why', async () => {
  const anchor = await TestAnchor.create('root');
  await using near = await new TestProxy('127.0.48.1', 'web').start(anchor);
  await using far = await new TestProxy('127.0.48.2', 'app').start(anchor);
  const echo = await tcpApp(far.ip, (socket) => socket.pipe(socket));
  near.routeTo(PATH, meshedEndpoint(far, echo.port));
  const client = new RawClient(near.outbound);
  client.socket.write(OPAQUE);
  await until('the echo', () => client.text.length === OPAQUE.length, DEADLINE_MS);
  assert.equal(near.metrics.sum('outbound_tcp_route_open_total'), 1);
  assert.equal(near.metrics.sum('outbound_tcp_route_close_total'), 0);
  client.socket.end();
  await until('the end', () => near.metrics.sum('outbound_tcp_route_close_total', { error: '' }) === 1, DEADLINE_MS);
  const labels = shapes(near).get('outbound_tcp_route_close_total');
  assert.deepEqual(labels, new Set([...sixOf('parent'), ...ROUTE, 'target_ip', 'target_port', 'error']));
  near.routeTo(PATH);
  const refused = new RawClient(near.outbound);
  refused.socket.write(OPAQUE);
  await until('the refusal', () => refused.closed, DEADLINE_MS);
  assert.equal(near.metrics.sum('outbound_tcp_route_close_total', { error: 'failfast' }), 1);
  assert.equal(near.metrics.sum('outbound_tcp_route_open_total'), 2);
  echo.close();
});
