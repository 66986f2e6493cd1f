/**
 * What the view is made from, and the view itself, as this cluster's API has them. Definitions that are not installed are waited for;
 * EndpointSlices, pods and nodes are followed only while an export needs them.
 */
import {
  ENDPOINT_SLICES,
  EXPORT_POLICIES,
  EXPORTED_ENDPOINTS,
  EXPORTED_SERVICES,
  Informer,
  keyOf,
  NODES,
  PEERS,
  PODS,
  SERVICE_EXPORTS,
} from '@mesh/kube';
import type {
  EndpointSlice,
  ExportedEndpoints,
  ExportedService,
  ExportPolicy,
  KubeClient,
  KubeObject,
  Node,
  ObjectMeta,
  Peer,
  Pod,
  ResourceKind,
  ServiceExport,
} from '@mesh/kube';
import {
  CONTROL_PLANE_NS_LABEL,
  INBOUND_LISTEN_VARIABLE,
  OPAQUE_PORTS,
  PROXY_CONTAINER,
  SKIP_INBOUND_PORTS,
} from '@mesh/model';
import type { Clock, Logger } from '@mesh/runtime';
import { LABEL_MANAGED_BY as SLICE_MANAGED_BY, LABEL_SERVICE_NAME, SLICE_MANAGER } from '../names.ts';
import type { WriteVerb } from '../written-store.ts';
import { OnDemandInformer } from './on-demand-informer.ts';
import { BY_SERVICE, PublishedStore } from './published-store.ts';

export interface ExportSourcesDeps {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onWrite: (resource: string, verb: WriteVerb) => void;
}

export interface ExportSourcesHandlers {
  /** Key of a Service whose endpoints, or what is known of them, changed. */
  readonly onEndpoints: (service: string) => void;
  /** What all of it is worth may have changed. */
  readonly onStatus: () => void;
}

/** A definition may be installed hours later, or never. */
const ABSENT_BACKOFF = { minMs: 100, maxMs: 15_000, jitterRatio: 0.25 };
const BY_POD = 'pod';
const ZONE_LABEL = 'topology.kubernetes.io/zone';

export class ExportSources implements AsyncDisposable {
  readonly peers: Informer<Peer>;
  readonly policies: Informer<ExportPolicy>;
  readonly serviceExports: Informer<ServiceExport>;
  readonly services: PublishedStore<ExportedService>;
  readonly endpoints: PublishedStore<ExportedEndpoints>;
  readonly #slices: OnDemandInformer<EndpointSlice>;
  readonly #pods: OnDemandInformer<Pod>;
  readonly #nodes: OnDemandInformer<Node>;
  readonly #endpointListeners = new Set<(service: string) => void>();
  readonly #statusListeners = new Set<() => void>();

