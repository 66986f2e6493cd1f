/** A header block that goes over several frames, HEADERS and then CONTINUATION (RFC 9113 §4.3, §6.10), within limits. */

/** Frames of one block; a flood of empty CONTINUATION frames costs nothing to send. */
const BLOCK_FRAMES_MAX = 64;

export class HeaderBlock {
  readonly #bytesMax: number;
  #parts: Uint8Array[] = [];
  #bytes = 0;
  /** The stream that it is for; 0: none is open. */
  streamId = 0;
  /** Flags of the HEADERS frame. */
  flags = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  begin(streamId: number, flags: number, part: Uint8Array): void {
    this.streamId = streamId;
    this.flags = flags;
    this.#parts = [part.slice()];
    this.#bytes = part.length;
  }

  /** False when the block is larger, or in more pieces, than anybody needs. */
  append(part: Uint8Array): boolean {
    this.#parts.push(part.slice());
    this.#bytes += part.length;
    return this.#bytes <= this.#bytesMax && this.#parts.length <= BLOCK_FRAMES_MAX;
  }

  /** The whole block; none is open any more. */
  take(): Uint8Array {
    const block = Buffer.concat(this.#parts, this.#bytes);
    this.#parts = [];
    this.streamId = 0;
    return block;
  }
}
