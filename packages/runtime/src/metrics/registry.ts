/** All metrics of a process: families by name, what is computed at the scrape, and the text. */
import { CounterCell, GaugeCell, HistogramCell } from './cells.ts';
import { MetricFamily } from './family.ts';
import type { FamilyOptions } from './family.ts';

/** How long an exposition keeps the event loop at a time: less than a request takes. */
const TURN_MS = 1;

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
    return this.#family(
      options.name,
      () => new MetricFamily('counter', this.#with(options), (slot) => new CounterCell(slot)),
    );
  }

  gauge(options: FamilyOptions): MetricFamily<GaugeCell> {
    return this.#family(
      options.name,
      () => new MetricFamily('gauge', this.#with(options), (slot) => new GaugeCell(slot)),
    );
  }

  /** @param options.buckets Upper bounds, ascending, without +Inf. */
  histogram(options: FamilyOptions & { readonly buckets: readonly number[] }): MetricFamily<HistogramCell> {
    const bounds = Float64Array.from(options.buckets);
    return this.#family(
      options.name,
      () =>
        new MetricFamily('histogram', this.#with(options), (slot) => new HistogramCell(slot, bounds), options.buckets),
    );
  }

  /** Runs before each exposition, to set gauges. */
  beforeScrape(collect: () => void): void {
    this.#collectors.push(collect);
  }

  /** The text that a scrape gets. */
  expose(): string {
    return [...this.#pieces()].join('');
  }

  /**
   * The text that a scrape gets, made while the event loop goes on: after at most about a millisecond of work everybody else has a turn.
   * For processes that carry traffic. Series may come, and counters count, while it is made.
   */
  async *exposeInTurns(): AsyncGenerator<string, void> {
    let turnEndsMs = performance.now() + TURN_MS;
    for (const piece of this.#pieces()) {
      yield piece;
      if (performance.now() < turnEndsMs) continue;
      await new Promise((resolve) => setImmediate(resolve));
      turnEndsMs = performance.now() + TURN_MS;
    }
  }

  /** About this much work per step of the generator: a few dozen microseconds. */
  *#pieces(): Generator<string, void> {
    for (const collect of this.#collectors) collect();
    for (const family of this.#families.values()) {
      if (family === this.#refused) continue;
      family.evict(performance.now());
      if (family.refused > 0) {
        this.#refused.bind({ metric: family.name }).add(family.refused);
        family.refused = 0;
      }
      yield* family.pieces();
    }
    yield* this.#refused.pieces();
  }

  #with(options: FamilyOptions): FamilyOptions & { readonly retainIdleMs: number } {
    return { ...options, retainIdleMs: this.#retainIdleMs };
  }

  #family<Cell extends object>(name: string, create: () => MetricFamily<Cell>): MetricFamily<Cell> {
    const known = this.#families.get(name);
    if (known !== undefined) return known as MetricFamily<Cell>;
    const family = create();
    this.#families.set(name, family);
    return family;
  }
}
