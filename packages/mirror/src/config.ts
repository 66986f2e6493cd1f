/** Configuration of the mirror from the environment. Pure; all problems at once. */
import { isLoopbackTarget, parseTarget } from '@mesh/control-client';
import type { GrpcTarget } from '@mesh/control-client';
import type { Cidr } from '@mesh/model';
import { ConfigReader } from '@mesh/runtime';
import type { Env, LogFormat, LogLevel } from '@mesh/runtime';
import { MESH_VERSION } from '@mesh/runtime';
import type { OwnClusterOptions } from './own-cluster.ts';

export interface IdentityConfig {
  /** The mirror's own workload identity. */
  readonly name: string;
  readonly target: GrpcTarget;
  /** Identity of the identity service; unused on loopback. */
  readonly serverName: string;
  readonly isPlaintext: boolean;
  readonly tokenFile: string;
  readonly trustAnchorsFile: string;
}

export interface MirrorConfig {
  /** Where Links and their Secrets are. */
  readonly namespace: string;
  /** This replica's name in the Lease. */
  readonly replica: string;
  readonly enableNamespaceCreation: boolean;
  /** Where pods of peers may be; empty: anywhere but in loopback, link-local, multicast and reserved networks. */
  readonly peerNetworks: readonly Cidr[];
  /** Where ServiceImports have the same address in every cluster; absent: any address of this cluster. */
  readonly clustersetNetwork: Cidr | undefined;
  /** What peers hear of this cluster. */
  readonly cluster: OwnClusterOptions;
  /** Credentials of Links are renewed at this age at the latest, milliseconds; absent: before half of their life. */
  readonly credentialsRenewAfterMs: number | undefined;
  readonly adminAddress: { readonly host: string; readonly port: number };
  /** Absent: gateways are not probed, since nothing can speak mTLS. */
  readonly identity: IdentityConfig | undefined;
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
  readonly leaseDurationMs: number;
  readonly leaseRenewMs: number;
}

export const DEFAULT_NAMESPACE = 'linkerd-multicluster';
/** Linkerd's port of the service mirror's admin server. */
export const DEFAULT_ADMIN = { host: '0.0.0.0', port: 9999 };

const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'off'] as const;

/** @throws ConfigError naming every key that is wrong. */
export function parseMirrorConfig(env: Env): MirrorConfig {
  const reader = new ConfigReader(env);
  const namespace = reader.text('MESH_NAMESPACE') || reader.text('_pod_ns') || DEFAULT_NAMESPACE;
  const config: MirrorConfig = {
    namespace,
    replica: reader.text('_pod_name') || `mirror-${process.pid}`,
    enableNamespaceCreation: reader.boolean('MESH_ENABLE_NAMESPACE_CREATION', false),
    peerNetworks: reader.cidrs('MESH_PEER_NETWORKS', []),
    clustersetNetwork: reader.cidrs('MESH_CLUSTERSET_NETWORK', [])[0],
    cluster: clusterOptions(reader),
    credentialsRenewAfterMs: reader.durationMs('MESH_CREDENTIALS_RENEW_AFTER', 0) || undefined,
    adminAddress: reader.socketAddress('MESH_ADMIN_ADDRESS', DEFAULT_ADMIN),
    identity: identityConfig(reader, namespace),
    logLevel: reader.oneOf<LogLevel>('MESH_LOG_LEVEL', 'info', LOG_LEVELS),
    logFormat: reader.oneOf<LogFormat>('MESH_LOG_FORMAT', 'plain', ['plain', 'json']),
    leaseDurationMs: reader.durationMs('MESH_LEASE_DURATION', 4_000),
    leaseRenewMs: reader.durationMs('MESH_LEASE_RENEW', 1_000),
  };
  reader.check();
  return config;
}

function clusterOptions(reader: ConfigReader): OwnClusterOptions {
  const clusterName = reader.text('MESH_CLUSTER_NAME') ?? '';
  if (!/^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)?$/.test(clusterName)) {
    reader.problem(
      'MESH_CLUSTER_NAME',
      `is "${clusterName}": give a DNS label of lower-case letters, digits and dashes, at most 63`,
    );
  }
  const clusterDomain = reader.text('MESH_CLUSTER_DOMAIN') || 'cluster.local';
  return {
    clusterName,
    version: MESH_VERSION,
    clusterDomain,
    trustDomain: reader.text('MESH_TRUST_DOMAIN') || clusterDomain,
    controlPlaneNamespace: reader.text('MESH_CONTROL_PLANE_NAMESPACE') || 'linkerd',
  };
}

function identityConfig(reader: ConfigReader, namespace: string): IdentityConfig | undefined {
  const address = reader.text('MESH_IDENTITY_ADDRESS') ?? '';
  if (address === '') return undefined;
  const target = parseTarget(address);
  if (target === undefined) {
    reader.problem('MESH_IDENTITY_ADDRESS', `is "${address}": give host:port of the identity service`);
    return undefined;
  }
  const account = reader.text('_pod_sa') || 'linkerd-service-mirror';
  const controlPlane = reader.text('MESH_CONTROL_PLANE_NAMESPACE') || 'linkerd';
  const trustDomain = reader.text('MESH_TRUST_DOMAIN') || 'cluster.local';
  return {
    name: `${account}.${reader.text('_pod_ns') || namespace}.serviceaccount.identity.${controlPlane}.${trustDomain}`,
    target,
    serverName:
      reader.text('MESH_IDENTITY_NAME') ||
      `linkerd-identity.${controlPlane}.serviceaccount.identity.${controlPlane}.${trustDomain}`,
    isPlaintext: isLoopbackTarget(target),
    tokenFile: reader.text('MESH_IDENTITY_TOKEN_FILE') || '/var/run/secrets/tokens/linkerd-identity-token',
    trustAnchorsFile: reader.text('MESH_TRUST_ANCHORS_FILE') || '/var/run/linkerd/identity/trust-roots/ca-bundle.crt',
  };
}
