/** The streams of one HTTP/2 connection: which are open, which ids were used, and whether more may come (RFC 9113 §5.1). */
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
  /** We sent GOAWAY: the peer's new streams are refused. */
  closing = false;
  /** The peer sent GOAWAY: it would refuse new streams of ours. */
  peerClosing = false;
  readonly client: boolean;
  readonly #windowBytes: number;
  readonly #open = new Map<number, H2Stream<S>>();
  #nextId: number;

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

  /** No stream of this id was ever opened. */
  isIdle(id: number): boolean {
    if (id === 0) return true;
    const ours = (id % 2 === 1) === this.client;
    return ours ? id >= this.#nextId : id > this.lastPeerId;
  }

  closeLocal(stream: H2Stream<S>): void {
    stream.localClosed = true;
    this.closeIfDone(stream);
  }

  closeIfDone(stream: H2Stream<S>): void {
    if (stream.localClosed && stream.remoteClosed) this.forget(stream);
  }

  /** No event follows for the stream. */
  forget(stream: H2Stream<S>): void {
    stream.closed = true;
    stream.pending = [];
    stream.pendingBytes = 0;
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
