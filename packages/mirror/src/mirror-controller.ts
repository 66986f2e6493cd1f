/**
 * The mirror: one controller for all Links. Every change, here or at a peer, becomes a key (`work-keys.ts`); a key's reconcile
 * computes the desired state from caches and has the difference written. Only the leader writes; a standby keeps the same caches warm.
 */
import { Controller, EventRecorder, isKubeError, keyOf, LINKS, parseKey } from '@mesh/kube';
import type { EndpointSlice, Link, ReconcileResult, Service } from '@mesh/kube';
import type { Clock, Component, Logger } from '@mesh/runtime';
import { desiredFederated, desiredMirror } from './desired.ts';
import type { Desired, Member, Outcome } from './desired.ts';
import type { MirrorSummary } from './link-conditions.ts';
import type { LinkRegistry } from './link-registry.ts';
import { LinkStatusWriter, STATUS_INTERVAL_MAX_MS } from './link-status-writer.ts';
import type { LocalCluster } from './local-cluster.ts';
import type { MirrorMetrics } from './metrics.ts';
import { MirrorWriter } from './mirror-writer.ts';
import type { Work } from './mirror-writer.ts';
import {
  ANNOTATION_REMOTE_MEMBERS,
  federatedName,
  LABEL_CLUSTER,
  LABEL_FEDERATED,
  LINK_FINALIZER,
  mirrorName,
} from './names.ts';
import { isFederated, isMirrorOf, mirroredService } from './ownership.ts';
import { exportKey, federatedKey, linkKey, mirrorKey, parseWorkKey, statusKey, WorkKeys } from './work-keys.ts';
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
/** How soon a cleanup looks again whether everything is gone. */
const CLEANUP_POLL_MS = 100;
/** Failed deletions are retried by their own keys; this is for what appeared in between. */
const CLEANUP_AGAIN_MS = 5_000;

export class MirrorController implements Component {
  readonly name = 'mirror controller';
  readonly #options: MirrorControllerOptions;
  readonly #deps: MirrorControllerDeps;
  readonly #controller: Controller;
  /** Which keys want a Service of that name here: when a foreign one goes, they get their turn. */
  readonly #claims = new Map<string, Set<string>>();
  readonly #keys: WorkKeys;
  readonly #writer: MirrorWriter;
  readonly #status: LinkStatusWriter;
  /** When the cleanup of a deleted Link was last enqueued. */
  readonly #cleanupMs = new Map<string, number>();
  /** Keys of the running full comparison: what they repair is drift. */
  readonly #resync = new Set<string>();
  readonly #stop = new AbortController();

