/**
 * Runs the gateway: `main.ts [gateway] [--kubeconfig FILE] [--context NAME]`. The environment is in the package's README.
 * Exit codes: 64 for wrong usage, 1 when the start fails.
 */
import { parseArgs } from 'node:util';
import {
  createCertifiedIdentity,
  createDiscovery,
  defaultInboundPolicy,
  formatTarget,
  GrpcChannel,
  NO_STREAM_LIMITS,
  serviceSecurity,
  systemResolver,
  watchedTrustFile,
} from '@mesh/control-client';
import type { Discovery, WorkloadIdentity } from '@mesh/control-client';
import { createKubeClient, isKubeError, loadKubeConfig } from '@mesh/kube';
import { createNodeDriver } from '@mesh/net';
import type { Driver } from '@mesh/net';
import { channelMetrics, createProxyMetrics, identityMetrics, identityPort, runtimeTrim } from '@mesh/proxy';
import {
  ConfigError,
  createLogger,
  EXIT_CODE,
  isAbort,
  MetricRegistry,
  registerProcessMetrics,
  stderrSink,
  systemClock,
} from '@mesh/runtime';
import type { Logger } from '@mesh/runtime';
import { Gateway } from './app.ts';
import { parseGatewayConfig } from './config.ts';
import type { GatewayConfig, ServiceConfig } from './config.ts';

/** Beyond the grace period, for closing what is left. */
const STOP_MARGIN_MS = 3_000;
const POLICY_DETECT_TIMEOUT_MS = 10_000;

interface Shared {
  readonly driver: Driver;
  readonly logger: Logger;
  readonly registry: MetricRegistry;
}

function createIdentity(config: GatewayConfig, { driver, logger, registry }: Shared): WorkloadIdentity {
  const { target, name } = config.identity;
  return createCertifiedIdentity(
    {
      name: config.identityName,
      service: target,
      serviceName: name,
      tokenPath: config.tokenFile,
      trust: watchedTrustFile(config.trustAnchorsFile, { clock: systemClock, log: logger }),
    },
    {
      driver,
      clock: systemClock,
      log: logger.child({ client: 'identity' }),
      observer: identityMetrics(registry),
      channelObserver: channelMetrics(registry, 'identity', formatTarget(target), name),
    },
  );
}

function createChannel(
  client: 'destination' | 'policy',
  service: ServiceConfig,
  identity: WorkloadIdentity,
  { driver, logger, registry }: Shared,
): GrpcChannel {
  return new GrpcChannel(
    { target: service.target, security: serviceSecurity(service.target, service.name, () => identity.current()?.tls) },
    {
      driver,
      clock: systemClock,
      resolve: systemResolver,
      log: logger.child({ client }),
      observer: channelMetrics(registry, client, formatTarget(service.target), service.name),
    },
  );
}

function discoveryOf(
  config: GatewayConfig,
  channels: { destination: GrpcChannel; policy: GrpcChannel },
  logger: Logger,
): Discovery {
  const workload = { ns: config.namespace, pod: config.podName };
  return createDiscovery(
    {
      contextToken: JSON.stringify(workload),
      workload: JSON.stringify(workload),
      destinationLimits: NO_STREAM_LIMITS,
      policyLimits: NO_STREAM_LIMITS,
      profileNetworks: [],
      // Until (and unless) the policy service says otherwise: whoever has an identity of an admitted peer.
      defaultInboundPolicy: () => defaultInboundPolicy('all-authenticated', [], 'detect', POLICY_DETECT_TIMEOUT_MS),
    },
    { ...channels, clock: systemClock, log: logger },
  );
}

