/**
 * A gRPC channel to one control-plane service: one connection at a time, opened by the first call, re-opened with backoff
 * while calls wait, resolved anew each time.
 *
 *      idle ──call──► dialling ──settings──► ready ──goaway/close──► idle
 *                        │ failure
 *                        └──► backoff ──time──► dialling (while calls wait, else idle)
 */
import type { ClientTls, Driver, TlsContext } from '@mesh/net';
import { Backoff, messageOf } from '@mesh/runtime';
import type { BackoffOptions, Clock, Logger, Timer } from '@mesh/runtime';
import { H2_ERROR } from '@mesh/wire';
import { Call } from './call.ts';
import type { ActiveCall, CallHandlers } from './call.ts';
import { Link } from './link.ts';
import { frameMessage } from './message.ts';
import type { GrpcMethod } from './method.ts';
import type { ChannelObserver } from './observer.ts';
import { GRPC_STATUS, GrpcError } from './status.ts';
import { formatTarget } from './target.ts';
import type { GrpcTarget, Resolver } from './target.ts';

/** How the server is authenticated. */
export type ChannelSecurity =
  | { readonly kind: 'plaintext' }
  | {
      readonly kind: 'tls';
      /** SNI, and the SAN that the server's certificate must have. */
      readonly serverName: string;
      /**
       * The newest context, asked for at each connection attempt. A promise holds the attempt back until it settles; with
       * `undefined` it is made again after a while, which is normal at the start and therefore not logged as a failure.
       */
      context(): TlsContext | undefined | Promise<TlsContext | undefined>;
    };

export interface ChannelOptions {
  readonly target: GrpcTarget;
  readonly security: ChannelSecurity;
  readonly connectTimeoutMs?: number;
  readonly backoff?: BackoffOptions;
  readonly keepAliveIntervalMs?: number;
  readonly keepAliveTimeoutMs?: number;
  /** Calls that may wait for a connection. */
  readonly queueMax?: number;
}

export interface ChannelDeps {
  readonly driver: Driver;
  readonly clock: Clock;
  readonly resolve: Resolver;
  readonly log: Logger;
  readonly observer: ChannelObserver;
}

/** Linkerd's outbound connect backoff begins and jitters so; its end, 60 s, would delay recovery after long outages. */
const BACKOFF_DEFAULT: BackoffOptions = { minMs: 100, maxMs: 10_000, jitterRatio: 0.1 };
/** Linkerd's outbound connect timeout. */
export const CONNECT_TIMEOUT_MS = 1000;
/** Servers in Go complain about pings more often than that only when nothing is sent; GOAWAY doubles it. */
export const KEEP_ALIVE_INTERVAL_MS = 20_000;
export const KEEP_ALIVE_TIMEOUT_MS = 5000;
/** One stream per destination or port waits at most once; a proxy knows no more than this. */
export const QUEUE_MAX = 10_000;

/** A call that can be given up. */
export interface CallHandle {
  /** Ends the call at once; no callback follows. */
  cancel(): void;
}

export class GrpcChannel {
  readonly target: string;
  readonly #options: ChannelOptions;
  readonly #deps: ChannelDeps;
  readonly #backoff: Backoff;
  readonly #waiting = new Set<ActiveCall>();
  readonly #startedMs = new Map<ActiveCall, number>();
  readonly #retiring = new Set<Link>();
  #link: Link | undefined;
  #dialling = false;
  #retry: Timer | undefined;
  #keepAliveIntervalMs: number;
  #closed = false;
  #connectFailures = 0;

  constructor(options: ChannelOptions, deps: ChannelDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#backoff = new Backoff(options.backoff ?? BACKOFF_DEFAULT);
    this.#keepAliveIntervalMs = options.keepAliveIntervalMs ?? KEEP_ALIVE_INTERVAL_MS;
    this.target = formatTarget(options.target);
  }

