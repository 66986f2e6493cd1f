/**
 * A server stream that is kept open: dialled again with backoff whatever ends it, until a terminal status or `stop`.
 *
 * The limits are Linkerd's control-stream limits: no answer within `initialTimeoutMs` is a failure; silence of `idleTimeoutMs`
 * and an age of `lifetimeMs` end the stream normally, so that it moves to another replica and heals what was lost.
 */
import { Backoff } from '@mesh/runtime';
import type { BackoffOptions, Clock, Timer } from '@mesh/runtime';
import type { CallHandle, GrpcChannel } from './channel.ts';
import type { GrpcMethod } from './method.ts';
import { GRPC_STATUS } from './status.ts';
import type { GrpcStatus } from './status.ts';

/** Milliseconds; `undefined`: no limit. */
export interface StreamLimits {
  readonly initialTimeoutMs: number | undefined;
  readonly idleTimeoutMs: number | undefined;
  readonly lifetimeMs: number | undefined;
}

export const NO_STREAM_LIMITS: StreamLimits = {
  initialTimeoutMs: undefined,
  idleTimeoutMs: undefined,
  lifetimeMs: undefined,
};

export interface WatchHandlers<Response> {
  /** A new stream was opened: what follows starts from nothing. */
  opened(): void;
  message(message: Response): void;
  /** The server refused for good; nothing follows. */
  terminal(status: GrpcStatus): void;
  /** The stream ended and will be dialled again; what is known stays. */
  interrupted(status: GrpcStatus): void;
}

export interface WatchOptions<Request, Response> {
  readonly channel: GrpcChannel;
  readonly method: GrpcMethod<Request, Response>;
  readonly request: Request;
  /** Statuses after which it is not tried again. */
  readonly terminal: ReadonlySet<number>;
  readonly limits: StreamLimits;
  readonly backoff: BackoffOptions;
  readonly clock: Clock;
}

/** Waits between streams, not between connections: those have the channel's. */
export const WATCH_BACKOFF: BackoffOptions = { minMs: 100, maxMs: 5000, jitterRatio: 0.2 };

export class Watch<Request, Response> {
  readonly #options: WatchOptions<Request, Response>;
  readonly #handlers: WatchHandlers<Response>;
  readonly #backoff: Backoff;
  #call: CallHandle | undefined;
  #initial: Timer | undefined;
  #idle: Timer | undefined;
  #lifetime: Timer | undefined;
  #retry: Timer | undefined;
  #lastMessageMs = 0;
  #stopped = false;

  constructor(options: WatchOptions<Request, Response>, handlers: WatchHandlers<Response>) {
    this.#options = options;
    this.#handlers = handlers;
    this.#backoff = new Backoff(options.backoff);
  }

  start(): void {
    const { channel, method, request, limits } = this.#options;
    this.#retry = undefined;
    this.#call = channel.serverStream(method, request, {
      opened: () => this.#opened(),
      message: (message) => this.#message(message),
      end: (status) => this.#ended(status),
    });
    if (limits.initialTimeoutMs !== undefined)
      this.#initial = this.#options.clock.after(limits.initialTimeoutMs, () =>
        this.#giveUp({ code: GRPC_STATUS.DEADLINE_EXCEEDED, message: 'no answer within the initial timeout' }),
      );
  }

  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#clear();
    this.#retry?.cancel();
    this.#call?.cancel();
  }

  #opened(): void {
    const { clock, limits } = this.#options;
    this.#initial?.cancel();
    this.#lastMessageMs = clock.monotonic();
    if (limits.lifetimeMs !== undefined)
      this.#lifetime = clock.after(limits.lifetimeMs, () => this.#renew('the stream reached its lifetime'));
    if (limits.idleTimeoutMs !== undefined) this.#armIdle(limits.idleTimeoutMs);
    this.#handlers.opened();
  }

  #armIdle(timeoutMs: number): void {
    const silentMs = this.#options.clock.monotonic() - this.#lastMessageMs;
    this.#idle = this.#options.clock.after(Math.max(1, timeoutMs - silentMs), () => {
      if (this.#options.clock.monotonic() - this.#lastMessageMs >= timeoutMs) this.#renew('the stream was idle');
      else this.#armIdle(timeoutMs);
    });
  }

  #message(message: Response): void {
    this.#backoff.reset();
    this.#lastMessageMs = this.#options.clock.monotonic();
    this.#handlers.message(message);
  }

  /** A planned end: no failure, so the next stream comes after the shortest wait. */
  #renew(message: string): void {
    this.#backoff.reset();
    this.#giveUp({ code: GRPC_STATUS.OK, message });
  }

  #giveUp(status: GrpcStatus): void {
    this.#call?.cancel();
    this.#ended(status);
  }

  #ended(status: GrpcStatus): void {
    this.#clear();
    this.#call = undefined;
    if (this.#stopped) return;
    if (this.#options.terminal.has(status.code)) {
      this.#stopped = true;
      return this.#handlers.terminal(status);
    }
    this.#retry = this.#options.clock.after(this.#backoff.next(), () => this.start());
    this.#handlers.interrupted(status);
  }

  #clear(): void {
    this.#initial?.cancel();
    this.#idle?.cancel();
    this.#lifetime?.cancel();
  }
}
