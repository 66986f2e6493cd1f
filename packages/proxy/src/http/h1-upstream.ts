/**
 * One HTTP/1 connection to an endpoint, and the exchange that uses it at the moment.
 *
 *   idle ──attach──► head ──► body ──done──► idle, or closed
 *                     │ 1xx    │
 *                     └─◄──────┴── 101, CONNECT ──► tunnel
 */
import type { Conn } from '@mesh/net';
import {
  FRAMING,
  h1RequestFraming,
  h1RequestHead,
  HEADER,
  headerBit,
  HTTP_1_1,
  MessageReader,
  METHOD,
} from '@mesh/wire';
import type { HeadEdits, Http1Head, OrigProto } from '@mesh/wire';
import type { HalfHead, HttpEngine } from './engine.ts';
import type { Exchange } from './exchange.ts';
import { Http1Facts } from './facts.ts';
import type { H1Pool } from './h1-pool.ts';
import { HeldHead } from './held-head.ts';
import { NOTHING, passOn, wholeOrPart } from './pass-on.ts';
import { framed, framedEnd } from './payload.ts';
import { BROKEN } from './upstream-stream.ts';
import type { UpstreamStream } from './upstream-stream.ts';

const ORIG_PROTO = headerBit(HEADER.origProto);

export class H1Upstream implements UpstreamStream, HalfHead {
  conn: Conn<H1Upstream> | undefined;
  readonly pool: H1Pool;
  readonly reader: MessageReader;
  exchange: Exchange | undefined;
  reused: boolean;
  opened: boolean;
  /** The peer sent FIN. */
  ended: boolean;
  idleSinceMs: number;
  readonly #engine: HttpEngine;
  /** When the head that is arriving began; -1: none has. */
  #headSinceMs: number;
  /** The last response lets the connection live. */
  #keepAlive: boolean;
  #headSeen: boolean;
  /** How a request that came as HTTP/2 goes on: one of FRAMING. */
  #framing: number;
  #held: HeldHead | undefined;

  constructor(pool: H1Pool, engine: HttpEngine) {
    this.conn = undefined;
    this.pool = pool;
    this.reader = new MessageReader(engine.responseHead);
    this.exchange = undefined;
    this.reused = false;
    this.opened = false;
    this.ended = false;
    this.idleSinceMs = 0;
    this.#engine = engine;
    this.#headSinceMs = -1;
    this.#keepAlive = true;
    this.#headSeen = false;
    this.#framing = FRAMING.none;
    this.#held = undefined;
  }

  // ---- The request ----------------------------------------------------------------------------------------------

  headFromH1(head: Http1Head, body: Uint8Array): boolean {
    this.#expect(head.method);
    return this.#write(passOn(head, this.#edits(0), body));
  }

  bytesFromH1(bytes: Uint8Array): boolean {
    return this.#write(bytes);
  }

