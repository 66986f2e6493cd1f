/** Two linked clusters with the shop in both: what every scenario starts from, on whatever home the environment asks for. */
import { availableParallelism, loadavg } from 'node:os';
import { ENDPOINT_SLICES, LINKS, SERVICES } from '@mesh/kube';
import type { Condition, Link, ObjectMeta, Service } from '@mesh/kube';
import type { Home, HomeCluster } from '../../scripts/home/home.ts';
import { linkClusters, MC_NAMESPACE } from '../../scripts/home/install-mesh.ts';
import { deployShop, SHOP, startLoad } from '../../scripts/home/shop.ts';
import { isOk, TrafficLog } from '../../scripts/home/traffic.ts';
import type { RequestRecord } from '../../scripts/home/traffic.ts';
import { until } from '../../scripts/home/wait.ts';
import { TEST_LABEL } from './clean-slate.ts';
import type { TrustMaker } from './clean-slate.ts';
import { HOME_KIND, openHome } from './homes.ts';

const TIMEOUT_MS = 20_000;
/** Real nodes start and stop containers, and their controllers share a machine with all of Kubernetes. */
const PATIENCE = { embedded: 1, kind: 4 } as const;

export class Federation implements AsyncDisposable {
  readonly home: Home;
  readonly log = new TrafficLog();
  readonly #stop = new AbortController();
  #lost: unknown;

  /** @param home With the mesh installed, nothing linked and nothing deployed; goes with the federation. */
  constructor(home: Home) {
    this.home = home;
  }

  /** Clusters with the mesh in them, not linked. */
  static async open(trust?: TrustMaker): Promise<Federation> {
    return new Federation(await openHome(trust));
  }

  get east(): HomeCluster {
    return this.home.cluster('east');
  }

  get west(): HomeCluster {
    return this.home.cluster('west');
  }

  async linkBoth(): Promise<void> {
    await Promise.all([linkClusters(this.east, this.west), linkClusters(this.west, this.east)]);
  }

  async deployShops(): Promise<void> {
    await Promise.all(this.home.clusters.map((cluster) => deployShop(cluster)));
  }

  /** A namespace that goes with the scenario. */
  async namespace(
    cluster: HomeCluster,
    name: string,
    metadata: Pick<ObjectMeta, 'annotations' | 'labels'> = {},
  ): Promise<void> {
    const labels = { ...metadata.labels, [TEST_LABEL.key]: TEST_LABEL.value };
    await cluster.apply([{ apiVersion: 'v1', kind: 'Namespace', metadata: { ...metadata, name, labels } }]);
  }

  /** A customer in `east`, for each target; its requests are in `log`. */
  async customer(
    name: string,
    targets: Readonly<Record<string, string>>,
    { rate = 25, node }: { readonly rate?: number; readonly node?: string | undefined } = {},
  ): Promise<void> {
    await startLoad(this.east, { name, targets, rate, node }, this.log, this.#stop.signal, (error) => {
      this.#lost ??= error;
    });
  }

  /** Requests of `target` sent since `fromMs`. Fails when the log was lost, since then it proves nothing. */
  requests(target: string, fromMs: number): readonly RequestRecord[] {
    if (this.#lost !== undefined) throw new Error('the log of the customer was lost', { cause: this.#lost });
    return this.log.select({ targets: [target], fromMs });
  }

  /** The first request of `target` sent since `fromMs` that `accept`s. */
  async request(
    target: string,
    fromMs: number,
    accept: (record: RequestRecord) => boolean = isOk,
  ): Promise<RequestRecord> {
    return until(
      `a matching request to ${target}`,
      () => {
        const records = this.requests(target, fromMs);
        const found = records.find(accept);
        if (found !== undefined) return found;
        throw new Error(`the last of ${records.length}: ${JSON.stringify(records.at(-1) ?? null)}`);
      },
      { timeoutMs: patience(TIMEOUT_MS), everyMs: 20 },
    );
  }

  /** Lets traffic flow until `count` requests of `target` were sent since `fromMs`, and returns those. */
  async watch(target: string, count: number, fromMs = Date.now()): Promise<readonly RequestRecord[]> {
    await until(`${count} requests to ${target}`, () => this.requests(target, fromMs).length >= count, {
      timeoutMs: patience(TIMEOUT_MS),
    });
    return this.requests(target, fromMs);
  }

  async service(cluster: HomeCluster, name: string): Promise<Service | undefined> {
    return cluster.client.get(SERVICES, { namespace: SHOP, name });
  }

  /** Ready addresses behind a Service. */
  async readyAddresses(cluster: HomeCluster, name: string): Promise<readonly string[]> {
    const { items } = await cluster.client.list(ENDPOINT_SLICES, {
      namespace: SHOP,
      labelSelector: `kubernetes.io/service-name=${name}`,
    });
    return items.flatMap((slice) =>
      slice.endpoints
        .filter((endpoint) => endpoint.conditions?.ready !== false)
        .flatMap((endpoint) => endpoint.addresses),
    );
  }

  async link(cluster: HomeCluster, name: string): Promise<Link | undefined> {
    return cluster.client.get(LINKS, { namespace: MC_NAMESPACE, name });
  }

  /** Waits until a condition of the Link is as wanted, its message too, and returns it. */
  async condition(
    cluster: HomeCluster,
    link: string,
    type: string,
    status: Condition['status'],
    { message = /(?:)/, timeoutMs = TIMEOUT_MS }: { readonly message?: RegExp; readonly timeoutMs?: number } = {},
  ): Promise<Condition> {
    return until(
      `condition ${type}=${status} on Link ${link} in ${cluster.name}${message.source === '(?:)' ? '' : ` with ${message}`}`,
      async () => {
        const conditions = (await this.link(cluster, link))?.status?.conditions ?? [];
        const found = conditions.find((condition) => condition.type === type);
        // What has not been looked at yet is no verdict.
        if (found?.status === status && found.reason !== 'Pending' && message.test(found.message)) return found;
        throw new Error(`it is ${JSON.stringify(found ?? null)}`);
      },
      { timeoutMs: patience(timeoutMs) },
    );
  }

  /** Everything in `cluster` that a mirror controller made. */
  async mirrors(cluster: HomeCluster): Promise<readonly string[]> {
    const labelSelector = 'mirror.linkerd.io/mirrored-service=true';
    const [services, slices] = await Promise.all([
      cluster.client.list(SERVICES, { labelSelector }),
      cluster.client.list(ENDPOINT_SLICES, { labelSelector }),
    ]);
    const name = (kind: string) => (object: Service) =>
      `${kind} ${object.metadata.namespace ?? ''}/${object.metadata.name}`;
    return [...services.items.map(name('Service')), ...slices.items.map(name('EndpointSlice'))].sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.home[Symbol.asyncDispose]();
  }
}

/** A time bound for this machine as crowded as it is now: `ms` when every core is ours, more when others want them too. */
export function bound(ms: number): number {
  return ms * Math.max(1, (loadavg()[0] ?? 0) / availableParallelism());
}

/** How long to wait for what must happen but is not promised by a time: `ms` on an embedded home. */
export function patience(ms: number): number {
  return ms * PATIENCE[HOME_KIND];
}

export function failures(records: readonly RequestRecord[]): readonly string[] {
  return records
    .filter((record) => !isOk(record))
    .map((record) => `${record.target} #${record.seq}: ${record.status} ${record.error ?? ''}`);
}

export { until };
