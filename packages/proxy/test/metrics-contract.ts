/**
 * The metric families that operators of Linkerd know, as linkerd2-proxy exports them: name, type, labels, buckets. A label with `?` is only in some
 * series. Words in capitals stand for groups of labels.
 */

export type FamilyType = 'counter' | 'gauge' | 'histogram';

export interface ContractFamily {
  readonly name: string;
  readonly type: FamilyType;
  readonly required: ReadonlySet<string>;
  readonly optional: ReadonlySet<string>;
  /** Upper bounds without +Inf. */
  readonly buckets: readonly number[] | undefined;
}

const sixOf = (prefix: string): string =>
  ['group', 'kind', 'namespace', 'name', 'port', 'section_name'].map((label) => `${prefix}_${label}`).join(' ');

const GROUPS: Readonly<Record<string, string>> = {
  TARGET: 'target_addr target_ip target_port',
  'TARGET?': 'target_addr? target_ip? target_port?',
  SRV: 'srv_group srv_kind srv_name srv_port',
  'SRV?': 'srv_group? srv_kind? srv_name? srv_port?',
  INROUTE: 'route_group route_kind route_name',
  'INROUTE?': 'route_group? route_kind? route_name?',
  AUTHZ: 'authz_group authz_kind authz_name',
  'AUTHZ?': 'authz_group? authz_kind? authz_name?',
  INPARENT: 'parent_group parent_kind parent_name parent_port',
  PARENT: sixOf('parent'),
  BACKEND: sixOf('backend'),
  ROUTE: 'route_group route_kind route_namespace route_name',
  TLS: 'tls no_tls_reason? client_id? server_id?',
  'DST?': 'dst_deployment? dst_namespace? dst_pod? dst_service? dst_serviceaccount? dst_zone? dst_zone_locality?',
  ENDPOINT: 'direction authority? TARGET TLS DST? SRV? INROUTE? AUTHZ?',
  CONNECTION: 'direction peer authority? TARGET? TLS DST? SRV?',
};

const LATENCY_MS = [1, 10, 100, 1000, 10_000].flatMap((decade) => [1, 2, 3, 4, 5].map((step) => step * decade));
const FRAMES = [128, 1024, 10_240];
const COARSE = [0.05, 0.5, 1, 10];
const FINE = [0.025, 0.05, 0.1, 0.25, 0.5, 1, 10];
const QUEUE = [0.0005, 0.005, 0.05, 0.5, 1, 3];

function family(name: string, type: FamilyType, labels: string, buckets?: readonly number[]): ContractFamily {
  const all = expand(labels);
  return {
    name,
    type,
    required: new Set(all.filter((label) => !label.endsWith('?'))),
    optional: new Set(all.filter((label) => label.endsWith('?')).map((label) => label.slice(0, -1))),
    buckets,
  };
}

function expand(labels: string): readonly string[] {
  return labels
    .split(' ')
    .filter((label) => label !== '')
    .flatMap((label) => (GROUPS[label] === undefined ? [label] : expand(GROUPS[label])));
}

function balancer(prefix: string, labels: string): readonly ContractFamily[] {
  return [
    family(`${prefix}_endpoints`, 'gauge', `endpoint_state ${labels}`),
    family(`${prefix}_p2c_endpoints`, 'gauge', labels),
    family(`${prefix}_p2c_updates_total`, 'counter', `op ${labels}`),
    family(`${prefix}_queue_gate_open_time_seconds`, 'gauge', labels),
    family(`${prefix}_queue_gate_open_total`, 'counter', labels),
    family(`${prefix}_queue_gate_shut_time_seconds`, 'gauge', labels),
    family(`${prefix}_queue_gate_shut_total`, 'counter', labels),
    family(`${prefix}_queue_gate_timeout_seconds`, 'gauge', labels),
    family(`${prefix}_queue_latency_seconds`, 'histogram', labels, QUEUE),
    family(`${prefix}_queue_length`, 'gauge', labels),
    family(`${prefix}_queue_requests_total`, 'counter', labels),
  ];
}

