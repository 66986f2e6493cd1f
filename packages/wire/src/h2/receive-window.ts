/** What the peer may still send on the connection as a whole, and what we have yet to give back (RFC 9113 §6.9). */
export class ReceiveWindow {
  readonly bytes: number;
  #left: number;
  #unannounced = 0;

  constructor(bytes: number) {
    this.bytes = bytes;
    this.#left = bytes;
  }

  /** What the peer may send now. */
  get left(): number {
    return this.#left;
  }

  /** Counts received bytes; false when they are more than was granted. */
  take(bytes: number): boolean {
    this.#left -= bytes;
    return this.#left >= 0;
  }

  /** Gives bytes back. Returns the increment to announce: 0 until half of the window has gathered. */
  give(bytes: number): number {
    this.#unannounced += bytes;
    if (this.#unannounced * 2 < this.bytes) return 0;
    const increment = this.#unannounced;
    this.#left += increment;
    this.#unannounced = 0;
    return increment;
  }
}
