/**
 * Inbound connections, from accept to the protocol that they turn out to speak.
 *
 *   original port = own port ──► TLS required ──► transport header ──► port of the header
 *   other port ──► opaque by policy? ──► tunnel
 *              └─► ClientHello for us? ──► TLS ──► detect ──► HTTP/1 session | HTTP/2 session | tunnel
 *                          └─ no ───────────────► detect ──► the same three
 */
import { isLoopback, parseIp } from '@mesh/model';
import type { Authorization, InboundPolicy } from '@mesh/model';
import type { Address, Closed, Conn, Handlers, PeerInfo } from '@mesh/net';
import { CLIENT_HELLO_BYTES_MAX, readClientHello, TRANSPORT_ALPN, TransportHeaderReader } from '@mesh/wire';
import type { TransportHeader } from '@mesh/wire';
import type { Logger } from '@mesh/runtime';
import { detectHttp } from '../detect/detect-http.ts';
import type { HttpEngine } from '../http/engine.ts';
import { H2Session } from '../http/h2-session.ts';
import { HttpSession } from '../http/session.ts';
import type { Identity, ProxyMetrics } from '../ports.ts';
import { authorize } from '../route/authorize.ts';
import type { Client } from '../route/authorize.ts';
import type { InboundPort } from '../route/inbound-port.ts';
import { InboundService } from '../route/inbound-service.ts';
import { errnoOf, TcpForward } from '../tcp/tcp-forward.ts';
import { HandshakeLimit } from './handshake-limit.ts';
import { identityOf, plainClient, tlsClient } from './inbound-client.ts';
import { detectResult, peek } from './peek.ts';
import type { PeekEnd } from './peek.ts';
import { turnAway } from './turn-away.ts';

export interface InboundAcceptOptions {
  /** Where the inbound listener listens: its port is the direct port. */
  readonly listenPort: number;
  /** Addresses of the workload; empty: not checked. */
  readonly ownIps: ReadonlySet<string>;
  /** Ports that no peer may name in a transport header. */
  readonly refusedPorts: ReadonlySet<number>;
  /** For the ClientHello and the transport header; what policies say counts for HTTP detection. */
  readonly detectTimeoutMs: number;
  readonly handshakeTimeoutMs: number;
}

export interface InboundAcceptDeps {
  readonly engine: HttpEngine;
  readonly identity: Identity;
  readonly metrics: ProxyMetrics;
  readonly logger: Logger;
  /** Takes a hold on the port until `done` is called. */
  readonly usePort: (target: Address) => { readonly port: InboundPort; readonly done: () => void };
}

/** What happens to a connection whose protocol is settled: shared by all of its stages. */
interface Accepted {
  readonly target: Address;
  readonly clientIp: string;
  readonly hold: Disposable;
}

const NOTHING = new Uint8Array(0);
/** A request line longer than this is decided on what is there. */
const DETECT_BYTES_MAX = 64 * 1024;

export class InboundAccept {
  readonly #options: InboundAcceptOptions;
  readonly #deps: InboundAcceptDeps;
  readonly #handshakes = new HandshakeLimit();

  constructor(options: InboundAcceptOptions, deps: InboundAcceptDeps) {
    this.#options = options;
    this.#deps = deps;
  }

  /** Handlers of the listener. */
  get handlers(): Handlers<undefined> {
    return {
      open: (conn) => this.#accept(conn),
      data: (conn) => conn.reset(),
      end: (conn) => conn.end(),
      drain() {},
      close() {},
    };
  }

  #accept(conn: Conn<undefined>): void {
    const { ownIps, listenPort } = this.#options;
    const target = conn.originalDst();
    const isOwn = target !== undefined && (ownIps.size === 0 || ownIps.has(target.ip));
    // A forwarded port of the pod arrives over its loopback interface. It may look at our certificate, no more.
    if (target === undefined || (!isOwn && !(target.port === listenPort && isLoopbackAddress(target.ip)))) {
      this.#refuse(conn, target === undefined ? 'no_original_destination' : 'foreign_destination');
      return;
    }
    const accepted: Accepted = { target, clientIp: conn.remote.ip, hold: this.#deps.engine.drain.hold() };
    if (target.port === listenPort) this.#acceptDirect(conn, accepted);
    else this.#acceptPort(conn, accepted);
  }

  // ---- Redirected ports -----------------------------------------------------------------------------------------

