/**
 * Who the pods behind a Linkerd peer's slices are: their mesh identity, how their proxies are reached, which of their ports are opaque.
 * Pods are followed only in namespaces where something is exported whose addresses count.
 */
import { CONFIG_MAPS, Informer, isKubeError, keyOf, PODS } from '@mesh/kube';
import type { ConfigMap, Endpoint, EndpointPort, EndpointSlice, ExportedEndpoint, KubeError, Pod } from '@mesh/kube';
import {
  CONTROL_PLANE_NS_LABEL,
  controlPlaneOf,
  identityOf,
  INBOUND_LISTEN_VARIABLE,
  OPAQUE_PORTS,
  portsFrom,
  PROXY_CONTAINER,
  proxyInboundPort,
  SKIP_INBOUND_PORTS,
} from '@mesh/model';
import { isAbort } from '@mesh/runtime';
import type { Timer } from '@mesh/runtime';
import type { RemoteClusterDeps, RemoteEndpoints } from './remote-cluster.ts';

export interface PeerPodsOptions {
  readonly controlPlaneNamespace: string;
  /** When the peer does not say. */
  readonly trustDomain: string;
}

export interface PeerPodsHandlers {
  /** What is known of pods of the namespace changed. */
  readonly onNamespace: (namespace: string) => void;
  readonly onStatus: () => void;
}

const CONFIG_NAME = 'linkerd-config';
const CONFIG_TIMEOUT_MS = 5_000;
const CONFIG_RETRY_MS = 1_000;

export class PeerPods implements AsyncDisposable {
  readonly #options: PeerPodsOptions;
  readonly #deps: RemoteClusterDeps;
  readonly #handlers: PeerPodsHandlers;
  readonly #namespaces = new Map<string, Informer<Pod>>();
  readonly #stop = new AbortController();
  #trustDomain: string | undefined;
  #asking = false;
  #timer: Timer | undefined;
  #error: KubeError | undefined;

  constructor(options: PeerPodsOptions, deps: RemoteClusterDeps, handlers: PeerPodsHandlers) {
    this.#options = options;
    this.#deps = deps;
    this.#handlers = handlers;
  }

