/** The sidecar's process: environment in, exit code out. Runs unchanged on Bun and on Node. */
import { createKernelOriginalDst, createNodeDriver, SocketCallsError } from '@mesh/net';
import type { OriginalDstLookup } from '@mesh/net';
import { ConfigError, EXIT_CODE, isAbort, stderrSink, systemClock } from '@mesh/runtime';
import { ProxyApp } from './app.ts';
import { parseProxyConfig } from './config/config.ts';
import type { ProxyConfig } from './config/config.ts';
import { runtimeTrim } from './memory-trim.ts';

const VERSION = '0.1.0';

// Sockets that a peer keeps open must not keep the process. No top-level await: bytecode bundles cannot have it.
void main().then((code) => process.exit(code));

async function main(): Promise<number> {
  // The other roles of the image (redirection, validation, waiting) are programs of @mesh/proxy-init.
  const role = process.argv[2] ?? 'proxy';
  if (role !== 'proxy') {
    stderrSink(`unknown role ${JSON.stringify(role)}: give proxy, or nothing`);
    return EXIT_CODE.usage;
  }
  const config = readConfig();
  if (config === undefined) return EXIT_CODE.usage;
  const originalDst = kernelOriginalDst();
  const app = new ProxyApp(config, {
    driver: createNodeDriver(originalDst instanceof SocketCallsError ? {} : { originalDst }),
    clock: systemClock,
    sink: stderrSink,
    env: process.env,
    version: VERSION,
    trim: runtimeTrim(),
  });
  if (originalDst instanceof SocketCallsError)
    app.log.warn('original destinations cannot be read: redirected connections are refused', { error: originalDst });
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => app.requestShutdown(signal));
  try {
    await app.start();
  } catch (error) {
    if (isAbort(error)) return EXIT_CODE.ok;
    app.log.error('proxy cannot start', { error });
    return EXIT_CODE.failure;
  }
  const reason = await app.whenShutdown();
  app.log.info('shutting down', { reason });
  await app.drain();
  await app[Symbol.asyncDispose]();
  return EXIT_CODE.ok;
}

/**
 * Where the kernel redirects connections, it knows their destinations. Without a way to ask it the proxy runs all the same: connections that
 * nobody redirected keep their address, and a redirected one looks like a call of the proxy itself, which is refused.
 */
function kernelOriginalDst(): OriginalDstLookup | SocketCallsError {
  try {
    return createKernelOriginalDst();
  } catch (error) {
    if (error instanceof SocketCallsError) return error;
    throw error;
  }
}

/** The configuration, or `undefined` after its problems were told, one per line. */
function readConfig(): ProxyConfig | undefined {
  try {
    return parseProxyConfig(process.env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const problem of error.info.problems) stderrSink(problem);
    return undefined;
  }
}
