/** A cluster that exports, in memory, with a publisher in it. */
import {
  ENDPOINT_SLICES,
  EXPORT_POLICIES,
  EXPORTED_ENDPOINTS,
  EXPORTED_SERVICES,
  NAMESPACES,
  PEERS,
  PODS,
  SERVICE_EXPORTS,
  SERVICES,
} from '@mesh/kube';
import type { ClusterFacts, ExportedEndpoint, ExportPolicy, KubeClient, Peer, ServicePort } from '@mesh/kube';
import { FakeApi } from '@mesh/kube/testing';
import { MetricRegistry, silentLogger, systemClock } from '@mesh/runtime';
import { ExportMetrics } from '../exports/export-metrics.ts';
import { ExportPublisher } from '../exports/export-publisher.ts';
import type { ExportPublisherOptions } from '../exports/export-publisher.ts';
import { LocalCluster } from '../local-cluster.ts';
import { MirrorMetrics } from '../metrics.ts';
import type { Killable } from './crash-injection.ts';

export const SHARED_VIEW = 'linkerd-multicluster';

export interface ExportedOptions {
  readonly namespace?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly ports?: readonly ServicePort[];
  readonly headless?: boolean;
}

export interface PodState {
  readonly ready?: boolean;
  readonly account?: string;
  /** Its address; else from its name. */
  readonly address?: string;
}

export class Publisher implements Killable {
  readonly metrics = new ExportMetrics(new MetricRegistry());
  readonly publisher: ExportPublisher;
  readonly #local: LocalCluster;
  isLeader = true;

  constructor(client: KubeClient, options: Partial<ExportPublisherOptions>, facts: () => ClusterFacts) {
    const deps = { client, clock: systemClock, logger: silentLogger };
    this.#local = new LocalCluster(SHARED_VIEW, { ...deps, metrics: new MirrorMetrics() });
    this.publisher = new ExportPublisher(
      { namespace: SHARED_VIEW, coalesceMs: 10, ...options },
      { ...deps, local: this.#local, metrics: this.metrics, isLeader: () => this.isLeader, facts },
    );
  }

  async start(): Promise<this> {
    await this.#local.start(AbortSignal.timeout(10_000));
    await this.publisher.start(AbortSignal.timeout(10_000));
    return this;
  }

  get idle(): boolean {
    return this.publisher.idle;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.publisher[Symbol.asyncDispose]();
    await this.#local[Symbol.asyncDispose]();
  }
}

export class ExportHarness implements AsyncDisposable {
  readonly api: FakeApi;
  facts: ClusterFacts = {
    clusterName: 'here',
    version: '1.2.3',
    trustDomain: 'cluster.local',
    clusterDomain: 'cluster.local',
    controlPlaneNamespace: 'linkerd',
    issuers: [{ keyId: 'aa01', notAfter: '2099-01-01T00:00:00Z' }],
  };
  readonly #running: Publisher[] = [];

  /** @param api Of the cluster that exports. */
  constructor(api: FakeApi = new FakeApi()) {
    this.api = api;
    for (const name of ['shop', SHARED_VIEW]) this.namespace(name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const one of this.#running) await one[Symbol.asyncDispose]();
  }

  async start(
    options: Partial<ExportPublisherOptions> = {},
    client: KubeClient = this.api.client(),
  ): Promise<Publisher> {
    const started = await new Publisher(client, options, () => this.facts).start();
    this.#running.push(started);
    return started;
  }

  namespace(name: string): void {
    this.api.seed(NAMESPACES, { metadata: { name } });
  }

  /** Puts a Service into the cluster; its endpoints are those of {@link endpoints}. */
  service(name: string, options: ExportedOptions = {}): void {
    const { namespace = 'shop', labels = { 'mirror.linkerd.io/exported': 'true' } } = options;
    this.api.seed(SERVICES, {
      metadata: { name, namespace, labels },
      spec: {
        clusterIP: options.headless === true ? 'None' : '10.0.0.1',
        selector: { app: name },
        ports: options.ports ?? [{ name: 'http', port: 80, targetPort: 8080, protocol: 'TCP' }],
      },
    });
  }

  /** Pods of the Service, with an EndpointSlice that refers to them. */
  endpoints(service: string, pods: Readonly<Record<string, PodState>>, part = 'a'): void {
    const metadata = {
      name: `${service}-${part}`,
      namespace: 'shop',
      labels: { 'kubernetes.io/service-name': service },
    };
    const endpoints = Object.entries(pods).map(([name, state]) => ({
      addresses: [state.address ?? addressOf(name)],
      conditions: { ready: state.ready !== false },
      targetRef: { kind: 'Pod', namespace: 'shop', name, uid: this.pod(name, state) },
    }));
    this.api.seed(ENDPOINT_SLICES, { metadata, addressType: 'IPv4', endpoints, ports: [{ name: 'http', port: 8080 }] });
  }

  /** @returns its uid. */
  pod(name: string, { account = 'default' }: PodState = {}): string {
    const known = this.api.peek(PODS, `shop/${name}`);
    const labels = { 'linkerd.io/control-plane-ns': 'linkerd' };
    const spec = { serviceAccountName: account, containers: [{ name: 'linkerd-proxy' }] };
    const pod = this.api.seed(PODS, {
      ...known,
      metadata: { ...known?.metadata, name, namespace: 'shop', labels },
      spec,
    });
    return pod.metadata.uid ?? '';
  }

  /** A Peer with the namespace of its view. */
  peer(name: string, status: Peer['status'] = {}): void {
    this.namespace(`mesh-peer-${name}`);
    this.api.seed(PEERS, { metadata: { name, namespace: SHARED_VIEW }, spec: {}, status });
  }

  policy(name: string, spec: ExportPolicy['spec']): void {
    this.api.seed(EXPORT_POLICIES, { metadata: { name, namespace: 'shop' }, spec });
  }

  serviceExport(name: string): void {
    this.api.seed(SERVICE_EXPORTS, { metadata: { name, namespace: 'shop' } });
  }

  peerStatus(name: string): Peer['status'] {
    return this.api.peek(PEERS, `${SHARED_VIEW}/${name}`)?.status;
  }

  /** Services in a view, by `name: ready`, or with their ports. */
  view(namespace: string = SHARED_VIEW): Readonly<Record<string, boolean>> {
    const found = this.api.peekAll(EXPORTED_SERVICES).filter(({ metadata }) => metadata.namespace === namespace);
    return Object.fromEntries(found.map(({ metadata, spec }) => [metadata.name, spec.ready]));
  }

  ports(key: string): readonly number[] | undefined {
    return this.api.peek(EXPORTED_SERVICES, key)?.spec.ports.map(({ port }) => port);
  }

  /** All addresses of a Service in a view, whatever objects they are in. */
  addresses(service: string, namespace: string = SHARED_VIEW): readonly ExportedEndpoint[] {
    return this.api
      .peekAll(EXPORTED_ENDPOINTS)
      .filter(({ metadata, spec }) => metadata.namespace === namespace && spec.service.name === service)
      .flatMap(({ spec }) => spec.endpoints)
      .toSorted((a, b) => ((a.addresses[0] ?? '') < (b.addresses[0] ?? '') ? -1 : 1));
  }
}

/** Distinct for names that end in a number below 65,536. */
export function addressOf(pod: string): string {
  const number = Number(/\d+$/.exec(pod)?.[0] ?? 0);
  return `10.1.${number >> 8}.${number & 255}`;
}
