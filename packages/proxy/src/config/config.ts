/**
 * The sidecar's configuration: the environment of Linkerd's proxy (`LINKERD2_PROXY_…`), all of it read and checked at once. Keys that
 * Linkerd has and this proxy has no use for yet are accepted in silence; keys that nobody knows are warned of.
 */
import type { GrpcTarget, StreamLimits } from '@mesh/control-client';
import { DEFAULT_POLICIES } from '@mesh/model';
import type { DefaultPolicy } from '@mesh/model';
import { isLoopbackTarget, parseTarget } from '@mesh/control-client';
import { parseIp, PortSet } from '@mesh/model';
import type { Cidr, SocketAddress } from '@mesh/model';
import { ConfigReader } from '@mesh/runtime';
import type { BackoffOptions, Env, LogFormat } from '@mesh/runtime';
import { isClientIdentity } from '@mesh/wire';
import type { AccessLogFormat } from '../access-log/format.ts';
import { HTTP2_DEFAULTS, HTTP2_WINDOWS } from '../http/http2-options.ts';
import type { Http2Options, Http2Windows } from '../http/http2-options.ts';
import {
  ACCEPTED_KEYS,
  ADMIN_LISTEN,
  ANCHORS_FILE_KEY,
  AUTHORITY_LABELS_KEY,
  AUTHORITY_LABELS_ON,
  CONTROL_LIMIT_KEYS,
  INBOUND_LISTEN,
  LOG_DEFAULT,
  OUTBOUND_LISTEN,
  PREFIX,
} from './keys.ts';
import { checkAll, ownKeys, readPeerLimits } from './peer-limits.ts';
import type { PeerLimits } from './peer-limits.ts';

/** A control-plane service: where it is, and the name that its certificate must have. */
export interface ServiceConfig {
  readonly target: GrpcTarget;
  /** `undefined` for loopback targets, which are spoken to in plain text. */
  readonly name: string | undefined;
}

export interface DirectionConfig {
  readonly connectTimeoutMs: number;
  readonly connectBackoff: BackoffOptions;
  readonly detectTimeoutMs: number;
  readonly discoveryIdleMs: number;
  readonly http1PoolIdleMs: number;
  readonly idleConnectionsPerEndpointMax: number;
  readonly inFlightMax: number;
  readonly acceptKeepAliveMs: number;
  readonly connectKeepAliveMs: number;
  readonly http2: Http2Options;
}

export interface QueueConfig {
  readonly capacity: number;
  readonly failfastTimeoutMs: number;
}

export interface OutboundConfig extends DirectionConfig {
  readonly listen: readonly SocketAddress[];
  readonly httpQueue: QueueConfig;
  readonly tcpQueue: QueueConfig;
  /** `l5d-proxy-error` and the like for the application. */
  readonly informationalHeaders: boolean;
  /** Requests are counted by their hosts too. */
  readonly hostnameLabels: boolean;
  /** The application is an ingress, whose requests name their destinations in `l5d-dst-override`. */
  readonly ingress: boolean;
}

export interface InboundConfig extends DirectionConfig {
  readonly listen: SocketAddress;
  /** Addresses that may be connected to; empty: not checked. */
  readonly ips: readonly string[];
  /** Ports that are watched from the start. */
  readonly ports: PortSet;
  readonly opaquePorts: PortSet;
  readonly defaultPolicy: DefaultPolicy;
  /** Ports that take clients with an identity only, until the policy service says more. */
  readonly identityPorts: PortSet;
  readonly httpQueue: QueueConfig;
  /** Undefined: no access log. */
  readonly accessLog: AccessLogFormat | undefined;
  /** Gateways that are believed when they say who their clients are. */
  readonly gatewayIdentities: readonly string[];
  /** Requests are counted by the authority that they are for. */
  readonly authorityLabels: boolean;
}

export interface IdentityConfig {
  readonly name: string;
  readonly serverName: string;
  /** PEM text; empty when a file is given. */
  readonly trustAnchors: string;
  /** A file with the anchors, followed while the proxy runs; `undefined`: the text stays. */
  readonly trustAnchorsFile: string | undefined;
  readonly tokenPath: string;
  readonly minRefreshMs: number;
  readonly maxRefreshMs: number;
}

