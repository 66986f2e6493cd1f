/**
 * Who an inbound connection, or one request of it, comes from, as policies, metrics and the program see it. Usually that is the peer of
 * the connection. A gateway, though, says for whom it asks (ADR 0020): of its own requests the client is both, the gateway that was
 * verified and the client that it names.
 */
import type { PeerInfo } from '@mesh/net';
import { CLIENT_CLUSTER_FIELD, CLIENT_IDENTITY_FIELD, HEADER, isClientIdentity, isClusterName } from '@mesh/wire';
import type { RequestFacts } from '../http/facts.ts';
import type { Client, ConveyedClient } from '../route/authorize.ts';

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

/** @param gateways Identities that are believed when they say who their clients are. */
export function tlsClient(ip: string, peer: PeerInfo, gateways: ReadonlySet<string>): Client {
  const identity = identityOf(peer);
  return {
    ip,
    tls: true,
    identity,
    relays: identity !== undefined && gateways.has(identity),
    labels: identity === undefined ? { tls: 'true' } : { tls: 'true', client_id: identity },
  };
}

/** The same gateway, when it asks for someone. Its metrics tell clients apart, too; those of all other clients keep their labels. */
export function conveyedBy(gateway: Client, conveyed: ConveyedClient): Client {
  return {
    ...gateway,
    conveyed,
    labels: { ...gateway.labels, conveyed_client_id: conveyed.identity, source_cluster: conveyed.cluster },
  };
}

/** Whom a request of a gateway is for; undefined: for itself. `bad`: it says something that nobody can be called. */
export function conveyedIn(facts: RequestFacts): ConveyedClient | 'bad' | undefined {
  if (facts.known(HEADER.clientIdentity) === undefined && facts.known(HEADER.clientCluster) === undefined) {
    return undefined;
  }
  // Fields that come twice are joined by commas, which no name has.
  const identity = facts.field(CLIENT_IDENTITY_FIELD);
  const cluster = facts.field(CLIENT_CLUSTER_FIELD);
  if (identity !== undefined && !isClientIdentity(identity)) return 'bad';
  if (cluster !== undefined && !isClusterName(cluster)) return 'bad';
  return { identity: identity ?? '', cluster: cluster ?? '' };
}

/** The name that the program and the access log get. */
export function nameOf(client: Client): string | undefined {
  const conveyed = client.conveyed?.identity ?? '';
  return conveyed === '' ? client.identity : conveyed;
}