  #acceptPort(conn: Conn<unknown>, accepted: Accepted): void {
    const { port, done } = this.#deps.usePort(accepted.target);
    const over = (): void => {
      done();
      accepted.hold[Symbol.dispose]();
    };
    const policy = port.policy.current;
    if (policy === undefined) {
      over();
      this.#refuse(conn, 'no_policy');
      return;
    }
    if (policy.protocol === 'opaque') {
      this.#forward(conn, NOTHING, false, port, policy, plainClient(accepted.clientIp, 'port_skipped'), over);
      return;
    }
    peek(conn, NOTHING, {
      timeoutMs: policy.detectTimeoutMs,
      enough: (bytes) => readClientHello(bytes).kind !== 'incomplete' || bytes.length >= CLIENT_HELLO_BYTES_MAX,
      closed: over,
      done: (peeked, bytes, end) => {
        const hello = readClientHello(bytes);
        const { identity } = this.#deps;
        const mine = hello.kind === 'hello' && hello.sni === identity.serverName.toLowerCase();
        if (mine && identity.tls !== undefined) this.#terminate(peeked, bytes, port, accepted, over);
        else {
          const client = plainClient(accepted.clientIp, 'no_tls_from_remote');
          const tls = hello.kind === 'hello' || policy.protocol === 'tls';
          if (tls) this.#forward(peeked, bytes, end === 'ended', port, policy, client, over);
          else this.#detect(peeked, bytes, end, port, client, over);
        }
      },
    });
  }

  #terminate(conn: Conn<unknown>, hello: Uint8Array, port: InboundPort, accepted: Accepted, over: () => void): void {
    this.#startTls(conn, hello, 'optional', over, (secured, peer) => {
      this.#detect(secured, NOTHING, 'enough', port, tlsClient(accepted.clientIp, peer), over);
    });
  }

  // ---- The direct port ------------------------------------------------------------------------------------------

  #acceptDirect(conn: Conn<unknown>, accepted: Accepted): void {
    const over = (): void => accepted.hold[Symbol.dispose]();
    peek(conn, NOTHING, {
      timeoutMs: this.#options.detectTimeoutMs,
      enough: (bytes) => readClientHello(bytes).kind !== 'incomplete' || bytes.length >= CLIENT_HELLO_BYTES_MAX,
      closed: over,
      done: (peeked, bytes) => {
        const hello = readClientHello(bytes);
        const { identity } = this.#deps;
        if (hello.kind !== 'hello' || hello.sni !== identity.serverName.toLowerCase() || identity.tls === undefined) {
          over();
          this.#refuse(peeked, 'direct_without_tls');
          return;
        }
        this.#startTls(peeked, bytes, 'required', over, (secured, peer) => {
          const { ownIps } = this.#options;
          if (ownIps.size > 0 && !ownIps.has(accepted.target.ip)) {
            over();
            this.#refuse(secured, 'foreign_destination');
            return;
          }
          if (peer.alpn === TRANSPORT_ALPN && identityOf(peer) !== undefined) {
            this.#readTransportHeader(secured, accepted, peer, over);
            return;
          }
          over();
          this.#refuse(secured, 'direct_without_transport_header');
        });
      },
    });
  }

  #readTransportHeader(conn: Conn<unknown>, accepted: Accepted, peer: PeerInfo, over: () => void): void {
    const reader = new TransportHeaderReader();
    let seen = 0;
    let header: TransportHeader | undefined;
    let rest: Uint8Array = NOTHING;
    peek(conn, NOTHING, {
      timeoutMs: this.#options.detectTimeoutMs,
      enough(bytes) {
        const result = reader.feed(bytes.subarray(seen));
        seen = bytes.length;
        if (result.kind === 'header') ({ header, rest } = result);
        return result.kind !== 'incomplete';
      },
      closed: over,
      done: (peeked, _bytes, end) => {
        const refusal = this.#headerRefusal(header);
        if (header === undefined || refusal !== undefined) {
          over();
          this.#refuse(peeked, refusal ?? 'bad_transport_header');
          return;
        }
        this.#serveDirect(peeked, rest, end === 'ended', header, accepted, peer, over);
      },
    });
  }

  /** Gateways are processes of their own: a header that names a service is refused by a sidecar. */
  #headerRefusal(header: TransportHeader | undefined): string | undefined {
    if (header === undefined) return 'bad_transport_header';
    if (header.name !== '') return 'not_a_gateway';
    if (header.port === this.#options.listenPort) return 'loop';
    return this.#options.refusedPorts.has(header.port) ? 'port_not_reachable' : undefined;
  }

  #serveDirect(
    conn: Conn<unknown>,
    rest: Uint8Array,
    ended: boolean,
    header: TransportHeader,
    accepted: Accepted,
    peer: PeerInfo,
    over: () => void,
  ): void {
    const target = { ip: accepted.target.ip, port: header.port };
    const { port, done } = this.#deps.usePort(target);
    const client = tlsClient(accepted.clientIp, peer);
    const finish = (): void => {
      done();
      over();
    };
    this.#deps.metrics
      .transportHeader({
        session_protocol: header.session ?? '',
        target_port: String(header.port),
        target_name: header.name,
        client_id: client.identity ?? '',
      })
      .add(1);
    const policy = port.policy.current;
    if (policy === undefined) {
      finish();
      this.#refuse(conn, 'no_policy');
    } else if (header.session !== undefined && policy.protocol !== 'opaque') {
      this.#serveHttp(header.session === 'http2' ? 2 : 1, conn, rest, ended, port, client, finish);
    } else this.#forward(conn, rest, ended, port, policy, client, finish);
  }

  // ---- Common stages --------------------------------------------------------------------------------------------

  #startTls(
    conn: Conn<unknown>,
    hello: Uint8Array,
    clientCertificate: 'required' | 'optional',
    over: () => void,
    secured: (conn: Conn<unknown>, peer: PeerInfo) => void,
  ): void {
    const context = this.#deps.identity.tls;
    if (context === undefined) {
      over();
      this.#refuse(conn, 'no_identity');
      return;
    }
    const turn: { leave: (() => void) | undefined } = { leave: undefined };
    const handlers: Handlers<undefined> = {
      open() {},
      secure: (upgraded, peer) => {
        turn.leave?.();
        secured(upgraded, peer);
      },
      data: (upgraded) => upgraded.reset(),
      end: (upgraded) => upgraded.end(),
      drain() {},
      close: (_conn, why) => {
        turn.leave?.();
        over();
        this.#deps.metrics.errors('inbound_tcp_errors_total', { error: why.kind === 'tls' ? 'tls' : why.code }).add(1);
        this.#deps.logger.debug('inbound handshake failed', { code: why.code });
      },
    };
    const waiting = conn.handOver(handlers, undefined);
    const alpn = clientCertificate === 'required' ? { alpn: TRANSPORT_ALPN } : {};
    const timeoutMs = this.#options.handshakeTimeoutMs;
    turn.leave = this.#handshakes.enter(() =>
      waiting.startTls({ context, clientCertificate, timeoutMs, ...alpn }, hello),
    );
    if (turn.leave === undefined) waiting.reset();
  }

  #detect(
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
      this.#refuse(conn, 'no_policy');
      return;
    }
    if (protocol === 'opaque' || protocol === 'tls') {
      this.#forward(conn, already, ended, port, policy, client, over);
      return;
    }
    // No detection where the policy says what it is; but a proxy may carry HTTP/1 as HTTP/2.
    const isHttp2 = protocol === 'http2' || protocol === 'grpc';
    if (isHttp2 || (protocol === 'http1' && client.identity === undefined)) {
      this.#serveHttp(isHttp2 ? 2 : 1, conn, already, ended, port, client, over);
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
        else if (http1) this.#serveHttp(1, peeked, bytes, end === 'ended', port, client, over);
        else if (detected === 'http/2') this.#serveHttp(2, peeked, bytes, end === 'ended', port, client, over);
        else this.#forward(peeked, bytes, end === 'ended', port, policy, client, over);
      },
    });
  }

  #serveHttp(
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
    const service = new InboundService(port, client, (why: Closed) => {
      cells.openConnections.add(-1);
      cells.closeTotal(errnoOf(why)).add(1);
      over();
    });
    const Session = version === 2 ? H2Session : HttpSession;
    new Session(conn, service, this.#deps.engine, cells).begin(bytes, ended);
  }

  #forward(
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
      port.countError('inbound_tcp_errors_total', 'unauthorized');
      over();
      this.#refuse(conn, 'unauthorized', bytes.length === 0);
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

  /** @param politely With FIN, as long as the client says nothing. */
  #refuse(conn: Conn<unknown>, reason: string, politely = false): void {
    this.#deps.metrics.errors('inbound_tcp_errors_total', { error: reason }).add(1);
    this.#deps.logger.debug('inbound connection refused', { reason, peer: conn.remote });
    if (politely) turnAway(conn, this.#deps.engine.clock);
    else conn.reset();
  }
}

function isStillAllowed(port: InboundPort, client: Client): Authorization | undefined {
  const policy = port.policy.current;
  return policy === undefined ? undefined : authorize(client, policy.authorizations);
}

function isLoopbackAddress(text: string): boolean {
  const ip = parseIp(text);
  return ip !== undefined && isLoopback(ip);
}
