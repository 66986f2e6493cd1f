/**
 * One closed-loop run of HTTP/1.1 keep-alive requests with wrk: a fixed number of connections, each sends its next
 * request when the answer to the last one is complete.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findProgram, LOAD_CPU, pinned } from './programs.ts';

export interface LoadResult {
  readonly requests: number;
  readonly durationS: number;
  readonly rps: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  /** Connection and status errors together; a benchmark row with any is not valid. */
  readonly errors: number;
}

export interface Load {
  readonly host: string;
  readonly port: number;
  readonly path: string;
  readonly connections: number;
  readonly durationS: number;
}

/** wrk's own report has no p99.9; its scripting door gives all figures in microseconds. */
const REPORT_SCRIPT = `
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("figures %d %d %d %d %d %d\\n", summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    latency:percentile(99.9), e.connect + e.read + e.write + e.status + e.timeout))
end
`;

/** Why no load can be made here, or undefined. */
export function loadMissing(): string | undefined {
  return findProgram('wrk') === undefined ? 'wrk is not installed (Debian package wrk)' : undefined;
}

export async function runLoad(load: Load): Promise<LoadResult> {
  const wrk = findProgram('wrk');
  if (wrk === undefined) throw new Error('wrk is not installed (Debian package wrk)');
  const folder = mkdtempSync(join(tmpdir(), 'mesh-bench-'));
  try {
    const script = join(folder, 'report.lua');
    writeFileSync(script, REPORT_SCRIPT);
    const url = `http://${load.host}:${load.port}${load.path}`;
    const [file = '', ...args] = pinned(LOAD_CPU, [
      wrk,
      '-t1',
      `-c${load.connections}`,
      `-d${load.durationS}s`,
      // Its default of 2 s is less than 32 large bodies take on a machine with other work.
      '--timeout',
      '30s',
      '-s',
      script,
      url,
    ]);
    return parseFigures(await capture(file, args));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Reads the line that {@link REPORT_SCRIPT} writes. */
export function parseFigures(output: string): LoadResult {
  const match = /^figures (\d+) (\d+) (\d+) (\d+) (\d+) (\d+)$/m.exec(output);
  if (match === null) throw new Error(`the load generator printed no figures: ${output}`);
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

function capture(file: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')));
    child.stderr.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')));
    child.once('error', reject);
    child.once('close', (code) =>
      code === 0 ? resolve(text) : reject(new Error(`${file} ended with ${code}: ${text}`)),
    );
  });
}
