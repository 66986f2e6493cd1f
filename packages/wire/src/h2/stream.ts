/** One HTTP/2 stream: its half-closed flags, windows, and bytes that wait to be sent. */

export class H2Stream<S> {
  readonly id: number;
  /** The owner's state. */
  state: S;
  /** We sent END_STREAM. */
  localClosed: boolean;
  /** The peer sent END_STREAM. */
  remoteClosed: boolean;
  /** Reset by either side, or both halves closed: nothing follows the event that is being told. */
  closed: boolean;
  /** The first HEADERS of the peer (final response or request) came; what follows are trailers. */
  headersSeen: boolean;
  /** Client: the answer has no content, whatever its fields say. */
  headRequest: boolean;
  /** CONNECT: content-length means nothing in the answer. */
  connectRequest: boolean;
  /** Bits of the field kinds (`headerBit`) in the last header list of the peer. */
  kinds: number;
  /** What we may still send. Negative after the peer shrank its initial window (RFC 9113 §6.9.2). */
  sendWindow: number;
  /** What the peer may still send. */
  receiveWindow: number;
  /** Received and consumed by the owner, not yet given back. */
  unannounced: number;
  /** Body bytes that wait, in order, from index `pendingAt` on. */
  pending: Uint8Array[];
  pendingAt: number;
  pendingBytes: number;
  /** Body bytes that went out. */
  sentBytes: number;
  /** END_STREAM (or trailers) follows `pending`. */
  endPending: boolean;
  /** END_STREAM went with the last DATA frame. */
  endSent: boolean;
  /** Encoded late, as HPACK state follows the order on the wire. */
  trailersPending: readonly string[] | undefined;
  /** It stands in the queue of streams that can send. */
  queued: boolean;
  next: H2Stream<S> | undefined;
  /** From content-length, or -1. */
  bodyBytesExpected: number;
  bodyBytesSeen: number;

  constructor(id: number, state: S, sendWindow: number, receiveWindow: number) {
    this.id = id;
    this.state = state;
    this.localClosed = false;
    this.remoteClosed = false;
    this.closed = false;
    this.headersSeen = false;
    this.headRequest = false;
    this.connectRequest = false;
    this.kinds = 0;
    this.sendWindow = sendWindow;
    this.receiveWindow = receiveWindow;
    this.unannounced = 0;
    this.pending = NOTHING;
    this.pendingAt = 0;
    this.pendingBytes = 0;
    this.sentBytes = 0;
    this.endPending = false;
    this.endSent = false;
    this.trailersPending = undefined;
    this.queued = false;
    this.next = undefined;
    this.bodyBytesExpected = -1;
    this.bodyBytesSeen = 0;
  }

  /** Adds bytes to those that wait. */
  push(bytes: Uint8Array): void {
    if (this.pending === NOTHING) this.pending = [];
    this.pending.push(bytes);
    this.pendingBytes += bytes.length;
  }

  /** Nothing waits any more. */
  clear(): void {
    this.pending = NOTHING;
    this.pendingAt = 0;
    this.pendingBytes = 0;
    this.trailersPending = undefined;
  }
}

const NOTHING: Uint8Array[] = [];
