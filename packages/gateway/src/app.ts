/**
 * The gateway put together. Parts start in this order and stop in reverse:
 *
 *   admin and probe ports  first, so that probes get an answer (503) while the rest comes up
 *   peers, exports         what may pass
 *   identity               the first certificate
 *   listener, bridges      only then
 */
import type { InboundPolicy, Watched } from '@mesh/model';
import type { Address, Driver, Listener } from '@mesh/net';
import { Backends, ClientConnections, DATA_PATH_DEFAULTS, HttpEngine, MemoryTrim } from '@mesh/proxy';
import type { Endpoints, Identity, ProxyMetrics } from '@mesh/proxy';
import type { KubeClient } from '@mesh/kube';
import { Drain, Readiness, sleep } from '@mesh/runtime';
import type { Clock, Component, Logger } from '@mesh/runtime';
import { Bridges } from './bridges.ts';
import { Exports } from './exports.ts';
import { GatewayAccept } from './gateway-accept.ts';
import type { ServicePolicies } from './gateway-target.ts';
import { GatewayTargets } from './gateway-targets.ts';
import { isLocal, keptEndpoints } from './kept-endpoints.ts';
import type { Admission } from './peer-claims.ts';
import { Peers } from './peers.ts';
import { Ports } from './ports.ts';
import type { PortsDeps, PortsOptions } from './ports.ts';
import { Refusals } from './refusals.ts';

export interface GatewayOptions {
  readonly listen: Address;
  /** Other processes listen at the same ports. */
  readonly reusePort: boolean;
  /** Undefined: another process answers for this one. */
  readonly ports: PortsOptions | undefined;
  /** Where Links and Peers are. */
  readonly namespace: string;
  /** Of this cluster, as its peers know it; empty: not configured. */
  readonly clusterName: string;
  readonly admission: Admission;
  readonly trustDomain: string;
  readonly peerTrustDomains: readonly string[];
  readonly clusterDomain: string;
  /** Open connections of one client address; 0: no limit. */
  readonly connectionsPerClientMax: number;
  readonly shutdownGraceMs: number;
  /** Part of the grace period in which new connections are still served: nodes send them until they know. */
  readonly lingerMs: number;
}

export interface GatewayDeps {
  readonly driver: Driver;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly client: KubeClient;
  readonly identity: Identity;
  /** Authority key identifier of the identity's certificate; undefined before the first. */
  readonly ownIssuer: () => string | undefined;
  /** Starts the identity and resolves with the first certificate. */
  readonly identityComponent: Component;
  readonly endpoints: Endpoints;
  readonly policy: Watched<InboundPolicy>;
  /** What the cluster says of exported Services; undefined: there is no policy service. */
  readonly servicePolicies: ServicePolicies | undefined;
  readonly metrics: ProxyMetrics;
  readonly exposeMetrics: PortsDeps['exposeMetrics'];
  /** Gives unused memory back, when the runtime can. */
  readonly trim?: (() => void) | undefined;
}

export class Gateway implements Component {
  readonly name = 'gateway';
  readonly readiness = new Readiness();
  readonly #options: GatewayOptions;
  readonly #deps: GatewayDeps;
  readonly #drain = new Drain();
  readonly #engine: HttpEngine;
  readonly #exports: Exports;
  readonly #peers: Peers;
  readonly #targets: GatewayTargets;
  readonly #bridges: Bridges;
  readonly #connections: ClientConnections;
  readonly #stack = new AsyncDisposableStack();
  readonly #notStarted: Disposable;
  readonly #ports: Ports | undefined;
  #listener: Listener | undefined;

