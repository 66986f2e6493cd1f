/** Keeps the tables in step with a cluster: one informer per kind. What was known stays while the API is away. */
import { ENDPOINT_SLICES, Informer, NODES, PODS, SERVICES } from '@mesh/kube';
import type { KubeObject, InformerDeps, ResourceKind } from '@mesh/kube';
import type { Component } from '@mesh/runtime';

import type { ClusterTables } from './cluster-tables.ts';
import { trimPod } from './cluster-tables.ts';

export class ClusterFeed implements Component {
  readonly name = 'cluster feed';
  readonly #informers: readonly Informer<KubeObject>[];
  readonly #unsubscribe: (() => void)[] = [];

  constructor(tables: ClusterTables, deps: InformerDeps) {
    this.#informers = [
      this.#feed(SERVICES, tables, deps),
      this.#feed(ENDPOINT_SLICES, tables, deps),
      this.#feed(PODS, tables, deps, trimPod),
      this.#feed(NODES, tables, deps),
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
    tables: ClusterTables,
    deps: InformerDeps,
    transform?: (object: T) => T,
  ): Informer<KubeObject> {
    const informer = new Informer<T>({ kind, ...(transform === undefined ? {} : { transform }) }, deps);
    const table = tables.tableFor(kind);
    this.#unsubscribe.push(
      informer.onChange((change) => {
        if (change.type === 'deleted') table?.remove(change.object as never);
        else table?.apply(change.object as never);
      }),
    );
    return informer as unknown as Informer<KubeObject>;
  }
}
