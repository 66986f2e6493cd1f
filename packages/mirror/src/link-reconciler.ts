/** A Link's life: the finalizer while it is there, and the cleanup of everything that was made for it once it is deleted. */
import { isKubeError, LINKS } from '@mesh/kube';
import type { Link, ReconcileResult } from '@mesh/kube';
import { LABEL_CLUSTER, LINK_FINALIZER } from './names.ts';
import type { Work } from './mirror-writer.ts';
import { mirroredService } from './ownership.ts';
import type { ReconcileDeps } from './reconcile-deps.ts';
import { statusKey } from './work-keys.ts';

/** How soon a cleanup looks again whether everything is gone. */
const CLEANUP_POLL_MS = 100;
/** Failed deletions are retried by their own keys; this is for what appeared in between. */
const CLEANUP_AGAIN_MS = 5_000;

export class LinkReconciler {
  readonly #deps: ReconcileDeps;
  /** When the cleanup of a deleted Link was last enqueued. */
  readonly #cleanupMs = new Map<string, number>();

  constructor(deps: ReconcileDeps) {
    this.#deps = deps;
  }

  /** Puts the finalizer on, and takes it off once nothing is left of a deleted Link. */
  async reconcile(key: string, work: Work): Promise<ReconcileResult> {
    const link = this.#deps.local.links.get(key);
    if (link === undefined) {
      this.#forget(key);
      return undefined;
    }
    const finalizers = link.metadata.finalizers ?? [];
    const isHeld = finalizers.includes(LINK_FINALIZER);
    if (link.metadata.deletionTimestamp === undefined) {
      if (!isHeld) await this.#patchFinalizers(link, [...finalizers, LINK_FINALIZER], work);
      return undefined;
    }
    if (!isHeld) return undefined;
    if (await this.#isLeft(key, link, work)) return { requeueAfterMs: CLEANUP_POLL_MS };
    await this.#patchFinalizers(
      link,
      finalizers.filter((finalizer) => finalizer !== LINK_FINALIZER),
      work,
    );
    this.#deps.metrics.forgetCluster(link.spec.targetClusterName ?? '');
    return undefined;
  }

  /** Enqueues what is to be removed; true while something of it is there. */
  async #isLeft(key: string, link: Link, work: Work): Promise<boolean> {
    const { local, keys, clock, enqueue } = this.#deps;
    const cluster = link.spec.targetClusterName ?? '';
    const now = clock.monotonic();
    if (now - (this.#cleanupMs.get(key) ?? -Infinity) > CLEANUP_AGAIN_MS) {
      this.#cleanupMs.set(key, now);
      for (const piece of keys.ofLink(key)) enqueue(piece);
    }
    const hasOther = local.links.list().some((other) => other !== link && other.spec.targetClusterName === cluster);
    if (cluster === '' || hasOther) return false;
    const mirrors = local.mirrorsOf(cluster);
    if (mirrors.length === 0 && local.slicesOf(cluster).length === 0) return false;
    // What cannot be told from its data which Service it mirrors still goes by its label.
    for (const object of mirrors)
      if (mirroredService(object) === undefined) await local.services.delete(object, work.signal);
    return true;
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

  #forget(link: string): void {
    const { local, links, keys, status, enqueue } = this.#deps;
    status.forget(link);
    this.#cleanupMs.delete(link);
    // Another Link to the same cluster has its turn.
    for (const worker of links.all()) {
      if (worker.key === link) continue;
      for (const key of keys.ofLink(worker.key)) enqueue(key);
      enqueue(statusKey(worker.key));
    }
    // Mirrors that a Link without finalizer left behind.
    for (const service of local.mirrorsForLink(link)) for (const key of keys.ofService(service)) enqueue(key);
    for (const service of local.services.informer.byIndex('federated', 'true')) {
      for (const key of keys.ofService(service)) enqueue(key);
    }
    for (const slice of local.slices.informer.list()) {
      const cluster = slice.metadata.labels?.[LABEL_CLUSTER];
      if (cluster !== undefined && links.byCluster(cluster) === undefined)
        for (const key of keys.ofSlice(slice, link)) enqueue(key);
    }
  }
}
