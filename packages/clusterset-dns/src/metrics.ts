/** What is counted of queries and answers. Cells are bound when a combination is first seen: types and codes are few. */
import type { CounterCell, GaugeCell, MetricFamily, MetricRegistry } from '@mesh/runtime';
import { RCODE, TYPE } from './message.ts';

export type Transport = 'udp' | 'tcp';
/** Messages that get no answer at all. */
export type DropReason = 'no_query' | 'connection_limit' | 'send_failed';

const TYPE_NAMES = new Map<number, string>(Object.entries(TYPE).map(([name, number]) => [number, name]));
const CODE_NAMES = new Map<number, string>([
  [RCODE.noError, 'NOERROR'],
  [RCODE.formatError, 'FORMERR'],
  [RCODE.serverFailure, 'SERVFAIL'],
  [RCODE.noSuchName, 'NXDOMAIN'],
  [RCODE.notImplemented, 'NOTIMP'],
  [RCODE.refused, 'REFUSED'],
  [RCODE.badVersion, 'BADVERS'],
]);

/** What the server tells of its work. */
export interface DnsObserver {
  /** @param type Absent where the question could not be read. */
  answered(transport: Transport, type: number | undefined, code: number, truncated: boolean): void;
  dropped(reason: DropReason): void;
  connections(change: 1 | -1): void;
}

/** What is computed at the scrape. */
export interface DnsGauges {
  readonly imports: number;
  readonly slices: number;
  readonly stalenessMs: number;
}

export class DnsMetrics implements DnsObserver {
  readonly #queries: MetricFamily<CounterCell>;
  readonly #bound = new Map<number, CounterCell>();
  readonly #truncated: CounterCell;
  readonly #dropped: Readonly<Record<DropReason, CounterCell>>;
  readonly #connections: GaugeCell;

  constructor(registry: MetricRegistry, gauges: () => DnsGauges) {
    this.#queries = registry.counter({
      name: 'mesh_dns_queries_total',
      help: 'Queries that were answered, by type, response code and transport.',
    });
    this.#truncated = registry
      .counter({ name: 'mesh_dns_truncated_total', help: 'Answers that did not fit and told the client to use TCP.' })
      .bind();
    const dropped = registry.counter({
      name: 'mesh_dns_dropped_total',
      help: 'Messages and connections that got no answer.',
    });
    this.#dropped = {
      no_query: dropped.bind({ reason: 'no_query' }),
      connection_limit: dropped.bind({ reason: 'connection_limit' }),
      send_failed: dropped.bind({ reason: 'send_failed' }),
    };
    this.#connections = registry.gauge({ name: 'mesh_dns_tcp_connections', help: 'Open TCP connections.' }).bind();
    const imports = registry.gauge({ name: 'mesh_dns_imports', help: 'Imported Services that have names.' }).bind();
    const slices = registry.gauge({ name: 'mesh_dns_endpoint_slices', help: 'Slices of imported Services.' }).bind();
    const staleness = registry
      .gauge({
        name: 'mesh_dns_staleness_seconds',
        help: 'How old the answers may be: time since the API was last heard; 0 while it is.',
      })
      .bind();
    registry.beforeScrape(() => {
      const now = gauges();
      imports.set(now.imports);
      slices.set(now.slices);
      staleness.set(now.stalenessMs / 1000);
    });
  }

  answered(transport: Transport, type: number | undefined, code: number, truncated: boolean): void {
    const known = type !== undefined && TYPE_NAMES.has(type) ? type : 0;
    const key = (known << 6) | (code << 1) | (transport === 'tcp' ? 1 : 0);
    let cell = this.#bound.get(key);
    if (cell === undefined) {
      cell = this.#queries.bind({
        type: TYPE_NAMES.get(known) ?? 'other',
        rcode: CODE_NAMES.get(code) ?? String(code),
        transport,
      });
      this.#bound.set(key, cell);
    }
    cell.add(1);
    if (truncated) this.#truncated.add(1);
  }

  dropped(reason: DropReason): void {
    this.#dropped[reason].add(1);
  }

  connections(change: 1 | -1): void {
    this.#connections.add(change);
  }
}
