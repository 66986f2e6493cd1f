/** The mirror put together: caches, Links, leader election, the controller, the admin port. */
import { createKubeClient, LeaderElection } from '@mesh/kube';
import type { ClusterAccess, KubeClient } from '@mesh/kube';
import type { Cidr } from '@mesh/model';
import { MESH_VERSION, Readiness } from '@mesh/runtime';
import { AdminServer } from '@mesh/runtime/admin';
import type { Clock, Component, LogControl, Logger } from '@mesh/runtime';
import { CredentialRenewer } from './credentials/renewer.ts';
import { ExportPublisher } from './exports/export-publisher.ts';
import type { ExportPublisherOptions } from './exports/export-publisher.ts';
import type { Lookup } from './gateway-addresses.ts';
import type { ProbeConnector } from './gateway-prober.ts';
import { LinkRegistry } from './link-registry.ts';
import type { LinkWorker } from './link-worker.ts';
import { LocalCluster } from './local-cluster.ts';
import { localExports } from './mcs/local-exports.ts';
import { McsController } from './mcs/mcs-controller.ts';
import { MirrorMetrics } from './metrics.ts';
import { OwnCluster } from './own-cluster.ts';
import type { OwnClusterOptions } from './own-cluster.ts';
import { PeerAnnouncer } from './peers/announcer.ts';
import type { ClusterGauges } from './metrics.ts';
import { MirrorController } from './mirror-controller.ts';
import { PeerNetworks } from './peer-networks.ts';

export const LEASE_NAME = 'linkerd-service-mirror';

export interface MirrorOptions {
  /** Where Links and their Secrets are. */
  readonly namespace: string;
  /** This replica's name in the Lease. */
  readonly replica: string;
  readonly enableNamespaceCreation: boolean;
  /** Where pods of peers may be; empty: anywhere but in loopback, link-local, multicast and reserved networks. */
  readonly peerNetworks?: readonly Cidr[];
  /** Where ServiceImports have the same address in every cluster; absent: any address of this cluster. */
  readonly clustersetNetwork?: Cidr | undefined;
  /** What peers hear of this cluster; a cluster without name when absent. */
  readonly cluster?: OwnClusterOptions;
  readonly credentialsRenewAfterMs?: number | undefined;
  /** Between announcements at peers. */
  readonly announceMs?: number;
  readonly exports?: Omit<ExportPublisherOptions, 'namespace' | 'resyncMs'>;
  /** Absent: no admin port. */
  readonly adminAddress?: { readonly host: string; readonly port: number };
  readonly leaseDurationMs?: number;
  readonly leaseRenewMs?: number;
  readonly resyncMs?: number;
  readonly statusIntervalMaxMs?: number;
}

export interface MirrorDeps {
  /** This cluster. */
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Changed at run time through the admin port. */
  readonly logControl: LogControl;
  readonly lookup: Lookup;
  readonly connectProbe: ProbeConnector;
  /** A peer's API; over the network unless a test says otherwise. */
  readonly connectCluster?: (access: ClusterAccess) => KubeClient;
}

export class Mirror implements Component {
  readonly name = 'mirror';
  readonly metrics = new MirrorMetrics();
  readonly readiness = new Readiness();
  readonly controller: MirrorController;
  /** What this cluster says of itself. */
  readonly own: OwnCluster;
  /** What peers may see of this cluster. */
  readonly exports: ExportPublisher;
  /** What this cluster shares with the cluster set (KEP-1645). */
  readonly mcs: McsController;
  readonly #renewer: CredentialRenewer;
  readonly #announcer: PeerAnnouncer;
  readonly #local: LocalCluster;
  readonly #links: LinkRegistry;
  readonly #leader: LeaderElection;
  readonly #admin: AdminServer | undefined;
  readonly #started = new AsyncDisposableStack();
  readonly #notReady: Disposable;

