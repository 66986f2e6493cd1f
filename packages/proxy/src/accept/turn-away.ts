/** The end of a connection whose client may not come in. */
import type { Conn, Handlers } from '@mesh/net';
import type { Clock, Timer } from '@mesh/runtime';

/** A client that neither speaks nor ends its half is not waited for. */
const LINGER_MS = 2000;

/**
 * Ends with FIN, and with RST only if the client speaks or stays. A TCP probe of the kubelet asks no more than whether its connection is
 * taken; a reset that arrives before its call to connect has returned (on a busy node it does) counts as no.
 */
export function turnAway(conn: Conn<unknown>, clock: Clock): void {
  const leaving: Conn<Leaving> = conn.handOver(LEAVING_HANDLERS, {
    timer: clock.after(LINGER_MS, () => leaving.reset()),
  });
  leaving.end();
  leaving.resume();
}

interface Leaving {
  readonly timer: Timer;
}

const LEAVING_HANDLERS: Handlers<Leaving> = {
  open() {},
  data: (conn) => conn.reset(),
  end: (conn) => conn.end(),
  drain() {},
  close: (conn) => conn.state.timer.cancel(),
};
