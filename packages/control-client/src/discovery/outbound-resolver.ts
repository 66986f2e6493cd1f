/**
 * What to do with connections to a destination: policy and profile, asked for side by side, become one outbound policy.
 *
 *      policy          profile           result
 *      found           any               the policy; opaque when the profile says so
 *      none            found             forward to the profile's endpoint, or to the address
 *      none            none              forward to the address; a name is refused
 *      refused         any               refused
 */
import type { Cidr } from '@mesh/model';
import { cidrContains, NO_TIMEOUTS, parseIp } from '@mesh/model';
import type { Clock, Logger } from '@mesh/runtime';
import { defaultRef } from './convert-shared.ts';
import type { OpenWatch } from './open-watch.ts';
import { watchPolicy, watchProfile } from './outbound-policies.ts';
import type { OutboundTarget, PolicyAnswer, Profile, ProfileAnswer } from './outbound-policies.ts';
import type {
  Backend,
  Distribution,
  Endpoint,
  HttpRoute,
  IpPort,
  OutboundPolicy,
  OutboundProtocol,
  OutboundRefused,
  TcpRoute,
} from '@mesh/model';
import type { Source } from './watch-cache.ts';

/** Parameters of the policies that are made here, for destinations without one. */
export interface ForwardOptions {
  readonly detectTimeoutMs: number;
  readonly queueCapacity: number;
  readonly failfastTimeoutMs: number;
}

export interface OutboundResolverOptions {
  readonly policyWatch: OpenWatch;
  readonly destinationWatch: OpenWatch;
  readonly sourceWorkload: string;
  readonly contextToken: string;
  /** Addresses outside have no profile. */
  readonly profileNetworks: readonly Cidr[];
  /** A found policy does not wait longer for the profile. */
  readonly profileTimeoutMs: number;
  readonly forward: ForwardOptions;
  readonly clock: Clock;
  readonly log: Logger;
}

export function outboundSource(
  options: OutboundResolverOptions,
): Source<OutboundTarget, OutboundPolicy | OutboundRefused> {
  return (target, sink) => {
    let policy: PolicyAnswer | undefined;
    let profile: ProfileAnswer | undefined = hasProfile(options.profileNetworks, target) ? undefined : { kind: 'none' };
    let waitedForProfile = false;
    const update = (): void => {
      if (policy?.kind === 'refused') return sink.set({ refused: policy.reason });
      if (policy === undefined) return;
      if (profile === undefined && !(waitedForProfile && policy.kind === 'policy')) return;
      sink.set(combine(target, policy, profile?.kind === 'profile' ? profile.profile : undefined, options.forward));
    };
    const timer = options.clock.after(options.profileTimeoutMs, () => {
      waitedForProfile = true;
      update();
    });
    const stopPolicy = watchPolicy(
      options.policyWatch,
      options.sourceWorkload,
      target,
      (answer) => {
        policy = answer;
        update();
      },
      options.log,
    );
    const stopProfile =
      profile !== undefined
        ? (): void => undefined
        : watchProfile(
            options.destinationWatch,
            options.contextToken,
            target,
            (answer) => {
              profile = answer;
              update();
            },
            options.log,
          );
    return () => {
      timer.cancel();
      stopPolicy();
      stopProfile();
    };
  };
}

function hasProfile(networks: readonly Cidr[], target: OutboundTarget): boolean {
  if (target.kind === 'authority') return true;
  const bytes = parseIp(target.address.ip);
  return bytes !== undefined && networks.some((network) => cidrContains(network, bytes));
}

function combine(
  target: OutboundTarget,
  answer: PolicyAnswer & { readonly kind: 'policy' | 'none' },
  profile: Profile | undefined,
  forward: ForwardOptions,
): OutboundPolicy | OutboundRefused {
  if (answer.kind === 'policy') return profile?.opaque === true ? asOpaque(answer.policy) : answer.policy;
  const endpoint = profile?.endpoint ?? (target.kind === 'address' ? plainEndpoint(target.address) : undefined);
  if (endpoint === undefined) return { refused: 'no such destination' };
  return forwardPolicy(endpoint, profile?.opaque === true, forward);
}

function plainEndpoint(address: IpPort): Endpoint {
  return {
    address,
    weight: 1,
    tls: undefined,
    protocolHint: 'unknown',
    transportPort: undefined,
    authorityOverride: undefined,
    labels: {},
  };
}

/** One endpoint, without a policy of its own: what it speaks is detected unless it is known to be opaque. */
export function forwardPolicy(endpoint: Endpoint, opaque: boolean, options: ForwardOptions): OutboundPolicy {
  const ref = defaultRef('endpoint');
  const queue = { capacity: options.queueCapacity, failfastTimeoutMs: options.failfastTimeoutMs };
  const target: Backend['target'] = { kind: 'forward', endpoint };
  const backend: Backend = { key: JSON.stringify([ref, queue, target]), ref, queue, failureAccrual: undefined, target };
  const backends: Distribution = { kind: 'first_available', backends: [backend] };
  const tcp: TcpRoute = { ref, filters: [], backends };
  const http: HttpRoute = {
    ref,
    hosts: [],
    rules: [
      { matches: [], filters: [], backends, timeouts: NO_TIMEOUTS, retry: undefined, allowRequestHeaders: false },
    ],
  };
  return {
    parent: ref,
    protocol:
      opaque || endpoint.protocolHint === 'opaque'
        ? { kind: 'opaque', opaque: tcp }
        : { kind: 'detect', timeoutMs: options.detectTimeoutMs, opaque: tcp, http1: [http], http2: [http] },
  };
}

/** The profile has the last word on opacity. */
function asOpaque(policy: OutboundPolicy): OutboundPolicy {
  return { parent: policy.parent, protocol: { kind: 'opaque', opaque: opaqueRouteOf(policy.protocol) } };
}

function opaqueRouteOf(protocol: OutboundProtocol): TcpRoute {
  if ('opaque' in protocol) return protocol.opaque;
  const route = (protocol.kind === 'http1' ? protocol.http1 : protocol.http2)[0];
  const rule = route?.rules[0];
  return { ref: route?.ref ?? defaultRef('opaq'), filters: [], backends: rule?.backends ?? { kind: 'empty' } };
}
