/** A workload identity that is certified by the mesh's identity service: what the sidecar, the gateway and the controllers all use. */
import { isLoopbackTarget, systemResolver } from '../grpc/target.ts';
import type { GrpcTarget, Resolver } from '../grpc/target.ts';
import type { ChannelSecurity } from '../grpc/channel.ts';
import { silentObserver } from '../grpc/observer.ts';
import type { ChannelObserver } from '../grpc/observer.ts';
import { grpcCertifier } from './certifier.ts';
import type { TrustSource } from './trust.ts';
import { createWorkloadIdentity, tokenFile } from './workload-identity.ts';
import type { WorkloadIdentity, WorkloadIdentityDeps } from './workload-identity.ts';

export interface CertifiedIdentityOptions {
  /** This workload's identity. */
  readonly name: string;
  readonly serverName?: string;
  /** Where the identity service listens. */
  readonly service: GrpcTarget;
  /** The name that its certificate must have; not needed for a loopback target, which is spoken to in plain text. */
  readonly serviceName?: string | undefined;
  /** The projected service-account token with the audience `identity.l5d.io`. */
  readonly tokenPath: string;
  readonly trust: TrustSource;
  readonly minRefreshMs?: number;
  readonly maxRefreshMs?: number;
}

export interface CertifiedIdentityDeps extends WorkloadIdentityDeps {
  readonly resolve?: Resolver;
  readonly channelObserver?: ChannelObserver;
}

/** @throws TypeError when the service is not on loopback and has no name: it could not be told from an impostor. */
export function createCertifiedIdentity(
  options: CertifiedIdentityOptions,
  deps: CertifiedIdentityDeps,
): WorkloadIdentity {
  const { name, serverName, service, trust, tokenPath, minRefreshMs, maxRefreshMs } = options;
  const certify = grpcCertifier(
    { target: service, security: serviceSecurity(service, options.serviceName, () => workload.clientContext()) },
    {
      driver: deps.driver,
      clock: deps.clock,
      log: deps.log,
      resolve: deps.resolve ?? systemResolver,
      observer: deps.channelObserver ?? silentObserver,
    },
  );
  const workload: WorkloadIdentity = createWorkloadIdentity(
    {
      name,
      certify,
      trust,
      readToken: tokenFile(tokenPath),
      ...(serverName === undefined ? {} : { serverName }),
      ...(minRefreshMs === undefined ? {} : { minRefreshMs }),
      ...(maxRefreshMs === undefined ? {} : { maxRefreshMs }),
    },
    deps,
  );
  return workload;
}

/** Plain text to loopback targets, else TLS under the service's name. */
export function serviceSecurity(
  target: GrpcTarget,
  serverName: string | undefined,
  context: Extract<ChannelSecurity, { kind: 'tls' }>['context'],
): ChannelSecurity {
  if (isLoopbackTarget(target)) return { kind: 'plaintext' };
  if (serverName === undefined || serverName === '')
    throw new TypeError(`no server name for ${target.host}:${target.port}`);
  return { kind: 'tls', serverName, context };
}
