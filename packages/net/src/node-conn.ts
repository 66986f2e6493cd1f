/**
 * One connection on `node:net` / `node:tls`: shared event functions, no closure per event.
 *
 *   accepted: open ──► data…                     (plain)
 *                └──► startTls ──► secure ──► data… (TLS in place)
 *   dialled:  (TCP) ──► (TLS) ──► secure ──► open ──► data…
 *
 * Whatever happens, `close` is the last callback and comes once.
 */
import type { Socket } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import type { TLSSocket } from 'node:tls';
import { ABORTED, CLEAN, closedBy, CONNECT_TIMEOUT, HANDSHAKE_CUT, HANDSHAKE_TIMEOUT } from './closed.ts';
import { addressOf, UNKNOWN } from './addresses.ts';
import type { OriginalDstLookup } from './addresses.ts';
import type { Interned } from './interned.ts';
import { attach, attachClose, attachRest, attachUntilOpen, detach, ownerOf } from './socket-events.ts';
import { verifiedPeer } from './verified-peer.ts';
import type { NodeTlsContext } from './tls-context.ts';
import type { ServerEvents } from './tls-context.ts';
import type { Address, ClientTls, Closed, Conn, Handlers, PeerInfo, ServerTls } from './types.ts';

/** Up to here parts are joined by copying: one record, one system call, and cheaper than a vectored write. */
const JOIN_BYTES_MAX = 16 * 1024;

// oxlint-disable-next-line typescript/no-explicit-any -- the state type is erased at the socket boundary, where it is only passed back
type AnyConn = NodeConn<any>;

/** A few turns of the loop. Without them a crowded machine reads as a peer that does not answer. */
const LOOP_GRACE_MS = 10;

/** What the connections of a driver share. */
export interface Shared {
  readonly lookUpOriginalDst: OriginalDstLookup;
  readonly interned: Interned;
}

export class NodeConn<S> implements Conn<S> {
  state: S;
  local: Address;
  remote: Address;
  peer: PeerInfo | undefined;
  closed: boolean;
  #handlers: Handlers<S>;
  /** What is read and written: the TCP socket, or the TLS socket on it. */
  #socket: Socket;
  /** The TCP socket. */
  readonly #raw: Socket;
  #handshaking: boolean;
  #opened: boolean;
  #paused: boolean;
  /** What a runtime delivered in spite of the pause: chunks, and FIN. Kept for the resume. */
  #held: Uint8Array[] | undefined;
  #endHeld: boolean;
  #why: Closed | undefined;
  #timer: NodeJS.Timeout | undefined;
  #onClosed: (() => void) | undefined;
  readonly #shared: Shared;

  constructor(raw: Socket, handlers: Handlers<S>, state: S, shared: Shared, onClosed: (() => void) | undefined) {
    this.state = state;
    this.local = UNKNOWN;
    this.remote = UNKNOWN;
    this.peer = undefined;
    this.closed = false;
    this.#handlers = handlers;
    this.#socket = raw;
    this.#raw = raw;
    this.#handshaking = false;
    this.#opened = false;
    this.#paused = false;
    this.#held = undefined;
    this.#endHeld = false;
    this.#why = undefined;
    this.#timer = undefined;
    this.#onClosed = onClosed;
    this.#shared = shared;
  }

