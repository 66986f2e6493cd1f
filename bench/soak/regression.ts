/** A straight line through samples, by least squares. */

export interface Line {
  readonly slope: number;
  /** Standard error of the slope: what it may be off by chance, samples that follow each other being alike. */
  readonly slopeError: number;
  readonly mean: number;
}

/**
 * At least three samples at different times, in order; fewer make no line. What is sampled more often than it changes (memory between two
 * collections) is no independent news each time: the error is that of the samples' effective number, by the correlation of each rest with the next.
 */
export function fit(samples: readonly { readonly x: number; readonly y: number }[]): Line | undefined {
  const n = samples.length;
  if (n < 3) return undefined;
  const meanX = samples.reduce((sum, { x }) => sum + x, 0) / n;
  const mean = samples.reduce((sum, { y }) => sum + y, 0) / n;
  const spread = samples.reduce((sum, { x }) => sum + (x - meanX) ** 2, 0);
  if (spread === 0) return undefined;
  const slope = samples.reduce((sum, { x, y }) => sum + (x - meanX) * (y - mean), 0) / spread;
  const rests = samples.map(({ x, y }) => y - mean - slope * (x - meanX));
  const squares = rests.reduce((sum, rest) => sum + rest ** 2, 0);
  const alike = squares === 0 ? 0 : Math.max(0, correlation(rests) / squares);
  return { slope, slopeError: Math.sqrt(((squares / (n - 2)) * ((1 + alike) / (1 - alike))) / spread), mean };
}

/** Sum of the products of neighbours: below the sum of squares, unless all are zero. */
function correlation(rests: readonly number[]): number {
  return rests.reduce((sum, rest, index) => sum + (index === 0 ? 0 : rest * (rests[index - 1] ?? 0)), 0);
}
