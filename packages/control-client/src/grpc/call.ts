/** One gRPC call: what arrives on its stream becomes messages and one final status. */
import { fieldValue } from '@mesh/wire';
import type { H2Stream } from '@mesh/wire';
import { MessageReader } from './message.ts';
import type { GrpcMethod } from './method.ts';
import { decodeGrpcMessage, GRPC_STATUS, statusOfHttp, statusOfReset } from './status.ts';
import type { GrpcStatus } from './status.ts';

/** Callbacks of a call; they must not throw. */
export interface CallHandlers<Response> {
  /** The server answered; messages may follow much later. */
  opened(): void;
  message(message: Response): void;
  /** Exactly once, last; not after `cancel`. */
  end(status: GrpcStatus): void;
}

/** The state of a stream, independent of the message type. */
export interface ActiveCall {
  readonly fields: readonly string[];
  readonly request: Uint8Array;
  stream: H2Stream<ActiveCall> | undefined;
  /** True when the stream must be reset because of what came. */
  head(fields: readonly string[], end: boolean): boolean;
  data(bytes: Uint8Array): boolean;
  trailers(fields: readonly string[]): void;
  /** The stream or connection ended without a status. */
  broken(h2Code: number): void;
  failed(status: GrpcStatus): void;
}

export class Call<Response> implements ActiveCall {
  readonly fields: readonly string[];
  readonly request: Uint8Array;
  stream: H2Stream<ActiveCall> | undefined = undefined;
  readonly #handlers: CallHandlers<Response>;
  readonly #finished: (call: ActiveCall, httpStatus: number, status: GrpcStatus | undefined) => void;
  readonly #reader: MessageReader;
  #httpStatus = 0;
  #done = false;
  #problem: GrpcStatus | undefined;

  constructor(
    method: GrpcMethod<never, Response>,
    request: Uint8Array,
    authority: string,
    handlers: CallHandlers<Response>,
    finished: (call: ActiveCall, httpStatus: number, status: GrpcStatus | undefined) => void,
  ) {
    // The fields and their order are those of linkerd2-proxy: no user agent, no timeout; plain scheme also under TLS.
    this.fields = [
      ':method',
      'POST',
      ':scheme',
      'http',
      ':path',
      method.path,
      ':authority',
      authority,
      'te',
      'trailers',
      'content-type',
      'application/grpc',
    ];
    this.request = request;
    this.#handlers = handlers;
    this.#finished = finished;
    this.#reader = new MessageReader((bytes) => this.#decode(method, bytes));
  }

  get done(): boolean {
    return this.#done;
  }

  head(fields: readonly string[], end: boolean): boolean {
    this.#httpStatus = Number(fieldValue(fields, ':status') ?? '0');
    if (end) {
      this.trailers(fields);
      return false;
    }
    const contentType = fieldValue(fields, 'content-type') ?? '';
    if (this.#httpStatus !== 200)
      return this.#refuse(statusOfHttp(this.#httpStatus), `the server answered HTTP ${this.#httpStatus}`);
    if (!contentType.startsWith('application/grpc'))
      return this.#refuse(GRPC_STATUS.UNKNOWN, 'the server did not answer with gRPC');
    if (!this.#done) this.#handlers.opened();
    return false;
  }

  data(bytes: Uint8Array): boolean {
    if (this.#done) return false;
    const problem = this.#reader.read(bytes);
    if (problem === 'compressed') return this.#refuse(GRPC_STATUS.INTERNAL, 'the server sent a compressed message');
    if (problem === 'too_large') return this.#refuse(GRPC_STATUS.RESOURCE_EXHAUSTED, 'a message is too large');
    if (this.#problem === undefined) return false;
    return this.#refuse(this.#problem.code, this.#problem.message);
  }

  trailers(fields: readonly string[]): void {
    const text = fieldValue(fields, 'grpc-status');
    if (text === undefined) {
      const code = this.#httpStatus === 200 ? GRPC_STATUS.UNKNOWN : statusOfHttp(this.#httpStatus);
      this.failed({ code, message: 'the server gave no gRPC status' });
    } else if (!this.#reader.isClean) this.failed({ code: GRPC_STATUS.INTERNAL, message: 'a message broke off' });
    else {
      const code = /^\d{1,3}$/.test(text) ? Number(text) : GRPC_STATUS.UNKNOWN;
      this.failed({ code, message: decodeGrpcMessage(fieldValue(fields, 'grpc-message') ?? '') });
    }
  }

  broken(h2Code: number): void {
    this.failed({ code: statusOfReset(h2Code), message: `the stream was reset with code ${h2Code}` });
  }

  failed(status: GrpcStatus): void {
    if (this.#done) return;
    this.#done = true;
    this.#finished(this, this.#httpStatus, status);
    this.#handlers.end(status);
  }

  /** Nothing is called any more. */
  cancelled(): void {
    if (this.#done) return;
    this.#done = true;
    this.#finished(this, this.#httpStatus, undefined);
  }

  #decode(method: GrpcMethod<never, Response>, bytes: Uint8Array): void {
    if (this.#done || this.#problem !== undefined) return;
    let message: Response;
    try {
      message = method.decode(bytes);
    } catch {
      this.#problem = { code: GRPC_STATUS.INTERNAL, message: 'a message could not be decoded' };
      return;
    }
    this.#handlers.message(message);
  }

  #refuse(code: number, message: string): true {
    this.failed({ code, message });
    return true;
  }
}
