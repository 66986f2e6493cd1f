/** A header block that goes over several frames, HEADERS and then CONTINUATION (RFC 9113 §4.3, §6.10), within limits. */

export class HeaderBlock {
  readonly #bytesMax: number;
  readonly #framesMax: number;
  #parts: Uint8Array[] = [];
  #bytes = 0;
  /** The stream that it is for; 0: none is open. */
  streamId = 0;
  /** Flags of the HEADERS frame. */
  flags = 0;

  constructor(bytesMax: number, framesMax: number) {
    this.#bytesMax = bytesMax;
    this.#framesMax = framesMax;
  }

  begin(streamId: number, flags: number, bytes: Buffer, from: number, to: number): void {
    this.streamId = streamId;
    this.flags = flags;
    this.#parts = [Buffer.from(bytes.subarray(from, to))];
    this.#bytes = to - from;
  }

  /** False when the block is larger, or in more pieces, than anybody needs. */
  append(bytes: Buffer, from: number, to: number): boolean {
    this.#bytes += to - from;
    if (this.#bytes > this.#bytesMax || this.#parts.length >= this.#framesMax) return false;
    this.#parts.push(Buffer.from(bytes.subarray(from, to)));
    return true;
  }

  /** The whole block; none is open any more. */
  take(): Buffer {
    const block = Buffer.concat(this.#parts, this.#bytes);
    this.#parts = [];
    this.streamId = 0;
    return block;
  }
}
