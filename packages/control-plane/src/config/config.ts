/** The configuration of the control plane's roles, by environment variable. Pure. */
import { DEFAULT_POLICIES, parseCidr, parsePortSet, PortSet } from '@mesh/model';
import type { Cidr } from '@mesh/model';
import { ConfigReader, LOG_LEVELS, parseDurationMs } from '@mesh/runtime';
import type { Env, LogFormat, LogLevel } from '@mesh/runtime';

import { CLOCK_SKEW_MS, LEAF_LIFETIME_MS } from '@mesh/pki';

import type { EndpointConfig } from '../destination/endpoint.ts';
import type { PolicyConfig } from '../policy/service.ts';
import { ALL_NETWORKS } from '../policy/default-policies.ts';

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

/** Where the injector's serving certificate comes from, and who keeps it valid. */
export type WebhookCertificateConfig =
  /** A folder with `tls.crt` and `tls.key`, read again when they change. */
  | { readonly kind: 'files'; readonly dir: string }
  /** A Secret, read live; renewed by the injector unless somebody else does. */
  | {
      readonly kind: 'secret';
      readonly secretName: string;
      readonly renew: boolean;
      readonly lifetimeMs: number;
      readonly propagationMs: number;
    };

export interface InjectorConfig extends CommonConfig {
  readonly webhook: ListenAddress;
  readonly certificate: WebhookCertificateConfig;
}

/** Ports of Linkerd's control plane. */
const ADMIN_PORT: Readonly<Record<Role, number>> = { identity: 9990, destination: 9996, policy: 9990, injector: 9995 };
const ANY_ADDRESS = '0.0.0.0';
const DEFAULT_ISSUER_DIR = '/var/run/linkerd/identity/issuer';
const DEFAULT_ANCHORS_FILE = '/var/run/linkerd/identity/trust-roots/ca-bundle.crt';
const DEFAULT_TOKEN_FILE = '/var/run/secrets/tokens/linkerd-identity-token';
const DEFAULT_WEBHOOK_SECRET = 'linkerd-proxy-injector-k8s-tls';
/** As `mesh install` makes it. */
const WEBHOOK_LIFETIME_MS = 365 * 86_400_000;
/** API servers learn of a changed webhook by a watch, within a second unless they are in trouble. */
const WEBHOOK_PROPAGATION_MS = 30_000;
/** Private networks (RFC 1918, RFC 6598, RFC 4193), as Linkerd's chart has them. */
const DEFAULT_CLUSTER_NETWORKS = '10.0.0.0/8,100.64.0.0/10,172.16.0.0/12,192.168.0.0/16,fd00::/8';
const DEFAULT_OPAQUE_PORTS = '25,587,3306,4444,5432,6379,9300,11211';

export function parseIdentityConfig(env: Env): IdentityConfig {
  return parse(env, (reader) => ({
    ...common(reader, 'identity'),
    ...grpc(reader, 8080),
    issuerDir: text(reader, 'MESH_ISSUER_DIR', DEFAULT_ISSUER_DIR),
    lifetimeMs: duration(reader, 'MESH_IDENTITY_ISSUANCE_LIFETIME', LEAF_LIFETIME_MS),
    skewMs: duration(reader, 'MESH_IDENTITY_CLOCK_SKEW', CLOCK_SKEW_MS),
  }));
}

export function parseDestinationConfig(env: Env): DestinationConfig {
  return parse(env, (reader) => {
    const shared = common(reader, 'destination');
    return {
      ...shared,
      ...grpc(reader, 8086),
      identity: identityClient(reader, shared),
      endpoints: {
        controlPlaneNamespace: shared.controlPlaneNamespace,
        trustDomain: shared.trustDomain,
        defaultOpaquePorts: ports(reader, 'MESH_DEFAULT_OPAQUE_PORTS', DEFAULT_OPAQUE_PORTS),
        enableH2Upgrade: reader.boolean('MESH_ENABLE_H2_UPGRADE', false),
      },
    };
  });
}

export function parsePolicyConfig(env: Env): PolicyRoleConfig {
  return parse(env, (reader) => {
    const shared = common(reader, 'policy');
    return {
      ...shared,
      ...grpc(reader, 8090),
      identity: identityClient(reader, shared),
      policy: {
        clusterDomain: shared.clusterDomain,
        clusterNetworks: reader.cidrs('MESH_CLUSTER_NETWORKS', networks(DEFAULT_CLUSTER_NETWORKS)),
        defaultPolicy: reader.oneOf('MESH_DEFAULT_INBOUND_POLICY', 'all-unauthenticated', DEFAULT_POLICIES),
        defaultOpaquePorts: ports(reader, 'MESH_DEFAULT_OPAQUE_PORTS', DEFAULT_OPAQUE_PORTS),
        probeNetworks: ALL_NETWORKS,
      },
    };
  });
}

export function parseInjectorConfig(env: Env): InjectorConfig {
  return parse(env, (reader) => ({
    ...common(reader, 'injector'),
    webhook: reader.socketAddress('MESH_WEBHOOK_ADDRESS', { host: ANY_ADDRESS, port: 8443 }),
    certificate: webhookCertificate(reader),
  }));
}

