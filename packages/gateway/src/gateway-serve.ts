/** Connections of known clients that said what they ask for: requests, or opaque bytes, to a Service that is exported to them. */
import type { Conn } from '@mesh/net';
import { errnoOf, H2Session, HttpSession, TcpForward } from '@mesh/proxy';
import type { FailureCode, HttpEngine, Identity, Labels, ProxyMetrics } from '@mesh/proxy';
import type { TransportHeader } from '@mesh/wire';
import { BothSides } from './both-sides.ts';
import { HOPS_MAX } from './forwarded.ts';
import { conveyed, sourceLabels } from './gateway-client.ts';
import type { GatewayClient } from './gateway-client.ts';
import { GatewayService } from './gateway-service.ts';
import type { GatewayTargets } from './gateway-targets.ts';
import type { PeerOrigin } from './peer-claims.ts';
import type { Peers } from './peers.ts';
import type { Refusals } from './refusals.ts';

export interface GatewayServeDeps {
  readonly engine: HttpEngine;
  readonly identity: Identity;
  readonly clusterName: string;
  readonly metrics: ProxyMetrics;
  readonly peers: Pick<Peers, 'originOf'>;
  readonly targets: GatewayTargets;
  readonly refusals: Refusals;
}

/** A connection with all that is known of it. */
export interface Asking {
  readonly conn: Conn<unknown>;
  readonly header: TransportHeader;
  /** What came behind the header. */
  readonly rest: Uint8Array;
  /** The client sent FIN already. */
  readonly ended: boolean;
  readonly client: GatewayClient;
  /** To be called once when the connection is over. */
  readonly over: () => void;
}

export class GatewayServe {
  readonly #deps: GatewayServeDeps;

  constructor(deps: GatewayServeDeps) {
    this.#deps = deps;
  }

  serve(asking: Asking): void {
    const { header, client } = asking;
    const labels = {
      session_protocol: header.session ?? '',
      target_port: String(header.port),
      // Peers could make up any name.
      target_name: typeof this.#find(asking) === 'string' ? '' : header.name,
      client_id: client.identity,
    };
    this.#deps.metrics.transportHeader(labels).add(1);
    if (header.session === undefined) this.#forward(asking);
    else this.#serveHttp(asking);
  }

  #serveHttp(asking: Asking): void {
    const { conn, header, rest, ended, client } = asking;
    const { metrics, targets, engine, identity, clusterName } = this.#deps;
    const target = targets.remembered(() => this.#find(asking));
    const found = target();
    const release = typeof found === 'string' ? nothing : targets.hold(found);
    const names = targetLabels(header, found);
    const labels = { direction: 'inbound', ...names, ...client.labels };
    const tcp = metrics.tcp({ ...labels, peer: 'src' });
    tcp.openTotal.add(1);
    tcp.openConnections.add(1);
    const refused = metrics.http(labels);
    const leaving = { direction: 'outbound', ...names, ...sourceLabels(client) };
    const service = new GatewayService({
      target,
      ownIdentity: identity.name,
      ownCluster: clusterName,
      client,
      authority: `${header.name}:${header.port}`,
      refused,
      passed: new BothSides(refused, metrics.http(leaving)),
      explain: (code) => explain(code, header, this.#originOf(client)),
      countError: (code) => metrics.errors('inbound_http_errors_total', { error: code, ...client.labels }).add(1),
      closed: (why) => {
        tcp.openConnections.add(-1);
        tcp.closeTotal(errnoOf(why)).add(1);
        release();
        asking.over();
      },
    });
    const Session = header.session === 'http2' ? H2Session : HttpSession;
    new Session(conn, service, engine, tcp).begin(rest, ended);
  }

  #forward(asking: Asking): void {
    const { conn, header, rest, ended, client } = asking;
    const { metrics, targets, engine, refusals } = this.#deps;
    const found = this.#find(asking);
    if (typeof found === 'string' || header.hops >= HOPS_MAX) {
      asking.over();
      refusals.refuse(conn, typeof found === 'string' ? found : 'loop', client.labels);
      return;
    }
    const release = targets.hold(found);
    const labels = { direction: 'inbound', peer: 'src', ...targetLabels(header, found), ...client.labels };
    const cells = metrics.tcp(labels);
    cells.openTotal.add(1);
    cells.openConnections.add(1);
    const recheck = (): void => {
      if (typeof this.#find(asking) === 'string') conn.reset();
    };
    found.rechecks.add(recheck);
    new TcpForward({
      conn,
      first: rest,
      ended,
      dispatcher: () => {
        const target = this.#find(asking);
        return typeof target === 'string' ? undefined : target.dispatcher('tcp');
      },
      engine,
      cells,
      conveyed: conveyed(client, header.hops),
      clientLabels: sourceLabels(client),
      failed: (code) => refusals.count(code, client.labels),
      closed: (why) => {
        found.rechecks.delete(recheck);
        cells.openConnections.add(-1);
        cells.closeTotal(errnoOf(why)).add(1);
        release();
        asking.over();
      },
    }).start();
  }

  #find({ header, client }: Asking): ReturnType<GatewayTargets['find']> {
    const origin = this.#originOf(client);
    return origin === undefined
      ? 'not_exported_to_peer'
      : this.#deps.targets.find(header.name, header.port, origin.peer);
  }

  /** Of this moment: what Peers claim may have changed since the client was let in. */
  #originOf({ identity, issuer }: GatewayClient): PeerOrigin | undefined {
    return this.#deps.peers.originOf(identity, issuer);
  }
}

/** Only names of exported Services become labels: peers could make up any other. */
function targetLabels(header: TransportHeader, found: ReturnType<GatewayTargets['find']>): Labels {
  if (typeof found === 'string') return { authority: '', dst_service: '', dst_namespace: '', target_port: '' };
  const { name, namespace } = found.service;
  return { authority: found.authority, dst_service: name, dst_namespace: namespace, target_port: String(header.port) };
}

/** In ASCII: names of Services and Peers are. */
function explain(
  code: FailureCode,
  { name, port }: TransportHeader,
  origin: PeerOrigin | undefined,
): string | undefined {
  if (code !== 'not_exported_to_peer') return undefined;
  const what = `port ${port} of service ${name} is not exported to`;
  if (origin === undefined) return `${what} a client that is no linked peer any more`;
  const whom = origin.peer === undefined ? 'clients of clusters that are not known here' : `peer ${origin.peer}`;
  return `${what} ${whom}: the ExportPolicies of its namespace say so`;
}

function nothing(): undefined {
  return undefined;
}
