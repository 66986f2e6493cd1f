/**
 * Copies bytes between two connections, both ways at once: half-close passes through, a reset on one side
 * resets the other, a slow reader stops its writer.
 */
import type { Closed, Conn, Handlers } from '@mesh/net';
import type { TcpCells } from '../ports.ts';

export interface TunnelEnd<S = unknown> {
  readonly conn: Conn<S>;
  readonly cells: TcpCells;
  /** Its peer sent FIN before the tunnel began. */
  readonly ended?: boolean;
  /** The connection is closed: last words of its former owner. */
  onClose(why: Closed): void;
}

/**
 * A tunnel with one direction ended and no bytes in the other for this long is over: the peer may have gone without the runtime
 * noticing. HAProxy's advice for its counterpart (`timeout client-fin`) is seconds; ours leaves room for slow answers.
 */
const HALF_CLOSED_IDLE_MS = 300_000;

class Side {
  conn: Conn<Side>;
  readonly cells: TcpCells;
  readonly onClose: (why: Closed) => void;
  other: Side | undefined;
  /** The peer sent FIN. */
  ended: boolean;
  closed: boolean;
  /** Runs while one direction has ended; both sides have the same. */
  timer: NodeJS.Timeout | undefined;

  constructor(end: TunnelEnd<never>) {
    this.cells = end.cells;
    this.onClose = (why) => end.onClose(why);
    this.other = undefined;
    this.ended = false;
    this.closed = false;
    this.timer = undefined;
    this.conn = end.conn.handOver(SIDE_HANDLERS, this);
  }
}

/**
 * Takes both connections over.
 * @param fromA Bytes that were read from `a` already and belong to `b`; and the other way round.
 */
export function joinTunnel<A, B>(a: TunnelEnd<A>, b: TunnelEnd<B>, fromA: Uint8Array, fromB: Uint8Array): void {
  const left = new Side(a as TunnelEnd<never>);
  const right = new Side(b as TunnelEnd<never>);
  left.other = right;
  right.other = left;
  if (left.conn.closed || right.conn.closed) {
    left.conn.reset();
    right.conn.reset();
    return;
  }
  if (!forward(right, fromA)) left.conn.pause();
  else left.conn.resume();
  if (!forward(left, fromB)) right.conn.pause();
  else right.conn.resume();
  if (a.ended === true) right.conn.end();
  if (b.ended === true) left.conn.end();
  if (a.ended === true || b.ended === true) limitHalfClosed(left);
}

function limitHalfClosed(side: Side): void {
  const { other } = side;
  if (side.timer !== undefined || other === undefined) return;
  const timer = setTimeout(() => {
    side.conn.reset();
    other.conn.reset();
  }, HALF_CLOSED_IDLE_MS);
  timer.unref();
  side.timer = timer;
  other.timer = timer;
}

/** False: stop reading until the receiver drained. */
function forward(to: Side, bytes: Uint8Array): boolean {
  if (bytes.length === 0) return true;
  to.cells.writeBytes.add(bytes.length);
  return to.conn.write(bytes);
}

const SIDE_HANDLERS: Handlers<Side> = {
  open() {},
  data(conn, bytes) {
    const side = conn.state;
    const { other } = side;
    side.cells.readBytes.add(bytes.length);
    side.timer?.refresh();
    if (other === undefined) return;
    // Nobody is left to read it.
    if (other.closed) conn.reset();
    else if (!forward(other, bytes)) conn.pause();
  },
  end(conn) {
    conn.state.ended = true;
    const { other } = conn.state;
    limitHalfClosed(conn.state);
    if (other === undefined || other.closed) conn.end();
    else other.conn.end();
  },
  drain(conn) {
    conn.state.other?.conn.resume();
  },
  close(conn, why) {
    const side = conn.state;
    const { other } = side;
    side.closed = true;
    if (other === undefined || other.closed) clearTimeout(side.timer);
    if (other !== undefined && !other.closed) {
      // A clean close came after FIN both ways; anything else must look like what it was.
      if (why.kind !== 'clean') other.conn.reset();
      else {
        other.conn.end();
        other.conn.resume();
      }
    }
    side.onClose(why);
  },
};
