/**
 * What becomes of an inbound connection whose client is known: which protocol it speaks, who may come in, and the session or tunnel that
 * takes it over.
 *
 *   opaque by policy ─────────────────────────► tunnel
 *   HTTP by policy ──► session
 *   else ──► detect ──► HTTP/1 session | HTTP/2 session | tunnel
 */
import type { Authorization, InboundPolicy } from '@mesh/model';
import type { Address, Closed, Conn } from '@mesh/net';
import type { Logger } from '@mesh/runtime';
import { detectHttp } from '../detect/detect-http.ts';
import type { HttpEngine } from '../http/engine.ts';
import { H2Session } from '../http/h2-session.ts';
import { HttpSession } from '../http/session.ts';
import type { Labels, ProxyMetrics } from '../ports.ts';
import { authorize } from '../route/authorize.ts';
import type { Client } from '../route/authorize.ts';
import { targetLabels } from '../route/inbound-port.ts';
import type { InboundPort } from '../route/inbound-port.ts';
import { InboundService } from '../route/inbound-service.ts';
import { errnoOf, TcpForward } from '../tcp/tcp-forward.ts';
import { detectResult, peek } from './peek.ts';
import type { PeekEnd } from './peek.ts';
import { RelayedService } from './relayed-service.ts';
import { turnAway } from './turn-away.ts';

export interface InboundServeDeps {
  readonly engine: HttpEngine;
  readonly metrics: ProxyMetrics;
  readonly logger: Logger;
}

/** A request line longer than this is decided on what is there. */
const DETECT_BYTES_MAX = 64 * 1024;

/** In all methods `over` gives back what is held for the connection; whoever takes the connection calls it in the end. */
export class InboundServe {
  readonly #deps: InboundServeDeps;

  constructor(deps: InboundServeDeps) {
    this.#deps = deps;
  }

  detect(
    conn: Conn<unknown>,
    already: Uint8Array,
    /** How the look for a ClientHello ended: after `timeout` and `ended` nothing more is waited for. */
    before: PeekEnd,
    port: InboundPort,
    client: Client,
    over: () => void,
  ): void {
    const policy = port.policy.current;
    const protocol = policy?.protocol;
    const ended = before === 'ended';
    if (policy === undefined) {
      over();
      this.refuse(conn, 'no_policy', port.target);
      return;
    }
    if (protocol === 'opaque' || protocol === 'tls') {
      this.forward(conn, already, ended, port, policy, client, over);
      return;
    }
    // No detection where the policy says what it is; but a proxy may carry HTTP/1 as HTTP/2.
    const isHttp2 = protocol === 'http2' || protocol === 'grpc';
    if (isHttp2 || (protocol === 'http1' && client.identity === undefined)) {
      this.serveHttp(isHttp2 ? 2 : 1, conn, already, ended, port, client, over);
      return;
    }
    const cells = port.detectCells(policy);
    const startedAt = this.#deps.engine.clock.monotonic();
    peek(conn, already, {
      timeoutMs: before === 'enough' ? policy.detectTimeoutMs : 0,
      enough: (bytes) => bytes.length >= DETECT_BYTES_MAX || detectHttp(bytes) !== 'incomplete',
      closed: over,
      done: (peeked, bytes, now) => {
        const detected = detectHttp(bytes);
        const end = ended ? 'ended' : now;
        const result = detectResult(detected, bytes, end);
        cells.result(result).add(1);
        cells.durationSeconds.observe((this.#deps.engine.clock.monotonic() - startedAt) / 1000);
        const http1 = detected === 'http/1' || (detected === 'incomplete' && protocol === 'http1');
        if (result === 'error') peeked.end();
        else if (http1) this.serveHttp(1, peeked, bytes, end === 'ended', port, client, over);
        else if (detected === 'http/2') this.serveHttp(2, peeked, bytes, end === 'ended', port, client, over);
        else this.forward(peeked, bytes, end === 'ended', port, policy, client, over);
      },
    });
  }

  serveHttp(
    version: 1 | 2,
    conn: Conn<unknown>,
    bytes: Uint8Array,
    ended: boolean,
    port: InboundPort,
    client: Client,
    over: () => void,
  ): void {
    const cells = port.tcpCells(client);
    cells.openTotal.add(1);
    cells.openConnections.add(1);
    const Service = client.relays === true ? RelayedService : InboundService;
    const service = new Service(port, client, conn.remote, (why: Closed) => {
      cells.openConnections.add(-1);
      cells.closeTotal(errnoOf(why)).add(1);
      over();
    });
    const Session = version === 2 ? H2Session : HttpSession;
    new Session(conn, service, this.#deps.engine, cells).begin(bytes, ended);
  }

  forward(
    conn: Conn<unknown>,
    bytes: Uint8Array,
    ended: boolean,
    port: InboundPort,
    policy: InboundPolicy,
    client: Client,
    over: () => void,
  ): void {
    const allowed = authorize(client, policy.authorizations);
    port.authzCell('inbound_tcp_authz', client, policy, undefined, allowed).add(1);
    if (allowed === undefined) {
      over();
      this.refuse(conn, 'unauthorized', port.target, bytes.length === 0);
      return;
    }
    const cells = port.tcpCells(client);
    cells.openTotal.add(1);
    cells.openConnections.add(1);
    const unwatch = port.policy.onChange(() => {
      if (isStillAllowed(port, client)) return;
      port.countTerminated(client, policy);
      conn.reset();
    });
    new TcpForward({
      conn,
      first: bytes,
      ended,
      dispatcher: () => port,
      engine: this.#deps.engine,
      cells,
      failed: (code) => port.countError('inbound_tcp_errors_total', code),
      closed: (why) => {
        unwatch();
        cells.openConnections.add(-1);
        cells.closeTotal(errnoOf(why)).add(1);
        over();
      },
    }).start();
  }

  /** @param target Where it was going; undefined: nobody knows. @param politely With FIN, as long as the client says nothing. */
  refuse(conn: Conn<unknown>, reason: string, target: Address | undefined, politely = false): void {
    this.countError(reason, target);
    this.#deps.logger.debug('inbound connection refused', { reason, peer: conn.remote });
    if (politely) turnAway(conn, this.#deps.engine.clock);
    else conn.reset();
  }

  countError(error: string, target: Address | undefined): void {
    const labels = target === undefined ? NO_TARGET : targetLabels(target);
    this.#deps.metrics.errors('inbound_tcp_errors_total', { error, ...labels }).add(1);
  }
}

const NO_TARGET: Labels = { target_addr: '', target_ip: '', target_port: '' };

function isStillAllowed(port: InboundPort, client: Client): Authorization | undefined {
  const policy = port.policy.current;
  return policy === undefined ? undefined : authorize(client, policy.authorizations);
}
