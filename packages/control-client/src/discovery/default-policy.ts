/** The policies that Linkerd knows by name, as they rule a port until the control plane has spoken. */
import { parseCidr } from '@mesh/model';
import type { Cidr } from '@mesh/model';
import { clientNetwork } from './convert-inbound.ts';
import { defaultRef } from './convert-shared.ts';
import type { Authentication, Authorization, DefaultPolicy, InboundPolicy, InboundProtocolKind } from '@mesh/model';

const ANY_IDENTITY: Authentication = { kind: 'mesh_tls', identities: [], suffixes: [''] };
const EVERYWHERE: readonly Cidr[] = ['0.0.0.0/0', '::/0'].flatMap((text) => parseCidr(text) ?? []);

/**
 * @param clusterNetworks What `cluster-…` policies mean by the cluster.
 * @param protocol How the port is spoken to: detected unless it is known to be opaque.
 */
export function defaultInboundPolicy(
  name: DefaultPolicy,
  clusterNetworks: readonly Cidr[],
  protocol: InboundProtocolKind,
  detectTimeoutMs: number,
): InboundPolicy {
  const ref = defaultRef(name);
  const networks = (name.startsWith('cluster-') ? clusterNetworks : EVERYWHERE).map((network) =>
    clientNetwork(network),
  );
  const authentication: Authentication = name.endsWith('-authenticated') ? ANY_IDENTITY : { kind: 'unauthenticated' };
  const own: readonly Authorization[] = name === 'deny' ? [] : [{ ref, networks, authentication }];
  return { server: ref, protocol, detectTimeoutMs, authorizations: own, routes: [] };
}