  constructor(options: MirrorOptions, deps: MirrorDeps) {
    const { metrics } = this;
    this.#notReady = this.readiness.block('caches of this cluster');
    this.#local = new LocalCluster(options.namespace, { ...deps, metrics });
    this.#links = new LinkRegistry(this.#local, metrics, {
      ...deps,
      peerNetworks: new PeerNetworks(options.peerNetworks ?? []),
      connectCluster:
        deps.connectCluster ?? ((access) => createKubeClient(access, { maxConnections: PEER_CONNECTIONS })),
    });
    this.#leader = new LeaderElection(
      {
        namespace: options.namespace,
        leaseName: LEASE_NAME,
        identity: options.replica,
        ...(options.leaseDurationMs === undefined ? {} : { leaseDurationMs: options.leaseDurationMs }),
        ...(options.leaseRenewMs === undefined ? {} : { renewMs: options.leaseRenewMs }),
      },
      deps,
    );
    this.controller = new MirrorController(
      {
        enableNamespaceCreation: options.enableNamespaceCreation,
        ...(options.resyncMs === undefined ? {} : { resyncMs: options.resyncMs }),
        ...(options.statusIntervalMaxMs === undefined ? {} : { statusIntervalMaxMs: options.statusIntervalMaxMs }),
      },
      { ...deps, metrics, local: this.#local, links: this.#links, isLeader: () => this.#leader.isLeader },
    );
    const isLeader = (): boolean => this.#leader.isLeader;
    const shared = { ...deps, local: this.#local, links: this.#links, isLeader };
    const cluster = options.cluster ?? UNNAMED;
    this.own = new OwnCluster(cluster, deps);
    this.#renewer = new CredentialRenewer(
      { controlPlaneNamespace: cluster.controlPlaneNamespace, renewAfterMaxMs: options.credentialsRenewAfterMs },
      { ...shared, onRenewal: (name, succeeded) => metrics.renewed(name, succeeded) },
    );
    this.exports = new ExportPublisher(
      {
        namespace: options.namespace,
        ...(options.resyncMs === undefined ? {} : { resyncMs: options.resyncMs }),
        ...options.exports,
      },
      { ...deps, local: this.#local, isLeader, metrics: metrics.exports, facts: () => this.own.facts() },
    );
    this.own.onChange(() => this.exports.factsChanged());
    this.mcs = new McsController(
      {
        namespace: options.namespace,
        clusterName: cluster.clusterName,
        network: options.clustersetNetwork,
        ...(options.resyncMs === undefined ? {} : { resyncMs: options.resyncMs }),
      },
      { ...shared, exports: localExports(this.exports.sources), metrics },
    );
    this.#announcer = new PeerAnnouncer({ periodMs: options.announceMs }, { ...shared, own: this.own });
    this.#admin =
      options.adminAddress === undefined
        ? undefined
        : new AdminServer(options.adminAddress, {
            readiness: this.readiness,
            metrics: { expose: () => this.exposeMetrics() },
            logControl: deps.logControl,
            logger: deps.logger,
          });
  }

  /** Admin first, so that probes see a process that waits; the Lease last, so that a leader knows everything. */
  async start(signal: AbortSignal): Promise<void> {
    const parts: readonly (Component | undefined)[] = [
      this.#admin,
      this.#local,
      this.controller,
      this.exports,
      this.mcs,
      this.#renewer,
      this.#announcer,
      this.#links,
      this.#leader,
    ];
    for (const part of parts) {
      if (part === undefined) continue;
      this.#started.use(part);
      await part.start(signal);
    }
    this.#leader.onChange((leading) => {
      for (const part of [this.controller, this.exports, this.mcs, this.#renewer, this.#announcer])
        part.leadershipChanged(leading);
    });
    this.#notReady[Symbol.dispose]();
  }

  /** The Lease goes first, so that a standby takes over while we close. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#started.disposeAsync();
  }

  get isLeader(): boolean {
    return this.#leader.isLeader;
  }

  get adminPort(): number {
    return this.#admin?.port ?? 0;
  }

  /** True when every key is worked off. */
  get idle(): boolean {
    return this.controller.idle && this.exports.idle && this.mcs.idle;
  }

  /** Our workload certificate changed. */
  identityChanged(): void {
    this.#links.identityChanged();
  }

  exposeMetrics(): string {
    this.metrics.exports.show(this.exports.gauges());
    return this.metrics.expose({
      leading: this.#leader.isLeader,
      queueDepth: this.controller.depth + this.mcs.depth,
      imports: this.mcs.importCount,
      clusters: this.#links.all().flatMap((worker) => this.#gauges(worker)),
    });
  }

  #gauges(worker: LinkWorker): readonly ClusterGauges[] {
    const { plan } = worker;
    if (plan === undefined) return [];
    const { prober } = worker;
    const facts = worker.facts();
    const { mirrored, failed } = this.controller.counts(worker.key);
    return [
      {
        cluster: plan.cluster,
        isProbed: plan.gateway !== undefined && plan.probe !== undefined,
        alive: prober.alive === true,
        latencyMs: prober.latencyMs,
        stalenessMs: worker.stalenessMs,
        reachable: facts.remote?.answered === true && facts.remote.error === undefined,
        mirrored,
        failed,
      },
    ];
  }
}

const UNNAMED: OwnClusterOptions = {
  clusterName: '',
  version: MESH_VERSION,
  trustDomain: 'cluster.local',
  clusterDomain: 'cluster.local',
  controlPlaneNamespace: 'linkerd',
};

/** Lists and liveness checks only; watches have connections of their own. */
const PEER_CONNECTIONS = 4;
