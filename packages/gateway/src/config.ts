/** Configuration of the gateway from the environment. Pure; all problems at once. */
import { isLoopbackTarget, parseTarget } from '@mesh/control-client';
import type { GrpcTarget } from '@mesh/control-client';
import { isDnsName } from '@mesh/model';
import { CONNECTIONS_PER_CLIENT_MAX } from '@mesh/proxy';
import { ConfigReader } from '@mesh/runtime';
import type { Env, LogFormat, LogLevel } from '@mesh/runtime';
import { ADMISSIONS } from './peer-claims.ts';
import type { Admission } from './peer-claims.ts';

/** A control-plane service and the name that its certificate must have. */
export interface ServiceConfig {
  readonly target: GrpcTarget;
  /** `undefined`: plain text, on loopback. */
  readonly name: string | undefined;
}

export interface GatewayConfig {
  readonly listenIp: string;
  /** For mesh traffic. */
  readonly port: number;
  readonly probe: { readonly port: number; readonly path: string };
  readonly adminPort: number;
  /** Processes that share the traffic; with more than one another process looks after them. */
  readonly workers: number;
  /** Of one client address, in each worker; 0: no limit. */
  readonly connectionsPerClientMax: number;
  /** Of this cluster, as its peers know it; empty: not configured. */
  readonly clusterName: string;
  readonly admission: Admission;
  /** Where Links and Peers are. */
  readonly namespace: string;
  readonly podName: string;
  readonly identityName: string;
  readonly trustDomain: string;
  /** Trust domains of peers that no Link here names. */
  readonly peerTrustDomains: readonly string[];
  readonly clusterDomain: string;
  readonly tokenFile: string;
  readonly trustAnchorsFile: string;
  readonly identity: ServiceConfig;
  readonly destination: ServiceConfig;
  /** Absent: any identity of an admitted trust domain is allowed. */
  readonly policy: ServiceConfig | undefined;
  readonly shutdownGraceMs: number;
  readonly lingerMs: number;
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
}

/** Linkerd's ports. */
export const DEFAULT_PORT = 4143;
export const DEFAULT_PROBE_PORT = 4191;
export const DEFAULT_PROBE_PATH = '/ready';
export const DEFAULT_ADMIN_PORT = 9994;
/** Kubernetes kills a pod 30 s after it asked it to stop. */
export const DEFAULT_SHUTDOWN_GRACE_MS = 25_000;
/** kube-proxy changes its rules at most once a second, and hears of it through the endpoints controller and the API. */
export const DEFAULT_LINGER_MS = 3_000;

/** More than any node of a gateway has processors to spare. */
export const WORKERS_MAX = 64;

const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'off'] as const;
const PORTS = { min: 0, max: 65_535 };
const COUNTS = { min: 0, max: 1_000_000 };

/** @throws ConfigError naming every key that is wrong. */
export function parseGatewayConfig(env: Env): GatewayConfig {
  const reader = new ConfigReader(env);
  const namespace = reader.text('_pod_ns') || 'linkerd-multicluster';
  const account = reader.text('_pod_sa') || 'linkerd-gateway';
  const controlPlane = reader.text('MESH_CONTROL_PLANE_NAMESPACE') || 'linkerd';
  const trustDomain = reader.text('MESH_TRUST_DOMAIN') || 'cluster.local';
  const nameOf = (role: string): string =>
    `${role}.${controlPlane}.serviceaccount.identity.${controlPlane}.${trustDomain}`;
  const config: GatewayConfig = {
    listenIp: reader.text('MESH_GATEWAY_LISTEN_IP') || '0.0.0.0',
    port: reader.integer('MESH_GATEWAY_PORT', DEFAULT_PORT, PORTS),
    probe: {
      port: reader.integer('MESH_GATEWAY_PROBE_PORT', DEFAULT_PROBE_PORT, PORTS),
      path: reader.text('MESH_GATEWAY_PROBE_PATH') || DEFAULT_PROBE_PATH,
    },
    adminPort: reader.integer('MESH_GATEWAY_ADMIN_PORT', DEFAULT_ADMIN_PORT, PORTS),
    workers: reader.integer('MESH_GATEWAY_WORKERS', 1, { min: 1, max: WORKERS_MAX }),
    connectionsPerClientMax: reader.integer(
      'MESH_GATEWAY_MAX_CONNECTIONS_PER_CLIENT',
      CONNECTIONS_PER_CLIENT_MAX,
      COUNTS,
    ),
    clusterName: reader.text('MESH_CLUSTER_NAME') ?? '',
    admission: reader.oneOf<Admission>('MESH_GATEWAY_ADMIT', 'auto', ADMISSIONS),
    namespace,
    podName: reader.text('_pod_name') || `gateway-${process.pid}`,
    identityName: `${account}.${namespace}.serviceaccount.identity.${controlPlane}.${trustDomain}`,
    trustDomain,
    peerTrustDomains: reader.list('MESH_GATEWAY_PEER_TRUST_DOMAINS', []),
    clusterDomain: (reader.text('MESH_CLUSTER_DOMAIN') || 'cluster.local').replace(/\.$/, ''),
    tokenFile: reader.text('MESH_IDENTITY_TOKEN_FILE') || '/var/run/secrets/tokens/linkerd-identity-token',
    trustAnchorsFile: reader.text('MESH_TRUST_ANCHORS_FILE') || '/var/run/linkerd/identity/trust-roots/ca-bundle.crt',
    identity: service(reader, 'MESH_IDENTITY', nameOf('linkerd-identity'), true) ?? NOWHERE,
    destination: service(reader, 'MESH_DESTINATION', nameOf('linkerd-destination'), true) ?? NOWHERE,
    policy: service(reader, 'MESH_POLICY', nameOf('linkerd-destination'), false),
    shutdownGraceMs: reader.durationMs('MESH_SHUTDOWN_GRACE_PERIOD', DEFAULT_SHUTDOWN_GRACE_MS),
    lingerMs: reader.durationMs('MESH_SHUTDOWN_LINGER', DEFAULT_LINGER_MS),
    logLevel: reader.oneOf<LogLevel>('MESH_LOG_LEVEL', 'info', LOG_LEVELS),
    logFormat: reader.oneOf<LogFormat>('MESH_LOG_FORMAT', 'plain', ['plain', 'json']),
  };
  if (!isDnsName(config.identityName)) {
    reader.problem(
      'MESH_TRUST_DOMAIN',
      `and the pod's names make the identity "${config.identityName}", which is not a DNS name`,
    );
  }
  if (config.clusterName !== '' && !isDnsName(config.clusterName))
    reader.problem('MESH_CLUSTER_NAME', `is "${config.clusterName}": give a DNS name in lower case, such as east`);
  if (config.workers > 1 && config.port === 0)
    reader.problem('MESH_GATEWAY_PORT', 'is 0, any free port: workers share one port, so give its number');
  reader.check();
  return config;
}

/** Stands in for an address that is missing, which is a problem already. */
const NOWHERE: ServiceConfig = { target: { host: '127.0.0.1', port: 1 }, name: undefined };

function service(reader: ConfigReader, prefix: string, name: string, isRequired: boolean): ServiceConfig | undefined {
  const key = `${prefix}_ADDRESS`;
  const text = reader.text(key) ?? '';
  const configured = reader.text(`${prefix}_NAME`) || name;
  const target = parseTarget(text);
  if (target === undefined) {
    if (text !== '' || isRequired) reader.problem(key, `is "${text}": give host:port`);
    return undefined;
  }
  return { target, name: isLoopbackTarget(target) ? undefined : configured };
}
