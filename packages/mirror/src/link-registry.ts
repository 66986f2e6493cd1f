/** The workers of all Links, kept in line with Links and Secrets one change after the other. */
import { keyOf } from '@mesh/kube';
import type { Link } from '@mesh/kube';
import type { Component } from '@mesh/runtime';
import { LinkWorker } from './link-worker.ts';
import type { LinkWorkerDeps } from './link-worker.ts';
import type { LocalCluster } from './local-cluster.ts';
import type { MirrorMetrics } from './metrics.ts';
import type { ExportMode } from './remote-cluster.ts';

export type ServiceListener = (link: string, mode: ExportMode, key: string) => void;
export type LinkListener = (link: string) => void;

export class LinkRegistry implements Component {
  readonly name = 'links';
  readonly #local: LocalCluster;
  readonly #deps: LinkWorkerDeps;
  readonly #metrics: MirrorMetrics;
  readonly #workers = new Map<string, LinkWorker>();
  readonly #serviceListeners = new Set<ServiceListener>();
  readonly #allListeners = new Set<LinkListener>();
  readonly #statusListeners = new Set<LinkListener>();
  readonly #credentialsListeners = new Set<LinkListener>();
  /** Changes of one Link are applied in order. */
  readonly #pending = new Map<string, Promise<void>>();
  #stopped = false;

  constructor(local: LocalCluster, metrics: MirrorMetrics, deps: LinkWorkerDeps) {
    this.#local = local;
    this.#metrics = metrics;
    this.#deps = deps;
  }

  /** Links are followed from here on; peers connect in the background. */
  start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.#local.links.onChange(({ object }) => this.#follow(keyOf(object.metadata)));
    this.#local.secrets.onChange(({ object }) => {
      const { namespace, name } = object.metadata;
      for (const worker of this.#workers.values()) {
        if (worker.plan?.namespace === namespace && worker.plan?.secretName === name) this.#follow(worker.key);
      }
    });
    return Promise.resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    await Promise.allSettled(this.#pending.values());
    await Promise.all([...this.#workers.values()].map((worker) => worker[Symbol.asyncDispose]()));
    this.#workers.clear();
  }

  get(link: string): LinkWorker | undefined {
    return this.#workers.get(link);
  }

  all(): readonly LinkWorker[] {
    return [...this.#workers.values()];
  }

  /** The worker for a cluster; of several Links to one cluster, the first by name. */
  byCluster(cluster: string): LinkWorker | undefined {
    return this.all()
      .filter((worker) => worker.plan?.cluster === cluster)
      .sort((a, b) => (a.key < b.key ? -1 : 1))[0];
  }

  isDeleting(link: string): boolean {
    return (
      this.#local.links.get(link)?.metadata.deletionTimestamp !== undefined || this.#local.links.get(link) === undefined
    );
  }

  onService(listener: ServiceListener): void {
    this.#serviceListeners.add(listener);
  }

  onAll(listener: LinkListener): void {
    this.#allListeners.add(listener);
  }

  onStatus(listener: LinkListener): void {
    this.#statusListeners.add(listener);
  }

  /** The credentials of a Link, or the connection that they open, changed. */
  onCredentials(listener: LinkListener): void {
    this.#credentialsListeners.add(listener);
  }

  /** Reads the peer anew, since it is another one than before. */
  async refresh(link: string): Promise<void> {
    await this.#workers.get(link)?.forgetPeer();
    this.#follow(link);
  }

  identityChanged(): void {
    for (const worker of this.#workers.values()) worker.identityChanged();
  }

  #follow(key: string): void {
    if (this.#stopped) return;
    const previous = this.#pending.get(key) ?? Promise.resolve();
    const next = previous
      .then(() => this.#apply(key))
      .catch((error: unknown) => {
        this.#deps.logger.error('link not followed', { link: key, error });
      });
    this.#pending.set(key, next);
    void next.then(() => {
      if (this.#pending.get(key) === next) this.#pending.delete(key);
    });
  }

  /** Level-triggered: reads what is there now. */
  async #apply(key: string): Promise<void> {
    if (this.#stopped) return;
    const link = this.#local.links.get(key);
    const worker = this.#workers.get(key);
    if (link === undefined) {
      this.#workers.delete(key);
      await worker?.[Symbol.asyncDispose]();
      if (worker?.plan !== undefined) this.#metrics.forgetCluster(worker.plan.cluster);
      for (const listener of this.#allListeners) listener(key);
      return;
    }
    if (link.metadata.deletionTimestamp !== undefined && worker !== undefined) {
      // The peer no longer matters, and may be gone: what it exported must go here.
      for (const listener of this.#allListeners) listener(key);
      return;
    }
    const current = worker ?? this.#create(link);
    const secretName = link.spec.clusterCredentialsSecret || `cluster-credentials-${link.metadata.name}`;
    const secret = await this.#local.secret({ namespace: link.metadata.namespace, name: secretName });
    if (this.#workers.get(key) === current) await current.update(link, secret);
  }

  #create(link: Link): LinkWorker {
    const key = keyOf(link.metadata);
    const worker: LinkWorker = new LinkWorker(link, this.#deps, {
      onService: (mode, service) => {
        for (const listener of this.#serviceListeners) listener(key, mode, service);
      },
      onAll: () => {
        for (const listener of this.#allListeners) listener(key);
      },
      onStatus: () => {
        for (const listener of this.#statusListeners) listener(key);
      },
      onCredentials: () => {
        for (const listener of this.#credentialsListeners) listener(key);
      },
      onProbe: (result) => {
        const cluster = worker.plan?.cluster;
        if (cluster !== undefined) this.#metrics.probed(cluster, result);
      },
    });
    this.#workers.set(key, worker);
    return worker;
  }
}
