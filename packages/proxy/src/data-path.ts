/**
 * The data path as one component: both listeners, what they share, and their orderly end.
 *
 * It starts to accept when its owner says so (`serve`), after identity is ready: until then the ports are bound, so
 * that a port in use is known early, and nobody is answered.
 */
import type { BackoffOptions } from '@mesh/model';
import type { Address, Driver, Listener } from '@mesh/net';
import type { Clock, Component, Drain, Logger } from '@mesh/runtime';
import { CONNECTIONS_PER_CLIENT_MAX } from './accept/client-connections.ts';
import type { AccessLog } from './access-log/access-log.ts';
import { InboundAccept } from './accept/inbound-accept.ts';
import { OutboundAccept } from './accept/outbound-accept.ts';
import { Backends } from './balance/backends.ts';
import { HTTP_ENGINE_DEFAULTS, HttpEngine } from './http/engine.ts';
import type { HttpEngineOptions } from './http/engine.ts';
import { Kept } from './kept.ts';
import type { Endpoints, Identity, OutboundDiscovery, PolicyPorts, ProxyMetrics } from './ports.ts';
import { InboundPort } from './route/inbound-port.ts';
import { NamedTargets } from './route/named-targets.ts';
import { OutboundTarget } from './route/outbound-target.ts';

export interface DataPathOptions {
  readonly inboundListen: Address;
  /** One or two (version 4 and 6). */
  readonly outboundListen: readonly Address[];
  /** Addresses of the workload; empty: inbound destinations are not checked. */
  readonly ownIps: readonly string[];
  /** Ports of this proxy itself that no peer may reach through it: admin, control. */
  readonly refusedPorts: readonly number[];
  readonly inboundDetectTimeoutMs: number;
  readonly handshakeTimeoutMs: number;
  /** Inbound connections of one client address; 0: no limit. */
  readonly connectionsPerClientMax: number;
  /** Identities of gateways that are believed when they say who their clients are (ADR 0020). */
  readonly gatewayIdentities: readonly string[];
  readonly discoveryTimeoutMs: number;
  /** A destination that nobody uses is forgotten after this. */
  readonly outboundIdleTimeoutMs: number;
  readonly inboundIdleTimeoutMs: number;
  readonly acceptKeepAliveMs: number;
  readonly outboundConnectBackoff: BackoffOptions;
  /** Responses that the outbound side makes tell the program why. */
  readonly informationalHeaders: boolean;
  /** Outbound requests are counted by their hosts too. */
  readonly hostnameLabels: boolean;
  /** Inbound requests are counted by their authorities too. */
  readonly authorityLabels: boolean;
  /** The program is an ingress: its requests say where they go, in `l5d-dst-override`. */
  readonly ingress: boolean;
  readonly inboundHttp: HttpEngineOptions;
  readonly outboundHttp: HttpEngineOptions;
}

/** Linkerd's values where it has one. */
export const DATA_PATH_DEFAULTS: DataPathOptions = {
  inboundListen: { ip: '0.0.0.0', port: 4143 },
  outboundListen: [{ ip: '127.0.0.1', port: 4140 }],
  ownIps: [],
  refusedPorts: [],
  inboundDetectTimeoutMs: 10_000,
  handshakeTimeoutMs: 10_000,
  connectionsPerClientMax: CONNECTIONS_PER_CLIENT_MAX,
  gatewayIdentities: [],
  discoveryTimeoutMs: 10_000,
  outboundIdleTimeoutMs: 5000,
  inboundIdleTimeoutMs: 90_000,
  acceptKeepAliveMs: 10_000,
  outboundConnectBackoff: { minMs: 100, maxMs: 60_000, jitterRatio: 0.1 },
  informationalHeaders: true,
  hostnameLabels: false,
  authorityLabels: false,
  ingress: false,
  inboundHttp: { ...HTTP_ENGINE_DEFAULTS, connectTimeoutMs: 300 },
  outboundHttp: HTTP_ENGINE_DEFAULTS,
};

export interface DataPathDeps {
  readonly driver: Driver;
  readonly identity: Identity;
  readonly policies: PolicyPorts;
  readonly discovery: OutboundDiscovery;
  readonly endpoints: Endpoints;
  readonly metrics: ProxyMetrics;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly drain: Drain;
  /** Of the inbound side; undefined: none. */
  readonly accessLog: AccessLog | undefined;
  readonly random: () => number;
}

/** Where the listeners are bound, once started. */
export interface DataPathAddresses {
  readonly inbound: Address;
  readonly outbound: readonly Address[];
}

export class DataPath implements Component {
  readonly name = 'data-path';
  readonly #options: DataPathOptions;
  readonly #deps: DataPathDeps;
  readonly #inboundEngine: HttpEngine;
  readonly #outboundEngine: HttpEngine;
  readonly #ports: Kept<Address, InboundPort>;
  readonly #targets: Kept<Address, OutboundTarget>;
  /** For the proxy of an ingress: destinations that requests name. */
  readonly #named: NamedTargets | undefined;
  readonly #listeners: Listener[] = [];
  #addresses: DataPathAddresses | undefined;

