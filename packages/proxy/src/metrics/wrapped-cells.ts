/** Cells that move other cells along. */
import type { CounterCell, GaugeCell } from '../ports.ts';

/** A gauge whose changes also change a sum, as `p2c_endpoints` is the sum of ready and pending. */
export class SummedGauge implements GaugeCell {
  readonly #own: GaugeCell;
  readonly #sum: GaugeCell;
  #value = 0;

  constructor(own: GaugeCell, sum: GaugeCell) {
    this.#own = own;
    this.#sum = sum;
  }

  add(n: number): void {
    this.#value += n;
    this.#own.add(n);
    this.#sum.add(n);
  }

  set(value: number): void {
    this.add(value - this.#value);
  }
}

/** A counter that notes when it last counted, seconds since the epoch. */
export class TimedCounter implements CounterCell {
  readonly #own: CounterCell;
  readonly #when: GaugeCell;

  constructor(own: CounterCell, when: GaugeCell) {
    this.#own = own;
    this.#when = when;
  }

  add(n: number): void {
    this.#own.add(n);
    this.#when.set(Date.now() / 1000);
  }
}

/** Counts the same into two series, as for bytes of an endpoint and of all endpoints of its zone. */
export class TwoCounters implements CounterCell {
  readonly #one: CounterCell;
  readonly #other: CounterCell;

  constructor(one: CounterCell, other: CounterCell) {
    this.#one = one;
    this.#other = other;
  }

  add(n: number): void {
    this.#one.add(n);
    this.#other.add(n);
  }
}
