/**
 * One stream of a client's HTTP/2 connection: a request, and the response to it.
 *
 * What came of the body and was not passed on stays unacknowledged, so the client's window closes: never more than the window is held. What was
 * passed on is kept up to a limit until a response begins, so that it can be sent once more.
 */
import {
  fieldValue,
  formatOrigProto,
  FRAMING,
  H2_ERROR,
  h2ResponseFields,
  METHOD,
  ORIG_PROTO_FIELD,
  parseOrigProto,
  passFields,
} from '@mesh/wire';
import type { FieldEdits, H2Stream, Http1Head, MessageReader, OrigProto } from '@mesh/wire';
import type { Dispatcher, EndpointSlot } from '../balance/endpoint-slot.ts';
import type { HttpCells } from '../ports.ts';
import type { RouteRules } from '../route/route-rules.ts';
import type { ClientStream } from './client-stream.ts';
import type { HttpEngine } from './engine.ts';
import { Exchange } from './exchange.ts';
import { Http2Facts } from './facts.ts';
import type { H2Session } from './h2-session.ts';
import { partRead } from './pass-on.ts';
import { PayloadReader } from './payload.ts';
import type { PayloadSink } from './payload.ts';
import { rescue, rescueTrailers } from './rescue.ts';
import type { FailureCode, Synthesized } from './rescue.ts';
import type { AddedFields, HttpService, RequestEnd } from './service.ts';
import { Stall } from './stall.ts';
import type { UpstreamStream, UpstreamVersion } from './upstream-stream.ts';

/** A client may wait until its window is worth a frame. */
const WINDOW_BYTES_MIN = 16_384;
const GRPC_TYPE = 'application/grpc';

/** What of a method's name matters to a response. */
const METHODS: ReadonlyMap<string, number> = new Map([
  ['GET', METHOD.get],
  ['HEAD', METHOD.head],
  ['POST', METHOD.post],
  ['PUT', METHOD.put],
  ['DELETE', METHOD.delete],
  ['OPTIONS', METHOD.options],
  ['CONNECT', METHOD.connect],
  ['PATCH', METHOD.patch],
]);

export class H2ClientStream implements ClientStream, PayloadSink {
  readonly exchange: Exchange;
  readonly upgrade = false;
  readonly ancient = false;
  facts: Http2Facts;
  cells: HttpCells | undefined;
  added: AddedFields | undefined;
  onOver: ((end: RequestEnd) => void) | undefined;
  method: number;
  grpc: boolean;
  requestDone: boolean;
  readonly #session: H2Session;
  #stream: H2Stream<H2ClientStream> | undefined;
  #fields: readonly string[];
  /** The request was HTTP/1 before a proxy carried it as HTTP/2. */
  #as: OrigProto | undefined;
  #kept: Uint8Array[];
  #keptBytes: number;
  #keeping: boolean;
  #trailers: readonly string[];
  /** Received, and not given back to the client's window. */
  #owed: number;
  /** The response is complete, or will never be: what still comes of the request is dropped. */
  #over: boolean;
  #headSent: boolean;
  #payload: PayloadReader | undefined;
  #bodyStall: Stall | undefined;
  #readStall: Stall | undefined;

  constructor(session: H2Session) {
    this.#session = session;
    this.#stream = undefined;
    this.#fields = [];
    this.facts = new Http2Facts([]);
    this.cells = undefined;
    this.added = undefined;
    this.onOver = undefined;
    this.method = METHOD.other;
    this.grpc = false;
    this.requestDone = false;
    this.#as = undefined;
    this.#kept = [];
    this.#keptBytes = 0;
    this.#keeping = true;
    this.#trailers = [];
    this.#owed = 0;
    this.#over = false;
    this.#headSent = false;
    this.#payload = undefined;
    this.#bodyStall = undefined;
    this.#readStall = undefined;
    this.exchange = new Exchange(this, session.engine);
  }

  get engine(): HttpEngine {
    return this.#session.engine;
  }
  get service(): HttpService {
    return this.#session.service;
  }
  get open(): boolean {
    return !this.#over && this.#stream?.closed === false;
  }
  get replayable(): boolean {
    return this.#keeping;
  }
  get keptBytes(): number {
    return this.#keptBytes;
  }

  // ---- Called by the session ------------------------------------------------------------------------------------

