/**
 * The sidecar, composed. Parts start in this order and stop in reverse:
 *
 *   admin      first, so that probes get an answer while the rest comes up
 *   discovery  before identity, as inbound ports are watched from the start
 *   identity   holds readiness until the first certificate
 *   policies   of the known ports are waited for, for 2 s at most
 *   data path  binds and serves only with an identity: no byte passes before
 */
import {
  createCertifiedIdentity,
  createDiscovery,
  defaultInboundPolicy,
  formatTarget,
  GrpcChannel,
  serviceSecurity,
  staticTrust,
  systemResolver,
  watchedTrustFile,
} from '@mesh/control-client';
import type { ChannelOptions, Discovery, Resolver, WorkloadIdentity } from '@mesh/control-client';
import type { SocketAddress } from '@mesh/model';
import type { Address, Driver } from '@mesh/net';
import { createLogger, Drain, MetricRegistry, Readiness, registerProcessMetrics, sleep, startAll } from '@mesh/runtime';
import type { Clock, Component, Env, LogControl, Logger, LogSink, Timer } from '@mesh/runtime';
import { AccessLog } from './access-log/access-log.ts';
import { stdoutWriter } from './access-log/line-writer.ts';
import type { WriteBytes } from './access-log/line-writer.ts';
import { Admin } from './admin/admin.ts';
import { LogFilter } from './admin/log-filter.ts';
import { describeConfig } from './config/config.ts';
import type { DirectionConfig, ProxyConfig, ServiceConfig } from './config/config.ts';
import type { PeerLimits } from './config/peer-limits.ts';
import { portPolicy } from './config/port-policy.ts';
import { DATA_PATH_DEFAULTS, DataPath } from './data-path.ts';
import type { DataPathAddresses } from './data-path.ts';
import { discoveryPorts, identityPort } from './discover/adapters.ts';
import type { HttpEngineOptions } from './http/engine.ts';
import { MemoryTrim } from './memory-trim.ts';
import { channelMetrics, identityMetrics, registerBuildInfo } from './metrics/control-metrics.ts';
import type { ControlClientName } from './metrics/control-metrics.ts';
import { createProxyMetrics } from './metrics/proxy-metrics.ts';

export interface ProxyAppDeps {
  readonly driver: Driver;
  readonly clock: Clock;
  readonly sink: LogSink;
  /** What `/env.json` shows from. */
  readonly env: Env;
  readonly version: string;
  readonly resolve?: Resolver;
  /** Takes the lines of the access log. */
  readonly accessLog?: WriteBytes;
  /** Gives unused memory back, when the runtime can. */
  readonly trim?: (() => void) | undefined;
}

/** While identity is missing, the log says so again after this. */
const WAITING_LOG_MS = 15_000;
/** Without a control plane the proxy must start all the same. */
const POLICY_WAIT_MS = 2000;

export class ProxyApp implements AsyncDisposable {
  readonly log: Logger;
  readonly registry: MetricRegistry;
  readonly #config: ProxyConfig;
  readonly #deps: ProxyAppDeps;
  readonly #readiness = new Readiness();
  readonly #drain = new Drain();
  readonly #starting = new AbortController();
  readonly #shutdown = Promise.withResolvers<string>();
  readonly #admin: Admin;
  readonly #identity: WorkloadIdentity;
  readonly #channels: readonly GrpcChannel[];
  readonly #discovery: Discovery;
  readonly #accessLog: AccessLog | undefined;
  readonly #dataPath: DataPath;
  /** Settle with the first answers about the ports that are known from the start. */
  readonly #awaited: Promise<void>[] = [];
  #stack: AsyncDisposableStack | undefined;

