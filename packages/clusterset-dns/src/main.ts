/**
 * Runs the name server: `main.ts [dns] [--kubeconfig FILE] [--context NAME]`. The environment is in the package's README.
 * Exit codes: 64 for wrong usage, 1 when the start fails.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { createKubeClient, isKubeError, loadKubeConfig } from '@mesh/kube';
import { ConfigError, createLogger, EXIT_CODE, isAbort, stderrSink, systemClock } from '@mesh/runtime';
import type { Env, LogControl } from '@mesh/runtime';
import { ClustersetDns } from './app.ts';
import { parseClustersetDnsConfig } from './config.ts';

/** Closing sockets and watches takes a round trip; a stop that takes longer hangs. */
const STOP_TIMEOUT_MS = 5_000;

async function main(argv: readonly string[], env: Env): Promise<void> {
  const { values } = parseArgs({
    args: argv[0] === 'dns' ? argv.slice(1) : [...argv],
    options: { kubeconfig: { type: 'string' }, context: { type: 'string' } },
  });
  const config = parseClustersetDnsConfig(env);
  const logControl: LogControl = { level: config.logLevel };
  const logger = createLogger({
    control: logControl,
    format: config.logFormat,
    sink: stderrSink,
    fields: { role: 'dns' },
  });
  // In a pod, the pod's own account counts, not a kubeconfig that happens to lie in the home folder.
  const inPod = env['KUBERNETES_SERVICE_HOST'] !== undefined;
  const access = loadKubeConfig({ ...values, env: inPod ? { ...env, HOME: '/nonexistent' } : env });
  using client = createKubeClient(access);
  const stop = new AbortController();
  const stopped = Promise.withResolvers<void>();
  for (const name of ['SIGTERM', 'SIGINT'] as const) {
    process.once(name, () => {
      stop.abort();
      stopped.resolve();
      setTimeout(() => process.exit(EXIT_CODE.failure), config.lingerMs + STOP_TIMEOUT_MS).unref();
    });
  }
  await using dns = new ClustersetDns(config, { client, clock: systemClock, logger, logControl });
  try {
    await dns.start(stop.signal);
  } catch (error) {
    if (isAbort(error)) return;
    throw error;
  }
  logger.info('ready', { zone: config.zone, port: dns.port, admin: dns.adminPort });
  await stopped.promise;
  logger.info('stopping', { lingerMs: config.lingerMs });
  dns.readiness.block('stopping');
  await delay(config.lingerMs);
}

try {
  await main(process.argv.slice(2), process.env);
} catch (error) {
  const isUsage =
    error instanceof ConfigError ||
    isKubeError(error, 'config') ||
    (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS') === true;
  process.stderr.write(
    `${isUsage && error instanceof Error ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  );
  process.exitCode = isUsage ? EXIT_CODE.usage : EXIT_CODE.failure;
}
// Sockets that a peer keeps open must not keep the process.
process.exit();
