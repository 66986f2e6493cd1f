/** Everything that a data path asks the control plane, behind three look-ups with shared, idle-evicted watches. */
import type { Cidr } from '@mesh/model';
import type { Clock, Logger } from '@mesh/runtime';
import type { GrpcChannel } from '../grpc/channel.ts';
import type { StreamLimits } from '../grpc/watch.ts';
import { endpointSource } from './endpoints.ts';
import { inboundPolicySource } from './inbound-policies.ts';
import { openWatchOn } from './open-watch.ts';
import { targetText } from './outbound-policies.ts';
import type { OutboundTarget } from './outbound-policies.ts';
import { outboundSource } from './outbound-resolver.ts';
import type { ForwardOptions } from './outbound-resolver.ts';
import type { EndpointSet, InboundPolicy, IpPort, OutboundPolicy, OutboundRefused, Watched } from '@mesh/model';
import { WatchCache } from './watch-cache.ts';

/** Linkerd's: unused outbound lookups end after 5 s, inbound ones after 90 s. */
export const OUTBOUND_IDLE_MS = 5000;
export const INBOUND_IDLE_MS = 90_000;
/** A found policy waits so long for the profile. */
export const PROFILE_TIMEOUT_MS = 500;
/** Queue of destinations without a policy, as linkerd2-proxy's HTTP queue. */
export const FORWARD_DEFAULT: ForwardOptions = {
  detectTimeoutMs: 10_000,
  queueCapacity: 10_000,
  failfastTimeoutMs: 3000,
};

export interface DiscoveryOptions {
  /** JSON that tells the destination service where this client runs. */
  readonly contextToken: string;
  /** JSON that tells the policy service which workload this is. */
  readonly workload: string;
  readonly destinationLimits: StreamLimits;
  readonly policyLimits: StreamLimits;
  readonly profileNetworks: readonly Cidr[];
  readonly defaultInboundPolicy: (port: number) => InboundPolicy;
  readonly outboundIdleMs?: number;
  readonly inboundIdleMs?: number;
  readonly forward?: ForwardOptions;
}

export interface DiscoveryDeps {
  readonly destination: GrpcChannel;
  readonly policy: GrpcChannel;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface Discovery extends Disposable {
  readonly endpoints: { watch(path: string): Watched<EndpointSet> };
  readonly inbound: { get(port: number): Watched<InboundPolicy> };
  readonly outbound: {
    resolve(originalDst: IpPort): Watched<OutboundPolicy | OutboundRefused>;
    /** By name and port, as gateways and ingresses route. */
    resolveAuthority(authority: string): Watched<OutboundPolicy | OutboundRefused>;
  };
}

export function createDiscovery(options: DiscoveryOptions, deps: DiscoveryDeps): Discovery {
  const { clock, log } = deps;
  const outboundIdleMs = options.outboundIdleMs ?? OUTBOUND_IDLE_MS;
  const destinationWatch = openWatchOn(deps.destination, options.destinationLimits, clock);
  const policyWatch = openWatchOn(deps.policy, options.policyLimits, clock);
  const endpoints = new WatchCache<string, EndpointSet>({
    source: endpointSource(destinationWatch, options.contextToken, log),
    keyOf: (path) => path,
    idleMs: outboundIdleMs,
    clock,
  });
  const inbound = new WatchCache<number, InboundPolicy>({
    source: inboundPolicySource(policyWatch, options.workload, options.defaultInboundPolicy, log),
    keyOf: String,
    idleMs: options.inboundIdleMs ?? INBOUND_IDLE_MS,
    clock,
  });
  const outbound = new WatchCache<OutboundTarget, OutboundPolicy | OutboundRefused>({
    source: outboundSource({
      policyWatch,
      destinationWatch,
      sourceWorkload: options.workload,
      contextToken: options.contextToken,
      profileNetworks: options.profileNetworks,
      profileTimeoutMs: PROFILE_TIMEOUT_MS,
      forward: options.forward ?? FORWARD_DEFAULT,
      clock,
      log,
    }),
    keyOf: targetText,
    idleMs: outboundIdleMs,
    clock,
  });
  return {
    endpoints: { watch: (path) => endpoints.hold(path) },
    inbound: { get: (port) => inbound.hold(port) },
    outbound: {
      resolve: (address) => outbound.hold({ kind: 'address', address }),
      resolveAuthority: (authority) => outbound.hold({ kind: 'authority', authority }),
    },
    [Symbol.dispose]: () => {
      for (const cache of [endpoints, inbound, outbound]) cache.close();
    },
  };
}