export interface ProxyConfig {
  readonly inbound: InboundConfig;
  readonly outbound: OutboundConfig;
  readonly admin: { readonly listen: SocketAddress; readonly shutdownEnabled: boolean };
  readonly identity: IdentityConfig;
  readonly services: {
    readonly destination: ServiceConfig;
    readonly policy: ServiceConfig;
    readonly identity: ServiceConfig;
  };
  /** Limits of streams to services that are not on loopback. */
  readonly streamLimits: StreamLimits;
  readonly peerLimits: PeerLimits;
  readonly destinationContext: string;
  readonly policyWorkload: string;
  readonly profileNetworks: readonly Cidr[];
  readonly clusterNetworks: readonly Cidr[];
  readonly shutdownGraceMs: number;
  readonly metricsRetainIdleMs: number;
  readonly logFilter: string;
  readonly logFormat: LogFormat;
  /** Sentences for the log: keys that nobody knows. */
  readonly warnings: readonly string[];
}

const GATEWAY_IDENTITIES_FORM =
  'a comma list of identities such as linkerd-gateway.linkerd-multicluster.serviceaccount.identity.linkerd.cluster.local';

/** @throws ConfigError with every problem. */
export function parseProxyConfig(env: Env): ProxyConfig {
  const reader = new ConfigReader(env, PREFIX);
  const own = ownKeys(env);
  for (const key of ACCEPTED_KEYS) reader.text(key);
  const windows = readWindows(reader);
  const config: ProxyConfig = {
    inbound: readInbound(reader, own, windows),
    outbound: readOutbound(reader, windows),
    admin: {
      listen: reader.socketAddress('ADMIN_LISTEN_ADDR', ADMIN_LISTEN),
      shutdownEnabled: reader.boolean('SHUTDOWN_ENDPOINT_ENABLED', false),
    },
    identity: readIdentity(reader, env[ANCHORS_FILE_KEY] === '' ? undefined : env[ANCHORS_FILE_KEY]),
    services: {
      destination: readService(reader, 'DESTINATION_SVC'),
      policy: readService(reader, 'POLICY_SVC'),
      identity: readService(reader, 'IDENTITY_SVC'),
    },
    streamLimits: readLimits(reader),
    peerLimits: readPeerLimits(own),
    destinationContext: reader.text('DESTINATION_CONTEXT') ?? '',
    policyWorkload: reader.requiredText('POLICY_WORKLOAD', 'the workload as JSON, such as {"ns":"shop","pod":"web-0"}'),
    profileNetworks: reader.cidrs('DESTINATION_PROFILE_NETWORKS', []),
    clusterNetworks: reader.cidrs('POLICY_CLUSTER_NETWORKS', []),
    shutdownGraceMs: reader.durationMs('SHUTDOWN_GRACE_PERIOD', 120_000),
    metricsRetainIdleMs: reader.durationMs('METRICS_RETAIN_IDLE', 600_000),
    logFilter: reader.text('LOG') ?? LOG_DEFAULT,
    logFormat: reader.custom<LogFormat>(
      'LOG_FORMAT',
      'plain',
      'PLAIN or JSON',
      (text) => ({ plain: 'plain', json: 'json' } as const)[text.toLowerCase() as 'plain' | 'json'],
    ),
    warnings: [],
  };
  checkPolicy(reader, config);
  if (reader.text('IDENTITY_DISABLED') !== undefined)
    reader.problem('IDENTITY_DISABLED', 'is set: identity cannot be disabled, remove the key');
  for (const key of ['IDENTITY_SPIRE_WORKLOAD_API_ADDRESS', 'IDENTITY_SPIRE_SOCKET'])
    if (reader.text(key) !== undefined)
      reader.problem(key, 'is set: SPIRE is not supported, remove the key and use the identity service');
  checkAll(reader, own);
  const warnings = reader.unknownKeys().map((key) => `${key} is not known and has no effect`);
  const labels = reader.text(AUTHORITY_LABELS_KEY);
  if (labels !== undefined && labels !== AUTHORITY_LABELS_ON)
    warnings.push(
      `${PREFIX}${AUTHORITY_LABELS_KEY} is ${JSON.stringify(labels)} and has no effect: give ${AUTHORITY_LABELS_ON}`,
    );
  return { ...config, warnings };
}

