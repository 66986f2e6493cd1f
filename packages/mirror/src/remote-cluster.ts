/**
 * What one peer exports, followed through its API: the Services that the Link selects, and whether they have ready endpoints. Only
 * selected objects are transferred and kept, trimmed to what mirrors need.
 */
import {
  ENDPOINT_SLICES,
  formatSelector,
  Informer,
  isKubeError,
  keyOf,
  KubeError,
  parseKey,
  SERVICES,
} from '@mesh/kube';
import type { Change, EndpointSlice, KubeClient, LabelSelector, Service } from '@mesh/kube';
import { isAbort } from '@mesh/runtime';
import type { Clock, Logger, Timer } from '@mesh/runtime';
import type { RemoteService } from './desired.ts';
import { LABEL_SERVICE_NAME } from './names.ts';

/** How a selected Service wants to appear here. */
export type ExportMode = 'gateway' | 'flat' | 'federated';
export const EXPORT_MODES: readonly ExportMode[] = ['gateway', 'flat', 'federated'];

export type Selectors = Readonly<Partial<Record<ExportMode, LabelSelector | undefined>>>;

export interface RemoteClusterDeps {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface RemoteClusterHandlers {
  /** `key` is `namespace/name` at the peer. */
  readonly onService: (mode: ExportMode, key: string) => void;
  /** Reachability, credentials or sync may have changed. */
  readonly onStatus: () => void;
}

/** A peer whose host is gone keeps its connections silently: ask it this often for a sign of life. */
const LIVENESS_PERIOD_MS = 5_000;
const LIVENESS_TIMEOUT_MS = 3_000;

/** How often the slices of a Service without selector are looked up. */
const UNSELECTED_PERIOD_MS = 10_000;

interface Follower {
  readonly services: Informer<Service>;
  readonly slices: Informer<EndpointSlice> | undefined;
}

export class RemoteCluster implements AsyncDisposable {
  readonly #deps: RemoteClusterDeps;
  readonly #handlers: RemoteClusterHandlers;
  readonly #followers = new Map<ExportMode, Follower>();
  /** Per mode: Service key to the keys of its slices that have a ready endpoint. */
  readonly #ready = new Map<ExportMode, Map<string, Set<string>>>();
  readonly #stop = new AbortController();
  /** Services whose endpoints somebody keeps by hand: their slices need not carry their labels, so they are looked up one by one. */
  readonly #unselected = new Map<string, 'unknown' | 'ready' | 'empty'>();
  #unselectedTimer: Timer | undefined;
  #timer: Timer | undefined;
  #pingError: KubeError | undefined;
  #pinged = false;

  constructor(selectors: Selectors, deps: RemoteClusterDeps, handlers: RemoteClusterHandlers) {
    this.#deps = deps;
    this.#handlers = handlers;
    for (const mode of EXPORT_MODES) {
      const selector = selectors[mode];
      if (selector !== undefined) this.#followers.set(mode, this.#follow(mode, formatSelector(selector)));
    }
  }

  run(): void {
    for (const { services, slices } of this.#followers.values()) {
      services.run();
      slices?.run();
    }
    void this.#ping();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#timer?.cancel();
    this.#unselectedTimer?.cancel();
    const stops = [...this.#followers.values()].flatMap(({ services, slices }) => [
      services,
      ...(slices === undefined ? [] : [slices]),
    ]);
    await Promise.all(stops.map((informer) => informer[Symbol.asyncDispose]()));
    this.#deps.client[Symbol.dispose]();
  }

