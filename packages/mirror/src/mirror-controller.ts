/**
 * The mirror: one controller for all Links. Every change, here or at a peer, becomes a key (`work-keys.ts`); a key's reconcile
 * computes the desired state from caches and has the difference written. Only the leader writes; a standby keeps the same caches warm.
 */
import { Controller, EventRecorder, keyOf } from '@mesh/kube';
import type { EndpointSlice, ReconcileResult, Service } from '@mesh/kube';
import type { Clock, Component, Logger } from '@mesh/runtime';
import { Claims } from './claims.ts';
import { FederatedReconciler } from './federated-reconciler.ts';
import type { MirrorSummary } from './link-facts.ts';
import { LinkReconciler } from './link-reconciler.ts';
import type { LinkRegistry } from './link-registry.ts';
import { LinkStatusWriter, STATUS_INTERVAL_MAX_MS } from './link-status-writer.ts';
import type { LocalCluster } from './local-cluster.ts';
import type { MirrorMetrics } from './metrics.ts';
import { MirrorReconciler } from './mirror-reconciler.ts';
import { MirrorWriter } from './mirror-writer.ts';
import type { Work } from './mirror-writer.ts';
import { federatedName, LABEL_SERVICE_NAME } from './names.ts';
import { isFederated } from './ownership.ts';
import type { ReconcileDeps } from './reconcile-deps.ts';
import { isHeadless } from './remote-cluster.ts';
import { exportKey, federatedKey, linkKey, parseWorkKey, statusKey, WorkKeys } from './work-keys.ts';
import type { ParsedWorkKey } from './work-keys.ts';

export interface MirrorControllerOptions {
  /** Create namespaces that peers have and we have not. */
  readonly enableNamespaceCreation: boolean;
  readonly concurrency?: number;
  /** How often everything is compared again, milliseconds. */
  readonly resyncMs?: number;
  /** At most this long between writes of a Link's status, milliseconds. */
  readonly statusIntervalMaxMs?: number;
}

export interface MirrorControllerDeps {
  readonly local: LocalCluster;
  readonly links: LinkRegistry;
  readonly isLeader: () => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: MirrorMetrics;
}

/** Who speaks in Events; as Linkerd's controllers do. */
const EVENT_COMPONENT = 'linkerd-service-mirror';
/** Writes in flight; the client's connections are as many. */
const DEFAULT_CONCURRENCY = 16;
/** A full comparison of 10,000 mirrors in memory costs tens of milliseconds. */
const DEFAULT_RESYNC_MS = 30_000;

