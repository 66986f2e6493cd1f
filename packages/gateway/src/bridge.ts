/** One plain port: takes connections and carries each over mutual TLS to the gateway of one peer. */
import type { Backend } from '@mesh/model';
import type { Conn, Driver, Handlers, Listener } from '@mesh/net';
import { errnoOf, TcpForward } from '@mesh/proxy';
import type { Backends, ClientConnections, HttpEngine, Labels, LeasedDistribution, ProxyMetrics } from '@mesh/proxy';
import { describe } from './bridge-plan.ts';
import type { BridgeTarget } from './bridge-plan.ts';
import { EWMA, QUEUE } from './gateway-target.ts';
import type { Refusals } from './refusals.ts';

export interface BridgeDeps {
  readonly driver: Driver;
  readonly engine: HttpEngine;
  readonly metrics: ProxyMetrics;
  readonly refusals: Refusals;
  readonly connections: ClientConnections;
  readonly clusterDomain: string;
  /** Balancers over the gateways of one cluster. */
  readonly backendsOf: (cluster: string) => Backends;
}

const NOTHING = new Uint8Array(0);

export class Bridge {
  readonly port: number;
  readonly target: BridgeTarget;
  readonly #deps: BridgeDeps;
  readonly #lease: LeasedDistribution;
  readonly #labels: Labels;
  readonly #open = new Set<Conn<unknown>>();
  #listener: Listener | undefined;

  constructor(port: number, target: BridgeTarget, deps: BridgeDeps) {
    const { namespace, service, cluster } = target;
    this.port = port;
    this.target = target;
    this.#deps = deps;
    const path = `${service}.${namespace}.svc.${deps.clusterDomain}:${target.port}`;
    const ref = { group: 'core', kind: 'Service', namespace, name: service, port: target.port, section: '' };
    const backend: Backend = {
      key: path,
      ref,
      queue: QUEUE,
      failureAccrual: undefined,
      target: { kind: 'balancer', path, ewma: EWMA },
    };
    this.#lease = deps.backendsOf(cluster).lease({ kind: 'first_available', backends: [backend] }, ref, 'tcp');
    this.#labels = {
      tls: 'no_identity',
      no_tls_reason: 'bridge',
      authority: path,
      dst_service: service,
      dst_namespace: namespace,
      dst_target_cluster: cluster,
      target_port: String(port),
    };
  }

  /** @param at Rejects when the port is taken. */
  async listen(at: { readonly ip: string; readonly reusePort: boolean; readonly keepAliveMs: number }): Promise<void> {
    const handlers: Handlers<undefined> = {
      open: (conn) => this.#accept(conn),
      data: (conn) => conn.reset(),
      end: (conn) => conn.end(),
      drain() {},
      close() {},
    };
    this.#listener = await this.#deps.driver.listen({ ...at, port: this.port }, handlers, () => undefined);
  }

  /** Takes no more connections; those that are open go on until {@link dispose}. */
  async close(): Promise<void> {
    await this.#listener?.close();
  }

  /** Cuts what is open. */
  dispose(): void {
    for (const conn of this.#open) conn.reset();
    this.#lease[Symbol.dispose]();
  }

  toString(): string {
    return `${this.port} to ${describe(this.target)}`;
  }

  #accept(conn: Conn<undefined>): void {
    const { connections, engine, metrics, refusals } = this.#deps;
    const leave = connections.enter(conn.remote.ip);
    if (leave === undefined) {
      refusals.refuse(conn, 'client_connections', this.#labels);
      return;
    }
    const hold = engine.drain.hold();
    const cells = metrics.tcp({ direction: 'inbound', peer: 'src', ...this.#labels });
    cells.openTotal.add(1);
    cells.openConnections.add(1);
    this.#open.add(conn);
    new TcpForward({
      conn,
      first: NOTHING,
      ended: false,
      dispatcher: () => this.#lease.distribution,
      engine,
      cells,
      conveyed: { hops: 1 },
      failed: (code) => refusals.count(code, this.#labels),
      closed: (why) => {
        this.#open.delete(conn);
        cells.openConnections.add(-1);
        cells.closeTotal(errnoOf(why)).add(1);
        leave();
        hold[Symbol.dispose]();
      },
    }).start();
  }
}
