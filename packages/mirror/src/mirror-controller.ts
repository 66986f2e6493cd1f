/**
 * The mirror: one controller for all Links. Every change, here or at a peer, becomes a key; a key's reconcile computes the desired
 * state from caches and writes the difference. Only the leader writes; a standby keeps the same caches warm.
 *
 * Keys:  link|NS/NAME          finalizer and cleanup of a Link
 *        status|NS/NAME        its status
 *        mirror|NS/NAME|NS/SVC the mirror of one Service of that Link
 *        federated||NS/SVC     the federated Service of that name
 */
import { Controller, isKubeError, keyOf, LINKS, NAMESPACES, parseKey, SERVICES } from '@mesh/kube';
import type { EndpointSlice, Link, OwnerReference, ReconcileResult, Service } from '@mesh/kube';
import type { Clock, Component, Logger } from '@mesh/runtime';
import { desiredFederated, desiredMirror } from './desired.ts';
import type { Desired, Member, Outcome } from './desired.ts';
import { findingsOf } from './link-conditions.ts';
import type { MirrorSummary } from './link-conditions.ts';
import type { LinkRegistry } from './link-registry.ts';
import { desiredStatus, summarize } from './link-status.ts';
import type { LinkWorker } from './link-worker.ts';
import type { LocalCluster } from './local-cluster.ts';
import { isSame, mergeService, mergeSlice } from './merge.ts';
import type { MirrorMetrics } from './metrics.ts';
import {
  ANNOTATION_LINK,
  ANNOTATION_REMOTE_MEMBERS,
  federatedName,
  LABEL_CLUSTER,
  LABEL_FEDERATED,
  LINK_FINALIZER,
  mirrorName,
} from './names.ts';
import { federatedService, isFederated, isMirrorOf, isOurSlice, mirroredService } from './ownership.ts';
import { EXPORT_MODES } from './remote-cluster.ts';

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

/** One run of a reconcile. */
interface Work {
  readonly signal: AbortSignal;
  /** Mirror objects written in it. */
  writes: number;
}

/** Writes in flight; the client's connections are as many. */
const DEFAULT_CONCURRENCY = 16;
/** A full comparison of 10,000 mirrors in memory costs tens of milliseconds. */
const DEFAULT_RESYNC_MS = 30_000;
/** A status of few items is written almost at once; a long one is up to 400 KB, and seldom enough not to matter. */
const STATUS_INTERVAL_MIN_MS = 100;
const STATUS_INTERVAL_PER_ITEM_MS = 2;
const STATUS_INTERVAL_MAX_MS = 2_000;
const FIRST_PASS_POLL_MS = 200;
const FIRST_PASS_MAX_MS = 60_000;
/** How soon a cleanup looks again whether everything is gone. */
const CLEANUP_POLL_MS = 100;

export class MirrorController implements Component {
  readonly name = 'mirror controller';
  readonly #options: MirrorControllerOptions;
  readonly #deps: MirrorControllerDeps;
  readonly #controller: Controller;
  /** Which keys want a Service of that name here: when a foreign one goes, they get their turn. */
  readonly #claims = new Map<string, Set<string>>();
  /** By Link key. */
  readonly #mirrors = new Map<string, Map<string, Outcome>>();
  readonly #federated = new Map<string, Map<string, Outcome>>();
  readonly #statusWrittenMs = new Map<string, number>();
  /** Keys of the running full comparison: what they repair is drift. */
  readonly #resync = new Set<string>();
  readonly #stop = new AbortController();

