/**
 * One Link at work: its credentials, its peer, its gateway's addresses and their liveness. Follows changes of Link and Secret without a
 * restart, and keeps whatever did not change. Writes nothing.
 */
import type { ClusterAccess, KubeClient, Link, Secret } from '@mesh/kube';
import type { Clock, Logger } from '@mesh/runtime';
import { readCredentials } from './credentials/link-credentials.ts';
import type { CredentialsProblem, LinkCredentials } from './credentials/link-credentials.ts';
import { PeerAccess } from './credentials/peer-access.ts';
import { GatewayAddresses } from './gateway-addresses.ts';
import type { Lookup } from './gateway-addresses.ts';
import type { GatewayAddress } from './gateway-slices.ts';
import { GatewayProber } from './gateway-prober.ts';
import type { ProbeConnector, ProbeResult } from './gateway-prober.ts';
import { parseLink } from './link-plan.ts';
import type { LinkPlan } from './link-plan.ts';
import type { PeerNetworks } from './peer-networks.ts';
import type { ExporterReading, LinkFacts } from './link-facts.ts';
import { followExports, followingKey } from './follow-exports.ts';
import { EXPORT_MODES } from './remote-cluster.ts';
import type { ExportMode, RemoteCluster, RemoteService } from './remote-cluster.ts';

export interface LinkWorkerDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly lookup: Lookup;
  readonly connectProbe: ProbeConnector;
  readonly connectCluster: (access: ClusterAccess) => KubeClient;
  /** Where pods of peers may be. */
  readonly peerNetworks: Pick<PeerNetworks, 'admitted'>;
}

export interface LinkWorkerHandlers {
  readonly onService: (mode: ExportMode, key: string) => void;
  /** Every mirror of this Link may have to change: gateway, plan or sync. */
  readonly onAll: () => void;
  readonly onStatus: () => void;
  readonly onProbe: (result: ProbeResult) => void;
  /** The credentials, or the client that uses them, are others. */
  readonly onCredentials: () => void;
}

/** What came of the last attempt to renew the credentials: a new token, or why there is none. */
export type Renewal = { readonly atMs: number; readonly token: string } | { readonly problem: string };

const PENDING = { reason: 'Pending', message: 'the credentials were not read yet' } as const;

/** How long mirrors wait for the first verdict on a gateway before they are written with what is assumed. */
const VERDICT_WAIT_MS = 2_000;

export class LinkWorker implements AsyncDisposable {
  readonly key: string;
  readonly #deps: LinkWorkerDeps;
  readonly #handlers: LinkWorkerHandlers;
  readonly #addresses: GatewayAddresses;
  readonly #prober: GatewayProber;
  readonly #createdMs: number;
  #plan: LinkPlan | undefined;
  #problems: readonly string[] = [];
  #remote: RemoteCluster | undefined;
  #remoteKey = '';
  #client: KubeClient | undefined;
  #access: PeerAccess | undefined;
  #credentials: LinkCredentials | CredentialsProblem | typeof PENDING = PENDING;
  #renewal: Renewal | undefined;
  #exporter: ExporterReading | undefined;
  #wasSynced = false;
  #disposed = false;

