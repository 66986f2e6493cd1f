/**
 * `network-validator`: where somebody else sets up redirection (a CNI plugin), shows that it is in force before anything of the pod
 * starts. It listens on the proxy's outbound port and connects to an address where nobody answers: only redirection brings that
 * connection back, and a random token proves that it came back to this very process.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { connect, createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { formatSocketAddress, parseSocketAddress } from '@mesh/model';
import type { SocketAddress } from '@mesh/model';
import { ConfigError, EXIT_CODE, MeshError, parseDurationMs } from '@mesh/runtime';
import type { LogSink } from '@mesh/runtime';
import { FlagReader, helpText, parseFlags } from './flags.ts';
import type { FlagSpec } from './flags.ts';
import { LOG_FLAGS, openLog, readLogOptions } from './log-flags.ts';
import type { LogOptions } from './log-flags.ts';

/** The code by which operators and controllers recognise this failure, and delete the pod. */
export const NOT_REDIRECTED_EXIT_CODE = 95;

export interface ValidatorConfig {
  readonly connect: SocketAddress;
  readonly listen: SocketAddress;
  readonly timeoutMs: number;
  readonly log: LogOptions;
}

export type ValidationErrorInfo =
  | { readonly code: 'not_redirected'; readonly errno: string; readonly connect: string }
  | { readonly code: 'answered_by_another'; readonly connect: string }
  | { readonly code: 'timed_out'; readonly connect: string; readonly timeoutMs: number }
  | { readonly code: 'cannot_listen'; readonly errno: string; readonly listen: string };
export class ValidationError extends MeshError<ValidationErrorInfo> {
  override readonly name = 'ValidationError';
}

const FLAGS = {
  'connect-addr': { kind: 'text', about: 'an address where nobody answers (1.1.1.1:20001)' },
  'listen-addr': { kind: 'text', about: 'where the proxy will listen (0.0.0.0:4140)' },
  timeout: { kind: 'text', about: 'how long it may take (10s)' },
  ...LOG_FLAGS,
} as const satisfies Record<string, FlagSpec>;

const TOKEN_BYTES = 32;
const FIX = 'look at the CNI plugin on this node (is it installed, did it run for this pod?), then delete the pod';

/** @returns 0 when connections are redirected, 95 when not, 64 for bad arguments */
export async function runNetworkValidator(
  args: readonly string[],
  { print, logs }: { readonly print: LogSink; readonly logs: LogSink },
): Promise<number> {
  const help = helpText('network-validator', args, FLAGS);
  if (help !== undefined) {
    print(help);
    return EXIT_CODE.ok;
  }
  let config: ValidatorConfig;
  try {
    config = parseValidatorConfig(args);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const problem of error.info.problems) logs(problem);
    return EXIT_CODE.usage;
  }
  const log = openLog(config.log, logs);
  try {
    await validateRedirection(config);
    log.info('connections are redirected', { connect: formatSocketAddress(config.connect) });
    return EXIT_CODE.ok;
  } catch (error) {
    if (!(error instanceof ValidationError)) throw error;
    log.error('the network of this pod is not ready for the mesh', { error });
    return NOT_REDIRECTED_EXIT_CODE;
  }
}

/** @throws ConfigError with a sentence per problem */
export function parseValidatorConfig(args: readonly string[]): ValidatorConfig {
  const reader = new FlagReader(parseFlags(args, FLAGS));
  const address = (name: string, fallback: string): SocketAddress => {
    const text = reader.text(name) ?? fallback;
    const parsed = parseSocketAddress(text);
    if (parsed === undefined)
      reader.problem(name, text, 'an address with a port, such as 1.1.1.1:20001 or [fd00::1]:20001');
    return parsed ?? { host: '', port: 0 };
  };
  const timeout = reader.text('timeout') ?? '10s';
  const timeoutMs = parseDurationMs(timeout);
  if (timeoutMs === undefined || timeoutMs === 0) reader.problem('timeout', timeout, 'a duration such as 10s');
  const config = {
    connect: address('connect-addr', '1.1.1.1:20001'),
    listen: address('listen-addr', '0.0.0.0:4140'),
    timeoutMs: timeoutMs ?? 0,
    log: readLogOptions(reader),
  };
  if (reader.problems.length > 0) throw new ConfigError(reader.problems);
  return config;
}

/** @throws ValidationError */
export async function validateRedirection(config: Omit<ValidatorConfig, 'log'>): Promise<void> {
  const token = randomBytes(TOKEN_BYTES);
  const server = await listen(config.listen, token);
  try {
    await dial(config, token);
  } finally {
    server.close();
  }
}

function listen(at: SocketAddress, token: Buffer): Promise<Server> {
  const { promise, resolve, reject } = Promise.withResolvers<Server>();
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.end(token);
  });
  const address = formatSocketAddress(at);
  server.on('error', (cause: NodeJS.ErrnoException) => {
    const errno = cause.code ?? 'unknown';
    const fix = errno === 'EADDRINUSE' ? 'stop what listens there' : 'check --listen-addr';
    reject(
      new ValidationError({ code: 'cannot_listen', errno, listen: address }, `cannot listen on ${address}: ${fix}`, {
        cause,
      }),
    );
  });
  server.listen(at.port, at.host, () => resolve(server));
  return promise;
}

function dial({ connect: to, timeoutMs }: Omit<ValidatorConfig, 'log'>, token: Buffer): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const address = formatSocketAddress(to);
  const socket: Socket = connect(to.port, to.host);
  const chunks: Buffer[] = [];
  const timer = setTimeout(() => {
    socket.destroy();
    reject(
      new ValidationError(
        { code: 'timed_out', connect: address, timeoutMs },
        `no connection to ${address} came back within ${timeoutMs} ms: ${FIX}`,
      ),
    );
  }, timeoutMs);
  const finish = (error: ValidationError | undefined): void => {
    clearTimeout(timer);
    socket.destroy();
    if (error === undefined) resolve();
    else reject(error);
  };
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.on('error', (cause: NodeJS.ErrnoException) => {
    const errno = cause.code ?? 'unknown';
    const message = `the connection to ${address} was not redirected (${errno}): ${FIX}`;
    finish(new ValidationError({ code: 'not_redirected', errno, connect: address }, message, { cause }));
  });
  socket.on('end', () => {
    const answer = Buffer.concat(chunks);
    if (answer.length === token.length && timingSafeEqual(answer, token)) finish(undefined);
    else {
      const message = `something else answered at ${address}: give an address where nobody does (--connect-addr), and ${FIX}`;
      finish(new ValidationError({ code: 'answered_by_another', connect: address }, message));
    }
  });
  return promise;
}
