/**
 * Tells each peer who we are, in the Peer object that it keeps for us, and reads there what it says of itself. One small write each 30 s and
 * peer, by the leader alone.
 */
import { Controller, isKubeError, keyOf, PEERS } from '@mesh/kube';
import type { Peer, ReconcileResult } from '@mesh/kube';
import { messageOf } from '@mesh/runtime';
import type { Clock, Component, Logger } from '@mesh/runtime';
import type { ExporterReading } from '../link-facts.ts';
import { rfc3339 } from '../link-facts.ts';
import type { LinkRegistry } from '../link-registry.ts';
import type { LocalCluster } from '../local-cluster.ts';
import type { OwnCluster } from '../own-cluster.ts';
import { ExporterWatch } from './exporter-watch.ts';

export interface AnnouncerOptions {
  /** Between announcements, milliseconds. */
  readonly periodMs?: number | undefined;
}

export interface AnnouncerDeps {
  readonly local: LocalCluster;
  readonly links: LinkRegistry;
  readonly own: OwnCluster;
  readonly isLeader: () => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
}

export const ANNOTATION_PEER = 'federation.mesh.dev/peer';
const ANNOTATION_NAMESPACES = 'federation.mesh.dev/export-namespaces';

/** Readers take a peer for gone after several of these. */
const PERIOD_MS = 30_000;
/** Up to so much less, so that peers are not written to in step. */
const JITTER = 0.2;
/** A peer that is away is told as soon as it is back: the Link's own checks find that out, this is for what they cannot see. */
const BACKOFF = { minMs: 1_000, maxMs: 30_000, jitterRatio: 0.2 };
const REQUEST_TIMEOUT_MS = 10_000;

export class PeerAnnouncer implements Component {
  readonly name = 'peer announcer';
  readonly #options: AnnouncerOptions;
  readonly #deps: AnnouncerDeps;
  readonly #controller: Controller;
  readonly #watches = new Map<string, ExporterWatch>();
  /** What was announced last and when, by Link: other events need no write. */
  readonly #announced = new Map<string, { readonly facts: string; readonly atMs: number }>();
  /** Of the Peer at the other end: another one means another cluster, or one that was made anew. */
  readonly #uids = new Map<string, string>();

  constructor(options: AnnouncerOptions, deps: AnnouncerDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#controller = new Controller(
      { name: 'peers', reconcile: (key, signal) => this.#reconcile(key, signal), backoff: BACKOFF },
      deps,
    );
  }

  async start(signal: AbortSignal): Promise<void> {
    await this.#controller.start(signal);
    const { links, local, own } = this.#deps;
    links.onCredentials((link) => this.#now(link));
    local.links.onChange(({ object }) => this.#controller.enqueue(keyOf(object.metadata)));
    own.onChange(() => {
      for (const { key } of links.all()) this.#controller.enqueue(key);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#controller[Symbol.asyncDispose]();
  }

  leadershipChanged(leading: boolean): void {
    this.#announced.clear();
    if (leading) for (const { key } of this.#deps.links.all()) this.#controller.enqueue(key);
  }

  #now(link: string): void {
    this.#announced.delete(link);
    this.#controller.enqueue(link);
  }

  async #reconcile(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    const { local, links, own, clock } = this.#deps;
    const worker = links.get(key);
    const annotations = local.links.get(key)?.metadata.annotations;
    const peer = annotations?.[ANNOTATION_PEER] ?? '';
    if (worker === undefined || peer === '' || links.isDeleting(key)) {
      this.#forget(key);
      if (worker !== undefined) worker.exporterRead(undefined);
      return undefined;
    }
    const { client } = worker;
    if (!this.#deps.isLeader() || client === undefined) return undefined;
    const facts = JSON.stringify(own.facts());
    const last = this.#announced.get(key);
    const sinceMs = clock.monotonic() - (last?.atMs ?? -Infinity);
    const periodMs = this.#periodMs();
    if (last?.facts === facts && sinceMs < periodMs) return { requeueAfterMs: periodMs - sinceMs };
    const namespace = (annotations?.[ANNOTATION_NAMESPACES] ?? '').split(',')[0]?.trim() ?? '';
    const status = { peer: { clusterName: null, ...own.facts(), renewTime: rfc3339(clock.now()) } };
    const watch = this.#watches.get(key) ?? new ExporterWatch();
    this.#watches.set(key, watch);
    let answer: Peer;
    try {
      answer = await client.patch(
        PEERS,
        { namespace: namespace || worker.plan?.namespace, name: peer },
        { type: 'merge', body: { status }, subresource: 'status' },
        { signal: AbortSignal.any([signal, AbortSignal.timeout(REQUEST_TIMEOUT_MS)]) },
      );
    } catch (error) {
      if (signal.aborted) throw error;
      worker.exporterRead(watch.failed(whyNot(error, peer, worker.plan?.cluster ?? ''), clock.monotonic()));
      throw error;
    }
    this.#announced.set(key, { facts, atMs: clock.monotonic() });
    const isOther = this.#isOther(key, answer);
    const reading: ExporterReading = watch.read(answer.status?.exporter, clock.now(), clock.monotonic());
    if (isOther) {
      this.#deps.logger.warn('the peer is another one under the same name: reading it anew', { link: key, peer });
      await links.refresh(key);
    }
    links.get(key)?.exporterRead(reading);
    return { requeueAfterMs: reading.isRenewing === undefined ? Math.min(periodMs, watch.soonMs) : periodMs };
  }

  #isOther(key: string, { metadata }: Peer): boolean {
    const uid = metadata.uid ?? '';
    const before = this.#uids.get(key);
    this.#uids.set(key, uid);
    return before !== undefined && before !== uid;
  }

  #forget(key: string): void {
    this.#watches.delete(key);
    this.#announced.delete(key);
    this.#uids.delete(key);
  }

  #periodMs(): number {
    return (this.#options.periodMs ?? PERIOD_MS) * (1 - Math.random() * JITTER);
  }
}

function whyNot(error: unknown, peer: string, cluster: string): string {
  if (isKubeError(error, 'not_found'))
    return `cluster ${cluster} has no Peer ${peer}: apply the output of mesh multicluster allow --peer ${peer} there`;
  if (isKubeError(error, 'forbidden'))
    return `this account may not write Peer ${peer} of cluster ${cluster}: link with --peer ${peer}, and apply the output of mesh multicluster allow --peer ${peer} there`;
  return messageOf(error);
}
