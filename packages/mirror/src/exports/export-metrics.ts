/** What the publisher of the view counts. Gauges are set at the scrape. */
import type { CounterCell, GaugeCell, MetricFamily, MetricRegistry } from '@mesh/runtime';
import type { WriteVerb } from '../written-store.ts';

/** One view at the scrape. */
export interface ViewGauges {
  /** Its namespace. */
  readonly view: string;
  readonly services: number;
  readonly endpoints: number;
}

export interface ExportGauges {
  readonly views: readonly ViewGauges[];
  /** Age of the oldest change that peers cannot see yet, milliseconds. */
  readonly lagMs: number;
}

export class ExportMetrics {
  readonly #writes: MetricFamily<CounterCell>;
  readonly #writeCells = new Map<string, CounterCell>();
  readonly #services: MetricFamily<GaugeCell>;
  readonly #endpoints: MetricFamily<GaugeCell>;
  /** Held, so that the series of a view stay as long as the view. */
  #viewCells = new Map<string, { readonly services: GaugeCell; readonly endpoints: GaugeCell }>();
  readonly #lag: GaugeCell;
  readonly #drift: CounterCell;
  readonly #conflicts: CounterCell;

  constructor(registry: MetricRegistry) {
    this.#writes = registry.counter({
      name: 'mesh_export_writes_total',
      help: 'Writes to the views that peers read, and to the status of Peers.',
    });
    this.#services = registry.gauge({ name: 'mesh_export_services', help: 'Services in the view, by its namespace.' });
    this.#endpoints = registry.gauge({
      name: 'mesh_export_endpoints',
      help: 'Addresses in the view, by its namespace.',
    });
    this.#lag = registry
      .gauge({ name: 'mesh_export_lag_seconds', help: 'Age of the oldest change that peers cannot see yet.' })
      .bind();
    this.#drift = registry
      .counter({ name: 'mesh_export_drift_total', help: 'Differences that a periodic comparison repaired.' })
      .bind();
    this.#conflicts = registry
      .counter({ name: 'mesh_export_conflicts_total', help: 'Times that an object of somebody else was in the way.' })
      .bind();
  }

  wrote(resource: string, verb: WriteVerb): void {
    const key = `${resource}/${verb}`;
    let cell = this.#writeCells.get(key);
    if (cell === undefined) {
      cell = this.#writes.bind({ resource, verb });
      this.#writeCells.set(key, cell);
    }
    cell.add(1);
  }

  writesOf(resource: string, verb: WriteVerb): number {
    return this.#writeCells.get(`${resource}/${verb}`)?.value ?? 0;
  }

  /** A periodic comparison found a difference that no event had announced. */
  drifted(): void {
    this.#drift.add(1);
  }

  get drift(): number {
    return this.#drift.value;
  }

  conflicted(count: number): void {
    this.#conflicts.add(count);
  }

  /** At the scrape. */
  show({ views, lagMs }: ExportGauges): void {
    const cells = new Map<string, { readonly services: GaugeCell; readonly endpoints: GaugeCell }>();
    for (const { view, services, endpoints } of views) {
      const known = this.#viewCells.get(view) ?? {
        services: this.#services.bind({ view }),
        endpoints: this.#endpoints.bind({ view }),
      };
      known.services.set(services);
      known.endpoints.set(endpoints);
      cells.set(view, known);
    }
    for (const [view, known] of this.#viewCells) {
      if (cells.has(view)) continue;
      known.services.set(0);
      known.endpoints.set(0);
    }
    this.#viewCells = cells;
    this.#lag.set(lagMs / 1000);
  }
}
