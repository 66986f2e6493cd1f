/** What decides about the requests of HTTP sessions: the outbound route, the inbound port, the gateway's service. */
import type { Closed } from '@mesh/net';
import { HEADER, headerBit } from '@mesh/wire';
import type { FailureCode } from './rescue.ts';
import type { HttpSession } from './session.ts';

export interface HttpService {
  /** Looks at `session.head` and calls `session.dispatch` or `session.reject`, at once. */
  route(session: HttpSession): void;
  /** Fields to drop from requests (bits of kinds), and whole lines to add. */
  readonly requestDrop: number;
  readonly requestAdd: Uint8Array;
  readonly responseDrop: number;
  /** Responses made here tell the client why. */
  readonly details: boolean;
  /** The client is a proxy that authenticated itself: it may send elsewhere what did not get through here. */
  readonly servesProxies: boolean;
  /** A response was made here: for the error counters. */
  failed?(code: FailureCode): void;
  /** The connection is over. */
  closed(session: HttpSession, why: Closed): void;
}

/** Response fields from one proxy to the next: they go no further, and no program can make one up. */
export const HOP_FIELDS: number = headerBit(HEADER.proxyConnectionL5d) | headerBit(HEADER.undelivered);