  /** @param namespace Where Peers are. */
  constructor(namespace: string, deps: ExportSourcesDeps, handlers: ExportSourcesHandlers) {
    this.#endpointListeners.add(handlers.onEndpoints);
    this.#statusListeners.add(handlers.onStatus);
    const onStatus = (): void => {
      for (const listener of this.#statusListeners) listener();
    };
    const informer = <T extends KubeObject>(
      kind: ResourceKind<T>,
      more: {
        readonly namespace?: string;
        readonly indexes?: Readonly<Record<string, (object: T) => readonly string[]>>;
      },
    ): Informer<T> => {
      const made = new Informer<T>({ kind, backoff: ABSENT_BACKOFF, ...more }, deps);
      made.onStatus(onStatus);
      return made;
    };
    const written = <T extends ExportedService | ExportedEndpoints>(kind: ResourceKind<T>): PublishedStore<T> =>
      new PublishedStore(
        kind,
        informer(kind, { indexes: { [BY_SERVICE]: (object) => [keyOf(object.spec.service)] } }),
        {
          ...deps,
          onWrite: (verb) => deps.onWrite(kind.plural, verb),
        },
      );
    this.peers = informer(PEERS, { namespace });
    this.policies = informer(EXPORT_POLICIES, {});
    this.serviceExports = informer(SERVICE_EXPORTS, {});
    this.services = written(EXPORTED_SERVICES);
    this.endpoints = written(EXPORTED_ENDPOINTS);
    const { clock } = deps;
    this.#slices = new OnDemandInformer({
      create: () =>
        new Informer(
          {
            kind: ENDPOINT_SLICES,
            labelSelector: `${SLICE_MANAGED_BY}!=${SLICE_MANAGER}`,
            transform: trimSlice,
            indexes: { [BY_SERVICE]: serviceOf, [BY_POD]: podsOf },
          },
          deps,
        ),
      clock,
      onStatus,
      onChange: ({ object, previous }) => {
        for (const key of new Set([...serviceOf(object), ...(previous === undefined ? [] : serviceOf(previous))]))
          this.#endpointsChanged(key);
      },
    });
    this.#pods = new OnDemandInformer({
      create: () => new Informer({ kind: PODS, transform: trimPod }, deps),
      clock,
      onStatus,
      onChange: ({ type, object, previous }) => {
        if (type !== 'updated' || !isSamePod(object, previous)) this.#podChanged(object);
      },
    });
    this.#nodes = new OnDemandInformer({
      create: () => new Informer({ kind: NODES, transform: trimNode }, deps),
      clock,
      onStatus,
      // Zones do not change under a running pod; a slice that needs one is looked at again with the next change.
      onChange: () => undefined,
    });
  }

  /** Begins without waiting: what is absent may come any time. */
  run(): void {
    for (const one of this.#followed()) one.run();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#followed().map((one) => one[Symbol.asyncDispose]()));
  }

  /** Calls with the keys of Services whose endpoints, or what is known of them, changed. */
  onEndpoints(listener: (service: string) => void): void {
    this.#endpointListeners.add(listener);
  }

  /** Calls when what all of it is worth may have changed. */
  onStatus(listener: () => void): void {
    this.#statusListeners.add(listener);
  }

  /** Says what an exported Service needs, so that it is followed, or no longer. */
  need(service: string, needs: { readonly slices: boolean; readonly addresses: boolean }): void {
    this.#slices.need(service, needs.slices);
    this.#pods.need(service, needs.addresses);
    this.#nodes.need(service, needs.addresses);
  }

  /**
   * True when what is not in our copies does not exist. ServiceExports are another project's definition: where it is not installed,
   * there are none.
   */
  get synced(): boolean {
    const { peers, policies, services, endpoints, serviceExports } = this;
    return (
      [peers, policies, services.informer, endpoints.informer].every((informer) => informer.synced) &&
      (serviceExports.synced || serviceExports.lastError?.code === 'not_found') &&
      [this.#slices, this.#pods, this.#nodes].every((informer) => informer.synced)
    );
  }

  /** How old the oldest of our copies may be, milliseconds; 0 while all are current. */
  get stalenessMs(): number {
    const { peers, policies, services, endpoints, serviceExports } = this;
    const sources = [peers, policies, services.informer, endpoints.informer, this.#slices, this.#pods, this.#nodes];
    const ages = sources.map(({ stalenessMs }) => stalenessMs);
    return Math.max(serviceExports.synced ? serviceExports.stalenessMs : 0, ...ages);
  }

  /** True when all slices that are needed are known. */
  get slicesSynced(): boolean {
    return this.#slices.synced;
  }

  slicesOf(service: string): readonly EndpointSlice[] {
    return this.#slices.store?.byIndex(BY_SERVICE, service) ?? [];
  }

  pod(key: string): Pod | undefined {
    return this.#pods.store?.get(key);
  }

  zone(node: string): string | undefined {
    return this.#nodes.store?.get(node)?.metadata.labels?.[ZONE_LABEL];
  }

  #endpointsChanged(service: string): void {
    for (const listener of this.#endpointListeners) listener(service);
  }

  #podChanged(pod: Pod): void {
    for (const slice of this.#slices.store?.byIndex(BY_POD, keyOf(pod.metadata)) ?? []) {
      for (const key of serviceOf(slice)) this.#endpointsChanged(key);
    }
  }

  #followed(): readonly (AsyncDisposable & { run(): void })[] {
    const { peers, policies, services, endpoints, serviceExports } = this;
    const always = [peers, policies, serviceExports, services.informer, endpoints.informer];
    return [...always, this.#slices, this.#pods, this.#nodes];
  }
}

function serviceOf({ metadata }: EndpointSlice): readonly string[] {
  const name = metadata.labels?.[LABEL_SERVICE_NAME];
  return name === undefined ? [] : [keyOf({ namespace: metadata.namespace, name })];
}

function podsOf(slice: EndpointSlice): readonly string[] {
  return (slice.endpoints ?? []).flatMap(({ targetRef }) =>
    targetRef?.kind === 'Pod' && targetRef.name !== undefined
      ? [keyOf({ namespace: targetRef.namespace, name: targetRef.name })]
      : [],
  );
}

/** Everything that {@link trimPod} keeps but the version, which moves with each heartbeat of its status. */
function isSamePod(a: Pod, b: Pod | undefined): boolean {
  return JSON.stringify(withoutVersion(a)) === JSON.stringify(b === undefined ? undefined : withoutVersion(b));
}

function withoutVersion(pod: Pod): unknown {
  return [pod.metadata.uid, pod.metadata.labels, pod.metadata.annotations, pod.spec];
}

/** The fields of {@link EndpointSlice} that the view is made from; most of a slice is references and times. */
function trimSlice(slice: EndpointSlice): EndpointSlice {
  const service = slice.metadata.labels?.[LABEL_SERVICE_NAME];
  return {
    metadata: identifying(slice.metadata, service === undefined ? {} : { [LABEL_SERVICE_NAME]: service }),
    addressType: slice.addressType,
    endpoints: (slice.endpoints ?? []).map(({ addresses, conditions, hostname, nodeName, zone, targetRef }) => ({
      addresses,
      ...(conditions?.ready === undefined ? {} : { conditions: { ready: conditions.ready } }),
      ...(hostname === undefined ? {} : { hostname }),
      ...(zone === undefined ? {} : { zone }),
      // Gives the zone where there is none, and says to imports of this cluster what is local to a node.
      ...(nodeName === undefined ? {} : { nodeName }),
      ...(targetRef === undefined ? {} : { targetRef: trimReference(targetRef) }),
    })),
    ports: slice.ports ?? [],
  };
}

function trimReference(reference: NonNullable<EndpointSlice['endpoints'][number]['targetRef']>): typeof reference {
  const { kind, namespace, name, uid } = reference;
  return {
    ...(kind === undefined ? {} : { kind }),
    ...(namespace === undefined ? {} : { namespace }),
    ...(name === undefined ? {} : { name }),
    ...(uid === undefined ? {} : { uid }),
  };
}

/** About 300 bytes per meshed pod, 150 per other: a cluster of 10,000 pods costs 3 MB. */
function trimPod(pod: Pod): Pod {
  const { labels = {}, annotations = {} } = pod.metadata;
  const controlPlane = labels[CONTROL_PLANE_NS_LABEL];
  if (controlPlane === undefined) return { metadata: identifying(pod.metadata, {}), spec: { containers: [] } };
  const ports = Object.fromEntries(
    [OPAQUE_PORTS, SKIP_INBOUND_PORTS].flatMap((key) =>
      annotations[key] === undefined ? [] : [[key, annotations[key]]],
    ),
  );
  // Container ports count only by names that the annotations may use.
  const usesNames = Object.values(ports).some((text) => /[a-z]/i.test(text));
  const trim = (containers: Pod['spec']['containers']): Pod['spec']['containers'] =>
    containers.flatMap((container) => {
      const env = container.env?.filter(({ name }) => name === INBOUND_LISTEN_VARIABLE) ?? [];
      const named = usesNames ? (container.ports?.filter(({ name }) => name !== undefined) ?? []) : [];
      if (container.name !== PROXY_CONTAINER && named.length === 0) return [];
      return [
        { name: container.name, ...(env.length === 0 ? {} : { env }), ...(named.length === 0 ? {} : { ports: named }) },
      ];
    });
  const { serviceAccountName, initContainers = [], containers } = pod.spec;
  return {
    metadata: { ...identifying(pod.metadata, { [CONTROL_PLANE_NS_LABEL]: controlPlane }), annotations: ports },
    spec: {
      ...(serviceAccountName === undefined ? {} : { serviceAccountName }),
      containers: trim(containers),
      initContainers: trim(initContainers),
    },
  };
}

function trimNode(node: Node): Node {
  const zone = node.metadata.labels?.[ZONE_LABEL];
  return { metadata: identifying(node.metadata, zone === undefined ? {} : { [ZONE_LABEL]: zone }) };
}

function identifying(metadata: ObjectMeta, labels: Readonly<Record<string, string>>): ObjectMeta {
  const { name, namespace, uid, resourceVersion } = metadata;
  return {
    name,
    ...(namespace === undefined ? {} : { namespace }),
    ...(uid === undefined ? {} : { uid }),
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
    labels,
  };
}
