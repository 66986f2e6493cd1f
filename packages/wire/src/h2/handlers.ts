/** What the owner of an HTTP/2 connection gives to it and hears from it. */
import type { H2Connection } from './connection.ts';
import type { H2Limits } from './limits.ts';
import type { H2Reason } from './reasons.ts';
import type { H2Settings } from './settings.ts';
import type { H2Stream } from './stream.ts';

/** Events of all connections of one owner. They must not throw. */
export interface H2Handlers<S> {
  /** Parts to write to the peer, in order; the receiver owns them. When its socket is full it calls `block`, here or later. */
  write(connection: H2Connection<S>, parts: readonly Uint8Array[]): void;
  /**
   * Informational, final or trailing fields, name and value alternating. A server's new streams come here first. `stream.kinds` has the bits
   * of the field kinds in them.
   */
  headers(
    stream: H2Stream<S>,
    fields: readonly string[],
    kind: 'informational' | 'head' | 'trailers',
    end: boolean,
  ): void;
  /**
   * Body bytes, a view of what `receive` was given; one DATA frame may come in several pieces. The owner calls `consume` when it has dealt
   * with them.
   */
  data(stream: H2Stream<S>, bytes: Uint8Array, end: boolean): void;
  /** The stream ended early: by the peer's RST_STREAM, or by an error that we found, which `reason` tells. */
  reset(stream: H2Stream<S>, code: number, byPeer: boolean, reason: H2Reason | undefined): void;
  /** The peer's window opened and nothing of this stream waits any more. */
  writable(stream: H2Stream<S>): void;
  /** The peer will take no new streams; streams above `lastStreamId` were not processed and are reset with REFUSED_STREAM. */
  goaway(connection: H2Connection<S>, lastStreamId: number, code: number): void;
  pong(connection: H2Connection<S>): void;
  /** The peer's SETTINGS arrived or changed. */
  settings(connection: H2Connection<S>, settings: H2Settings): void;
  /** The peer broke the protocol: GOAWAY was written, all streams were reset, and the owner must close the socket. */
  failed(connection: H2Connection<S>, code: number, reason: H2Reason): void;
  /** A request was refused before the owner heard of it: for counting. */
  refused?(connection: H2Connection<S>, reason: H2Reason): void;
}

export interface H2Options<S> {
  readonly role: 'client' | 'server';
  /** Window of each stream, bytes. */
  readonly streamWindowBytes?: number;
  /** Window of the connection, bytes. 1 MiB, as linkerd2-proxy. */
  readonly connectionWindowBytes?: number;
  /** As in `limits`. */
  readonly headerListBytesMax?: number;
  /** As in `limits`. Server: streams that the client may have open. */
  readonly concurrentStreamsMax?: number;
  /** Server: offer extended CONNECT (RFC 8441), for WebSockets over HTTP/2. Off by default: `:protocol` is malformed then. */
  readonly connectProtocol?: boolean;
  readonly limits?: Partial<H2Limits>;
  /** State of a stream that the peer opens (server role). */
  readonly initStream?: () => S;
}
