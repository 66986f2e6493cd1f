/**
 * Runs the gateway: `main.ts [gateway] [--kubeconfig FILE] [--context NAME]`. The environment is in the package's README. With
 * `MESH_GATEWAY_WORKERS` above 1 this process looks after workers, which are this program with `--worker`.
 * Exit codes: 64 for wrong usage, 1 when the start fails.
 */
import { parseArgs } from 'node:util';
import { createKubeClient, isKubeError, loadKubeConfig } from '@mesh/kube';
import { createNodeDriver } from '@mesh/net';
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
import type { Component, Env, Logger } from '@mesh/runtime';
import { composeGateway, createIdentity, portsOptions } from './compose.ts';
import type { Shared } from './compose.ts';
import { parseGatewayConfig } from './config.ts';
import type { GatewayConfig } from './config.ts';
import { certifiedIdentity } from './gateway-identity.ts';
import { Supervisor } from './workers/supervisor.ts';
import { runWorker, STOP_MARGIN_MS } from './workers/worker.ts';

async function main(argv: readonly string[], env: Env): Promise<void> {
  const args = argv[0] === 'gateway' ? argv.slice(1) : [...argv];
  const { values } = parseArgs({
    args,
    options: {
      kubeconfig: { type: 'string' },
      context: { type: 'string' },
      worker: { type: 'boolean', default: false },
    },
  });
  const config = parseGatewayConfig(env);
  const control = { level: config.logLevel };
  const logger = createLogger({ control, format: config.logFormat, sink: stderrSink, fields: { role: 'gateway' } });
  const registry = new MetricRegistry();
  registerProcessMetrics(registry);
  const shared: Shared = { driver: createNodeDriver(), logger, registry };
  if (config.workers > 1 && !values.worker) {
    await supervise(config, shared, argv);
    return;
  }
  // In a pod, the pod's own account counts, not a kubeconfig that happens to lie in the home folder.
  const inPod = env['KUBERNETES_SERVICE_HOST'] !== undefined;
  using client = createKubeClient(loadKubeConfig({ ...values, env: inPod ? { ...env, HOME: '/nonexistent' } : env }));
  if (values.worker) {
    await runWorker(config, { ...shared, client });
    return;
  }
  const identity = certifiedIdentity(createIdentity(config, shared));
  const { gateway, close } = composeGateway(config, identity, { ...shared, client, alone: true });
  await run(gateway, config, logger, () => ({ identity: config.identityName, ...gateway.addresses }));
  close();
}

async function supervise(config: GatewayConfig, shared: Shared, argv: readonly string[]): Promise<void> {
  const supervisor = new Supervisor(
    {
      workers: config.workers,
      program: process.argv[1] ?? '',
      args: [...argv, '--worker'],
      ports: portsOptions(config),
    },
    { ...shared, clock: systemClock, identity: createIdentity(config, shared) },
  );
  await run(supervisor, config, shared.logger, () => ({ identity: config.identityName, workers: config.workers }));
}

/** Until a signal comes, and then until what is in flight has ended. */
async function run(
  part: Component & { drain(): Promise<void> },
  config: GatewayConfig,
  logger: Logger,
  facts: () => Readonly<Record<string, unknown>>,
): Promise<void> {
  const stop = new AbortController();
  const stopped = Promise.withResolvers<void>();
  for (const name of ['SIGTERM', 'SIGINT'] as const) {
    process.once(name, () => {
      stop.abort();
      stopped.resolve();
      setTimeout(() => process.exit(EXIT_CODE.failure), config.shutdownGraceMs + STOP_MARGIN_MS).unref();
    });
  }
  await using _part = part;
  try {
    await part.start(stop.signal);
    logger.info('ready', facts());
    await stopped.promise;
    logger.info('draining');
    await part.drain();
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
