/**
 * One request and its response: gets an endpoint and a connection, has bytes copied there and back, and tries elsewhere while that is
 * safe. Which version of HTTP either side speaks is the business of the two streams that it joins.
 *
 *   idle ──begin──► waiting ──attach──► active ──response done──► idle
 *                     │  ▲                │
 *                     │  └── sent again ──┤ broken, refused, or the route asks for a retry (after a pause)
 *                     └──────► response made here ──► idle
 */
import { classifyGrpc, classifyHttp, GRPC_CODE, isSuccess, parseRetryAfterMs } from '@mesh/model';
import type { Overdue, ResponseClass, TryOutcome } from '@mesh/model';
import type { Dispatcher, EndpointSlot } from '../balance/endpoint-slot.ts';
import type { RouteRules } from '../route/route-rules.ts';
import { Account } from './account.ts';
import { REPLAY_BYTES_MAX } from './client-stream.ts';
import type { ClientStream } from './client-stream.ts';
import { Course } from './course.ts';
import type { CourseOwner } from './course.ts';
import type { HttpEngine } from './engine.ts';
import { outcomeOf, TIME_LIMIT_CODES, TIME_LIMITS } from './outcomes.ts';
import { Placement } from './placement.ts';
import { FAILURES, neverDelivered } from './rescue.ts';
import type { FailureCode } from './rescue.ts';
import type { Loss, TunnelServer, UpstreamStream } from './upstream-stream.ts';

const IDLE = 0;
const WAITING = 1;
const ACTIVE = 2;
const INTERIM_MAX = 16;

export class Exchange implements CourseOwner {
  readonly client: ClientStream;
  readonly #engine: HttpEngine;
  readonly #placement: Placement;
  readonly #account: Account;
  #phase: number;
  #up: UpstreamStream | undefined;
  #responseStarted: boolean;
  #interim: number;
  /** Set with the first request whose route has rules. */
  #course: Course | undefined;

  constructor(client: ClientStream, engine: HttpEngine) {
    this.client = client;
    this.#engine = engine;
    this.#placement = new Placement(this);
    this.#account = new Account(client, engine.clock);
    this.#phase = IDLE;
    this.#up = undefined;
    this.#responseStarted = false;
    this.#interim = 0;
    this.#course = undefined;
  }

  get idle(): boolean {
    return this.#phase === IDLE;
  }

  /** Where the request's body goes at the moment; undefined while there is no connection. */
  get upstream(): UpstreamStream | undefined {
    return this.#up;
  }