function webhookCertificate(reader: ConfigReader): WebhookCertificateConfig {
  const dir = text(reader, 'MESH_WEBHOOK_TLS_DIR', '');
  const secret = {
    kind: 'secret',
    secretName: text(reader, 'MESH_WEBHOOK_TLS_SECRET', DEFAULT_WEBHOOK_SECRET),
    renew: reader.boolean('MESH_WEBHOOK_RENEW', true),
    lifetimeMs: duration(reader, 'MESH_WEBHOOK_CERTIFICATE_LIFETIME', WEBHOOK_LIFETIME_MS),
    propagationMs: duration(reader, 'MESH_WEBHOOK_PROPAGATION', WEBHOOK_PROPAGATION_MS),
  } as const;
  // A certificate must outlive its own announcement several times.
  if (secret.lifetimeMs < 10 * secret.propagationMs) {
    reader.problem(
      'MESH_WEBHOOK_CERTIFICATE_LIFETIME',
      'must be at least ten times MESH_WEBHOOK_PROPAGATION: give a longer one, such as 8760h',
    );
  }
  return dir === '' ? secret : { kind: 'files', dir };
}

/** @throws ConfigError with every problem. */
function parse<T>(env: Env, read: (reader: ConfigReader) => T): T {
  const reader = new ConfigReader(env);
  const config = read(reader);
  reader.check();
  return config;
}

/** Absent and empty both mean the fallback. */
function text(reader: ConfigReader, key: string, fallback: string): string {
  const value = reader.text(key);
  return value === undefined || value === '' ? fallback : value;
}

/** `24h`, `20s`, or Go's compound form without fractions: `24h0m0s`. */
function duration(reader: ConfigReader, key: string, fallbackMs: number): number {
  return reader.custom(key, fallbackMs, 'a duration such as 24h or 20s', parseCompoundDurationMs);
}

/** Unlike absent, an empty list is a list. */
function ports(reader: ConfigReader, key: string, fallback: string): PortSet {
  const parsed = parsePortSet(reader.text(key) ?? fallback);
  if (parsed instanceof PortSet) return parsed;
  reader.problem(key, `has "${parsed.invalid}", which is no port in 1..65535 and no range of them`);
  return PortSet.EMPTY;
}

function networks(list: string): readonly Cidr[] {
  return list.split(',').flatMap((item) => parseCidr(item) ?? []);
}

export function parseCompoundDurationMs(value: string): number | undefined {
  if (value === '0') return 0;
  const parts = value.match(/\d+(?:ms|s|m|h|d)/g) ?? [];
  if (parts.length === 0 || parts.join('') !== value) return undefined;
  return parts.reduce((sum, part) => sum + (parseDurationMs(part) ?? 0), 0);
}

function common(reader: ConfigReader, role: Role): CommonConfig {
  const clusterDomain = text(reader, 'MESH_CLUSTER_DOMAIN', 'cluster.local');
  return {
    logLevel: reader.oneOf('MESH_LOG_LEVEL', 'info', LOG_LEVELS),
    logFormat: reader.oneOf('MESH_LOG_FORMAT', 'json', ['plain', 'json']),
    admin: reader.socketAddress('MESH_ADMIN_ADDRESS', { host: ANY_ADDRESS, port: ADMIN_PORT[role] }),
    controlPlaneNamespace: text(reader, 'MESH_CONTROL_PLANE_NAMESPACE', 'linkerd'),
    clusterDomain,
    trustDomain: text(reader, 'MESH_TRUST_DOMAIN', clusterDomain),
    trustAnchorsFile: text(reader, 'MESH_TRUST_ANCHORS_FILE', DEFAULT_ANCHORS_FILE),
    podName: text(reader, '_pod_name', ''),
  };
}

function grpc(reader: ConfigReader, port: number): GrpcConfig {
  return {
    grpc: reader.socketAddress('MESH_GRPC_ADDRESS', { host: ANY_ADDRESS, port }),
    plaintext: reader.boolean('MESH_GRPC_PLAINTEXT', false),
  };
}

function identityClient(reader: ConfigReader, shared: CommonConfig): IdentityClientConfig {
  const { controlPlaneNamespace: ns, clusterDomain, trustDomain } = shared;
  const account = text(reader, '_pod_sa', 'linkerd-destination');
  return {
    identityAddress: text(
      reader,
      'MESH_IDENTITY_ADDRESS',
      `linkerd-identity-headless.${ns}.svc.${clusterDomain}.:8080`,
    ),
    identityName: text(
      reader,
      'MESH_IDENTITY_NAME',
      `linkerd-identity.${ns}.serviceaccount.identity.${ns}.${trustDomain}`,
    ),
    tokenFile: text(reader, 'MESH_IDENTITY_TOKEN_FILE', DEFAULT_TOKEN_FILE),
    ownName: `${account}.${text(reader, '_pod_ns', ns)}.serviceaccount.identity.${ns}.${trustDomain}`,
  };
}
