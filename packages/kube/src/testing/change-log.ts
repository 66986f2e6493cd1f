/** What has changed, in order, and who watches: watches look back as far as the history goes. */
import type { WatchEvent, WatchOptions } from '../client.ts';
import { KubeError } from '../errors.ts';
import { resourceName } from '../kinds.ts';
import type { ResourceKind } from '../kinds.ts';
import type { KubeObject } from '../object.ts';
import { filterOf, unreachable } from './stored-object.ts';
import type { Stored } from './stored-object.ts';
import { Subscription } from './subscription.ts';

export interface Logged {
  readonly version: number;
  readonly resource: string;
  readonly type: 'added' | 'modified' | 'deleted';
  readonly object: Stored;
  readonly previous: Stored | undefined;
}

export class ChangeLog {
  readonly #historyMax: number;
  readonly #history: Logged[] = [];
  readonly #watches = new Map<Subscription<WatchEvent<Stored>>, (change: Logged) => WatchEvent<Stored> | undefined>();
  #version = 0;

  /** @param historyMax How many changes a watch can look back. */
  constructor(historyMax: number) {
    this.#historyMax = historyMax;
  }

  /** The resource version of the last change. */
  get version(): number {
    return this.#version;
  }

  get openWatches(): number {
    return this.#watches.size;
  }

  /** The version of a change that is about to happen. */
  nextVersion(): number {
    this.#version += 1;
    return this.#version;
  }

  breakWatches(): void {
    for (const watch of this.#watches.keys()) watch.fail(unreachable('watch'));
  }

  /** Forgets the history and ends watches. */
  compact(): void {
    this.#history.length = 0;
    this.#version += 1;
    for (const watch of this.#watches.keys()) watch.end();
  }

  bookmark(): void {
    for (const watch of this.#watches.keys()) watch.push({ type: 'bookmark', resourceVersion: String(this.#version) });
  }

  watch<T extends KubeObject>(kind: ResourceKind<T>, options: WatchOptions): Subscription<WatchEvent<T>> {
    const from = Number(options.resourceVersion);
    const oldest = this.#history[0]?.version ?? this.#version + 1;
    if (!Number.isFinite(from) || (from < this.#version && from < oldest - 1)) {
      throw new KubeError(
        { code: 'gone', object: resourceName(kind), status: 410 },
        `${resourceName(kind)}: too old resource version`,
      );
    }
    const resource = resourceName(kind);
    const matches = filterOf(options);
    const translate = (change: Logged): WatchEvent<Stored> | undefined => {
      if (change.resource !== resource) return undefined;
      return selectorView(change, matches);
    };
    const subscription: Subscription<WatchEvent<Stored>> = new Subscription(() => this.#watches.delete(subscription));
    this.#watches.set(subscription, translate);
    for (const change of this.#history) {
      if (change.version <= from) continue;
      const event = translate(change);
      if (event !== undefined) subscription.push(event);
    }
    return subscription as unknown as Subscription<WatchEvent<T>>;
  }

  add(change: Logged): void {
    this.#history.push(change);
    if (this.#history.length > this.#historyMax) this.#history.splice(0, this.#history.length - this.#historyMax);
    for (const [watch, translate] of this.#watches) {
      const event = translate(change);
      if (event !== undefined) watch.push(event);
    }
  }
}

/** With a selector, an object that begins or ceases to match appears or disappears. */
function selectorView(change: Logged, matches: (object: Stored) => boolean): WatchEvent<Stored> | undefined {
  const before = change.previous !== undefined && matches(change.previous);
  const after = change.type !== 'deleted' && matches(change.object);
  if (after) return { type: before ? 'modified' : 'added', object: change.object };
  return before ? { type: 'deleted', object: change.object } : undefined;
}
