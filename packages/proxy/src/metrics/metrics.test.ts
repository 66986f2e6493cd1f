import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MetricRegistry } from '@mesh/runtime';
import { channelMetrics, identityMetrics } from './control-metrics.ts';
import { createProxyMetrics, LATENCY_BUCKETS_MS } from './proxy-metrics.ts';

test('requests and responses have Linkerd’s names, labels and buckets', () => {
  assert.deepEqual(
    LATENCY_BUCKETS_MS,
    [
      1, 2, 3, 4, 5, 10, 20, 30, 40, 50, 100, 200, 300, 400, 500, 1000, 2000, 3000, 4000, 5000, 10_000, 20_000, 30_000,
      40_000, 50_000,
    ],
  );
  const registry = new MetricRegistry();
  const cells = createProxyMetrics(registry).http({ direction: 'inbound', target_port: '80' });
  cells.requestTotal.add(1);
  cells.response(200, true, 1.5, '');
  cells.response(200, true, 0.5, '');
  cells.response(502, false, 7, 'io');
  const text = registry.expose();
  for (const line of [
    'request_total{direction="inbound",target_port="80"} 1',
    'response_total{direction="inbound",target_port="80",status_code="200",classification="success",grpc_status="",error=""} 2',
    'response_total{direction="inbound",target_port="80",status_code="502",classification="failure",grpc_status="",error="io"} 1',
    'response_latency_ms_bucket{direction="inbound",target_port="80",status_code="200",le="1"} 1',
    'response_latency_ms_bucket{direction="inbound",target_port="80",status_code="200",le="2"} 2',
    'response_latency_ms_bucket{direction="inbound",target_port="80",status_code="502",le="10"} 1',
  ])
    assert.ok(text.includes(`${line}\n`), line);
});

test('a balancer’s endpoint states add up, and its gate tells when it moved', () => {
  const registry = new MetricRegistry();
  const cells = createProxyMetrics(registry).balancer('http', { parent_name: 'catalog' });
  cells.endpointsReady.set(3);
  cells.endpointsPending.add(2);
  cells.endpointsReady.set(1);
  cells.gateShut.add(1);
  const text = registry.expose();
  assert.match(text, /outbound_http_balancer_endpoints\{endpoint_state="ready",parent_name="catalog"\} 1\n/);
  assert.match(text, /outbound_http_balancer_endpoints\{endpoint_state="pending",parent_name="catalog"\} 2\n/);
  assert.match(text, /outbound_http_balancer_p2c_endpoints\{parent_name="catalog"\} 3\n/);
  assert.match(text, /outbound_http_balancer_queue_gate_shut_time_seconds\{parent_name="catalog"\} 1[0-9]{9}/);
});

test('all detection results exist from the start', () => {
  const registry = new MetricRegistry();
  createProxyMetrics(registry).detect('inbound', { srv_name: 'x' }).result('http/1').add(1);
  const text = registry.expose();
  assert.match(text, /inbound_tcp_detect_http_results_total\{result="http\/1",srv_name="x"\} 1\n/);
  assert.match(text, /inbound_tcp_detect_http_results_total\{result="error",srv_name="x"\} 0\n/);
});

test('control clients and identity are told apart and counted', () => {
  const registry = new MetricRegistry();
  const channel = channelMetrics(registry, 'policy', 'policy:8090', 'id');
  channel.request();
  channel.connected(true);
  channel.response(200, 0, 3);
  channel.response(0, 14, 3);
  channel.resolution(true);
  identityMetrics(registry).refreshed(true);
  const text = registry.expose();
  assert.match(text, /control_request_total\{addr="policy:8090",tls="true",server_id="id"\} 1\n/);
  assert.match(
    text,
    /control_response_total\{[^}]*status_code="200",classification="success",grpc_status="0",error=""\} 1\n/,
  );
  assert.match(
    text,
    /control_response_total\{[^}]*classification="failure",grpc_status="14",error="no response"\} 1\n/,
  );
  assert.match(text, /control_policy_balancer_endpoints\{endpoint_state="ready",addr="policy:8090"\} 1\n/);
  assert.match(text, /control_dns_resolutions_total\{client="policy",record_type="A\/AAAA",result="ok"\} 1\n/);
  assert.match(text, /control_identity_cert_refreshes_total\{result="ok"\} 1\n/);
});

test('routes and their backends are counted by status, gRPC ones by its name', () => {
  const registry = new MetricRegistry();
  const metrics = createProxyMetrics(registry);
  metrics.route('http', { route_name: 'r' }).finished(503, undefined, 'failfast', 0.2, 0.1);
  metrics.route('grpc', { route_name: 'r' }).finished(200, 14, '', 0.2, 0.1);
  metrics.route('http', { route_name: 'r', hostname: 'a.test' }).finished(200, undefined, '', 0.2, 0.1);
  metrics.routeBackend('http', { route_name: 'r' }).finished(200, undefined, '', 0.03);
  const inbound = metrics.inboundRoute('http', { route_name: 'r' });
  inbound.finished(200, undefined, '', 0.3, 0.2);
  inbound.finished(502, undefined, 'io', 0.3, 0.2);
  metrics.tcpRoute('tcp', { route_name: 't' }).close('ECONNRESET').add(1);
  const text = registry.expose();
  for (const line of [
    'outbound_http_route_request_statuses_total{route_name="r",hostname="",http_status="503",error="failfast"} 1',
    'outbound_http_route_request_statuses_total{route_name="r",hostname="a.test",http_status="200",error=""} 1',
    'outbound_grpc_route_request_statuses_total{route_name="r",hostname="",grpc_status="UNAVAILABLE",error=""} 1',
    'outbound_http_route_request_duration_seconds_bucket{route_name="r",hostname="",le="0.5"} 1',
    'outbound_http_route_backend_response_statuses_total{route_name="r",http_status="200",error=""} 1',
    'outbound_http_route_backend_response_duration_seconds_bucket{route_name="r",le="0.05"} 1',
    'inbound_http_statuses_total{route_name="r",status="200"} 1',
    'inbound_http_statuses_total{route_name="r",status="502"} 1',
    'inbound_http_response_duration_seconds_count{route_name="r"} 2',
    'outbound_tcp_route_close_total{route_name="t",error="ECONNRESET"} 1',
    'outbound_tcp_route_open_total{route_name="t"} 0',
  ])
    assert.ok(text.includes(`${line}\n`), line);
});

test('ten thousand series are exposed in well under a scrape’s time', async () => {
  const registry = new MetricRegistry();
  const metrics = createProxyMetrics(registry);
  // 25 buckets, the infinite one, sum and count: 28 lines per label set.
  const cells = Array.from({ length: 10_000 / 28 }, (_, n) => {
    const labels = { direction: 'outbound', authority: `service-${n}.shop.svc.cluster.local:80`, tls: 'true' };
    return metrics.http({
      ...labels,
      target_addr: `10.1.2.${n}:8080`,
      dst_pod: `service-${n}-0`,
      dst_namespace: 'shop',
    });
  });
  for (const cell of cells) cell.response(200, true, 3, '');
  let quickestMs = Infinity;
  let lines = 0;
  for (let round = 0; round < 10; round += 1) {
    const startedAt = performance.now();
    let text = '';
    for await (const piece of registry.exposeInTurns()) text += piece;
    quickestMs = Math.min(quickestMs, performance.now() - startedAt);
    lines = text.split('\n').length;
  }
  assert.ok(lines > 10_000, String(lines));
  // 4 ms on the machine that the goal of 50 was set for: the rest is for slower ones.
  assert.ok(quickestMs < 50, `${quickestMs} ms`);
});
