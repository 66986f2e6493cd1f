/**
 * Reads what we wrote: an informer's copy plus our own writes that it has not seen yet. Without it, a second look at a key right
 * after a write would write again. Counts every write.
 */
import { isKubeError, keyOf } from '@mesh/kube';
import type { Informer, KubeClient, KubeObject, ResourceKind } from '@mesh/kube';
import type { Clock } from '@mesh/runtime';

export type WriteVerb = 'create' | 'update' | 'delete';

export interface WrittenStoreDeps {
  readonly client: KubeClient;
  readonly clock: Clock;
  /** Called for each write that the API accepted. */
  readonly onWrite: (verb: WriteVerb) => void;
}

interface Written<T> {
  /** `undefined`: deleted. */
  readonly object: T | undefined;
  readonly uid: string | undefined;
  readonly version: string;
  readonly untilMs: number;
}

/** A watch that lags longer than this is broken, and then the informer's relist tells the truth. */
const LAG_MAX_MS = 10_000;

const FIELD_MANAGER = 'mesh-service-mirror';

export class WrittenStore<T extends KubeObject> {
  readonly informer: Informer<T>;
  readonly #kind: ResourceKind<T>;
  readonly #deps: WrittenStoreDeps;
  readonly #written = new Map<string, Written<T>>();

  constructor(kind: ResourceKind<T>, informer: Informer<T>, deps: WrittenStoreDeps) {
    this.#kind = kind;
    this.informer = informer;
    this.#deps = deps;
    informer.onChange((change) => this.#seen(keyOf(change.object.metadata), change.type, change.object));
  }

  get(key: string): T | undefined {
    const written = this.#written.get(key);
    if (written === undefined) return this.informer.get(key);
    if (this.#deps.clock.monotonic() < written.untilMs) return written.object;
    this.#written.delete(key);
    return this.informer.get(key);
  }

  async create(object: T, signal: AbortSignal): Promise<T> {
    const created = await this.#guard(object, () =>
      this.#deps.client.create(this.#kind, object, { signal, fieldManager: FIELD_MANAGER }),
    );
    this.#deps.onWrite('create');
    return created;
  }

  /** `object` carries the resourceVersion that it is based on. */
  async replace(object: T, signal: AbortSignal): Promise<T> {
    const replaced = await this.#guard(object, () =>
      this.#deps.client.replace(this.#kind, object, { signal, fieldManager: FIELD_MANAGER }),
    );
    this.#deps.onWrite('update');
    return replaced;
  }

  /** Deletes exactly this object: another one of the same name stays. */
  async delete(object: T, signal: AbortSignal): Promise<void> {
    const { uid } = object.metadata;
    try {
      await this.#deps.client.delete(this.#kind, object.metadata, { signal, preconditions: { uid } });
    } catch (error) {
      if (!isKubeError(error, 'conflict')) throw error;
      // Not ours any more; the watch will show what is there.
      return;
    }
    this.#deps.onWrite('delete');
    this.#remember(keyOf(object.metadata), undefined, uid, object.metadata.resourceVersion ?? '');
  }

  async #guard(object: T, write: () => Promise<T>): Promise<T> {
    const key = keyOf(object.metadata);
    try {
      const stored = await write();
      this.#remember(key, stored, stored.metadata.uid, stored.metadata.resourceVersion ?? '');
      return stored;
    } catch (error) {
      // Our copy was old: read the truth, so that the next attempt decides on it.
      if (isKubeError(error, 'conflict', 'already_exists', 'not_found')) {
        const live = await this.#deps.client.get(this.#kind, object.metadata).catch(() => undefined);
        this.#remember(key, live, live?.metadata.uid, live?.metadata.resourceVersion ?? '');
      }
      throw error;
    }
  }

  #remember(key: string, object: T | undefined, uid: string | undefined, version: string): void {
    const known = this.informer.get(key);
    // The watch may have been faster than the response.
    if (object !== undefined && known !== undefined && isAtLeast(known.metadata.resourceVersion, version)) return;
    if (object === undefined && known === undefined) return;
    this.#written.set(key, { object, uid, version, untilMs: this.#deps.clock.monotonic() + LAG_MAX_MS });
  }

  #seen(key: string, type: 'added' | 'updated' | 'deleted', object: T): void {
    const written = this.#written.get(key);
    if (written === undefined) return;
    const { uid, resourceVersion } = object.metadata;
    if (written.object === undefined) {
      if (type === 'deleted' || uid !== written.uid) this.#written.delete(key);
    } else if (isAtLeast(resourceVersion, written.version)) this.#written.delete(key);
  }
}

/** Resource versions of one resource are ordered numbers (KEP-5504). Anything else counts as newer: the informer is believed. */
function isAtLeast(seen: string | undefined, written: string): boolean {
  if (seen === undefined || !/^\d+$/.test(seen) || !/^\d+$/.test(written)) return true;
  return BigInt(seen) >= BigInt(written);
}
