/** One worker: a gateway that shares its ports with others, has its identity from the supervisor, and ends when that says so or is gone. */
import { EXIT_CODE, isAbort } from '@mesh/runtime';
import type { KubeClient } from '@mesh/kube';
import { composeGateway } from '../compose.ts';
import type { Shared } from '../compose.ts';
import type { GatewayConfig } from '../config.ts';
import { HandedIdentity } from '../gateway-identity.ts';
import type { FromWorker, ToWorker } from './messages.ts';

/** Runs until the supervisor wants no more. */
export async function runWorker(
  config: GatewayConfig,
  shared: Shared & { readonly client: KubeClient },
): Promise<void> {
  const { logger, registry } = shared;
  const identity = new HandedIdentity(config.identityName, shared.driver);
  const { gateway, close } = composeGateway(config, identity, { ...shared, alone: false });
  const stop = new AbortController();
  const drained = Promise.withResolvers<void>();
  const end = (): void => {
    stop.abort();
    drained.resolve();
  };
  // Signals of a terminal reach the whole group; the supervisor says what they mean.
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.on(name, () => undefined);
  process.once('disconnect', end);
  process.on('message', (message: ToWorker) => {
    switch (message.kind) {
      case 'identity':
        return identity.install(message.material);
      case 'metrics':
        return tell({ kind: 'metrics', request: message.request, page: registry.expose() });
      case 'drain':
        return end();
    }
  });
  await using _gateway = gateway;
  try {
    await gateway.start(stop.signal);
    tell({ kind: 'ready' });
    logger.info('worker ready', gateway.addresses);
    await drained.promise;
    setTimeout(() => process.exit(EXIT_CODE.failure), config.shutdownGraceMs + STOP_MARGIN_MS).unref();
    await gateway.drain();
  } catch (error) {
    if (!isAbort(error)) throw error;
  }
  close();
}

/** Beyond the grace period, for closing what is left. */
export const STOP_MARGIN_MS = 3_000;

function tell(message: FromWorker): void {
  if (process.connected) process.send?.(message);
}
