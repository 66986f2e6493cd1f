/** Names and defaults of the environment, as Linkerd's proxy has them. */
import type { SocketAddress } from '@mesh/model';

export const PREFIX = 'LINKERD2_PROXY_';

/** Ours: Linkerd has the anchors as text only, so that a pod must restart to trust a new one. */
export const ANCHORS_FILE_KEY = 'MESH_IDENTITY_TRUST_ANCHORS_FILE';

export const OUTBOUND_LISTEN: SocketAddress = { host: '127.0.0.1', port: 4140 };
export const INBOUND_LISTEN: SocketAddress = { host: '0.0.0.0', port: 4143 };
export const ADMIN_LISTEN: SocketAddress = { host: '127.0.0.1', port: 4191 };
export const LOG_DEFAULT = 'warn,linkerd=info';

/** Its only value that does something, as Linkerd has it: the label's values are whatever clients write. */
export const AUTHORITY_LABELS_KEY = 'INBOUND_METRICS_AUTHORITY_LABELS';
export const AUTHORITY_LABELS_ON = 'unsafe';

export const CONTROL_LIMIT_KEYS = [
  'CONTROL_STREAM_INITIAL_TIMEOUT',
  'CONTROL_STREAM_IDLE_TIMEOUT',
  'CONTROL_STREAM_LIFETIME',
] as const;

const SERVER_HTTP2 = [
  'MAX_FRAME_SIZE',
  'MAX_HEADER_LIST_SIZE',
  'MAX_PENDING_ACCEPT_RESET_STREAMS',
  'MAX_SEND_BUF_SIZE',
  'ADAPTIVE_FLOW_CONTROL',
].flatMap((key) => [`INBOUND_SERVER_HTTP2_${key}`, `OUTBOUND_SERVER_HTTP2_${key}`]);

/** Keys that manifests for Linkerd set and this proxy accepts without using them (yet). */
export const ACCEPTED_KEYS: readonly string[] = [
  ...SERVER_HTTP2,
  'CONTROL_LISTEN_ADDR',
  'TAP_SVC_NAME',
  'IDENTITY_DIR',
  'DESTINATION_PROFILE_SUFFIXES',
  'DESTINATION_PROFILE_INITIAL_TIMEOUT',
  'INBOUND_GATEWAY_SUFFIXES',
  'INBOUND_PORTS_REQUIRE_TLS',
  'INBOUND_ACCEPT_USER_TIMEOUT',
  'OUTBOUND_CONNECT_USER_TIMEOUT',
  'INBOUND_TCP_LISTEN_BACKLOG',
  'OUTBOUND_TCP_LISTEN_BACKLOG',
  'DNS_MIN_TTL',
  'DNS_MAX_TTL',
  'CORES',
  'CORES_MIN',
  'CORES_MAX',
  'CORES_MAX_RATIO',
  'TRACE_COLLECTOR_SVC_ADDR',
  'TRACE_COLLECTOR_SVC_NAME',
  'TRACE_ATTRIBUTES_PATH',
  'TRACE_SERVICE_NAME',
  'TRACE_EXTRA_ATTRIBUTES',
  'TRACE_PROTOCOL',
  'TRACE_ANNOTATIONS_PATH',
];
