/**
 * What this cluster is called in the set: as it is configured, else as its ClusterProperty `cluster.clusterset.k8s.io` says (KEP-2149), where
 * that API is installed.
 */
import { dynamicKind, Informer } from '@mesh/kube';
import type { KubeClient, UnknownObject } from '@mesh/kube';
import { isDnsName } from '@mesh/model';
import type { Clock, Logger } from '@mesh/runtime';

export interface ClusterIdDeps {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly logger: Logger;
}

export const CLUSTER_ID_PROPERTY = 'cluster.clusterset.k8s.io';
const CLUSTER_PROPERTIES = dynamicKind('about.k8s.io/v1', 'clusterproperties', 'ClusterProperty', false);
/** Most clusters never have the API. */
const ABSENT_BACKOFF = { minMs: 1_000, maxMs: 60_000, jitterRatio: 0.25 };

export class ClusterId implements AsyncDisposable {
  readonly #configured: string;
  readonly #properties: Informer<UnknownObject> | undefined;

  /** @param configured Empty: not configured. */
  constructor(configured: string, deps: ClusterIdDeps) {
    this.#configured = configured;
    this.#properties =
      configured === '' ? new Informer({ kind: CLUSTER_PROPERTIES, backoff: ABSENT_BACKOFF }, deps) : undefined;
  }

  run(onChange: () => void): void {
    this.#properties?.onChange(onChange);
    this.#properties?.onStatus(onChange);
    this.#properties?.run();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#properties?.[Symbol.asyncDispose]();
  }

  /** False while the API was not asked yet: then `value` proves nothing. */
  get isKnown(): boolean {
    return this.#properties === undefined || this.#properties.synced || this.#properties.lastError !== undefined;
  }

  /** A DNS label; `undefined`: the cluster has no name. */
  get value(): string | undefined {
    const value = this.#configured === '' ? this.#property() : this.#configured;
    return value !== undefined && isDnsName(value) && !value.includes('.') ? value : undefined;
  }

  #property(): string | undefined {
    const spec = this.#properties?.get(CLUSTER_ID_PROPERTY)?.['spec'];
    const value = typeof spec === 'object' && spec !== null && 'value' in spec ? spec.value : undefined;
    return typeof value === 'string' ? value : undefined;
  }
}
