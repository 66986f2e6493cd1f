/** One request as a stream of an HTTP/2 connection to an endpoint. */
import { parseGrpcStatus } from '@mesh/model';
import {
  fieldValue,
  formatOrigProto,
  FRAMING,
  H2_ERROR,
  h2RequestFields,
  HEADER,
  headerBit,
  isAbsolute,
  ORIG_PROTO_FIELD,
  passFields,
} from '@mesh/wire';
import type { FieldEdits, H2Stream, Http1Head, OrigProto } from '@mesh/wire';
import type { Exchange } from './exchange.ts';
import { HeldAnswer } from './held-answer.ts';
import type { H2Link } from './h2-link.ts';
import { NOTHING } from './pass-on.ts';
import { PayloadReader } from './payload.ts';
import type { PayloadSink } from './payload.ts';
import type { UpstreamStream } from './upstream-stream.ts';

/** linkerd2-proxy says so even inside TLS. */
const SCHEME = 'http';
const ORIG_PROTO_BIT = headerBit(HEADER.origProto);
const UNDELIVERED_BIT = headerBit(HEADER.undelivered);
const HOST_BIT = headerBit(HEADER.host);

export class H2Upstream implements UpstreamStream, PayloadSink {
  exchange: Exchange | undefined;
  readonly reused: boolean;
  readonly #link: H2Link;
  #stream: H2Stream<H2Upstream> | undefined;
  #payload: PayloadReader | undefined;
  /** Received, and not given back to the server's window. */
  #owed: number;
  #grpcStatus: number | undefined;
  /** The final head was passed on. */
  #headSeen: boolean;
  #held: HeldAnswer | undefined;

  constructor(link: H2Link) {
    this.exchange = undefined;
    this.reused = link.used;
    this.#link = link;
    this.#stream = undefined;
    this.#payload = undefined;
    this.#owed = 0;
    this.#grpcStatus = undefined;
    this.#headSeen = false;
    this.#held = undefined;
  }

  // ---- The request ----------------------------------------------------------------------------------------------

  headFromH1(head: Http1Head, body: Uint8Array, done: boolean): boolean {
    const payload = new PayloadReader();
    payload.reset(head.framing, head.framing === FRAMING.length ? head.contentLength : 0);
    this.#payload = payload;
    const was = formatOrigProto(head.minor, isAbsolute(head));
    const authority = this.exchange?.client.facts.authority() ?? '';
    this.#open(h2RequestFields(head, SCHEME, this.#edits(was, authority)), payload.done);
    return payload.pass(body, done, this);
  }

  bytesFromH1(bytes: Uint8Array, done: boolean): boolean {
    return this.#payload?.pass(bytes, done, this) ?? true;
  }

  headFromH2(fields: readonly string[], end: boolean, as: OrigProto | undefined): boolean {
    const was = as === undefined ? undefined : formatOrigProto(as.minor, as.absolute);
    const authority = this.exchange?.client.facts.authority() ?? '';
    this.#open(passFields(fields, this.#edits(was, authority)), end);
    return true;
  }

  dataFromH2(bytes: Uint8Array, end: boolean): boolean {
    return this.#stream !== undefined && this.#link.socket.out.send(this.#stream, bytes, end);
  }

