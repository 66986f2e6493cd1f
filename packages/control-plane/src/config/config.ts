/** The configuration of the control plane's roles, by environment variable. Pure. */
import { LOG_LEVELS } from '@mesh/runtime';
import type { LogFormat, LogLevel } from '@mesh/runtime';

import type { EndpointConfig } from '../destination/endpoint.ts';
import type { PolicyConfig } from '../policy/service.ts';
import { DEFAULT_POLICIES } from '../policy/inbound.ts';
import { ALL_NETWORKS } from '../policy/messages.ts';
import type { Env } from './env.ts';
import { EnvReader } from './env.ts';

export const ROLES = ['identity', 'destination', 'policy', 'injector'] as const;
export type Role = (typeof ROLES)[number];

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

export interface CommonConfig {
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
  readonly admin: ListenAddress;
  readonly controlPlaneNamespace: string;
  readonly clusterDomain: string;
  readonly trustDomain: string;
  readonly trustAnchorsFile: string;
  /** This pod, for Events. */
  readonly podName: string;
}

/** What a role needs to get its own certificate from the identity service. */
export interface IdentityClientConfig {
  /** `host:port`. */
  readonly identityAddress: string;
  /** SNI and SAN of the identity service. */
  readonly identityName: string;
  readonly tokenFile: string;
  /** The identity of this role. */
  readonly ownName: string;
}

export interface GrpcConfig {
  readonly grpc: ListenAddress;
  /** Serve without TLS: for tests and for a control plane behind its own sidecars. */
  readonly plaintext: boolean;
}

export interface IdentityConfig extends CommonConfig, GrpcConfig {
  readonly issuerDir: string;
  readonly lifetimeMs: number;
  readonly skewMs: number;
}

export interface DestinationConfig extends CommonConfig, GrpcConfig {
  readonly identity: IdentityClientConfig;
  readonly endpoints: EndpointConfig;
}

export interface PolicyRoleConfig extends CommonConfig, GrpcConfig {
  readonly identity: IdentityClientConfig;
  readonly policy: PolicyConfig;
}

export interface InjectorConfig extends CommonConfig {
  readonly webhook: ListenAddress;
  /** Folder with `tls.crt` and `tls.key`. */
  readonly tlsDir: string;
}

export type Parsed<T> =
  | { readonly ok: true; readonly config: T }
  | { readonly ok: false; readonly problems: readonly string[] };

/** Ports of Linkerd's control plane. */
const ADMIN_PORT: Readonly<Record<Role, number>> = { identity: 9990, destination: 9996, policy: 9990, injector: 9995 };
const DEFAULT_ISSUER_DIR = '/var/run/linkerd/identity/issuer';
const DEFAULT_ANCHORS_FILE = '/var/run/linkerd/identity/trust-roots/ca-bundle.crt';
const DEFAULT_TOKEN_FILE = '/var/run/secrets/tokens/linkerd-identity-token';
const DEFAULT_TLS_DIR = '/var/run/linkerd/tls';
/** Private networks (RFC 1918, RFC 6598, RFC 4193), as Linkerd's chart has them. */
const DEFAULT_CLUSTER_NETWORKS = '10.0.0.0/8,100.64.0.0/10,172.16.0.0/12,192.168.0.0/16,fd00::/8';
const DEFAULT_OPAQUE_PORTS = '25,587,3306,4444,5432,6379,9300,11211';

export function parseIdentityConfig(env: Env): Parsed<IdentityConfig> {
  return parse(env, (reader) => ({
    ...common(reader, 'identity'),
    ...grpc(reader, 8080),
    issuerDir: reader.text('MESH_ISSUER_DIR', DEFAULT_ISSUER_DIR),
    lifetimeMs: reader.durationMs('MESH_IDENTITY_ISSUANCE_LIFETIME', '24h'),
    skewMs: reader.durationMs('MESH_IDENTITY_CLOCK_SKEW', '20s'),
  }));
}

