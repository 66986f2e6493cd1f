/** A client and a server that speak bytes and nothing else, around a proxy: what went in, what came out on the other side. */
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

/** Answers each request that looks complete with bytes of the case, and keeps what it received. */
export class RawServer {
  received = '';
  connections = 0;
  answer: string = OK;
  /** The answer waits until this was received. */
  until: RegExp = /\r\n\r\n/;
  closeAfterAnswer = false;
  readonly #server = createServer((socket) => this.#accept(socket));
  readonly #sockets = new Set<Socket>();

  async listen(ip: string): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, ip, resolve));
    return (this.#server.address() as AddressInfo).port;
  }

  /** Forgets the last case; its connections end, so that pooled ones tell no tales. */
  reset(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.received = '';
    this.connections = 0;
    this.answer = OK;
    this.until = /\r\n\r\n/;
    this.closeAfterAnswer = false;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #accept(socket: Socket): void {
    this.connections += 1;
    this.#sockets.add(socket);
    let pending = '';
    socket.on('error', () => undefined);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('data', (bytes) => {
      const text = bytes.toString('latin1');
      this.received += text;
      pending += text;
      for (;;) {
        const match = this.until.exec(pending);
        if (match === null) return;
        pending = pending.slice(match.index + match[0].length);
        socket.write(this.answer, 'latin1');
        if (this.closeAfterAnswer) socket.end();
      }
    });
  }
}

export const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';

export interface Exchange {
  readonly received: string;
  readonly closed: boolean;
}

/**
 * Sends `parts` one after the other, waiting for what the part before it says, and reads until `done` matches, the peer closes, or the time
 * is over.
 */
export function exchange(
  address: { readonly host: string; readonly port: number },
  parts: readonly { readonly after?: RegExp; readonly send: string }[],
  done: RegExp,
  timeoutMs: number,
): Promise<Exchange> {
  const { promise, resolve } = Promise.withResolvers<Exchange>();
  const socket = connect(address.port, address.host);
  let received = '';
  let next = 0;
  let closed = false;
  const finish = (): void => {
    clearTimeout(timer);
    socket.destroy();
    resolve({ received, closed });
  };
  const timer = setTimeout(finish, timeoutMs);
  const advance = (): void => {
    for (let part = parts[next]; part !== undefined; part = parts[next]) {
      if (part.after !== undefined && !part.after.test(received)) return;
      next += 1;
      socket.write(part.send, 'latin1');
    }
    if (done.test(received)) finish();
  };
  socket.on('connect', advance);
  socket.on('data', (bytes) => {
    received += bytes.toString('latin1');
    advance();
  });
  socket.on('error', () => undefined);
  socket.on('close', () => {
    closed = true;
    finish();
  });
  return promise;
}
