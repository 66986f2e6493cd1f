/** What rules a port before the policy service has spoken, and where it is never heard. */
import type { DefaultPolicy } from '@mesh/model';
import type { InboundConfig } from './config.ts';

/** The default policy, made stricter on ports that require an identity: else they would be open to everybody while the control plane is away. */
export function portPolicy(
  config: Pick<InboundConfig, 'defaultPolicy' | 'identityPorts'>,
  port: number,
): DefaultPolicy {
  const { defaultPolicy, identityPorts } = config;
  return identityPorts.has(port) ? AUTHENTICATED[defaultPolicy] : defaultPolicy;
}

const AUTHENTICATED: Readonly<Record<DefaultPolicy, DefaultPolicy>> = {
  'all-unauthenticated': 'all-authenticated',
  'all-authenticated': 'all-authenticated',
  'cluster-unauthenticated': 'cluster-authenticated',
  'cluster-authenticated': 'cluster-authenticated',
  audit: 'all-authenticated',
  deny: 'deny',
};
