/**
 * Runs one role of the control plane: `main.ts identity|destination|policy|injector [--kubeconfig FILE] [--context NAME]`.
 * The environment variables are in the package's README. Exit codes: 64 for wrong usage, 1 when the start fails.
 */
import type { KubeClient } from '@mesh/kube';
import { ConfigError, EXIT_CODE, isAbort, MeshError, messageOf, systemClock } from '@mesh/runtime';
import type { Env } from '@mesh/runtime';
import { parseArgs } from 'node:util';

import {
  parseDestinationConfig,
  parseIdentityConfig,
  parseInjectorConfig,
  parsePolicyConfig,
  ROLES,
} from './config/config.ts';
import type { CommonConfig, Role } from './config/config.ts';
import { loggerFor } from './role.ts';
import type { RoleDeps, RunningRole } from './role.ts';

/** Open streams are cut after the drain; a stop that takes longer than this hangs. */
const STOP_TIMEOUT_MS = 5_000;

type Start = (deps: (config: CommonConfig) => RoleDeps, signal: AbortSignal) => Promise<RunningRole>;

/** Each role loads only its own modules. */
function starterFor(role: Role, env: Env): Start {
  switch (role) {
    case 'identity':
      return starter(parseIdentityConfig(env), async (...run) =>
        (await import('./identity/role.ts')).runIdentity(...run),
      );
    case 'destination':
      return starter(parseDestinationConfig(env), async (...run) =>
        (await import('./destination/role.ts')).runDestination(...run),
      );
    case 'policy':
      return starter(parsePolicyConfig(env), async (...run) => (await import('./policy/role.ts')).runPolicy(...run));
    case 'injector':
      return starter(parseInjectorConfig(env), async (...run) =>
        (await import('./injector/role.ts')).runInjector(...run),
      );
  }
}

function starter<C extends CommonConfig>(
  config: C,
  run: (config: C, deps: RoleDeps, signal: AbortSignal) => Promise<RunningRole>,
): Start {
  return (deps, signal) => run(config, deps(config), signal);
}

async function main(argv: readonly string[], env: Env): Promise<number> {
  const { values, positionals } = parseFlags(argv);
  const role = ROLES.find((one) => one === positionals[0]);
  if (role === undefined || positionals.length !== 1) return usage([`name one role: ${ROLES.join(', ')}`]);
  const startRole = starterFor(role, env);
  const client = await kubeClient(env, values);

  const stop = new AbortController();
  const stopped = Promise.withResolvers<void>();
  for (const name of ['SIGTERM', 'SIGINT'] as const) {
    process.once(name, () => {
      stop.abort();
      stopped.resolve();
    });
  }
  try {
    await using _running = await startRole(
      (config) => ({ client, clock: systemClock, resolve, ...loggerFor(role, config) }),
      stop.signal,
    );
    await stopped.promise;
    setTimeout(() => process.exit(1), STOP_TIMEOUT_MS).unref();
  } catch (error) {
    if (!isAbort(error)) throw error;
  } finally {
    client[Symbol.dispose]();
  }
  return 0;
}

/** @throws ConfigError for flags that do not exist. */
function parseFlags(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: { kubeconfig: { type: 'string' }, context: { type: 'string' } },
    });
  } catch (error) {
    throw new ConfigError([messageOf(error)]);
  }
}

/** The injector asks for no names, and is spared the client. */
const resolve: RoleDeps['resolve'] = async (host) => (await import('@mesh/control-client')).systemResolver(host);

/** In a pod, the pod's own account counts, not a kubeconfig that happens to lie in the home folder. */
async function kubeClient(
  env: Env,
  flags: { readonly kubeconfig?: string | undefined; readonly context?: string | undefined },
): Promise<KubeClient> {
  // Loaded after the configuration is known to be good.
  const { createKubeClient, loadKubeConfig } = await import('@mesh/kube');
  const inPod = env['KUBERNETES_SERVICE_HOST'] !== undefined;
  return createKubeClient(loadKubeConfig({ ...flags, env: inPod ? { ...env, HOME: '/nonexistent' } : env }));
}

function usage(problems: readonly string[]): number {
  for (const problem of problems) process.stderr.write(`${problem}\n`);
  return EXIT_CODE.usage;
}

/** What stands in the way of a start is one line; anything else is a bug, and shows where. */
function describe(error: unknown): string {
  if (error instanceof MeshError) return error.message;
  if (error instanceof Error && 'syscall' in error) return `cannot start: ${error.message}`;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

try {
  process.exitCode = await main(process.argv.slice(2), process.env);
} catch (error) {
  if (error instanceof ConfigError) process.exitCode = usage(error.info.problems);
  else {
    process.stderr.write(`${describe(error)}\n`);
    process.exitCode = EXIT_CODE.failure;
  }
}
