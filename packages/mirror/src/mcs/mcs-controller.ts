/**
 * The Multi-Cluster Services API of this cluster (KEP-1645). Every change, here or at a peer, becomes the name of a Service in the cluster
 * set; its reconcile (`import-reconciler.ts`) looks at the whole of it. Only the leader writes. Runs in every cluster, with or without Links,
 * and waits where the definitions are not installed.
 */
import { Controller, keyOf, parseKey } from '@mesh/kube';
import type { EndpointSlice, KubeClient, ReconcileResult, Service } from '@mesh/kube';
import type { Cidr } from '@mesh/model';
import type { Clock, Component, Logger, Timer } from '@mesh/runtime';
import { LABEL_SERVICE_IMPORT } from '../exports/names.ts';
import type { LinkRegistry } from '../link-registry.ts';
import type { LocalCluster } from '../local-cluster.ts';
import { LABEL_CLUSTER, LABEL_MCS_SERVICE } from '../names.ts';
import type { WriteVerb } from '../written-store.ts';
import { BridgePorts } from './bridge-ports.ts';
import { ClusterId } from './cluster-id.ts';
import type { ImportRef } from './desired-import.ts';
import { GatewayPods } from './gateway-pods.ts';
import { ImportReconciler } from './import-reconciler.ts';
import { ImportStore } from './import-store.ts';
import type { ImportWork } from './import-store.ts';
import type { LocalExports } from './local-exports.ts';

export interface McsControllerOptions {
  /** Of the multi-cluster extension: where the own gateway is. */
  readonly namespace: string;
  /** This cluster's name in the set; empty: as its ClusterProperty says. */
  readonly clusterName: string;
  /** Network of the imports' addresses, the same in all clusters; absent: any of the cluster's. */
  readonly network?: Cidr | undefined;
  /** How often everything is compared again, milliseconds. */
  readonly resyncMs?: number;
}

export interface McsControllerDeps {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly local: LocalCluster;
  readonly links: LinkRegistry;
  readonly exports: LocalExports;
  readonly isLeader: () => boolean;
  readonly metrics: {
    wrote(resource: string, verb: WriteVerb): void;
    reconciled(hasFailed: boolean): void;
    /** A periodic comparison found and repaired a difference that no event had announced. */
    importRepaired(): void;
  };
}

const DEFAULT_RESYNC_MS = 30_000;
/** Writes in flight; mirrors and views need connections too. */
const CONCURRENCY = 8;

export class McsController implements Component {
  readonly name = 'multi-cluster services';
  readonly #resyncMs: number;
  readonly #deps: McsControllerDeps;
  readonly #controller: Controller;
  readonly #store: ImportStore;
  readonly #clusterId: ClusterId;
  readonly #gatewayPods: GatewayPods;
  readonly #bridgePorts = new BridgePorts();
  readonly #reconciler: ImportReconciler;
  /** Keys of the running full comparison: what they repair is drift. */
  readonly #resync = new Set<string>();
  #resyncTimer: Timer | undefined;
  #wasReady = false;
  #isStopped = false;

