/** The requests of an HTTP/1 connection, one after the other: one object, used again for each. */
import { FRAMING, h1ResponseFraming, h1ResponseHead, METHOD, writeHead } from '@mesh/wire';
import type { HeadEdits, Http1Head, MessageReader } from '@mesh/wire';
import type { Dispatcher, EndpointSlot } from '../balance/endpoint-slot.ts';
import type { HttpCells } from '../ports.ts';
import type { RouteRules } from '../route/route-rules.ts';
import type { ClientStream } from './client-stream.ts';
import type { HttpEngine } from './engine.ts';
import { Exchange } from './exchange.ts';
import { Http1Facts } from './facts.ts';
import { NOTHING, passOnRead, wholeOrPart } from './pass-on.ts';
import { framed, framedEnd } from './payload.ts';
import { rescue } from './rescue.ts';
import type { FailureCode, Synthesized } from './rescue.ts';
import type { AddedFields, HttpService, RequestEnd } from './service.ts';
import type { HttpSession } from './session.ts';
import { Stall } from './stall.ts';
import type { TunnelServer, UpstreamStream, UpstreamVersion } from './upstream-stream.ts';

const NONE: Uint8Array[] = [];
const CONNECTION_CLOSE = Buffer.from('connection: close\r\n');

export class H1ClientStream implements ClientStream {
  readonly exchange: Exchange;
  readonly facts: Http1Facts;
  readonly grpc = false;
  cells: HttpCells | undefined;
  added: AddedFields | undefined;
  onOver: ((end: RequestEnd) => void) | undefined;
  requestDone: boolean;
  readonly #session: HttpSession;
  /** The request's body as it came: what an upstream is still to get, or might get once more. */
  #kept: Uint8Array[];
  #keptBytes: number;
  #keeping: boolean;
  /** What came with the head was counted. */
  #counted: boolean;
  /** How a response that came as HTTP/2 goes on: one of FRAMING. */
  #framing: number;
  /** The upstream's buffers are full, or there is no upstream. */
  #heldBack: boolean;
  #stall: Stall | undefined;

  constructor(session: HttpSession) {
    this.#session = session;
    this.facts = new Http1Facts(session.reader.head);
    this.cells = undefined;
    this.added = undefined;
    this.onOver = undefined;
    this.requestDone = true;
    this.#kept = NONE;
    this.#keptBytes = 0;
    this.#keeping = false;
    this.#counted = false;
    this.#framing = FRAMING.none;
    this.#heldBack = false;
    this.#stall = undefined;
    this.exchange = new Exchange(this, session.engine);
  }

  get engine(): HttpEngine {
    return this.#session.engine;
  }
  get service(): HttpService {
    return this.#session.service;
  }
  get method(): number {
    return this.#session.reader.head.method;
  }
  get upgrade(): boolean {
    return this.#session.reader.head.upgrade;
  }
  get ancient(): boolean {
    return this.#session.reader.head.minor === 0;
  }
  get open(): boolean {
    return this.#session.open;
  }
  get replayable(): boolean {
    return this.#keeping;
  }
  get keptBytes(): number {
    return this.#keptBytes;
  }

  // ---- Called by the session ------------------------------------------------------------------------------------

  /** A request's head was read. */
  begin(): void {
    const { reader, conn } = this.#session;
    const from = reader.at;
    const end = reader.readBody();
    this.requestDone = reader.body.done;
    this.#kept = NONE;
    this.#keptBytes = 0;
    this.#keeping = true;
    this.#counted = false;
    if (end < 0) {
      this.exchange.beginBad('bad_request');
      return;
    }
    if (end > from) this.#keep(reader.bytes.subarray(from, end));
    this.#heldBack = true;
    if (!this.requestDone || reader.unread > 0) conn.pause();
    this.exchange.begin();
  }

  /** What was read is no request. */
  beginBad(code: FailureCode): void {
    this.requestDone = false;
    this.exchange.beginBad(code);
  }

