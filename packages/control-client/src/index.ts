export { defaultInboundPolicy } from './discovery/default-policy.ts';
export { createDiscovery, FORWARD_DEFAULT, INBOUND_IDLE_MS, OUTBOUND_IDLE_MS } from './discovery/discovery.ts';
export type { Discovery, DiscoveryDeps, DiscoveryOptions } from './discovery/discovery.ts';
export type { ForwardOptions } from './discovery/outbound-resolver.ts';
export type { CallHandlers } from './grpc/call.ts';
export { GrpcChannel } from './grpc/channel.ts';
export type { CallHandle, ChannelDeps, ChannelOptions, ChannelSecurity } from './grpc/channel.ts';
export { grpcMethod } from './grpc/method.ts';
export type { GrpcMethod } from './grpc/method.ts';
export { silentObserver } from './grpc/observer.ts';
export type { ChannelObserver } from './grpc/observer.ts';
export { GRPC_STATUS, GrpcError, grpcStatusName } from './grpc/status.ts';
export type { GrpcErrorInfo, GrpcStatus } from './grpc/status.ts';
export { formatTarget, isLoopbackTarget, parseTarget, systemResolver } from './grpc/target.ts';
export type { GrpcTarget, Resolver } from './grpc/target.ts';
export { NO_STREAM_LIMITS, Watch, WATCH_BACKOFF } from './grpc/watch.ts';
export type { StreamLimits, WatchHandlers, WatchOptions } from './grpc/watch.ts';
export { CERTIFY_TIMEOUT_MS, grpcCertifier } from './identity/certifier.ts';
export type { Certifier, CertifyRequest, CertifyResponse } from './identity/certifier.ts';
export { createCertifiedIdentity, serviceSecurity } from './identity/identity-service.ts';
export type { CertifiedIdentityDeps, CertifiedIdentityOptions } from './identity/identity-service.ts';
export { createCertificateRequest } from './identity/csr.ts';
export { IdentityError } from './identity/errors.ts';
export type { IdentityErrorInfo } from './identity/errors.ts';
export { staticTrust, watchedTrustFile } from './identity/trust.ts';
export type { TrustSource } from './identity/trust.ts';
export { createWorkloadIdentity, tokenFile } from './identity/workload-identity.ts';
export type {
  IdentityObserver,
  IdentitySnapshot,
  WorkloadIdentity,
  WorkloadIdentityDeps,
  WorkloadIdentityOptions,
} from './identity/workload-identity.ts';
