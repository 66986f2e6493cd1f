/** One HTTP/2 stream: its half-closed flags, windows, and bytes that wait for the peer's window. */

export class H2Stream<S> {
  readonly id: number;
  /** The owner's state. */
  state: S;
  /** We sent END_STREAM. */
  localClosed = false;
  /** The peer sent END_STREAM. */
  remoteClosed = false;
  /** Reset by either side, or both halves closed: no event follows. */
  closed = false;
  /** The first HEADERS of the peer (final response or request) came; what follows are trailers. */
  headersSeen = false;
  /** What we may still send. Negative after the peer shrank its initial window (RFC 9113 §6.9.2). */
  sendWindow: number;
  /** What the peer may still send. */
  receiveWindow: number;
  /** Received and consumed by the owner, not yet given back. */
  unannounced = 0;
  /** Body bytes that wait for a window, in order. */
  pending: Uint8Array[] = [];
  pendingBytes = 0;
  /** END_STREAM (or trailers) follows `pending`. */
  endPending = false;
  /** Encoded late, as HPACK state follows the order on the wire. */
  trailersPending: readonly string[] | undefined = undefined;
  /** From content-length, or -1. */
  bodyBytesExpected = -1;
  bodyBytesSeen = 0;

  constructor(id: number, state: S, sendWindow: number, receiveWindow: number) {
    this.id = id;
    this.state = state;
    this.sendWindow = sendWindow;
    this.receiveWindow = receiveWindow;
  }
}