  trailersFromH2(fields: readonly string[]): void {
    if (this.#stream !== undefined) this.#link.socket.out.sendTrailers(this.#stream, fields);
  }

  // ---- Called by the exchange -----------------------------------------------------------------------------------

  resumeResponse(): void {
    this.#giveBack();
  }

  cancel(): void {
    this.#end();
  }

  /** What the client still sends is not wanted any more. */
  finished(): void {
    this.#end();
  }

  // ---- Called by the link ---------------------------------------------------------------------------------------

  onHeaders(fields: readonly string[], kind: 'informational' | 'head' | 'trailers', end: boolean): void {
    const { exchange } = this;
    if (exchange === undefined) return;
    if (kind === 'informational') {
      if (exchange.onInterim(this)) exchange.client.interimFromH2(fields);
    } else if (kind === 'head') this.#onHead(exchange, fields, end);
    else {
      const grpcStatus = parseGrpcStatus(fieldValue(fields, 'grpc-status')) ?? this.#grpcStatus;
      if (this.#held !== undefined && !this.#release(grpcStatus)) return;
      exchange.client.trailersFromH2(fields);
      exchange.finish(this, grpcStatus);
    }
  }

  onData(bytes: Uint8Array, end: boolean): void {
    const { exchange } = this;
    this.#owed += bytes.length;
    this.#link.holds(bytes.length);
    if (this.#held !== undefined) {
      // Trailers right behind it come in this very turn of the loop.
      if (this.#held.data.push(bytes) === 1) queueMicrotask(() => this.#release(undefined));
      if (!end) return;
      this.#held.data.pop();
      if (!this.#release(undefined)) return;
    }
    this.#pass(exchange, bytes, end);
    if (end) exchange?.finish(this, this.#grpcStatus);
  }

  /** @param byServer RST_STREAM or GOAWAY; else the connection is gone, or the server broke the protocol on this stream. */
  onReset(code: number, byServer: boolean): void {
    const { exchange } = this;
    // What the client is to have of the answer goes before its end.
    const noError = byServer && code === H2_ERROR.noError;
    if ((noError || (this.#held?.data.length ?? 0) > 0) && !this.#release(undefined)) return;
    this.#giveBack();
    if (exchange === undefined) return;
    if (noError && this.#isComplete(exchange)) {
      exchange.client.dataFromH2(NOTHING, true);
      exchange.finish(this, this.#grpcStatus);
    } else if (!byServer && this.#link.open) exchange.badResponse(this);
    else exchange.upstreamLost(this, { unprocessed: code === H2_ERROR.refusedStream, h2Code: byServer ? code : -1 });
  }

  onWritable(): void {
    this.exchange?.upstreamDrained();
  }

  // ---------------------------------------------------------------------------------------------------------------

  #onHead(exchange: Exchange, fields: readonly string[], end: boolean): void {
    const undelivered = ((this.#stream?.kinds ?? 0) & UNDELIVERED_BIT) !== 0;
    if (undelivered && exchange.sendElsewhere(this)) return;
    this.#grpcStatus = parseGrpcStatus(fieldValue(fields, 'grpc-status'));
    if (exchange.wantsRetryAfter) exchange.onRetryAfter(fieldValue(fields, 'retry-after'));
    const status = Number(fieldValue(fields, ':status'));
    if (!end && this.#grpcStatus === undefined && exchange.holdsAnswer()) {
      const { clock } = exchange.client.engine;
      this.#held = new HeldAnswer(fields, status, !undelivered, clock, () => this.#release(undefined));
      return;
    }
    if (!exchange.onFinalHead(status, !undelivered, this.#grpcStatus)) return;
    this.#headSeen = true;
    if (!exchange.client.headFromH2(fields, end)) exchange.badResponse(this);
    else if (end) exchange.finish(this, this.#grpcStatus);
  }

  /** Lets go on what is held, if something is. @param grpcStatus Of the trailers. False: the call is sent again, or over. */
  #release(grpcStatus: number | undefined): boolean {
    const held = this.#held;
    const { exchange } = this;
    if (held === undefined) return true;
    this.#held = undefined;
    held.done();
    if (exchange === undefined || !exchange.onFinalHead(held.status, held.ofProgram, grpcStatus)) return false;
    this.#headSeen = true;
    if (!exchange.client.headFromH2(held.fields, false)) {
      exchange.badResponse(this);
      return false;
    }
    for (const bytes of held.data) this.#pass(this.exchange, bytes, false);
    return this.exchange === exchange;
  }

  #pass(exchange: Exchange | undefined, bytes: Uint8Array, end: boolean): void {
    exchange?.responseFrame(bytes.length);
    if (exchange === undefined || exchange.client.dataFromH2(bytes, end)) this.#giveBack();
  }

  /**
   * Some servers give a stream up without error in place of its end (node:http2 when many streams end at once), and clients take it for
   * that: nothing of what they sent is missing.
   */
  #isComplete(exchange: Exchange): boolean {
    const stream = this.#stream;
    if (stream === undefined || !this.#headSeen || exchange.client.facts.version !== 2) return false;
    return stream.bodyBytesExpected < 0 || stream.bodyBytesExpected === stream.bodyBytesSeen;
  }

  #open(fields: readonly string[], end: boolean): void {
    this.#stream = this.#link.request(fields, this, end);
  }

  /** @param was The version, when the request is HTTP/1: its receiver takes the Host field as it is, so that goes along. */
  #edits(was: string | undefined, ownAuthority: string): FieldEdits {
    const client = this.exchange?.client;
    const service = client?.service;
    const authority = this.#link.pool.slot.plan.authorityText;
    const host = authority ?? ownAuthority;
    const add: string[] = [...((client?.added ?? service?.requestAdd)?.list ?? [])];
    if (was !== undefined) {
      if (host !== '') add.push('host', host);
      add.push(ORIG_PROTO_FIELD, was);
    }
    const drop = (service?.requestDrop ?? 0) | ORIG_PROTO_BIT | (was === undefined ? 0 : HOST_BIT);
    return { drop, add, authority };
  }

  #giveBack(): void {
    if (this.#owed === 0 || this.#stream === undefined) return;
    const owed = this.#owed;
    this.#owed = 0;
    this.#link.socket.out.consume(this.#stream, owed);
    this.#link.holds(-owed);
  }

  #end(): void {
    this.exchange = undefined;
    this.#held?.done();
    this.#held = undefined;
    this.#giveBack();
    if (this.#stream?.closed === false) this.#link.giveUp(this.#stream);
    this.#link.streamOver();
  }
}
