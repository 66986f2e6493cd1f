/** Keeps up with what Peers and Links say of whose a client is; `peer-claims.ts` decides. */
import { isDeepStrictEqual } from 'node:util';
import { Informer, LINKS, PEERS } from '@mesh/kube';
import type { KubeClient, Link, Peer } from '@mesh/kube';
import type { Clock, Component, Logger } from '@mesh/runtime';
import { PeerClaims } from './peer-claims.ts';
import type { Admission, ClaimSources, PeerOrigin } from './peer-claims.ts';
import { startOptional } from './start-optional.ts';

export interface PeersOptions {
  readonly namespace: string;
  readonly admission: Admission;
  readonly clusterName: string;
  readonly ownTrustDomain: string;
  readonly extraTrustDomains: readonly string[];
}

export interface PeersDeps {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Authority key identifier of the certificate that we have now. */
  readonly ownIssuer: () => string | undefined;
  readonly onOwnChange: (listener: () => void) => () => void;
}

/** Issuers of our own that are remembered: clients of this cluster may have certificates of the one before for a day. */
const OWN_ISSUERS_MAX = 8;

export class Peers implements Component {
  readonly name = 'peers';
  readonly #options: PeersOptions;
  readonly #deps: PeersDeps;
  readonly #links: Informer<Link>;
  readonly #peers: Informer<Peer>;
  readonly #listeners = new Set<() => void>();
  readonly #unsubscribe: () => void;
  #ownIssuers: readonly string[] = [];
  #sources: ClaimSources;
  #claims: PeerClaims;
  #known = false;

  constructor(options: PeersOptions, deps: PeersDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#links = new Informer({ kind: LINKS, namespace: options.namespace }, deps);
    this.#peers = new Informer({ kind: PEERS, namespace: options.namespace }, deps);
    this.#sources = this.#collect();
    this.#claims = new PeerClaims(this.#sources);
    this.#unsubscribe = deps.onOwnChange(() => this.#update());
    this.#links.onChange(() => this.#update());
    this.#peers.onChange(() => this.#update());
  }

  /** Resolves once Peers and Links are known; a cluster without them, or without their definitions, is a target all the same. */
  async start(signal: AbortSignal): Promise<void> {
    await Promise.all([startOptional(this.#links, signal), startOptional(this.#peers, signal)]);
    this.#known = true;
    this.#tell();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#unsubscribe();
    await Promise.all([this.#links[Symbol.asyncDispose](), this.#peers[Symbol.asyncDispose]()]);
  }

  /** Only clients that a Peer, a Link or the configuration claims are admitted. */
  get strict(): boolean {
    return this.#claims.strict;
  }

  /** See {@link PeerClaims.originOf}. */
  originOf(identity: string, issuer: string | undefined): PeerOrigin | undefined {
    return this.#claims.originOf(identity, issuer);
  }

  /** Calls `listener` when another answer of `originOf` is possible. Returns the unsubscribe function. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #update(): void {
    const issuer = this.#deps.ownIssuer();
    if (issuer !== undefined && !this.#ownIssuers.includes(issuer))
      this.#ownIssuers = [issuer, ...this.#ownIssuers].slice(0, OWN_ISSUERS_MAX);
    const sources = this.#collect();
    // Peers renew what they say every half minute: that is no change.
    if (isDeepStrictEqual(sources, this.#sources)) return;
    const before = this.strict;
    this.#sources = sources;
    this.#claims = new PeerClaims(sources);
    if (before !== this.strict) this.#tell();
    for (const listener of this.#listeners) listener();
  }

  #tell(): void {
    if (!this.#known) return;
    const admits = this.strict ? 'clients of peers only' : 'every client of an admitted trust domain';
    this.#deps.logger.info('admission', { admits, peers: this.#peers.size, links: this.#links.size });
  }

  #collect(): ClaimSources {
    const { admission, ownTrustDomain, clusterName: ownCluster, extraTrustDomains } = this.#options;
    return {
      admission,
      ownTrustDomain,
      ownCluster,
      extraTrustDomains,
      ownIssuers: this.#ownIssuers,
      peers: this.#peers.list().map(claimsOf),
      links: this.#links.list().map(({ spec }) => {
        const { gatewayIdentity = '', targetClusterName = '' } = spec;
        return { spec: { gatewayIdentity, targetClusterName } };
      }),
    };
  }
}

function claimsOf({ metadata, spec, status }: Peer): ClaimSources['peers'][number] {
  const { clusterName, trustDomain, issuers = [] } = status?.peer ?? {};
  return {
    metadata: { name: metadata.name },
    spec: spec.trustDomain === undefined || spec.trustDomain === '' ? {} : { trustDomain: spec.trustDomain },
    status: {
      peer: {
        ...(clusterName === undefined ? {} : { clusterName }),
        ...(trustDomain === undefined ? {} : { trustDomain }),
        issuers: issuers.map(({ keyId }) => ({ keyId })),
      },
    },
  };
}