  constructor(options: McsControllerOptions, deps: McsControllerDeps) {
    this.#resyncMs = options.resyncMs ?? DEFAULT_RESYNC_MS;
    this.#deps = deps;
    const { metrics } = deps;
    this.#store = new ImportStore({ ...deps, onWrite: (resource, verb) => metrics.wrote(resource, verb) });
    this.#clusterId = new ClusterId(options.clusterName, deps);
    this.#gatewayPods = new GatewayPods(options.namespace, deps);
    this.#reconciler = new ImportReconciler({
      ...deps,
      store: this.#store,
      clusterId: this.#clusterId,
      gatewayPods: this.#gatewayPods,
      bridgePorts: this.#bridgePorts,
      network: options.network,
    });
    this.#controller = new Controller(
      {
        name: 'mcs',
        reconcile: (key, signal) => this.#reconcile(key, signal),
        concurrency: CONCURRENCY,
        backoff: { minMs: 50, maxMs: 30_000, jitterRatio: 0.1 },
        onRun: ({ error }) => metrics.reconciled(error !== undefined),
      },
      deps,
    );
  }

  /** Does not wait for what it follows: where the definitions are not installed, there is nothing to do until they are. */
  async start(signal: AbortSignal): Promise<void> {
    const { local, links, exports } = this.#deps;
    await this.#controller.start(signal);
    exports.onChange((key) => this.#exportChanged(key));
    exports.onStatus(() => this.#sourcesChanged());
    local.services.informer.onChange(({ object }) => this.#serviceChanged(object));
    local.slices.informer.onChange(({ object, type }) => this.#sliceChanged(object, type === 'deleted'));
    local.namespaces.onChange(({ object, type }) => {
      if (type !== 'updated') this.#enqueueAll('high', object.metadata.name);
    });
    links.onService((_link, mode, key) => {
      if (mode === 'mcs') this.#controller.enqueue(key);
    });
    links.onAll((link) => this.#linkChanged(link));
    const { informer } = this.#store.imports;
    informer.onChange(({ object }) => this.#controller.enqueue(keyOf(object.metadata)));
    informer.onStatus(() => this.#sourcesChanged());
    informer.run();
    this.#clusterId.run(() => this.#enqueueAll('high'));
    this.#gatewayPods.run(() => {
      this.#sourcesChanged();
      this.#enqueueBridged();
    });
    this.#scheduleResync();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopped = true;
    this.#resyncTimer?.cancel();
    await this.#controller[Symbol.asyncDispose]();
    await Promise.all([this.#store, this.#clusterId, this.#gatewayPods].map((part) => part[Symbol.asyncDispose]()));
  }

  /** Whoever leads looks at everything. */
  leadershipChanged(leading: boolean): void {
    if (leading) this.#enqueueAll('high');
  }

  /** Imports that exist here. */
  get importCount(): number {
    return this.#store.imports.informer.size;
  }

  /** Keys that wait or run. */
  get depth(): number {
    return this.#controller.depth;
  }

  /** True when there is nothing to do. */
  get idle(): boolean {
    return this.#controller.depth === 0;
  }

  /** True when what is not in our copies does not exist. */
  get #isReady(): boolean {
    return this.#store.synced && this.#deps.exports.synced && this.#clusterId.isKnown && this.#gatewayPods.synced;
  }

  #sourcesChanged(): void {
    const isReady = this.#isReady;
    if (isReady && !this.#wasReady) this.#enqueueAll('high');
    this.#wasReady = isReady;
  }

  #exportChanged(key: string): void {
    const { exports } = this.#deps;
    exports.follow(key, exports.get(key) !== undefined);
    this.#sourcesChanged();
    this.#controller.enqueue(key);
  }

  #serviceChanged({ metadata }: Service): void {
    const { namespace, name, labels } = metadata;
    const imported = labels?.[LABEL_SERVICE_IMPORT];
    if (imported !== undefined) this.#controller.enqueue(keyOf({ namespace, name: imported }));
    else if (this.#deps.exports.get(keyOf({ namespace, name })) !== undefined)
      this.#controller.enqueue(keyOf({ namespace, name }));
  }

  #sliceChanged(slice: EndpointSlice, isDeleted: boolean): void {
    const key = importOf(slice);
    if (key === undefined) return;
    this.#bridgePorts.observe(slice, isDeleted);
    this.#controller.enqueue(key);
  }

  /** A Link, its peer or its gateway: everything that the peer exports or exported. */
  #linkChanged(link: string): void {
    const worker = this.#deps.links.get(link);
    if (worker?.plan === undefined) {
      this.#enqueueAll('high');
      return;
    }
    for (const key of worker.remoteKeys('mcs')) this.#controller.enqueue(key);
    for (const slice of this.#deps.local.slices.informer.byIndex('cluster', worker.plan.cluster)) {
      const key = importOf(slice);
      if (key !== undefined) this.#controller.enqueue(key);
    }
    for (const { metadata, status } of this.#store.imports.informer.list()) {
      if (status?.clusters?.some(({ cluster }) => cluster === worker.plan?.cluster) === true)
        this.#controller.enqueue(keyOf(metadata));
    }
  }

  #enqueueBridged(): void {
    for (const slice of this.#deps.local.slices.informer.list()) {
      const key = slice.metadata.labels?.[LABEL_CLUSTER] === undefined ? undefined : importOf(slice);
      if (key !== undefined) this.#controller.enqueue(key);
    }
  }

  /** @param namespace Only there. */
  #enqueueAll(priority: 'high' | 'low', namespace?: string): void {
    const { local, links, exports } = this.#deps;
    const keys = new Set(exports.keys());
    for (const { metadata } of this.#store.imports.informer.list()) keys.add(keyOf(metadata));
    for (const worker of links.all()) for (const key of worker.remoteKeys('mcs')) keys.add(key);
    for (const slice of local.slices.informer.list()) {
      const key = importOf(slice);
      if (key !== undefined) keys.add(key);
    }
    for (const key of keys) {
      if (namespace !== undefined && parseKey(key).namespace !== namespace) continue;
      if (priority === 'low') this.#resync.add(key);
      this.#controller.enqueue(key, priority);
    }
  }

  #scheduleResync(): void {
    this.#resyncTimer = this.#deps.clock.after(this.#resyncMs, () => {
      if (this.#isStopped) return;
      if (this.#deps.isLeader() && this.#controller.depth === 0) this.#enqueueAll('low');
      this.#scheduleResync();
    });
  }

  async #reconcile(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    const isRepair = this.#resync.delete(key);
    const { namespace, name } = parseKey(key);
    // Once everything is known, or once we lead, everything is looked at.
    if (!this.#deps.isLeader() || !this.#isReady || namespace === undefined) return;
    const ref: ImportRef = { namespace, name };
    const work: ImportWork = { signal, writes: 0 };
    await this.#reconciler.reconcile(ref, work);
    if (isRepair && work.writes > 0) this.#deps.metrics.importRepaired();
  }
}

/** The import that a slice of ours is for. */
function importOf({ metadata }: EndpointSlice): string | undefined {
  const name = metadata.labels?.[LABEL_MCS_SERVICE];
  return name === undefined ? undefined : keyOf({ namespace: metadata.namespace, name });
}
