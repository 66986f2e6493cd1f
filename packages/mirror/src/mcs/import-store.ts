/** The objects of imports in this cluster: what is there, our unseen writes considered, and writing on what is ours and nothing else. */
import { Informer, isKubeError, keyOf, SERVICE_EXPORTS, SERVICE_IMPORTS } from '@mesh/kube';
import type {
  Condition,
  EndpointSlice,
  KubeClient,
  OwnerReference,
  Service,
  ServiceExport,
  ServiceImport,
} from '@mesh/kube';
import type { Clock, Logger } from '@mesh/runtime';
import { LABEL_SERVICE_IMPORT } from '../exports/names.ts';
import type { LocalCluster } from '../local-cluster.ts';
import { isSame, mergeSlice } from '../merge.ts';
import { LABEL_HEADLESS, LABEL_MCS_SERVICE, LABEL_SERVICE_NAME } from '../names.ts';
import { WrittenStore } from '../written-store.ts';
import type { WriteVerb } from '../written-store.ts';
import { mergeDerived, mergeImport } from './desired-import.ts';
import type { ImportRef } from './desired-import.ts';
import { derivedName } from './names.ts';

export interface ImportStoreDeps {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly local: LocalCluster;
  readonly onWrite: (resource: string, verb: WriteVerb) => void;
}

/** One run of a reconcile. */
export interface ImportWork {
  readonly signal: AbortSignal;
  writes: number;
}

/** A definition may be installed hours later, or never. */
const ABSENT_BACKOFF = { minMs: 100, maxMs: 15_000, jitterRatio: 0.25 };

export class ImportStore implements AsyncDisposable {
  readonly imports: WrittenStore<ServiceImport>;
  readonly #deps: ImportStoreDeps;

  constructor(deps: ImportStoreDeps) {
    this.#deps = deps;
    const informer = new Informer({ kind: SERVICE_IMPORTS, backoff: ABSENT_BACKOFF }, deps);
    this.imports = new WrittenStore(SERVICE_IMPORTS, informer, {
      ...deps,
      onWrite: (verb) => deps.onWrite(SERVICE_IMPORTS.plural, verb),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.imports.informer[Symbol.asyncDispose]();
  }

  get synced(): boolean {
    return this.imports.informer.synced;
  }

  /** The Service of that name, whoever's it is. */
  derived(ref: ImportRef): Service | undefined {
    return this.#deps.local.services.get(keyOf({ namespace: ref.namespace, name: derivedName(ref) }));
  }

  /** Our slices of an import. */
  slicesOf(ref: ImportRef): readonly EndpointSlice[] {
    const { slices } = this.#deps.local;
    return slices.informer
      .byIndex('import', keyOf(ref))
      .map((slice) => slices.get(keyOf(slice.metadata)))
      .filter((slice) => slice?.metadata.labels?.[LABEL_MCS_SERVICE] === ref.name) as EndpointSlice[];
  }

  async writeImport(desired: ServiceImport, live: ServiceImport | undefined, work: ImportWork): Promise<ServiceImport> {
    const merged = live === undefined ? undefined : mergeImport(desired, live);
    if (live !== undefined && merged === undefined) return live;
    work.writes += 1;
    return merged === undefined ? this.imports.create(desired, work.signal) : this.imports.replace(merged, work.signal);
  }

  async writeDerived(desired: Service, live: Service | undefined, work: ImportWork): Promise<Service> {
    const { services } = this.#deps.local;
    const merged = live === undefined ? undefined : mergeDerived(desired, live);
    if (live !== undefined && merged === undefined) return live;
    work.writes += 1;
    return merged === undefined ? services.create(desired, work.signal) : services.replace(merged, work.signal);
  }

  /** What is new comes before what is old goes, so that running traffic always has somewhere to go. */
  async writeSlices(
    ref: ImportRef,
    desired: readonly EndpointSlice[],
    owner: OwnerReference,
    work: ImportWork,
  ): Promise<void> {
    const { slices } = this.#deps.local;
    for (const slice of desired) {
      const live = slices.get(keyOf(slice.metadata));
      if (live === undefined) {
        work.writes += 1;
        await slices.create(slice, work.signal);
        continue;
      }
      if (isOtherwiseServed(slice, live)) {
        work.writes += 1;
        await slices.delete(live, work.signal);
        await slices.create(slice, work.signal);
        continue;
      }
      const merged = mergeSlice(slice, live, owner);
      if (merged === undefined) continue;
      work.writes += 1;
      await slices.replace(merged, work.signal);
    }
    const wanted = new Set(desired.map(({ metadata }) => metadata.name));
    await this.deleteSlices(
      this.slicesOf(ref).filter(({ metadata }) => !wanted.has(metadata.name)),
      work,
    );
  }

  async deleteSlices(slices: readonly EndpointSlice[], work: ImportWork): Promise<void> {
    for (const slice of slices) {
      work.writes += 1;
      await this.#deps.local.slices.delete(slice, work.signal);
    }
  }

  async deleteDerived(ref: ImportRef, work: ImportWork): Promise<void> {
    const service = this.derived(ref);
    if (service?.metadata.labels?.[LABEL_SERVICE_IMPORT] !== ref.name) return;
    work.writes += 1;
    await this.#deps.local.services.delete(service, work.signal);
  }

  async deleteImport(live: ServiceImport, work: ImportWork): Promise<void> {
    work.writes += 1;
    await this.imports.delete(live, work.signal);
  }

  async writeImportStatus(live: ServiceImport, status: ServiceImport['status'], work: ImportWork): Promise<void> {
    if (isSame(status, live.status)) return;
    try {
      await this.#deps.client.patch(
        SERVICE_IMPORTS,
        live.metadata,
        { type: 'merge', body: { status }, subresource: 'status' },
        { signal: work.signal },
      );
      this.#deps.onWrite('serviceimports/status', 'update');
    } catch (error) {
      if (!isKubeError(error, 'not_found')) throw error;
    }
  }

  /** Others may have conditions on it too: what they wrote meanwhile is read first. */
  async writeExportStatus(live: ServiceExport, conditions: readonly Condition[], work: ImportWork): Promise<void> {
    if (isSame(conditions, live.status?.conditions ?? [])) return;
    const { resourceVersion } = live.metadata;
    try {
      await this.#deps.client.patch(
        SERVICE_EXPORTS,
        live.metadata,
        { type: 'merge', body: { metadata: { resourceVersion }, status: { conditions } }, subresource: 'status' },
        { signal: work.signal },
      );
      this.#deps.onWrite('serviceexports/status', 'update');
    } catch (error) {
      if (!isKubeError(error, 'not_found')) throw error;
    }
  }
}

/** By labels that a merge would not take away: the slice of an import that became, or is no longer, headless. */
function isOtherwiseServed(desired: EndpointSlice, live: EndpointSlice): boolean {
  return [LABEL_SERVICE_NAME, LABEL_HEADLESS].some(
    (label) => desired.metadata.labels?.[label] !== live.metadata.labels?.[label],
  );
}