export class MirrorController implements Component {
  readonly name = 'mirror controller';
  readonly #options: MirrorControllerOptions;
  readonly #deps: MirrorControllerDeps;
  readonly #controller: Controller;
  readonly #claims = new Claims();
  readonly #keys: WorkKeys;
  readonly #status: LinkStatusWriter;
  readonly #reconcilers: {
    readonly link: LinkReconciler;
    readonly mirror: MirrorReconciler;
    readonly federated: FederatedReconciler;
  };
  /** Keys of the running full comparison: what they repair is drift. */
  readonly #resync = new Set<string>();
  readonly #stop = new AbortController();

  constructor(options: MirrorControllerOptions, deps: MirrorControllerDeps) {
    this.#options = options;
    this.#deps = deps;
    const { local, links, clock, logger, metrics } = deps;
    this.#keys = new WorkKeys(local, links);
    this.#status = new LinkStatusWriter({
      local,
      links,
      clock,
      logger,
      metrics,
      events: new EventRecorder({ component: EVENT_COMPONENT }, { client: local.client, clock, logger }),
      onChange: (link) => this.#controller.enqueue(statusKey(link), 'low'),
      intervalMaxMs: options.statusIntervalMaxMs ?? STATUS_INTERVAL_MAX_MS,
    });
    const shared: ReconcileDeps = {
      ...deps,
      keys: this.#keys,
      writer: new MirrorWriter({ local, metrics, enableNamespaceCreation: options.enableNamespaceCreation }),
      status: this.#status,
      claims: this.#claims,
      enqueue: (key, priority) => this.#controller.enqueue(key, priority),
    };
    this.#reconcilers = {
      link: new LinkReconciler(shared),
      mirror: new MirrorReconciler(shared),
      federated: new FederatedReconciler(shared),
    };
    this.#controller = new Controller(
      {
        name: 'mirror',
        reconcile: (key, signal) => this.#reconcile(key, signal),
        concurrency: options.concurrency ?? DEFAULT_CONCURRENCY,
        backoff: { minMs: 50, maxMs: 30_000, jitterRatio: 0.1 },
        onRun: ({ error }) => deps.metrics.reconciled(error !== undefined),
      },
      deps,
    );
  }

  async start(signal: AbortSignal): Promise<void> {
    const { local, links } = this.#deps;
    await this.#controller.start(signal);
    links.onService((link, mode, key) => {
      // Imports are another controller's.
      if (mode !== 'mcs') this.#controller.enqueue(exportKey(link, mode, key));
    });
    links.onAll((link) => this.#enqueueLink(link));
    links.onStatus((link) => this.#controller.enqueue(statusKey(link)));
    local.links.onChange(({ object }) => this.#controller.enqueue(linkKey(keyOf(object.metadata))));
    local.services.informer.onChange(({ object }) => this.#localService(object));
    local.slices.informer.onChange(({ object }) => this.#localSlice(object));
    local.memberSlices.onChange(({ object }) => this.#memberSlice(object));
    local.namespaces.onChange(({ object, type }) => {
      if (type !== 'updated' || object.metadata.deletionTimestamp !== undefined)
        this.#localNamespace(object.metadata.name);
    });
    this.#scheduleResync();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#controller[Symbol.asyncDispose]();
  }

  /** Leadership came or went: whoever leads looks at everything. */
  leadershipChanged(leading: boolean): void {
    if (leading) this.#enqueueEverything('high');
  }

  /** Keys that wait or run. */
  get depth(): number {
    return this.#controller.depth;
  }

  /** True when there is nothing to do. */
  get idle(): boolean {
    return this.#controller.depth === 0;
  }

  /** Services of a Link that are mirrored or federated, and those that should be and are not. */
  counts(link: string): MirrorSummary {
    return this.#status.counts(link);
  }

  #scheduleResync(): void {
    this.#deps.clock.after(this.#options.resyncMs ?? DEFAULT_RESYNC_MS, () => {
      if (this.#stop.signal.aborted) return;
      if (this.#deps.isLeader() && this.#controller.depth === 0) this.#enqueueEverything('low');
      this.#scheduleResync();
    });
  }

  #enqueueEverything(priority: 'high' | 'low'): void {
    const keys = new Set<string>();
    for (const link of this.#deps.local.links.list()) {
      keys.add(linkKey(keyOf(link.metadata)));
      for (const key of this.#keys.ofLink(keyOf(link.metadata))) keys.add(key);
    }
    for (const service of this.#deps.local.services.informer.list()) {
      for (const key of this.#keys.ofService(service)) keys.add(key);
    }
    for (const key of keys) {
      if (priority === 'low') this.#resync.add(key);
      this.#controller.enqueue(key, priority);
    }
  }

  #enqueueLink(link: string): void {
    for (const key of this.#keys.ofLink(link)) this.#controller.enqueue(key);
    this.#controller.enqueue(statusKey(link));
  }

  #localService(service: Service): void {
    const { namespace, name } = service.metadata;
    for (const key of this.#keys.ofService(service)) this.#controller.enqueue(key);
    for (const key of this.#claims.of(keyOf({ namespace, name }))) this.#controller.enqueue(key);
    // A member that left has no label any more: its federated Service knows.
    const federated = this.#deps.local.services.get(keyOf({ namespace, name: federatedName(name) }));
    if (federated !== undefined && isFederated(federated))
      this.#controller.enqueue(federatedKey(keyOf({ namespace, name })));
  }

  #localSlice(slice: EndpointSlice): void {
    for (const key of this.#keys.ofSlice(slice)) this.#controller.enqueue(key);
  }

  #memberSlice({ metadata }: EndpointSlice): void {
    const name = metadata.labels?.[LABEL_SERVICE_NAME];
    if (name === undefined) return;
    const key = keyOf({ namespace: metadata.namespace, name });
    // Others are found by discovery.
    const service = this.#deps.local.services.get(key);
    if (service !== undefined && isHeadless(service)) this.#controller.enqueue(federatedKey(key));
  }

  #localNamespace(namespace: string): void {
    for (const worker of this.#deps.links.all()) {
      for (const key of this.#keys.ofLink(worker.key))
        if (key.includes(`|${namespace}/`)) this.#controller.enqueue(key);
    }
  }

  async #reconcile(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    const isRepair = this.#resync.delete(key);
    const parsed = parseWorkKey(key);
    const { kind, link } = parsed;
    if (!this.#deps.isLeader()) return undefined;
    const work: Work = { signal, writes: 0 };
    const result = await this.#dispatch(parsed, work);
    if (isRepair && work.writes > 0 && kind !== 'link') {
      this.#deps.metrics.repaired(this.#deps.links.get(link)?.plan?.cluster ?? '');
    }
    return result;
  }

  #dispatch({ kind, link, service }: ParsedWorkKey, work: Work): Promise<ReconcileResult> {
    switch (kind) {
      case 'link':
        return this.#reconcilers.link.reconcile(link, work);
      case 'status':
        return this.#status.reconcile(link, work.signal);
      case 'mirror':
        return this.#reconcilers.mirror.reconcile(link, service, work);
      case 'federated':
        return this.#reconcilers.federated.reconcile(service, work);
    }
  }
}
