/** The data path's metric families, with the names, labels and buckets of Linkerd's proxy, bound by label set. */
import type { CounterCell, HistogramCell, MetricFamily, MetricRegistry } from '@mesh/runtime';
import { DETECT_RESULTS } from '../ports.ts';
import type {
  AuthzFamily,
  BalancerCells,
  DetectCells,
  DetectResult,
  ErrorFamily,
  GaugeCell,
  HttpCells,
  Labels,
  ProxyMetrics,
  TcpCells,
} from '../ports.ts';
import { BoundHttpCells } from './http-cells.ts';
import type { HttpFamilies } from './http-cells.ts';
import { bindInboundRoute, bindRoute, bindRouteBackend, bindRouteRetry } from './route-cells.ts';
import { bindStack, bindStackPolls } from './stack-cells.ts';
import { SummedGauge, TimedCounter } from './wrapped-cells.ts';

/** Linkerd's, milliseconds. */
export const LATENCY_BUCKETS_MS: readonly number[] = [1, 10, 100, 1000, 10_000].flatMap((decade) =>
  decade === 1 ? [1, 2, 3, 4, 5] : [1, 2, 3, 4, 5].map((step) => step * decade),
);
const DETECT_BUCKETS_SECONDS = [0.001, 0.1];
const QUEUE_BUCKETS_SECONDS = [0.0005, 0.005, 0.05, 0.5, 1, 3];

const AUTHZ_HELP: Readonly<Record<AuthzFamily, string>> = {
  inbound_http_authz_allow_total: 'Inbound HTTP requests that an authorization allowed.',
  inbound_http_authz_deny_total: 'Inbound HTTP requests that no authorization allowed.',
  inbound_http_route_not_found_total: 'Inbound HTTP requests that fit no route.',
  inbound_tcp_authz_allow_total: 'Inbound TCP connections that an authorization allowed.',
  inbound_tcp_authz_deny_total: 'Inbound TCP connections that no authorization allowed.',
  inbound_tcp_authz_terminate_total: 'Inbound TCP connections cut because the policy changed.',
};

const ERROR_HELP: Readonly<Record<ErrorFamily, string>> = {
  inbound_http_errors_total: 'Inbound HTTP requests that failed inside the proxy.',
  inbound_tcp_errors_total: 'Inbound TCP connections that failed.',
  outbound_http_errors_total: 'Outbound HTTP requests that failed inside the proxy.',
  outbound_tcp_errors_total: 'Outbound TCP connections that failed.',
};

export function createProxyMetrics(registry: MetricRegistry): ProxyMetrics {
  const http: HttpFamilies = {
    requestTotal: registry.counter({ name: 'request_total', help: 'HTTP requests.' }),
    responseTotal: registry.counter({ name: 'response_total', help: 'HTTP responses.' }),
    responseLatencyMs: registry.histogram({
      name: 'response_latency_ms',
      help: 'Time from a request to the head of its response, milliseconds.',
      buckets: LATENCY_BUCKETS_MS,
    }),
  };
  const counter = (name: string, help: string): MetricFamily<CounterCell> => registry.counter({ name, help });
  const tcp = {
    openTotal: counter('tcp_open_total', 'Connections opened.'),
    openConnections: registry.gauge({ name: 'tcp_open_connections', help: 'Connections that are open.' }),
    readBytes: counter('tcp_read_bytes_total', 'Bytes read from peers.'),
    writeBytes: counter('tcp_write_bytes_total', 'Bytes written to peers.'),
    closeTotal: counter('tcp_close_total', 'Connections closed.'),
  };
  return {
    tcp: (labels): TcpCells => ({
      openTotal: tcp.openTotal.bind(labels),
      openConnections: tcp.openConnections.bind(labels),
      readBytes: tcp.readBytes.bind(labels),
      writeBytes: tcp.writeBytes.bind(labels),
      closeTotal: (errno) => tcp.closeTotal.bind({ ...labels, errno }),
    }),
    http: (labels): HttpCells => new BoundHttpCells(http, labels),
    balancer: (kind, labels) => bindBalancer(registry, `outbound_${kind}_balancer_`, labels),
    route: (protocol, labels) => bindRoute(registry, protocol, labels),
    inboundRoute: (protocol, labels) => bindInboundRoute(registry, protocol, labels),
    tcpRoute(kind, labels) {
      const closed = counter(`outbound_${kind}_route_close_total`, 'Connections of a route that ended, by why.');
      return {
        open: counter(`outbound_${kind}_route_open_total`, 'Connections that took a route.').bind(labels),
        close: (error) => closed.bind({ ...labels, error }),
      };
    },
    stack: (labels) => bindStack(registry, labels),
    stackPolls: (labels) => bindStackPolls(registry, labels),
    routeRetry: (protocol, labels) => bindRouteRetry(registry, protocol, labels),
    routeBackend: (protocol, labels) => bindRouteBackend(registry, protocol, labels),
    transferCost(zone_locality) {
      const bytes = counter('outbound_tcp_transfer_cost_bytes_total', 'Bytes to and from endpoints, by zone.');
      return { sent: bytes.bind({ op: 'Send', zone_locality }), received: bytes.bind({ op: 'Recv', zone_locality }) };
    },
    protocolConnections: (labels) =>
      counter('outbound_tcp_protocol_connections_total', 'Outbound connections by protocol.').bind(labels),
    detect: (direction, labels) => bindDetect(registry, direction, labels),
    authz: (family, labels) => counter(family, AUTHZ_HELP[family]).bind(labels),
    errors: (family, labels) => counter(family, ERROR_HELP[family]).bind(labels),
    transportHeader: (labels) =>
      counter('inbound_tcp_transport_header_connections_total', 'Inbound connections with a transport header.').bind(
        labels,
      ),
  };
}

