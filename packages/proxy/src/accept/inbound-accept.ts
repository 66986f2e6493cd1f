/**
 * Inbound connections, from accept to the client that they turn out to be from; `inbound-serve.ts` has the rest.
 *
 *   original port = own port ──► TLS required ──► transport header ──► port of the header
 *   other port ──► opaque by policy? ──► tunnel
 *              └─► ClientHello for us? ──► TLS ──► detect ──► HTTP/1 session | HTTP/2 session | tunnel
 *                          └─ no ───────────────► detect ──► the same three
 */
import { isLoopback, parseIp } from '@mesh/model';
import type { Address, Conn, Handlers, PeerInfo } from '@mesh/net';
import { CLIENT_HELLO_BYTES_MAX, readClientHello, TRANSPORT_ALPN, TransportHeaderReader } from '@mesh/wire';
import type { TransportHeader, TransportHeaderError } from '@mesh/wire';
import type { Logger } from '@mesh/runtime';
import type { HttpEngine } from '../http/engine.ts';
import type { Identity, ProxyMetrics } from '../ports.ts';
import type { Client } from '../route/authorize.ts';
import type { InboundPort } from '../route/inbound-port.ts';
import { ClientConnections } from './client-connections.ts';
import { HandshakeLimit } from './handshake-limit.ts';
import { conveyedBy, identityOf, passedClient, plainClient, tlsClient } from './inbound-client.ts';
import { InboundServe } from './inbound-serve.ts';
import { peek } from './peek.ts';

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
  /** Open connections of one client address; 0: no limit. */
  readonly connectionsPerClientMax: number;
  /** Identities of gateways that are believed when they say who their clients are. */
  readonly gatewayIdentities: ReadonlySet<string>;
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
  /** Gives back what is held for the connection; calling it twice does nothing more. */
  readonly over: () => void;
}

const NOTHING = new Uint8Array(0);

export class InboundAccept {
  readonly #options: InboundAcceptOptions;
  readonly #deps: InboundAcceptDeps;
  readonly #serve: InboundServe;
  readonly #handshakes = new HandshakeLimit();
  readonly #clients: ClientConnections;

