export { backoffMs } from './balance/backoff.ts';
export type { BackoffOptions } from './balance/backoff.ts';
export { PeakEwma, pickTwoChoices, pickWeighted } from './balance/peak-ewma.ts';
export type { Loaded } from './balance/peak-ewma.ts';
export { DEFAULT_POLICIES } from './default-policy.ts';
export type { DefaultPolicy } from './default-policy.ts';
export { allowedPorts, isForEveryone } from './federation/export-rules.ts';
export type { ExportedPort, ExportRule } from './federation/export-rules.ts';
export { gatewayZonesText, readGatewayZones, ZONE_LABEL } from './federation/gateway-zones.ts';
export type { GatewayZones } from './federation/gateway-zones.ts';
export { formatWorkloadIdentity, isDnsName, matchesIdentitySuffix, parseWorkloadIdentity } from './identity-name.ts';
export type { WorkloadIdentity } from './identity-name.ts';
export {
  cidr,
  cidrContains,
  formatCidr,
  formatIp,
  formatSocketAddress,
  isLoopback,
  parseCidr,
  parseIp,
  parseSocketAddress,
} from './ip.ts';
export type { Cidr, IpBytes, SocketAddress } from './ip.ts';
export { parsePortSet, PortSet } from './port-set.ts';
export { Deadlines } from './resilience/deadlines.ts';
export type { Overdue } from './resilience/deadlines.ts';
export { FailureAccrual } from './resilience/failure-accrual.ts';
export type { AccrualState } from './resilience/failure-accrual.ts';
export { decideRetry, isRetryable } from './resilience/retry.ts';
export type { RetryDecision, RetryFacts, TryOutcome } from './resilience/retry.ts';
export { parseRetryAfterMs } from './resilience/retry-after.ts';
export { RetryBudget } from './resilience/retry-budget.ts';
export type { RetryBudgetPolicy } from './resilience/retry-budget.ts';
export { NO_TIMEOUTS } from './resilience/policy.ts';
export type {
  EwmaPolicy,
  FailureAccrualPolicy,
  PenaltyPolicy,
  RetryPolicy,
  RouteTimeouts,
  StatusRange,
} from './resilience/policy.ts';
export {
  classifyGrpc,
  classifyHttp,
  GRPC_CODE,
  GRPC_STATUS_NAMES,
  isSuccess,
  parseGrpcStatus,
} from './resilience/response-class.ts';
export type { ResponseClass } from './resilience/response-class.ts';
export { INBOUND_PROTOCOL_KINDS } from './discovery.ts';
export type {
  Authentication,
  Authorization,
  Backend,
  ClientNetwork,
  Distribution,
  Endpoint,
  EndpointHttp2,
  EndpointSet,
  HostMatch,
  HttpMatch,
  HttpRoute,
  HttpRule,
  InboundPolicy,
  InboundProtocolKind,
  InboundRoute,
  IpPort,
  OutboundPolicy,
  OutboundProtocol,
  OutboundRefused,
  ProtocolHint,
  ResourceRef,
  RouteFilter,
  TcpRoute,
  TextMatch,
  TlsIdentity,
  Watched,
} from './discovery.ts';
export {
  CONTROL_PLANE_NS_LABEL,
  containerPort,
  controlPlaneOf,
  DEFAULT_INBOUND_PORT,
  identityOf,
  INBOUND_LISTEN_VARIABLE,
  OPAQUE_PORTS,
  opaquePortsOf,
  portsFrom,
  PROXY_CONTAINER,
  proxyInboundPort,
  serviceAccountOf,
  SKIP_INBOUND_PORTS,
  skippedInboundPorts,
} from './workload.ts';
export type { WorkloadContainer, WorkloadPod } from './workload.ts';
