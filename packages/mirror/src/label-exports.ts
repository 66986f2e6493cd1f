/**
 * What one peer exports, read as Linkerd reads it: the Services that the Link selects by label, the slices that inherit these labels,
 * and the pods behind them where their addresses count. Only selected objects are transferred and kept, trimmed to what mirrors need.
 */
import { ENDPOINT_SLICES, formatSelector, Informer, keyOf, parseKey, SERVICES } from '@mesh/kube';
import type { Change, EndpointSlice, KubeError, Service } from '@mesh/kube';
import type { Timer } from '@mesh/runtime';
import { LABEL_SERVICE_NAME } from './names.ts';
import { PeerLiveness } from './peer-liveness.ts';
import { PeerPods } from './peer-pods.ts';
import { isHeadless, MIRROR_MODES } from './remote-cluster.ts';
import type {
  ExportMode,
  RemoteCluster,
  RemoteClusterDeps,
  RemoteClusterHandlers,
  RemoteEndpoints,
  RemoteService,
} from './remote-cluster.ts';
import { hasNames, isReadySlice, trimService, trimSlice } from './trimmed.ts';
import type { Selectors } from './view-exports.ts';

type MirrorMode = (typeof MIRROR_MODES)[number];

/** How often the slices of a Service without selector are looked up. */
const UNSELECTED_PERIOD_MS = 10_000;

interface Follower {
  readonly services: Informer<Service>;
  readonly slices: Informer<EndpointSlice>;
  /** Service key to the keys of its slices that have a ready endpoint. */
  readonly ready: Map<string, Set<string>>;
}

const BY_SERVICE = 'service';

export interface LabelExportsOptions {
  readonly selectors: Selectors;
  /** Namespace of the peer's control plane, where it says which trust domain it has. */
  readonly controlPlaneNamespace: string;
  /** Trust domain when the peer does not say. */
  readonly trustDomain: string;
}

export class LabelExports implements RemoteCluster {
  readonly #deps: RemoteClusterDeps;
  readonly #handlers: RemoteClusterHandlers;
  readonly #followers = new Map<ExportMode, Follower>();
  readonly #liveness: PeerLiveness;
  readonly #pods: PeerPods;
  readonly #stop = new AbortController();
  /** Services whose endpoints somebody keeps by hand: their slices need not carry their labels, so they are looked up one by one. */
  readonly #unselected = new Map<string, readonly EndpointSlice[] | 'unknown'>();
  #unselectedTimer: Timer | undefined;

