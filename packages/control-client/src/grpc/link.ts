/** One connection of a channel: TCP, TLS with the server's name checked, HTTP/2 with keep-alive. */
import type { Address, ClientTls, Closed, Conn, Driver, Handlers, PeerInfo } from '@mesh/net';
import type { Clock, Timer } from '@mesh/runtime';
import { H2_ERROR, H2Connection } from '@mesh/wire';
import type { H2Handlers, H2Stream } from '@mesh/wire';
import type { ActiveCall } from './call.ts';

export interface LinkOptions {
  readonly driver: Driver;
  readonly clock: Clock;
  readonly connectTimeoutMs: number;
  /** While calls are open, silence of this length is broken by a PING. */
  readonly keepAliveIntervalMs: number;
  /** An unanswered PING ends the connection after this. */
  readonly keepAliveTimeoutMs: number;
}

export interface LinkOwner {
  /** The HTTP/2 connection can take calls. */
  ready(link: Link): void;
  /** It takes no new calls; open ones go on. `code` is GOAWAY's. */
  leaving(link: Link, code: number): void;
  /** It is gone; all its calls have ended. Exactly once. `reason` is for people. */
  gone(link: Link, reason: string): void;
}

/** Windows are small: control messages are, and the sidecar's memory counts. */
const CONNECTION_WINDOW_BYTES = 1_048_576;
const CLOSE_TIMEOUT_MS = 1000;

export class Link {
  readonly #options: LinkOptions;
  readonly #owner: LinkOwner;
  readonly #serverName: string | undefined;
  readonly #conn: Conn<Link>;
  readonly #h2: H2Connection<ActiveCall>;
  #settings = false;
  #gone = false;
  #leaving = false;
  #reason = '';
  #keepAlive: Timer | undefined;
  #lastHeardMs: number;
  #pinged = false;

  constructor(address: Address, tls: ClientTls | undefined, options: LinkOptions, owner: LinkOwner) {
    this.#options = options;
    this.#owner = owner;
    this.#serverName = tls?.serverName;
    this.#lastHeardMs = options.clock.monotonic();
    this.#h2 = new H2Connection<ActiveCall>(
      { role: 'client', connectionWindowBytes: CONNECTION_WINDOW_BYTES },
      this.#h2Handlers(),
    );
    this.#conn = options.driver.connect<Link>(
      { address, timeoutMs: options.connectTimeoutMs, ...(tls === undefined ? {} : { tls }) },
      SOCKET_HANDLERS,
      this,
    );
  }

  get canCall(): boolean {
    return !this.#gone && !this.#leaving && this.#settings && this.#h2.canRequest;
  }

  /** Sends a call's request; false when the connection cannot take it now. */
  start(call: ActiveCall): boolean {
    if (!this.canCall) return false;
    const stream = this.#h2.request(call.fields, call, false);
    if (stream === undefined) return false;
    call.stream = stream;
    this.#h2.send(stream, call.request, true);
    this.#armKeepAlive();
    return true;
  }

  cancel(stream: H2Stream<ActiveCall>): void {
    this.#h2.reset(stream, H2_ERROR.cancel);
    this.#closeWhenIdle();
  }

  /** Ends the connection once its calls are over. */
  retire(): void {
    if (this.#gone) return;
    this.#leaving = true;
    this.#h2.goaway();
    this.#closeWhenIdle();
  }

  /** Ends the connection and its calls now. */
  destroy(reason: string): void {
    if (this.#gone) return;
    this.#reason = reason;
    this.#finishSocket();
    this.#finish(reason);
  }

  /** Says goodbye where that can be heard; a connection that is not up yet is just dropped. */
  #finishSocket(): void {
    if (!this.#settings) return this.#conn.reset();
    this.#h2.goaway();
    this.#conn.end();
    // A peer that does not close its side in turn is not waited for.
    this.#options.clock.after(CLOSE_TIMEOUT_MS, () => this.#conn.reset());
  }

  // Below: called by the socket's handlers only.

  opened(): void {
    if (this.#gone) return;
    this.#h2.start();
  }

  /** The chain was verified; the name is checked here, before any byte is sent (RFC 9525 §6, exact match only). */
  secured(peer: PeerInfo): void {
    const wanted = this.#serverName;
    if (wanted === undefined || peer.dns.includes(wanted) || peer.uri.includes(wanted)) return;
    const presented = [...peer.dns, ...peer.uri].join(', ');
    this.destroy(`the server's certificate is for ${presented === '' ? 'no name' : presented}, not for ${wanted}`);
  }

  received(bytes: Uint8Array): void {
    this.#lastHeardMs = this.#options.clock.monotonic();
    this.#pinged = false;
    this.#h2.receive(bytes, this.#lastHeardMs);
    this.#closeWhenIdle();
  }

  closed(why: Closed): void {
    this.#finish(
      this.#reason !== ''
        ? this.#reason
        : `the connection ended: ${why.kind}${why.kind === 'clean' ? '' : ` (${why.code})`}`,
    );
  }

  #finish(reason: string): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#keepAlive?.cancel();
    this.#h2.abort(H2_ERROR.refusedStream);
    this.#owner.gone(this, reason);
  }

  #closeWhenIdle(): void {
    if (this.#leaving && !this.#gone && this.#h2.streamCount === 0) this.destroy('the connection was given up');
  }

  #armKeepAlive(): void {
    if (this.#keepAlive !== undefined || this.#gone) return;
    const { clock, keepAliveIntervalMs, keepAliveTimeoutMs } = this.#options;
    const silentMs = clock.monotonic() - this.#lastHeardMs;
    const wait = this.#pinged ? keepAliveTimeoutMs : Math.max(1, keepAliveIntervalMs - silentMs);
    this.#keepAlive = clock.after(wait, () => {
      this.#keepAlive = undefined;
      if (this.#gone || this.#h2.streamCount === 0) return;
      if (this.#pinged) return this.destroy('the server did not answer a PING');
      if (clock.monotonic() - this.#lastHeardMs >= keepAliveIntervalMs) {
        this.#pinged = true;
        this.#h2.ping();
      }
      this.#armKeepAlive();
    });
  }

  #h2Handlers(): H2Handlers<ActiveCall> {
    return {
      write: (_, parts) => {
        if (!this.#conn.closed) this.#conn.writev(parts);
      },
      headers: (stream, fields, kind, end) => {
        if (kind === 'trailers') stream.state.trailers(fields);
        else if (kind === 'head' && stream.state.head(fields, end)) this.#h2.reset(stream, H2_ERROR.cancel);
      },
      data: (stream, bytes, end) => {
        const refused = stream.state.data(bytes);
        this.#h2.consume(stream, bytes.length);
        if (refused) this.#h2.reset(stream, H2_ERROR.cancel);
        else if (end) stream.state.trailers([]);
      },
      reset: (stream, code) => stream.state.broken(code),
      writable: () => undefined,
      goaway: (_, __, code) => {
        this.#leaving = true;
        this.#owner.leaving(this, code);
      },
      pong: () => undefined,
      settings: () => {
        if (this.#settings) return;
        this.#settings = true;
        this.#owner.ready(this);
      },
      failed: (_, code) => this.destroy(`the server broke HTTP/2 (code ${code})`),
    };
  }
}

const SOCKET_HANDLERS: Handlers<Link> = {
  open: (conn) => conn.state.opened(),
  secure: (conn, peer) => conn.state.secured(peer),
  data: (conn, bytes) => conn.state.received(bytes),
  end: (conn) => conn.state.destroy('the server closed the connection'),
  drain: () => undefined,
  close: (conn, why) => conn.state.closed(why),
};
