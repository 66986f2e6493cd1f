/**
 * One request and its response: gets an endpoint and a connection, has bytes copied there and back, and tries elsewhere while that is
 * safe. Which version of HTTP either side speaks is the business of the two streams that it joins.
 *
 *   idle ──begin──► waiting ──attach──► active ──response done──► idle
 *                     │  ▲                │
 *                     │  └── sent again ──┤ broken, refused
 *                     └──────► response made here ──► idle
 */
import { classifyGrpc, classifyHttp, GRPC_CODE, isSuccess } from '@mesh/model';
import type { ResponseClass } from '@mesh/model';
import type { Dispatcher, EndpointSlot } from '../balance/endpoint-slot.ts';
import type { ClientStream } from './client-stream.ts';
import type { HttpEngine } from './engine.ts';
import { Placement } from './placement.ts';
import { neverDelivered } from './rescue.ts';
import type { FailureCode } from './rescue.ts';
import type { TunnelServer, UpstreamStream } from './upstream-stream.ts';

const IDLE = 0;
const WAITING = 1;
const ACTIVE = 2;

const INTERIM_MAX = 16;

/** An endpoint that lets these pass counts as one that failed. */
const TIME_LIMITS: ReadonlySet<FailureCode> = new Set(['request_timeout']);

/** How an upstream ended before its response did. */
export interface Loss {
  /** It is certain that no program saw the request: HTTP/2 says so (RFC 9113 §8.7). */
  readonly unprocessed: boolean;
  /** RST_STREAM of the server, which means something to the client; -1: the connection broke. */
  readonly h2Code: number;
}

export const BROKEN: Loss = { unprocessed: false, h2Code: -1 };

