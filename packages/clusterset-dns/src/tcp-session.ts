/**
 * One TCP connection: messages with a length of two bytes before each, answered in order. The client may send the next before it has
 * the answer (RFC 7766 §6.2.1.1); who does not read is not read from.
 */
import type { Socket } from 'node:net';
import type { MessageHandler } from './dns-server.ts';

/** Until the first message, between messages, and for each message to come in whole. */
const IDLE_MS = 10_000;
/** A query is a name, a few numbers and options. */
const QUERY_BYTES_MAX = 4096;
const LENGTH_BYTES = 2;

export class TcpSession {
  readonly #socket: Socket;
  readonly #handler: MessageHandler;
  readonly #idle: NodeJS.Timeout;
  #received: Buffer = Buffer.alloc(0);

  constructor(socket: Socket, handler: MessageHandler) {
    this.#socket = socket;
    this.#handler = handler;
    this.#idle = setTimeout(() => socket.destroy(), IDLE_MS);
    socket.on('data', (chunk: Buffer) => {
      this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
      this.#answerAll();
    });
    socket.on('drain', () => {
      this.#answerAll();
      if (!socket.writableNeedDrain) socket.resume();
    });
    socket.on('error', () => socket.destroy());
    socket.once('close', () => clearTimeout(this.#idle));
  }

  close(): void {
    this.#socket.destroy();
  }

  #answerAll(): void {
    while (!this.#socket.destroyed && this.#received.length >= LENGTH_BYTES) {
      if (this.#socket.writableNeedDrain) {
        this.#socket.pause();
        return;
      }
      const length = this.#received.readUInt16BE(0);
      if (length > QUERY_BYTES_MAX) return void this.#socket.destroy();
      if (this.#received.length < LENGTH_BYTES + length) return;
      const message = this.#received.subarray(LENGTH_BYTES, LENGTH_BYTES + length);
      this.#received = this.#received.subarray(LENGTH_BYTES + length);
      this.#idle.refresh();
      this.#answer(message);
    }
  }

  #answer(message: Buffer): void {
    const response = this.#handler.respond(message, 'tcp');
    if (response === undefined) {
      this.#socket.destroy();
      return;
    }
    const framed = Buffer.allocUnsafe(LENGTH_BYTES + response.length);
    framed.writeUInt16BE(response.length);
    framed.set(response, LENGTH_BYTES);
    this.#socket.write(framed);
  }
}