  /** So much of the request's body is kept, to be sent again: by the route's policy, or as little as the own repeats of this proxy need. */
  get replayBytesMax(): number {
    return Math.max(REPLAY_BYTES_MAX, this.#course?.retryBytesMax ?? 0);
  }

  // ---- Called by the client's stream ----------------------------------------------------------------------------

  /** A request's head was read. */
  begin(): void {
    this.#start();
    const { client } = this;
    client.service.begun?.(client);
    if (this.#engine.inFlight > this.#engine.options.inFlightMax) this.reject('overloaded');
    else client.service.route(client);
  }

  /** What was read is no request. */
  beginBad(code: FailureCode): void {
    this.#start();
    this.reject(code);
  }

  /** @param rules Of the request's route; undefined: it has none. */
  dispatch(dispatcher: Dispatcher, rules: RouteRules | undefined): void {
    if (rules !== undefined) {
      this.#course ??= new Course(this, this.#engine.clock);
      this.#course.follow(rules, this.#account.startedAtMs);
    }
    this.#placement.dispatch(dispatcher);
  }

  /** Bytes of the request's body pass. @param done They are the last. */
  requestFrame(length: number, done: boolean): void {
    this.#account.requestBytes += length;
    this.#course?.requestFrame(length, done);
  }

  /** Answers the request here. @param status Instead of the code's own. */
  reject(code: FailureCode, status?: number): void {
    const { client } = this;
    if (!client.open) return;
    const outcome = this.#course?.mayRetry === true && status === undefined ? outcomeOf(code) : undefined;
    if (outcome !== undefined && this.#retries(outcome)) {
      this.#account.triedWith(FAILURES[code].status, false, code);
      return;
    }
    const { service } = client;
    const undelivered = service.servesProxies && this.#placement.attempts.deliveries === 0 && neverDelivered(code);
    const answered = client.answer(code, status, undelivered);
    const { grpcStatus } = answered;
    const answer = grpcStatus === undefined ? classifyHttp(answered.status) : classifyGrpc(grpcStatus);
    this.#account.status = answered.status;
    this.#account.finished(this.#course, answer, code, grpcStatus);
    service.failed?.(code);
    this.#end();
    client.next();
  }

  /** Gives the exchange up; the client is told if that is still possible. */
  abandon(code: FailureCode): void {
    this.#dropUpstream(TIME_LIMITS.has(code) && this.client.requestDone ? 'failure' : 'none', code);
    if (!this.#responseStarted) return this.reject(code);
    this.client.service.failed?.(code);
    this.#breakOff(code, -1);
  }

  /** The client takes bytes again. */
  clientDrained(): void {
    this.#up?.resumeResponse();
  }

  /** The client is gone. */
  cancel(): void {
    if (this.#phase === IDLE) return;
    this.#dropUpstream('none', '');
    this.#end();
  }

  // ---- Called by the course and the placement -------------------------------------------------------------------

  overdue(what: Overdue): void {
    this.abandon(TIME_LIMIT_CODES[what]);
  }

  sendAgain(): void {
    this.reroute();
  }

  onEndpoint(slot: EndpointSlot): void {
    this.client.cells ??= slot.cells.http;
  }

  reroute(): void {
    // The next endpoint counts with its own cells.
    this.client.cells = undefined;
    this.client.service.route(this.client);
  }

  /** The connection for this exchange. */
  attach(up: UpstreamStream): void {
    const { client } = this;
    this.#up = up;
    up.exchange = this;
    client.cells?.requestTotal.add(1);
    this.#account.sent(this.#placement.attempts.count === 1 && up.reused);
    this.#phase = ACTIVE;
    this.#course?.sent(client.requestDone);
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
    const { slot, attempts } = this.#placement;
    this.#leave(expected ? 'none' : 'failure', loss.h2Code < 0 ? 'io' : 'reset', undefined);
    up.cancel();
    if (this.#responseStarted) {
      this.#breakOff(loss.h2Code < 0 ? 'io' : 'reset', loss.h2Code);
      return;
    }
    const whole = client.replayable && this.#interim === 0;
    const again = loss.unprocessed
      ? attempts.mayResend(slot, whole)
      : loss.h2Code < 0 && attempts.mayRepeat(client.method, whole && client.requestDone, up.reused);
    if (again) {
      // What may be repeated here may be repeated elsewhere (RFC 9110 §9.2.2).
      attempts.deliveries -= 1;
      this.#sendElsewhereNow();
    } else if (loss.unprocessed && this.#retries({ kind: 'refused_stream' })) return;
    else if (loss.h2Code >= 0 && client.facts.version === 2) this.#breakOff('reset', loss.h2Code);
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
    this.#dropUpstream('none', '');
    this.#sendElsewhereNow();
    return true;
  }

  /** What the server says in `Retry-After` matters to the choice among endpoints. */
  get wantsRetryAfter(): boolean {
    return this.#placement.slot?.ewma.penalizes === true;
  }

  /** @param text Of the response's `Retry-After`, before `onFinalHead`. */
  onRetryAfter(text: string | undefined): void {
    this.#placement.retryAfterMs = parseRetryAfterMs(text, this.#engine.clock.now());
  }

  /** A gRPC head came without the call's status. True: it waits for that, as the route may ask for another try and the client for nothing more. */
  holdsAnswer(): boolean {
    const { client } = this;
    // A client that still sends may be waiting for the head.
    if (!client.grpc || !client.requestDone || this.#course?.retriesCalls !== true || !this.#replayable) return false;
    this.#course.responded();
    this.#account.headCame();
    return true;
  }

  /**
   * A final response head came and is about to go to the client. False: the request is sent again instead, or the client is gone.
   * @param ofProgram It is not a proxy's word about its program. @param grpcStatus The head has it already.
   */
  onFinalHead(status: number, ofProgram: boolean, grpcStatus: number | undefined): boolean {
    const account = this.#account;
    account.status = status;
    if (this.#course?.mayRetry === true && this.#retries({ kind: 'response', status, grpcStatus })) {
      const failed = grpcStatus === undefined ? classifyHttp(status) : classifyGrpc(grpcStatus);
      account.triedWith(status, isSuccess(failed), '', grpcStatus);
      this.#dropUpstream(failed, '', grpcStatus);
      account.status = 0;
      return false;
    }
    this.#responseStarted = true;
    this.#course?.responded();
    account.responding();
    const now = account.headCame();
    const { slot } = this.#placement;
    if (slot !== undefined) {
      slot.ewma.finish(now - account.sentAtMs, now);
      if (ofProgram) slot.rests = 0;
    }
    this.client.forgetRequest();
    return true;
  }

  /** Bytes of the response's body pass. */
  responseFrame(length: number): void {
    this.#account.responseBytes += length;
    if (length > 0) this.#placement.backend?.responseFrameBytes.observe(length);
    this.#course?.responseFrame(length);
  }

  /** The response is complete. @param grpcStatus Of its trailers, or of its head; undefined: it had none. */
  finish(up: UpstreamStream, grpcStatus: number | undefined): void {
    if (this.#up !== up) return;
    const { client } = this;
    const { status } = this.#account;
    const isGrpc = client.grpc && status === 200;
    const answer = isGrpc ? classifyGrpc(grpcStatus) : classifyHttp(status);
    const shown = isGrpc ? (grpcStatus ?? GRPC_CODE.unknown) : undefined;
    this.#account.finished(this.#course, answer, '', shown);
    this.#up = undefined;
    this.#leave(answer, '', shown);
    this.#end();
    up.finished(client.requestDone && !client.ancient);
    client.next();
  }

  badResponse(up: UpstreamStream, code: 'bad_response' | 'response_head_timeout' = 'bad_response'): void {
    if (this.#up !== up) return;
    this.#dropUpstream('failure', code);
    if (this.#responseStarted) this.#breakOff(code, -1);
    else this.reject(code);
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
    this.#account.status = status;
    this.#account.finished(this.#course, 'success', '');
    this.#placement.slot?.ewma.finish(undefined, 0);
    this.#leave('success', '', undefined);
    this.#end();
    this.#up = undefined;
    client.becomeTunnel(server);
  }

  // ---------------------------------------------------------------------------------------------------------------

  /** To another endpoint, without the route being asked whether it wants that. */
  #sendElsewhereNow(): void {
    this.#phase = WAITING;
    this.client.holdRequest();
    this.reroute();
  }

  /** The response cannot be completed. */
  #breakOff(code: FailureCode, h2Code: number): void {
    this.#account.finished(this.#course, 'failure', code);
    this.#end();
    this.client.breakOff(code, h2Code);
  }

  /** The route asks for another try, and that is possible. */
  #retries(outcome: TryOutcome): boolean {
    const course = this.#course;
    if (course === undefined || this.#responseStarted) return false;
    if (!course.retry(outcome, this.#replayable, this.#placement.ready)) return false;
    const placement = this.#placement;
    placement.attempts.retry(placement.slot ?? placement.left);
    this.#phase = WAITING;
    this.client.holdRequest();
    return true;
  }

  /** The route's retries have all of the request that they need, and the client has nothing of a response. */
  get #replayable(): boolean {
    const { client } = this;
    const bytesMax = this.#course?.retryBytesMax ?? 0;
    return client.replayable && client.open && this.#interim === 0 && client.keptBytes <= bytesMax;
  }

  /** The endpoint's part in the request is over. @param learned What this says about it. */
  #leave(learned: ResponseClass, error: FailureCode | '', grpcStatus: number | undefined): void {
    if (learned !== 'none') this.#account.left(this.#placement.backend, error, grpcStatus);
    this.#placement.leave(learned);
  }

  /** Lets go of queue, endpoint and connection. @param learned What this says about the endpoint. */
  #dropUpstream(learned: ResponseClass, error: FailureCode | '', grpcStatus?: number): void {
    const up = this.#up;
    this.#placement.cancel(this.#responseStarted);
    this.#leave(learned, error, grpcStatus);
    this.#up = undefined;
    if (up === undefined) return;
    up.exchange = undefined;
    up.cancel();
  }

  #start(): void {
    this.#phase = WAITING;
    this.#account.begin();
    this.client.cells = undefined;
    this.client.added = undefined;
    this.#engine.inFlight += 1;
    this.#placement.attempts.reset();
    this.#interim = 0;
    this.#responseStarted = false;
  }

  #end(): void {
    if (this.#phase !== IDLE) this.#engine.inFlight -= 1;
    this.#phase = IDLE;
    this.#placement.end();
    this.#course?.end();
    this.#account.tell();
  }
}
