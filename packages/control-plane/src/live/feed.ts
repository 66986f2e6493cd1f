/** Keeps the tables in step with a cluster: one informer per kind. What was known stays while the API is away. */
import { ENDPOINT_SLICES, Informer, NODES, PODS, SERVICES } from '@mesh/kube';
import type { KubeObject, InformerDeps, ResourceKind } from '@mesh/kube';
import type { Component } from '@mesh/runtime';

import type { ClusterTables } from './cluster-tables.ts';
import { trimPod } from './cluster-tables.ts';
import type { Table } from './table.ts';

/** What all informers have in common, whatever they hold. */
type SyncedCopy = Pick<Informer<KubeObject>, 'start' | 'stalenessMs'> & AsyncDisposable;

export class ClusterFeed implements Component {
  readonly name = 'cluster feed';
  readonly #informers: readonly SyncedCopy[];
  readonly #unsubscribe: (() => void)[] = [];

  constructor(tables: ClusterTables, deps: InformerDeps) {
    this.#informers = [
      this.#feed(SERVICES, tables.services, deps),
      this.#feed(ENDPOINT_SLICES, tables.slices, deps),
      this.#feed(PODS, tables.pods, deps, trimPod),
      this.#feed(NODES, tables.nodes, deps),
    ];
  }

  /** Resolves when every table is complete. */
  async start(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#informers.map((informer) => informer.start(signal)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    await Promise.all(this.#informers.map((informer) => informer[Symbol.asyncDispose]()));
  }

  /** How old the oldest copy may be; 0 while connected. */
  get stalenessMs(): number {
    return Math.max(...this.#informers.map((informer) => informer.stalenessMs));
  }

  #feed<T extends KubeObject>(
    kind: ResourceKind<T>,
    table: Table<T>,
    deps: InformerDeps,
    transform?: (object: T) => T,
  ): SyncedCopy {
    const informer = new Informer<T>({ kind, ...(transform === undefined ? {} : { transform }) }, deps);
    this.#unsubscribe.push(
      informer.onChange((change) => {
        if (change.type === 'deleted') table.remove(change.object);
        else table.apply(change.object);
      }),
    );
    return informer;
  }
}