export function parseDestinationConfig(env: Env): Parsed<DestinationConfig> {
  return parse(env, (reader) => {
    const shared = common(reader, 'destination');
    return {
      ...shared,
      ...grpc(reader, 8086),
      identity: identityClient(reader, shared),
      endpoints: {
        controlPlaneNamespace: shared.controlPlaneNamespace,
        trustDomain: shared.trustDomain,
        defaultOpaquePorts: reader.ports('MESH_DEFAULT_OPAQUE_PORTS', DEFAULT_OPAQUE_PORTS),
        enableH2Upgrade: reader.boolean('MESH_ENABLE_H2_UPGRADE', false),
      },
    };
  });
}

export function parsePolicyConfig(env: Env): Parsed<PolicyRoleConfig> {
  return parse(env, (reader) => {
    const shared = common(reader, 'policy');
    return {
      ...shared,
      ...grpc(reader, 8090),
      identity: identityClient(reader, shared),
      policy: {
        clusterDomain: shared.clusterDomain,
        clusterNetworks: reader.networks('MESH_CLUSTER_NETWORKS', DEFAULT_CLUSTER_NETWORKS),
        defaultPolicy: reader.oneOf('MESH_DEFAULT_INBOUND_POLICY', DEFAULT_POLICIES, 'all-unauthenticated'),
        defaultOpaquePorts: reader.ports('MESH_DEFAULT_OPAQUE_PORTS', DEFAULT_OPAQUE_PORTS),
        probeNetworks: ALL_NETWORKS,
      },
    };
  });
}

export function parseInjectorConfig(env: Env): Parsed<InjectorConfig> {
  return parse(env, (reader) => ({
    ...common(reader, 'injector'),
    webhook: reader.address('MESH_WEBHOOK_ADDRESS', '0.0.0.0:8443'),
    tlsDir: reader.text('MESH_WEBHOOK_TLS_DIR', DEFAULT_TLS_DIR),
  }));
}

function parse<T>(env: Env, read: (reader: EnvReader) => T): Parsed<T> {
  const reader = new EnvReader(env);
  const config = read(reader);
  return reader.problems.length === 0 ? { ok: true, config } : { ok: false, problems: reader.problems };
}

function common(reader: EnvReader, role: Role): CommonConfig {
  const clusterDomain = reader.text('MESH_CLUSTER_DOMAIN', 'cluster.local');
  return {
    logLevel: reader.oneOf('MESH_LOG_LEVEL', LOG_LEVELS, 'info'),
    logFormat: reader.oneOf('MESH_LOG_FORMAT', ['plain', 'json'], 'json'),
    admin: reader.address('MESH_ADMIN_ADDRESS', `0.0.0.0:${ADMIN_PORT[role]}`),
    controlPlaneNamespace: reader.text('MESH_CONTROL_PLANE_NAMESPACE', 'linkerd'),
    clusterDomain,
    trustDomain: reader.text('MESH_TRUST_DOMAIN', clusterDomain),
    trustAnchorsFile: reader.text('MESH_TRUST_ANCHORS_FILE', DEFAULT_ANCHORS_FILE),
    podName: reader.text('_pod_name', ''),
  };
}

function grpc(reader: EnvReader, port: number): GrpcConfig {
  return {
    grpc: reader.address('MESH_GRPC_ADDRESS', `0.0.0.0:${port}`),
    plaintext: reader.boolean('MESH_GRPC_PLAINTEXT', false),
  };
}

function identityClient(reader: EnvReader, shared: CommonConfig): IdentityClientConfig {
  const { controlPlaneNamespace: ns, clusterDomain, trustDomain } = shared;
  const account = reader.text('_pod_sa', 'linkerd-destination');
  return {
    identityAddress: reader.text('MESH_IDENTITY_ADDRESS', `linkerd-identity-headless.${ns}.svc.${clusterDomain}.:8080`),
    identityName: reader.text(
      'MESH_IDENTITY_NAME',
      `linkerd-identity.${ns}.serviceaccount.identity.${ns}.${trustDomain}`,
    ),
    tokenFile: reader.text('MESH_IDENTITY_TOKEN_FILE', DEFAULT_TOKEN_FILE),
    ownName: `${account}.${reader.text('_pod_ns', ns)}.serviceaccount.identity.${ns}.${trustDomain}`,
  };
}
