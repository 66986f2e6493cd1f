/** What the load generators report, read into one form. */
import { quantiles } from './quantiles.ts';

export interface LoadResult {
  readonly requests: number;
  readonly durationS: number;
  readonly rps: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  /** Connection and status errors and answers that fell short, together. */
  readonly errors: number;
}

/** wrk's own report has no p99.9; its scripting door gives all figures in microseconds. */
export const WRK_REPORT_SCRIPT = `
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("figures %d %d %d %d %d %d\\n", summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    latency:percentile(99.9), e.connect + e.read + e.write + e.status + e.timeout))
end
`;

/** Reads the line that {@link WRK_REPORT_SCRIPT} writes. */
export function parseWrk(output: string): LoadResult {
  const match = /^figures (\d+) (\d+) (\d+) (\d+) (\d+) (\d+)$/m.exec(output);
  if (match === null) throw new Error(`wrk printed no figures: ${output}`);
  const [requests = 0, durationUs = 0, p50 = 0, p99 = 0, p999 = 0, errors = 0] = match.slice(1).map(Number);
  const durationS = durationUs / 1e6;
  return {
    requests,
    durationS,
    rps: requests / durationS,
    p50Ms: p50 / 1000,
    p99Ms: p99 / 1000,
    p999Ms: p999 / 1000,
    errors,
  };
}

/**
 * Reads h2load's summary and its log of requests (start, status, microseconds; one a line). It knows no quantiles and takes every 200 for success: an error of gRPC
 * is one too, but has no message, so an answer of less than `answerBytes` on average counts as failed.
 */
export function parseH2load(
  output: string,
  log: Buffer,
  run: { readonly durationS: number; readonly answerBytes: number },
): LoadResult {
  const figures =
    /^requests: \d+ total, \d+ started, (\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout$/m.exec(
      output,
    );
  const traffic = /\((\d+)\) data$/m.exec(output);
  if (figures === null || traffic === null) throw new Error(`h2load printed no figures: ${output}`);
  const [, succeeded = 0, failed = 0, errored = 0, timeout = 0] = figures.slice(1).map(Number);
  // Those under way at the end have sent some of their bytes, so the sum may be more, never less.
  const short = Math.max(0, succeeded - Math.floor(Number(traffic[1]) / run.answerBytes));
  const { p50, p99, p999 } = quantiles(lastColumn(log));
  return {
    requests: succeeded,
    durationS: run.durationS,
    rps: succeeded / run.durationS,
    p50Ms: p50 / 1000,
    p99Ms: p99 / 1000,
    p999Ms: p999 / 1000,
    errors: failed + errored + timeout + short,
  };
}

const DIGIT_0 = 0x30;
const LINE_FEED = 0x0a;
const TAB = 0x09;

/** The number that ends each line. The log has hundreds of thousands of them: no strings are made. */
function lastColumn(log: Buffer): Float64Array {
  const values: number[] = [];
  let value = 0;
  for (const byte of log) {
    if (byte === LINE_FEED) {
      values.push(value);
      value = 0;
    } else value = byte === TAB ? 0 : value * 10 + (byte - DIGIT_0);
  }
  return Float64Array.from(values);
}
