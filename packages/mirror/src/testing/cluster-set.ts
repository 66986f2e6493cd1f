/** Clusters in memory that are all linked with each other, each with what exports and imports Services of the set. */
import {
  ENDPOINT_SLICES,
  kubeConfigText,
  LINKS,
  NAMESPACES,
  PODS,
  SECRETS,
  SERVICE_EXPORTS,
  SERVICE_IMPORTS,
  SERVICES,
} from '@mesh/kube';
import type {
  Condition,
  EndpointSlice,
  KubeClient,
  KubeObject,
  ResourceKind,
  Service,
  ServiceExport,
  ServiceImport,
  ServicePort,
  ServiceSpec,
} from '@mesh/kube';
import { FakeApi } from '@mesh/kube/testing';
import { parseCidr } from '@mesh/model';
import { MetricRegistry, silentLogger, systemClock } from '@mesh/runtime';
import { ExportMetrics } from '../exports/export-metrics.ts';
import { ExportPublisher } from '../exports/export-publisher.ts';
import { LinkRegistry } from '../link-registry.ts';
import { LocalCluster } from '../local-cluster.ts';
import { localExports } from '../mcs/local-exports.ts';
import { McsController } from '../mcs/mcs-controller.ts';
import { derivedName, LABEL_SOURCE_CLUSTER } from '../mcs/names.ts';
import { MirrorMetrics } from '../metrics.ts';
import { ANNOTATION_VIEWS, LABEL_MCS_SERVICE } from '../names.ts';
import { PeerNetworks } from '../peer-networks.ts';
import type { Killable } from './crash-injection.ts';
import { FakeGateways } from './fake-gateways.ts';
import { LINK_NAMESPACE, linkObject } from './harness.ts';

export const HTTP: ServicePort = { name: 'http', port: 80, targetPort: 8080, protocol: 'TCP' };

export interface ExportedOptions {
  readonly namespace?: string;
  readonly spec?: Partial<ServiceSpec>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly exported?: ServiceExport['spec'];
  /** RFC 3339; the fake API takes the time of the first writing otherwise. */
  readonly createdAt?: string;
}

export interface Pods {
  /** By name of the pod; the value is its address. */
  readonly [name: string]: string;
}

/** The processes of one cluster that matter here. */
export class SetMirror implements Killable {
  readonly metrics = new MirrorMetrics();
  readonly mcs: McsController;
  readonly #local: LocalCluster;
  readonly #links: LinkRegistry;
  readonly #publisher: ExportPublisher;
  isLeader = true;