function outboundRoute(protocol: 'http' | 'grpc'): readonly ContractFamily[] {
  const route = `outbound_${protocol}_route`;
  const status = `${protocol}_status error`;
  return [
    family(`${route}_request_duration_seconds`, 'histogram', 'PARENT ROUTE hostname', COARSE),
    family(`${route}_request_frame_size_bytes`, 'histogram', 'PARENT ROUTE hostname', FRAMES),
    family(`${route}_request_statuses_total`, 'counter', `PARENT ROUTE hostname ${status}`),
    family(`${route}_backend_requests_total`, 'counter', 'PARENT ROUTE BACKEND'),
    family(`${route}_backend_response_duration_seconds`, 'histogram', 'PARENT ROUTE BACKEND', FINE),
    family(`${route}_backend_response_frame_size_bytes`, 'histogram', 'PARENT ROUTE BACKEND', FRAMES),
    family(`${route}_backend_response_statuses_total`, 'counter', `PARENT ROUTE BACKEND ${status}`),
    ...['limit_exceeded', 'overflow', 'requests', 'successes'].map((what) =>
      family(`${route}_retry_${what}_total`, 'counter', 'PARENT ROUTE'),
    ),
  ];
}

function inboundRoute(protocol: 'http' | 'grpc'): readonly ContractFamily[] {
  const labels = 'INPARENT INROUTE';
  return [
    family(`inbound_${protocol}_requests_total`, 'counter', labels),
    family(`inbound_${protocol}_statuses_total`, 'counter', `${labels} status`),
    family(`inbound_${protocol}_request_duration_seconds`, 'histogram', labels, FINE),
    family(`inbound_${protocol}_response_duration_seconds`, 'histogram', labels, COARSE),
    family(`inbound_${protocol}_request_frame_size_bytes`, 'histogram', labels, FRAMES),
    family(`inbound_${protocol}_response_frame_size_bytes`, 'histogram', labels, FRAMES),
  ];
}