/** A balancer's cells under any prefix: the data path's and the control clients' have the same names. */
export function bindBalancer(registry: MetricRegistry, prefix: string, labels: Labels): BalancerCells {
  const gauge = (name: string, help: string, more: Labels = {}): GaugeCell =>
    registry.gauge({ name: `${prefix}${name}`, help }).bind({ ...more, ...labels });
  const counter = (name: string, help: string, more: Labels = {}): CounterCell =>
    registry.counter({ name: `${prefix}${name}`, help }).bind({ ...more, ...labels });
  const all = gauge('p2c_endpoints', 'Endpoints known to the balancer.');
  const endpoints = (endpoint_state: string): GaugeCell =>
    new SummedGauge(gauge('endpoints', 'Endpoints by state.', { endpoint_state }), all);
  const latency: HistogramCell = registry
    .histogram({
      name: `${prefix}queue_latency_seconds`,
      help: 'Time that requests waited for a ready endpoint.',
      buckets: QUEUE_BUCKETS_SECONDS,
    })
    .bind(labels);
  return {
    endpointsReady: endpoints('ready'),
    endpointsPending: endpoints('pending'),
    updatesAdd: counter('p2c_updates_total', 'Changes of the endpoint set.', { op: 'Add' }),
    updatesRemove: counter('p2c_updates_total', 'Changes of the endpoint set.', { op: 'Remove' }),
    queueLength: gauge('queue_length', 'Requests that wait for a ready endpoint.'),
    queueRequests: counter('queue_requests_total', 'Requests that were given to the balancer.'),
    queueLatencySeconds: latency,
    gateOpen: new TimedCounter(
      counter('queue_gate_open_total', 'Times that the balancer left failfast.'),
      gauge('queue_gate_open_time_seconds', 'When the balancer last left failfast, seconds since the epoch.'),
    ),
    gateShut: new TimedCounter(
      counter('queue_gate_shut_total', 'Times that the balancer entered failfast.'),
      gauge('queue_gate_shut_time_seconds', 'When the balancer last entered failfast, seconds since the epoch.'),
    ),
    gateTimeoutSeconds: gauge('queue_gate_timeout_seconds', 'How long nothing may be ready before failfast, seconds.'),
  };
}

function bindDetect(registry: MetricRegistry, direction: 'inbound' | 'outbound', labels: Labels): DetectCells {
  const results = registry.counter({
    name: `${direction}_tcp_detect_http_results_total`,
    help: 'Connections by what protocol detection found.',
  });
  // All results exist from the start, so that rates of rare ones are right from their first occurrence.
  const cells = new Map(DETECT_RESULTS.map((result) => [result, results.bind({ result, ...labels })] as const));
  return {
    result: (result: DetectResult) => cells.get(result) ?? results.bind({ result, ...labels }),
    durationSeconds: registry
      .histogram({
        name: `${direction}_tcp_detect_http_duration_seconds`,
        help: 'How long protocol detection took.',
        buckets: DETECT_BUCKETS_SECONDS,
      })
      .bind(labels),
  };
}
