/** Handlers that write down what happens, and a wait for conditions: for tests of sockets on any runtime. */
import type { Closed, Conn, Handlers, PeerInfo } from '../types.ts';

/** What one connection saw. */
export class Seen {
  conn: Conn<Seen> | undefined;
  opened = false;
  peer: PeerInfo | undefined;
  readonly chunks: Uint8Array[] = [];
  bytes = 0;
  ends = 0;
  drains = 0;
  readonly closes: Closed[] = [];
  /** Data that came while the owner had paused. */
  whilePaused = 0;
  paused = false;

  get text(): string {
    return Buffer.concat(this.chunks).toString('latin1');
  }

  get closed(): Closed | undefined {
    return this.closes[0];
  }
}

export interface RecorderHooks {
  open?(conn: Conn<Seen>): void;
  secure?(conn: Conn<Seen>, peer: PeerInfo): void;
  data?(conn: Conn<Seen>, bytes: Uint8Array): void;
  end?(conn: Conn<Seen>): void;
  drain?(conn: Conn<Seen>): void;
  close?(conn: Conn<Seen>, why: Closed): void;
}

/** Records everything and then calls the hook of the same name. */
export function recorder(hooks: RecorderHooks = {}): Handlers<Seen> {
  return {
    open(conn) {
      conn.state.conn = conn;
      conn.state.opened = true;
      hooks.open?.(conn);
    },
    secure(conn, peer) {
      conn.state.peer = peer;
      hooks.secure?.(conn, peer);
    },
    data(conn, bytes) {
      const seen = conn.state;
      if (seen.paused) seen.whilePaused += 1;
      seen.bytes += bytes.length;
      if (seen.bytes <= 1 << 20) seen.chunks.push(bytes);
      hooks.data?.(conn, bytes);
    },
    end(conn) {
      conn.state.ends += 1;
      hooks.end?.(conn);
    },
    drain(conn) {
      conn.state.drains += 1;
      hooks.drain?.(conn);
    },
    close(conn, why) {
      conn.state.closes.push(why);
      hooks.close?.(conn, why);
    },
  };
}

/** Resolves when `condition` holds; rejects with `what` after `deadlineMs`. */
export async function until(what: string, condition: () => boolean, deadlineMs = 5000): Promise<void> {
  const deadline = performance.now() + deadlineMs;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`not within ${deadlineMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