function readInbound(reader: ConfigReader, own: ConfigReader, windows: Http2Windows): InboundConfig {
  return {
    ...readDirection(reader, 'INBOUND', {
      connectTimeoutMs: 300,
      discoveryIdleMs: 90_000,
      backoffMaxMs: 10_000,
      idleKey: 'MAX_IDLE_CONNS_PER_ENDPOINT',
      windows,
    }),
    listen: reader.socketAddress('INBOUND_LISTEN_ADDR', INBOUND_LISTEN),
    ips: reader.custom('INBOUND_IPS', [], 'a comma list of addresses', (text) => {
      const ips = text.split(',').map((ip) => ip.trim());
      return ips.every((ip) => parseIp(ip) !== undefined) ? ips : undefined;
    }),
    ports: reader.portSet('INBOUND_PORTS', PortSet.EMPTY),
    opaquePorts: reader.portSet('INBOUND_PORTS_DISABLE_PROTOCOL_DETECTION', PortSet.EMPTY),
    defaultPolicy: reader.oneOf('INBOUND_DEFAULT_POLICY', 'all-unauthenticated', DEFAULT_POLICIES),
    identityPorts: reader.portSet('INBOUND_PORTS_REQUIRE_IDENTITY', PortSet.EMPTY),
    httpQueue: readQueue(reader, 'INBOUND_HTTP', 1000),
    accessLog: reader.custom<AccessLogFormat | undefined>('ACCESS_LOG', undefined, 'apache or json', (text) =>
      text === 'apache' || text === 'json' ? text : undefined,
    ),
    gatewayIdentities: own.custom('GATEWAY_IDENTITIES', [], GATEWAY_IDENTITIES_FORM, (text) => {
      const names = text.split(',').map((name) => name.trim());
      return names.every(isClientIdentity) ? names : undefined;
    }),
    authorityLabels: reader.text(AUTHORITY_LABELS_KEY) === AUTHORITY_LABELS_ON,
  };
}

function readOutbound(reader: ConfigReader, windows: Http2Windows): OutboundConfig {
  const one = reader.socketAddress('OUTBOUND_LISTEN_ADDR', OUTBOUND_LISTEN);
  const listen = reader.socketAddresses('OUTBOUND_LISTEN_ADDRS', [one]);
  const ingress = reader.boolean('INGRESS_MODE', false);
  if (listen.length < 1 || listen.length > 2) reader.problem('OUTBOUND_LISTEN_ADDRS', 'must hold one or two addresses');
  return {
    ...readDirection(reader, 'OUTBOUND', {
      connectTimeoutMs: 1000,
      discoveryIdleMs: 5000,
      backoffMaxMs: 60_000,
      idleKey: 'OUTBOUND_MAX_IDLE_CONNS_PER_ENDPOINT',
      windows,
    }),
    listen,
    httpQueue: readQueue(reader, 'OUTBOUND_HTTP', 3000),
    tcpQueue: readQueue(reader, 'OUTBOUND_TCP', 3000),
    // The clients of an ingress are strangers: they are told nothing of the mesh.
    informationalHeaders: !reader.boolean('OUTBOUND_DISABLE_INFORMATIONAL_HEADERS', ingress),
    hostnameLabels: reader.boolean('OUTBOUND_METRICS_HOSTNAME_LABELS', false),
    ingress,
  };
}