  get error(): KubeError | undefined {
    const lost = [...this.#namespaces.values()].map((informer) => informer.lastError);
    return this.#error ?? lost.find((error) => error !== undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#timer?.cancel();
    await Promise.all([...this.#namespaces.values()].map((informer) => informer[Symbol.asyncDispose]()));
  }

  /** The addresses of slices with what is known of their pods; `undefined` while nothing is: without identities traffic would go unencrypted. */
  resolve(slices: readonly EndpointSlice[]): readonly RemoteEndpoints[] | undefined {
    const groups: RemoteEndpoints[] = [];
    for (const slice of slices) {
      const { addressType, endpoints, ports = [] } = slice;
      if (addressType === 'FQDN') continue;
      const namespace = slice.metadata.namespace ?? '';
      const hasPods = endpoints.some(({ targetRef }) => targetRef !== undefined);
      const pods = hasPods ? this.#follow(namespace) : undefined;
      if (hasPods && (pods?.synced !== true || this.#trustDomain === undefined)) return undefined;
      const found = endpoints
        .map((endpoint) => {
          const name = endpoint.targetRef?.name;
          return { endpoint, pod: name === undefined ? undefined : pods?.get(keyOf({ namespace, name })) };
        })
        // The watch of slices may be ahead of that of pods: who is not known yet gets no traffic yet.
        .filter(({ endpoint, pod }) => endpoint.targetRef === undefined || pod !== undefined);
      const skips = found.some(({ pod }) => pod !== undefined && ports.some((port) => isSkipped(pod, port.port ?? 0)));
      // A port that passes its sidecar by is not meshed, whatever the pod is: then each port is its own group.
      for (const together of skips ? ports.map((port) => [port]) : [ports]) {
        groups.push({
          addressType,
          ports: together.map(portOf),
          endpoints: found.map(({ endpoint, pod }) =>
            exportedEndpoint(endpoint, this.#meshed(pod, together[0]?.port ?? 0)),
          ),
        });
      }
    }
    return groups;
  }

  #meshed(pod: Pod | undefined, port: number): Meshed {
    if (pod === undefined || this.#trustDomain === undefined || controlPlaneOf(pod) === '') return NOT_MESHED;
    if (isSkipped(pod, port)) return NOT_MESHED;
    const opaque = pod.metadata.annotations?.[OPAQUE_PORTS];
    return {
      identity: identityOf(pod, this.#trustDomain),
      inboundPort: proxyInboundPort(pod),
      ...(opaque === undefined ? {} : { opaquePorts: portsFrom(opaque, pod).toString() }),
    };
  }

  #follow(namespace: string): Informer<Pod> {
    if (this.#trustDomain === undefined) this.#askTrustDomain();
    const known = this.#namespaces.get(namespace);
    if (known !== undefined) return known;
    const informer = new Informer<Pod>({ kind: PODS, namespace, transform: trimPod }, this.#deps);
    this.#namespaces.set(namespace, informer);
    informer.onChange(({ type, object, previous }) => {
      const isSame = previous !== undefined && fingerprint(previous) === fingerprint(object);
      // While pods are listed for the first time everything is announced once, at the end.
      if (informer.synced && type !== 'deleted' && !isSame) this.#handlers.onNamespace(namespace);
    });
    let wasSynced = false;
    informer.onStatus(() => {
      if (informer.synced && !wasSynced) {
        wasSynced = true;
        this.#handlers.onNamespace(namespace);
      }
      this.#handlers.onStatus();
    });
    informer.run();
    return informer;
  }

  #askTrustDomain(): void {
    if (this.#asking || this.#stop.signal.aborted) return;
    this.#asking = true;
    void this.#readTrustDomain();
  }

  async #readTrustDomain(): Promise<void> {
    const ref = { namespace: this.#options.controlPlaneNamespace, name: CONFIG_NAME };
    try {
      const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(CONFIG_TIMEOUT_MS)]);
      const config = await this.#deps.client.get(CONFIG_MAPS, ref, signal);
      this.#trustDomain = trustDomainOf(config) ?? this.#options.trustDomain;
      this.#error = undefined;
      for (const namespace of this.#namespaces.keys()) this.#handlers.onNamespace(namespace);
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      if (isKubeError(error)) this.#error = error;
      else if (!isAbort(error)) throw error;
      this.#asking = false;
      this.#timer = this.#deps.clock.after(CONFIG_RETRY_MS, () => this.#askTrustDomain());
    }
    this.#handlers.onStatus();
  }
}

type Meshed = Pick<ExportedEndpoint, 'identity' | 'inboundPort' | 'opaquePorts'>;
const NOT_MESHED: Meshed = {};

function exportedEndpoint(endpoint: Endpoint, meshed: Meshed): ExportedEndpoint {
  const { addresses, hostname, zone, targetRef } = endpoint;
  return {
    addresses,
    ready: endpoint.conditions?.ready !== false,
    ...(hostname === undefined ? {} : { hostname }),
    ...(zone === undefined ? {} : { zone }),
    ...(targetRef?.name === undefined ? {} : { podName: targetRef.name }),
    ...meshed,
  };
}

function portOf(port: EndpointPort): RemoteEndpoints['ports'][number] {
  return {
    name: port.name ?? '',
    port: port.port ?? 0,
    protocol: port.protocol ?? 'TCP',
    ...(port.appProtocol === undefined ? {} : { appProtocol: port.appProtocol }),
  };
}

function isSkipped(pod: Pod, port: number): boolean {
  return portsFrom(pod.metadata.annotations?.[SKIP_INBOUND_PORTS] ?? '', pod).has(port);
}

/** What is kept of a pod, but for its version. */
function fingerprint({ metadata, spec }: Pod): string {
  return JSON.stringify([metadata.uid, metadata.labels, metadata.annotations, spec]);
}

/** The values are a YAML map whose top-level entries are plain scalars, one a line, as the CLI writes them. */
function trustDomainOf(config: ConfigMap | undefined): string | undefined {
  const values = config?.data?.['values'] ?? '';
  const scalar = (name: string): string | undefined =>
    new RegExp(`^${name}:[ \\t]*["']?([A-Za-z0-9.-]+)["']?[ \\t]*$`, 'm').exec(values)?.[1];
  return scalar('identityTrustDomain') ?? scalar('clusterDomain');
}

/** Pods are large, and little of them says who they are. */
function trimPod(pod: Pod): Pod {
  const { name, namespace, uid, resourceVersion, labels, annotations } = pod.metadata;
  const controlPlane = labels?.[CONTROL_PLANE_NS_LABEL];
  const kept = [OPAQUE_PORTS, SKIP_INBOUND_PORTS].flatMap((key) =>
    annotations?.[key] === undefined ? [] : [[key, annotations[key]] as const],
  );
  const { serviceAccountName, containers, initContainers = [] } = pod.spec;
  return {
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      ...(uid === undefined ? {} : { uid }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
      ...(controlPlane === undefined ? {} : { labels: { [CONTROL_PLANE_NS_LABEL]: controlPlane } }),
      ...(kept.length === 0 ? {} : { annotations: Object.fromEntries(kept) }),
    },
    spec: {
      ...(serviceAccountName === undefined ? {} : { serviceAccountName }),
      // Container ports give names of opaque ports their numbers.
      containers: [...initContainers, ...containers].map(({ name: container, ports, env }) => ({
        name: container,
        ...(kept.length === 0 || ports === undefined ? {} : { ports }),
        ...(container === PROXY_CONTAINER
          ? { env: (env ?? []).filter((one) => one.name === INBOUND_LISTEN_VARIABLE) }
          : {}),
      })),
    },
  };
}
