/**
 * Whose a client is. With one trust domain for all clusters identities do not tell, but each cluster has its own issuer, and Peers say
 * which are theirs (ADR 0020). What several claim tells nothing. Pure.
 *
 *   issuer of the leaf, claimed by one Peer and not our own ──► that Peer
 *                       our own, claimed by nobody          ──► this cluster: no peer
 *   trust domain other than ours, of one Peer or Link       ──► that cluster
 *   else                                                    ──► a cluster that is not known
 */
import type { Link, Peer } from '@mesh/kube';
import { parseWorkloadIdentity } from '@mesh/model';

export const ADMISSIONS = ['auto', 'peers', 'trust-domain'] as const;
/**
 * Who is admitted. `trust-domain`: every identity of an admitted trust domain, ours among them. `peers`: only those that a Peer, a Link or the
 * configuration claims. `auto`: as `peers` once each linked cluster has a Peer and each Peer has said who it is, before that as `trust-domain`:
 * then nobody is locked out who was linked without a Peer.
 */
export type Admission = (typeof ADMISSIONS)[number];

/** Who a client is to this gateway. */
export interface PeerOrigin {
  readonly trustDomain: string;
  /** Where the client runs, by the name that this cluster has for it; empty when that is not known. */
  readonly cluster: string;
  /** The same as policies of exports name it; undefined for clients of this cluster and of unknown ones. */
  readonly peer: string | undefined;
}

export interface ClaimSources {
  readonly admission: Admission;
  readonly ownTrustDomain: string;
  /** Empty: not configured. */
  readonly ownCluster: string;
  /** Key identifiers of the authorities that signed our own certificates. */
  readonly ownIssuers: readonly string[];
  /** Admitted whatever Peers and Links say. */
  readonly extraTrustDomains: readonly string[];
  readonly peers: readonly Pick<Peer, 'metadata' | 'spec' | 'status'>[];
  readonly links: readonly Pick<Link, 'spec'>[];
}

type Claims = Map<string, Set<string>>;

export class PeerClaims {
  /** Only claimed clients are admitted. */
  readonly strict: boolean;
  readonly #sources: ClaimSources;
  readonly #issuers: Claims = new Map();
  readonly #trustDomains: Claims = new Map();
  /** Of Peers whose identities must have a certain one. */
  readonly #required = new Map<string, string>();

  constructor(sources: ClaimSources) {
    this.#sources = sources;
    for (const { metadata, spec, status } of sources.peers) {
      for (const { keyId } of status?.peer?.issuers ?? []) claim(this.#issuers, keyId.toLowerCase(), metadata.name);
      if (spec.trustDomain !== undefined) this.#required.set(metadata.name, spec.trustDomain);
      claim(this.#trustDomains, spec.trustDomain ?? status?.peer?.trustDomain, metadata.name);
    }
    for (const { spec } of sources.links) {
      const trustDomain = parseWorkloadIdentity(spec.gatewayIdentity ?? '')?.trustDomain;
      claim(this.#trustDomains, trustDomain, peerOf(sources.peers, spec.targetClusterName) ?? spec.targetClusterName);
    }
    this.strict = isStrict(sources);
  }

  /**
   * @param identity DNS-like name or SPIFFE ID, verified. @param issuer Authority key identifier of the leaf, lower-case hexadecimal; undefined
   * when it has none. @returns undefined: not admitted.
   */
  originOf(identity: string, issuer: string | undefined): PeerOrigin | undefined {
    const { ownIssuers, ownTrustDomain, ownCluster, extraTrustDomains } = this.#sources;
    const trustDomain = trustDomainOf(identity);
    if (trustDomain === undefined) return undefined;
    const unknown: PeerOrigin = { trustDomain, cluster: '', peer: undefined };
    const claimants = this.#issuers.get(issuer ?? '');
    const isOwn = issuer !== undefined && ownIssuers.includes(issuer);
    const only = isOwn ? undefined : onlyOf(claimants);
    if (only !== undefined) {
      const required = this.#required.get(only);
      return required === undefined || required === trustDomain
        ? { trustDomain, cluster: only, peer: only }
        : undefined;
    }
    if (claimants !== undefined) return unknown;
    const isOurDomain = trustDomain === ownTrustDomain;
    if (isOwn && isOurDomain) return this.strict ? undefined : { ...unknown, cluster: ownCluster };
    const byDomain = isOurDomain ? undefined : this.#trustDomains.get(trustDomain);
    if (byDomain !== undefined) {
      const peer = onlyOf(byDomain);
      return { trustDomain, cluster: peer ?? '', peer };
    }
    const isAdmitted = extraTrustDomains.includes(trustDomain) || (!this.strict && isOurDomain);
    return isAdmitted ? unknown : undefined;
  }
}

function isStrict({ admission, peers, links }: ClaimSources): boolean {
  if (admission !== 'auto') return admission === 'peers';
  const haveSaid = peers.every(({ status }) => (status?.peer?.issuers ?? []).length > 0);
  return peers.length > 0 && haveSaid && links.every(({ spec }) => peerOf(peers, spec.targetClusterName) !== undefined);
}

/** The Peer that stands for a linked cluster: by its own name, or by the name that the cluster has for itself. */
function peerOf(peers: ClaimSources['peers'], cluster: string | undefined): string | undefined {
  const found = peers.find(
    ({ metadata, status }) => metadata.name === cluster || status?.peer?.clusterName === cluster,
  );
  return cluster === undefined ? undefined : found?.metadata.name;
}

function claim(claims: Claims, what: string | undefined, peer: string | undefined): void {
  if (what === undefined || what === '') return;
  const claimants = claims.get(what) ?? new Set();
  claims.set(what, claimants.add(peer ?? ''));
}

/** The one name of a set; undefined for none, several, or one without a name. */
function onlyOf(names: ReadonlySet<string> | undefined): string | undefined {
  const [first] = names ?? [];
  return names?.size === 1 && first !== '' ? first : undefined;
}

function trustDomainOf(identity: string): string | undefined {
  if (identity.startsWith('spiffe://')) return URL.parse(identity)?.hostname || undefined;
  return parseWorkloadIdentity(identity)?.trustDomain;
}
