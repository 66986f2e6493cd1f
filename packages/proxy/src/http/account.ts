/** What one request is counted with: its times, status and bytes; kept by the exchange and used again for its next request. */
import { isSuccess } from '@mesh/model';
import type { ResponseClass } from '@mesh/model';
import type { Clock } from '@mesh/runtime';
import type { RouteBackendCells } from '../ports.ts';
import type { ClientStream } from './client-stream.ts';
import type { Course } from './course.ts';
import type { FailureCode } from './rescue.ts';

export class Account {
  /** Monotonic, of the request's head. */
  startedAtMs: number;
  /** Of the last try; -1: nothing was sent. */
  sentAtMs: number;
  /** HTTP status of the response, or of the answer made here; 0: none yet. */
  status: number;
  requestBytes: number;
  responseBytes: number;
  readonly #client: ClientStream;
  readonly #clock: Clock;
  /** When the head of the last try's response came; -1: not yet. */
  #headAtMs: number;
  /** The head of that response goes to the client. */
  #responding: boolean;

  constructor(client: ClientStream, clock: Clock) {
    this.startedAtMs = 0;
    this.sentAtMs = -1;
    this.status = 0;
    this.requestBytes = 0;
    this.responseBytes = 0;
    this.#client = client;
    this.#clock = clock;
    this.#headAtMs = -1;
    this.#responding = false;
  }

  /** A request begins. */
  begin(): void {
    this.startedAtMs = this.#clock.monotonic();
    this.sentAtMs = -1;
    this.status = 0;
    this.requestBytes = 0;
    this.responseBytes = 0;
    this.#headAtMs = -1;
    this.#responding = false;
  }

  /** A try is sent. @param atOnce As soon as the request came. */
  sent(atOnce: boolean): void {
    this.sentAtMs = atOnce ? this.startedAtMs : this.#clock.monotonic();
    this.#headAtMs = -1;
  }

  /** The response's head came; it may be noted before it is known what becomes of it. Returns when. */
  headCame(): number {
    if (this.#headAtMs < 0) this.#headAtMs = this.#clock.monotonic();
    return this.#headAtMs;
  }

  /** The response goes to the client. */
  responding(): void {
    this.#responding = true;
  }

  get elapsedMs(): number {
    return this.#clock.monotonic() - this.startedAtMs;
  }

  /** Counts one try whose answer the client does not get. */
  triedWith(status: number, success: boolean, code: FailureCode | '', grpcStatus?: number): void {
    this.#client.cells?.response(status, success, this.elapsedMs, code, grpcStatus);
  }

  /** Counts the request: it is over for its client, with `status`. */
  finished(course: Course | undefined, answer: ResponseClass, code: FailureCode | '', grpcStatus?: number): void {
    const latencyMs = this.#responding ? this.#headAtMs - this.startedAtMs : this.elapsedMs;
    this.#client.cells?.response(this.status, isSuccess(answer), latencyMs, code, grpcStatus);
    course?.finished(this.status, grpcStatus, code, this.#clock.monotonic());
  }

  /** Counts what an endpoint had to do with the request. */
  left(backend: RouteBackendCells | undefined, error: FailureCode | '', grpcStatus: number | undefined): void {
    backend?.finished(this.status, grpcStatus, error, (this.#clock.monotonic() - this.sentAtMs) / 1000);
  }

  /** Tells whoever wants to know how the request ended. */
  tell(): void {
    const { onOver, ancient } = this.#client;
    if (onOver === undefined) return;
    this.#client.onOver = undefined;
    const { status, requestBytes, responseBytes } = this;
    const totalMs = this.elapsedMs;
    const processingMs = this.sentAtMs >= 0 ? this.sentAtMs - this.startedAtMs : totalMs;
    onOver({ status, requestBytes, responseBytes, totalMs, processingMs, ancient });
  }
}