  /** Wires everything and does no I/O. */
  constructor(config: ProxyConfig, deps: ProxyAppDeps) {
    this.#config = config;
    this.#deps = deps;
    const control: LogControl = { level: 'info' };
    const logFilter = new LogFilter(control, config.logFilter);
    this.log = createLogger({ control, format: config.logFormat, sink: deps.sink });
    this.registry = new MetricRegistry({ retainIdleMs: config.metricsRetainIdleMs });
    registerProcessMetrics(this.registry);
    registerBuildInfo(this.registry, deps.version);
    this.#identity = this.#createIdentity();
    const destination = this.#createChannel('destination', config.services.destination);
    const policy = this.#createChannel('policy', config.services.policy);
    this.#channels = [destination, policy];
    this.#discovery = this.#createDiscovery(destination, policy);
    this.#accessLog = this.#createAccessLog();
    this.#dataPath = this.#createDataPath();
    this.#admin = new Admin(
      {
        listen: toAddress(config.admin.listen),
        shutdownEnabled: config.admin.shutdownEnabled,
        config: describeConfig(config),
      },
      {
        driver: deps.driver,
        registry: this.registry,
        readiness: this.#readiness,
        logFilter,
        env: deps.env,
        tls: () => this.#identity.current()?.tls,
        shutdown: () => this.requestShutdown('admin request'),
      },
    );
  }

  /** Resolves once the proxy serves. */
  async start(): Promise<void> {
    for (const warning of this.#config.warnings) this.log.warn('configuration', { warning });
    const ready = this.#readiness.block('identity');
    const { clock, trim } = this.#deps;
    const parts: readonly Component[] = [
      this.#admin,
      this.#watches(),
      this.#waitingLog(),
      this.#identity,
      this.#policies(),
      ...(this.#accessLog === undefined ? [] : [this.#accessLog]),
      this.#dataPath,
      ...(trim === undefined ? [] : [new MemoryTrim(clock, trim)]),
    ];
    this.#stack = await startAll(parts, this.#starting.signal);
    ready[Symbol.dispose]();
    this.log.info('proxy ready', { identity: this.#identity.identityName, ...this.addresses });
  }

  get addresses(): DataPathAddresses & { readonly admin: Address } {
    return { ...this.#dataPath.addresses, admin: this.#admin.address };
  }

  /** Bound before everything else, so that probes are answered while the proxy starts. */
  get adminAddress(): Address {
    return this.#admin.address;
  }

  /** Asks for an orderly end; the first reason counts. Also ends a start that is still waiting. */
  requestShutdown(reason: string): void {
    this.#shutdown.resolve(reason);
    this.#starting.abort(new DOMException(`shutdown: ${reason}`, 'AbortError'));
  }

  /** Resolves with the reason once a shutdown was asked for. */
  whenShutdown(): Promise<string> {
    return this.#shutdown.promise;
  }

  /** Stops accepting, lets work in flight end within the grace period, then stops everything. */
  async drain(): Promise<void> {
    const finished = await this.#drain.drain(this.#config.shutdownGraceMs);
    if (!finished) this.log.warn('shutdown grace period is over, connections are cut', { open: this.#drain.holds });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack?.disposeAsync();
  }

  #createIdentity(): WorkloadIdentity {
    const { identity, services } = this.#config;
    const address = formatTarget(services.identity.target);
    return createCertifiedIdentity(
      {
        name: identity.name,
        serverName: identity.serverName,
        service: services.identity.target,
        serviceName: services.identity.name,
        tokenPath: identity.tokenPath,
        trust:
          identity.trustAnchorsFile === undefined
            ? staticTrust(identity.trustAnchors)
            : watchedTrustFile(identity.trustAnchorsFile, { clock: this.#deps.clock, log: this.log }),
        minRefreshMs: identity.minRefreshMs,
        maxRefreshMs: identity.maxRefreshMs,
      },
      {
        driver: this.#deps.driver,
        clock: this.#deps.clock,
        log: this.log.child({ client: 'identity' }),
        observer: identityMetrics(this.registry),
        channelObserver: channelMetrics(this.registry, 'identity', address, services.identity.name),
        resolve: this.#deps.resolve ?? systemResolver,
      },
    );
  }

  #createChannel(client: ControlClientName, service: ServiceConfig): GrpcChannel {
    const options: ChannelOptions = {
      target: service.target,
      security: serviceSecurity(service.target, service.name, async () => {
        await this.#identity.whenReady();
        return this.#identity.current()?.tls;
      }),
      connectTimeoutMs: this.#config.outbound.connectTimeoutMs,
    };
    const observer = channelMetrics(this.registry, client, formatTarget(service.target), service.name);
    const { driver, clock, resolve = systemResolver } = this.#deps;
    return new GrpcChannel(options, { driver, clock, resolve, observer, log: this.log.child({ client }) });
  }

  #createDiscovery(destination: GrpcChannel, policy: GrpcChannel): Discovery {
    const { inbound, outbound, clusterNetworks, ...config } = this.#config;
    const byPort = (port: number) =>
      defaultInboundPolicy(
        portPolicy(inbound, port),
        clusterNetworks,
        inbound.opaquePorts.has(port) ? 'opaque' : 'detect',
        inbound.detectTimeoutMs,
      );
    return createDiscovery(
      {
        contextToken: config.destinationContext,
        workload: config.policyWorkload,
        destinationLimits: limitsFor(config.services.destination, config.streamLimits),
        policyLimits: limitsFor(config.services.policy, config.streamLimits),
        profileNetworks: config.profileNetworks,
        defaultInboundPolicy: byPort,
        outboundIdleMs: outbound.discoveryIdleMs,
        inboundIdleMs: inbound.discoveryIdleMs,
        forward: {
          detectTimeoutMs: outbound.detectTimeoutMs,
          queueCapacity: outbound.httpQueue.capacity,
          failfastTimeoutMs: outbound.httpQueue.failfastTimeoutMs,
        },
      },
      { destination, policy, clock: this.#deps.clock, log: this.log },
    );
  }

  #createDataPath(): DataPath {
    const { inbound, outbound, admin, peerLimits } = this.#config;
    const { policies, endpoints, outbound: discovery } = discoveryPorts(this.#discovery);
    return new DataPath(
      {
        ...DATA_PATH_DEFAULTS,
        inboundListen: toAddress(inbound.listen),
        outboundListen: outbound.listen.map(toAddress),
        ownIps: inbound.ips,
        refusedPorts: [admin.listen.port],
        connectionsPerClientMax: peerLimits.connectionsPerClientMax,
        gatewayIdentities: inbound.gatewayIdentities,
        inboundDetectTimeoutMs: inbound.detectTimeoutMs,
        outboundIdleTimeoutMs: outbound.discoveryIdleMs,
        inboundIdleTimeoutMs: inbound.discoveryIdleMs,
        acceptKeepAliveMs: inbound.acceptKeepAliveMs,
        outboundConnectBackoff: outbound.connectBackoff,
        informationalHeaders: outbound.informationalHeaders,
        hostnameLabels: outbound.hostnameLabels,
        authorityLabels: inbound.authorityLabels,
        ingress: outbound.ingress,
        inboundHttp: { ...DATA_PATH_DEFAULTS.inboundHttp, ...engineOptions(inbound, peerLimits) },
        outboundHttp: { ...DATA_PATH_DEFAULTS.outboundHttp, ...engineOptions(outbound, peerLimits) },
      },
      {
        driver: this.#deps.driver,
        identity: identityPort(this.#identity),
        policies,
        discovery,
        endpoints,
        metrics: createProxyMetrics(this.registry),
        clock: this.#deps.clock,
        logger: this.log,
        drain: this.#drain,
        accessLog: this.#accessLog,
        random: Math.random,
      },
    );
  }

  #createAccessLog(): AccessLog | undefined {
    const format = this.#config.inbound.accessLog;
    if (format === undefined) return undefined;
    const { clock, accessLog: write = stdoutWriter } = this.#deps;
    return new AccessLog(format, { clock, registry: this.registry, write });
  }

  /** Ports that are known from the start are watched from the start, and for good. */
  #watches(): Component {
    return {
      name: 'discovery',
      start: () => {
        const { ports } = this.#config.inbound;
        for (const port of [...ports.ports(), this.#config.admin.listen.port]) {
          const policy = this.#discovery.inbound.get(port);
          this.#awaited.push(new Promise((resolve) => policy.onChange(resolve)));
        }
        return Promise.resolve();
      },
      [Symbol.asyncDispose]: () => {
        this.#discovery[Symbol.dispose]();
        for (const channel of this.#channels) channel.close();
        return Promise.resolve();
      },
    };
  }

  /**
   * Waits, for a while, until the known ports have their policies: else a port that is denied to a client would be open to it for
   * the first milliseconds, where the default policy is wider.
   */
  #policies(): Component {
    return {
      name: 'policies',
      start: async (signal) => {
        // The first outbound connection finds both control connections open.
        for (const channel of this.#channels) channel.warm();
        const answered = Promise.all(this.#awaited).then(() => true);
        const late = sleep(this.#deps.clock, POLICY_WAIT_MS, signal).then(() => false);
        if (!(await Promise.race([answered, late])))
          this.log.warn('inbound policies are late, the default rules until they come', { waitedMs: POLICY_WAIT_MS });
      },
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  }

  #waitingLog(): Component {
    let timer: Timer | undefined;
    const arm = (): void => {
      timer = this.#deps.clock.after(WAITING_LOG_MS, () => {
        if (this.#identity.current() !== undefined) return;
        this.log.warn('waiting for identity: no connection is accepted yet', { identity: this.#identity.identityName });
        arm();
      });
    };
    return {
      name: 'waiting-log',
      start: () => Promise.resolve(arm()),
      [Symbol.asyncDispose]: () => Promise.resolve(timer?.cancel()),
    };
  }
}

/** Streams over loopback need no limits: nothing stands between. */
function limitsFor(service: ServiceConfig, limits: ProxyConfig['streamLimits']): ProxyConfig['streamLimits'] {
  if (service.name !== undefined) return limits;
  return { initialTimeoutMs: undefined, idleTimeoutMs: undefined, lifetimeMs: undefined };
}

function engineOptions(direction: DirectionConfig, peers: PeerLimits): Omit<HttpEngineOptions, 'headTimeoutMs'> {
  return {
    inFlightMax: direction.inFlightMax,
    bodyTimeoutMs: peers.bodyTimeoutMs,
    unreadTimeoutMs: peers.unreadTimeoutMs,
    connectTimeoutMs: direction.connectTimeoutMs,
    connectKeepAliveMs: direction.connectKeepAliveMs,
    poolIdleTimeoutMs: direction.http1PoolIdleMs,
    poolIdleMax: direction.idleConnectionsPerEndpointMax,
    http2: direction.http2,
  };
}

function toAddress(address: SocketAddress): Address {
  return { ip: address.host, port: address.port };
}