  constructor(options: InboundAcceptOptions, deps: InboundAcceptDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#serve = new InboundServe(deps);
    this.#clients = new ClientConnections(options.connectionsPerClientMax);
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
      this.#serve.refuse(conn, target === undefined ? 'no_original_destination' : 'foreign_destination', target);
      return;
    }
    const clientIp = conn.remote.ip;
    const leave = this.#clients.enter(clientIp);
    if (leave === undefined) {
      this.#serve.refuse(conn, 'client_connections', target, true);
      return;
    }
    const hold = this.#deps.engine.drain.hold();
    const over = (): void => {
      leave();
      hold[Symbol.dispose]();
    };
    const accepted: Accepted = { target, clientIp, over };
    if (target.port === listenPort) this.#acceptDirect(conn, accepted);
    else this.#acceptPort(conn, accepted);
  }

  // ---- Redirected ports -----------------------------------------------------------------------------------------

  #acceptPort(conn: Conn<unknown>, accepted: Accepted): void {
    const { port, done } = this.#deps.usePort(accepted.target);
    const over = (): void => {
      done();
      accepted.over();
    };
    const policy = port.policy.current;
    if (policy === undefined) {
      over();
      this.#serve.refuse(conn, 'no_policy', accepted.target);
      return;
    }
    if (policy.protocol === 'opaque') {
      this.#serve.forward(conn, NOTHING, false, port, policy, plainClient(accepted.clientIp, 'port_skipped'), over);
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
          const isTls = hello.kind === 'hello';
          const client = isTls ? passedClient(accepted.clientIp) : plainClient(accepted.clientIp, 'no_tls_from_remote');
          if (isTls || policy.protocol === 'tls')
            this.#serve.forward(peeked, bytes, end === 'ended', port, policy, client, over);
          else this.#serve.detect(peeked, bytes, end, port, client, over);
        }
      },
    });
  }

  #terminate(conn: Conn<unknown>, hello: Uint8Array, port: InboundPort, accepted: Accepted, over: () => void): void {
    this.#startTls(conn, hello, 'optional', accepted.target, over, (secured, peer) => {
      const client = tlsClient(accepted.clientIp, peer, this.#options.gatewayIdentities);
      this.#serve.detect(secured, NOTHING, 'enough', port, client, over);
    });
  }

  // ---- The direct port ------------------------------------------------------------------------------------------

  #acceptDirect(conn: Conn<unknown>, accepted: Accepted): void {
    const { over } = accepted;
    peek(conn, NOTHING, {
      timeoutMs: this.#options.detectTimeoutMs,
      enough: (bytes) => readClientHello(bytes).kind !== 'incomplete' || bytes.length >= CLIENT_HELLO_BYTES_MAX,
      closed: over,
      done: (peeked, bytes) => {
        const hello = readClientHello(bytes);
        const { identity } = this.#deps;
        if (hello.kind !== 'hello' || hello.sni !== identity.serverName.toLowerCase() || identity.tls === undefined) {
          over();
          this.#serve.refuse(peeked, 'direct_without_tls', accepted.target);
          return;
        }
        this.#startTls(peeked, bytes, 'required', accepted.target, over, (secured, peer) => {
          const { ownIps } = this.#options;
          if (ownIps.size > 0 && !ownIps.has(accepted.target.ip)) {
            over();
            this.#serve.refuse(secured, 'foreign_destination', accepted.target);
            return;
          }
          if (peer.alpn === TRANSPORT_ALPN && identityOf(peer) !== undefined) {
            this.#readTransportHeader(secured, accepted, peer, over);
            return;
          }
          over();
          this.#serve.refuse(secured, 'direct_without_transport_header', accepted.target);
        });
      },
    });
  }

  #readTransportHeader(conn: Conn<unknown>, accepted: Accepted, peer: PeerInfo, over: () => void): void {
    const reader = new TransportHeaderReader();
    let seen = 0;
    let header: TransportHeader | undefined;
    let error = 'bad_transport_header';
    let rest: Uint8Array = NOTHING;
    peek(conn, NOTHING, {
      timeoutMs: this.#options.detectTimeoutMs,
      enough(bytes) {
        const result = reader.feed(bytes.subarray(seen));
        seen = bytes.length;
        if (result.kind === 'header') ({ header, rest } = result);
        else if (result.kind === 'error' && CLIENT_ERRORS.has(result.error)) error = 'bad_client_identity';
        return result.kind !== 'incomplete';
      },
      closed: over,
      done: (peeked, _bytes, end) => {
        const refusal = header === undefined ? error : this.#headerRefusal(header);
        if (header === undefined || refusal !== undefined) {
          over();
          this.#serve.refuse(peeked, refusal ?? error, accepted.target);
          return;
        }
        this.#serveDirect(peeked, rest, end === 'ended', header, accepted, peer, over);
      },
    });
  }

  /** Gateways are processes of their own: a header that names a service is refused by a sidecar. */
  #headerRefusal(header: TransportHeader): string | undefined {
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
    const client = clientOf(tlsClient(accepted.clientIp, peer, this.#options.gatewayIdentities), header);
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
      this.#serve.refuse(conn, 'no_policy', target);
    } else if (header.session !== undefined && policy.protocol !== 'opaque') {
      this.#serve.serveHttp(header.session === 'http2' ? 2 : 1, conn, rest, ended, port, client, finish);
    } else this.#serve.forward(conn, rest, ended, port, policy, client, finish);
  }

  // ---- TLS ------------------------------------------------------------------------------------------------------

  #startTls(
    conn: Conn<unknown>,
    hello: Uint8Array,
    clientCertificate: 'required' | 'optional',
    target: Address,
    over: () => void,
    secured: (conn: Conn<unknown>, peer: PeerInfo) => void,
  ): void {
    const context = this.#deps.identity.tls;
    if (context === undefined) {
      over();
      this.#serve.refuse(conn, 'no_identity', target);
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
        this.#serve.countError(why.kind === 'tls' ? 'tls' : why.code, target);
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
}

const CLIENT_ERRORS: ReadonlySet<TransportHeaderError> = new Set(['bad_client_identity', 'bad_client_cluster']);

/** Of an opaque connection its header says whom it is for; requests say it themselves. */
function clientOf(client: Client, header: TransportHeader): Client {
  const { session, clientIdentity: identity, clientCluster: cluster } = header;
  const isConveyed = client.relays === true && session === undefined && (identity !== '' || cluster !== '');
  return isConveyed ? conveyedBy(client, { identity, cluster }) : client;
}

function isLoopbackAddress(text: string): boolean {
  const ip = parseIp(text);
  return ip !== undefined && isLoopback(ip);
}