  constructor(options: GatewayOptions, deps: GatewayDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#notStarted = this.readiness.block('identity and exports');
    this.#engine = new HttpEngine(DATA_PATH_DEFAULTS.outboundHttp, { ...deps, drain: this.#drain });
    this.#exports = new Exports(deps);
    this.#connections = new ClientConnections(options.connectionsPerClientMax);
    this.#peers = new Peers(
      { ...options, ownTrustDomain: options.trustDomain, extraTrustDomains: options.peerTrustDomains },
      { ...deps, onOwnChange: (listener) => deps.identity.onChange(listener) },
    );
    const dataPath = {
      ...deps,
      engine: this.#engine,
      connectBackoff: DATA_PATH_DEFAULTS.outboundConnectBackoff,
      random: Math.random,
      clusterDomain: options.clusterDomain,
    };
    this.#targets = new GatewayTargets({
      ...dataPath,
      backends: new Backends({ ...dataPath, endpoints: keptEndpoints(deps.endpoints, isLocal), ownIps: new Set() }),
      exports: this.#exports,
      policies: deps.servicePolicies,
    });
    this.#bridges = new Bridges(
      { ...options, ip: options.listen.ip, keepAliveMs: DATA_PATH_DEFAULTS.acceptKeepAliveMs },
      { ...dataPath, connections: this.#connections, refusals: new Refusals(deps) },
    );
    this.#ports =
      options.ports === undefined
        ? undefined
        : new Ports(options.ports, {
            ...deps,
            tls: () => deps.identity.tls,
            isServing: () => this.isServing,
            waitingFor: () => this.readiness.waitingFor,
          });
  }

  async start(signal: AbortSignal): Promise<void> {
    const { driver, identityComponent } = this.#deps;
    const { listen, reusePort, clusterName } = this.#options;
    if (this.#ports !== undefined) await this.#stack.use(this.#ports).start();
    for (const part of [this.#peers, identityComponent, this.#exports]) {
      this.#stack.use(part);
      await part.start(signal);
    }
    this.#engine.start();
    this.#stack.defer(() => this.#engine.stop());
    this.#stack.use(this.#targets);
    this.#stack.defer(this.#peers.onChange(() => this.#targets.peersChanged()));
    const accept = new GatewayAccept({
      ...this.#deps,
      engine: this.#engine,
      clusterName,
      peers: this.#peers,
      targets: this.#targets,
      connections: this.#connections,
    });
    const keepAliveMs = DATA_PATH_DEFAULTS.acceptKeepAliveMs;
    this.#listener = await driver.listen({ ...listen, reusePort, keepAliveMs }, accept.handlers, () => undefined);
    this.#stack.defer(() => this.#listener?.close());
    await this.#stack.use(this.#bridges).start(signal);
    await this.#startTrim();
    this.#notStarted[Symbol.dispose]();
  }

  async #startTrim(): Promise<void> {
    const { clock, trim } = this.#deps;
    if (trim !== undefined) await this.#stack.use(new MemoryTrim(clock, trim)).start();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }

  /**
   * Probes fail from here on, so that peers and nodes turn elsewhere. Until they all have, new connections are served like before:
   * closing the listener resets those that the kernel took already. What is in flight then ends within the grace period.
   */
  async drain(): Promise<void> {
    const { shutdownGraceMs } = this.#options;
    const lingerMs = Math.min(this.#options.lingerMs, shutdownGraceMs);
    this.readiness.block('draining');
    await sleep(this.#deps.clock, lingerMs);
    const isFinished = this.#drain.drain(shutdownGraceMs - lingerMs);
    await Promise.all([this.#listener?.close(), this.#bridges.close()]);
    if (!(await isFinished))
      this.#deps.logger.warn('grace period is over, connections are cut', { open: this.#drain.holds });
  }

  get addresses(): { readonly traffic: Address; readonly probe?: Address; readonly admin?: Address } {
    if (this.#listener === undefined) throw new Error('the gateway has not been started');
    return { traffic: this.#listener.address, ...this.#ports?.addresses };
  }

  /** For metrics: exported Services, and how old that knowledge may be. */
  get exportState(): { readonly count: number; readonly stalenessSeconds: number } {
    return { count: this.#exports.count, stalenessSeconds: this.#exports.stalenessSeconds };
  }

  /** For metrics: whether only clients of peers are admitted, and plain ports for clients without a proxy. */
  get state(): { readonly strict: boolean; readonly bridges: readonly number[] } {
    return { strict: this.#peers.strict, bridges: this.#bridges.ports };
  }

  get isServing(): boolean {
    return this.readiness.ready && !this.#drain.signal.aborted && this.#deps.identity.tls !== undefined;
  }
}
