/**
 * The socket under an HTTP/2 connection: what one turn of the loop causes leaves in one write, however many streams it is for; while the
 * kernel takes no more, bodies wait in the streams.
 */
import type { Conn } from '@mesh/net';
import type { H2Connection } from '@mesh/wire';
import type { TcpCells } from '../ports.ts';

export class H2Socket<S> {
  readonly conn: Conn<unknown>;
  readonly #h2: H2Connection<S>;
  readonly #cells: TcpCells;
  #corked: boolean;
  readonly #onTurn: () => void;

  constructor(conn: Conn<unknown>, h2: H2Connection<S>, cells: TcpCells) {
    this.conn = conn;
    this.#h2 = h2;
    this.#cells = cells;
    this.#corked = false;
    this.#onTurn = () => this.flush();
  }

  /** The connection, to send with: everything until the end of this turn goes together. */
  get out(): H2Connection<S> {
    if (!this.#corked) {
      this.#corked = true;
      this.#h2.cork();
      queueMicrotask(this.#onTurn);
    }
    return this.#h2;
  }

  /** For the connection's `write` event. */
  write(parts: readonly Uint8Array[]): void {
    if (this.conn.closed) return;
    let bytes = 0;
    for (const part of parts) bytes += part.length;
    this.#cells.writeBytes.add(bytes);
    if (!this.conn.writev(parts)) this.#h2.block();
  }

  flush(): void {
    if (!this.#corked) return;
    this.#corked = false;
    this.#h2.uncork();
  }

  drained(): void {
    this.#h2.unblock();
  }

  /** FIN behind everything that was sent. */
  end(): void {
    this.flush();
    this.conn.end();
  }
}
