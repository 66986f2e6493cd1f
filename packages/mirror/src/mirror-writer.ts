/** Writes the difference between what should be and what is, on objects that are ours and on no others. */
import { isKubeError, keyOf, NAMESPACES, SERVICES } from '@mesh/kube';
import type { EndpointSlice, OwnerReference, Service } from '@mesh/kube';
import type { Desired, Outcome } from './desired.ts';
import type { LocalCluster } from './local-cluster.ts';
import { mergeService, mergeSlice } from './merge.ts';
import type { MirrorMetrics } from './metrics.ts';
import { LABEL_CLUSTER, LABEL_MIRRORED } from './names.ts';
import { isFederated, isMirrorOf, isOurSlice } from './ownership.ts';

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

export class MirrorWriter {
  readonly #deps: MirrorWriterDeps;

  constructor(deps: MirrorWriterDeps) {
    this.#deps = deps;
  }

  /** Makes `desired` so, unless something of that name is not ours. */
  async realize(
    localKey: string,
    desired: Desired,
    isOurs: (service: Service) => boolean,
    cluster: string | undefined,
    work: Work,
  ): Promise<Outcome> {
    const { local } = this.#deps;
    if (desired.service === undefined) {
      await this.remove(localKey, cluster, work);
      return desired.outcome;
    }
    const namespace = desired.service.metadata.namespace ?? '';
    const missing = await this.#missingNamespace(namespace, cluster, work);
    if (missing !== undefined) return missing;
    const live = local.services.get(localKey);
    if (live !== undefined && !isOurs(live)) return conflict(localKey);
    const service = await this.#writeService(desired.service, live, work);
    await this.#writeSlices(service, desired.slices, work);
    return desired.outcome;
  }

  async #missingNamespace(namespace: string, cluster: string | undefined, work: Work): Promise<Outcome | undefined> {
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
    const { local } = this.#deps;
    const merged = live === undefined ? undefined : mergeService(desired, live);
    if (live !== undefined && merged === undefined) return live;
    work.writes += 1;
    return merged === undefined
      ? local.services.create(desired, work.signal)
      : local.services.replace(merged, work.signal);
  }

  async #writeSlices(service: Service, desired: readonly EndpointSlice[], work: Work): Promise<void> {
    const { local } = this.#deps;
    const owner = ownerOf(service);
    for (const slice of desired) {
      const live = local.slices.get(keyOf(slice.metadata));
      if (live === undefined) {
        const metadata = { ...slice.metadata, ...(owner === undefined ? {} : { ownerReferences: [owner] }) };
        work.writes += 1;
        await local.slices.create({ ...slice, metadata }, work.signal);
        continue;
      }
      const merged = mergeSlice(slice, live, owner);
      if (merged === undefined) continue;
      work.writes += 1;
      await local.slices.replace(merged, work.signal);
    }
    const wanted = new Set(desired.map((slice) => slice.metadata.name));
    for (const slice of this.slicesOf(keyOf(service.metadata))) {
      if (!wanted.has(slice.metadata.name)) await local.slices.delete(slice, work.signal);
    }
  }

  /** Deletes the Service if it is ours, and our slices of it. @param cluster Absent: a federated Service. */
  async remove(localKey: string, cluster: string | undefined, work: Work): Promise<void> {
    const { local } = this.#deps;
    const service = local.services.get(localKey);
    const isOurs =
      service !== undefined && (cluster === undefined ? isFederated(service) : isMirrorOf(service, cluster));
    for (const slice of this.slicesOf(localKey)) {
      const sliceCluster = slice.metadata.labels?.[LABEL_CLUSTER];
      if (cluster === undefined || sliceCluster === cluster) await local.slices.delete(slice, work.signal);
    }
    if (isOurs) await local.services.delete(service, work.signal);
  }

  /** Our slices of a Service. */
  slicesOf(serviceKey: string): readonly EndpointSlice[] {
    const { slices } = this.#deps.local;
    return slices.informer
      .byIndex('service', serviceKey)
      .filter((slice) => isOurSlice(slice) && slices.get(keyOf(slice.metadata)) !== undefined);
  }
}

function conflict(localKey: string): Outcome {
  return {
    reason: 'NameConflict',
    message: `Service ${localKey} exists here and is not a mirror of this Link: rename or delete it, and the mirror takes its place`,
  };
}

function ownerOf(service: Service): OwnerReference | undefined {
  const { name, uid } = service.metadata;
  if (uid === undefined) return undefined;
  return { apiVersion: 'v1', kind: SERVICES.kind, name, uid, controller: true, blockOwnerDeletion: false };
}