  constructor(options: DataPathOptions, deps: DataPathDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#inboundEngine = new HttpEngine(options.inboundHttp, deps);
    this.#outboundEngine = new HttpEngine(options.outboundHttp, deps);
    const ownIps = new Set(options.ownIps);
    const backends = new Backends({
      engine: this.#outboundEngine,
      metrics: deps.metrics,
      endpoints: deps.endpoints,
      ownIps,
      connectBackoff: options.outboundConnectBackoff,
      random: deps.random,
    });
    const { metrics, policies, discovery, clock, accessLog } = deps;
    this.#ports = new Kept(clock, options.inboundIdleTimeoutMs, addressKey, (target) => {
      return new InboundPort(target, {
        engine: this.#inboundEngine,
        metrics,
        policies,
        ingress: options.ingress,
        authorityLabels: options.authorityLabels,
        accessLog,
      });
    });
    const { informationalHeaders: details, hostnameLabels } = options;
    const targetDeps = { backends, discovery, metrics, details, hostnameLabels };
    const idleMs = options.outboundIdleTimeoutMs;
    this.#targets = new Kept(clock, idleMs, addressKey, (address) => new OutboundTarget(address, targetDeps));
    this.#named = options.ingress
      ? new NamedTargets(
          { idleMs, discoveryTimeoutMs: options.discoveryTimeoutMs },
          { clock, create: (name) => new OutboundTarget(name, targetDeps) },
        )
      : undefined;
  }

  get addresses(): DataPathAddresses {
    if (this.#addresses === undefined) throw new Error('the data path has not been started');
    return this.#addresses;
  }

  /** Binds and serves. Call it when identity is ready. */
  async start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { driver, drain } = this.#deps;
    const { inboundListen, outboundListen, acceptKeepAliveMs } = this.#options;
    this.#inboundEngine.start();
    this.#outboundEngine.start();
    const inboundHandlers = this.#inboundAccept();
    const inbound = await driver.listen({ ...inboundListen, keepAliveMs: acceptKeepAliveMs }, inboundHandlers, nothing);
    this.#listeners.push(inbound);
    const outbound: Listener[] = [];
    const handlers = this.#outboundAccept(inbound.address, outbound);
    for (const at of outboundListen) {
      const listener = await driver.listen({ ...at, keepAliveMs: acceptKeepAliveMs }, handlers, nothing);
      outbound.push(listener);
      this.#listeners.push(listener);
    }
    this.#addresses = { inbound: inbound.address, outbound: outbound.map((listener) => listener.address) };
    drain.signal.addEventListener('abort', () => void this.#closeListeners(), { once: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#closeListeners();
    this.#inboundEngine.stop();
    this.#outboundEngine.stop();
    this.#ports.clear();
    this.#targets.clear();
    this.#named?.clear();
  }

  async #closeListeners(): Promise<void> {
    await Promise.all(this.#listeners.map((listener) => listener.close()));
  }

  #inboundAccept(): InboundAccept['handlers'] {
    const { identity, metrics, logger } = this.#deps;
    const { inboundListen, ownIps, refusedPorts, inboundDetectTimeoutMs, handshakeTimeoutMs, gatewayIdentities } =
      this.#options;
    const { connectionsPerClientMax } = this.#options;
    // With port 0 (tests) the direct port is known only once bound: it is looked up when needed.
    const boundPort = (): number => this.#addresses?.inbound.port ?? inboundListen.port;
    return new InboundAccept(
      {
        get listenPort() {
          return boundPort();
        },
        ownIps: new Set(ownIps),
        refusedPorts: new Set(refusedPorts),
        detectTimeoutMs: inboundDetectTimeoutMs,
        handshakeTimeoutMs,
        connectionsPerClientMax,
        gatewayIdentities: new Set(gatewayIdentities),
      },
      {
        engine: this.#inboundEngine,
        identity,
        metrics,
        logger,
        usePort: (target) => {
          const { value, done } = this.#ports.use(target);
          return { port: value, done };
        },
      },
    ).handlers;
  }

  #outboundAccept(inbound: Address, outbound: readonly Listener[]): OutboundAccept['handlers'] {
    const { metrics, logger } = this.#deps;
    const own = new Set(this.#options.ownIps);
    const isLoop = (target: Address): boolean =>
      outbound.some(({ address }) => address.port === target.port && (address.ip === target.ip || isAny(address.ip))) ||
      (own.has(target.ip) && target.port === inbound.port);
    return new OutboundAccept(
      { isLoop, discoveryTimeoutMs: this.#options.discoveryTimeoutMs },
      {
        engine: this.#outboundEngine,
        metrics,
        logger,
        serviceOf: (target) => this.#named?.over(target) ?? target,
        useTarget: (address) => {
          const { value, done } = this.#targets.use(address);
          return { target: value, done };
        },
      },
    ).handlers;
  }
}

function addressKey({ ip, port }: Address): string {
  return `${ip} ${port}`;
}

function nothing(): undefined {
  return undefined;
}

function isAny(ip: string): boolean {
  return ip === '0.0.0.0' || ip === '::';
}