  /** More of the request's body, while it is being sent. */
  onBodyBytes(): void {
    const { reader, conn } = this.#session;
    const up = this.exchange.upstream;
    const from = reader.at;
    const end = reader.readBody();
    if (end < 0 || up === undefined) {
      this.exchange.abandon('bad_request');
      return;
    }
    this.requestDone = reader.body.done;
    this.exchange.requestFrame(end - from, this.requestDone);
    const bytes = wholeOrPart(reader.bytes, from, end);
    this.#keep(bytes);
    if (this.#keptBytes > this.exchange.replayBytesMax) this.forgetRequest();
    const more = up.bytesFromH1(bytes, this.requestDone);
    if (!more) this.#heldBack = true;
    if ((!more && !this.requestDone) || reader.unread > 0) conn.pause();
  }

  /** The client says that more comes, and it does not. */
  checkProgress(nowMs: number): void {
    const { exchange } = this;
    if (this.requestDone || exchange.idle) return;
    const { body } = this.#session.reader;
    this.#stall ??= new Stall();
    const silentMs = this.#stall.forMs(body.owed && !this.#heldBack, body.payloadBytes, nowMs);
    if (silentMs >= this.engine.options.bodyTimeoutMs) exchange.abandon('body_timeout');
  }

  // ---- For the service ------------------------------------------------------------------------------------------

  dispatch(dispatcher: Dispatcher, rules: RouteRules | undefined): void {
    this.exchange.dispatch(dispatcher, rules);
  }

  reject(code: FailureCode, status?: number): void {
    this.exchange.reject(code, status);
  }

  // ---- Called by the exchange -----------------------------------------------------------------------------------

  /** HTTP/2 carries it to endpoints that say so and are proxies; upgrades and CONNECT belong to a connection. */
  versionFor(slot: EndpointSlot): UpstreamVersion {
    if (slot.endpoint.protocolHint !== 'h2' || slot.plan.tls === undefined) return 1;
    return this.upgrade || this.method === METHOD.connect ? 1 : 2;
  }

  sendTo(up: UpstreamStream): void {
    const { reader, conn } = this.#session;
    const kept = this.#kept;
    if (!this.#counted) {
      this.#counted = true;
      this.exchange.requestFrame(kept[0]?.length ?? 0, this.requestDone);
    }
    let more = up.headFromH1(reader.head, kept[0] ?? NOTHING, this.requestDone && kept.length < 2);
    for (let at = 1; at < kept.length && up === this.exchange.upstream; at += 1) {
      more = up.bytesFromH1(kept[at] as Uint8Array, this.requestDone && at === kept.length - 1);
    }
    if (this.#keptBytes > this.exchange.replayBytesMax) this.forgetRequest();
    if (this.requestDone || !more || up !== this.exchange.upstream) return;
    this.#heldBack = false;
    conn.resume();
  }

  holdRequest(): void {
    this.#heldBack = true;
    if (!this.requestDone) this.#session.conn.pause();
  }

  resumeRequest(): void {
    this.#heldBack = false;
    if (!this.requestDone) this.#session.conn.resume();
  }

  forgetRequest(): void {
    this.#keeping = false;
    this.#kept = NONE;
  }

  answer(code: FailureCode, status: number | undefined, undelivered: boolean): Synthesized {
    const session = this.#session;
    const answered = rescue(code, {
      form: 'http1',
      details: session.service.details,
      mustClose: !this.requestDone || session.closeAfter,
      status,
      undelivered,
      text: session.service.explain?.(code),
    });
    session.write(answered.bytes);
    if (answered.close) session.closeAfter = true;
    return answered;
  }

  /** Only the end of the connection can say that a response is not complete. */
  breakOff(): void {
    this.#session.breakOff();
  }

  next(): void {
    this.forgetRequest();
    if (!this.requestDone) this.#session.closeAfter = true;
    this.#session.next();
  }

  becomeTunnel(server: TunnelServer): void {
    this.#session.becomeTunnel(server);
  }

  // ---- The response ---------------------------------------------------------------------------------------------

  interimFromH1(head: Http1Head): void {
    if (this.ancient) return;
    this.#session.write(writeHead(head, this.#edits(false), NOTHING));
  }

  headFromH1(head: Http1Head, reader: MessageReader, from: number, done: boolean): boolean {
    const session = this.#session;
    if (head.framing === FRAMING.close || head.minor === 0) session.closeAfter = true;
    const edits = this.#edits(session.closeAfter || (done && !this.requestDone));
    return session.write(passOnRead(head, edits, reader, from));
  }

  bytesFromH1(bytes: Uint8Array): boolean {
    return bytes.length === 0 || this.#session.write(bytes);
  }

  interimFromH2(fields: readonly string[]): void {
    if (this.ancient) return;
    const head = h1ResponseHead(fields, false, this.method, 1, this.#edits(false));
    if (typeof head !== 'string') this.#session.write(head);
  }

  headFromH2(fields: readonly string[], end: boolean): boolean {
    const session = this.#session;
    const { method } = this;
    const minor = this.ancient ? 0 : 1;
    this.#framing = h1ResponseFraming(fields, end, method, minor);
    if (this.#framing === FRAMING.close) session.closeAfter = true;
    const head = h1ResponseHead(
      fields,
      end,
      method,
      minor,
      this.#edits(session.closeAfter || (end && !this.requestDone)),
    );
    if (typeof head === 'string') return false;
    session.writeHead(head);
    return true;
  }

  dataFromH2(bytes: Uint8Array, end: boolean): boolean {
    return this.#session.writev(framed(this.#framing, bytes, end));
  }

  trailersFromH2(fields: readonly string[]): void {
    this.#session.writev(framedEnd(this.#framing, fields));
  }

  #keep(bytes: Uint8Array): void {
    if (!this.#keeping) return;
    if (this.#kept === NONE) this.#kept = [bytes];
    else this.#kept.push(bytes);
    this.#keptBytes += bytes.length;
  }

  #edits(closing: boolean): HeadEdits {
    return {
      drop: this.#session.service.responseDrop,
      add: closing ? CONNECTION_CLOSE : NOTHING,
      authority: undefined,
    };
  }
}