  constructor(options: MirrorControllerOptions, deps: MirrorControllerDeps) {
    this.#options = options;
    this.#deps = deps;
    const { local, links, clock, logger, metrics } = deps;
    this.#keys = new WorkKeys(local, links);
    this.#writer = new MirrorWriter({ local, metrics, enableNamespaceCreation: options.enableNamespaceCreation });
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
    links.onService((link, mode, key) => this.#controller.enqueue(exportKey(link, mode, key)));
    links.onAll((link) => this.#enqueueLink(link));
    links.onStatus((link) => this.#controller.enqueue(statusKey(link)));
    local.links.onChange(({ object }) => this.#controller.enqueue(linkKey(keyOf(object.metadata))));
    local.services.informer.onChange(({ object }) => this.#localService(object));
    local.slices.informer.onChange(({ object }) => this.#localSlice(object));
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
    for (const key of this.#claims.get(keyOf({ namespace, name })) ?? []) this.#controller.enqueue(key);
    // A member that left has no label any more: its federated Service knows.
    const federated = this.#deps.local.services.get(keyOf({ namespace, name: federatedName(name) }));
    if (federated !== undefined && isFederated(federated))
      this.#controller.enqueue(federatedKey(keyOf({ namespace, name })));
  }

  #localSlice(slice: EndpointSlice): void {
    for (const key of this.#keys.ofSlice(slice)) this.#controller.enqueue(key);
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
        return this.#reconcileLink(link, work);
      case 'status':
        return this.#status.reconcile(link, work.signal);
      case 'mirror':
        return this.#reconcileMirror(link, service, work);
      case 'federated':
        return this.#reconcileFederated(service, work);
    }
  }

  /** Puts the finalizer on, and takes it off once nothing is left of a deleted Link. */
  async #reconcileLink(key: string, work: Work): Promise<ReconcileResult> {
    const { local, metrics } = this.#deps;
    const link = local.links.get(key);
    if (link === undefined) {
      this.#forget(key);
      return undefined;
    }
    const finalizers = link.metadata.finalizers ?? [];
    const isHeld = finalizers.includes(LINK_FINALIZER);
    if (link.metadata.deletionTimestamp === undefined) {
      if (isHeld) return undefined;
      await this.#patchFinalizers(link, [...finalizers, LINK_FINALIZER], work);
      return undefined;
    }
    if (!isHeld) return undefined;
    const cluster = link.spec.targetClusterName ?? '';
    const now = this.#deps.clock.monotonic();
    if (now - (this.#cleanupMs.get(key) ?? -Infinity) > CLEANUP_AGAIN_MS) {
      this.#cleanupMs.set(key, now);
      for (const piece of this.#keys.ofLink(key)) this.#controller.enqueue(piece);
    }
    // What cannot be told from its data which Service it mirrors still goes by its label.
    const left = [...local.mirrorsOf(cluster), ...local.slicesOf(cluster)];
    const others = local.links.list().some((other) => other !== link && other.spec.targetClusterName === cluster);
    if (left.length > 0 && !others && cluster !== '') {
      for (const object of local.mirrorsOf(cluster))
        if (mirroredService(object) === undefined) await local.services.delete(object, work.signal);
      return { requeueAfterMs: CLEANUP_POLL_MS };
    }
    await this.#patchFinalizers(
      link,
      finalizers.filter((finalizer) => finalizer !== LINK_FINALIZER),
      work,
    );
    metrics.forgetCluster(cluster);
    return undefined;
  }

  async #patchFinalizers(link: Link, finalizers: readonly string[], work: Work): Promise<void> {
    const body = { metadata: { resourceVersion: link.metadata.resourceVersion, finalizers } };
    try {
      await this.#deps.local.client.patch(LINKS, link.metadata, { type: 'merge', body }, { signal: work.signal });
      this.#deps.metrics.wrote('links', 'update');
    } catch (error) {
      if (!isKubeError(error, 'not_found')) throw error;
    }
  }

  async #reconcileMirror(link: string, serviceKey: string, work: Work): Promise<ReconcileResult> {
    const { local, links } = this.#deps;
    const worker = links.get(link);
    const plan = worker?.plan;
    const { namespace = '', name } = parseKey(serviceKey);
    if (worker === undefined || plan === undefined) return this.#orphan(link, serviceKey, work);
    const localKey = keyOf({ namespace, name: mirrorName(name, plan.cluster) });
    const isUnlinked = links.isDeleting(link);
    await this.#removeRenamed(link, serviceKey, localKey, work);
    const remote = isUnlinked ? undefined : worker.remote('gateway', serviceKey);
    const flat = isUnlinked ? undefined : worker.remote('flat', serviceKey);
    const owner = links.byCluster(plan.cluster);
    if (!isUnlinked && owner !== worker && owner !== undefined) {
      // Two Links to one cluster would overwrite each other's mirrors for ever: the first by name has them.
      const known = remote !== undefined || flat !== undefined;
      this.#status.report('mirror', link, serviceKey, known ? duplicateOf(owner.key, plan.cluster) : undefined);
      return undefined;
    }
    // Unknown is not absent: while the peer was not heard in full, nothing that it may export is taken away.
    if (!isUnlinked && !worker.synced) return undefined;
    if (remote === undefined || flat !== undefined) {
      this.#claim(localKey, mirrorKey(link, serviceKey), false);
      const outcome: Outcome | undefined =
        flat === undefined
          ? undefined
          : {
              reason: 'NotSupported',
              message:
                'flat mirroring (exported=remote-discovery) is not supported; label the Service mirror.linkerd.io/exported=true to mirror it through the gateway',
            };
      this.#status.report('mirror', link, serviceKey, outcome);
      await this.#writer.remove(localKey, plan.cluster, work);
      return undefined;
    }
    this.#claim(localKey, mirrorKey(link, serviceKey), true);
    // The first verdict on the gateway enqueues all mirrors again.
    if (!worker.settled || !remote.isKnown) return undefined;
    const live = local.slices.get(localKey);
    const desired = desiredMirror(
      plan,
      remote,
      worker.addresses((ip) => isReady(live, ip)),
    );
    const outcome = await this.#writer.realize(
      localKey,
      desired,
      (service) => isMirrorOf(service, plan.cluster),
      plan.cluster,
      work,
    );
    this.#status.report('mirror', link, serviceKey, outcome);
    return undefined;
  }

  /** A mirror whose Link is gone although it was never asked to clean up. */
  async #orphan(link: string, serviceKey: string, work: Work): Promise<ReconcileResult> {
    const { local, links } = this.#deps;
    // The Link may exist and merely be unusable: then its mirrors stay.
    if (links.get(link) !== undefined || local.links.get(link) !== undefined || !local.links.synced) return undefined;
    for (const service of local.mirrorsFrom(link, serviceKey)) {
      await this.#writer.remove(keyOf(service.metadata), service.metadata.labels?.[LABEL_CLUSTER] ?? '', work);
    }
    return undefined;
  }

  /** Mirrors of the same Service under the names that earlier versions of the Link gave them. */
  async #removeRenamed(link: string, serviceKey: string, localKey: string, work: Work): Promise<void> {
    for (const service of this.#deps.local.mirrorsFrom(link, serviceKey)) {
      const key = keyOf(service.metadata);
      if (key !== localKey) await this.#writer.remove(key, service.metadata.labels?.[LABEL_CLUSTER] ?? '', work);
    }
  }

  async #reconcileFederated(serviceKey: string, work: Work): Promise<ReconcileResult> {
    const { local, links } = this.#deps;
    const { namespace = '', name } = parseKey(serviceKey);
    const localKey = keyOf({ namespace, name: federatedName(name) });
    const member = local.services.get(serviceKey);
    const localMember =
      member?.metadata.labels?.[LABEL_FEDERATED] === 'member' && !isFederated(member) ? member : undefined;
    const live = local.services.get(localKey);
    const members: Member[] = [];
    const unknown = new Set<string>();
    for (const worker of links.all()) {
      const plan = worker.plan;
      if (plan === undefined || links.isDeleting(worker.key)) {
        this.#status.report('federated', worker.key, serviceKey, undefined);
        continue;
      }
      if (links.byCluster(plan.cluster) !== worker) continue;
      if (!worker.synced) {
        unknown.add(plan.cluster);
        continue;
      }
      const remote = worker.remote('federated', serviceKey);
      if (remote === undefined) this.#status.report('federated', worker.key, serviceKey, undefined);
      else // The first verdict on the gateway enqueues all mirrors again.
      if (!worker.settled || !remote.isKnown) return undefined;
      else
        members.push({
          plan,
          remote,
          addresses: worker.addresses((ip) => this.#memberReady(localKey, plan.cluster, ip)),
        });
    }
    const desired = desiredFederated(name, namespace, localMember, members);
    this.#claim(localKey, federatedKey(serviceKey), desired.service !== undefined);
    const kept = this.#writer
      .slicesOf(localKey)
      .filter((slice) => unknown.has(slice.metadata.labels?.[LABEL_CLUSTER] ?? ''));
    if (desired.service === undefined) {
      // Members that cannot be heard now may still be members.
      const mayStay = unknown.size > 0 && live !== undefined;
      if (!mayStay) await this.#writer.remove(localKey, undefined, work);
      for (const [link, outcome] of desired.outcomes) this.#status.report('federated', link, serviceKey, outcome);
      return undefined;
    }
    const whole: Desired = {
      service:
        unknown.size > 0 && live !== undefined && isFederated(live)
          ? keepUnheard(desired.service, live, unknown, localMember)
          : desired.service,
      slices: [...desired.slices, ...kept],
      outcome: { reason: 'Mirrored', message: '' },
    };
    const outcome = await this.#writer.realize(localKey, whole, isFederated, undefined, work);
    for (const [link, own] of desired.outcomes) {
      this.#status.report('federated', link, serviceKey, outcome.reason === 'Mirrored' ? own : outcome);
    }
    return undefined;
  }

  #memberReady(federatedKey: string, cluster: string, ip: string): boolean {
    return this.#writer
      .slicesOf(federatedKey)
      .filter((slice) => slice.metadata.labels?.[LABEL_CLUSTER] === cluster)
      .every((slice) => isReady(slice, ip));
  }

