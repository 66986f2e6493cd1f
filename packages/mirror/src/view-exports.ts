/**
 * What one peer exports, read from the view that it writes for its peers: `ExportedService` and `ExportedEndpoints` in the namespaces
 * that the Link names. What lies in our own namespace there replaces what all peers see.
 */
import {
  EXPORTED_ENDPOINTS,
  EXPORTED_SERVICES,
  Informer,
  isKubeError,
  KubeError,
  keyOf,
  matchesSelector,
  withoutManagedFields,
} from '@mesh/kube';
import type { ExportedEndpoints, ExportedService, LabelSelector, Service } from '@mesh/kube';
import { isDnsName } from '@mesh/model';
import { PeerLiveness } from './peer-liveness.ts';
import { EXPORT_MODES } from './remote-cluster.ts';
import type {
  ExportMode,
  RemoteCluster,
  RemoteClusterDeps,
  RemoteClusterHandlers,
  RemoteEndpoints,
  RemoteService,
} from './remote-cluster.ts';

export type Selectors = Readonly<Partial<Record<ExportMode, LabelSelector | undefined>>>;

/** One namespace of the peer. */
interface View {
  readonly services: Informer<ExportedService>;
  readonly endpoints: Informer<ExportedEndpoints>;
}

const BY_SERVICE = 'service';

export class ViewExports implements RemoteCluster {
  readonly #selectors: Selectors;
  readonly #handlers: RemoteClusterHandlers;
  readonly #deps: RemoteClusterDeps;
  /** The most specific first. */
  readonly #views: readonly View[];
  readonly #liveness: PeerLiveness;

