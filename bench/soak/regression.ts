/** A straight line through samples, by least squares. */

export interface Line {
  readonly slope: number;
  /** Standard error of the slope: what it may be off by chance. */
  readonly slopeError: number;
  readonly mean: number;
}

/** At least three samples at different times; fewer make no line. */
export function fit(samples: readonly { readonly x: number; readonly y: number }[]): Line | undefined {
  const n = samples.length;
  if (n < 3) return undefined;
  const meanX = samples.reduce((sum, { x }) => sum + x, 0) / n;
  const mean = samples.reduce((sum, { y }) => sum + y, 0) / n;
  const spread = samples.reduce((sum, { x }) => sum + (x - meanX) ** 2, 0);
  if (spread === 0) return undefined;
  const slope = samples.reduce((sum, { x, y }) => sum + (x - meanX) * (y - mean), 0) / spread;
  const rest = samples.reduce((sum, { x, y }) => sum + (y - mean - slope * (x - meanX)) ** 2, 0);
  return { slope, slopeError: Math.sqrt(rest / (n - 2) / spread), mean };
}
