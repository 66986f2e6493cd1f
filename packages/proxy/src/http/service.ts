/** What decides about the requests of clients: the outbound route, the inbound port, the gateway's service. */
import type { Closed } from '@mesh/net';
import { fieldLines, HEADER, headerBit } from '@mesh/wire';
import type { H2Reason } from '@mesh/wire';
import type { Dispatcher } from '../balance/endpoint-slot.ts';
import type { HttpCells } from '../ports.ts';
import type { RouteRules } from '../route/route-rules.ts';
import type { RequestFacts } from './facts.ts';
import type { FailureCode } from './rescue.ts';

/** What became of a request. */
export interface RequestEnd {
  /** HTTP status that its client was given; 0: none. */
  readonly status: number;
  /** Bytes of its body, and of the response's, as they were passed on: of HTTP/1 with the framing of chunks. */
  readonly requestBytes: number;
  readonly responseBytes: number;
  readonly totalMs: number;
  /** Until it was passed on; all of the time when it never was. */
  readonly processingMs: number;
  /** An HTTP/1.0 client. */
  readonly ancient: boolean;
}

/** A request that waits for a decision. */
export interface RoutedRequest {
  readonly facts: RequestFacts;
  /** Called once when the request is over, then forgotten; `facts` can still be read in it. */
  onOver: ((end: RequestEnd) => void) | undefined;
  /** Cells of this request: from the service, or else of the endpoint. */
  cells: HttpCells | undefined;
  /** Fields to add to this request, in place of the service's `requestAdd`; set before it is dispatched. */
  added: AddedFields | undefined;
  /** Sends the request to an endpoint of `dispatcher`. @param rules Of its route; undefined: no limits, no retries, not counted. */
  dispatch(dispatcher: Dispatcher, rules: RouteRules | undefined): void;
  /** Answers the request here. @param status Instead of the code's own. */
  reject(code: FailureCode, status?: number): void;
}

/** A client's connection, whichever version of HTTP it speaks. */
export interface HttpConnection {
  /** For services that many connections share: called when this one is over. */
  onOver: ((why: Closed) => void) | undefined;
}

/** Fields to append to heads, ready for both versions. */
export interface AddedFields {
  /** Whole lines, each with CRLF. */
  readonly lines: Uint8Array;
  /** Name and value alternating. */
  readonly list: readonly string[];
}

export interface HttpService {
  /** A request was read: once for each, before anything is decided. */
  readonly begun?: ((request: RoutedRequest) => void) | undefined;
  /** Looks at `request.facts` and calls `request.dispatch` or `request.reject`, at once. */
  route(request: RoutedRequest): void;
  /** Fields to drop from requests (bits of kinds), and those to add. */
  readonly requestDrop: number;
  readonly requestAdd: AddedFields;
  readonly responseDrop: number;
  /** Responses made here tell the client why. */
  readonly details: boolean;
  /** The client is a proxy that authenticated itself: it may send elsewhere what did not get through here. */
  readonly servesProxies: boolean;
  /** What such a response says of its reason, in place of the code's own words; undefined: those. Printable ASCII. */
  explain?(code: FailureCode): string | undefined;
  /** A response was made here, or a client broke HTTP/2 or one of its limits: for the error counters. */
  failed?(code: FailureCode | H2Reason): void;
  /** The connection is over. */
  closed(connection: HttpConnection, why: Closed): void;
}

export const NO_ADDED_FIELDS: AddedFields = { lines: new Uint8Array(0), list: [] };

/** Throws on bytes that would break a head. @param fields Names in lower case. */
export function addedFields(fields: readonly (readonly [string, string])[]): AddedFields {
  return { lines: fieldLines(fields), list: fields.flat() };
}

/** Response fields from one proxy to the next: they go no further, and no program can make one up. */
export const HOP_FIELDS: number =
  headerBit(HEADER.proxyConnectionL5d) | headerBit(HEADER.undelivered) | headerBit(HEADER.origProto);
