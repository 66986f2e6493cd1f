/** Writes the difference between what should be and what is, on objects that are ours and on no others. */
import { isKubeError, keyOf, NAMESPACES, SERVICES } from '@mesh/kube';
import type { EndpointSlice, KubeObject, OwnerReference, Service } from '@mesh/kube';
import type { DesiredPart, Outcome } from './desired.ts';
import { MIRRORED } from './desired.ts';
import type { LocalCluster } from './local-cluster.ts';
import { mergeService, mergeSlice } from './merge.ts';
import type { MirrorMetrics } from './metrics.ts';
import { LABEL_CLUSTER, LABEL_MIRRORED } from './names.ts';
import { isFederated, isMirrorOf, isOurSlice } from './ownership.ts';
import { isHeadless } from './remote-cluster.ts';

/** One run of a reconcile. */
export interface Work {
  readonly signal: AbortSignal;
  /** Mirror objects written in it. */
  writes: number;
}

export interface MirrorWriterDeps {
  readonly local: LocalCluster;
  readonly metrics: MirrorMetrics;
  /** Create namespaces that peers have and we have not. */
  readonly enableNamespaceCreation: boolean;
}

/** Whose a Service must be to be written: a mirror of that cluster, or a federated one (`undefined`). */
export type Owner = string | undefined;

export class MirrorWriter {
  readonly #deps: MirrorWriterDeps;

  constructor(deps: MirrorWriterDeps) {
    this.#deps = deps;
  }

  /** Makes `desired` so, unless something of that name is not ours. */
  async realize({ service: desired, slices }: DesiredPart, owner: Owner, work: Work): Promise<Outcome> {
    const obstacle = await this.obstacle(desired.metadata, owner, work);
    if (obstacle !== undefined) return obstacle;
    const service = await this.#writeService(desired, this.#deps.local.services.get(keyOf(desired.metadata)), work);
    return this.#writeSlices(service, slices, work);
  }

  /** Why nothing can be written under that name; `undefined`: it can. Makes the namespace if that is allowed. */
  async obstacle(
    { name, namespace = '' }: { readonly name: string; readonly namespace?: string },
    owner: Owner,
    work: Work,
  ): Promise<Outcome | undefined> {
    const missing = await this.#missingNamespace(namespace, owner, work);
    if (missing !== undefined) return missing;
    const live = this.#deps.local.services.get(keyOf({ namespace, name }));
    return live === undefined || isOwned(live, owner) ? undefined : conflict('v1', 'Service', live);
  }

  async #missingNamespace(namespace: string, cluster: Owner, work: Work): Promise<Outcome | undefined> {
    const { local } = this.#deps;
    const found = local.namespaces.get(namespace);
    if (found !== undefined && found.metadata.deletionTimestamp === undefined) return undefined;
    if (found === undefined && this.#deps.enableNamespaceCreation) {
      const labels = {
        [LABEL_MIRRORED]: 'true',
        ...(cluster === undefined ? {} : { [LABEL_CLUSTER]: cluster }),
      };
      try {
        await local.client.create(
          NAMESPACES,
          { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace, labels } },
          { signal: work.signal },
        );
        this.#deps.metrics.wrote('namespaces', 'create');
      } catch (error) {
        if (!isKubeError(error, 'already_exists')) throw error;
      }
      return undefined;
    }
    const why = found === undefined ? 'does not exist here' : 'is being deleted here';
    return {
      reason: 'MissingNamespace',
      message: `namespace ${namespace} ${why}: create it, and the Service is mirrored at once`,
    };
  }

  async #writeService(desired: Service, live: Service | undefined, work: Work): Promise<Service> {
    const { services } = this.#deps.local;
    // Whether a Service has an address cannot be changed: it becomes another one.
    if (live !== undefined && isHeadless(live) !== isHeadless(desired)) {
      work.writes += 1;
      await services.delete(live, work.signal);
      return services.create(desired, work.signal);
    }
    const merged = live === undefined ? undefined : mergeService(desired, live);
    if (live !== undefined && merged === undefined) return live;
    work.writes += 1;
    return merged === undefined ? services.create(desired, work.signal) : services.replace(merged, work.signal);
  }

  async #writeSlices(service: Service, desired: readonly EndpointSlice[], work: Work): Promise<Outcome> {
    const { slices } = this.#deps.local;
    const owner = ownerOf(service);
    let outcome = MIRRORED;
    for (const slice of desired) {
      const key = keyOf(slice.metadata);
      const live = slices.get(key);
      if (live === undefined) {
        const metadata = { ...slice.metadata, ...(owner === undefined ? {} : { ownerReferences: [owner] }) };
        work.writes += 1;
        await slices.create({ ...slice, metadata }, work.signal);
        continue;
      }
      if (!isOurSlice(live)) {
        outcome = conflict('discovery.k8s.io/v1', 'EndpointSlice', live);
        continue;
      }
      const merged = mergeSlice(slice, live, owner);
      if (merged === undefined) continue;
      work.writes += 1;
      await slices.replace(merged, work.signal);
    }
    const wanted = new Set(desired.map((slice) => slice.metadata.name));
    for (const slice of this.slicesOf(keyOf(service.metadata))) {
      if (wanted.has(slice.metadata.name)) continue;
      work.writes += 1;
      await slices.delete(slice, work.signal);
    }
    return outcome;
  }

  /** Deletes the Service if it is ours, and our slices of it. */
  async remove(localKey: string, owner: Owner, work: Work): Promise<void> {
    const { local } = this.#deps;
    for (const slice of this.slicesOf(localKey)) {
      if (owner !== undefined && slice.metadata.labels?.[LABEL_CLUSTER] !== owner) continue;
      work.writes += 1;
      await local.slices.delete(slice, work.signal);
    }
    const service = local.services.get(localKey);
    if (service === undefined || !isOwned(service, owner)) return;
    work.writes += 1;
    await local.services.delete(service, work.signal);
  }

  /** Our slices of a Service. */
  slicesOf(serviceKey: string): readonly EndpointSlice[] {
    const { slices } = this.#deps.local;
    return slices.informer
      .byIndex('service', serviceKey)
      .map((slice) => slices.get(keyOf(slice.metadata)))
      .filter((slice) => slice !== undefined && isOurSlice(slice)) as EndpointSlice[];
  }
}

function isOwned(service: Service, owner: Owner): boolean {
  return owner === undefined ? isFederated(service) : isMirrorOf(service, owner);
}

function conflict(apiVersion: string, kind: 'Service' | 'EndpointSlice', { metadata }: KubeObject): Outcome {
  return {
    reason: 'NameConflict',
    message: `${kind} ${keyOf(metadata)} exists here and is not a mirror of this Link: rename or delete it, and the mirror takes its place`,
    foreign: { apiVersion, kind, metadata },
  };
}

function ownerOf(service: Service): OwnerReference | undefined {
  const { name, uid } = service.metadata;
  if (uid === undefined) return undefined;
  return { apiVersion: 'v1', kind: SERVICES.kind, name, uid, controller: true, blockOwnerDeletion: false };
}
