/**
 * What a route's rules mean for one request: its time limits, its retries, its counting. Kept by the exchange and used again for its next
 * request; a request without rules never has one.
 */
import { Deadlines } from '@mesh/model';
import type { Overdue, TryOutcome } from '@mesh/model';
import type { Clock, Timer } from '@mesh/runtime';
import type { RouteRules } from '../route/route-rules.ts';
import type { FailureCode } from './rescue.ts';

export interface CourseOwner {
  /** A time limit has passed. */
  overdue(what: Overdue): void;
  /** The pause before a retry is over. */
  sendAgain(): void;
}

export class Course {
  /** Tries after the first one. */
  retries: number;
  readonly #owner: CourseOwner;
  readonly #clock: Clock;
  readonly #deadlines: Deadlines;
  #rules: RouteRules | undefined;
  #limited: boolean;
  #timer: Timer | undefined;
  #dueMs: number;
  #pause: Timer | undefined;
  #startedAtMs: number;
  #requestEndMs: number;

  constructor(owner: CourseOwner, clock: Clock) {
    this.retries = 0;
    this.#owner = owner;
    this.#clock = clock;
    this.#deadlines = new Deadlines();
    this.#rules = undefined;
    this.#limited = false;
    this.#timer = undefined;
    this.#dueMs = 0;
    this.#pause = undefined;
    this.#startedAtMs = 0;
    this.#requestEndMs = 0;
  }

  /** The request goes by these rules: those of the last time, if the route changed in between. */
  follow(rules: RouteRules, startedAtMs: number): void {
    const first = this.#rules === undefined;
    this.#rules = rules;
    if (!first) return;
    this.#startedAtMs = startedAtMs;
    this.#requestEndMs = startedAtMs;
    this.retries = 0;
    const { timeouts, retry } = rules;
    this.#limited =
      timeouts.requestMs !== undefined ||
      timeouts.responseMs !== undefined ||
      timeouts.idleMs !== undefined ||
      retry?.policy.tryTimeoutMs !== undefined;
    if (this.#limited) {
      this.#deadlines.begin(timeouts, startedAtMs);
      this.#arm();
    }
    retry?.begin(startedAtMs);
  }

  /** A try begins. @param requestDone All of the request is sent with it. */
  sent(requestDone: boolean): void {
    if (!this.#limited) return;
    const now = this.#clock.monotonic();
    this.#deadlines.beginTry(this.#rules?.retry?.policy.tryTimeoutMs, now);
    if (requestDone) this.#deadlines.requestSent(now);
    this.#arm();
  }

  /** Bytes of the request's body passed. @param done They were the last. */
  requestFrame(length: number, done: boolean): void {
    const rules = this.#rules;
    if (rules === undefined) return;
    if (length > 0) rules.cells.requestFrameBytes.observe(length);
    if (!done && !this.#limited) return;
    const now = this.#clock.monotonic();
    if (done) this.#requestEndMs = now;
    if (!this.#limited) return;
    this.#deadlines.progressed(now);
    if (done) this.#deadlines.requestSent(now);
    this.#arm();
  }

  /** The response's head is there, and goes to the client. */
  responded(): void {
    if (!this.#limited) return;
    this.#deadlines.responded();
    this.#deadlines.progressed(this.#clock.monotonic());
  }

  /** Bytes of the response's body passed. */
  responseFrame(length: number): void {
    const rules = this.#rules;
    if (rules === undefined) return;
    if (length > 0) rules.cells.responseFrameBytes?.observe(length);
    if (this.#limited) this.#deadlines.progressed(this.#clock.monotonic());
  }

  /** The route has a retry policy: without one nothing is to be asked. */
  get mayRetry(): boolean {
    return this.#rules?.retry !== undefined;
  }

  /** The longest body that the route's retries are for; 0 without any. */
  get retryBytesMax(): number {
    return this.#rules?.retry?.policy.maxRequestBytes ?? 0;
  }

  /** The status of a gRPC call may lead to another try. */
  get retriesCalls(): boolean {
    const policy = this.#rules?.retry?.policy;
    return policy !== undefined && policy.grpcCodes.size > 0 && this.retries < policy.maxRetries;
  }

  /** True when the request will be sent again, after a pause: the owner is told when. */
  retry(outcome: TryOutcome, replayable: boolean, ready: boolean): boolean {
    const retry = this.#rules?.retry;
    if (retry === undefined) return false;
    const nowMs = this.#clock.monotonic();
    const afterMs = retry.afterMs(outcome, { retries: this.retries, replayable, ready, nowMs });
    if (afterMs < 0) return false;
    this.retries += 1;
    this.#deadlines.responded();
    this.#pause = this.#clock.after(afterMs, () => {
      this.#pause = undefined;
      this.#owner.sendAgain();
    });
    return true;
  }

  /** Counts how the request ended for its client. @param status 0: there was no response. */
  finished(status: number, grpcStatus: number | undefined, error: FailureCode | '', nowMs: number): void {
    const seconds = (nowMs - this.#startedAtMs) / 1000;
    const sinceRequest = (nowMs - this.#requestEndMs) / 1000;
    this.#rules?.cells.finished(status, grpcStatus, error, seconds, sinceRequest);
  }

  /** The request is over. */
  end(): void {
    this.#rules = undefined;
    this.#limited = false;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#pause?.cancel();
    this.#pause = undefined;
  }

  /** Limits mostly move away from now: a timer that is too early looks again when it rings. */
  #arm(): void {
    const dueMs = this.#deadlines.nextMs;
    if (this.#timer !== undefined && this.#dueMs <= dueMs) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    if (!Number.isFinite(dueMs)) return;
    this.#dueMs = dueMs;
    this.#timer = this.#clock.after(Math.max(0, dueMs - this.#clock.monotonic()), () => this.#ring());
  }

  #ring(): void {
    this.#timer = undefined;
    const what = this.#deadlines.overdue(this.#clock.monotonic());
    if (what === undefined) this.#arm();
    else this.#owner.overdue(what);
  }
}