  /** Starts the life of an accepted socket. */
  accepted(): void {
    // Read once, now: later the socket may be gone, and interception may have redefined them for this moment.
    this.#readAddresses();
    attach(this.#raw, this);
    this.#open();
  }

  /** Starts the life of a dialled socket; `connect` was called on it already. */
  dialled(timeoutMs: number, tls: ClientTls | undefined): void {
    attachUntilOpen(this.#raw, this);
    this.#timer = setTimeout(onConnectTimeout, timeoutMs, this);
    this.#raw.once('connect', () => {
      if (this.closed || this.#why !== undefined) return;
      this.#readAddresses();
      if (tls === undefined) {
        this.#clearTimer();
        attachRest(this.#raw);
        this.#open();
      } else {
        this.#dialTls(tls);
      }
    });
  }

  get buffered(): number {
    return this.#socket.writableLength;
  }

  write(bytes: Uint8Array): boolean {
    const socket = this.#socket;
    if (this.closed || this.#why !== undefined || !socket.writable) return true;
    return socket.write(bytes);
  }

  writev(parts: readonly Uint8Array[]): boolean {
    let length = 0;
    for (const part of parts) length += part.length;
    if (length <= JOIN_BYTES_MAX) {
      const joined = Buffer.allocUnsafe(length);
      let at = 0;
      for (const part of parts) {
        joined.set(part, at);
        at += part.length;
      }
      return this.write(joined);
    }
    this.#socket.cork();
    let more = true;
    for (const part of parts) more = this.write(part);
    this.#socket.uncork();
    return more;
  }

  pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.#socket.pause();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#socket.resume();
    if (this.#endHeld || this.#held !== undefined) setImmediate(deliverHeld, this);
  }

  end(): void {
    if (!this.closed && this.#why === undefined && this.#socket.writable) this.#socket.end();
  }

  reset(): void {
    if (this.closed || this.#why !== undefined) return;
    this.#fail(ABORTED);
  }

  startTls(options: ServerTls, already: Uint8Array): void {
    const raw = this.#raw;
    detach(raw);
    attachUntilOpen(raw, this);
    this.#handshaking = true;
    this.#timer = setTimeout(onHandshakeTimeout, options.timeoutMs, this);
    this.#paused = false;
    raw.pause();
    // A client that leaves in the middle must end the handshake; half-open is for afterwards.
    raw.allowHalfOpen = false;
    if (already.length > 0) raw.unshift(already);
    (options.context as NodeTlsContext).server(options, serverEvents).emit('connection', raw);
  }

  originalDst(): Address | undefined {
    return this.#shared.lookUpOriginalDst(this.#raw, this.local);
  }

  handOver<T>(handlers: Handlers<T>, state: T): Conn<T> {
    const next = this as unknown as NodeConn<T>;
    next.#handlers = handlers;
    next.state = state;
    return next;
  }

  // Below: called by the event functions of this file only.

  onData(bytes: Uint8Array): void {
    if (this.#why !== undefined) return;
    if (this.#paused || this.#held !== undefined) (this.#held ??= []).push(bytes);
    else this.#handlers.data(this, bytes);
  }

  onEnd(): void {
    if (this.closed || this.#why !== undefined) return;
    // Bun 1.4.5 delivers FIN on TLS sockets that are paused; its receiver would not be ready for it.
    if (this.#paused || this.#held !== undefined) this.#endHeld = true;
    else this.#handlers.end(this);
  }

  /** Hands out what came during a pause, in order, until it is over or the receiver pauses again. */
  deliverHeld(): void {
    while (this.#held !== undefined && !this.#paused && !this.closed && this.#why === undefined) {
      const bytes = this.#held.shift();
      if (this.#held.length === 0) this.#held = undefined;
      if (bytes !== undefined) this.#handlers.data(this, bytes);
    }
    if (!this.#endHeld || this.#paused || this.#held !== undefined) return;
    this.#endHeld = false;
    this.onEnd();
  }

  onDrain(): void {
    if (!this.closed && this.#why === undefined) this.#handlers.drain(this);
  }

  onError(error: Error): void {
    if (this.#why !== undefined || this.closed) return;
    this.#why = closedBy(error, this.#handshaking);
    if (this.#socket === this.#raw && !this.#handshaking) this.#socket.destroy();
    else setImmediate(destroyNow, this);
  }

  onClose(): void {
    if (this.closed) return;
    this.closed = true;
    this.#clearTimer();
    const why = this.#why ?? (this.#handshaking ? HANDSHAKE_CUT : CLEAN);
    this.#onClosed?.();
    this.#onClosed = undefined;
    this.#handlers.close(this, why);
  }

  /** The loop may have been away longer than the peer: what has arrived meanwhile is looked at before the verdict. */
  onTimeout(): void {
    this.#timer = setTimeout(onOverdue, LOOP_GRACE_MS, this);
  }

  onOverdue(): void {
    this.#fail(this.#opened ? HANDSHAKE_TIMEOUT : CONNECT_TIMEOUT);
  }

  onSecured(socket: TLSSocket): void {
    if (this.closed || this.#why !== undefined) {
      socket.destroy();
      return;
    }
    this.#clearTimer();
    this.#handshaking = false;
    this.#socket = socket;
    socket.allowHalfOpen = true;
    this.#raw.allowHalfOpen = true;
    detach(this.#raw);
    attach(socket, this);
    const peer = verifiedPeer(socket, this.#shared.interned);
    if (peer === undefined) {
      this.#fail({ kind: 'tls', code: 'client_certificate_untrusted' });
      return;
    }
    this.peer = peer;
    this.#handlers.secure?.(this, peer);
  }

  #open(): void {
    this.#opened = true;
    this.#handlers.open(this);
  }

  #dialTls(tls: ClientTls): void {
    const raw = this.#raw;
    this.#handshaking = true;
    raw.allowHalfOpen = false;
    const socket = tlsConnect({
      socket: raw,
      secureContext: (tls.context as NodeTlsContext).client,
      servername: tls.serverName,
      rejectUnauthorized: true,
      // The chain is checked by the library; the name by the owner, against SANs, in `secure`.
      checkServerIdentity: () => undefined,
      ...(tls.alpn === undefined ? {} : { ALPNProtocols: [tls.alpn] }),
    });
    detach(raw);
    this.#socket = socket;
    attachUntilOpen(socket, this);
    attachClose(raw, this);
    socket.once('secureConnect', () => {
      if (this.closed || this.#why !== undefined) return;
      this.#clearTimer();
      this.#handshaking = false;
      // From here on the upper socket's close counts: Bun 1.4.5 reports the lower one closed as soon as FIN came in.
      detach(raw);
      socket.allowHalfOpen = true;
      raw.allowHalfOpen = true;
      const peer = socket.authorized ? verifiedPeer(socket, this.#shared.interned) : undefined;
      if (peer === undefined || peer.leafDer.length === 0) {
        this.#fail({ kind: 'tls', code: 'server_certificate_untrusted' });
        return;
      }
      this.peer = peer;
      this.#handlers.secure?.(this, peer);
      if (this.closed || this.#why !== undefined) return;
      attachRest(socket);
      this.#open();
    });
  }

  #fail(why: Closed): void {
    if (this.#why !== undefined || this.closed) return;
    this.#why = why;
    this.#clearTimer();
    // Destroying the lower socket from inside a callback of the upper one crashes Node (26.10.0, use after free in its
    // TLS wrap): do it when no such callback is on the stack.
    if (this.#socket === this.#raw && !this.#handshaking) this.#destroy();
    else setImmediate(destroyNow, this);
  }

  /** Called by `#fail` only, at once or when the stack is clear. */
  destroyNow(): void {
    this.#destroy();
  }

  #destroy(): void {
    const raw = this.#raw;
    const upper = this.#socket === raw ? undefined : this.#socket;
    if (!raw.destroyed) {
      // On Node TLS sockets cannot send RST: reset the one below, then drop the upper one.
      raw.resetAndDestroy();
      upper?.destroy();
    } else if (upper !== undefined && !upper.destroyed) {
      // Bun 1.4.5 drops the lower socket when FIN came in, and only the upper one still has the descriptor.
      upper.resetAndDestroy();
    }
    if (raw.closed) this.onClose();
    else raw.once('close', () => this.onClose());
  }

  #readAddresses(): void {
    const raw = this.#raw;
    this.local = this.#shared.interned.local(addressOf(raw.localAddress, raw.localPort));
    this.remote = addressOf(raw.remoteAddress, raw.remotePort);
  }

  #clearTimer(): void {
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

const serverEvents: ServerEvents = {
  secured(socket) {
    const conn = connBelow(socket);
    if (conn === undefined) socket.destroy();
    else conn.onSecured(socket);
  },
  failed(error, socket) {
    connBelow(socket)?.onError(error);
    socket.destroy();
  },
};

/** Both runtimes keep the wrapped socket in `_parent`; without it the connection fails closed. */
function connBelow(socket: TLSSocket): AnyConn | undefined {
  const owner = ownerOf((socket as unknown as { _parent?: Socket })._parent);
  return owner instanceof NodeConn ? owner : undefined;
}

function onConnectTimeout(conn: AnyConn): void {
  conn.onTimeout();
}
function onOverdue(conn: AnyConn): void {
  conn.onOverdue();
}
function deliverHeld(conn: AnyConn): void {
  conn.deliverHeld();
}
function destroyNow(conn: AnyConn): void {
  conn.destroyNow();
}
function onHandshakeTimeout(conn: AnyConn): void {
  conn.onTimeout();
}
