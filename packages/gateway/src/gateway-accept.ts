/**
 * Connections from peers, from accept to the Service that they ask for.
 *
 *   ClientHello for us ──► mTLS, ALPN transport header ──► identity of a peer? policy? ──► header with a name
 *        │ else: reset             │ else: reset                 │ else: reset                 │ session http1, http2: requests
 *                                                                                            └ else: opaque bytes
 */
import type { InboundPolicy, Watched } from '@mesh/model';
import type { Conn, Handlers, PeerInfo } from '@mesh/net';
import { authorize, errnoOf, H2Session, HttpSession, peek, TcpForward } from '@mesh/proxy';
import type { Client, FailureCode, HttpEngine, Identity, Labels, ProxyMetrics } from '@mesh/proxy';
import type { Logger } from '@mesh/runtime';
import { CLIENT_HELLO_BYTES_MAX, readClientHello, TRANSPORT_ALPN, TransportHeaderReader } from '@mesh/wire';
import type { TransportHeader } from '@mesh/wire';
import { GatewayService } from './gateway-service.ts';
import type { GatewayTargets } from './gateway-targets.ts';
import type { Peers } from './peers.ts';

export interface GatewayAcceptDeps {
  readonly engine: HttpEngine;
  readonly identity: Identity;
  readonly metrics: ProxyMetrics;
  readonly logger: Logger;
  readonly peers: Pick<Peers, 'originOf'>;
  readonly targets: GatewayTargets;
  /** The policy of the gateway's own port. */
  readonly policy: Watched<InboundPolicy>;
}

/** A client that was let in. */
interface Admitted {
  readonly identity: string;
  readonly client: Client;
  readonly labels: Labels;
  readonly hold: Disposable;
}

const NOTHING = new Uint8Array(0);
/** ClientHello, handshake and transport header each get as long as Linkerd's detection. */
const STAGE_TIMEOUT_MS = 10_000;

export class GatewayAccept {
  readonly #deps: GatewayAcceptDeps;

  constructor(deps: GatewayAcceptDeps) {
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
    const hold = this.#deps.engine.drain.hold();
    const over = (): void => hold[Symbol.dispose]();
    peek(conn, NOTHING, {
      timeoutMs: STAGE_TIMEOUT_MS,
      enough: (bytes) => readClientHello(bytes).kind !== 'incomplete' || bytes.length >= CLIENT_HELLO_BYTES_MAX,
      closed: over,
      done: (peeked, bytes) => {
        const hello = readClientHello(bytes);
        const { identity } = this.#deps;
        const isForUs = hello.kind === 'hello' && hello.sni === identity.serverName.toLowerCase();
        if (isForUs && identity.tls !== undefined) this.#startTls(peeked, bytes, hold);
        else this.#refuse(peeked, isForUs ? 'no_identity' : 'direct_without_tls', {}, over);
      },
    });
  }

