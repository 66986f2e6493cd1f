/** One request on its way to an endpoint: a pooled HTTP/1 connection used for one exchange, or one stream of an HTTP/2 connection. */
import type { Closed, Conn } from '@mesh/net';
import type { Http1Head, OrigProto } from '@mesh/wire';
import type { TcpCells } from '../ports.ts';
import type { Exchange } from './exchange.ts';

export type UpstreamVersion = 1 | 2;

/** Takes a request, in the form in which the client sent it; false: hold the rest back until `Exchange.upstreamDrained`. */
export interface RequestSink {
  /** @param body What of the body came with the head. @param done That was all of it. */
  headFromH1(head: Http1Head, body: Uint8Array, done: boolean): boolean;
  bytesFromH1(bytes: Uint8Array, done: boolean): boolean;
  /** @param end No body follows. @param as How an HTTP/1 request was meant that travelled as HTTP/2; undefined: it is HTTP/2. */
  headFromH2(fields: readonly string[], end: boolean, as: OrigProto | undefined): boolean;
  dataFromH2(bytes: Uint8Array, end: boolean): boolean;
  trailersFromH2(fields: readonly string[]): void;
}

/** How an upstream ended before its response did. */
export interface Loss {
  /** It is certain that no program saw the request: HTTP/2 says so (RFC 9113 §8.7). */
  readonly unprocessed: boolean;
  /** RST_STREAM of the server, which means something to the client; -1: the connection broke. */
  readonly h2Code: number;
}

export const BROKEN: Loss = { unprocessed: false, h2Code: -1 };

export interface UpstreamStream extends RequestSink {
  /** Set while an exchange uses it. */
  exchange: Exchange | undefined;
  /** Its connection served a request before: the peer may have closed it meanwhile. */
  readonly reused: boolean;
  /** The client takes bytes again. */
  resumeResponse(): void;
  /** The exchange gives it up in the middle. */
  cancel(): void;
  /** The exchange is over. @param whole The request was sent to its end, and nothing forbids another one. */
  finished(whole: boolean): void;
}

/** The server's end of a tunnel. */
export interface TunnelServer {
  readonly conn: Conn<unknown>;
  readonly cells: TcpCells;
  /** What it sent after its head. */
  readonly rest: Uint8Array;
  onClose(why: Closed): void;
}
