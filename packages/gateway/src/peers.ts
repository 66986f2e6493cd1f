/**
 * Which client identities belong to a linked peer. What tells clusters apart in an identity is its trust domain, so that is what
 * is admitted: our own, since linked clusters share a trust domain unless they were set up otherwise; those of the gateways that
 * Links here name; and those that the configuration lists. Under a shared trust domain every identity that our trust anchors
 * vouch for is a peer's.
 */
import { Informer, LINKS } from '@mesh/kube';
import type { KubeClient, Link } from '@mesh/kube';
import { parseWorkloadIdentity } from '@mesh/model';
import type { Clock, Component, Logger } from '@mesh/runtime';

export interface PeersOptions {
  readonly namespace: string;
  readonly ownTrustDomain: string;
  readonly extraTrustDomains: readonly string[];
}

/** Who a client is to this gateway. */
export interface PeerOrigin {
  readonly trustDomain: string;
  /** Known only where the trust domain belongs to one linked cluster alone; else empty. */
  readonly cluster: string;
}

export class Peers implements Component {
  readonly name = 'peers';
  readonly #options: PeersOptions;
  readonly #links: Informer<Link>;
  /** Trust domain to cluster name, or '' when several clusters share it. */
  #clusters: ReadonlyMap<string, string> = new Map();

  constructor(
    options: PeersOptions,
    deps: { readonly client: KubeClient; readonly clock: Clock; readonly logger: Logger },
  ) {
    this.#options = options;
    this.#links = new Informer({ kind: LINKS, namespace: options.namespace }, deps);
    this.#links.onChange(() => this.#update());
    this.#update();
  }

  /** Does not wait: a cluster without Links (or without the CRD) is a target all the same. */
  start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.#links.run();
    return Promise.resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#links[Symbol.asyncDispose]();
  }

  /** @param identity DNS-like name or SPIFFE URI. `undefined`: not admitted. */
  originOf(identity: string): PeerOrigin | undefined {
    const trustDomain = trustDomainOf(identity);
    if (trustDomain === undefined) return undefined;
    const cluster = this.#clusters.get(trustDomain);
    return cluster === undefined ? undefined : { trustDomain, cluster };
  }

  #update(): void {
    const { ownTrustDomain, extraTrustDomains } = this.#options;
    const clusters = new Map<string, string>([
      [ownTrustDomain, ''],
      ...extraTrustDomains.map((one) => [one, ''] as const),
    ]);
    const seen = new Set([ownTrustDomain]);
    for (const link of this.#links.list()) {
      const trustDomain = parseWorkloadIdentity(link.spec.gatewayIdentity ?? '')?.trustDomain;
      if (trustDomain === undefined) continue;
      const cluster = link.spec.targetClusterName ?? '';
      const isShared = seen.has(trustDomain) && clusters.get(trustDomain) !== cluster;
      clusters.set(trustDomain, isShared ? '' : cluster);
      seen.add(trustDomain);
    }
    this.#clusters = clusters;
  }
}

function trustDomainOf(identity: string): string | undefined {
  if (identity.startsWith('spiffe://')) return URL.parse(identity)?.hostname || undefined;
  return parseWorkloadIdentity(identity)?.trustDomain;
}
