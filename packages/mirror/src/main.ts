/**
 * Runs the mirror: `main.ts [mirror] [--kubeconfig FILE] [--context NAME]`. The environment is in the package's README.
 * Exit codes: 64 for wrong usage, 1 when the start fails.
 */
import { parseArgs } from 'node:util';
import {
  createWorkloadIdentity,
  grpcCertifier,
  silentObserver,
  systemResolver,
  tokenFile,
  watchedTrustFile,
} from '@mesh/control-client';
import type { WorkloadIdentity } from '@mesh/control-client';
import { createKubeClient, isKubeError, loadKubeConfig } from '@mesh/kube';
import { createNodeDriver } from '@mesh/net';
import type { Driver } from '@mesh/net';
import { ConfigError, createLogger, EXIT_CODE, isAbort, stderrSink, systemClock } from '@mesh/runtime';
import type { LogControl, Logger } from '@mesh/runtime';
import { Mirror } from './app.ts';
import { parseMirrorConfig } from './config.ts';
import type { IdentityConfig } from './config.ts';
import { createMtlsProbe } from './mtls-probe.ts';
import { systemLookup } from './system-lookup.ts';

/** Closing the watches and releasing the Lease takes a round trip; a stop that takes longer hangs. */
const STOP_TIMEOUT_MS = 5_000;

function createIdentity(config: IdentityConfig, driver: Driver, log: Logger): WorkloadIdentity {
  const security = config.isPlaintext
    ? ({ kind: 'plaintext' } as const)
    : ({ kind: 'tls', serverName: config.serverName, context: () => identity.clientContext() } as const);
  const channelDeps = { driver, clock: systemClock, resolve: systemResolver, log, observer: silentObserver };
  const identity: WorkloadIdentity = createWorkloadIdentity(
    {
      name: config.name,
      certify: grpcCertifier({ target: config.target, security }, channelDeps),
      readToken: tokenFile(config.tokenFile),
      trust: watchedTrustFile(config.trustAnchorsFile, { clock: systemClock, log }),
    },
    { driver, clock: systemClock, log, observer: { refreshed: () => undefined, installed: () => undefined } },
  );
  return identity;
}

async function main(argv: readonly string[], env: Readonly<Record<string, string | undefined>>): Promise<void> {
  const { values } = parseArgs({
    args: argv[0] === 'mirror' ? argv.slice(1) : [...argv],
    options: { kubeconfig: { type: 'string' }, context: { type: 'string' } },
  });
  const config = parseMirrorConfig(env);
  const logControl: LogControl = { level: config.logLevel };
  const logger = createLogger({
    control: logControl,
    format: config.logFormat,
    sink: stderrSink,
    fields: { role: 'mirror' },
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
      setTimeout(() => process.exit(EXIT_CODE.failure), STOP_TIMEOUT_MS).unref();
    });
  }
  const driver = createNodeDriver();
  await using stack = new AsyncDisposableStack();
  const identity =
    config.identity === undefined ? undefined : stack.use(createIdentity(config.identity, driver, logger));
  const mirror = stack.use(
    new Mirror(config, {
      client,
      clock: systemClock,
      logger,
      logControl,
      lookup: systemLookup,
      connectProbe: createMtlsProbe({ driver, clock: systemClock, tlsContext: () => identity?.current()?.tls }),
    }),
  );
  const certified = (): void => {
    const chainPem = identity?.current()?.chainPem;
    if (chainPem !== undefined) mirror.own.certified(chainPem);
    mirror.identityChanged();
  };
  identity?.onChange(certified);
  // Mirroring does not wait for a certificate: only probes need one.
  identity?.start(stop.signal).catch((error: unknown) => {
    if (!stop.signal.aborted) logger.error('no workload identity; gateways cannot be probed', { error });
  });
  try {
    await mirror.start(stop.signal);
    logger.info('ready', { admin: mirror.adminPort, namespace: config.namespace });
    await stopped.promise;
  } catch (error) {
    if (!isAbort(error)) throw error;
  }
  logger.info('stopping');
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
