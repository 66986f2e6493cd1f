/**
 * A metric with its series. A series lives as long as somebody holds its cell, and some time longer after its last change;
 * so label sets of endpoints and peers that are gone leave by themselves, without anybody having to release them.
 */
import { Slab } from './slab.ts';
import type { Slot } from './slab.ts';
import { formatValue, renderLabels } from './text.ts';

export type MetricLabels = Readonly<Record<string, string>>;
export type MetricType = 'counter' | 'gauge' | 'histogram';

interface Series<Cell extends object> {
  readonly slot: Slot;
  readonly cell: WeakRef<Cell>;
  /** Sum of the slot's numbers when it was last looked at. */
  seenSum: number;
  /** When it was last seen to change, monotonic milliseconds. */
  changedMs: number;
}

export interface FamilyOptions {
  readonly name: string;
  /** A sentence. */
  readonly help: string;
  /** Above this, further label sets share one series that is not shown. */
  readonly seriesMax?: number;
}

/** Long enough that a generator's step does not count, short enough for a turn of the event loop. */
const PIECE_LENGTH = 8192;
/** A full family is looked through for old series at most this often. */
const MAKE_ROOM_MS = 10_000;

/** Peers can cause label sets; memory must not follow them without end. */
export const SERIES_MAX_DEFAULT = 10_000;

export class MetricFamily<Cell extends object> {
  readonly name: string;
  readonly help: string;
  readonly type: MetricType;
  readonly #width: number;
  readonly #slab: Slab;
  readonly #series = new Map<string, Series<Cell>>();
  readonly #create: (slot: Slot) => Cell;
  readonly #seriesMax: number;
  readonly #retainIdleMs: number;
  readonly #bounds: readonly number[];
  #overflow: Cell | undefined;
  #evictedAtMs = Number.NEGATIVE_INFINITY;
  /** Bindings that got the shared series, because there were too many. */
  refused = 0;

  constructor(
    type: MetricType,
    options: FamilyOptions & { readonly retainIdleMs: number },
    create: (slot: Slot) => Cell,
    bounds: readonly number[] = [],
  ) {
    this.type = type;
    this.name = options.name;
    this.help = options.help;
    this.#create = create;
    this.#bounds = bounds;
    this.#width = type === 'histogram' ? bounds.length + 2 : 1;
    this.#slab = new Slab(this.#width);
    this.#retainIdleMs = options.retainIdleMs;
    this.#seriesMax = options.seriesMax ?? SERIES_MAX_DEFAULT;
  }

  /** The cell of a label set; the same one for the same labels in the same order. */
  bind(labels: MetricLabels = {}): Cell {
    const key = renderLabels(labels);
    const known = this.#series.get(key);
    if (known === undefined && this.#isFull()) {
      this.refused += 1;
      return (this.#overflow ??= this.#create(this.#slab.take()));
    }
    const held = known?.cell.deref();
    if (held !== undefined) return held;
    const slot = known?.slot ?? this.#slab.take();
    const cell = this.#create(slot);
    this.#series.set(key, {
      slot,
      cell: new WeakRef(cell),
      seenSum: known?.seenSum ?? 0,
      changedMs: known?.changedMs ?? performance.now(),
    });
    return cell;
  }

  get seriesCount(): number {
    return this.#series.size;
  }

  /** Drops series that nobody holds and that did not change for a while. */
  evict(nowMs: number): void {
    this.#evictedAtMs = nowMs;
    for (const [key, series] of this.#series) {
      const sum = this.#sumOf(series.slot);
      if (sum !== series.seenSum) {
        series.seenSum = sum;
        series.changedMs = nowMs;
      } else if (nowMs - series.changedMs >= this.#retainIdleMs && series.cell.deref() === undefined) {
        this.#series.delete(key);
        this.#slab.give(series.slot);
      }
    }
  }

  /** The family in the Prometheus text format, in pieces of some kilobytes; nothing when it has no series. */
  *pieces(): Generator<string, void> {
    if (this.#series.size === 0) return;
    const help = this.help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
    let text = `# HELP ${this.name} ${help}\n# TYPE ${this.name} ${this.type}\n`;
    for (const [labels, { slot }] of this.#series) {
      text += this.type === 'histogram' ? this.#histogramText(labels, slot) : this.#valueText(labels, slot);
      if (text.length < PIECE_LENGTH) continue;
      yield text;
      text = '';
    }
    if (text !== '') yield text;
  }

  #valueText(labels: string, { values, at }: Slot): string {
    return `${this.name}${labels === '' ? '' : `{${labels}}`} ${formatValue(values[at] ?? 0)}\n`;
  }

  #histogramText(labels: string, { values, at }: Slot): string {
    const start = `${this.name}_bucket{${labels === '' ? '' : `${labels},`}le="`;
    const after = labels === '' ? '' : `{${labels}}`;
    let text = '';
    let count = 0;
    for (let bucket = 0; bucket <= this.#bounds.length; bucket += 1) {
      count += values[at + 1 + bucket] ?? 0;
      const bound = this.#bounds[bucket];
      text += `${start}${bound === undefined ? '+Inf' : formatValue(bound)}"} ${count}\n`;
    }
    const sum = formatValue(values[at] ?? 0);
    return `${text}${this.name}_sum${after} ${sum}\n${this.name}_count${after} ${count}\n`;
  }

  /** Looks whether old series can go first, when nobody scrapes and so makes room. */
  #isFull(): boolean {
    if (this.#series.size < this.#seriesMax) return false;
    const now = performance.now();
    if (now - this.#evictedAtMs >= MAKE_ROOM_MS) this.evict(now);
    return this.#series.size >= this.#seriesMax;
  }

  #sumOf({ values, at }: Slot): number {
    let sum = 0;
    for (let index = 0; index < this.#width; index += 1) sum += values[at + index] ?? 0;
    return sum;
  }
}