  constructor(options: MirrorControllerOptions, deps: MirrorControllerDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#controller = new Controller(
      {
        name: 'mirror',
        reconcile: (key, signal) => this.#reconcile(key, signal),
        concurrency: options.concurrency ?? DEFAULT_CONCURRENCY,
        backoff: { minMs: 50, maxMs: 30_000 },
        onRun: ({ error }) => deps.metrics.reconciled(error !== undefined),
      },
      deps,
    );
  }

  async start(signal: AbortSignal): Promise<void> {
    const { local, links } = this.#deps;
    await this.#controller.start(signal);
    links.onService((link, mode, key) =>
      this.#controller.enqueue(mode === 'federated' ? `federated||${key}` : `mirror|${link}|${key}`),
    );
    links.onAll((link) => this.#enqueueLink(link));
    links.onStatus((link) => this.#controller.enqueue(`status|${link}`));
    local.links.onChange(({ object }) => this.#controller.enqueue(`link|${keyOf(object.metadata)}`));
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
    return summarize(this.#mirrors.get(link) ?? new Map(), this.#federated.get(link) ?? new Map());
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
      keys.add(`link|${keyOf(link.metadata)}`);
      for (const key of this.#keysOfLink(keyOf(link.metadata))) keys.add(key);
    }
    for (const service of this.#deps.local.services.informer.list()) {
      for (const key of this.#keysOfLocalService(service)) keys.add(key);
    }
    for (const key of keys) {
      if (priority === 'low') this.#resync.add(key);
      this.#controller.enqueue(key, priority);
    }
  }

  #enqueueLink(link: string): void {
    for (const key of this.#keysOfLink(link)) this.#controller.enqueue(key);
    this.#controller.enqueue(`status|${link}`);
  }

  /** All keys that a Link could concern: what its peer exports, and what exists here for it. */
  #keysOfLink(link: string): ReadonlySet<string> {
    const keys = new Set<string>();
    const worker = this.#deps.links.get(link);
    for (const mode of EXPORT_MODES) {
      for (const key of worker?.remoteKeys(mode) ?? [])
        keys.add(mode === 'federated' ? `federated||${key}` : `mirror|${link}|${key}`);
    }
    const cluster = worker?.plan?.cluster;
    if (cluster === undefined) return keys;
    for (const service of this.#deps.local.mirrorsOf(cluster)) {
      const name = mirroredService(service);
      if (name !== undefined) keys.add(`mirror|${link}|${keyOf({ namespace: service.metadata.namespace, name })}`);
    }
    for (const slice of this.#deps.local.slicesOf(cluster))
      for (const key of this.#keysOfSlice(slice, link)) keys.add(key);
    return keys;
  }

  #keysOfSlice(slice: EndpointSlice, link: string): readonly string[] {
    const name = mirroredService(slice);
    if (name === undefined) return [];
    const key = keyOf({ namespace: slice.metadata.namespace, name });
    const isMember = slice.metadata.labels?.['kubernetes.io/service-name'] === federatedName(name);
    return [isMember ? `federated||${key}` : `mirror|${link}|${key}`];
  }

  #keysOfLocalService(service: Service): readonly string[] {
    const { namespace, name, labels, annotations } = service.metadata;
    const keys: string[] = [];
    if (isFederated(service)) keys.push(`federated||${keyOf({ namespace, name: federatedService(service) })}`);
    if (labels?.[LABEL_FEDERATED] === 'member') keys.push(`federated||${keyOf({ namespace, name })}`);
    const cluster = labels?.[LABEL_CLUSTER];
    const remote = mirroredService(service);
    if (cluster !== undefined && remote !== undefined) {
      const link = this.#deps.links.byCluster(cluster)?.key ?? annotations?.[ANNOTATION_LINK];
      if (link !== undefined) keys.push(`mirror|${link}|${keyOf({ namespace, name: remote })}`);
    }
    return keys;
  }

  #localService(service: Service): void {
    const { namespace, name } = service.metadata;
    for (const key of this.#keysOfLocalService(service)) this.#controller.enqueue(key);
    for (const key of this.#claims.get(keyOf({ namespace, name })) ?? []) this.#controller.enqueue(key);
    // A member that left has no label any more: its federated Service knows.
    const federated = this.#deps.local.services.get(keyOf({ namespace, name: federatedName(name) }));
    if (federated !== undefined && isFederated(federated))
      this.#controller.enqueue(`federated||${keyOf({ namespace, name })}`);
  }

  #localSlice(slice: EndpointSlice): void {
    const cluster = slice.metadata.labels?.[LABEL_CLUSTER];
    const link = cluster === undefined ? undefined : this.#deps.links.byCluster(cluster)?.key;
    for (const key of this.#keysOfSlice(slice, link ?? '')) this.#controller.enqueue(key);
  }

  #localNamespace(namespace: string): void {
    for (const worker of this.#deps.links.all()) {
      for (const key of this.#keysOfLink(worker.key)) if (key.includes(`|${namespace}/`)) this.#controller.enqueue(key);
    }
  }

  async #reconcile(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    const isRepair = this.#resync.delete(key);
    const [kind, link = '', service = ''] = key.split('|');
    if (!this.#deps.isLeader()) return undefined;
    const work: Work = { signal, writes: 0 };
    const result = await this.#dispatch(kind, link, service, work);
    if (isRepair && work.writes > 0 && kind !== 'link') {
      this.#deps.metrics.repaired(this.#deps.links.get(link)?.plan?.cluster ?? '');
    }
    return result;
  }

  #dispatch(kind: string | undefined, link: string, service: string, work: Work): Promise<ReconcileResult> {
    switch (kind) {
      case 'link':
        return this.#reconcileLink(link, work);
      case 'status':
        return this.#reconcileStatus(link, work);
      case 'mirror':
        return this.#reconcileMirror(link, service, work);
      default:
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
    const keys = this.#keysOfLink(key);
    for (const piece of keys) this.#controller.enqueue(piece);
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

  async #reconcileMirror(linkKey: string, serviceKey: string, work: Work): Promise<ReconcileResult> {
    const { local, links } = this.#deps;
    const worker = links.get(linkKey);
    const plan = worker?.plan;
    const { namespace = '', name } = parseKey(serviceKey);
    if (worker === undefined || plan === undefined) return this.#orphan(linkKey, serviceKey, work);
    const localKey = keyOf({ namespace, name: mirrorName(name, plan.cluster) });
    const isUnlinked = links.isDeleting(linkKey);
    const remote = isUnlinked ? undefined : worker.remote('gateway', serviceKey);
    const flat = isUnlinked ? undefined : worker.remote('flat', serviceKey);
    // Unknown is not absent: while the peer was not heard in full, nothing that it may export is taken away.
    if (!isUnlinked && !worker.synced) return undefined;
    if (remote === undefined || flat !== undefined) {
      this.#claim(localKey, `mirror|${linkKey}|${serviceKey}`, false);
      const outcome: Outcome | undefined =
        flat === undefined
          ? undefined
          : {
              reason: 'NotSupported',
              message:
                'flat mirroring (exported=remote-discovery) is not supported; label the Service mirror.linkerd.io/exported=true to mirror it through the gateway',
            };
      this.#report(this.#mirrors, linkKey, serviceKey, outcome);
      await this.#remove(localKey, plan.cluster, work);
      return undefined;
    }
    this.#claim(localKey, `mirror|${linkKey}|${serviceKey}`, true);
    // The first verdict on the gateway enqueues all mirrors again.
    if (!worker.settled || !remote.isKnown) return undefined;
    const live = local.slices.get(localKey);
    const desired = desiredMirror(
      plan,
      remote,
      worker.addresses((ip) => isReady(live, ip)),
    );
    const outcome = await this.#realize(
      localKey,
      desired,
      (service) => isMirrorOf(service, plan.cluster),
      plan.cluster,
      work,
    );
    this.#report(this.#mirrors, linkKey, serviceKey, outcome);
    return undefined;
  }

  /** A mirror whose Link is gone although it was never asked to clean up. */
  async #orphan(linkKey: string, serviceKey: string, work: Work): Promise<ReconcileResult> {
    const { local, links } = this.#deps;
    // The Link may exist and merely be unusable: then its mirrors stay.
    if (links.get(linkKey) !== undefined || local.links.get(linkKey) !== undefined || !local.links.synced)
      return undefined;
    const { namespace, name } = parseKey(serviceKey);
    for (const service of local.mirrorsForLink(linkKey)) {
      if (service.metadata.namespace !== namespace || mirroredService(service) !== name) continue;
      await this.#remove(keyOf(service.metadata), service.metadata.labels?.[LABEL_CLUSTER] ?? '', work);
    }
    return undefined;
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
        this.#report(this.#federated, worker.key, serviceKey, undefined);
        continue;
      }
      if (!worker.synced) {
        unknown.add(plan.cluster);
        continue;
      }
      const remote = worker.remote('federated', serviceKey);
      if (remote === undefined) this.#report(this.#federated, worker.key, serviceKey, undefined);
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
    this.#claim(localKey, `federated||${serviceKey}`, desired.service !== undefined);
    const kept = this.#slicesOfService(localKey).filter((slice) =>
      unknown.has(slice.metadata.labels?.[LABEL_CLUSTER] ?? ''),
    );
    if (desired.service === undefined) {
      // Members that cannot be heard now may still be members.
      const mayStay = unknown.size > 0 && live !== undefined;
      if (!mayStay) await this.#remove(localKey, undefined, work);
      for (const [link, outcome] of desired.outcomes) this.#report(this.#federated, link, serviceKey, outcome);
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
    const outcome = await this.#realize(localKey, whole, isFederated, undefined, work);
    for (const [link, own] of desired.outcomes) {
      this.#report(this.#federated, link, serviceKey, outcome.reason === 'Mirrored' ? own : outcome);
    }
    return undefined;
  }

  #memberReady(federatedKey: string, cluster: string, ip: string): boolean {
    return this.#slicesOfService(federatedKey)
      .filter((slice) => slice.metadata.labels?.[LABEL_CLUSTER] === cluster)
      .every((slice) => isReady(slice, ip));
  }

  /** Makes `desired` so, unless something of that name is not ours. */
  async #realize(
    localKey: string,
    desired: Desired,
    isOurs: (service: Service) => boolean,
    cluster: string | undefined,
    work: Work,
  ): Promise<Outcome> {
    const { local } = this.#deps;
    if (desired.service === undefined) {
      await this.#remove(localKey, cluster, work);
      return desired.outcome;
    }
    const namespace = desired.service.metadata.namespace ?? '';
    const missing = await this.#missingNamespace(namespace, cluster, work);
    if (missing !== undefined) return missing;
    const live = local.services.get(localKey);
    if (live !== undefined && !isOurs(live)) return this.#conflict(localKey);
    const service = await this.#writeService(desired.service, live, work);
    await this.#writeSlices(service, desired.slices, work);
    return desired.outcome;
  }

  #conflict(localKey: string): Outcome {
    return {
      reason: 'NameConflict',
      message: `Service ${localKey} exists here and is not a mirror of this Link: rename or delete it, and the mirror takes its place`,
    };
  }

  async #missingNamespace(namespace: string, cluster: string | undefined, work: Work): Promise<Outcome | undefined> {
    const { local } = this.#deps;
    const found = local.namespaces.get(namespace);
    if (found !== undefined && found.metadata.deletionTimestamp === undefined) return undefined;
    if (found === undefined && this.#options.enableNamespaceCreation) {
      const labels = {
        'mirror.linkerd.io/mirrored-service': 'true',
        ...(cluster === undefined ? {} : { [LABEL_CLUSTER]: cluster }),
      };
      try {
        await local.client.create(
          NAMESPACES,
          { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace, labels } },
          { signal: work.signal },
        );
        this.#deps.metrics.wrote('namespaces', 'create');
      } catch (error) {
        if (!isKubeError(error, 'already_exists')) throw error;
      }
      return undefined;
    }
    const why = found === undefined ? 'does not exist here' : 'is being deleted here';
    return {
      reason: 'MissingNamespace',
      message: `namespace ${namespace} ${why}: create it, and the Service is mirrored at once`,
    };
  }

  async #writeService(desired: Service, live: Service | undefined, work: Work): Promise<Service> {
    const { local } = this.#deps;
    const merged = live === undefined ? undefined : mergeService(desired, live);
    if (live !== undefined && merged === undefined) return live;
    work.writes += 1;
    return merged === undefined
      ? local.services.create(desired, work.signal)
      : local.services.replace(merged, work.signal);
  }

  async #writeSlices(service: Service, desired: readonly EndpointSlice[], work: Work): Promise<void> {
    const { local } = this.#deps;
    const owner = ownerOf(service);
    for (const slice of desired) {
      const live = local.slices.get(keyOf(slice.metadata));
      if (live === undefined) {
        const metadata = { ...slice.metadata, ...(owner === undefined ? {} : { ownerReferences: [owner] }) };
        work.writes += 1;
        await local.slices.create({ ...slice, metadata }, work.signal);
        continue;
      }
      const merged = mergeSlice(slice, live, owner);
      if (merged === undefined) continue;
      work.writes += 1;
      await local.slices.replace(merged, work.signal);
    }
    const wanted = new Set(desired.map((slice) => slice.metadata.name));
    for (const slice of this.#slicesOfService(keyOf(service.metadata))) {
      if (!wanted.has(slice.metadata.name)) await local.slices.delete(slice, work.signal);
    }
  }

  /** Deletes the Service if it is ours, and our slices of it. @param cluster Absent: a federated Service. */
  async #remove(localKey: string, cluster: string | undefined, work: Work): Promise<void> {
    const { local } = this.#deps;
    const service = local.services.get(localKey);
    const isOurs =
      service !== undefined && (cluster === undefined ? isFederated(service) : isMirrorOf(service, cluster));
    for (const slice of this.#slicesOfService(localKey)) {
      const sliceCluster = slice.metadata.labels?.[LABEL_CLUSTER];
      if (cluster === undefined || sliceCluster === cluster) await local.slices.delete(slice, work.signal);
    }
    if (isOurs) await local.services.delete(service, work.signal);
  }

  #slicesOfService(serviceKey: string): readonly EndpointSlice[] {
    const { slices } = this.#deps.local;
    return slices.informer
      .byIndex('service', serviceKey)
      .filter((slice) => isOurSlice(slice) && slices.get(keyOf(slice.metadata)) !== undefined);
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

  #report(
    outcomes: Map<string, Map<string, Outcome>>,
    link: string,
    serviceKey: string,
    outcome: Outcome | undefined,
  ): void {
    const ofLink = outcomes.get(link) ?? new Map<string, Outcome>();
    const before = ofLink.get(serviceKey);
    if (before?.reason === outcome?.reason && before?.message === outcome?.message) return;
    if (outcome === undefined) ofLink.delete(serviceKey);
    else ofLink.set(serviceKey, outcome);
    outcomes.set(link, ofLink);
    if (outcome !== undefined && outcome.reason !== 'Mirrored') {
      this.#deps.logger.warn('service not mirrored', {
        link,
        service: serviceKey,
        reason: outcome.reason,
        message: outcome.message,
      });
    }
    this.#controller.enqueue(`status|${link}`, 'low');
  }

  async #reconcileStatus(key: string, work: Work): Promise<ReconcileResult> {
    const { local, links, clock, metrics } = this.#deps;
    const worker = links.get(key);
    const link = local.links.get(key);
    if (worker === undefined || link === undefined) return undefined;
    const sinceMs = clock.monotonic() - (this.#statusWrittenMs.get(key) ?? -Infinity);
    const waitMs = this.#statusIntervalMs(key) - sinceMs;
    if (waitMs > 0) return { requeueAfterMs: waitMs };
    // After a restart the first pass only finds again what the status says already.
    if ((link.status?.conditions ?? []).length > 0 && !this.#isFirstPassDone(key, worker))
      return { requeueAfterMs: FIRST_PASS_POLL_MS };
    const status = desiredStatus(link, this.#statusInput(key, worker));
    if (isSame(status, normalStatus(link))) return undefined;
    this.#statusWrittenMs.set(key, clock.monotonic());
    try {
      await local.client.patch(
        LINKS,
        link.metadata,
        { type: 'merge', body: { status }, subresource: 'status' },
        { signal: work.signal },
      );
    } catch (error) {
      if (isKubeError(error, 'not_found')) return undefined;
      throw error;
    }
    metrics.wrote('links/status', 'update');
    return undefined;
  }

  #statusIntervalMs(key: string): number {
    const items = (this.#mirrors.get(key)?.size ?? 0) + (this.#federated.get(key)?.size ?? 0);
    const intervalMs = Math.min(STATUS_INTERVAL_MIN_MS + items * STATUS_INTERVAL_PER_ITEM_MS, STATUS_INTERVAL_MAX_MS);
    return Math.min(intervalMs, this.#options.statusIntervalMaxMs ?? STATUS_INTERVAL_MAX_MS);
  }

  /** True when each exported Service has an outcome, or the peer cannot be heard, or it takes too long. */
  #isFirstPassDone(key: string, worker: LinkWorker): boolean {
    if (worker.ageMs > FIRST_PASS_MAX_MS) return true;
    const { remote, credentials } = worker.facts();
    if (!credentials.ok) return true;
    if (remote?.synced !== true) return remote?.error !== undefined;
    const known = (this.#mirrors.get(key)?.size ?? 0) + (this.#federated.get(key)?.size ?? 0);
    return worker.settled && known >= EXPORT_MODES.reduce((sum, mode) => sum + worker.remoteCount(mode), 0);
  }

  #statusInput(key: string, worker: LinkWorker): Parameters<typeof desiredStatus>[1] {
    const mirrors = this.#mirrors.get(key) ?? new Map<string, Outcome>();
    const federated = this.#federated.get(key) ?? new Map<string, Outcome>();
    return {
      cluster: worker.plan?.cluster ?? '',
      mirrors,
      federated,
      findings: findingsOf(worker.facts(), summarize(mirrors, federated)),
      nowMs: this.#deps.clock.now(),
    };
  }

  #forget(link: string): void {
    this.#mirrors.delete(link);
    this.#federated.delete(link);
    this.#statusWrittenMs.delete(link);
    // Mirrors that a Link without finalizer left behind.
    for (const service of this.#deps.local.mirrorsForLink(link)) {
      for (const key of this.#keysOfLocalService(service)) this.#controller.enqueue(key);
    }
    for (const service of this.#deps.local.services.informer.byIndex('federated', 'true')) {
      for (const key of this.#keysOfLocalService(service)) this.#controller.enqueue(key);
    }
  }
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

function ownerOf(service: Service): OwnerReference | undefined {
  const { name, uid } = service.metadata;
  if (uid === undefined) return undefined;
  return { apiVersion: 'v1', kind: SERVICES.kind, name, uid, controller: true, blockOwnerDeletion: false };
}

/** The status as we would write it, so that an equal one compares equal. */
function normalStatus(link: Link): unknown {
  const { mirrorServices = [], federatedServices = [], conditions = [] } = link.status ?? {};
  return { mirrorServices, federatedServices, conditions };
}