  onHead(stream: H2Stream<H2ClientStream>, fields: readonly string[], end: boolean): void {
    this.#stream = stream;
    this.#fields = fields;
    this.facts = new Http2Facts(fields);
    this.requestDone = end;
    this.method = METHODS.get(this.facts.method()) ?? METHOD.other;
    this.grpc = fieldValue(fields, 'content-type')?.startsWith(GRPC_TYPE) === true;
    // Only proxies may say how a request was meant.
    const was = this.service.servesProxies ? fieldValue(fields, ORIG_PROTO_FIELD) : undefined;
    this.#as = was === undefined ? undefined : parseOrigProto(was);
    if (was !== undefined && this.#as === undefined) this.exchange.beginBad('bad_request');
    else this.exchange.begin();
  }

  onData(bytes: Uint8Array, end: boolean): void {
    if (this.#over) {
      this.#owed += bytes.length;
      this.#giveBack();
      return;
    }
    this.requestDone = end;
    const up = this.exchange.upstream;
    this.#keep(bytes, up === undefined);
    this.#owed += bytes.length;
    this.exchange.requestFrame(bytes.length, end);
    if (up?.dataFromH2(bytes, end) === true) this.#giveBack();
  }

  onTrailers(fields: readonly string[]): void {
    this.requestDone = true;
    this.#trailers = fields;
    this.exchange.requestFrame(0, true);
    if (!this.#over) this.exchange.upstream?.trailersFromH2(fields);
  }

  /** The stream ended early. */
  onReset(): void {
    this.#over = true;
    this.#giveBack();
    this.exchange.cancel();
    this.#letGo();
  }

  onWritable(): void {
    if (!this.#over) this.exchange.clientDrained();
  }

  /** @param windowBytes What the client may send on its connection as a whole. */
  checkProgress(nowMs: number, windowBytes: number): void {
    const { exchange } = this;
    const stream = this.#stream;
    if (stream === undefined || stream.closed) return;
    const { bodyTimeoutMs, unreadTimeoutMs } = this.engine.options;
    if (!this.requestDone && !this.#over && stream.bodyBytesExpected >= 0) {
      // It can send, as far as windows go, and there is somebody to send to.
      const due = this.#owed === 0 && windowBytes > WINDOW_BYTES_MIN && exchange.upstream !== undefined;
      this.#bodyStall ??= new Stall();
      if (this.#bodyStall.forMs(due, stream.bodyBytesSeen, nowMs) >= bodyTimeoutMs) exchange.abandon('body_timeout');
    }
    if (stream.closed || (stream.pendingBytes === 0 && this.#readStall === undefined)) return;
    this.#readStall ??= new Stall();
    if (this.#readStall.forMs(stream.pendingBytes > 0, stream.sentBytes, nowMs) < unreadTimeoutMs) return;
    if (!exchange.idle) exchange.abandon('unread_timeout');
    else this.service.failed?.('unread_timeout');
    this.#session.socket.out.reset(stream, H2_ERROR.cancel);
  }

  // ---- For the service ------------------------------------------------------------------------------------------

  dispatch(dispatcher: Dispatcher, rules: RouteRules | undefined): void {
    this.exchange.dispatch(dispatcher, rules);
  }

  reject(code: FailureCode, status?: number): void {
    this.exchange.reject(code, status);
  }

  // ---- Called by the exchange -----------------------------------------------------------------------------------

  /** HTTP/2 stays HTTP/2. What was HTTP/1 travels on as HTTP/2 to proxies that say so, and is HTTP/1 again for all others. */
  versionFor(slot: EndpointSlot): UpstreamVersion {
    if (this.#as === undefined) return 2;
    return slot.endpoint.protocolHint === 'h2' && slot.plan.tls !== undefined ? 2 : 1;
  }

  sendTo(up: UpstreamStream): void {
    const kept = this.#kept;
    const endsPlain = this.requestDone && this.#trailers.length === 0;
    let more = up.headFromH2(this.#fields, endsPlain && kept.length === 0, this.#as);
    for (let at = 0; at < kept.length && this.exchange.upstream === up; at += 1) {
      more = up.dataFromH2(kept[at] as Uint8Array, endsPlain && at === kept.length - 1);
    }
    if (this.exchange.upstream !== up) return;
    if (this.#trailers.length > 0) up.trailersFromH2(this.#trailers);
    if (this.#keptBytes > this.exchange.replayBytesMax) this.forgetRequest();
    if (more) this.#giveBack();
  }

  /** What comes is not given back to the client's window, so little does. */
  holdRequest(): void {}

  resumeRequest(): void {
    this.#giveBack();
  }

  forgetRequest(): void {
    this.#keeping = false;
    this.#kept = [];
  }

  answer(code: FailureCode, status: number | undefined, undelivered: boolean): Synthesized {
    const { service } = this;
    const answered = rescue(code, {
      form: this.grpc ? 'grpc' : 'http2',
      details: service.details,
      mustClose: false,
      status,
      undelivered,
      text: service.explain?.(code),
    });
    if (this.#stream !== undefined) this.#session.socket.out.respond(this.#stream, answered.fields, true);
    return answered;
  }

  breakOff(code: FailureCode, h2Code: number): void {
    const stream = this.#stream;
    if (stream !== undefined && !stream.closed) {
      if (h2Code < 0 && this.grpc && this.#headSent) {
        this.#session.socket.out.sendTrailers(stream, rescueTrailers(code, this.service.details));
      } else this.#session.socket.out.reset(stream, h2Code < 0 ? H2_ERROR.internal : h2Code);
    }
    this.next();
  }

  next(): void {
    const stream = this.#stream;
    this.#over = true;
    this.#giveBack();
    // RFC 9113 §8.1: the rest of the request is not wanted. While response bytes wait, the rest is read and dropped instead.
    if (stream !== undefined && !this.requestDone && !stream.closed && stream.localClosed) {
      this.#session.socket.out.reset(stream, H2_ERROR.noError);
    }
    this.#letGo();
  }

  /** Upgrades do not exist in HTTP/2 and CONNECT stays on its stream. */
  becomeTunnel(): void {
    this.breakOff('bad_response', -1);
  }

  // ---- The response ---------------------------------------------------------------------------------------------

  interimFromH1(head: Http1Head): void {
    this.#respond(h2ResponseFields(head, this.#edits(undefined)), false);
  }

  headFromH1(head: Http1Head, reader: MessageReader, from: number, done: boolean): boolean {
    this.#payload ??= new PayloadReader();
    this.#payload.reset(head.framing, head.framing === FRAMING.length ? head.contentLength : 0);
    this.#headSent = true;
    const was = this.#as === undefined ? undefined : formatOrigProto(head.minor, false);
    this.#respond(h2ResponseFields(head, this.#edits(was)), this.#payload.done);
    return this.#payload.pass(partRead(reader, from), done, this);
  }

  bytesFromH1(bytes: Uint8Array, done: boolean): boolean {
    return this.#payload?.pass(bytes, done, this) ?? true;
  }

  interimFromH2(fields: readonly string[]): void {
    this.#respond(passFields(fields, this.#edits(undefined)), false);
  }

  headFromH2(fields: readonly string[], end: boolean): boolean {
    this.#headSent = true;
    const was = this.#as === undefined ? undefined : fieldValue(fields, ORIG_PROTO_FIELD);
    this.#respond(passFields(fields, this.#edits(was)), end);
    return true;
  }

  dataFromH2(bytes: Uint8Array, end: boolean): boolean {
    return this.#stream !== undefined && this.#session.socket.out.send(this.#stream, bytes, end);
  }

  trailersFromH2(fields: readonly string[]): void {
    if (this.#stream !== undefined) this.#session.socket.out.sendTrailers(this.#stream, fields);
  }

  // ---------------------------------------------------------------------------------------------------------------

  #respond(fields: readonly string[], end: boolean): void {
    if (this.#stream !== undefined) this.#session.socket.out.respond(this.#stream, fields, end);
  }

  /** @param was Version of the server's answer, for the proxy that carried the request as HTTP/2. */
  #edits(was: string | undefined): FieldEdits {
    const add = was === undefined ? [] : [ORIG_PROTO_FIELD, was];
    return { drop: this.service.responseDrop, add, authority: undefined };
  }

  #keep(bytes: Uint8Array, waiting: boolean): void {
    if (!this.#keeping || bytes.length === 0) return;
    this.#kept.push(bytes);
    this.#keptBytes += bytes.length;
    // What waits was sent nowhere: it must be kept, and its window keeps it small.
    if (!waiting && this.#keptBytes > this.exchange.replayBytesMax) this.forgetRequest();
  }

  #giveBack(): void {
    if (this.#owed === 0 || this.#stream === undefined) return;
    const owed = this.#owed;
    this.#owed = 0;
    this.#session.socket.out.consume(this.#stream, owed);
  }

  #letGo(): void {
    this.forgetRequest();
    this.#session.streamOver();
  }
}
