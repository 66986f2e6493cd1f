/** What the mirror counts, with Linkerd's names where Linkerd has them. Gauges are set at the scrape. */
import { MetricRegistry, registerProcessMetrics } from '@mesh/runtime';
import type { CounterCell, GaugeCell, HistogramCell, MetricFamily } from '@mesh/runtime';
import { ExportMetrics } from './exports/export-metrics.ts';
import type { ProbeResult } from './gateway-prober.ts';
import type { WriteVerb } from './written-store.ts';

/** Linkerd's buckets, milliseconds. */
export const PROBE_LATENCY_BUCKETS_MS: readonly number[] = [1, 10, 100, 1_000, 10_000].flatMap((scale) =>
  [1, 2, 3, 4, 5].map((step) => step * scale),
);

/** State of one linked cluster at the scrape. */
export interface ClusterGauges {
  readonly cluster: string;
  readonly isProbed: boolean;
  readonly alive: boolean;
  readonly latencyMs: number;
  readonly stalenessMs: number;
  readonly reachable: boolean;
  readonly mirrored: number;
  readonly failed: number;
}

export interface MirrorGauges {
  readonly leading: boolean;
  readonly queueDepth: number;
  /** ServiceImports that exist. */
  readonly imports: number;
  readonly clusters: readonly ClusterGauges[];
}

/** The cells of one cluster; held, so that its series stay. */
interface ClusterCells {
  readonly probesOk: CounterCell;
  readonly probesFailed: CounterCell;
  readonly probeLatency: HistogramCell;
  readonly repairs: CounterCell;
  readonly renewed: CounterCell;
  readonly renewalsFailed: CounterCell;
  readonly enabled: GaugeCell;
  readonly alive: GaugeCell;
  readonly latency: GaugeCell;
  readonly reachable: GaugeCell;
  readonly staleness: GaugeCell;
  readonly mirrored: GaugeCell;
  readonly failed: GaugeCell;
}

/** Series of a cluster leave this long after its Link. */
const RETAIN_MS = 60_000;

