/**
 * gRPC messages on a stream: a flag byte, the length, the bytes (gRPC over HTTP/2, "Length-Prefixed-Message").
 *
 *      0            1          5
 *      | compressed | length   | message …
 */

const HEAD_BYTES = 5;

/** Largest message taken, bytes; the default of other gRPC clients. */
export const MESSAGE_BYTES_MAX = 4 * 1024 * 1024;

/** One uncompressed message with its head. */
export function frameMessage(message: Uint8Array): Uint8Array {
  const framed = new Uint8Array(HEAD_BYTES + message.length);
  new DataView(framed.buffer).setUint32(1, message.length);
  framed.set(message, HEAD_BYTES);
  return framed;
}

export type MessageProblem = 'compressed' | 'too_large';

/** Cuts received bytes into messages. */
export class MessageReader {
  readonly #bytesMax: number;
  readonly #sink: (message: Uint8Array) => void;
  readonly #head = new Uint8Array(HEAD_BYTES);
  #headHave = 0;
  #body: Uint8Array | undefined;
  #bodyHave = 0;

  /** @param sink gets each message; it owns the bytes. */
  constructor(sink: (message: Uint8Array) => void, bytesMax: number = MESSAGE_BYTES_MAX) {
    this.#sink = sink;
    this.#bytesMax = bytesMax;
  }

  /** True between messages. */
  get isClean(): boolean {
    return this.#headHave === 0;
  }

  /** Takes bytes in any pieces; a problem ends the use of the reader. */
  read(bytes: Uint8Array): MessageProblem | undefined {
    let at = 0;
    while (at < bytes.length || this.#body?.length === 0) {
      if (this.#body === undefined) {
        this.#head[this.#headHave] = bytes[at] ?? 0;
        this.#headHave += 1;
        at += 1;
        if (this.#headHave < HEAD_BYTES) continue;
        if (this.#head[0] !== 0) return 'compressed'; // We never announce an encoding.
        const length = new DataView(this.#head.buffer).getUint32(1);
        if (length > this.#bytesMax) return 'too_large';
        this.#body = new Uint8Array(length);
        this.#bodyHave = 0;
      }
      const part = bytes.subarray(at, at + this.#body.length - this.#bodyHave);
      this.#body.set(part, this.#bodyHave);
      this.#bodyHave += part.length;
      at += part.length;
      if (this.#bodyHave < this.#body.length) continue;
      const message = this.#body;
      this.#body = undefined;
      this.#headHave = 0;
      this.#sink(message);
    }
    return undefined;
  }
}
