/** The streams of one HTTP/2 connection: which are open, which ids were used, and whether more may come (RFC 9113 §5.1). */
import { ClosedStreams } from './closed-streams.ts';
import { STREAM_ID_MAX, WINDOW_DEFAULT } from './codes.ts';
import { H2_SETTINGS_INITIAL } from './settings.ts';
import type { H2Settings } from './settings.ts';
import { H2Stream } from './stream.ts';

export class StreamTable<S> {
  /** The peer's settings as last received. */
  peer: H2Settings = H2_SETTINGS_INITIAL;
  /** The peer acknowledged our settings. */
  settingsAcked = false;
  /** The highest id that the peer opened a stream with. */
  lastPeerId = 0;
  /** We sent our last GOAWAY: the peer's new streams are refused. */
  closing = false;
  /** The peer sent GOAWAY: it would refuse new streams of ours. */
  peerClosing = false;
  /** Body bytes that wait in all streams. */
  pendingBytes = 0;
  readonly client: boolean;
  readonly over = new ClosedStreams();
  readonly #windowBytes: number;
  readonly #open = new Map<number, H2Stream<S>>();
  #nextId: number;
  /** The peer left ids out, so that a low one need not have been used. */
  #peerSkipped = false;

  /** @param windowBytes The window that we announce for each stream. */
  constructor(client: boolean, windowBytes: number) {
    this.client = client;
    this.#windowBytes = windowBytes;
    this.#nextId = client ? 1 : 2;
  }

  get size(): number {
    return this.#open.size;
  }

  get(id: number): H2Stream<S> | undefined {
    return this.#open.get(id);
  }

  all(): Iterable<H2Stream<S>> {
    return this.#open.values();
  }

  get canOpen(): boolean {
    return (
      !this.closing &&
      !this.peerClosing &&
      this.#nextId <= STREAM_ID_MAX &&
      this.#open.size < (this.peer.concurrentStreamsMax ?? Number.POSITIVE_INFINITY)
    );
  }

  openOwn(state: S): H2Stream<S> {
    const id = this.#nextId;
    this.#nextId += 2;
    return this.#add(id, state);
  }

  openPeers(id: number, state: S): H2Stream<S> {
    return this.#add(id, state);
  }

  /** The peer uses a new id, higher than all before. */
  notePeerId(id: number): void {
    if (id > this.lastPeerId + (this.lastPeerId === 0 ? 1 : 2)) this.#peerSkipped = true;
    this.lastPeerId = id;
  }

  /** No stream of this id was ever opened. */
  isIdle(id: number): boolean {
    if (id === 0) return true;
    const ours = (id % 2 === 1) === this.client;
    return ours ? id >= this.#nextId : id > this.lastPeerId;
  }

  /** An id that is not open and not idle: was it a stream once? As far as anybody remembers. */
  wasUsed(id: number): boolean {
    return !this.#peerSkipped || this.over.hasEnded(id) || this.over.wasReset(id);
  }

  closeLocal(stream: H2Stream<S>): void {
    stream.localClosed = true;
    this.#closeIfDone(stream);
  }

  /** Before the event that tells of it: an owner that ends the stream then has nothing to reset any more. */
  closeRemote(stream: H2Stream<S>): void {
    stream.remoteClosed = true;
    this.#closeIfDone(stream);
  }

  #closeIfDone(stream: H2Stream<S>): void {
    if (!stream.localClosed || !stream.remoteClosed || stream.closed) return;
    this.over.addEnded(stream.id);
    this.forget(stream);
  }

  /** No event follows for the stream. */
  forget(stream: H2Stream<S>): void {
    stream.closed = true;
    this.pendingBytes -= stream.pendingBytes;
    stream.clear();
    this.#open.delete(stream.id);
  }

  #add(id: number, state: S): H2Stream<S> {
    // Until the peer acknowledged our settings, it may still count with the protocol's default window.
    const window = this.settingsAcked ? this.#windowBytes : Math.max(this.#windowBytes, WINDOW_DEFAULT);
    const stream = new H2Stream(id, state, this.peer.initialWindowBytes, window);
    this.#open.set(id, stream);
    return stream;
  }
}