async function main(argv: readonly string[], env: Readonly<Record<string, string | undefined>>): Promise<void> {
  const { values } = parseArgs({
    args: argv[0] === 'gateway' ? argv.slice(1) : [...argv],
    options: { kubeconfig: { type: 'string' }, context: { type: 'string' } },
  });
  const config = parseGatewayConfig(env);
  const control = { level: config.logLevel };
  const logger = createLogger({ control, format: config.logFormat, sink: stderrSink, fields: { role: 'gateway' } });
  const registry = new MetricRegistry();
  registerProcessMetrics(registry);
  // In a pod, the pod's own account counts, not a kubeconfig that happens to lie in the home folder.
  const inPod = env['KUBERNETES_SERVICE_HOST'] !== undefined;
  using client = createKubeClient(loadKubeConfig({ ...values, env: inPod ? { ...env, HOME: '/nonexistent' } : env }));
  const shared: Shared = { driver: createNodeDriver(), logger, registry };
  const identity = createIdentity(config, shared);
  const destination = createChannel('destination', config.destination, identity, shared);
  const policy = config.policy === undefined ? destination : createChannel('policy', config.policy, identity, shared);
  const discovery = discoveryOf(config, { destination, policy }, logger);
  const fallback = defaultInboundPolicy('all-authenticated', [], 'detect', POLICY_DETECT_TIMEOUT_MS);
  const fixedPolicy = { current: fallback, onChange: () => () => undefined, release: () => undefined };
  const gateway = new Gateway(
    {
      ...config,
      listen: { ip: config.listenIp, port: config.port },
      probe: { ip: config.listenIp, port: config.probe.port, path: config.probe.path },
      admin: { ip: config.listenIp, port: config.adminPort },
    },
    {
      ...shared,
      clock: systemClock,
      client,
      identity: identityPort(identity),
      identityComponent: identity,
      endpoints: discovery.endpoints,
      policy: config.policy === undefined ? fixedPolicy : discovery.inbound.get(config.port),
      servicePolicies: config.policy === undefined ? undefined : discovery.outbound,
      metrics: createProxyMetrics(registry),
      exposeMetrics: () => registry.exposeInTurns(),
      trim: runtimeTrim(),
    },
  );
  const exported = registry
    .gauge({ name: 'mesh_gateway_exported_services', help: 'Services that peers may reach here.' })
    .bind();
  const staleness = registry
    .gauge({ name: 'mesh_gateway_exports_staleness_seconds', help: 'Age of what is known of exported Services.' })
    .bind();
  registry.beforeScrape(() => {
    exported.set(gateway.exportState.count);
    staleness.set(gateway.exportState.stalenessSeconds);
  });
  await run(gateway, config, logger);
  discovery[Symbol.dispose]();
  for (const channel of new Set([destination, policy])) channel.close();
}

async function run(gateway: Gateway, config: GatewayConfig, logger: Logger): Promise<void> {
  const stop = new AbortController();
  const stopped = Promise.withResolvers<void>();
  for (const name of ['SIGTERM', 'SIGINT'] as const) {
    process.once(name, () => {
      stop.abort();
      stopped.resolve();
      setTimeout(() => process.exit(EXIT_CODE.failure), config.shutdownGraceMs + STOP_MARGIN_MS).unref();
    });
  }
  await using _gateway = gateway;
  try {
    await gateway.start(stop.signal);
    logger.info('ready', { identity: config.identityName, ...gateway.addresses });
    await stopped.promise;
    logger.info('draining');
    await gateway.drain();
  } catch (error) {
    if (!isAbort(error)) throw error;
  }
}

try {
  await main(process.argv.slice(2), process.env);
} catch (error) {
  const code = (error as { code?: unknown }).code;
  const isUsage =
    error instanceof ConfigError ||
    isKubeError(error, 'config') ||
    (typeof code === 'string' && code.startsWith('ERR_PARSE_ARGS'));
  const shown = error instanceof Error ? (isUsage ? error.message : (error.stack ?? error.message)) : String(error);
  process.stderr.write(`${shown}\n`);
  process.exitCode = isUsage ? EXIT_CODE.usage : EXIT_CODE.failure;
}
// Sockets that a peer keeps open must not keep the process.
process.exit();
