/**
 * `await`: holds up the containers that start after the sidecar until that is ready, as the hook of a sidecar that is an ordinary
 * container. Native sidecars need no such program.
 */
import { request } from 'node:http';
import { ConfigError, EXIT_CODE, parseDurationMs } from '@mesh/runtime';
import type { LogSink } from '@mesh/runtime';
import { FlagReader, helpText, parseFlags } from './flags.ts';
import type { FlagSpec } from './flags.ts';

export interface AwaitConfig {
  /** The proxy's admin port. */
  readonly port: number;
  readonly timeoutMs: number;
  /** Between two questions. */
  readonly backoffMs: number;
  readonly verbose: boolean;
}

/** By sysexits(3). */
export const NOT_READY_EXIT_CODE = 69;

const FLAGS = {
  port: { kind: 'text', short: 'p', about: "the proxy's admin port (4191)" },
  timeout: { kind: 'text', short: 't', about: 'how long to wait at most (2m)' },
  backoff: { kind: 'text', short: 'b', about: 'time between two questions (250ms)' },
  verbose: { kind: 'boolean', short: 'v', about: 'say what goes on' },
} as const satisfies Record<string, FlagSpec>;

/** A proxy that takes a connection and says nothing is asked again after this. */
const ANSWER_TIMEOUT_MS = 1000;

export interface AwaitDeps {
  /** Monotonic, milliseconds. */
  readonly now: () => number;
  /** Must keep the process alive: nothing else does while it waits. */
  readonly pause: (ms: number) => Promise<unknown>;
  /** Status of the answer, 0 for none. */
  readonly ask: (port: number) => Promise<number>;
  readonly print: LogSink;
  readonly logs: LogSink;
}

/** @returns 0 once the proxy is ready, 69 when it is not within the timeout, 64 for bad arguments */
export async function runAwait(args: readonly string[], deps: AwaitDeps): Promise<number> {
  const help = helpText('await', args, FLAGS);
  if (help !== undefined) {
    deps.print(help);
    return EXIT_CODE.ok;
  }
  let config: AwaitConfig;
  try {
    config = parseAwaitConfig(args);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const problem of error.info.problems) deps.logs(problem);
    return EXIT_CODE.usage;
  }
  const { port, timeoutMs, backoffMs, verbose } = config;
  const { now, pause, ask, logs } = deps;
  const deadline = now() + timeoutMs;
  for (;;) {
    const status = await ask(port);
    if (status >= 200 && status < 300) return EXIT_CODE.ok;
    const answer = status === 0 ? 'no answer' : `status ${status}`;
    if (verbose) logs(`the proxy is not ready: ${answer} on port ${port}`);
    if (now() + backoffMs >= deadline) {
      logs(
        `the proxy was not ready within ${timeoutMs} ms (${answer} on port ${port}): look at the log of linkerd-proxy`,
      );
      return NOT_READY_EXIT_CODE;
    }
    await pause(backoffMs);
  }
}

/** @throws ConfigError with a sentence per problem */
export function parseAwaitConfig(args: readonly string[]): AwaitConfig {
  const reader = new FlagReader(parseFlags(args, FLAGS));
  const duration = (name: string, fallback: string): number => {
    const text = reader.text(name) ?? fallback;
    const ms = parseDurationMs(text);
    if (ms === undefined || ms === 0) reader.problem(name, text, 'a duration such as 500ms or 2m');
    return ms ?? 0;
  };
  const config = {
    port: reader.integer('port', 4191, [1, 65_535]),
    timeoutMs: duration('timeout', '2m'),
    backoffMs: duration('backoff', '250ms'),
    verbose: reader.boolean('verbose', false),
  };
  if (reader.problems.length > 0) throw new ConfigError(reader.problems);
  return config;
}

/** Asks the admin port of this pod, by IPv4, then by IPv6. */
export async function askReady(port: number): Promise<number> {
  const status = await statusOf('127.0.0.1', port);
  return status === 0 ? statusOf('::1', port) : status;
}

function statusOf(host: string, port: number): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>();
  const question = request({ host, port, path: '/ready', agent: false, timeout: ANSWER_TIMEOUT_MS }, (answer) => {
    answer.resume();
    resolve(answer.statusCode ?? 0);
  });
  question.on('timeout', () => question.destroy());
  question.on('error', () => resolve(0));
  question.on('close', () => resolve(0));
  question.end();
  return promise;
}
