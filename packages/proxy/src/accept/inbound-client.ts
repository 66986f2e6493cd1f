/** Who an inbound connection comes from, as policies and metrics see it. */
import type { PeerInfo } from '@mesh/net';
import type { Client } from '../route/authorize.ts';

/** The name of a peer: the first of its certificate; undefined without one. */
export function identityOf(peer: PeerInfo): string | undefined {
  return peer.dns[0] ?? peer.uri[0];
}

export function plainClient(ip: string, reason: string): Client {
  return { ip, tls: false, identity: undefined, labels: { tls: 'no_identity', no_tls_reason: reason } };
}

/** Its TLS is for the program: who it is, only the program learns. */
export function passedClient(ip: string): Client {
  return { ip, tls: false, identity: undefined, labels: { tls: 'opaque' } };
}

export function tlsClient(ip: string, peer: PeerInfo): Client {
  const identity = identityOf(peer);
  return {
    ip,
    tls: true,
    identity,
    labels: identity === undefined ? { tls: 'true' } : { tls: 'true', client_id: identity },
  };
}