function readDirection(
  reader: ConfigReader,
  direction: 'INBOUND' | 'OUTBOUND',
  defaults: {
    readonly connectTimeoutMs: number;
    readonly discoveryIdleMs: number;
    readonly backoffMaxMs: number;
    readonly idleKey: string;
    readonly windows: Http2Windows;
  },
): DirectionConfig {
  const minMs = reader.durationMs(`${direction}_CONNECT_EXP_BACKOFF_MIN`, 100);
  const maxMs = reader.durationMs(`${direction}_CONNECT_EXP_BACKOFF_MAX`, defaults.backoffMaxMs);
  if (minMs > maxMs)
    reader.problem(`${direction}_CONNECT_EXP_BACKOFF_MIN`, `is longer than ${direction}_CONNECT_EXP_BACKOFF_MAX`);
  return {
    connectTimeoutMs: reader.durationMs(`${direction}_CONNECT_TIMEOUT`, defaults.connectTimeoutMs),
    connectBackoff: {
      minMs,
      maxMs,
      jitterRatio: reader.number(`${direction}_CONNECT_EXP_BACKOFF_JITTER`, 0.1, { min: 0, max: 100 }),
    },
    detectTimeoutMs: reader.durationMs(`${direction}_DETECT_TIMEOUT`, 10_000),
    discoveryIdleMs: reader.durationMs(`${direction}_DISCOVERY_IDLE_TIMEOUT`, defaults.discoveryIdleMs),
    http1PoolIdleMs: reader.durationMs(`${direction}_HTTP1_CONNECTION_POOL_IDLE_TIMEOUT`, 3000),
    idleConnectionsPerEndpointMax: reader.integer(defaults.idleKey, 10_000, { min: 0, max: 1_000_000 }),
    inFlightMax: reader.integer(`${direction}_MAX_IN_FLIGHT`, 100_000, { min: 1, max: 10_000_000 }),
    acceptKeepAliveMs: reader.durationMs(`${direction}_ACCEPT_KEEPALIVE`, 0),
    connectKeepAliveMs: reader.durationMs(`${direction}_CONNECT_KEEPALIVE`, 0),
    http2: readHttp2(reader, direction, defaults.windows),
  };
}

/** RFC 9113 §6.9.1 and §6.9.2: no window is larger, and a connection's is never smaller. */
const WINDOW = { min: 1, max: 0x7fff_ffff };
const CONNECTION_WINDOW = { min: 65_535, max: 0x7fff_ffff };

function readWindows(reader: ConfigReader): Http2Windows {
  const { streamWindowBytes, connectionWindowBytes } = HTTP2_WINDOWS;
  return {
    streamWindowBytes: reader.integer('HTTP2_INITIAL_STREAM_WINDOW_SIZE', streamWindowBytes, WINDOW),
    connectionWindowBytes: reader.integer(
      'HTTP2_INITIAL_CONNECTION_WINDOW_SIZE',
      connectionWindowBytes,
      CONNECTION_WINDOW,
    ),
  };
}

/** @param both Windows of both roles where nothing is said of servers. */
function readHttp2(reader: ConfigReader, direction: 'INBOUND' | 'OUTBOUND', both: Http2Windows): Http2Options {
  const server = `${direction}_SERVER_HTTP2`;
  const { server: ofServer, client } = HTTP2_DEFAULTS;
  const intervalMs = reader.durationMs(`${server}_KEEP_ALIVE_INTERVAL`, undefined);
  const timeoutMs = reader.durationMs(`${server}_KEEP_ALIVE_TIMEOUT`, client.keepAlive.timeoutMs);
  return {
    server: {
      streamWindowBytes: reader.integer(`${server}_INITIAL_STREAM_WINDOW_SIZE`, both.streamWindowBytes, WINDOW),
      connectionWindowBytes: reader.integer(
        `${server}_INITIAL_CONNECTION_WINDOW_SIZE`,
        both.connectionWindowBytes,
        CONNECTION_WINDOW,
      ),
      streamsMax: reader.integer(`${server}_MAX_CONCURRENT_STREAMS`, ofServer.streamsMax, { min: 1, max: 1_000_000 }),
      keepAlive: intervalMs === undefined ? undefined : { intervalMs, timeoutMs, whileIdle: true },
    },
    client: { ...client, ...both },
  };
}