  /** One request, many responses. The call waits for a connection as long as it takes. */
  serverStream<Request, Response>(
    method: GrpcMethod<Request, Response>,
    request: Request,
    handlers: CallHandlers<Response>,
  ): CallHandle {
    const call = new Call<Response>(
      method,
      frameMessage(method.encode(request)),
      this.target,
      handlers,
      (ended, httpStatus, status) => this.#finished(ended, httpStatus, status?.code ?? GRPC_STATUS.CANCELLED),
    );
    this.#deps.observer.request();
    this.#startedMs.set(call, this.#deps.clock.monotonic());
    this.#submit(call);
    return {
      cancel: () => {
        if (call.done) return;
        const stream = call.stream;
        call.cancelled();
        if (stream !== undefined) for (const link of this.#links()) link.cancel(stream);
      },
    };
  }

  /**
   * One request, one response, within `timeoutMs` including the wait for a connection.
   * @throws GrpcError, or the signal's reason.
   */
  unary<Request, Response>(
    method: GrpcMethod<Request, Response>,
    request: Request,
    options: { readonly timeoutMs: number; readonly signal?: AbortSignal },
  ): Promise<Response> {
    const { promise, resolve, reject } = Promise.withResolvers<Response>();
    const fail = (code: number, message: string): void =>
      reject(GrpcError.of({ code, message }, method.path, this.target));
    let response: Response | undefined;
    const call = this.serverStream(method, request, {
      opened: () => undefined,
      message: (message) => (response ??= message),
      end: (status) => {
        if (status.code !== GRPC_STATUS.OK) fail(status.code, status.message);
        else if (response === undefined) fail(GRPC_STATUS.INTERNAL, 'the server sent no response');
        else resolve(response);
      },
    });
    const timer = this.#deps.clock.after(options.timeoutMs, () => {
      call.cancel();
      fail(GRPC_STATUS.DEADLINE_EXCEEDED, `no answer within ${options.timeoutMs} ms${this.#lastFailure()}`);
    });
    const onAbort = (): void => {
      call.cancel();
      reject(options.signal?.reason as Error);
    };
    if (options.signal?.aborted === true) onAbort();
    options.signal?.addEventListener('abort', onAbort, { once: true });
    return promise.finally(() => {
      timer.cancel();
      options.signal?.removeEventListener('abort', onAbort);
    });
  }

  /** Opens the connection before the first call needs it. One attempt: a failure waits for that call. */
  warm(): void {
    this.#connect();
  }

  /** Ends every call with UNAVAILABLE and the connection. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#retry?.cancel();
    for (const link of this.#links()) link.destroy('the channel was closed');
    this.#failWaiting('the channel was closed');
  }

  /** New calls go over a new connection (with today's certificate and addresses); open ones finish where they are. */
  refresh(): void {
    const link = this.#link;
    if (link === undefined) return;
    this.#link = undefined;
    this.#retiring.add(link);
    link.retire();
  }

  #reason = '';

  #lastFailure(): string {
    return this.#reason === '' ? '' : `; last failure: ${this.#reason}`;
  }

  #links(): readonly Link[] {
    return this.#link === undefined ? [...this.#retiring] : [this.#link, ...this.#retiring];
  }

  #submit(call: ActiveCall): void {
    if (this.#closed) return call.failed({ code: GRPC_STATUS.UNAVAILABLE, message: 'the channel is closed' });
    if (this.#link?.start(call) === true) return;
    if (this.#waiting.size >= (this.#options.queueMax ?? QUEUE_MAX))
      return call.failed({ code: GRPC_STATUS.UNAVAILABLE, message: 'too many calls wait for a connection' });
    this.#waiting.add(call);
    this.#deps.observer.waiting(this.#waiting.size);
    this.#connect();
  }

  #finished(call: ActiveCall, httpStatus: number, grpcStatus: number): void {
    const started = this.#startedMs.get(call) ?? 0;
    this.#startedMs.delete(call);
    if (this.#waiting.delete(call)) this.#deps.observer.waiting(this.#waiting.size);
    // A place may be free now; the stream itself is closed only after this callback.
    else if (this.#waiting.size > 0) queueMicrotask(() => this.#startWaiting());
    this.#deps.observer.response(httpStatus, grpcStatus, this.#deps.clock.monotonic() - started);
  }

  #connect(): void {
    if (this.#closed || this.#dialling || this.#link !== undefined || this.#retry !== undefined) return;
    this.#dialling = true;
    void this.#dial()
      .catch((error: unknown) => this.#connectFailed(messageOf(error)))
      .finally(() => (this.#dialling = false));
  }

  async #dial(): Promise<void> {
    const { driver, clock, resolve, observer } = this.#deps;
    const { target, security } = this.#options;
    let addresses: readonly string[];
    try {
      addresses = await resolve(target.host);
      observer.resolution(addresses.length > 0);
    } catch (error) {
      observer.resolution(false);
      throw error;
    }
    if (this.#closed) return;
    // Spreads clients over the replicas, and leaves a dead one at the next attempt.
    const ip = addresses[Math.floor(Math.random() * addresses.length)];
    if (ip === undefined) return this.#connectFailed(`${target.host} has no address`);
    let tls: ClientTls | undefined;
    if (security.kind === 'tls') {
      const context = await security.context();
      if (this.#closed) return;
      if (context === undefined) return this.#notYet('there are no trust anchors yet');
      tls = { context, serverName: security.serverName };
    }
    this.#link = new Link(
      { ip, port: target.port },
      tls,
      {
        driver,
        clock,
        connectTimeoutMs: this.#options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
        keepAliveIntervalMs: this.#keepAliveIntervalMs,
        keepAliveTimeoutMs: this.#options.keepAliveTimeoutMs ?? KEEP_ALIVE_TIMEOUT_MS,
      },
      {
        ready: (link) => this.#ready(link),
        leaving: (link, code) => this.#leaving(link, code),
        gone: (link, reason) => this.#gone(link, reason),
      },
    );
  }

  #ready(link: Link): void {
    if (link !== this.#link) return;
    this.#backoff.reset();
    this.#reason = '';
    if (this.#connectFailures > 0) this.#deps.log.info('control plane reached again', { target: this.target });
    this.#connectFailures = 0;
    this.#deps.observer.connected(true);
    this.#startWaiting();
  }

  /** Starts what waits, as far as the connection takes it. */
  #startWaiting(): void {
    for (const call of this.#waiting) {
      if (this.#link?.start(call) !== true) break;
      this.#waiting.delete(call);
    }
    this.#deps.observer.waiting(this.#waiting.size);
  }

  #leaving(link: Link, code: number): void {
    if (code === H2_ERROR.enhanceYourCalm) this.#keepAliveIntervalMs *= 2;
    if (link !== this.#link) return;
    this.#link = undefined;
    this.#retiring.add(link);
    this.#deps.observer.connected(false);
    if (this.#waiting.size > 0) this.#connect();
  }

  #gone(link: Link, reason: string): void {
    if (this.#retiring.delete(link)) return;
    this.#link = undefined;
    this.#deps.observer.connected(false);
    this.#connectFailed(reason);
  }

  #connectFailed(reason: string): void {
    if (this.#closed) return;
    this.#connectFailures += 1;
    const delayMs = this.#retryLater(reason);
    const fields = { target: this.target, reason, retryInMs: Math.round(delayMs) };
    if (this.#connectFailures === 1) this.#deps.log.warn('control plane not reachable', fields);
    else this.#deps.log.debug('control plane still not reachable', fields);
  }

  /** Nothing is wrong with the control plane: this process is not ready to talk to it. */
  #notYet(reason: string): void {
    if (this.#closed) return;
    const delayMs = this.#retryLater(reason);
    this.#deps.log.debug('control plane not contacted yet', {
      target: this.target,
      reason,
      retryInMs: Math.round(delayMs),
    });
  }

  /** @returns after how many milliseconds. */
  #retryLater(reason: string): number {
    this.#reason = reason;
    const delayMs = this.#backoff.next();
    this.#retry?.cancel();
    this.#retry = this.#deps.clock.after(delayMs, () => {
      this.#retry = undefined;
      if (this.#waiting.size > 0) this.#connect();
    });
    return delayMs;
  }

  #failWaiting(message: string): void {
    for (const call of this.#waiting) call.failed({ code: GRPC_STATUS.UNAVAILABLE, message });
  }
}