  #startTls(conn: Conn<unknown>, hello: Uint8Array, hold: Disposable): void {
    const context = this.#deps.identity.tls;
    const over = (): void => hold[Symbol.dispose]();
    if (context === undefined) {
      this.#refuse(conn, 'no_identity', {}, over);
      return;
    }
    const handlers: Handlers<undefined> = {
      open() {},
      secure: (secured, peer) => this.#admit(secured, peer, hold),
      data: (upgraded) => upgraded.reset(),
      end: (upgraded) => upgraded.end(),
      drain() {},
      close: (_conn, why) => {
        over();
        this.#countTcpError(why.kind === 'tls' ? 'tls' : why.code, {});
        this.#deps.logger.debug('handshake failed', { code: why.code });
      },
    };
    const tls = { context, clientCertificate: 'required', alpn: TRANSPORT_ALPN, timeoutMs: STAGE_TIMEOUT_MS } as const;
    conn.handOver(handlers, undefined).startTls(tls, hello);
  }

  /** Identity, trust domain, policy: all three before a byte is read. */
  #admit(conn: Conn<unknown>, peer: PeerInfo, hold: Disposable): void {
    const over = (): void => hold[Symbol.dispose]();
    const identity = peer.dns[0] ?? peer.uri[0];
    if (peer.alpn !== TRANSPORT_ALPN) return this.#refuse(conn, 'direct_without_transport_header', {}, over);
    if (identity === undefined) return this.#refuse(conn, 'no_client_identity', {}, over);
    const origin = this.#deps.peers.originOf(identity);
    if (origin === undefined) return this.#refuse(conn, 'not_a_peer', { client_id: identity }, over);
    const labels: Labels = {
      tls: 'true',
      client_id: identity,
      source_cluster: origin.cluster,
      source_trust_domain: origin.trustDomain,
    };
    const client: Client = { ip: conn.remote.ip, tls: true, identity, labels };
    const isAllowed = this.#isAllowed(client);
    this.#deps.metrics
      .authz(isAllowed ? 'inbound_tcp_authz_allow_total' : 'inbound_tcp_authz_deny_total', labels)
      .add(1);
    if (!isAllowed) return this.#refuse(conn, 'unauthorized', labels, over);
    this.#readHeader(conn, { identity, client, labels, hold });
  }

  /** By the policy alone: that a sidecar trusts its own loopback does not make a peer of whoever reaches ours. */
  #isAllowed(client: Client): boolean {
    const authorizations = this.#deps.policy.current?.authorizations ?? [];
    const found = authorize(client, authorizations);
    return found !== undefined && authorizations.includes(found);
  }

  #readHeader(conn: Conn<unknown>, admitted: Admitted): void {
    const reader = new TransportHeaderReader();
    const over = (): void => admitted.hold[Symbol.dispose]();
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
        if (header === undefined) this.#refuse(peeked, 'bad_transport_header', admitted.labels, over);
        else this.#serve(peeked, header, rest, end === 'ended', admitted);
      },
    });
  }

  #serve(conn: Conn<unknown>, header: TransportHeader, rest: Uint8Array, ended: boolean, admitted: Admitted): void {
    const { metrics } = this.#deps;
    const transportLabels = {
      session_protocol: header.session ?? '',
      target_port: String(header.port),
      target_name: header.name,
      client_id: admitted.identity,
    };
    metrics.transportHeader(transportLabels).add(1);
    if (header.session !== undefined) this.#serveHttp(conn, header, rest, ended, admitted);
    else this.#forward(conn, header, rest, ended, admitted);
  }

  #serveHttp(conn: Conn<unknown>, header: TransportHeader, rest: Uint8Array, ended: boolean, admitted: Admitted): void {
    const { metrics, targets, engine, identity } = this.#deps;
    const target = targets.lookup(header.name, header.port);
    const found = target();
    const release = typeof found === 'string' ? nothing : targets.hold(found);
    const labels = { direction: 'inbound', ...targetLabels(header, found), ...admitted.labels };
    const tcp = metrics.tcp({ ...labels, peer: 'src' });
    tcp.openTotal.add(1);
    tcp.openConnections.add(1);
    const service = new GatewayService({
      target,
      ownIdentity: identity.name,
      clientIdentity: admitted.identity,
      authority: `${header.name}:${header.port}`,
      cells: metrics.http(labels),
      countError: (code) => metrics.errors('inbound_http_errors_total', { error: code, ...admitted.labels }).add(1),
      closed: (why) => {
        tcp.openConnections.add(-1);
        tcp.closeTotal(errnoOf(why)).add(1);
        release();
        admitted.hold[Symbol.dispose]();
      },
    });
    const Session = header.session === 'http2' ? H2Session : HttpSession;
    new Session(conn, service, engine, tcp).begin(rest, ended);
  }

  #forward(conn: Conn<unknown>, header: TransportHeader, rest: Uint8Array, ended: boolean, admitted: Admitted): void {
    const { metrics, targets, engine, identity } = this.#deps;
    const over = (): void => admitted.hold[Symbol.dispose]();
    const found = targets.find(header.name, header.port);
    if (typeof found === 'string') return this.#refuse(conn, found, admitted.labels, over);
    if (admitted.identity === identity.name) return this.#refuse(conn, 'loop', admitted.labels, over);
    const release = targets.hold(found);
    const labels = { direction: 'inbound', peer: 'src', ...targetLabels(header, found), ...admitted.labels };
    const cells = metrics.tcp(labels);
    cells.openTotal.add(1);
    cells.openConnections.add(1);
    const cut = (): void => conn.reset();
    found.cuts.add(cut);
    new TcpForward({
      conn,
      first: rest,
      ended,
      dispatcher: () => {
        const target = targets.find(header.name, header.port);
        return typeof target === 'string' ? undefined : target.dispatcher('tcp');
      },
      engine,
      cells,
      failed: (code) => this.#countTcpError(code, admitted.labels),
      closed: (why) => {
        found.cuts.delete(cut);
        cells.openConnections.add(-1);
        cells.closeTotal(errnoOf(why)).add(1);
        release();
        over();
      },
    }).start();
  }

  #countTcpError(error: string, labels: Labels): void {
    this.#deps.metrics.errors('inbound_tcp_errors_total', { error, ...labels }).add(1);
  }

  #refuse(conn: Conn<unknown>, reason: RefusalReason, labels: Labels, over: () => void): void {
    over();
    this.#countTcpError(reason, labels);
    this.#deps.logger.debug('connection refused', { reason, peer: conn.remote, ...labels });
    conn.reset();
  }
}

type RefusalReason =
  | FailureCode
  | 'direct_without_tls'
  | 'direct_without_transport_header'
  | 'no_identity'
  | 'no_client_identity'
  | 'not_a_peer'
  | 'bad_transport_header';

/** Only names of exported Services become labels: peers could make up any other. */
function targetLabels(header: TransportHeader, found: ReturnType<GatewayTargets['find']>): Labels {
  if (typeof found === 'string') return { authority: '', dst_service: '', dst_namespace: '', target_port: '' };
  const { name, namespace } = found.service;
  return { authority: found.authority, dst_service: name, dst_namespace: namespace, target_port: String(header.port) };
}

function nothing(): undefined {
  return undefined;
}