  /** True once everything selected was listed; false means: absence proves nothing. */
  get synced(): boolean {
    return [...this.#followers.values()].every(({ services, slices }) => services.synced && slices?.synced !== false);
  }

  /** Why the peer's API does not serve us now; `undefined` while it does. */
  get error(): KubeError | undefined {
    if (this.#pingError !== undefined) return this.#pingError;
    for (const { services, slices } of this.#followers.values()) {
      const error = services.lastError ?? slices?.lastError;
      if (error !== undefined) return error;
    }
    return undefined;
  }

  /** True once the peer's API has answered. */
  get answered(): boolean {
    return this.#pinged;
  }

  /** Age of what we know, milliseconds; 0 while connected. */
  get stalenessMs(): number {
    const ages = [...this.#followers.values()].flatMap(({ services, slices }) => [
      services.stalenessMs,
      slices?.stalenessMs ?? 0,
    ]);
    return this.synced ? Math.max(0, ...ages) : 0;
  }

  /** The exported Service, or `undefined` when the peer does not export it in this mode. Meaningful once synced. */
  get(mode: ExportMode, key: string): RemoteService | undefined {
    const service = this.#followers.get(mode)?.services.get(key);
    if (service === undefined) return undefined;
    const byHand = this.#unselected.get(key);
    const hasReady = (this.#ready.get(mode)?.get(key)?.size ?? 0) > 0 || byHand === 'ready';
    return { service, hasReady, isKnown: byHand !== 'unknown' };
  }

  keys(mode: ExportMode): readonly string[] {
    return (this.#followers.get(mode)?.services.list() ?? []).map((service) => keyOf(service.metadata));
  }

  count(mode: ExportMode): number {
    return this.#followers.get(mode)?.services.size ?? 0;
  }

  #follow(mode: ExportMode, labelSelector: string): Follower {
    const { client, clock, logger } = this.#deps;
    const services = new Informer<Service>(
      { kind: SERVICES, labelSelector, transform: trimService },
      { client, clock, logger },
    );
    services.onChange(({ object, type }) => {
      const key = keyOf(object.metadata);
      if (type === 'deleted' || object.spec?.selector !== undefined) this.#unselected.delete(key);
      else if (mode !== 'flat' && !this.#unselected.has(key)) {
        this.#unselected.set(key, 'unknown');
        this.#lookUpSoon(0);
      }
      this.#handlers.onService(mode, key);
    });
    services.onStatus(this.#handlers.onStatus);
    if (mode === 'flat') return { services, slices: undefined };
    const slices = new Informer<EndpointSlice>(
      // Slices inherit the labels of their Service, so the same selector finds them.
      { kind: ENDPOINT_SLICES, labelSelector, transform: trimSlice },
      { client, clock, logger },
    );
    this.#ready.set(mode, new Map());
    slices.onChange((change) => this.#sliceChanged(mode, change));
    slices.onStatus(this.#handlers.onStatus);
    return { services, slices };
  }

  #sliceChanged(mode: ExportMode, change: Change<EndpointSlice>): void {
    const { object, type } = change;
    const service = object.metadata.labels?.[LABEL_SERVICE_NAME];
    if (service === undefined) return;
    const serviceKey = keyOf({ namespace: object.metadata.namespace, name: service });
    const ready = this.#ready.get(mode);
    const slices = ready?.get(serviceKey) ?? new Set<string>();
    const hadReady = slices.size > 0;
    if (type !== 'deleted' && object.endpoints.length > 0) slices.add(object.metadata.name);
    else slices.delete(object.metadata.name);
    if (slices.size > 0) ready?.set(serviceKey, slices);
    else ready?.delete(serviceKey);
    if (slices.size > 0 !== hadReady) this.#handlers.onService(mode, serviceKey);
  }

  #lookUpSoon(delayMs: number): void {
    this.#unselectedTimer?.cancel();
    this.#unselectedTimer = this.#deps.clock.after(delayMs, () => void this.#lookUpUnselected());
  }

  async #lookUpUnselected(): Promise<void> {
    for (const key of Array.from(this.#unselected.keys())) {
      const { namespace, name } = parseKey(key);
      const labelSelector = `${LABEL_SERVICE_NAME}=${name}`;
      try {
        const { items } = await this.#deps.client.list(ENDPOINT_SLICES, {
          namespace,
          labelSelector,
          signal: this.#stop.signal,
        });
        const state = items.some((slice) => trimSlice(slice).endpoints.length > 0) ? 'ready' : 'empty';
        if (!this.#unselected.has(key) || this.#unselected.get(key) === state) continue;
        this.#unselected.set(key, state);
        for (const mode of ['gateway', 'federated'] as const) this.#handlers.onService(mode, key);
      } catch {
        // What was known stays; the informers tell that the peer is away.
        break;
      }
    }
    if (!this.#stop.signal.aborted && this.#unselected.size > 0) this.#lookUpSoon(UNSELECTED_PERIOD_MS);
  }

  /** Tells a lost peer from a quiet one, and finds refused credentials when nothing is selected. */
  async #ping(): Promise<void> {
    const { client, clock } = this.#deps;
    const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(LIVENESS_TIMEOUT_MS)]);
    const before = this.#pingError?.code;
    const wasPinged = this.#pinged;
    try {
      await client.list(SERVICES, {
        labelSelector: 'mirror.linkerd.io/exported=none,mirror.linkerd.io/exported=ping',
        signal,
      });
      this.#pingError = undefined;
      this.#pinged = true;
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      if (isKubeError(error)) this.#pingError = error;
      else if (isAbort(error)) this.#pingError = silent(client.server);
    }
    if (this.#stop.signal.aborted) return;
    if (before !== this.#pingError?.code || wasPinged !== this.#pinged) this.#handlers.onStatus();
    const delayMs = this.#pingError === undefined ? LIVENESS_PERIOD_MS : 1_000;
    this.#timer = clock.after(delayMs, () => void this.#ping());
  }
}

function silent(server: string): KubeError {
  return new KubeError(
    { code: 'unreachable', object: 'services', status: 0 },
    `the API server ${server} does not answer within ${LIVENESS_TIMEOUT_MS / 1000} s`,
  );
}

/** What a mirror is made of; the rest of a Service is not kept. */
function trimService(service: Service): Service {
  const { name, namespace, uid, resourceVersion, labels, annotations } = service.metadata;
  const { type, clusterIP, ports, selector } = service.spec ?? {};
  return {
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      ...(uid === undefined ? {} : { uid }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
      ...(labels === undefined ? {} : { labels }),
      ...(annotations === undefined ? {} : { annotations }),
    },
    spec: {
      ...(type === undefined ? {} : { type }),
      // Only headlessness matters.
      ...(clusterIP === 'None' ? { clusterIP } : {}),
      ...(ports === undefined ? {} : { ports }),
      // Only whether there is one matters.
      ...(selector === undefined || Object.keys(selector).length === 0 ? {} : { selector: SOME_SELECTOR }),
    },
  };
}

const SOME_SELECTOR = {} as const;
const ONE_READY = [{ addresses: [] }] as const;

/** A slice matters by its Service and by whether anything in it is ready: one shared endpoint stands for all. */
function trimSlice(slice: EndpointSlice): EndpointSlice {
  const { name, namespace, uid, resourceVersion, labels } = slice.metadata;
  const service = labels?.[LABEL_SERVICE_NAME];
  // Absent readiness means ready (the API's own rule).
  const ready = (slice.endpoints ?? []).some((endpoint) => endpoint.conditions?.ready !== false);
  return {
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      ...(uid === undefined ? {} : { uid }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
      ...(service === undefined ? {} : { labels: { [LABEL_SERVICE_NAME]: service } }),
    },
    addressType: slice.addressType,
    endpoints: ready ? ONE_READY : [],
  };
}
