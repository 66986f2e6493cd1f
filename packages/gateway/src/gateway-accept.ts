/**
 * Connections from peers, from accept until it is known who they are and what they ask for; `gateway-serve.ts` has the rest.
 *
 *   ClientHello for us ──► mTLS, ALPN transport header ──► identity of a peer? policy? ──► header with a name
 *        │ else: reset             │ else: reset                 │ else: reset                 │ else: reset
 */
import type { InboundPolicy, Watched } from '@mesh/model';
import type { Conn, Handlers, PeerInfo, TlsContext } from '@mesh/net';
import { authorize, HandshakeLimit, peek } from '@mesh/proxy';
import type { Client, ClientConnections, HttpEngine, Identity, ProxyMetrics } from '@mesh/proxy';
import type { Logger } from '@mesh/runtime';
import { CLIENT_HELLO_BYTES_MAX, readClientHello, TRANSPORT_ALPN, TransportHeaderReader } from '@mesh/wire';
import type { TransportHeader } from '@mesh/wire';
import { clientLabels, identityOf, issuerOf } from './gateway-client.ts';
import type { GatewayClient } from './gateway-client.ts';
import { GatewayServe } from './gateway-serve.ts';
import type { GatewayTargets } from './gateway-targets.ts';
import type { Peers } from './peers.ts';
import { Refusals } from './refusals.ts';

export interface GatewayAcceptDeps {
  readonly engine: HttpEngine;
  readonly identity: Identity;
  /** Of this cluster; empty: not known. */
  readonly clusterName: string;
  readonly metrics: ProxyMetrics;
  readonly logger: Logger;
  readonly peers: Pick<Peers, 'originOf'>;
  readonly targets: GatewayTargets;
  /** The policy of the gateway's own port. */
  readonly policy: Watched<InboundPolicy>;
  /** Counts open connections of each client address. */
  readonly connections: ClientConnections;
}

const NOTHING = new Uint8Array(0);
/** ClientHello, handshake and transport header each get as long as Linkerd's detection. */
const STAGE_TIMEOUT_MS = 10_000;

export class GatewayAccept {
  readonly #deps: GatewayAcceptDeps;
  readonly #refusals: Refusals;
  readonly #serve: GatewayServe;
  readonly #handshakes = new HandshakeLimit();

  constructor(deps: GatewayAcceptDeps) {
    this.#deps = deps;
    this.#refusals = new Refusals(deps);
    this.#serve = new GatewayServe({ ...deps, refusals: this.#refusals });
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
    const leave = this.#deps.connections.enter(conn.remote.ip);
    if (leave === undefined) {
      this.#refusals.refuse(conn, 'client_connections', {});
      return;
    }
    const hold = this.#deps.engine.drain.hold();
    const over = (): void => {
      leave();
      hold[Symbol.dispose]();
    };
    peek(conn, NOTHING, {
      timeoutMs: STAGE_TIMEOUT_MS,
      enough: (bytes) => readClientHello(bytes).kind !== 'incomplete' || bytes.length >= CLIENT_HELLO_BYTES_MAX,
      closed: over,
      done: (peeked, bytes) => {
        const hello = readClientHello(bytes);
        const { identity } = this.#deps;
        const isForUs = hello.kind === 'hello' && hello.sni === identity.serverName.toLowerCase();
        if (isForUs && identity.tls !== undefined) this.#startTls(peeked, bytes, identity.tls, over);
        else {
          over();
          this.#refusals.refuse(peeked, isForUs ? 'no_identity' : 'direct_without_tls', {});
        }
      },
    });
  }

  #startTls(conn: Conn<unknown>, hello: Uint8Array, context: TlsContext, over: () => void): void {
    const turn: { leave: (() => void) | undefined } = { leave: undefined };
    const handlers: Handlers<undefined> = {
      open() {},
      secure: (secured, peer) => {
        turn.leave?.();
        this.#admit(secured, peer, over);
      },
      data: (upgraded) => upgraded.reset(),
      end: (upgraded) => upgraded.end(),
      drain() {},
      close: (_conn, why) => {
        turn.leave?.();
        over();
        this.#refusals.count(why.kind === 'tls' ? 'tls' : why.code, {});
        this.#deps.logger.debug('handshake failed', { code: why.code });
      },
    };
    const waiting = conn.handOver(handlers, undefined);
    const tls = { context, clientCertificate: 'required', alpn: TRANSPORT_ALPN, timeoutMs: STAGE_TIMEOUT_MS } as const;
    turn.leave = this.#handshakes.enter(() => waiting.startTls(tls, hello));
    if (turn.leave === undefined) waiting.reset();
  }

  /** Identity, origin, policy: all three before a byte is read. */
  #admit(conn: Conn<unknown>, peer: PeerInfo, over: () => void): void {
    const refuse = (...why: [Parameters<Refusals['refuse']>[1], Parameters<Refusals['refuse']>[2]]): void => {
      over();
      this.#refusals.refuse(conn, ...why);
    };
    if (peer.alpn !== TRANSPORT_ALPN) return refuse('direct_without_transport_header', {});
    const identity = identityOf(peer);
    if (identity === undefined) return refuse('no_client_identity', {});
    const issuer = issuerOf(peer);
    const origin = this.#deps.peers.originOf(identity, issuer);
    if (origin === undefined) return refuse('not_a_peer', { client_id: identity });
    const labels = clientLabels(identity, origin);
    const isAllowed = this.#isAllowed({ ip: conn.remote.ip, tls: true, identity, labels });
    this.#deps.metrics
      .authz(isAllowed ? 'inbound_tcp_authz_allow_total' : 'inbound_tcp_authz_deny_total', labels)
      .add(1);
    if (!isAllowed) return refuse('unauthorized', labels);
    this.#readHeader(conn, { identity, issuer, origin, labels }, over);
  }

  /** By the policy alone: that a sidecar trusts its own loopback does not make a peer of whoever reaches ours. */
  #isAllowed(client: Client): boolean {
    const authorizations = this.#deps.policy.current?.authorizations ?? [];
    const found = authorize(client, authorizations);
    return found !== undefined && authorizations.includes(found);
  }

  #readHeader(conn: Conn<unknown>, client: GatewayClient, over: () => void): void {
    const reader = new TransportHeaderReader();
    let seen = 0;
    let header: TransportHeader | undefined;
    let rest: Uint8Array = NOTHING;
    peek(conn, NOTHING, {
      timeoutMs: STAGE_TIMEOUT_MS,
      enough(bytes) {
        const result = reader.feed(bytes.subarray(seen));
        seen = bytes.length;
        if (result.kind === 'header') ({ header, rest } = result);
        return result.kind !== 'incomplete';
      },
      closed: over,
      done: (peeked, _bytes, end) => {
        if (header !== undefined) {
          this.#serve.serve({ conn: peeked, header, rest, ended: end === 'ended', client, over });
          return;
        }
        over();
        this.#refusals.refuse(peeked, 'bad_transport_header', client.labels);
      },
    });
  }
}
