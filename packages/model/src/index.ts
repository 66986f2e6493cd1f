export { backoffMs } from './balance/backoff.ts';
export type { BackoffOptions } from './balance/backoff.ts';
export { PeakEwma, pickTwoChoices, pickWeighted } from './balance/peak-ewma.ts';
export type { Loaded } from './balance/peak-ewma.ts';
export { DEFAULT_POLICIES } from './default-policy.ts';
export type { DefaultPolicy } from './default-policy.ts';
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
export { INBOUND_PROTOCOL_KINDS } from './discovery.ts';
export type {
  Authentication,
  Authorization,
  Backend,
  ClientNetwork,
  Distribution,
  Endpoint,
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