  constructor(link: Link, deps: LinkWorkerDeps, handlers: LinkWorkerHandlers) {
    this.key = `${link.metadata.namespace ?? ''}/${link.metadata.name}`;
    this.#deps = { ...deps, logger: deps.logger.child({ link: this.key }) };
    this.#handlers = handlers;
    this.#createdMs = deps.clock.monotonic();
    this.#prober = new GatewayProber(
      { connect: deps.connectProbe, clock: deps.clock },
      {
        onVerdict: () => this.#gatewayChanged(),
        onDetail: handlers.onStatus,
        onProbe: (_ip, result) => handlers.onProbe(result),
      },
    );
    this.#addresses = new GatewayAddresses({
      lookup: deps.lookup,
      clock: deps.clock,
      logger: this.#deps.logger,
      onChange: () => {
        this.#prober.update(this.#plan?.gateway, this.#plan?.probe, this.#addresses.ips);
        this.#gatewayChanged();
      },
    });
    // A name that never resolves and a gateway that never answers must not hold mirrors back for ever.
    deps.clock.after(VERDICT_WAIT_MS, () => {
      if (!this.#disposed) handlers.onAll();
    });
  }

  get plan(): LinkPlan | undefined {
    return this.#plan;
  }

  /** True when what the peer exports is known: then absence means deletion. */
  get synced(): boolean {
    return this.#remote?.synced === true;
  }

  get stalenessMs(): number {
    return this.#remote?.stalenessMs ?? 0;
  }

  get prober(): GatewayProber {
    return this.#prober;
  }

  /** True when the gateway's addresses and their state are known, or it was waited long enough for them. */
  get settled(): boolean {
    const known = this.#addresses.settled && this.#prober.settled;
    return known || this.#deps.clock.monotonic() - this.#createdMs >= VERDICT_WAIT_MS;
  }

  /** @param assumed What an address without verdict counts as, for instance what its endpoint says now. */
  addresses(assumed: (ip: string) => boolean): readonly GatewayAddress[] {
    const known = this.#addresses.ips.map((ip) => ({
      ip,
      alive: this.#prober.isAlive(ip, assumed(ip)),
      draining: this.#addresses.isDraining(ip),
      zone: this.#addresses.zoneOf(ip),
    }));
    // New addresses count once a probe got through; until one does, the old ones serve.
    const isMoved = known.some(({ alive, draining }) => alive && !draining);
    return isMoved ? known : known.map((address) => ({ ...address, draining: false }));
  }

  remote(mode: ExportMode, key: string): RemoteService | undefined {
    const found = this.#remote?.get(mode, key);
    return found === undefined ? undefined : this.#deps.peerNetworks.admitted(found);
  }

  remoteKeys(mode: ExportMode): readonly string[] {
    return this.#remote?.keys(mode) ?? [];
  }

  remoteCount(mode: ExportMode): number {
    return this.#remote?.count(mode) ?? 0;
  }

  /** The peer's API, while there are credentials for it. */
  get client(): KubeClient | undefined {
    return this.#client;
  }

  get credentials(): LinkCredentials | undefined {
    return 'access' in this.#credentials ? this.#credentials : undefined;
  }

  renewed(renewal: Renewal): void {
    this.#renewal = renewal;
    this.#handlers.onStatus();
  }

  /** What the peer says of itself in our Peer there. */
  exporterRead(reading: ExporterReading | undefined): void {
    this.#exporter = reading;
    this.#handlers.onStatus();
  }

  /** Everything known of the peer is of another one that had its name: with the next update it is read anew. */
  async forgetPeer(): Promise<void> {
    this.#renewal = undefined;
    await this.#disconnect();
  }

  /** How long this Link is followed. */
  get ageMs(): number {
    return this.#deps.clock.monotonic() - this.#createdMs;
  }

  /** Our certificate changed: what failed for want of one may succeed. */
  identityChanged(): void {
    this.#prober.refresh();
  }

  /** Brings the worker in line with the Link and its Secret. Cheap when nothing changed. */
  async update(link: Link, secret: Secret | undefined): Promise<void> {
    const { plan, problems } = parseLink(link);
    const before = JSON.stringify(this.#plan);
    this.#plan = plan;
    this.#problems = problems;
    if (JSON.stringify(plan) !== before) {
      this.#addresses.setHosts(plan?.gateway?.hosts ?? [], plan?.gateway?.zones);
      this.#prober.update(plan?.gateway, plan?.probe, this.#addresses.ips);
      this.#handlers.onAll();
    }
    await this.#connect(plan, secret);
    this.#handlers.onStatus();
  }

  /** What is true of the Link now, for its conditions and for metrics. */
  facts(): LinkFacts {
    const remote = this.#remote;
    const failure = this.#prober.lastFailure;
    return {
      problems: this.#problems,
      credentials: credentialFacts(this.#credentials),
      renewal: this.#renewal,
      exporter: this.#exporter,
      exports:
        this.#remote === undefined ? undefined : EXPORT_MODES.map((mode) => [mode, this.remoteCount(mode)] as const),
      gatewayAddresses: this.#addresses.ips.map((ip) => ({
        ip,
        zone: this.#addresses.zoneOf(ip),
        ...this.#prober.stateOf(ip),
      })),
      hasGateway: this.#plan?.gateway !== undefined,
      wantsGateway: this.#plan?.selector !== undefined || this.#plan?.federatedSelector !== undefined,
      isProbed: this.#plan?.probe !== undefined,
      addressProblems: this.#addresses.problems,
      addressCount: this.#addresses.ips.length,
      gatewayAlive: this.#prober.alive,
      probeFailure: failure === undefined ? undefined : { failure: failure.failure, detail: failure.detail },
      gatewayIdentity: this.#plan?.gateway?.identity ?? '',
      remote:
        remote === undefined
          ? undefined
          : { synced: remote.synced, answered: remote.answered, error: remote.error, stalenessMs: remote.stalenessMs },
      cluster: this.#plan?.cluster ?? '',
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    this.#addresses[Symbol.dispose]();
    this.#prober[Symbol.dispose]();
    await this.#remote?.[Symbol.asyncDispose]();
    this.#remote = undefined;
  }

  async #connect(plan: LinkPlan | undefined, secret: Secret | undefined): Promise<void> {
    if (plan === undefined) return;
    const credentials = readCredentials(
      { namespace: plan.namespace, name: plan.secretName, cluster: plan.cluster },
      secret,
    );
    const before = this.credentials?.text;
    this.#credentials = credentials;
    if (!('access' in credentials)) {
      // Without credentials nothing may be followed; what was mirrored stays as it is.
      await this.#disconnect();
      return;
    }
    const remoteKey = followingKey(plan);
    const isSame = remoteKey === this.#remoteKey && credentials.text === before;
    if (isSame) return;
    if (!isOf(this.#renewal, credentials)) this.#renewal = undefined;
    // A healthy connection goes on under a new token; one in trouble begins anew, and does not wait for its next attempt.
    const isHealthy =
      remoteKey === this.#remoteKey && this.#remote?.answered === true && this.#remote.error === undefined;
    if (isHealthy && this.#access?.follow(credentials.access) === true) {
      this.#handlers.onCredentials();
      return;
    }
    await this.#disconnect();
    if (this.#disposed) return;
    this.#remoteKey = remoteKey;
    this.#wasSynced = false;
    this.#access = new PeerAccess(credentials.access);
    this.#client = this.#deps.connectCluster(this.#access.access);
    this.#remote = followExports(
      plan,
      { client: this.#client, clock: this.#deps.clock, logger: this.#deps.logger },
      { onService: this.#handlers.onService, onStatus: () => this.#remoteStatusChanged() },
    );
    this.#remote.run();
    this.#handlers.onCredentials();
  }

  async #disconnect(): Promise<void> {
    this.#remoteKey = '';
    const remote = this.#remote;
    this.#remote = undefined;
    // Ours no more; the remote closes it.
    this.#client = undefined;
    this.#access = undefined;
    this.#exporter = undefined;
    await remote?.[Symbol.asyncDispose]();
  }

  #remoteStatusChanged(): void {
    if (this.synced && !this.#wasSynced) {
      this.#wasSynced = true;
      this.#handlers.onAll();
    }
    this.#handlers.onStatus();
  }

  #gatewayChanged(): void {
    this.#handlers.onAll();
    this.#handlers.onStatus();
  }
}

function credentialFacts(state: LinkCredentials | CredentialsProblem | typeof PENDING): LinkFacts['credentials'] {
  if (!('access' in state)) return { ok: false, reason: state.reason, message: state.message };
  return { ok: true, token: state.token === undefined ? undefined : { expiresMs: state.token.expiresMs } };
}

/** The credentials are what that renewal brought. */
function isOf(renewal: Renewal | undefined, { token }: LinkCredentials): boolean {
  return renewal !== undefined && 'token' in renewal && renewal.token === token?.text;
}