  headFromH2(fields: readonly string[], end: boolean, as: OrigProto | undefined): boolean {
    const head = h1RequestHead(fields, end, as ?? HTTP_1_1, this.#edits(ORIG_PROTO));
    if (typeof head === 'string') {
      this.exchange?.untranslatable(this);
      return true;
    }
    this.#expect(this.exchange?.client.method ?? METHOD.other);
    this.#framing = h1RequestFraming(fields, end);
    this.#held ??= new HeldHead((bytes) => this.#write(bytes));
    this.#held.hold(head);
    return true;
  }

  dataFromH2(bytes: Uint8Array, end: boolean): boolean {
    return this.#writev(framed(this.#framing, bytes, end));
  }

  trailersFromH2(fields: readonly string[]): void {
    this.#writev(framedEnd(this.#framing, fields));
  }

  // ---- Called by the exchange -----------------------------------------------------------------------------------

  resumeResponse(): void {
    this.conn?.resume();
  }

  cancel(): void {
    this.pool.discard(this);
  }

  finished(whole: boolean): void {
    this.pool.release(this, whole && this.#keepAlive && this.reader.unread === 0);
  }

  // ---- Called by the engine -------------------------------------------------------------------------------------

  /** A server may think as long as it likes before it answers, but not in the middle of a head: nobody sends one in two parts. */
  checkHeadTimeout(nowMs: number): void {
    const { exchange } = this;
    if (exchange === undefined || this.#headSinceMs < 0) {
      this.#engine.midHead.delete(this);
      return;
    }
    if (nowMs - this.#headSinceMs < this.#engine.options.headTimeoutMs) return;
    this.#engine.midHead.delete(this);
    exchange.badResponse(this, 'response_head_timeout');
  }

  // ---- Called by the pool's handlers ----------------------------------------------------------------------------

  onBytes(bytes: Uint8Array): void {
    const { reader, exchange } = this;
    if (exchange === undefined) return;
    reader.feed(bytes);
    do {
      if (!this.#headSeen) {
        if (!reader.readHead()) {
          if (reader.head.error !== undefined) exchange.badResponse(this);
          else if (reader.midHead) this.#watchHead();
          return;
        }
        this.#headSinceMs = -1;
        this.#onHead(exchange);
        // The exchange may have left, or this connection be a tunnel now.
        if (this.exchange !== exchange) return;
        if (!this.#headSeen) continue;
      } else {
        const from = reader.at;
        const end = reader.readBody();
        if (end < 0) {
          exchange.upstreamLost(this, BROKEN);
          return;
        }
        if (end > from) this.#pass(exchange, wholeOrPart(reader.bytes, from, end), reader.body.done);
      }
      if (reader.body.done) {
        exchange.finish(this, undefined);
        return;
      }
    } while (reader.unread > 0 && this.exchange === exchange);
  }

  /** FIN from the server in the middle of an exchange: the end of a body that ends so, else a loss. */
  onEnd(): void {
    const { exchange } = this;
    if (exchange === undefined) return;
    if (!this.#headSeen || !this.reader.body.endsWithConnection) exchange.upstreamLost(this, BROKEN);
    else {
      this.#pass(exchange, NOTHING, true);
      exchange.finish(this, undefined);
    }
  }

  // ---------------------------------------------------------------------------------------------------------------

  #onHead(exchange: Exchange): void {
    const { reader } = this;
    const { head } = reader;
    const { client } = exchange;
    const { status } = head;
    const isTunnel =
      status === 101
        ? client.upgrade && head.upgrade
        : client.method === METHOD.connect && status >= 200 && status < 300;
    if (isTunnel) {
      this.#becomeTunnel(exchange, status, head);
      return;
    }
    if (status === 101) exchange.badResponse(this);
    else if (status < 200) {
      if (exchange.onInterim(this)) client.interimFromH1(head);
    } else if (head.has(HEADER.undelivered) && exchange.sendElsewhere(this)) return;
    else if (head.framing === FRAMING.chunked && client.ancient) exchange.badResponse(this);
    else this.#onFinalHead(exchange, head);
  }

  #onFinalHead(exchange: Exchange, head: Http1Head): void {
    const { reader } = this;
    if (exchange.wantsRetryAfter) exchange.onRetryAfter(new Http1Facts(head).field('retry-after'));
    if (!exchange.onFinalHead(head.status, !head.has(HEADER.undelivered), undefined)) return;
    this.#headSeen = true;
    this.#keepAlive = head.keepAlive && head.framing !== FRAMING.close;
    const from = reader.at;
    const end = reader.readBody();
    if (end < 0) {
      exchange.upstreamLost(this, BROKEN);
      return;
    }
    const { done } = reader.body;
    exchange.responseFrame(end - from);
    if (!exchange.client.headFromH1(head, reader, from, done) && !done) this.conn?.pause();
  }

  #pass(exchange: Exchange, bytes: Uint8Array, done: boolean): void {
    exchange.responseFrame(bytes.length);
    if (!exchange.client.bytesFromH1(bytes, done) && !done) this.conn?.pause();
  }

  #becomeTunnel(exchange: Exchange, status: number, head: Http1Head): void {
    const { conn } = this;
    if (conn === undefined) return;
    exchange.client.interimFromH1(head);
    this.exchange = undefined;
    exchange.becomeTunnel(status, {
      conn,
      cells: this.pool.slot.cells.tcp,
      rest: this.reader.takeRest(),
      onClose: (why) => this.pool.onClose(this, why),
    });
  }

  /** Most heads come in one piece and are never watched. */
  #watchHead(): void {
    if (this.#headSinceMs >= 0) return;
    this.#headSinceMs = this.#engine.clock.monotonic();
    this.#engine.midHead.add(this);
  }

  #expect(method: number): void {
    this.#headSeen = false;
    this.#headSinceMs = -1;
    this.reader.expectResponse(method);
  }

  #edits(alsoDrop: number): HeadEdits {
    const client = this.exchange?.client;
    const added = client?.added ?? client?.service.requestAdd;
    return {
      drop: (client?.service.requestDrop ?? 0) | alsoDrop,
      add: added?.lines ?? NOTHING,
      authority: this.pool.slot.plan.authority,
    };
  }

  #write(bytes: Uint8Array): boolean {
    if (this.#held?.holds === true) return this.#writev([bytes]);
    this.pool.slot.cells.tcp.writeBytes.add(bytes.length);
    return this.conn?.write(bytes) ?? true;
  }

  #writev(parts: readonly Uint8Array[]): boolean {
    const head = this.#held?.take();
    const all = head === undefined ? parts : [head, ...parts];
    if (all.length === 0) return true;
    for (const part of all) this.pool.slot.cells.tcp.writeBytes.add(part.length);
    return this.conn?.writev(all) ?? true;
  }
}
