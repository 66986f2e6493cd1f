/**
 * Writes down what this cluster exports, for peers to read (ADR 0018). Every change becomes a key; a key's reconcile computes what must
 * lie in which view from caches, and has the difference written. Only the leader writes.
 *
 *   service|NS/NAME   what is published of one Service
 *   peer|NAME         the exporter's half of a Peer's status
 */
import { Controller, EventRecorder, keyOf, parseKey } from '@mesh/kube';
import type { ClusterFacts, KubeClient, Namespace, Peer, ReconcileResult, Service } from '@mesh/kube';
import type { Clock, Component, Logger, Timer } from '@mesh/runtime';
import type { LocalCluster } from '../local-cluster.ts';
import { desiredViews } from './desired-views.ts';
import type { ExportMetrics, ViewGauges } from './export-metrics.ts';
import { ExportSources } from './export-sources.ts';
import { exportModes, needsAddresses } from './modes.ts';
import { isPeerNamespace, peerNameProblem, peerNamespace } from './names.ts';
import { PeerStatusWriter } from './peer-status-writer.ts';
import { ViewWriter } from './view-writer.ts';
import type { ViewWork } from './view-writer.ts';

export interface ExportPublisherOptions {
  /** Where Peers and the view for everybody are. */
  readonly namespace: string;
  /** How often everything is compared again, milliseconds. */
  readonly resyncMs?: number;
  /** How often the time in each Peer's status is renewed, milliseconds: the only periodic write. */
  readonly renewMs?: number;
  /** At most one pass of writes for one Service in this time, milliseconds. */
  readonly coalesceMs?: number;
}

export interface ExportPublisherDeps {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly local: Pick<LocalCluster, 'services' | 'namespaces'>;
  readonly metrics: ExportMetrics;
  readonly isLeader: () => boolean;
  /** Who this cluster is. */
  readonly facts: () => ClusterFacts;
}

const DEFAULT_RESYNC_MS = 30_000;
/** A reader takes the view for stale after a few of these. */
const DEFAULT_RENEW_MS = 10_000;
/** A rollout changes an EndpointSlice many times a second; peers lose nothing by a tenth of one. */
const DEFAULT_COALESCE_MS = 100;
const COUNT_DELAY_MS = 100;
/** Writes in flight; the mirrors' own need connections too. */
const CONCURRENCY = 8;

export class ExportPublisher implements Component {
  readonly name = 'export publisher';
  readonly sources: ExportSources;
  readonly #options: Required<ExportPublisherOptions>;
  readonly #deps: ExportPublisherDeps;
  readonly #controller: Controller;
  readonly #writer: ViewWriter;
  readonly #peerStatus: PeerStatusWriter;
  readonly #events: EventRecorder;
  /** Services that are exported now. */
  readonly #exported = new Set<string>();
  /** When a change was heard of that is not published yet, Unix ms. */
  readonly #pendingMs = new Map<string, number>();
  /** The same for what is being published. */
  readonly #publishingMs = new Map<string, number>();
  /** When a Service was last written, by the monotonic clock. */
  readonly #wroteMs = new Map<string, number>();
  /** Keys of the running full comparison: what they repair is drift. */
  readonly #resync = new Set<string>();
  readonly #timers: { resync?: Timer; renew?: Timer; count?: Timer | undefined } = {};
  #wasSynced = false;
  #isStopped = false;