  constructor(options: LabelExportsOptions, deps: RemoteClusterDeps, handlers: RemoteClusterHandlers) {
    this.#deps = deps;
    this.#handlers = handlers;
    this.#pods = new PeerPods(options, deps, {
      onNamespace: (namespace) => this.#podsChanged(namespace),
      onStatus: handlers.onStatus,
    });
    this.#liveness = new PeerLiveness({
      client: deps.client,
      clock: deps.clock,
      ask: (signal) =>
        deps.client.list(SERVICES, {
          labelSelector: 'mirror.linkerd.io/exported=none,mirror.linkerd.io/exported=ping',
          signal,
        }),
      onChange: handlers.onStatus,
    });
    for (const mode of MIRROR_MODES) {
      const selector = options.selectors[mode];
      if (selector !== undefined) this.#followers.set(mode, this.#follow(mode, formatSelector(selector)));
    }
  }

  run(): void {
    for (const informer of this.#informers()) informer.run();
    this.#liveness.run();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#liveness[Symbol.dispose]();
    this.#unselectedTimer?.cancel();
    await Promise.all(this.#informers().map((informer) => informer[Symbol.asyncDispose]()));
    await this.#pods[Symbol.asyncDispose]();
    this.#deps.client[Symbol.dispose]();
  }

  get synced(): boolean {
    return this.#informers().every((informer) => informer.synced);
  }

  get error(): KubeError | undefined {
    const lost = this.#informers().map((informer) => informer.lastError);
    return this.#liveness.error ?? lost.find((error) => error !== undefined) ?? this.#pods.error;
  }

  get answered(): boolean {
    return this.#liveness.answered;
  }

  get stalenessMs(): number {
    return this.synced ? Math.max(0, ...this.#informers().map((informer) => informer.stalenessMs)) : 0;
  }

  get(mode: ExportMode, key: string): RemoteService | undefined {
    const follower = this.#followers.get(mode);
    const service = follower?.services.get(key);
    if (follower === undefined || service === undefined) return undefined;
    const byHand = this.#unselected.get(key);
    const isLookedUp = byHand !== undefined;
    const slices = isLookedUp ? (byHand === 'unknown' ? [] : byHand) : follower.slices.byIndex(BY_SERVICE, key);
    const hasReady = isLookedUp ? slices.some(isReadySlice) : (follower.ready.get(key)?.size ?? 0) > 0;
    const needsAddresses = mode !== 'gateway' || isHeadless(service);
    const resolved = needsAddresses ? this.#pods.resolve(slices) : [];
    return { service, hasReady, isKnown: byHand !== 'unknown' && resolved !== undefined, endpoints: resolved ?? NONE };
  }

  keys(mode: ExportMode): readonly string[] {
    return (this.#followers.get(mode)?.services.list() ?? []).map((service) => keyOf(service.metadata));
  }

  count(mode: ExportMode): number {
    return this.#followers.get(mode)?.services.size ?? 0;
  }

  #informers(): readonly Pick<
    Informer<Service>,
    'run' | 'synced' | 'lastError' | 'stalenessMs' | typeof Symbol.asyncDispose
  >[] {
    return [...this.#followers.values()].flatMap(({ services, slices }) => [services, slices]);
  }

  #follow(mode: MirrorMode, labelSelector: string): Follower {
    const services = new Informer<Service>({ kind: SERVICES, labelSelector, transform: trimService }, this.#deps);
    services.onChange(({ object, type }) => {
      const key = keyOf(object.metadata);
      if (type === 'deleted' || object.spec?.selector !== undefined) this.#unselected.delete(key);
      else if (!this.#unselected.has(key)) {
        this.#unselected.set(key, 'unknown');
        this.#lookUpSoon(0);
      }
      this.#handlers.onService(mode, key);
    });
    services.onStatus(this.#handlers.onStatus);
    const slices = new Informer<EndpointSlice>(
      {
        kind: ENDPOINT_SLICES,
        // Slices inherit the labels of their Service, so the same selector finds them.
        labelSelector,
        transform:
          mode === 'gateway' ? (slice) => trimSlice(slice, hasNames(slice)) : (slice) => trimSlice(slice, true),
        indexes: { [BY_SERVICE]: serviceKeysOf },
      },
      this.#deps,
    );
    const follower: Follower = { services, slices, ready: new Map() };
    slices.onChange((change) => this.#sliceChanged(mode, follower, change));
    slices.onStatus(this.#handlers.onStatus);
    return follower;
  }

  #sliceChanged(mode: MirrorMode, { ready }: Follower, change: Change<EndpointSlice>): void {
    const { object, type, previous } = change;
    const [key] = serviceKeysOf(object);
    if (key === undefined) return;
    const slices = ready.get(key) ?? new Set<string>();
    const hadReady = slices.size > 0;
    if (type !== 'deleted' && isReadySlice(object)) slices.add(object.metadata.name);
    else slices.delete(object.metadata.name);
    if (slices.size > 0) ready.set(key, slices);
    else ready.delete(key);
    // Behind a gateway single endpoints do not count, unless they have names.
    const concernsAddresses = mode !== 'gateway' || hasNames(object) || (previous !== undefined && hasNames(previous));
    if (slices.size > 0 !== hadReady || concernsAddresses) this.#handlers.onService(mode, key);
  }

  /** A pod may have got, or changed, the identity that its endpoint needs. */
  #podsChanged(namespace: string): void {
    for (const [mode, follower] of this.#followers) {
      for (const service of follower.services.list(namespace)) {
        if (mode !== 'gateway' || isHeadless(service)) this.#handlers.onService(mode, keyOf(service.metadata));
      }
    }
  }

  #lookUpSoon(delayMs: number): void {
    this.#unselectedTimer?.cancel();
    this.#unselectedTimer = this.#deps.clock.after(delayMs, () => void this.#lookUpUnselected());
  }

  async #lookUpUnselected(): Promise<void> {
    for (const key of Array.from(this.#unselected.keys())) {
      const { namespace, name } = parseKey(key);
      try {
        const { items } = await this.#deps.client.list(ENDPOINT_SLICES, {
          namespace,
          labelSelector: `${LABEL_SERVICE_NAME}=${name}`,
          signal: this.#stop.signal,
        });
        const found = items.map((slice) => trimSlice(slice, true));
        const before = this.#unselected.get(key);
        if (before === undefined || JSON.stringify(before) === JSON.stringify(found)) continue;
        this.#unselected.set(key, found);
        for (const mode of MIRROR_MODES) {
          if (this.#followers.get(mode)?.services.get(key) !== undefined) this.#handlers.onService(mode, key);
        }
      } catch {
        // What was known stays; the informers tell that the peer is away.
        break;
      }
    }
    if (!this.#stop.signal.aborted && this.#unselected.size > 0) this.#lookUpSoon(UNSELECTED_PERIOD_MS);
  }
}

const NONE: readonly RemoteEndpoints[] = [];

function serviceKeysOf({ metadata }: EndpointSlice): readonly string[] {
  const name = metadata.labels?.[LABEL_SERVICE_NAME];
  return name === undefined ? [] : [keyOf({ namespace: metadata.namespace, name })];
}
