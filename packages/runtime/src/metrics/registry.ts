/** All metrics of a process: families by name, what is computed at the scrape, and the text. */
import { CounterCell, GaugeCell, HistogramCell } from './cells.ts';
import { MetricFamily } from './family.ts';
import type { FamilyOptions } from './family.ts';

/** Linkerd keeps idle series for 10 minutes. */
export const RETAIN_IDLE_MS = 600_000;
export const METRICS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

export class MetricRegistry {
  // oxlint-disable-next-line typescript/no-explicit-any -- families of all cell types; only their text is asked for here
  readonly #families = new Map<string, MetricFamily<any>>();
  readonly #collectors: (() => void)[] = [];
  readonly #retainIdleMs: number;
  readonly #refused: MetricFamily<CounterCell>;

  constructor(options: { readonly retainIdleMs?: number } = {}) {
    this.#retainIdleMs = options.retainIdleMs ?? RETAIN_IDLE_MS;
    this.#refused = this.counter({
      name: 'mesh_metric_series_refused_total',
      help: 'Label sets that were not given a series of their own because their metric had too many.',
    });
  }

  /** The family of this name; a second call with the same name gives the same family. */
  counter(options: FamilyOptions): MetricFamily<CounterCell> {
    return this.#family(options.name, () => new MetricFamily('counter', options, (slot) => new CounterCell(slot)));
  }

  gauge(options: FamilyOptions): MetricFamily<GaugeCell> {
    return this.#family(options.name, () => new MetricFamily('gauge', options, (slot) => new GaugeCell(slot)));
  }

  /** @param options.buckets Upper bounds, ascending, without +Inf. */
  histogram(options: FamilyOptions & { readonly buckets: readonly number[] }): MetricFamily<HistogramCell> {
    const bounds = Float64Array.from(options.buckets);
    return this.#family(
      options.name,
      () => new MetricFamily('histogram', options, (slot) => new HistogramCell(slot, bounds), options.buckets),
    );
  }

  /** Runs before each exposition, to set gauges. */
  beforeScrape(collect: () => void): void {
    this.#collectors.push(collect);
  }

  /** The text that a scrape gets. */
  expose(): string {
    for (const collect of this.#collectors) collect();
    const now = performance.now();
    const lines: string[] = [];
    for (const family of this.#families.values()) {
      family.evict(now, this.#retainIdleMs);
      if (family.refused > 0) {
        this.#refused.bind({ metric: family.name }).add(family.refused);
        family.refused = 0;
      }
    }
    for (const family of this.#families.values()) family.write(lines);
    return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
  }

  #family<Cell extends object>(name: string, create: () => MetricFamily<Cell>): MetricFamily<Cell> {
    const known = this.#families.get(name);
    if (known !== undefined) return known as MetricFamily<Cell>;
    const family = create();
    this.#families.set(name, family);
    return family;
  }
}