export class Exchange {
  readonly client: ClientStream;
  readonly #engine: HttpEngine;
  readonly #placement: Placement;
  #phase: number;
  #up: UpstreamStream | undefined;
  #responseStarted: boolean;
  #interim: number;
  #startedAtMs: number;
  #sentAtMs: number;
  #latencyMs: number;
  #status: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(client: ClientStream, engine: HttpEngine) {
    this.client = client;
    this.#engine = engine;
    this.#placement = new Placement(this);
    this.#phase = IDLE;
    this.#up = undefined;
    this.#responseStarted = false;
    this.#interim = 0;
    this.#startedAtMs = 0;
    this.#sentAtMs = 0;
    this.#latencyMs = 0;
    this.#status = 0;
    this.#timer = undefined;
  }

  get idle(): boolean {
    return this.#phase === IDLE;
  }

  /** Where the request's body goes at the moment; undefined while there is no connection. */
  get upstream(): UpstreamStream | undefined {
    return this.#up;
  }

  // ---- Called by the client's stream ----------------------------------------------------------------------------

  /** A request's head was read. */
  begin(): void {
    this.#start();
    const { client } = this;
    if (this.#engine.inFlight > this.#engine.options.inFlightMax) this.reject('overloaded');
    else client.service.route(client);
  }

  /** What was read is no request. */
  beginBad(code: FailureCode): void {
    this.#start();
    this.reject(code);
  }

  /** @param timeoutMs Whole exchange; undefined: no limit. */
  dispatch(dispatcher: Dispatcher, timeoutMs: number | undefined): void {
    if (timeoutMs !== undefined && this.#timer === undefined) {
      this.#timer = setTimeout(() => this.abandon('request_timeout'), timeoutMs);
    }
    this.#placement.dispatch(dispatcher);
  }

  /** Answers the request here. @param status Instead of the code's own. */
  reject(code: FailureCode, status?: number): void {
    const { client } = this;
    if (!client.open) return;
    const { service } = client;
    const undelivered = service.servesProxies && this.#placement.attempts.deliveries === 0 && neverDelivered(code);
    const answered = client.answer(code, status, undelivered);
    const { grpcStatus } = answered;
    const answer = grpcStatus === undefined ? classifyHttp(answered.status) : classifyGrpc(grpcStatus);
    client.cells?.response(answered.status, isSuccess(answer), this.#elapsed(), code, grpcStatus);
    service.failed?.(code);
    this.#end();
    client.next();
  }

  /** Gives the exchange up; the client is told if that is still possible. */
  abandon(code: FailureCode): void {
    this.#dropUpstream(TIME_LIMITS.has(code) ? 'failure' : 'none');
    if (this.#responseStarted) this.#breakOff(code, -1);
    else this.reject(code);
  }

  /** The client takes bytes again. */
  clientDrained(): void {
    this.#up?.resumeResponse();
  }

  /** The client is gone. */
  cancel(): void {
    if (this.#phase === IDLE) return;
    this.#dropUpstream('none');
    this.#end();
  }

  // ---- Called by the placement ----------------------------------------------------------------------------------

  onEndpoint(slot: EndpointSlot): void {
    this.client.cells ??= slot.cells.http;
  }

  reroute(): void {
    const { client } = this;
    // The next endpoint counts with its own cells.
    client.cells = undefined;
    client.service.route(client);
  }

  /** The connection for this exchange. */
  attach(up: UpstreamStream): void {
    const { client } = this;
    this.#up = up;
    up.exchange = this;
    client.cells?.requestTotal.add(1);
    this.#sentAtMs =
      this.#placement.attempts.count === 1 && up.reused ? this.#startedAtMs : this.#engine.clock.monotonic();
    this.#phase = ACTIVE;
    client.sendTo(up);
  }

  // ---- Called by the upstream's stream --------------------------------------------------------------------------

  upstreamDrained(): void {
    this.client.resumeRequest();
  }

  /** The upstream broke, or refused the request. */
  upstreamLost(up: UpstreamStream, loss: Loss): void {
    if (this.#up !== up) return;
    const { client } = this;
    this.#up = undefined;
    // With the response's head its sample was taken and the request no longer counted as pending.
    if (!this.#responseStarted) this.#placement.slot?.ewma.finish(undefined, 0);
    // A kept connection may be closed at any time: that says nothing about the server.
    const expected = loss.unprocessed || (loss.h2Code < 0 && up.reused && !this.#responseStarted);
    this.#placement.leave(expected ? 'none' : 'failure');
    up.cancel();
    if (this.#responseStarted) {
      this.#breakOff(loss.h2Code < 0 ? 'io' : 'reset', loss.h2Code);
      return;
    }
    const whole = client.replayable && this.#interim === 0;
    const { attempts } = this.#placement;
    const again = loss.unprocessed
      ? attempts.mayResend(whole)
      : loss.h2Code < 0 && attempts.mayRepeat(client.method, whole && client.requestDone, up.reused);
    if (again) {
      // What may be repeated here may be repeated elsewhere (RFC 9110 §9.2.2).
      attempts.deliveries -= 1;
      this.#phase = WAITING;
      this.reroute();
    } else if (loss.h2Code >= 0 && client.facts.version === 2) this.#breakOff('reset', loss.h2Code);
    else this.reject('io');
  }

  /** An informational head came. False: the exchange is over, nothing is to be passed on. */
  onInterim(up: UpstreamStream): boolean {
    this.#interim += 1;
    if (this.#interim <= INTERIM_MAX) return true;
    this.badResponse(up);
    return false;
  }

  /**
   * The peer's proxy says that the program behind it saw nothing of the request: the endpoint rests for a moment, and the
   * request goes to another if it can be sent again. False: the answer stands.
   */
  sendElsewhere(up: UpstreamStream): boolean {
    const { slot } = this.#placement;
    // Only a proxy whose certificate was checked is believed: any other server could make clients repeat requests.
    if (slot?.plan.tls === undefined || this.#up !== up) return false;
    if (!this.#placement.undelivered(slot, this.client.replayable)) return false;
    this.#dropUpstream('none');
    this.#phase = WAITING;
    this.reroute();
    return true;
  }

  /** A final response head came and is about to go to the client. @param ofProgram It is not a proxy's word about its program. */
  onFinalHead(status: number, ofProgram: boolean): void {
    this.#status = status;
    this.#responseStarted = true;
    const now = this.#engine.clock.monotonic();
    this.#latencyMs = now - this.#startedAtMs;
    const { slot } = this.#placement;
    if (slot !== undefined) {
      slot.ewma.finish(now - this.#sentAtMs, now);
      if (ofProgram) slot.rests = 0;
    }
    this.client.forgetRequest();
  }

  /** The response is complete. @param grpcStatus Of its trailers, or of its head; undefined: it had none. */
  finish(up: UpstreamStream, grpcStatus: number | undefined): void {
    if (this.#up !== up) return;
    const { client } = this;
    const isGrpc = client.grpc && this.#status === 200;
    const answer = isGrpc ? classifyGrpc(grpcStatus) : classifyHttp(this.#status);
    const shown = isGrpc ? (grpcStatus ?? GRPC_CODE.unknown) : undefined;
    client.cells?.response(this.#status, isSuccess(answer), this.#latencyMs, '', shown);
    this.#up = undefined;
    this.#placement.leave(answer);
    this.#end();
    up.finished(client.requestDone && !client.ancient);
    client.next();
  }

  badResponse(up: UpstreamStream): void {
    if (this.#up !== up) return;
    this.#dropUpstream('failure');
    if (this.#responseStarted) this.#breakOff('bad_response', -1);
    else this.reject('bad_response');
  }

  /** The client's request cannot be said in the upstream's version; nothing was sent. */
  untranslatable(up: UpstreamStream): void {
    if (this.#up !== up) return;
    this.#up = undefined;
    this.#placement.slot?.ewma.finish(undefined, 0);
    this.#placement.leave('none');
    up.finished(true);
    this.reject('bad_request');
  }

  /** 101 or a CONNECT that succeeded, its head passed on: bytes both ways from now on. */
  becomeTunnel(status: number, server: TunnelServer): void {
    const { client } = this;
    client.cells?.response(status, true, this.#elapsed(), '', undefined);
    this.#placement.slot?.ewma.finish(undefined, 0);
    this.#end();
    this.#up = undefined;
    this.#placement.leave('success');
    client.becomeTunnel(server);
  }

  // ---------------------------------------------------------------------------------------------------------------

  /** The response cannot be completed. */
  #breakOff(code: FailureCode, h2Code: number): void {
    const { client } = this;
    client.cells?.response(this.#status, false, this.#responseStarted ? this.#latencyMs : this.#elapsed(), code);
    this.#end();
    client.breakOff(code, h2Code);
  }

  /** Lets go of queue, endpoint and connection. @param learned What this says about the endpoint. */
  #dropUpstream(learned: ResponseClass): void {
    const up = this.#up;
    this.#placement.cancel(this.#responseStarted, learned);
    this.#up = undefined;
    if (up === undefined) return;
    up.exchange = undefined;
    up.cancel();
  }

  #start(): void {
    this.#phase = WAITING;
    this.#startedAtMs = this.#engine.clock.monotonic();
    this.client.cells = undefined;
    this.#engine.inFlight += 1;
    this.#placement.attempts.reset();
    this.#interim = 0;
    this.#responseStarted = false;
    this.#status = 0;
  }

  #end(): void {
    if (this.#phase !== IDLE) this.#engine.inFlight -= 1;
    this.#phase = IDLE;
    this.#placement.end();
    if (this.#timer !== undefined) {
      clearTimeout(this.#timer);
      this.#timer = undefined;
    }
  }

  #elapsed(): number {
    return this.#engine.clock.monotonic() - this.#startedAtMs;
  }
}
