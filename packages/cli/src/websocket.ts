/** WebSocket frames of a client (RFC 6455 §5), as far as streams of the Kubernetes API need them. No I/O. */
import { randomBytes } from 'node:crypto';

export const OPCODE = { continuation: 0x0, binary: 0x2, close: 0x8, ping: 0x9, pong: 0xa } as const;

export interface Frame {
  readonly opcode: number;
  readonly payload: Buffer;
}

/** The API server sends pieces of 32 KiB; nobody has a reason for more than this. */
const PAYLOAD_BYTES_MAX = 16 * 1024 * 1024;
const FINAL = 0x80;
const MASKED = 0x80;

/** One whole message, masked as a client's must be. */
export function encodeFrame(opcode: number, payload: Buffer): Buffer {
  const mask = randomBytes(4);
  const head = Buffer.alloc(payload.length < 126 ? 2 : payload.length < 0x1_0000 ? 4 : 10);
  head[0] = FINAL | opcode;
  if (head.length === 2) head[1] = MASKED | payload.length;
  else if (head.length === 4) {
    head[1] = MASKED | 126;
    head.writeUInt16BE(payload.length, 2);
  } else {
    head[1] = MASKED | 127;
    head.writeBigUInt64BE(BigInt(payload.length), 2);
  }
  const body = Buffer.from(payload);
  for (let index = 0; index < body.length; index += 1) body[index] = (body[index] ?? 0) ^ (mask[index & 3] ?? 0);
  return Buffer.concat([head, mask, body]);
}

/** Takes a server's bytes as they come, gives whole frames. */
export class FrameReader {
  #pending: Buffer = Buffer.alloc(0);

  /** @throws Error for masked frames, which a server must not send, and for absurd lengths. */
  read(chunk: Buffer): readonly Frame[] {
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    const frames: Frame[] = [];
    for (let frame = this.#next(); frame !== undefined; frame = this.#next()) frames.push(frame);
    return frames;
  }

  #next(): Frame | undefined {
    const bytes = this.#pending;
    if (bytes.length < 2) return undefined;
    const [first = 0, second = 0] = bytes;
    if ((second & MASKED) !== 0) throw new Error('WebSocket: the server masks its frames');
    const short = second & 0x7f;
    const head = short < 126 ? 2 : short === 126 ? 4 : 10;
    if (bytes.length < head) return undefined;
    const length = head === 2 ? short : head === 4 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
    if (length > PAYLOAD_BYTES_MAX) throw new Error(`WebSocket: a frame of ${length} bytes`);
    if (bytes.length < head + length) return undefined;
    this.#pending = bytes.subarray(head + length);
    return { opcode: first & 0x0f, payload: bytes.subarray(head, head + length) };
  }
}
