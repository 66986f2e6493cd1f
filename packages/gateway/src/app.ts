/**
 * The gateway put together. Parts start in this order and stop in reverse:
 *
 *   admin and probe ports  first, so that probes get an answer (503) while the rest comes up
 *   peers, exports         what may pass
 *   identity               the first certificate
 *   listener               only then
 */
import type { InboundPolicy, Watched } from '@mesh/model';
import type { Address, Driver, Listener } from '@mesh/net';
import { Backends, DATA_PATH_DEFAULTS, HttpEngine, listenHttp, MemoryTrim } from '@mesh/proxy';
import type { AdminResponse, Endpoints, Identity, ProxyMetrics } from '@mesh/proxy';
import type { KubeClient } from '@mesh/kube';
import { METRICS_CONTENT_TYPE, Drain, Readiness, sleep } from '@mesh/runtime';
import type { Clock, Component, Logger } from '@mesh/runtime';
import { ExportedServices } from './exported-services.ts';
import { GatewayAccept } from './gateway-accept.ts';
import { GatewayTargets } from './gateway-targets.ts';
import type { ServicePolicies } from './gateway-targets.ts';
import { Peers } from './peers.ts';

export interface GatewayOptions {
  readonly listen: Address;
  readonly probe: Address & { readonly path: string };
  readonly admin: Address;
  /** Where Links are. */
  readonly namespace: string;
  readonly trustDomain: string;
  readonly peerTrustDomains: readonly string[];
  readonly clusterDomain: string;
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
  /** Starts the identity and resolves with the first certificate. */
  readonly identityComponent: Component;
  readonly endpoints: Endpoints;
  readonly policy: Watched<InboundPolicy>;
  /** What the cluster says of exported Services; undefined: there is no policy service. */
  readonly servicePolicies: ServicePolicies | undefined;
  readonly metrics: ProxyMetrics;
  readonly exposeMetrics: () => string | AsyncIterable<string>;
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
  readonly #exports: ExportedServices;
  readonly #peers: Peers;
  readonly #targets: GatewayTargets;
  readonly #stack = new AsyncDisposableStack();
  readonly #notStarted: Disposable;
  #listener: Listener | undefined;
  #probe: Listener | undefined;
  #admin: Listener | undefined;

  constructor(options: GatewayOptions, deps: GatewayDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#notStarted = this.readiness.block('identity and exports');
    this.#engine = new HttpEngine(DATA_PATH_DEFAULTS.outboundHttp, { ...deps, drain: this.#drain });
    this.#exports = new ExportedServices(deps);
    this.#peers = new Peers(
      {
        namespace: options.namespace,
        ownTrustDomain: options.trustDomain,
        extraTrustDomains: options.peerTrustDomains,
      },
      deps,
    );
    const backends = new Backends({
      engine: this.#engine,
      metrics: deps.metrics,
      endpoints: deps.endpoints,
      ownIps: new Set(),
      connectBackoff: DATA_PATH_DEFAULTS.outboundConnectBackoff,
      random: Math.random,
    });
    const { clusterDomain } = options;
    this.#targets = new GatewayTargets({
      backends,
      exports: this.#exports,
      policies: deps.servicePolicies,
      clusterDomain,
      clock: deps.clock,
    });
  }

  async start(signal: AbortSignal): Promise<void> {
    const { driver, identity, identityComponent } = this.#deps;
    const { admin, probe, listen } = this.#options;
    this.#admin = await listenHttp(admin, {
      driver,
      tls: () => undefined,
      handler: ({ path }) => this.#answerAdmin(path),
    });
    this.#stack.defer(() => this.#admin?.close());
    this.#probe = await listenHttp(probe, {
      driver,
      tls: () => identity.tls,
      handler: ({ path }) => this.#answerProbe(path),
    });
    this.#stack.defer(() => this.#probe?.close());
    for (const part of [this.#peers, identityComponent, this.#exports]) {
      this.#stack.use(part);
      await part.start(signal);
    }
    this.#engine.start();
    this.#stack.defer(() => this.#engine.stop());
    this.#stack.use(this.#targets);
    const accept = new GatewayAccept({
      ...this.#deps,
      engine: this.#engine,
      peers: this.#peers,
      targets: this.#targets,
    });
    const keepAliveMs = DATA_PATH_DEFAULTS.acceptKeepAliveMs;
    this.#listener = await driver.listen({ ...listen, keepAliveMs }, accept.handlers, () => undefined);
    this.#stack.defer(() => this.#listener?.close());
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
    await this.#listener?.close();
    if (!(await isFinished))
      this.#deps.logger.warn('grace period is over, connections are cut', { open: this.#drain.holds });
  }

  get addresses(): { readonly traffic: Address; readonly probe: Address; readonly admin: Address } {
    if (this.#listener === undefined || this.#probe === undefined || this.#admin === undefined) {
      throw new Error('the gateway has not been started');
    }
    return { traffic: this.#listener.address, probe: this.#probe.address, admin: this.#admin.address };
  }

  /** For metrics: exported Services, and how old that knowledge may be. */
  get exportState(): { readonly count: number; readonly stalenessSeconds: number } {
    return { count: this.#exports.count, stalenessSeconds: this.#exports.stalenessSeconds };
  }

  get #isServing(): boolean {
    return this.readiness.ready && !this.#drain.signal.aborted && this.#deps.identity.tls !== undefined;
  }

  #answerProbe(path: string): AdminResponse {
    if (path !== this.#options.probe.path && path !== '/ready') return text(404, 'not found\n');
    return this.#isServing ? text(200, 'ready\n') : text(503, 'not ready\n');
  }

  #answerAdmin(path: string): AdminResponse {
    switch (path) {
      case '/live':
      case '/ping':
        return text(200, 'live\n');
      case '/ready':
        return this.#isServing
          ? text(200, 'ready\n')
          : text(503, `waiting for ${this.readiness.waitingFor.join(', ')}\n`);
      case '/metrics':
        return { status: 200, contentType: METRICS_CONTENT_TYPE, body: this.#deps.exposeMetrics() };
      default:
        return text(404, 'try /live, /ready, /metrics\n');
    }
  }
}

function text(status: number, body: string): AdminResponse {
  return { status, contentType: 'text/plain; charset=utf-8', body };
}