  /** @param namespaces The most specific last. */
  constructor(
    namespaces: readonly string[],
    selectors: Selectors,
    deps: RemoteClusterDeps,
    handlers: RemoteClusterHandlers,
  ) {
    this.#selectors = selectors;
    this.#handlers = handlers;
    this.#deps = deps;
    this.#views = namespaces.toReversed().map((namespace) => this.#follow(namespace));
    this.#liveness = new PeerLiveness({
      client: deps.client,
      clock: deps.clock,
      ask: (signal) =>
        deps.client.list(EXPORTED_SERVICES, {
          namespace: namespaces.at(-1),
          labelSelector: 'mirror.linkerd.io/exported=none,mirror.linkerd.io/exported=ping',
          signal,
        }),
      onChange: handlers.onStatus,
    });
  }

  run(): void {
    for (const informer of this.#informers()) informer.run();
    this.#liveness.run();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#liveness[Symbol.dispose]();
    await Promise.all(this.#informers().map((informer) => informer[Symbol.asyncDispose]()));
    this.#deps.client[Symbol.dispose]();
  }

  get synced(): boolean {
    return this.#informers().every((informer) => informer.synced);
  }

  get error(): KubeError | undefined {
    const lost = this.#informers().map((informer) => informer.lastError);
    const error = this.#liveness.error ?? lost.find((one) => one !== undefined);
    return isKubeError(error, 'not_found') ? noViews(error) : error;
  }

  get answered(): boolean {
    return this.#liveness.answered;
  }

  get stalenessMs(): number {
    return this.synced ? Math.max(0, ...this.#informers().map((informer) => informer.stalenessMs)) : 0;
  }

  get(mode: ExportMode, key: string): RemoteService | undefined {
    const found = this.#find(key);
    if (found === undefined || !this.#isSelected(mode, found.exported)) return undefined;
    const { spec } = found.exported;
    return {
      service: serviceOf(found.exported),
      hasReady: spec.ready,
      isKnown: true,
      endpoints: found.view.endpoints.byIndex(BY_SERVICE, key).map(endpointsOf),
      ...(mode === 'mcs' && spec.export !== undefined ? { export: spec.export } : {}),
    };
  }

  keys(mode: ExportMode): readonly string[] {
    const keys = new Set<string>();
    for (const { services } of this.#views) {
      for (const one of services.list()) {
        const key = sourceOf(one);
        const exported = key === undefined ? undefined : this.#find(key)?.exported;
        if (key !== undefined && exported !== undefined && this.#isSelected(mode, exported)) keys.add(key);
      }
    }
    return [...keys];
  }

  count(mode: ExportMode): number {
    return this.keys(mode).length;
  }

  #follow(namespace: string): View {
    const indexes = {
      [BY_SERVICE]: (object: ExportedService | ExportedEndpoints): readonly string[] => {
        const key = sourceOf(object);
        return key === undefined ? [] : [key];
      },
    };
    const services = new Informer<ExportedService>(
      { kind: EXPORTED_SERVICES, namespace, indexes, transform: withoutManagedFields },
      this.#deps,
    );
    const endpoints = new Informer<ExportedEndpoints>(
      { kind: EXPORTED_ENDPOINTS, namespace, indexes, transform: withoutManagedFields },
      this.#deps,
    );
    services.onChange(({ object, previous }) => this.#changed(object, previous));
    endpoints.onChange(({ object, previous }) => this.#changed(object, previous));
    services.onStatus(this.#handlers.onStatus);
    endpoints.onStatus(this.#handlers.onStatus);
    return { services, endpoints };
  }

  /** Selectors may admit what they refused before, and the reverse: every mode looks again. */
  #changed(
    object: ExportedService | ExportedEndpoints,
    previous: ExportedService | ExportedEndpoints | undefined,
  ): void {
    const keys = new Set([sourceOf(object), previous === undefined ? undefined : sourceOf(previous)]);
    for (const key of keys) {
      if (key === undefined) continue;
      const modes = new Set([
        ...(this.#find(key)?.exported.spec.modes ?? []),
        ...modesOf(object),
        ...modesOf(previous),
      ]);
      // Endpoints may come before their Service: then there is nothing to do yet.
      for (const mode of EXPORT_MODES) if (modes.has(mode)) this.#handlers.onService(mode, key);
    }
  }

  #find(key: string): { readonly view: View; readonly exported: ExportedService } | undefined {
    for (const view of this.#views) {
      const exported = view.services.byIndex(BY_SERVICE, key)[0];
      if (exported !== undefined) return { view, exported };
    }
    return undefined;
  }

  #isSelected(mode: ExportMode, { spec }: ExportedService): boolean {
    if (!spec.modes.includes(mode)) return false;
    if (mode === 'mcs') return true;
    const selector = this.#selectors[mode];
    return selector !== undefined && matchesSelector(selector, spec.labels);
  }

  #informers(): readonly Pick<
    Informer<ExportedService>,
    'run' | 'synced' | 'lastError' | 'stalenessMs' | typeof Symbol.asyncDispose
  >[] {
    return this.#views.flatMap(({ services, endpoints }) => [services, endpoints]);
  }
}

/** The API has no such kinds. */
function noViews(error: KubeError): KubeError {
  return new KubeError(
    error.info,
    `the peer knows no ExportedServices (${error.message}): its mesh shows no views; install this mesh's multicluster extension there, or link again with rights of Linkerd`,
  );
}

function modesOf(object: ExportedService | ExportedEndpoints | undefined): readonly ExportMode[] {
  return object !== undefined && 'modes' in object.spec ? object.spec.modes : [];
}

/** `namespace/name` of the exported Service; `undefined` for names that no Service can have. */
function sourceOf({ spec }: ExportedService | ExportedEndpoints): string | undefined {
  const { namespace, name } = spec.service;
  return isDnsName(namespace) && isDnsName(name) ? keyOf({ namespace, name }) : undefined;
}

function endpointsOf({ spec }: ExportedEndpoints): RemoteEndpoints {
  return { addressType: spec.addressType, ports: spec.ports ?? [], endpoints: spec.endpoints ?? [] };
}

/** The Service as the exporting cluster has it, as far as the view says. */
function serviceOf({ metadata, spec }: ExportedService): Service {
  const { namespace, name } = spec.service;
  return {
    metadata: {
      name,
      namespace,
      ...(metadata.resourceVersion === undefined ? {} : { resourceVersion: metadata.resourceVersion }),
      ...(spec.labels === undefined ? {} : { labels: spec.labels }),
      ...(spec.annotations === undefined ? {} : { annotations: spec.annotations }),
    },
    spec: {
      type: 'ClusterIP',
      ...(spec.headless === true ? { clusterIP: 'None' } : {}),
      ports: spec.ports ?? [],
      ...(spec.sessionAffinity === undefined ? {} : { sessionAffinity: spec.sessionAffinity }),
      ...(spec.sessionAffinityConfig === undefined ? {} : { sessionAffinityConfig: spec.sessionAffinityConfig }),
      ...(spec.internalTrafficPolicy === undefined ? {} : { internalTrafficPolicy: spec.internalTrafficPolicy }),
      ...(spec.trafficDistribution === undefined ? {} : { trafficDistribution: spec.trafficDistribution }),
      ...(spec.ipFamilies === undefined ? {} : { ipFamilies: spec.ipFamilies }),
    },
  };
}