  constructor(options: ExportPublisherOptions, deps: ExportPublisherDeps) {
    this.#options = {
      resyncMs: DEFAULT_RESYNC_MS,
      renewMs: DEFAULT_RENEW_MS,
      coalesceMs: DEFAULT_COALESCE_MS,
      ...options,
    };
    this.#deps = deps;
    const { client, clock, logger, local, metrics, facts } = deps;
    this.sources = new ExportSources(
      options.namespace,
      { client, clock, logger, onWrite: (resource, verb) => metrics.wrote(resource, verb) },
      { onEndpoints: (key) => this.#changed(key), onStatus: () => this.#sourcesChanged() },
    );
    this.#writer = new ViewWriter(this.sources, options.namespace, (namespace) =>
      isAlive(local.namespaces.get(namespace)),
    );
    this.#events = new EventRecorder({ component: 'linkerd-service-mirror' }, { client, clock, logger });
    this.#peerStatus = new PeerStatusWriter(this.#options.renewMs, {
      client,
      clock,
      events: this.#events,
      peers: () => this.sources.peers.list(),
      facts,
      exportsOf: (peer) => this.#exportsOf(peer),
      hasNamespace: (peer) => isAlive(local.namespaces.get(peerNamespace(peer))),
      completeUntilMs: () => this.#completeUntilMs(),
      onWrite: () => metrics.wrote('peers/status', 'update'),
    });
    this.#controller = new Controller(
      {
        name: 'exports',
        reconcile: (key, signal) => this.#reconcile(key, signal),
        concurrency: CONCURRENCY,
        backoff: { minMs: 50, maxMs: 30_000, jitterRatio: 0.1 },
      },
      deps,
    );
  }

  /** Does not wait for what it follows: where the definitions are not installed, there is nothing to do until they are. */
  async start(signal: AbortSignal): Promise<void> {
    const { local } = this.#deps;
    const { sources } = this;
    await this.#controller.start(signal);
    local.services.informer.onChange(({ object }) => this.#serviceChanged(keyOf(object.metadata)));
    sources.serviceExports.onChange(({ object }) => this.#serviceChanged(keyOf(object.metadata)));
    sources.policies.onChange(({ object: { metadata } }) => this.#allChanged(metadata.namespace));
    sources.services.informer.onChange(({ type, object }) => {
      this.#changed(keyOf(object.spec.service));
      if (type !== 'updated') this.#countSoon();
    });
    sources.endpoints.informer.onChange(({ object }) => this.#changed(keyOf(object.spec.service)));
    sources.peers.onChange(({ type, object }) => this.#peerChanged(type, object));
    local.namespaces.onChange(({ object: { metadata } }) => {
      if (!isPeerNamespace(metadata.name) && metadata.name !== this.#options.namespace) return;
      this.#allChanged();
      this.#enqueuePeers();
    });
    sources.run();
    this.#scheduleResync();
    this.#scheduleRenewal();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopped = true;
    this.#timers.resync?.cancel();
    this.#timers.renew?.cancel();
    this.#timers.count?.cancel();
    await this.#controller[Symbol.asyncDispose]();
    await this.sources[Symbol.asyncDispose]();
  }

  /** Whoever leads looks at everything. */
  leadershipChanged(leading: boolean): void {
    this.#peerStatus.forgetWrites();
    if (leading) this.#enqueueEverything('high');
  }

  /** What we tell of ourselves changed. */
  factsChanged(): void {
    this.#enqueuePeers();
  }

  /** True when nothing waits, runs or is to be done again later. */
  get idle(): boolean {
    return this.#controller.idle;
  }

  /** For the scrape. */
  gauges(): { readonly views: readonly ViewGauges[]; readonly lagMs: number } {
    const views = new Map<string, { services: number; endpoints: number }>();
    const count = (view: string, what: 'services' | 'endpoints', by: number): void => {
      const known = views.get(view) ?? { services: 0, endpoints: 0 };
      known[what] += by;
      views.set(view, known);
    };
    for (const { metadata } of this.sources.services.informer.list()) count(metadata.namespace ?? '', 'services', 1);
    for (const { metadata, spec } of this.sources.endpoints.informer.list())
      count(metadata.namespace ?? '', 'endpoints', spec.endpoints.length);
    const oldestMs = this.#oldestPendingMs();
    return {
      views: [...views].map(([view, counts]) => ({ view, ...counts })),
      lagMs: oldestMs === undefined || !this.#deps.isLeader() ? 0 : Math.max(0, this.#deps.clock.now() - oldestMs),
    };
  }

  #sourcesChanged(): void {
    const { synced } = this.sources;
    if (synced && !this.#wasSynced) this.#enqueueEverything('high');
    this.#wasSynced = synced;
  }

  /** A Service or its ServiceExport. */
  #serviceChanged(key: string): void {
    const wasExported = this.#exported.has(key);
    const service = this.#deps.local.services.get(key);
    const modes = exportModes(service, this.sources.serviceExports.get(key));
    const isExported = service !== undefined && modes.length > 0;
    if (!isExported && !wasExported) return;
    if (isExported) this.#exported.add(key);
    else this.#exported.delete(key);
    this.sources.need(key, { slices: isExported, addresses: isExported && needsAddresses(service, modes) });
    this.#sourcesChanged();
    this.#enqueue(key);
  }

  /** Something that an exported, or a formerly exported, Service is published from. */
  #changed(key: string): void {
    if (this.#exported.has(key) || this.sources.services.of(key).length > 0) this.#enqueue(key);
  }

  #allChanged(namespace?: string): void {
    for (const key of this.#exported) {
      if (namespace === undefined || parseKey(key).namespace === namespace) this.#enqueue(key);
    }
  }

  #peerChanged(type: 'added' | 'updated' | 'deleted', peer: Peer): void {
    if (type === 'deleted') this.#peerStatus.forget(peer.metadata.name);
    else this.#peerStatus.saw(peer);
    if (type !== 'updated' || peer.metadata.deletionTimestamp !== undefined) this.#allChanged();
    // What one peer claims may concern another.
    this.#enqueuePeers();
  }

  #enqueue(service: string, priority: 'high' | 'low' = 'high'): void {
    if (!this.#pendingMs.has(service)) this.#pendingMs.set(service, this.#deps.clock.now());
    this.#controller.enqueue(`service|${service}`, priority);
  }

  #enqueuePeers(): void {
    for (const { metadata } of this.sources.peers.list()) this.#controller.enqueue(`peer|${metadata.name}`, 'low');
  }

  /** How much a peer may see changed; a burst of changes is one. */
  #countSoon(): void {
    this.#timers.count ??= this.#deps.clock.after(COUNT_DELAY_MS, () => {
      this.#timers.count = undefined;
      this.#enqueuePeers();
    });
  }

  #enqueueEverything(priority: 'high' | 'low'): void {
    for (const key of new Set([...this.#exported, ...this.#writer.published()])) {
      if (priority === 'low') this.#resync.add(key);
      this.#enqueue(key, priority);
    }
    this.#enqueuePeers();
  }

  #scheduleResync(): void {
    this.#timers.resync = this.#deps.clock.after(this.#options.resyncMs, () => {
      if (this.#isStopped) return;
      if (this.#deps.isLeader() && this.#controller.depth === 0) this.#enqueueEverything('low');
      this.#scheduleResync();
    });
  }

  #scheduleRenewal(): void {
    this.#timers.renew = this.#deps.clock.after(this.#options.renewMs, () => {
      if (this.#isStopped) return;
      if (this.#deps.isLeader()) this.#enqueuePeers();
      this.#scheduleRenewal();
    });
  }

  #reconcile(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    const [kind, name = ''] = key.split('|');
    if (kind !== 'peer') return this.#reconcileService(name, signal);
    const peer = this.sources.peers.get(keyOf({ namespace: this.#options.namespace, name }));
    const isOurs = peer !== undefined && peer.metadata.deletionTimestamp === undefined && this.#deps.isLeader();
    return isOurs ? this.#peerStatus.reconcile(peer, signal) : Promise.resolve(undefined);
  }

  async #reconcileService(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    const isRepair = this.#resync.delete(key);
    const pendingMs = this.#pendingMs.get(key) ?? this.#deps.clock.now();
    if (!this.#deps.isLeader() || !this.sources.synced) {
      // Once everything is known, or once we lead, everything is looked at.
      this.#pendingMs.delete(key);
      return undefined;
    }
    const waitMs = (this.#wroteMs.get(key) ?? -Infinity) + this.#options.coalesceMs - this.#deps.clock.monotonic();
    if (waitMs > 0) return { requeueAfterMs: waitMs };
    this.#pendingMs.delete(key);
    this.#publishingMs.set(key, pendingMs);
    const work: ViewWork = { signal, writes: 0, foreign: [] };
    try {
      await this.#writer.realize(key, this.#desired(key), work);
    } catch (error) {
      this.#pendingMs.set(key, pendingMs);
      throw error;
    } finally {
      this.#publishingMs.delete(key);
      if (work.writes > 0) this.#wroteMs.set(key, this.#deps.clock.monotonic());
      if (work.writes > 0 && isRepair) this.#deps.metrics.drifted();
    }
    if (!this.#exported.has(key)) this.#wroteMs.delete(key);
    this.#report(key, work.foreign);
    return undefined;
  }

  #desired(key: string): ReturnType<typeof desiredViews> {
    const { local, facts } = this.#deps;
    const { sources } = this;
    const { namespace = '' } = parseKey(key);
    const { controlPlaneNamespace = 'linkerd', trustDomain = 'cluster.local' } = facts();
    return desiredViews({
      service: local.services.get(key),
      serviceExport: sources.serviceExports.get(key),
      policies: sources.policies.list(namespace),
      peers: this.#peersWithView(),
      sharedView: this.#options.namespace,
      endpoints: {
        slices: sources.slicesOf(key),
        pod: (pod) => sources.pod(pod),
        zone: (node) => sources.zone(node),
        controlPlaneNamespace,
        trustDomain,
      },
    });
  }

  #peersWithView(): readonly string[] {
    return this.sources.peers
      .list()
      .filter(
        ({ metadata }) => metadata.deletionTimestamp === undefined && peerNameProblem(metadata.name) === undefined,
      )
      .map(({ metadata }) => metadata.name);
  }

  /** A foreign object is never touched: it is told of, on the Service that it keeps from being exported. */
  #report(key: string, foreign: readonly string[]): void {
    if (foreign.length === 0) return;
    this.#deps.metrics.conflicted(foreign.length);
    const message = `${foreign.join(', ')} exists and is not the service mirror's, so peers do not see this Service as it is: delete it, and it is made anew`;
    const { logger, local } = this.#deps;
    logger.warn('export in conflict', { service: key, foreign });
    const service: Service | undefined = local.services.get(key);
    if (service !== undefined)
      this.#events.record(
        { apiVersion: 'v1', kind: 'Service', ...service },
        { type: 'Warning', reason: 'ExportConflict', message },
      );
  }

  #exportsOf(peer: string): number {
    const views = new Set([this.#options.namespace, peerNamespace(peer)]);
    const keys = new Set<string>();
    for (const { metadata, spec } of this.sources.services.informer.list())
      if (views.has(metadata.namespace ?? '')) keys.add(keyOf(spec.service));
    return keys.size;
  }

  #oldestPendingMs(): number | undefined {
    let oldestMs: number | undefined;
    for (const since of [this.#pendingMs, this.#publishingMs]) {
      for (const ms of since.values()) if (oldestMs === undefined || ms < oldestMs) oldestMs = ms;
    }
    return oldestMs;
  }

  /** Everything that happened before this is in the view. */
  #completeUntilMs(): number | undefined {
    if (!this.sources.synced) return undefined;
    const currentMs = this.#deps.clock.now() - this.sources.stalenessMs;
    return Math.min(currentMs, this.#oldestPendingMs() ?? Infinity);
  }
}

function isAlive(namespace: Namespace | undefined): boolean {
  return namespace !== undefined && namespace.metadata.deletionTimestamp === undefined;
}