export class MirrorMetrics {
  readonly #registry = new MetricRegistry({ retainIdleMs: RETAIN_MS });
  readonly exports: ExportMetrics = new ExportMetrics(this.#registry);
  readonly #clusters = new Map<string, ClusterCells>();
  readonly #writes: MetricFamily<CounterCell>;
  readonly #writeCells = new Map<string, CounterCell>();
  readonly #succeeded: CounterCell;
  readonly #failed: CounterCell;
  readonly #depth: GaugeCell;
  readonly #leading: GaugeCell;
  readonly #imports: GaugeCell;
  readonly #importRepairs: CounterCell;
  #total = 0;

  constructor() {
    const registry = this.#registry;
    const writes = 'Writes to this cluster that its API accepted.';
    this.#writes = registry.counter({ name: 'mesh_mirror_api_writes_total', help: writes });
    const reconciles = registry.counter({
      name: 'mesh_mirror_reconciles_total',
      help: 'Runs of the reconcile loop, by outcome.',
    });
    this.#succeeded = reconciles.bind({ outcome: 'success' });
    this.#failed = reconciles.bind({ outcome: 'failure' });
    this.#depth = registry
      .gauge({ name: 'mesh_mirror_queue_depth', help: 'Keys that wait or are being worked on.' })
      .bind();
    this.#leading = registry.gauge({ name: 'mesh_mirror_leading', help: '1 on the replica that writes.' }).bind();
    this.#imports = registry
      .gauge({ name: 'mesh_mcs_imports', help: 'ServiceImports of the cluster, all owners together.' })
      .bind();
    this.#importRepairs = registry
      .counter({
        name: 'mesh_mcs_repairs_total',
        help: 'ServiceImports whose objects a periodic comparison repaired without an event that announced it.',
      })
      .bind();
    registerProcessMetrics(registry);
  }

  /** API writes so far. */
  get writes(): number {
    return this.#total;
  }

  wrote(resource: string, verb: WriteVerb): void {
    this.#writeCell(resource, verb).add(1);
    this.#total += 1;
  }

  writesOf(resource: string, verb: WriteVerb): number {
    return this.#writeCell(resource, verb).value;
  }

  reconciled(hasFailed: boolean): void {
    (hasFailed ? this.#failed : this.#succeeded).add(1);
  }

  probed(cluster: string, result: ProbeResult): void {
    const cells = this.#cells(cluster);
    if (result.ok) {
      cells.probesOk.add(1);
      cells.probeLatency.observe(result.latencyMs);
    } else cells.probesFailed.add(1);
  }

  /** The credentials of a Link were replaced, or should have been. */
  renewed(cluster: string, hasSucceeded: boolean): void {
    const cells = this.#cells(cluster);
    (hasSucceeded ? cells.renewed : cells.renewalsFailed).add(1);
  }

  /** A periodic comparison found and repaired a difference that no event had announced. */
  repaired(cluster: string): void {
    this.#cells(cluster).repairs.add(1);
  }

  /** The same for the objects of a ServiceImport. */
  importRepaired(): void {
    this.#importRepairs.add(1);
  }

  get importRepairs(): number {
    return this.#importRepairs.value;
  }

  repairsOf(cluster: string): number {
    return this.#cells(cluster).repairs.value;
  }

  forgetCluster(cluster: string): void {
    this.#clusters.delete(cluster);
  }

  /** Prometheus text format 0.0.4. */
  expose(gauges: MirrorGauges): string {
    this.#depth.set(gauges.queueDepth);
    this.#leading.set(Number(gauges.leading));
    this.#imports.set(gauges.imports);
    for (const state of gauges.clusters) {
      const cells = this.#cells(state.cluster);
      cells.enabled.set(Number(state.isProbed));
      cells.alive.set(Number(state.alive));
      cells.latency.set(state.latencyMs);
      cells.reachable.set(Number(state.reachable));
      cells.staleness.set(state.stalenessMs / 1000);
      cells.mirrored.set(state.mirrored);
      cells.failed.set(state.failed);
    }
    return this.#registry.expose();
  }

  #writeCell(resource: string, verb: WriteVerb): CounterCell {
    const key = `${resource}/${verb}`;
    const known = this.#writeCells.get(key);
    if (known !== undefined) return known;
    const cell = this.#writes.bind({ resource, verb });
    this.#writeCells.set(key, cell);
    return cell;
  }

  #cells(cluster: string): ClusterCells {
    const known = this.#clusters.get(cluster);
    if (known !== undefined) return known;
    const labels = { target_cluster_name: cluster };
    const registry = this.#registry;
    const gauge = (name: string, help: string): GaugeCell => registry.gauge({ name, help }).bind(labels);
    const probes = registry.counter({
      name: 'gateway_probes',
      help: 'Probes of the gateway, by whether they succeeded.',
    });
    const services = registry.gauge({
      name: 'mesh_mirror_services',
      help: 'Exported Services of the cluster, by whether they are mirrored.',
    });
    const renewals = registry.counter({
      name: 'mesh_mirror_credential_renewals_total',
      help: 'Attempts to renew the credentials of the Link, by outcome.',
    });
    const cells: ClusterCells = {
      probesOk: probes.bind({ ...labels, probe_successful: 'true' }),
      probesFailed: probes.bind({ ...labels, probe_successful: 'false' }),
      probeLatency: registry
        .histogram({
          name: 'gateway_probe_latency_ms',
          help: 'How long successful probes took.',
          buckets: PROBE_LATENCY_BUCKETS_MS,
        })
        .bind(labels),
      repairs: registry
        .counter({ name: 'service_mirror_endpoint_repairs', help: 'Differences that a periodic comparison repaired.' })
        .bind(labels),
      renewed: renewals.bind({ ...labels, outcome: 'success' }),
      renewalsFailed: renewals.bind({ ...labels, outcome: 'failure' }),
      enabled: gauge('gateway_enabled', '1 when the gateway of the cluster is probed.'),
      alive: gauge('gateway_alive', '1 while an address of the gateway answers probes.'),
      latency: gauge('gateway_latency', 'Milliseconds of the last successful probe.'),
      reachable: gauge('mesh_mirror_peer_reachable', '1 while the API of the cluster answers.'),
      staleness: gauge('mesh_mirror_peer_staleness_seconds', 'Age of what is known of the cluster.'),
      mirrored: services.bind({ ...labels, state: 'mirrored' }),
      failed: services.bind({ ...labels, state: 'failed' }),
    };
    this.#clusters.set(cluster, cells);
    return cells;
  }
}
