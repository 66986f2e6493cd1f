/** Collects the first bytes of a connection until they say enough, the peer ends, or time is up. */
import type { Closed, Conn, Handlers } from '@mesh/net';
import type { Detected } from '../detect/detect-http.ts';
import type { DetectResult } from '../ports.ts';

export type PeekEnd = 'enough' | 'timeout' | 'ended';

export interface PeekOptions {
  readonly timeoutMs: number;
  /** @returns true when no more is needed. @param bytes Everything so far. */
  enough(bytes: Uint8Array): boolean;
  /** The connection is the caller's again, with what was read; it is paused. Called at most once. */
  done(conn: Conn<unknown>, bytes: Uint8Array, end: PeekEnd): void;
  /** The connection closed before that. */
  closed(why: Closed): void;
}

class Peek {
  readonly options: PeekOptions;
  bytes: Uint8Array;
  timer: NodeJS.Timeout | undefined;

  constructor(options: PeekOptions, already: Uint8Array) {
    this.options = options;
    this.bytes = already;
    this.timer = undefined;
  }

  finish(conn: Conn<unknown>, end: PeekEnd): void {
    clearTimeout(this.timer);
    conn.pause();
    this.options.done(conn, this.bytes, end);
  }
}

/** @param already Bytes that were read before and count. */
export function peek(conn: Conn<unknown>, already: Uint8Array, options: PeekOptions): void {
  const state = new Peek(options, already);
  const mine = conn.handOver(PEEK_HANDLERS, state);
  if (already.length > 0 && options.enough(already)) {
    state.finish(mine, 'enough');
    return;
  }
  state.timer = setTimeout(() => state.finish(mine, 'timeout'), Math.min(options.timeoutMs, 0x7fff_ffff));
  state.timer.unref();
  mine.resume();
}

const PEEK_HANDLERS: Handlers<Peek> = {
  open() {},
  drain() {},
  data(conn, bytes) {
    const { state } = conn;
    state.bytes = state.bytes.length === 0 ? bytes : Buffer.concat([state.bytes, bytes]);
    if (state.options.enough(state.bytes)) state.finish(conn, 'enough');
  },
  end: (conn) => conn.state.finish(conn, 'ended'),
  close(conn, why) {
    clearTimeout(conn.state.timer);
    conn.state.options.closed(why);
  },
};

/** How the detection metrics call the outcome. A peer that ended without a byte is an error: there is nothing to pass on. */
export function detectResult(detected: Detected, bytes: Uint8Array, end: PeekEnd): DetectResult {
  if (detected !== 'incomplete') return detected;
  if (end === 'timeout') return 'read_timeout';
  return end === 'ended' && bytes.length === 0 ? 'error' : 'not_http';
}