  constructor(cluster: SetCluster, client: KubeClient, set: ClusterSet) {
    const shared = { client: allocating(client, cluster), clock: systemClock, logger: silentLogger };
    const isLeader = (): boolean => this.isLeader;
    this.#local = new LocalCluster(LINK_NAMESPACE, { ...shared, metrics: this.metrics });
    this.#links = new LinkRegistry(this.#local, this.metrics, {
      ...shared,
      lookup: () => Promise.reject(new Error('no names here')),
      connectProbe: set.gateways.connect,
      peerNetworks: new PeerNetworks([]),
      connectCluster: ({ contextName }) => set.cluster(contextName).api.client(),
    });
    this.#publisher = new ExportPublisher(
      { namespace: LINK_NAMESPACE, coalesceMs: 1 },
      {
        ...shared,
        local: this.#local,
        metrics: new ExportMetrics(new MetricRegistry()),
        isLeader,
        facts: () => ({ trustDomain: 'cluster.local', controlPlaneNamespace: 'linkerd' }),
      },
    );
    this.mcs = new McsController(
      {
        namespace: LINK_NAMESPACE,
        clusterName: cluster.isNamed ? cluster.name : '',
        network: parseCidr(cluster.network ?? ''),
      },
      {
        ...shared,
        local: this.#local,
        links: this.#links,
        exports: localExports(this.#publisher.sources),
        isLeader,
        metrics: this.metrics,
      },
    );
  }

  async start(): Promise<this> {
    const signal = AbortSignal.timeout(30_000);
    for (const part of [this.#local, this.#publisher, this.mcs, this.#links]) await part.start(signal);
    return this;
  }

  get idle(): boolean {
    return this.mcs.idle && this.#publisher.idle;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const part of [this.#links, this.mcs, this.#publisher, this.#local]) await part[Symbol.asyncDispose]();
  }
}

export class SetCluster {
  readonly api = new FakeApi();
  readonly name: string;
  /** Families that the API server gives addresses of. */
  families: readonly string[] = ['IPv4'];
  isNamed = true;
  /** Of the addresses that are the same everywhere. */
  network: string | undefined;
  #addresses = 0;

  constructor(name: string) {
    this.name = name;
    for (const namespace of ['shop', LINK_NAMESPACE]) this.api.seed(NAMESPACES, { metadata: { name: namespace } });
  }

  nextAddresses(): readonly string[] {
    this.#addresses += 1;
    return this.families.map((family) =>
      family === 'IPv4' ? `10.96.0.${this.#addresses}` : `fd00::${this.#addresses.toString(16)}`,
    );
  }

  /** A Service with its endpoints; the ports' names become those of the slice. */
  service(name: string, pods: Pods, options: ExportedOptions = {}): void {
    const { namespace = 'shop', spec = {}, labels = {} } = options;
    const ports = spec.ports ?? [HTTP];
    this.api.seed<Service>(SERVICES, {
      metadata: { name, namespace, labels },
      spec: {
        type: 'ClusterIP',
        clusterIP: '10.96.255.1',
        ipFamilies: ['IPv4'],
        selector: { app: name },
        ports,
        ...spec,
      },
    });
    const endpoints = Object.entries(pods).map(([pod, address]) => ({
      addresses: [address],
      conditions: { ready: true },
      hostname: pod,
      nodeName: 'node-1',
      targetRef: { kind: 'Pod', namespace, name: pod, uid: this.#pod(namespace, pod) },
    }));
    this.api.seed<EndpointSlice>(ENDPOINT_SLICES, {
      metadata: {
        name: `${name}-abc`,
        namespace,
        labels: {
          'kubernetes.io/service-name': name,
          'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
        },
      },
      addressType: 'IPv4',
      endpoints,
      ports: ports.map(({ name: port = '', port: number, targetPort, protocol = 'TCP' }) => ({
        name: port,
        port: typeof targetPort === 'number' ? targetPort : number,
        protocol,
      })),
    });
  }

  export(name: string, options: ExportedOptions = {}): void {
    const { namespace = 'shop', exported, createdAt } = options;
    this.api.seed<ServiceExport>(SERVICE_EXPORTS, {
      metadata: { name, namespace },
      ...(exported === undefined ? {} : { spec: exported }),
    });
    if (createdAt !== undefined) backdate(this.api, `${namespace}/${name}`, createdAt);
  }

  unexport(name: string, namespace = 'shop'): void {
    this.api.remove(SERVICE_EXPORTS, `${namespace}/${name}`);
  }

  serviceImport(name: string, namespace = 'shop'): ServiceImport | undefined {
    return this.api.peek(SERVICE_IMPORTS, `${namespace}/${name}`);
  }

  derived(name: string, namespace = 'shop'): Service | undefined {
    return this.api.peek(SERVICES, `${namespace}/${derivedName({ namespace, name })}`);
  }

  /** Slices of an import, of one source cluster if it is given. */
  slices(name: string, cluster?: string): readonly EndpointSlice[] {
    return this.api
      .peekAll(ENDPOINT_SLICES)
      .filter(({ metadata: { labels = {} } }) => labels[LABEL_MCS_SERVICE] === name)
      .filter(({ metadata: { labels = {} } }) => cluster === undefined || labels[LABEL_SOURCE_CLUSTER] === cluster);
  }

  condition(name: string, type: string, namespace = 'shop'): Condition | undefined {
    return this.api
      .peek(SERVICE_EXPORTS, `${namespace}/${name}`)
      ?.status?.conditions?.find((condition) => condition.type === type);
  }

  #pod(namespace: string, name: string): string {
    const known = this.api.peek(PODS, `${namespace}/${name}`);
    const pod = known ?? this.api.seed(PODS, { metadata: { name, namespace }, spec: { containers: [] } });
    return pod.metadata.uid ?? '';
  }
}

export interface LinkOptions {
  /** `flat` or `gateway`: as the Link's annotation has it. */
  readonly path?: 'flat' | 'gateway';
}

export class ClusterSet implements AsyncDisposable {
  readonly gateways = new FakeGateways();
  readonly #clusters = new Map<string, SetCluster>();
  readonly #running = new Map<string, SetMirror[]>();

  constructor(names: readonly string[], options: LinkOptions = { path: 'flat' }) {
    for (const name of names) this.#clusters.set(name, new SetCluster(name));
    for (const from of names) for (const to of names) if (from !== to) this.link(from, to, options);
  }

  cluster(name: string): SetCluster {
    const found = this.#clusters.get(name);
    if (found === undefined) throw new Error(`there is no cluster ${name}`);
    return found;
  }

  get all(): readonly SetCluster[] {
    return [...this.#clusters.values()];
  }

  /** Nobody has anything to do at the moment. */
  get isIdle(): boolean {
    return [...this.#running.values()].flat().every((mirror) => mirror.idle);
  }

  link(from: string, to: string, { path }: LinkOptions = {}): void {
    const { api } = this.cluster(from);
    const text = kubeConfigText({ name: to, server: `https://${to}.invalid`, caPem: undefined, token: 'right' });
    api.seed(SECRETS, {
      metadata: { name: `cluster-credentials-${to}`, namespace: LINK_NAMESPACE },
      data: { kubeconfig: Buffer.from(text).toString('base64') },
    });
    const link = linkObject(to);
    const annotations = {
      [ANNOTATION_VIEWS]: LINK_NAMESPACE,
      ...(path === undefined ? {} : { 'federation.mesh.dev/path': path }),
    };
    api.seed(LINKS, { ...link, metadata: { ...link.metadata, annotations } });
  }

  /** A mirror in each of these clusters, all by default. */
  async start(...names: readonly string[]): Promise<void> {
    const wanted = names.length === 0 ? [...this.#clusters.keys()] : names;
    await Promise.all(wanted.map((name) => this.startIn(name)));
  }

  async startIn(name: string, client?: KubeClient): Promise<SetMirror> {
    const cluster = this.cluster(name);
    const mirror = new SetMirror(cluster, client ?? cluster.api.client(), this);
    this.#running.set(name, [...(this.#running.get(name) ?? []), mirror]);
    return mirror.start();
  }

  async stop(name: string): Promise<void> {
    for (const mirror of this.#running.get(name) ?? []) await mirror[Symbol.asyncDispose]();
    this.#running.delete(name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#running.keys()].map((name) => this.stop(name)));
  }
}

/** Gives Services addresses as the API server would. */
function allocating(client: KubeClient, cluster: SetCluster): KubeClient {
  const create = <T extends KubeObject>(kind: ResourceKind<T>, object: T, ...rest: readonly unknown[]): Promise<T> => {
    const service = object as unknown as Service;
    const needs = (kind as ResourceKind) === SERVICES && service.spec?.clusterIP === undefined;
    const clusterIPs = needs ? cluster.nextAddresses() : [];
    const spec = { ...service.spec, clusterIP: clusterIPs[0], clusterIPs, ipFamilies: cluster.families };
    return client.create(kind, needs ? { ...object, spec } : object, ...(rest as []));
  };
  return new Proxy(client, {
    get(target, property) {
      if (property === 'create') return create;
      const value: unknown = Reflect.get(target, property, target);
      return typeof value === 'function' ? (value as (...args: unknown[]) => unknown).bind(target) : value;
    },
  });
}

/** The fake API, like the real one, takes its own time for the creation. */
function backdate(api: FakeApi, key: string, createdAt: string): void {
  const live = api.peek(SERVICE_EXPORTS, key);
  if (live === undefined) return;
  (live.metadata as { creationTimestamp?: string }).creationTimestamp = createdAt;
  api.seed(SERVICE_EXPORTS, { ...live, metadata: { ...live.metadata, annotations: { touched: createdAt } } });
}
