/** Benchmark results as a table for people and rows for programs. */

export interface BenchRow {
  readonly scenario: string;
  readonly proxy: string;
  readonly runtime: string;
  readonly connections: number;
  readonly rps: number;
  /** CPU of all proxy processes of the row together. */
  readonly cpu_us_per_request: number;
  readonly p50_ms: number;
  readonly p99_ms: number;
  readonly p999_ms: number;
  /** Largest single proxy process of the row, after the load. */
  readonly rss_mb: number;
  readonly private_mb: number;
  /** The same before any load. */
  readonly idle_private_mb: number;
  /** CPU relative to HAProxy in the same scenario and run; absent where HAProxy did not run. */
  readonly cpu_vs_haproxy?: number;
}

/** The middle value; the mean of the two middle ones for an even count. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** Adds to each row its CPU relative to HAProxy's in the same scenario. */
export function withRatios(rows: readonly BenchRow[]): BenchRow[] {
  return rows.map((row) => {
    const base = rows.find((other) => other.scenario === row.scenario && other.proxy === 'haproxy');
    if (base === undefined || base.cpu_us_per_request === 0) return row;
    return { ...row, cpu_vs_haproxy: round(row.cpu_us_per_request / base.cpu_us_per_request, 2) };
  });
}

export function round(value: number, digits: number): number {
  const scale = 10 ** digits;
  return Math.round(value * scale) / scale;
}

/** Columns aligned by width; numbers to the right. */
export function formatTable(
  headers: readonly string[],
  rows: readonly (readonly (string | number | undefined)[])[],
): string {
  const cells = [headers, ...rows.map((row) => row.map((cell) => (cell === undefined ? '-' : String(cell))))];
  const widths = headers.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  const isNumber = headers.map((_, column) => rows.every((row) => typeof row[column] !== 'string'));
  return cells
    .map((row) =>
      row
        .map((cell, column) =>
          isNumber[column] === true ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
