/** One probe connection: mTLS with the gateway's identity, `GET path` over it, kept for the next probe. Status 200 is success. */
import type { Closed, Conn, Driver, Handlers, PeerInfo, TlsContext } from '@mesh/net';
import type { Clock, Timer } from '@mesh/runtime';
import { afterAwake } from './awake-timer.ts';
import type { ProbeConnector, ProbeFailure, ProbeResult, ProbeSession, ProbeTarget } from './gateway-prober.ts';

export interface MtlsProbeDeps {
  readonly driver: Driver;
  readonly clock: Clock;
  /** Our workload certificate; `undefined` before it was issued. */
  readonly tlsContext: () => TlsContext | undefined;
}

/** A status line and some headers; an admin server sends a few hundred bytes. */
const HEAD_BYTES_MAX = 8 * 1024;
/** The probe's own time limit ends connecting before this. */
const CONNECT_MAX_MS = 60_000;

export function createMtlsProbe(deps: MtlsProbeDeps): ProbeConnector {
  return (target, onLost) => new MtlsSession(deps, target, onLost);
}

interface Waiting {
  readonly startedMs: number;
  readonly resolve: (result: ProbeResult) => void;
  readonly timer: Timer;
}

class MtlsSession implements ProbeSession {
  readonly #deps: MtlsProbeDeps;
  readonly #target: ProbeTarget;
  readonly #onLost: () => void;
  #conn: Conn<MtlsSession> | undefined;
  #secure = false;
  #disposed = false;
  #waiting: Waiting | undefined;
  #received = Buffer.alloc(0);

  constructor(deps: MtlsProbeDeps, target: ProbeTarget, onLost: () => void) {
    this.#deps = deps;
    this.#target = target;
    this.#onLost = onLost;
  }

  probe(): Promise<ProbeResult> {
    const { driver, clock, tlsContext } = this.#deps;
    const { ip, port, identity, timeoutMs } = this.#target;
    const context = tlsContext();
    if (context === undefined) {
      return Promise.resolve({
        ok: false,
        failure: 'no_identity',
        detail: 'this controller has no certificate yet; is linkerd-identity running?',
      });
    }
    const { promise, resolve } = Promise.withResolvers<ProbeResult>();
    const timer = afterAwake(clock, timeoutMs, () =>
      this.#fail('timeout', `no answer from ${ip}:${port} within ${timeoutMs} ms`),
    );
    this.#waiting = { startedMs: clock.monotonic(), resolve, timer };
    this.#received = Buffer.alloc(0);
    if (this.#conn === undefined) {
      const tls = { context, serverName: identity };
      this.#conn = driver.connect<MtlsSession>(
        { address: { ip, port }, timeoutMs: CONNECT_MAX_MS, tls },
        HANDLERS,
        this,
      );
    } else if (this.#secure) this.#send();
    return promise;
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    this.#settle({ ok: false, failure: 'failed', detail: 'stopped' });
    this.#conn?.reset();
    this.#conn = undefined;
  }

  secured(peer: PeerInfo): void {
    const { identity, ip, port } = this.#target;
    if (!peer.dns.includes(identity)) {
      this.#fail(
        'identity',
        `${ip}:${port} presents the identity ${peer.dns.join(', ') || 'none'} instead of ${identity}`,
      );
      return;
    }
    this.#secure = true;
    this.#send();
  }

  received(bytes: Uint8Array): void {
    if (this.#waiting === undefined) return;
    this.#received = Buffer.concat([this.#received, bytes]);
    const end = this.#received.indexOf('\r\n\r\n');
    if (end < 0) {
      if (this.#received.length > HEAD_BYTES_MAX) this.#fail('protocol', 'the answer has no end of headers');
      return;
    }
    const head = this.#received.subarray(0, end).toString('latin1');
    const status = /^HTTP\/1\.[01] (\d{3})/.exec(head)?.[1];
    if (status === undefined) this.#fail('protocol', 'the answer is not HTTP');
    else if (status !== '200') this.#fail('status', `${this.#target.path} answered with status ${status}`);
    else this.#succeed(head, this.#received.length - end - 4);
  }

  closed(why: Closed): void {
    this.#conn = undefined;
    this.#secure = false;
    if (this.#disposed) return;
    if (this.#waiting === undefined) {
      this.#onLost();
      return;
    }
    const { ip, port } = this.#target;
    const kind: ProbeFailure =
      why.kind === 'refused' || why.kind === 'timeout' || why.kind === 'tls' ? why.kind : 'failed';
    this.#settle({ ok: false, failure: kind, detail: `${ip}:${port}: ${why.code}` });
  }

  #send(): void {
    const { path, identity } = this.#target;
    const head = `GET ${path} HTTP/1.1\r\nhost: ${identity}\r\nuser-agent: mesh-service-mirror\r\n\r\n`;
    this.#conn?.write(Buffer.from(head, 'latin1'));
  }

  /** The connection is kept only when the body's end is certain; otherwise the next probe opens another. */
  #succeed(head: string, bodyBytes: number): void {
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
    const closes = /\r\nconnection: *close/i.test(head);
    const latencyMs = this.#deps.clock.monotonic() - (this.#waiting?.startedMs ?? 0);
    if (closes || length === undefined || bodyBytes > Number(length)) this.#abandon();
    else if (bodyBytes < Number(length)) return;
    this.#settle({ ok: true, latencyMs });
  }

  #fail(failure: ProbeFailure, detail: string): void {
    this.#abandon();
    this.#settle({ ok: false, failure, detail });
  }

  #abandon(): void {
    const conn = this.#conn;
    this.#conn = undefined;
    this.#secure = false;
    if (conn === undefined) return;
    conn.handOver(IGNORE, undefined).reset();
  }

  #settle(result: ProbeResult): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.timer.cancel();
    waiting?.resolve(result);
  }
}

const nothing = (): void => undefined;

const HANDLERS: Handlers<MtlsSession> = {
  open: nothing,
  secure: (conn, peer) => conn.state.secured(peer),
  data: (conn, bytes) => conn.state.received(bytes),
  end: (conn) => conn.end(),
  drain: nothing,
  close: (conn, why) => conn.state.closed(why),
};

const IGNORE: Handlers<undefined> = { open: nothing, data: nothing, end: nothing, drain: nothing, close: nothing };