function readQueue(reader: ConfigReader, prefix: string, failfastMs: number): QueueConfig {
  return {
    capacity: reader.integer(`${prefix}_QUEUE_CAPACITY`, 10_000, { min: 1, max: 1_000_000 }),
    failfastTimeoutMs: reader.durationMs(`${prefix}_FAILFAST_TIMEOUT`, failfastMs),
  };
}

function readIdentity(reader: ConfigReader, trustAnchorsFile: string | undefined): IdentityConfig {
  const localName = reader.text('IDENTITY_LOCAL_NAME');
  const name = reader.text('IDENTITY_SERVER_ID') ?? localName ?? '';
  if (name === '') reader.problem('IDENTITY_LOCAL_NAME', 'is not set: give the identity that this workload asks for');
  return {
    name,
    serverName: reader.text('IDENTITY_SERVER_NAME') ?? localName ?? name,
    trustAnchors:
      trustAnchorsFile === undefined
        ? reader.requiredText(
            'IDENTITY_TRUST_ANCHORS',
            `the trust anchors as PEM text, or their file in ${ANCHORS_FILE_KEY}`,
          )
        : (reader.text('IDENTITY_TRUST_ANCHORS') ?? ''),
    trustAnchorsFile,
    tokenPath: reader.requiredText('IDENTITY_TOKEN_FILE', 'the path of the projected service-account token'),
    minRefreshMs: reader.durationMs('IDENTITY_MIN_REFRESH', 10_000),
    maxRefreshMs: reader.durationMs('IDENTITY_MAX_REFRESH', 86_400_000),
  };
}

function readService(reader: ConfigReader, service: string): ServiceConfig {
  const address = reader.requiredText(`${service}_ADDR`, 'host:port');
  const name = reader.text(`${service}_NAME`);
  const target = parseTarget(address);
  if (target === undefined) {
    if (address !== '') reader.problem(`${service}_ADDR`, `is ${JSON.stringify(address)}: give host:port`);
    return { target: { host: 'invalid', port: 1 }, name };
  }
  if (isLoopbackTarget(target)) return { target, name: undefined };
  if (name === undefined || name === '')
    reader.problem(
      `${service}_NAME`,
      `is not set: give the identity of the service at ${address}, as it is not on loopback`,
    );
  return { target, name };
}

function readLimits(reader: ConfigReader): StreamLimits {
  const [initialKey, idleKey, lifetimeKey] = CONTROL_LIMIT_KEYS;
  const limits: StreamLimits = {
    initialTimeoutMs: reader.durationMs(initialKey, undefined),
    idleTimeoutMs: reader.durationMs(idleKey, undefined),
    lifetimeMs: reader.durationMs(lifetimeKey, undefined),
  };
  const none = Number.POSITIVE_INFINITY;
  if ((limits.initialTimeoutMs ?? 0) > (limits.idleTimeoutMs ?? none))
    reader.problem(initialKey, `is longer than ${idleKey}`);
  if ((limits.idleTimeoutMs ?? 0) > (limits.lifetimeMs ?? none))
    reader.problem(idleKey, `is longer than ${lifetimeKey}`);
  return limits;
}

function checkPolicy(reader: ConfigReader, config: ProxyConfig): void {
  const { defaultPolicy } = config.inbound;
  const needsNetworks = defaultPolicy.startsWith('cluster-') || defaultPolicy === 'audit';
  if (needsNetworks && config.clusterNetworks.length === 0)
    reader.problem(
      'POLICY_CLUSTER_NETWORKS',
      `is not set: the default policy ${defaultPolicy} needs the cluster's networks`,
    );
}

/** The configuration as `/config` shows it: networks and ports as text, and no PEM. */
export function describeConfig(config: ProxyConfig): unknown {
  return JSON.parse(
    JSON.stringify(config, (key, value: unknown) => {
      if (key === 'trustAnchors') return `${String(value).split('BEGIN CERTIFICATE').length - 1} certificates`;
      if (value instanceof PortSet) return value.toString();
      if (value instanceof Uint8Array) return Array.from(value).join('.');
      return value;
    }),
  );
}
