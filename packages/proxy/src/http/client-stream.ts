/**
 * One request as seen from its client's side: what an exchange asks of it, and how the response goes back. There is one implementation
 * per version of HTTP; an exchange does not know which one it has.
 *
 * What upstreams hand over keeps the form in which it came: heads and raw body bytes of HTTP/1 (framing included, so that they can go on
 * untouched), or field lists and payload of HTTP/2. The receiver translates where its own version differs.
 */
import type { Http1Head, MessageReader } from '@mesh/wire';
import type { EndpointSlot } from '../balance/endpoint-slot.ts';
import type { HttpEngine } from './engine.ts';
import type { FailureCode, Synthesized } from './rescue.ts';
import type { HttpService, RoutedRequest } from './service.ts';
import type { TunnelServer, UpstreamStream, UpstreamVersion } from './upstream-stream.ts';

/** Takes a response; the methods that return a boolean say false when the client should not be sent more for now. */
export interface ResponseSink {
  /** An informational head (1xx). */
  interimFromH1(head: Http1Head): void;
  /** @param reader Has read what of the body came with the head: `from` to its `at`. @param done That was all of it. */
  headFromH1(head: Http1Head, reader: MessageReader, from: number, done: boolean): boolean;
  /** @param done The body ends here: with its own framing, or with its connection (then `bytes` may be empty). */
  bytesFromH1(bytes: Uint8Array, done: boolean): boolean;
  interimFromH2(fields: readonly string[]): void;
  /** False: the head has no translation, nothing was written. @param end No body follows. */
  headFromH2(fields: readonly string[], end: boolean): boolean;
  dataFromH2(bytes: Uint8Array, end: boolean): boolean;
  trailersFromH2(fields: readonly string[]): void;
}

/** What is kept of a request's body for repeats that no policy asks for. As much as Linkerd's policies say for theirs. */
export const REPLAY_BYTES_MAX = 64 * 1024;

export interface ClientStream extends RoutedRequest, ResponseSink {
  readonly engine: HttpEngine;
  readonly service: HttpService;
  /** One of METHOD of `@mesh/wire`. */
  readonly method: number;
  /** The client asks for a protocol upgrade. */
  readonly upgrade: boolean;
  /** An HTTP/1.0 client: it knows no chunks and no interim responses. */
  readonly ancient: boolean;
  /** gRPC: failures have a form of their own. */
  readonly grpc: boolean;
  /** All of the request was read. */
  readonly requestDone: boolean;
  /** What was read of the request is still here whole: it can be sent once more from its beginning. */
  readonly replayable: boolean;
  /** Bytes of the body that were read and kept so far. */
  readonly keptBytes: number;
  /** A response can still be written. */
  readonly open: boolean;

  /** Which version the request takes to this endpoint. */
  versionFor(slot: EndpointSlot): UpstreamVersion;
  /** Sends head and what there is of the body; the rest follows as it comes. */
  sendTo(up: UpstreamStream): void;
  /** There is no upstream for the moment: what comes of the request has to wait. */
  holdRequest(): void;
  /** The upstream takes more of the request again. */
  resumeRequest(): void;
  /** The response began: the request will not be sent again. */
  forgetRequest(): void;
  /** Writes a response made here. */
  answer(code: FailureCode, status: number | undefined, undelivered: boolean): Synthesized;
  /** The response cannot be completed. @param code Why. @param h2Code The upstream's RST_STREAM, to be passed on; -1: none. */
  breakOff(code: FailureCode, h2Code: number): void;
  /** The exchange is over and its upstream given back: on to the next request, or to the end. */
  next(): void;
  /** The response head of a tunnel was written: bytes go both ways. HTTP/1 only, after `upgrade` or CONNECT. */
  becomeTunnel(server: TunnelServer): void;
}