/** Both sides of every kind of traffic have these. */
export const CONTRACT: readonly ContractFamily[] = [
  family('request_total', 'counter', 'ENDPOINT'),
  family('response_total', 'counter', 'ENDPOINT status_code? classification grpc_status error'),
  family('response_latency_ms', 'histogram', 'ENDPOINT status_code?', LATENCY_MS),
  family('tcp_open_total', 'counter', 'CONNECTION'),
  family('tcp_open_connections', 'gauge', 'CONNECTION'),
  family('tcp_read_bytes_total', 'counter', 'CONNECTION'),
  family('tcp_write_bytes_total', 'counter', 'CONNECTION'),
  family('tcp_close_total', 'counter', 'CONNECTION errno'),

  family('inbound_http_authz_allow_total', 'counter', 'TARGET SRV INROUTE AUTHZ TLS'),
  family('inbound_http_authz_deny_total', 'counter', 'TARGET SRV INROUTE TLS'),
  family('inbound_http_route_not_found_total', 'counter', 'TARGET SRV TLS'),
  family('inbound_tcp_authz_allow_total', 'counter', 'TARGET SRV AUTHZ TLS'),
  family('inbound_tcp_authz_deny_total', 'counter', 'TARGET SRV TLS'),
  family('inbound_tcp_authz_terminate_total', 'counter', 'TARGET SRV TLS'),
  family('inbound_http_errors_total', 'counter', 'error TARGET SRV'),
  family('inbound_tcp_errors_total', 'counter', 'error TARGET'),
  family('inbound_tcp_detect_http_results_total', 'counter', 'result SRV'),
  family('inbound_tcp_detect_http_duration_seconds', 'histogram', 'SRV', [0.001, 0.1]),
  family(
    'inbound_tcp_transport_header_connections_total',
    'counter',
    'session_protocol target_port target_name client_id',
  ),
  ...inboundRoute('http'),
  ...inboundRoute('grpc'),

  family('outbound_http_errors_total', 'counter', 'TARGET error'),
  family('outbound_tcp_errors_total', 'counter', 'TARGET error'),
  family('outbound_tcp_detect_http_results_total', 'counter', 'result PARENT'),
  family('outbound_tcp_detect_http_duration_seconds', 'histogram', 'PARENT', [0.001, 0.1]),
  family('outbound_tcp_protocol_connections_total', 'counter', 'protocol PARENT'),
  family('outbound_tcp_transfer_cost_bytes_total', 'counter', 'op zone_locality'),
  family('outbound_tcp_route_open_total', 'counter', 'PARENT ROUTE target_ip target_port'),
  family('outbound_tcp_route_close_total', 'counter', 'PARENT ROUTE target_ip target_port error'),
  family('outbound_tls_route_open_total', 'counter', 'PARENT ROUTE hostname'),
  family('outbound_tls_route_close_total', 'counter', 'PARENT ROUTE hostname error'),
  ...balancer('outbound_http_balancer', 'PARENT BACKEND'),
  ...balancer('outbound_tcp_balancer', 'PARENT BACKEND logical concrete'),
  ...balancer('outbound_tls_balancer', 'PARENT BACKEND logical concrete'),
  ...outboundRoute('http'),
  ...outboundRoute('grpc'),

  family('stack_create_total', 'counter', 'direction protocol name'),
  family('stack_drop_total', 'counter', 'direction protocol name'),
  family('stack_poll_total', 'counter', 'direction protocol name ready'),
  family('stack_poll_total_ms', 'counter', 'direction protocol name'),

  ...['identity', 'destination', 'policy'].flatMap((client) => balancer(`control_${client}_balancer`, 'addr')),
  family('control_request_total', 'counter', 'addr TLS'),
  family('control_response_total', 'counter', 'addr TLS status_code classification grpc_status error'),
  family('control_response_latency_ms', 'histogram', 'addr TLS status_code', LATENCY_MS),
  family('control_dns_resolutions_total', 'counter', 'client record_type result'),
  family('control_identity_cert_expiration_timestamp_seconds', 'gauge', ''),
  family('control_identity_cert_refresh_timestamp_seconds', 'gauge', ''),
  family('control_identity_cert_refreshes_total', 'counter', 'result'),

  ...['clock_time_seconds', 'max_fds', 'open_fds', 'resident_memory_bytes', 'start_time_seconds', 'threads'].map(
    (name) => family(`process_${name}`, 'gauge', ''),
  ),
  family('process_virtual_memory_bytes', 'gauge', ''),
  ...['cpu_seconds', 'network_receive_bytes', 'network_transmit_bytes', 'uptime_seconds'].map((name) =>
    family(`process_${name}_total`, 'counter', ''),
  ),
  family('proxy_build_info', 'gauge', 'date git_sha profile vendor version'),
];

/** Families of the contract that no scrape has, and why. */
export const ABSENT: ReadonlyMap<string, string> = new Map([
  ['route_request_total', 'routes of ServiceProfiles are not served yet'],
  ['route_response_total', 'routes of ServiceProfiles are not served yet'],
  ['route_response_latency_ms', 'routes of ServiceProfiles are not served yet'],
  ['route_actual_request_total', 'routes of ServiceProfiles are not served yet'],
  ['route_actual_response_total', 'routes of ServiceProfiles are not served yet'],
  ['route_retryable_total', 'routes of ServiceProfiles are not served yet'],
  ['inbound_http_local_ratelimit_total', 'HTTPLocalRateLimitPolicy is not enforced yet'],
  ['opentelemetry_span_export_streams', 'no tracing yet'],
  ['opentelemetry_span_export_requests', 'no tracing yet'],
  ['opentelemetry_span_exports', 'no tracing yet'],
  ['rustls_info', 'about a library that is not in this proxy'],
  ['tokio_rt_workers', 'about a runtime that is not in this proxy; like all tokio_rt_*'],
]);