  #claim(localKey: string, key: string, isWanted: boolean): void {
    const claims = this.#claims.get(localKey);
    if (isWanted) {
      if (claims === undefined) this.#claims.set(localKey, new Set([key]));
      else claims.add(key);
      return;
    }
    claims?.delete(key);
    if (claims?.size === 0) this.#claims.delete(localKey);
  }

  #forget(link: string): void {
    this.#status.forget(link);
    this.#cleanupMs.delete(link);
    // Another Link to the same cluster has its turn.
    for (const worker of this.#deps.links.all()) if (worker.key !== link) this.#enqueueLink(worker.key);
    // Mirrors that a Link without finalizer left behind.
    for (const service of this.#deps.local.mirrorsForLink(link)) {
      for (const key of this.#keys.ofService(service)) this.#controller.enqueue(key);
    }
    for (const service of this.#deps.local.services.informer.byIndex('federated', 'true')) {
      for (const key of this.#keys.ofService(service)) this.#controller.enqueue(key);
    }
  }
}

function duplicateOf(owner: string, cluster: string): Outcome {
  return {
    reason: 'NameConflict',
    message: `Link ${owner} is for cluster ${cluster} too, and has its mirrors: delete one of the two Links`,
  };
}

function isReady(slice: EndpointSlice | undefined, ip: string): boolean {
  const endpoint = slice?.endpoints?.find(({ addresses }) => addresses.includes(ip));
  return endpoint?.conditions?.ready !== false;
}

/** While a member cannot be heard, what it may have decided stays: the whole metadata, unless a local member decides, and its own entry. */
function keepUnheard(
  desired: Service,
  live: Service,
  unknown: ReadonlySet<string>,
  local: Service | undefined,
): Service {
  if (local === undefined) return live;
  const unheard = (live.metadata.annotations?.[ANNOTATION_REMOTE_MEMBERS] ?? '')
    .split(',')
    .filter((entry) => unknown.has(entry.split('@')[1] ?? ''));
  if (unheard.length === 0) return desired;
  const heard = desired.metadata.annotations?.[ANNOTATION_REMOTE_MEMBERS];
  const members = [...(heard === undefined ? [] : [heard]), ...unheard].join(',');
  const annotations = { ...desired.metadata.annotations, [ANNOTATION_REMOTE_MEMBERS]: members };
  return { ...desired, metadata: { ...desired.metadata, annotations } };
}
