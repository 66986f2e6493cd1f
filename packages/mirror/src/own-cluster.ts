/** What this cluster says of itself to its peers: names, domains, version, and the authorities that sign its workload certificates. */
import type { ClusterFacts, ClusterIssuer } from '@mesh/kube';
import { authorityKeyId, parseCertificates, subjectKeyId } from '@mesh/pki';
import type { Clock } from '@mesh/runtime';

export interface OwnClusterOptions {
  /** Empty: not named. */
  readonly clusterName: string;
  readonly version: string;
  readonly trustDomain: string;
  readonly clusterDomain: string;
  readonly controlPlaneNamespace: string;
}

export class OwnCluster {
  readonly #options: OwnClusterOptions;
  readonly #clock: Clock;
  readonly #listeners = new Set<() => void>();
  /** By key; an authority that was replaced goes on vouching for what it signed until it ends. */
  readonly #issuers = new Map<string, number>();

  constructor(options: OwnClusterOptions, deps: { readonly clock: Clock }) {
    this.#options = options;
    this.#clock = deps.clock;
  }

  get clusterName(): string {
    return this.#options.clusterName;
  }

  /** Without `renewTime`, which whoever writes it down knows. */
  facts(): ClusterFacts {
    const { clusterName, ...rest } = this.#options;
    return {
      ...(clusterName === '' ? {} : { clusterName }),
      ...rest,
      issuers: this.#currentIssuers(),
    };
  }

  /**
   * Our own workload certificate is new.
   *
   * @param chainPem The leaf, then what signed it.
   * @throws PkiError `malformed` when it is no PEM of certificates.
   */
  certified(chainPem: string): void {
    const [leaf, ...authorities] = parseCertificates(chainPem, 'the workload certificate');
    const keyId = leaf === undefined ? undefined : authorityKeyId(leaf.der);
    if (leaf === undefined || keyId === undefined) return;
    const issuer = authorities.find(({ der }) => subjectKeyId(der) === keyId);
    // Without the authority itself we know only that it signs until the leaf ends; the next leaf prolongs that.
    const notAfterMs = issuer?.notAfterMs ?? leaf.notAfterMs;
    const isNew = this.#issuers.get(keyId) !== notAfterMs;
    this.#issuers.set(keyId, notAfterMs);
    if (isNew) for (const listener of this.#listeners) listener();
  }

  /** Called when the facts changed. */
  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  #currentIssuers(): readonly ClusterIssuer[] {
    const nowMs = this.#clock.now();
    for (const [keyId, notAfterMs] of this.#issuers) if (notAfterMs < nowMs) this.#issuers.delete(keyId);
    return [...this.#issuers]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([keyId, notAfterMs]) => ({
        keyId,
        notAfter: new Date(notAfterMs).toISOString().replace(/\.\d{3}Z$/, 'Z'),
      }));
  }
}
