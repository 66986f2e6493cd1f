/** Quantiles of latencies. */

export interface Quantiles {
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
}

/** By nearest rank: each is a value that occurred. Sorts the values in place. NaN without any. */
export function quantiles(values: Float64Array): Quantiles {
  values.sort();
  const at = (share: number): number => values[Math.max(0, Math.ceil(share * values.length) - 1)] ?? Number.NaN;
  return { p50: at(0.5), p99: at(0.99), p999: at(0.999) };
}
