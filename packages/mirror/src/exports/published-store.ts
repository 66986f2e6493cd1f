/** One kind of objects of the views, by the Service that they stand for; what we wrote and the watch has not shown yet is among them. */
import { keyOf } from '@mesh/kube';
import type { ExportedEndpoints, ExportedService, Informer, ResourceKind } from '@mesh/kube';
import { WrittenStore } from '../written-store.ts';
import type { WrittenStoreDeps } from '../written-store.ts';

export const BY_SERVICE = 'service';

export class PublishedStore<T extends ExportedService | ExportedEndpoints> {
  readonly informer: Informer<T>;
  readonly #store: WrittenStore<T>;
  /** Keys of objects that we created, by Service, until the watch shows them. */
  readonly #created = new Map<string, Set<string>>();

  /** @param informer With the index {@link BY_SERVICE}. */
  constructor(kind: ResourceKind<T>, informer: Informer<T>, deps: WrittenStoreDeps) {
    this.informer = informer;
    this.#store = new WrittenStore(kind, informer, deps);
    informer.onChange(({ object }) => this.#forget(keyOf(object.spec.service), keyOf(object.metadata)));
  }

  get(key: string): T | undefined {
    return this.#store.get(key);
  }

  /** All objects of a Service. @param service `namespace/name` */
  of(service: string): readonly T[] {
    const keys = new Set(this.informer.byIndex(BY_SERVICE, service).map(({ metadata }) => keyOf(metadata)));
    for (const key of this.#created.get(service) ?? []) {
      // Gone again before the watch showed it.
      if (this.#store.get(key) === undefined) this.#forget(service, key);
      else keys.add(key);
    }
    const objects = [...keys].map((key) => this.#store.get(key));
    return objects.filter((object) => object !== undefined && keyOf(object.spec.service) === service) as T[];
  }

  async create(object: T, signal: AbortSignal): Promise<void> {
    await this.#store.create(object, signal);
    const key = keyOf(object.metadata);
    if (this.informer.get(key) !== undefined) return;
    const service = keyOf(object.spec.service);
    const keys = this.#created.get(service);
    if (keys === undefined) this.#created.set(service, new Set([key]));
    else keys.add(key);
  }

  /** `object` carries the resourceVersion that it is based on. */
  async replace(object: T, signal: AbortSignal): Promise<void> {
    await this.#store.replace(object, signal);
  }

  /** Deletes exactly this object: another one of the same name stays. */
  async delete(object: T, signal: AbortSignal): Promise<void> {
    await this.#store.delete(object, signal);
  }

  #forget(service: string, key: string): void {
    const keys = this.#created.get(service);
    keys?.delete(key);
    if (keys?.size === 0) this.#created.delete(service);
  }
}
