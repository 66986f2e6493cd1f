/** A client that was let in: who it is, and what those behind this gateway are told of it (ADR 0020). */
import type { PeerInfo } from '@mesh/net';
import { authorityKeyId } from '@mesh/pki';
import type { Conveyed, Labels } from '@mesh/proxy';
import { CLIENT_CLUSTER_FIELD, CLIENT_IDENTITY_FIELD, isClientIdentity, isClusterName } from '@mesh/wire';
import type { PeerOrigin } from './peer-claims.ts';

export interface GatewayClient {
  /** First name of its verified certificate. */
  readonly identity: string;
  /** Key identifier of the authority that signed it. */
  readonly issuer: string | undefined;
  /** When it was let in. */
  readonly origin: PeerOrigin;
  readonly labels: Labels;
}

/** Undefined: the certificate names nobody. */
export function identityOf(peer: PeerInfo): string | undefined {
  return peer.dns[0] ?? peer.uri[0];
}

/** Undefined when the certificate does not say. */
export function issuerOf(peer: PeerInfo): string | undefined {
  return authorityKeyId(peer.leafDer);
}

export function clientLabels(identity: string, origin: PeerOrigin): Labels {
  return {
    tls: 'true',
    client_id: identity,
    source_cluster: origin.cluster,
    source_trust_domain: origin.trustDomain,
  };
}

/** Of what leaves for a Service: no more than the cluster, whose names are those of Peers and Links. */
export function sourceLabels({ origin }: Pick<GatewayClient, 'origin'>): Labels {
  return { source_cluster: origin.cluster };
}

/** For opaque connections. @param hops Gateways that the connection passed before this one. */
export function conveyed({ identity, origin }: GatewayClient, hops: number): Conveyed {
  return {
    ...(isClientIdentity(identity) ? { clientIdentity: identity } : {}),
    ...(isClusterName(origin.cluster) ? { clientCluster: origin.cluster } : {}),
    hops: hops + 1,
  };
}

/** For requests. Names that no receiver would take are left out. */
export function clientFields({ identity, origin }: GatewayClient): readonly (readonly [string, string])[] {
  const fields: (readonly [string, string])[] = [];
  if (isClientIdentity(identity)) fields.push([CLIENT_IDENTITY_FIELD, identity]);
  if (isClusterName(origin.cluster)) fields.push([CLIENT_CLUSTER_FIELD, origin.cluster]);
  return fields;
}
