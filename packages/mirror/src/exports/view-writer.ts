/** Writes the difference between the views that should be and those that are, on objects that are ours and on no others. */
import { keyOf } from '@mesh/kube';
import type { ExportedEndpoints, ExportedService } from '@mesh/kube';
import { isSame } from '../merge.ts';
import { assignChunks } from './chunks.ts';
import type { DesiredView } from './desired-views.ts';
import type { EndpointGroup } from './endpoint-groups.ts';
import type { ExportSources } from './export-sources.ts';
import {
  chunkName,
  EXPORT_MANAGER,
  exportedServiceLabel,
  isPeerNamespace,
  LABEL_EXPORTED_SERVICE,
  LABEL_MANAGED_BY,
} from './names.ts';
import type { PublishedStore } from './published-store.ts';

type Exported = ExportedService | ExportedEndpoints;

/** What a pass over one Service did. */
export interface ViewWork {
  readonly signal: AbortSignal;
  writes: number;
  /** Names that somebody else has taken. */
  readonly foreign: string[];
}

export class ViewWriter {
  readonly #sources: ExportSources;
  /** Namespace of the view for everybody. */
  readonly #sharedView: string;
  /** False: nothing can be created there, and all of it goes by itself. */
  readonly #isAlive: (namespace: string) => boolean;

  constructor(sources: ExportSources, sharedView: string, isAlive: (namespace: string) => boolean) {
    this.#sources = sources;
    this.#sharedView = sharedView;
    this.#isAlive = isAlive;
  }

  /** Keys of all Services of which anything is published. */
  published(): ReadonlySet<string> {
    const keys = new Set<string>();
    for (const { informer } of [this.#sources.services, this.#sources.endpoints]) {
      for (const object of informer.list()) if (this.#isOurs(object)) keys.add(keyOf(object.spec.service));
    }
    return keys;
  }

  /** Makes `views` all that is published of the Service. */
  async realize(service: string, views: readonly DesiredView[], work: ViewWork): Promise<void> {
    const { services, endpoints } = this.#sources;
    const chunks = this.#published(endpoints, service);
    const keptChunks = new Set<string>();
    const keptServices = new Set<string>();
    for (const view of views) {
      if (!this.#isAlive(view.namespace)) continue;
      const present = chunks.filter(({ metadata }) => metadata.namespace === view.namespace);
      // Addresses first: whoever reads the Service finds what it promises.
      for (const chunk of desiredChunks(view, present)) {
        keptChunks.add(keyOf(chunk.metadata));
        await this.#put(endpoints, chunk, work);
      }
      keptServices.add(keyOf(view.service.metadata));
      await this.#put(services, view.service, work);
    }
    for (const object of this.#published(services, service)) {
      if (!keptServices.has(keyOf(object.metadata))) await this.#remove(services, object, work);
    }
    for (const object of this.#published(endpoints, service)) {
      if (!keptChunks.has(keyOf(object.metadata))) await this.#remove(endpoints, object, work);
    }
  }

  async #put<T extends Exported>(store: PublishedStore<T>, desired: T, work: ViewWork): Promise<void> {
    const key = keyOf(desired.metadata);
    const live = store.get(key);
    if (live === undefined) {
      work.writes += 1;
      await store.create(desired, work.signal);
      return;
    }
    if (!this.#isOurs(live)) {
      work.foreign.push(`${desired.kind} ${key}`);
      return;
    }
    const labels = { ...live.metadata.labels, ...desired.metadata.labels };
    if (isSame(live.spec, desired.spec) && isSame(live.metadata.labels, labels)) return;
    work.writes += 1;
    await store.replace({ ...live, metadata: { ...live.metadata, labels }, spec: desired.spec }, work.signal);
  }

  async #remove<T extends Exported>(store: PublishedStore<T>, object: T, work: ViewWork): Promise<void> {
    work.writes += 1;
    await store.delete(object, work.signal);
  }

  #published<T extends Exported>(store: PublishedStore<T>, service: string): readonly T[] {
    return store.of(service).filter((object) => this.#isOurs(object) && this.#isAlive(object.metadata.namespace ?? ''));
  }

  #isOurs({ metadata: { namespace = '', labels } }: Exported): boolean {
    return (
      labels?.[LABEL_MANAGED_BY] === EXPORT_MANAGER && (namespace === this.#sharedView || isPeerNamespace(namespace))
    );
  }
}

/** @param present What the view holds of the Service now. */
function desiredChunks(view: DesiredView, present: readonly ExportedEndpoints[]): readonly ExportedEndpoints[] {
  const { service } = view.service.spec;
  return view.groups.flatMap((group) => {
    const prefix = chunkName(service, group.id, 0).slice(0, -1);
    const known = new Map(
      present
        .filter(({ metadata }) => metadata.name.startsWith(prefix))
        .map(({ metadata, spec }) => [Number(metadata.name.slice(prefix.length)), spec.endpoints] as const)
        .filter(([index]) => Number.isSafeInteger(index)),
    );
    return [...assignChunks(group.endpoints, known)].map(([index, endpoints]) => ({
      ...chunkOf(view, group, index),
      spec: { service, addressType: group.addressType, ports: group.ports, endpoints },
    }));
  });
}

function chunkOf(view: DesiredView, group: EndpointGroup, index: number): Omit<ExportedEndpoints, 'spec'> {
  const { service } = view.service.spec;
  return {
    apiVersion: 'federation.mesh.dev/v1alpha1',
    kind: 'ExportedEndpoints',
    metadata: {
      name: chunkName(service, group.id, index),
      namespace: view.namespace,
      labels: { [LABEL_MANAGED_BY]: EXPORT_MANAGER, [LABEL_EXPORTED_SERVICE]: exportedServiceLabel(service) },
    },
  };
}
